//! How long users took against when they started, as a grid of bounded size.
//!
//! A column stands for users that started within the same time, a bin for those that took about as
//! long. Columns are a tenth of a second at first; whenever a user started later than the last one
//! reaches, each two neighbours become one of twice the width. A column's number is a whole division
//! of the start, so two grids of different widths add up exactly to that of one recorder.

use std::{collections::BTreeMap, time::Duration};

/// How many columns there are at most.
pub const MAX_COLUMNS: u64 = 96;

/// The width of a column before any doubling, in microseconds.
const FIRST_WIDTH_US: u64 = 100_000;

/// More doublings than time itself has: a start of 2^64 µs needs fewer.
pub const MAX_DOUBLINGS: u32 = 48;

/// Bins in a doubling of the duration, as a power of two: four.
const STEP_BITS: u32 = 2;

/// Durations below 2^10 µs share the first bin.
const FIRST_BITS: u32 = 10;

/// Durations from 2^45 µs (407 days) on share the last bin.
const LAST_BITS: u32 = 44;

/// How many bins there are.
pub const BINS: u8 = (1 + ((LAST_BITS - FIRST_BITS + 1) << STEP_BITS)) as u8;

/// How long users took against when they started: users are counted once, when they end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lifetimes {
    doublings: u32,
    /// By column and bin; none that is zero.
    cells: BTreeMap<(u8, u8), u64>,
}

/// Users that started within the same time and took about as long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetime {
    /// They started at this time since the start of the run, or later,
    pub start: Duration,
    /// but before it was so much later.
    pub width: Duration,
    /// They took at least so long,
    pub from: Duration,
    /// and less than this; of the last bin nothing is said.
    pub to: Duration,
    /// How many they are.
    pub count: u64,
}

impl Lifetimes {
    /// Counts a user that started `start` after the run did and took so long.
    pub fn record(&mut self, start: Duration, took: Duration) {
        self.add(micros(start), bin_of(micros(took)), 1);
    }

    /// Adds what somebody else counted, exactly.
    pub fn merge(&mut self, other: &Self) {
        self.widen_to(other.doublings);
        let narrower = self.doublings - other.doublings;
        for (&(column, bin), &count) in &other.cells {
            self.put((column >> narrower.min(7), bin), count);
        }
    }

