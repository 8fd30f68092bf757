//! Pure: how many users there were, tick by tick.

use std::{collections::VecDeque, time::Duration};

/// Numbers of users with when they were seen, the oldest first.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Samples(VecDeque<(Duration, u64)>);

impl Samples {
    /// Adds one, later than all others.
    pub(super) fn push(&mut self, now: Duration, users: u64) {
        self.0.push_back((now, users));
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// How many of them are the latest: those from the newest one that is at least `window` older
    /// than the last, itself included; all if none is that old.
    pub(super) fn latest(&self, window: Duration) -> usize {
        let Some((last, _)) = self.0.back() else { return 0 };
        let old = |(then, _): &(Duration, u64)| last.saturating_sub(*then) >= window;
        self.0.len() - self.0.iter().rposition(old).unwrap_or(0)
    }

    /// Forgets all but the `count` newest.
    pub(super) fn keep(&mut self, count: usize) {
        self.0.drain(..self.0.len().saturating_sub(count));
    }

    /// The numbers of users of the `count` newest.
    pub(super) fn users(&self, count: usize) -> Vec<f64> {
        self.0.range(self.0.len().saturating_sub(count)..).map(|(_, users)| *users as f64).collect()
    }

    /// By how much the `count` newest rise, in users a second: ordinary least squares, times in
    /// whole seconds. Not a number for less than two, or all within a second.
    pub(super) fn slope(&self, count: usize) -> f64 {
        let newest = self.0.range(self.0.len().saturating_sub(count)..);
        let Some((first, _)) = newest.clone().next() else { return f64::NAN };
        let x = |then: &Duration| (then.as_secs() - first.as_secs()) as f64;
        let number = newest.len() as f64;
        let (sum_x, sum_y) = newest.clone().fold((0.0, 0.0), |(sum_x, sum_y), (then, users)| {
            (sum_x + x(then), sum_y + *users as f64)
        });
        let (mean_x, mean_y) = (sum_x / number, sum_y / number);
        let (above, below) = newest.fold((0.0, 0.0), |(above, below), (then, users)| {
            let off = x(then) - mean_x;
            (above + off * (*users as f64 - mean_y), below + off * off)
        });
        above / below
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(points: impl IntoIterator<Item = (u64, u64)>) -> Samples {
        Samples(points.into_iter().map(|(at, users)| (Duration::from_secs(at), users)).collect())
    }

    fn slope(points: &[(u64, u64)]) -> f64 {
        let samples = samples(points.iter().copied());
        samples.slope(samples.len())
    }

    #[test]
    fn slope_of_nothing_and_of_one_point_is_no_number() {
        assert!(slope(&[]).is_nan());
        assert!(slope(&[(1, 4)]).is_nan());
        assert!(slope(&[(1, 4), (1, 8)]).is_nan());
    }

    #[test]
    fn slopes_of_straight_lines() {
        assert_eq!(slope(&[(0, 0), (1, 4)]), 4.0);
        assert_eq!(slope(&[(0, 0), (1, 4), (2, 8), (3, 12)]), 4.0);
        assert_eq!(slope(&[(10, 8), (11, 6), (12, 4), (13, 2)]), -2.0);
    }

    #[test]
    fn slopes_of_crooked_lines() {
        let rounded = |value: f64, digits: i32| {
            let scale = 10_f64.powi(digits);
            (value * scale).round() / scale
        };
        assert_eq!(rounded(slope(&[(0, 8), (2, 4), (8, 8), (10, 4), (20, 8)]), 3), 0.065);
        let users = [0, 4, 8, 12, 16, 12, 8, 12, 16, 12];
        let points: Vec<_> = (0..).zip(users).collect();
        assert_eq!(rounded(slope(&points), 4), 1.1879);
    }

    #[test]
    fn parts_of_a_second_do_not_count() {
        let millis = |at| Duration::from_millis(at);
        let samples = Samples([(millis(1_900), 0), (millis(2_100), 4)].into());
        assert_eq!(samples.slope(2), 4.0);
    }

    #[test]
    fn the_latest_begin_at_the_newest_that_is_old_enough() {
        let latest = |times: &[u64], window| {
            samples(times.iter().map(|at| (*at, 1))).latest(Duration::from_secs(window))
        };
        assert_eq!(latest(&[], 1), 0);
        assert_eq!(latest(&[0, 1, 2], 1), 2);
        assert_eq!(latest(&[0, 10, 20, 30, 40], 40), 5);
        assert_eq!(latest(&[0, 10, 20, 30, 40], 20), 3);
        assert_eq!(latest(&[0, 10, 20, 30, 40], 41), 5);
        assert_eq!(latest(&[0, 10, 20, 30, 40], 15), 3);
    }

    #[test]
    fn older_ones_can_be_forgotten() {
        let mut samples = samples([(0, 1), (1, 2), (2, 3)]);
        samples.keep(2);
        assert_eq!((samples.len(), samples.users(5)), (2, vec![2.0, 3.0]));
        samples.keep(5);
        assert_eq!(samples.users(1), [3.0]);
    }
}
