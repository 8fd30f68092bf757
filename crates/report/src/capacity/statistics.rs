//! Pure: how sure a mean of measured numbers is.
//!
//! Numbers of users measured second by second depend on each other: a loop that goes up and down
//! visits the same loads again and again. They count for as many independent ones as their
//! autocorrelation allows: n / (1 + 2 Σ ρₖ), the sum taken until pairs of neighbouring ρ stop being
//! positive (Geyer, "Practical Markov chain Monte Carlo", 1992).

use crate::normal::lower_point;

/// The least that samples count for; below, no interval could be told.
const LEAST: f64 = 4.0;

/// No sum of autocorrelations is taken beyond this lag.
const LONGEST_LAG: usize = 1_000;

/// The arithmetic mean; `None` of nothing.
pub fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// The standard deviation of a sample; 0 of less than two.
pub fn deviation(values: &[f64]) -> f64 {
    let Some(mean) = mean(values).filter(|_| values.len() > 1) else { return 0.0 };
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (squares / (values.len() - 1) as f64).sqrt()
}

/// How many independent samples these count for, from 4 to their number (or 4).
pub fn effective_size(values: &[f64]) -> f64 {
    let count = values.len() as f64;
    let Some(mean) = mean(values) else { return LEAST };
    let off: Vec<_> = values.iter().map(|value| value - mean).collect();
    let product = |lag: usize| off.iter().zip(&off[lag..]).map(|(one, other)| one * other).sum();
    let variance: f64 = product(0);
    if variance <= 0.0 {
        return count.max(LEAST);
    }
    let mut sum = 0.0;
    for lag in (1..values.len().min(LONGEST_LAG)).step_by(2) {
        let second = if lag + 1 < values.len() { product(lag + 1) } else { 0.0 };
        let pair: f64 = (product(lag) + second) / variance;
        if pair <= 0.0 {
            break;
        }
        sum += pair;
    }
    (count / (1.0 + 2.0 * sum)).clamp(LEAST, count.max(LEAST))
}

/// The range around the mean in which another sample lies with this confidence:
/// mean ± t·s·√(1 + 1/m), m being the effective number of samples. `None` of nothing.
pub fn prediction_interval(values: &[f64], confidence: f64) -> Option<(f64, f64)> {
    let mean = mean(values)?;
    let size = effective_size(values);
    let reach = student(confidence, size - 1.0) * deviation(values) * (1.0 + 1.0 / size).sqrt();
    Some((mean - reach, mean + reach))
}

/// The number that Student's t with so many degrees of freedom exceeds, in either direction, with
/// probability 1 − `confidence`: the expansion 26.7.5 of Abramowitz and Stegun, which is good to
/// 1 % from three degrees of freedom on.
pub fn student(confidence: f64, degrees: f64) -> f64 {
    let x = normal(f64::midpoint(1.0, confidence));
    let terms = [
        (x.powi(3) + x) / 4.0,
        (5.0 * x.powi(5) + 16.0 * x.powi(3) + 3.0 * x) / 96.0,
        (3.0 * x.powi(7) + 19.0 * x.powi(5) + 17.0 * x.powi(3) - 15.0 * x) / 384.0,
        (79.0 * x.powi(9) + 776.0 * x.powi(7) + 1482.0 * x.powi(5)
            - 1920.0 * x.powi(3)
            - 945.0 * x)
            / 92_160.0,
    ];
    let powers = (1..).map(|power| degrees.powi(power));
    x + terms.iter().zip(powers).map(|(term, power)| term / power).sum::<f64>()
}

/// The number that a standard normal variable stays below with this probability.
pub fn normal(probability: f64) -> f64 {
    lower_point(probability)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(value: f64, expected: f64, tolerance: f64) {
        assert!((value - expected).abs() <= tolerance, "{value} is not {expected}");
    }

    #[test]
    fn quantiles_are_those_of_the_tables() {
        for (probability, expected) in [(0.5, 0.0), (0.975, 1.959_964), (0.999, 3.090_232)] {
            near(normal(probability), expected, 1e-5);
            near(normal(1.0 - probability), -expected, 1e-5);
        }
        for (degrees, expected) in [(3.0, 3.182), (5.0, 2.571), (10.0, 2.228), (100.0, 1.984)] {
            near(student(0.95, degrees), expected, 0.032);
        }
        near(student(0.99, 20.0), 2.845, 0.001);
    }

    #[test]
    fn samples_that_repeat_each_other_count_for_less() {
        // A linear congruential sequence is as good as independent here.
        let mut state = 7_u32;
        let noise: Vec<_> = std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            f64::from(state >> 8)
        })
        .take(2_000)
        .collect();
        assert!(effective_size(&noise) > 1_000.0, "{}", effective_size(&noise));
        let each_ten_times: Vec<_> = noise.iter().flat_map(|value| [*value; 10]).collect();
        let size = effective_size(&each_ten_times);
        assert!((1_000.0..3_500.0).contains(&size), "{size}");
        assert_eq!(effective_size(&[]), 4.0);
        assert_eq!(effective_size(&[5.0; 100]), 100.0);
    }

    #[test]
    fn nine_in_ten_of_further_samples_lie_in_the_interval() {
        let even: Vec<_> = (0..1_000).map(|at| f64::from(at * 37 % 1_000)).collect();
        let (low, high) = prediction_interval(&even, 0.9).unwrap();
        let inside = even.iter().filter(|value| (low..=high).contains(*value)).count();
        assert!(inside >= 900, "{inside} between {low} and {high}");
        assert_eq!(prediction_interval(&[8.0; 50], 0.95), Some((8.0, 8.0)));
        assert_eq!(prediction_interval(&[], 0.95), None);
    }
}
