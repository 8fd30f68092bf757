//! Pure: the arrivals of a stage in numbered cells, which can be dealt out one by one.
//!
//! A cell is a piece of the stage in which the integral of the rate grows by one. Evenly spaced, the
//! arrival of a cell is due at its end; the first cell begins in the stages before, where they left
//! something over, and what is left over of the stage is of the first cell after it. Of a Poisson process, a cell has as many arrivals as a
//! Poisson variable of mean one says, each at a uniform place in it: cells are independent, so
//! whoever holds a cell knows its arrivals without knowing those before, and together they are a
//! Poisson process of that rate. (Time changed by the integral: Çinlar, *Introduction to Stochastic
//! Processes*, 1975, chapter 4.)

use std::time::Duration;

use super::share::Share;
use crate::{
    load::settings::Spacing,
    profile::{Profile, arrivals::Arrivals},
};

/// The arrivals of one stage.
#[derive(Debug, Clone, Copy)]
pub struct Cells {
    arrivals: Arrivals,
    spacing: Spacing,
    /// What the random numbers of this stage come from.
    key: u64,
}

impl Cells {
    /// Those of each stage of a profile; `None` where it is not one of a rate.
    pub fn of(profile: &Profile, spacing: Spacing, seed: u64) -> Vec<Option<Self>> {
        let cells = |(number, arrivals): (u64, Option<Arrivals>)| {
            let arrivals = match spacing {
                Spacing::Even => arrivals?,
                // Its arrivals are as many as chance has it, so that nothing is left over.
                Spacing::Poisson => arrivals?.alone(),
            };
            Some(Self { arrivals, spacing, key: mixed(seed ^ mixed(number)) })
        };
        (0..).zip(Arrivals::of(profile.stages())).map(cells).collect()
    }

    /// How many cells there are; they are numbered from 1.
    pub fn count(&self) -> u64 {
        match self.spacing {
            Spacing::Even => self.arrivals.total(),
            Spacing::Poisson => self.arrivals.integral().ceil() as u64,
        }
    }

    /// The last cell that may have an arrival until this time since the stage began.
    pub fn until(&self, elapsed: Duration) -> u64 {
        let reached = self.arrivals.until(u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX));
        match self.spacing {
            Spacing::Even => reached,
            Spacing::Poisson => (reached + 1).min(self.count()),
        }
    }

    /// When the arrivals of a cell are due since the stage began, the first one first.
    pub fn dues(&self, cell: u64) -> Vec<Duration> {
        match self.spacing {
            Spacing::Even => self.arrivals.due(cell).into_iter().collect(),
            Spacing::Poisson => {
                let places = self.places(cell).into_iter();
                places.map(|place| self.arrivals.reaches(place)).collect()
            }
        }
    }

    /// Whether a share has that cell. It goes by the number in the whole plan: the first cells of
    /// many short stages are not all of the same node.
    pub fn is_of(&self, share: Share, cell: u64) -> bool {
        share.has(self.arrivals.before().wrapping_add(cell))
    }

    /// How many arrivals a share of these cells has.
    pub fn arrivals(&self, first: u64, last: u64, share: Share) -> u64 {
        let cells = (first..=last).filter(|cell| self.is_of(share, *cell));
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
    use crate::profile::{Curve, Stage};

    fn of_stage(stage: Stage, spacing: Spacing, seed: u64) -> Cells {
        Cells::of(&Profile::new(vec![stage]).unwrap(), spacing, seed)[0].unwrap()
    }

    fn cells(rate: f64, seconds: u64, spacing: Spacing, seed: u64) -> Cells {
        of_stage(Stage::rate(rate, Duration::from_secs(seconds)), spacing, seed)
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

    /// A thousand stages of one arrival each, over three nodes: each has its third, and each arrival
    /// is of one node.
    #[test]
    fn arrivals_of_many_short_stages_are_of_all_nodes() {
        let plan: Profile = vec!["1s: 1/s"; 999].join(", ").parse().unwrap();
        let shares = Share::split(&[1, 1, 1]);
        let mut counts = [0; 3];
        for cells in Cells::of(&plan, Spacing::Even, 1).into_iter().flatten() {
            let of = shares.iter().map(|share| cells.arrivals(1, 1, share.unwrap()));
            let of: Vec<_> = of.collect();
            assert_eq!(of.iter().sum::<u64>(), 1);
            counts.iter_mut().zip(of).for_each(|(count, of)| *count += of);
        }
        assert!(counts.iter().all(|count| (330..=336).contains(count)), "{counts:?}");
    }

    #[test]
    fn poisson_arrivals_of_a_stage_do_not_depend_on_those_before() {
        let plan: Profile = "1s: 0.9/s, 1s: 0.9/s, 100s: 50/s".parse().unwrap();
        let of_plan = Cells::of(&plan, Spacing::Poisson, 1);
        assert_eq!([0, 1, 2].map(|stage| of_plan[stage].unwrap().count()), [1, 1, 5_000]);
        let count = |seed| {
            let cells = Cells::of(&plan, Spacing::Poisson, seed);
            let counts = cells.iter().flatten();
            counts.map(|cells| cells.arrivals(1, cells.count(), Share::ALL)).sum::<u64>()
        };
        let sum: u64 = (0..40).map(count).sum();
        // 5001.8 on average, give or take four times √(5001.8 ÷ 40).
        assert!((sum as f64 / 40.0 - 5_001.8).abs() < 45.0, "{sum}");
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
            let cells = of_stage(stage, spacing, seed);
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
