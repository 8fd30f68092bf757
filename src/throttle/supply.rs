//! Where a gate has its slots from: its own schedule, or a lease of the master.

use super::{bucket::Bucket, holdings::Holdings, ramp::Ramp, rate::Rate};

/// What may be let through now.
#[derive(Debug)]
pub(crate) enum Supply {
    /// This node owns all slots.
    Own(Bucket),
    /// This node was given some.
    Leased(Holdings),
}

/// Does the same with either.
macro_rules! either {
    ($self:expr, $supply:ident => $what:expr) => {
        match $self {
            Supply::Own($supply) => $what,
            Supply::Leased($supply) => $what,
        }
    };
}

/// As the methods of [`Bucket`].
impl Supply {
    pub(crate) fn available(&self, now: u64, in_flight: u64) -> u64 {
        either!(self, supply => supply.available(now, in_flight))
    }

    pub(crate) fn give(&mut self, now: u64, slots: u64) -> u64 {
        either!(self, supply => supply.give(now, slots))
    }

    pub(crate) fn first_comes(&mut self, now: u64) {
        either!(self, supply => supply.first_comes(now))
    }

    pub(crate) fn last_went(&mut self, now: u64) {
        // What is leased does not save up.
        if let Self::Own(bucket) = self {
            bucket.last_went(now);
        }
    }

    pub(crate) fn forfeit(&mut self, now: u64) -> u64 {
        either!(self, supply => supply.forfeit(now))
    }

    pub(crate) fn next_due(&self, reserved: u64) -> Option<u64> {
        either!(self, supply => supply.next_due(reserved))
    }

    pub(crate) fn next_change(&self) -> Option<u64> {
        either!(self, supply => supply.next_change())
    }

    pub(crate) fn advance(&mut self, now: u64) -> Option<Rate> {
        match self {
            Self::Own(bucket) => bucket.advance(now),
            Self::Leased(holdings) => {
                holdings.advance(now);
                None
            }
        }
    }

    pub(crate) fn is_paused(&self) -> bool {
        either!(self, supply => supply.is_paused())
    }

    pub(crate) fn is_open(&self) -> bool {
        either!(self, supply => supply.is_open())
    }

    pub(crate) fn limits_flight(&self) -> bool {
        either!(self, supply => supply.limits_flight())
    }

    pub(crate) fn is_timed(&self) -> bool {
        either!(self, supply => supply.is_timed())
    }

    pub(crate) fn rate_at(&self, now: u64) -> Rate {
        match self {
            Self::Own(bucket) => bucket.rate_at(now),
            Self::Leased(holdings) => holdings.rate(),
        }
    }

    pub(crate) fn ramp_at(&self, now: u64) -> Option<(Ramp, u64)> {
        either!(self, supply => supply.ramp_at(now))
    }

    pub(crate) fn forfeited(&self) -> u64 {
        either!(self, supply => supply.forfeited())
    }

    /// How late a slot may be given, if a lease says so.
    pub(crate) fn leased_tolerance(&self, now: u64) -> Option<u64> {
        match self {
            Self::Own(_) => None,
            Self::Leased(holdings) => Some(holdings.tolerance(now)),
        }
    }
}
