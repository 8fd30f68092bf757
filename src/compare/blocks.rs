//! How much less the samples of one run say than as many independent ones would: what is slow in one
//! second is often slow in the next.

/// Fewer intervals than this say nothing about how neighbours resemble each other.
const FEWEST_INTERVALS: usize = 20;

/// By how much the variance of a number over independent samples has to be multiplied, at least 1:
/// from its value in each interval of the run, by means over blocks of neighbours (the block
/// bootstrap's variance; Künsch, 1989). Blocks are as long as the cube root of the number of
/// intervals, doubled. `independent` is the variance of the number's logarithm over the whole run if
/// samples were independent. 1 if the intervals are too few.
pub(super) fn inflation(intervals: &[f64], independent: f64) -> f64 {
    let logs: Vec<f64> = intervals.iter().filter(|value| **value > 0.0).map(|v| v.ln()).collect();
    // An interval in which nothing slow happened can make the variance too small, never the ratio
    // meaningful.
    if logs.len() < FEWEST_INTERVALS || independent <= 0.0 {
        return 1.0;
    }
    let n = logs.len();
    let length = (2.0 * (n as f64).cbrt()).round().clamp(1.0, n as f64 / 4.0) as usize;
    let mean = logs.iter().sum::<f64>() / n as f64;
    // Blocks overlap, so that none of the intervals is left out.
    let blocks = logs.windows(length).map(|block| block.iter().sum::<f64>() / length as f64);
    let of_blocks: f64 = blocks.map(|block| (block - mean).powi(2)).sum();
    let of_run = of_blocks / (n - length + 1) as f64 * length as f64 / n as f64;
    (of_run / independent).max(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::random::Draws;

    /// Means of 100 samples a second with log-variance 0.25, where so much of each second's level
    /// remains in the next.
    fn seconds(remains: f64, own: f64, seed: u64) -> Vec<f64> {
        let mut draws = Draws::seeded(seed);
        let mut level = 0.0;
        (0..600)
            .map(|_| {
                level = remains * level + own * draws.normal();
                (level + 0.05 * draws.normal()).exp()
            })
            .collect()
    }

    #[test]
    fn independent_seconds_inflate_nothing() {
        let independent = 0.05_f64.powi(2) / 600.0;
        let found = inflation(&seconds(0.0, 0.0, 7), independent);
        assert!(found < 1.4, "{found}");
        assert_eq!(inflation(&seconds(0.0, 0.0, 7)[..19], independent), 1.0);
        assert_eq!(inflation(&[], independent), 1.0);
    }

    #[test]
    fn seconds_that_resemble_their_neighbours_do() {
        let independent = 0.05_f64.powi(2) / 600.0;
        // One run of ten minutes says little of it, as neighbours resemble each other.
        let runs = (0..20).map(|seed| inflation(&seconds(0.8, 0.05, seed), independent));
        let found = runs.sum::<f64>() / 20.0;
        // The variance of a mean of such a series is own²/(1 - remains)² beside that of the samples.
        let wanted = 1.0 + 1.0 / (1.0 - 0.8_f64).powi(2);
        assert!(found > wanted * 0.5 && found < wanted * 1.2, "{found} for {wanted}");
    }
}
