//! Pure: the arrivals of a stage in numbered cells, which can be dealt out one by one.
//!
//! A cell is a piece of the stage in which the integral of the rate grows by one. Evenly spaced, the
//! arrival of a cell is due at its end. Of a Poisson process, a cell has as many arrivals as a
//! Poisson variable of mean one says, each at a uniform place in it: cells are independent, so
//! whoever holds a cell knows its arrivals without knowing those before, and together they are a
//! Poisson process of that rate. (Time changed by the integral: Çinlar, *Introduction to Stochastic
//! Processes*, 1975, chapter 4.)

use std::time::Duration;

use super::share::Share;
use crate::{
    profile::{Stage, arrivals::Arrivals},
    scenario::settings::Spacing,
};

/// The arrivals of one stage.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cells {
    arrivals: Arrivals,
    spacing: Spacing,
    /// What the random numbers of this stage come from.
    key: u64,
}

impl Cells {
    /// Those of a stage, by its number in the profile; `None` if it is not one of a rate.
    pub(crate) fn of(number: usize, stage: &Stage, spacing: Spacing, seed: u64) -> Option<Self> {
        let key = mixed(seed ^ mixed(number as u64));
        Some(Self { arrivals: Arrivals::of(stage)?, spacing, key })
    }

    /// How many cells there are; they are numbered from 1.
    pub(crate) fn count(&self) -> u64 {
        match self.spacing {
            Spacing::Even => self.arrivals.total(),
            Spacing::Poisson => self.arrivals.integral().ceil() as u64,
        }
    }

    /// The last cell that may have an arrival until this time since the stage began.
    pub(crate) fn until(&self, elapsed: Duration) -> u64 {
        let reached = self.arrivals.until(u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX));
        match self.spacing {
            Spacing::Even => reached,
            Spacing::Poisson => (reached + 1).min(self.count()),
        }
    }

    /// When the arrivals of a cell are due since the stage began, the first one first.
    pub(crate) fn dues(&self, cell: u64) -> Vec<Duration> {
        match self.spacing {
            Spacing::Even => self.arrivals.due(cell).into_iter().collect(),
            Spacing::Poisson => {
                let places = self.places(cell).into_iter();
                places.map(|place| self.arrivals.reaches(place)).collect()
            }
        }
    }

    /// How many arrivals a share of these cells has.
    pub(crate) fn arrivals(&self, first: u64, last: u64, share: Share) -> u64 {
        let cells = (first..=last).filter(|cell| share.has(*cell));
        match self.spacing {
            Spacing::Even => cells.count() as u64,
            Spacing::Poisson => cells.map(|cell| self.places(cell).len() as u64).sum(),
        }
    }

    /// Where the integral stands at each arrival of a cell.
    fn places(&self, cell: u64) -> Vec<f64> {
        let mut random = self.key ^ mixed(cell);
        let mut uniform = || {
            random = random.wrapping_add(0x9e37_79b9_7f4a_7c15);
            (mixed(random) >> 11) as f64 / (1_u64 << 53) as f64
        };
        // By inversion: as many as the cumulated chances leave below a uniform number.
        let (sought, mut count) = (uniform(), 0_u32);
        let (mut chance, mut below) = ((-1.0_f64).exp(), (-1.0_f64).exp());
        while sought >= below && count < 64 {
            count += 1;
            chance /= f64::from(count);
            below += chance;
        }
        let begins = cell.saturating_sub(1) as f64;
        let mut places: Vec<f64> = (0..count).map(|_| begins + uniform()).collect();
        places.sort_by(f64::total_cmp);
        // Of the last cell the stage may have a part only.
        places.retain(|place| *place <= self.arrivals.integral());
        places
    }
}

/// A number that looks like any other: the output function of SplitMix64 (Steele, Lea and Flood,
/// *Fast Splittable Pseudorandom Number Generators*, 2014).
fn mixed(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::profile::Curve;

    fn cells(rate: f64, seconds: u64, spacing: Spacing, seed: u64) -> Cells {
        let stage = Stage::rate(rate, Duration::from_secs(seconds));
        Cells::of(0, &stage, spacing, seed).unwrap()
    }

    #[test]
    fn evenly_spaced_a_cell_is_an_arrival() {
        let even = cells(2.0, 3, Spacing::Even, 1);
        assert_eq!((even.count(), even.until(Duration::from_millis(1_600))), (6, 3));
        assert_eq!(even.dues(3), [Duration::from_millis(1_500)]);
    }

    /// Ten thousand cells: the mean of a count is one, its variance is one, and an arrival is no
    /// nearer to one end of the second than to the other.
    #[test]
    fn a_poisson_process_has_the_mean_and_the_variance_it_should() {
        for seed in [1, 2, 77] {
            let random = cells(10_000.0, 1, Spacing::Poisson, seed);
            let counts: Vec<f64> =
                (1..=random.count()).map(|cell| random.dues(cell).len() as f64).collect();
            let mean = counts.iter().sum::<f64>() / 1e4;
            let variance = counts.iter().map(|count| (count - mean).powi(2)).sum::<f64>() / 1e4;
            assert!((mean - 1.0).abs() < 0.04, "{mean}");
            assert!((variance - 1.0).abs() < 0.08, "{variance}");
        }
    }

    #[test]
    fn another_seed_is_another_row_of_arrivals_and_the_same_seed_the_same() {
        let all = |seed| {
            let random = cells(50.0, 2, Spacing::Poisson, seed);
            (1..=random.count()).flat_map(|cell| random.dues(cell)).collect::<Vec<_>>()
        };
        assert_eq!(all(5), all(5));
        assert_ne!(all(5), all(6));
    }

    proptest! {
        /// No arrival of a cell is due before the cells are dealt that the time asks for.
        #[test]
        fn all_that_is_due_until_a_time_is_in_the_cells_until_then(
            from in 0.0..200.0, to in 0.0..200.0, seconds in 1..20_u64, at in 0.0..1.0,
            poisson: bool, seed: u64,
        ) {
            let spacing = if poisson { Spacing::Poisson } else { Spacing::Even };
            let duration = Duration::from_secs(seconds);
            let stage = Stage::ramp_rate(from, to, Curve::Quadratic, duration);
            let cells = Cells::of(3, &stage, spacing, seed).unwrap();
            let time = duration.mul_f64(at);
            let last = cells.until(time);
            prop_assert!(last <= cells.count());
            let mut before = Duration::ZERO;
            for cell in 1..=cells.count() {
                for due in cells.dues(cell) {
                    prop_assert!(before <= due && due <= duration);
                    prop_assert!(due > time || cell <= last);
                    before = due;
                }
            }
        }
    }
}
