//! Counts that many workers raise a million times a second without waiting for each other.

use std::{
    cell::Cell,
    sync::atomic::{AtomicU64, Ordering},
};

const STRIPES: usize = 16;

/// One worker's share, on cache lines of its own.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct Stripe {
    asked: AtomicU64,
    given: AtomicU64,
    ended: AtomicU64,
    cancelled: AtomicU64,
}

/// What was asked of a throttle and what became of it. Every stripe wraps; the sums do not.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    stripes: [Stripe; STRIPES],
}

/// The sums.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) asked: u64,
    pub(crate) given: u64,
    pub(crate) cancelled: u64,
}

impl Tally {
    pub(crate) fn asked(&self, by: u64) {
        self.mine().asked.fetch_add(by, Ordering::Relaxed);
    }

    pub(crate) fn given(&self, by: u64) {
        self.mine().given.fetch_add(by, Ordering::SeqCst);
    }

    pub(crate) fn ended(&self, by: u64) {
        self.mine().ended.fetch_add(by, Ordering::SeqCst);
    }

    /// Somebody who asked gave up before anything was given.
    pub(crate) fn cancelled(&self) {
        self.mine().cancelled.fetch_add(1, Ordering::Relaxed);
    }

    /// How many were let through and have not ended.
    pub(crate) fn in_flight(&self) -> u64 {
        // Ends are read first: what is let through and ends in between counts as in flight.
        let ended = self.sum(|stripe| &stripe.ended);
        let given = self.sum(|stripe| &stripe.given);
        // What ends before it is counted as given would be less than none.
        u64::try_from(given.wrapping_sub(ended) as i64).unwrap_or(0)
    }

    pub(crate) fn totals(&self) -> Totals {
        Totals {
            asked: self.sum(|stripe| &stripe.asked),
            given: self.sum(|stripe| &stripe.given),
            cancelled: self.sum(|stripe| &stripe.cancelled),
        }
    }

    fn sum(&self, count: impl Fn(&Stripe) -> &AtomicU64) -> u64 {
        self.stripes
            .iter()
            .fold(0, |sum, stripe| sum.wrapping_add(count(stripe).load(Ordering::SeqCst)))
    }

    fn mine(&self) -> &Stripe {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        thread_local! {
            static MINE: Cell<usize> = const { Cell::new(usize::MAX) };
        }
        let mine = MINE.get();
        let mine = if mine < STRIPES {
            mine
        } else {
            let mine = NEXT.fetch_add(1, Ordering::Relaxed) as usize % STRIPES;
            MINE.set(mine);
            mine
        };
        &self.stripes[mine]
    }
}
