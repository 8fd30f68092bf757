//! Several runs a side: a change is told from the noise between runs.
//!
//! Each number of each run is one observation, times and rates by their logarithms. Two sides are
//! told apart by Student's t with the variance of both sides together: runs of an unchanged target
//! have one variance, and it is the unchanged target that must raise no alarm. One run on one side
//! is allowed (Crawford and Howell, 1998). The variance between runs is taken to be no less than what
//! each run leaves open by itself: of few runs it may come out as almost nothing by chance.

use super::student::{critical, two_sided};

/// A side's observations: (the number, its variance within the run).
pub(super) type Observed = Vec<(f64, f64)>;

/// What two sides say of a number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Contrast {
    /// By how much the mean of the second side is greater.
    pub(super) difference: f64,
    /// The deviation of a run.
    pub(super) between: f64,
    /// The deviation of the difference.
    error: f64,
    degrees: u32,
}

impl Contrast {
    /// That of two sides of at least three runs in all.
    pub(super) fn of(sides: &[Observed; 2]) -> Self {
        let means = sides.each_ref().map(|side| mean(side.iter().map(|(number, _)| *number)));
        let squares = |side: &Observed, mean: f64| {
            side.iter().map(|(number, _)| (number - mean).powi(2)).sum::<f64>()
        };
        let runs = sides[0].len() + sides[1].len();
        let degrees = runs.saturating_sub(2).max(1);
        let seen = (squares(&sides[0], means[0]) + squares(&sides[1], means[1])) / degrees as f64;
        let within = mean(sides.iter().flatten().map(|(_, variance)| *variance));
        let variance = seen.max(within);
        let shares: f64 = sides.iter().map(|side| 1.0 / side.len().max(1) as f64).sum();
        Self {
            difference: means[1] - means[0],
            between: variance.sqrt(),
            error: (variance * shares).sqrt(),
            degrees: u32::try_from(degrees).unwrap_or(u32::MAX),
        }
    }

    /// How probable such a difference is, or a greater one, if there is none.
    pub(super) fn p(&self) -> f64 {
        if self.difference == 0.0 {
            return 1.0;
        }
        two_sided(self.difference / self.error, self.degrees)
    }

    /// Where the difference lies, but for this doubt.
    pub(super) fn interval(&self, doubt: f64) -> (f64, f64) {
        let reach = critical(doubt, self.degrees) * self.error;
        (self.difference - reach, self.difference + reach)
    }
}

fn mean(numbers: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = numbers.fold((0.0, 0.0), |(sum, count), number| (sum + number, count + 1.0));
    if count > 0.0 { sum / count } else { 0.0 }
}

/// The doubt that each number may be told with, so that with all of them together nothing is called a
/// change that is none, but for `doubt`: the step-up procedure of Hochberg (1988), which holds for
/// numbers that are independent or move together, as those of a run do. A number changed if its own
/// p is no greater.
pub(super) fn doubts(ps: &[f64], doubt: f64) -> Vec<f64> {
    let mut sorted = ps.to_vec();
    sorted.sort_by(f64::total_cmp);
    let allowed = |rank: usize| doubt / (ps.len() - rank) as f64;
    // The last of those that are told to be changed, the smallest p being rank 0.
    let last = (0..ps.len()).rev().find(|rank| sorted[*rank] <= allowed(*rank));
    let [changed, others] = match last {
        Some(last) => [allowed(last), allowed((last + 1).min(ps.len() - 1))],
        None => [0.0, doubt / ps.len().max(1) as f64],
    };
    ps.iter().map(|p| if *p <= changed { changed } else { others }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exactly(numbers: &[f64]) -> Observed {
        numbers.iter().map(|number| (*number, 0.0)).collect()
    }

    #[test]
    fn as_in_the_books() {
        // Student's sleep data (Biometrika, 1908): t = -1.8608 with 18 degrees, p = 0.07919.
        let found = Contrast::of(&[
            exactly(&[0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]),
            exactly(&[1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]),
        ]);
        assert!((found.p() - 0.079_187).abs() < 1e-5, "{}", found.p());
        let (low, high) = found.interval(0.05);
        assert!((low + 0.203_87).abs() < 1e-4 && (high - 3.363_87).abs() < 1e-4, "{low} {high}");
    }

    #[test]
    fn one_run_is_held_against_the_spread_of_several() {
        let found = Contrast::of(&[exactly(&[1.0, 2.0, 3.0]), exactly(&[8.0])]);
        // (8 - 2) / (1 × √(1 + 1/3)) with two degrees.
        assert!((found.p() - two_sided(6.0 / (4.0_f64 / 3.0).sqrt(), 2)).abs() < 1e-12);
    }

    #[test]
    fn runs_that_agree_by_chance_are_not_sure_of_it() {
        let (a, b) = (exactly(&[1.0, 1.0, 1.0]), exactly(&[1.1, 1.1, 1.1]));
        assert_eq!(Contrast::of(&[a.clone(), b.clone()]).p(), 0.0);
        let open = |side: Observed| side.into_iter().map(|(n, _)| (n, 0.04)).collect();
        assert!(Contrast::of(&[open(a), open(b)]).p() > 0.3);
    }

    #[test]
    fn the_step_up_procedure() {
        let changed = |ps: &[f64]| -> Vec<bool> {
            ps.iter().zip(doubts(ps, 0.05)).map(|(p, doubt)| *p <= doubt).collect()
        };
        assert_eq!(changed(&[0.04, 0.05, 0.03]), [true; 3]);
        assert_eq!(changed(&[0.04, 0.06, 0.03]), [false; 3]);
        assert_eq!(changed(&[0.9, 0.016, 0.02]), [false, true, true]);
        assert_eq!(changed(&[0.9, 0.016, 0.026]), [false, true, false]);
        assert_eq!(changed(&[]), [false; 0]);
        // One number has all of the doubt; those that did not change have what is left.
        assert_eq!(doubts(&[0.2], 0.05), [0.05]);
        assert_eq!(doubts(&[0.2, 0.001], 0.05), [0.05, 0.025]);
    }
}