    /// Whether nobody was counted.
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    /// How many users were counted.
    pub fn count(&self) -> u64 {
        self.cells.values().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// How much time a column stands for.
    pub fn width(&self) -> Duration {
        Duration::from_micros(width_us(self.doublings))
    }

    /// All that hold somebody, by start and then by duration.
    pub fn cells(&self) -> impl Iterator<Item = Lifetime> {
        let width = self.width();
        self.cells.iter().map(move |(&(column, bin), &count)| Lifetime {
            start: width.saturating_mul(column.into()),
            width,
            from: Duration::from_micros(least(bin)),
            to: Duration::from_micros(least(bin + 1)),
            count,
        })
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// How often columns were doubled, and each cell that holds somebody: column, bin, count.
    pub fn raw(&self) -> (u32, impl Iterator<Item = (u8, u8, u64)>) {
        (self.doublings, self.cells.iter().map(|(&(column, bin), &count)| (column, bin, count)))
    }

    /// Adds one cell of a grid whose columns were doubled so often, of a node that began `later`
    /// than the run: exact without that, and moved as its middle moves with it.
    pub fn add_raw(
        &mut self,
        doublings: u32,
        (column, bin, count): (u8, u8, u64),
        later: Duration,
    ) {
        let width = width_us(doublings.min(MAX_DOUBLINGS));
        self.widen_to(doublings.min(MAX_DOUBLINGS));
        let middle = width.saturating_mul(column.into()).saturating_add(width / 2);
        self.add(middle.saturating_add(micros(later)), bin.min(BINS - 1), count);
    }

    fn add(&mut self, start_us: u64, bin: u8, count: u64) {
        let mut doublings = self.doublings;
        while start_us / width_us(doublings) >= MAX_COLUMNS && doublings < MAX_DOUBLINGS {
            doublings += 1;
        }
        self.widen_to(doublings);
        let column = (start_us / width_us(doublings)).min(MAX_COLUMNS - 1);
        self.put((column as u8, bin), count);
    }

    fn put(&mut self, cell: (u8, u8), count: u64) {
        if count > 0 {
            let known = self.cells.entry(cell).or_default();
            *known = known.saturating_add(count);
        }
    }

    fn widen_to(&mut self, doublings: u32) {
        if doublings <= self.doublings {
            return;
        }
        let by = (doublings - self.doublings).min(7);
        self.doublings = doublings;
        for ((column, bin), count) in std::mem::take(&mut self.cells) {
            self.put((column >> by, bin), count);
        }
    }
}

fn width_us(doublings: u32) -> u64 {
    FIRST_WIDTH_US.saturating_mul(1 << doublings)
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// The bin of a duration: four to a doubling.
fn bin_of(us: u64) -> u8 {
    let bits = match us.checked_ilog2() {
        Some(bits) if bits >= FIRST_BITS => bits,
        _ => return 0,
    };
    if bits > LAST_BITS {
        return BINS - 1;
    }
    let step = (us >> (bits - STEP_BITS)) & ((1 << STEP_BITS) - 1);
    (1 + (((bits - FIRST_BITS) << STEP_BITS) + step as u32)) as u8
}

/// The shortest duration of a bin, in microseconds.
fn least(bin: u8) -> u64 {
    let Some(at) = u32::from(bin).checked_sub(1) else { return 0 };
    let (bits, step) = (FIRST_BITS + (at >> STEP_BITS), at & ((1 << STEP_BITS) - 1));
    u64::from((1 << STEP_BITS) + step) << (bits - STEP_BITS)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Of every size: a run of a second, and one of years.
    fn time() -> impl Strategy<Value = Duration> {
        prop_oneof![0..2_000_000u64, 0..9_000_000_000u64, 0..u64::MAX / 2]
            .prop_map(Duration::from_micros)
    }

    fn of<'a>(users: impl IntoIterator<Item = &'a (Duration, Duration)>) -> Lifetimes {
        let mut grid = Lifetimes::default();
        users.into_iter().for_each(|(start, took)| grid.record(*start, *took));
        grid
    }

    proptest! {
        #[test]
        fn grids_add_up_to_that_of_one_recorder(
            users in prop::collection::vec((0..3usize, (time(), time())), 0..200),
        ) {
            let one = of(users.iter().map(|(_, user)| user));
            let part = |node| of(users.iter().filter(|(n, _)| *n == node).map(|(_, user)| user));
            let (mut forwards, mut backwards) = (Lifetimes::default(), Lifetimes::default());
            for node in 0..3 {
                forwards.merge(&part(node));
                backwards.merge(&part(2 - node));
            }
            prop_assert_eq!(&forwards, &one);
            prop_assert_eq!(&backwards, &one);
            prop_assert_eq!(one.count(), users.len() as u64);
        }

        #[test]
        fn cells_that_travel_are_those_that_were_counted(
            users in prop::collection::vec((time(), time()), 0..100),
        ) {
            let one = of(&users);
            let (doublings, cells) = one.raw();
            let mut there = Lifetimes::default();
            cells.for_each(|cell| there.add_raw(doublings, cell, Duration::ZERO));
            prop_assert_eq!(there, one);
        }

        #[test]
        fn every_user_is_in_a_cell_that_fits(start in time(), took in time()) {
            let grid = of(&[(start, took)]);
            let cells: Vec<_> = grid.cells().collect();
            prop_assert_eq!(cells.len(), 1);
            let cell = cells[0];
            prop_assert!(cell.start <= start && start < cell.start + cell.width, "{cell:?}");
            prop_assert!(cell.from <= took, "{cell:?}");
            prop_assert!(took < cell.to || took >= Duration::from_micros(1 << LAST_BITS), "{cell:?}");
        }
    }

    #[test]
    fn a_long_run_needs_no_more_room_than_a_short_one() {
        let mut grid = Lifetimes::default();
        for second in 0..200_000 {
            grid.record(Duration::from_secs(second), Duration::from_secs(1 + second % 7));
        }
        assert_eq!(grid.count(), 200_000);
        let columns: Vec<_> = grid.cells().map(|cell| cell.start).collect();
        assert!(columns.len() <= MAX_COLUMNS as usize * 7, "{}", columns.len());
        assert!(grid.width() * (MAX_COLUMNS as u32) >= Duration::from_secs(200_000));
        assert!(grid.width() * (MAX_COLUMNS as u32) / 2 < Duration::from_secs(200_000));
    }

    #[test]
    fn a_node_that_began_later_moves_its_users() {
        let grid = of(&[(Duration::from_millis(50), Duration::from_secs(1))]);
        let (doublings, cells) = grid.raw();
        let mut total = Lifetimes::default();
        cells.for_each(|cell| total.add_raw(doublings, cell, Duration::from_secs(3)));
        assert_eq!(total.cells().next().unwrap().start, Duration::from_secs(3));
    }
}
