//! Since when each thread polls a user.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    sync::{
        Mutex, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// So many cells are made at once.
const BLOCK: usize = 64;

/// A cell for every thread, however many there are: threads that shared one would hide each other's
/// stalls. Blocks of cells are made when a thread first needs one of theirs.
#[derive(Debug, Default)]
pub(super) struct Polls {
    first: OnceLock<Box<Block>>,
}

#[derive(Debug)]
struct Block {
    cells: [Cell; BLOCK],
    next: OnceLock<Box<Block>>,
}

/// In cache lines of its own, so that threads do not disturb each other's.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Cell {
    /// In microseconds since the start of the run; 0 if no user is polled.
    since: AtomicU64,
}

impl Default for Block {
    fn default() -> Self {
        Self { cells: std::array::from_fn(|_| Cell::default()), next: OnceLock::new() }
    }
}

impl Polls {
    /// A user is polled on this thread from `now` on, since the start of the run.
    pub(super) fn begin(&self, now: Duration) {
        let since = u64::try_from(now.as_micros()).unwrap_or(u64::MAX).max(1);
        self.set(since);
    }

    /// No user is polled on this thread any more.
    pub(super) fn end(&self) {
        self.set(0);
    }

    fn set(&self, since: u64) {
        // A thread that is ending has no number any more, and polls nobody for long.
        let Some(mut number) = thread_number() else { return };
        let mut block = self.first.get_or_init(Box::default);
        while number >= BLOCK {
            block = block.next.get_or_init(Box::default);
            number -= BLOCK;
        }
        block.cells[number].since.store(since, Ordering::Relaxed);
    }

    /// Since when users are polled, one for each thread that polls one.
    pub(super) fn under_way(&self) -> impl Iterator<Item = Duration> {
        let blocks = std::iter::successors(self.first.get(), |block| block.next.get());
        let all = blocks.flat_map(|block| block.cells.iter());
        let since = all.map(|cell| cell.since.load(Ordering::Relaxed));
        since.filter(|since| *since > 0).map(Duration::from_micros)
    }
}

/// Numbers that threads had which are gone, and the first that none ever had.
static FREE: Mutex<(BinaryHeap<Reverse<usize>>, usize)> = Mutex::new((BinaryHeap::new(), 0));

struct Number(usize);

impl Number {
    fn take() -> Self {
        let mut free = FREE.lock().unwrap_or_else(PoisonError::into_inner);
        let (back, next) = &mut *free;
        Self(back.pop().map_or_else(
            || {
                *next += 1;
                *next - 1
            },
            |Reverse(number)| number,
        ))
    }
}

impl Drop for Number {
    fn drop(&mut self) {
        FREE.lock().unwrap_or_else(PoisonError::into_inner).0.push(Reverse(self.0));
    }
}

/// The number of this thread: no other thread has it as long as this one lives, and numbers are as
/// small as that allows. `None` if the thread is ending.
pub(super) fn thread_number() -> Option<usize> {
    thread_local! {
        static NUMBER: Number = Number::take();
    }
    NUMBER.try_with(|number| number.0).ok()
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, sync::Barrier, thread};

    use super::*;

    #[test]
    fn every_thread_has_a_cell_of_its_own() {
        const THREADS: usize = 150;
        let polls = Polls::default();
        let all = Barrier::new(THREADS + 1);
        let numbers = Mutex::new(BTreeSet::new());
        thread::scope(|scope| {
            for n in 1..=THREADS {
                let (polls, all, numbers) = (&polls, &all, &numbers);
                scope.spawn(move || {
                    polls.begin(Duration::from_micros(n as u64));
                    numbers.lock().unwrap().insert(thread_number().unwrap());
                    all.wait();
                    // Looked at meanwhile.
                    all.wait();
                    polls.end();
                });
            }
            all.wait();
            let mut since: Vec<_> = polls.under_way().collect();
            since.sort_unstable();
            let wanted: Vec<_> = (1..=THREADS as u64).map(Duration::from_micros).collect();
            all.wait();
            assert_eq!(since, wanted);
        });
        assert_eq!(polls.under_way().count(), 0);
        assert_eq!(numbers.into_inner().unwrap().len(), THREADS);
    }

    #[test]
    fn numbers_of_threads_that_are_gone_are_used_again() {
        let mut highest = 0;
        for _ in 0..1_000 {
            highest = highest.max(thread::spawn(|| thread_number().unwrap()).join().unwrap());
        }
        // Other tests have threads, too.
        assert!(highest < 900, "{highest}");
    }
}
