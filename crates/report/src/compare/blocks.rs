//! How far the mean of a series can be trusted whose neighbours resemble each other: what is slow in
//! one second is often slow in the next.
//!
//! The stationary bootstrap (Politis and Romano, "The stationary bootstrap", 1994) draws blocks of
//! neighbours of random length. The variance it gives a mean needs no drawing: their lemma 1 has it in
//! closed form. The mean length of a block is chosen from the series itself (Politis and White,
//! "Automatic block-length selection for the dependent bootstrap", 2004, corrected by Patton, Politis
//! and White, 2009).

/// A shorter series says nothing about how neighbours resemble each other.
const SHORTEST: usize = 20;

/// The variance of the mean of a series; `None` if it is too short to tell.
pub(super) fn variance_of_mean(series: &[f64]) -> Option<f64> {
    if series.len() < SHORTEST {
        return None;
    }
    let n = series.len() as f64;
    let covariances = covariances(series);
    let first = covariances[0];
    if first <= 0.0 {
        return Some(0.0);
    }
    // Each of a block's seconds is its last with this probability.
    let ends = 1.0 / block_length(&covariances);
    let goes_on = 1.0 - ends;
    let weighted = covariances.iter().enumerate().skip(1).map(|(lag, covariance)| {
        let lag = lag as f64;
        let weight = (1.0 - lag / n) * goes_on.powf(lag) + lag / n * goes_on.powf(n - lag);
        weight * covariance
    });
    Some(((first + 2.0 * weighted.sum::<f64>()) / n).max(0.0))
}

fn covariances(series: &[f64]) -> Vec<f64> {
    let n = series.len() as f64;
    let mean = series.iter().sum::<f64>() / n;
    let off: Vec<f64> = series.iter().map(|value| value - mean).collect();
    let of_lag = |lag: usize| off.iter().zip(&off[lag..]).map(|(a, b)| a * b).sum::<f64>() / n;
    (0..series.len()).map(of_lag).collect()
}

/// The mean length of a block, from the covariances of a series that is not constant.
fn block_length(covariances: &[f64]) -> f64 {
    let count = covariances.len();
    let n = count as f64;
    let small = 2.0 * (n.log10() / n).sqrt();
    let run = (n.log10().sqrt().ceil() as usize).max(5);
    let correlated =
        |lag: usize| covariances.get(lag).is_some_and(|c| (c / covariances[0]).abs() >= small);
    // The last lag that matters: after it, so many in a row do not.
    let longest = n.sqrt().ceil() as usize + run;
    let last = (0..longest)
        .find(|last| !(last + 1..=last + run).any(correlated))
        .unwrap_or(longest)
        .max(1);
    let bandwidth = (2 * last).min(longest).min(count - 1);
    let (mut slope, mut level) = (0.0, covariances[0]);
    for (lag, covariance) in covariances.iter().enumerate().take(bandwidth + 1).skip(1) {
        // The flat top: 1 up to the half, then down to 0.
        let weight = (2.0 * (1.0 - lag as f64 / bandwidth as f64)).min(1.0);
        slope += 2.0 * weight * lag as f64 * covariance;
        level += 2.0 * weight * covariance;
    }
    let most = (3.0 * n.sqrt()).min(n / 3.0).ceil();
    let length = (slope * slope / (level * level) * n).cbrt();
    if length.is_finite() { length.clamp(1.0, most) } else { most }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::random::Draws;

    /// Seconds of which so much of each one's level remains in the next.
    fn seconds(remains: f64, count: usize, seed: u64) -> Vec<f64> {
        let mut draws = Draws::seeded(seed);
        let mut level = 0.0;
        let mut next = || {
            level = remains * level + draws.normal();
            level
        };
        (0..50).for_each(|_| {
            next();
        });
        (0..count).map(|_| next()).collect()
    }

    fn mean_of(remains: f64, count: usize) -> f64 {
        let found = (0..40).map(|seed| variance_of_mean(&seconds(remains, count, seed)).unwrap());
        found.sum::<f64>() / 40.0
    }

    #[test]
    fn independent_seconds_count_in_full() {
        let found = mean_of(0.0, 600) * 600.0;
        assert!((0.85..1.15).contains(&found), "{found}");
    }

    #[test]
    fn seconds_that_resemble_their_neighbours_count_for_less() {
        for (remains, count) in [(0.5, 120), (0.8, 600)] {
            // The variance of the mean of such a series, for many seconds.
            let wanted = 1.0 / (1.0_f64 - remains).powi(2);
            let found = mean_of(remains, count) * count as f64;
            assert!((wanted * 0.65..wanted * 1.2).contains(&found), "{found} for {wanted}");
        }
    }

    #[test]
    fn a_short_or_a_constant_series_says_little() {
        assert_eq!(variance_of_mean(&seconds(0.5, 19, 1)), None);
        assert!(variance_of_mean(&seconds(0.5, 20, 1)).is_some_and(|found| found > 0.0));
        assert_eq!(variance_of_mean(&[7.0; 100]), Some(0.0));
    }
}
