//! Pure: what is known of a capacity after some answers.

/// How sharp the border between healthy and not may be: the width of the logistic curve, as a share
/// of the capacity, and how likely each is before the first answer. Real borders are sharp rather
/// than not.
const WIDTHS: [(f64, f64); 5] =
    [(0.01, 0.25), (0.03, 0.3), (0.06, 0.25), (0.12, 0.15), (0.24, 0.05)];

/// The chance of an answer that has nothing to do with the load.
const LAPSE: f64 = 0.02;

/// The share of windows that alert at the capacity. Fewer than half: a percentile over a long time
/// is made by its bad stretches, so when it crosses its limit most short windows are still within.
pub(super) const ALERTING: f64 = 1.0 / 3.0;

/// A step of the grid as a share of the precision asked for.
const FINENESS: f64 = 0.2;

/// The most steps.
const MOST_STEPS: f64 = 4_000.0;

/// A probability for each capacity of a grid, even in its logarithm, and each width of the border.
/// Before the first answer all capacities are as likely.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Posterior {
    /// The logarithm of the least capacity.
    least: f64,
    /// From one capacity to the next, in logarithms.
    step: f64,
    weights: Vec<[f64; WIDTHS.len()]>,
}

impl Posterior {
    /// Nothing is known but that the capacity lies between these two.
    pub(super) fn new(least: f64, most: f64, precision: f64) -> Self {
        let span = (most / least).ln();
        let steps = (span / (precision * FINENESS)).ceil().clamp(10.0, MOST_STEPS);
        let count = steps as usize;
        Self {
            least: least.ln(),
            step: span / steps,
            weights: vec![WIDTHS.map(|(_, likely)| likely / steps); count],
        }
    }

    /// The logarithm of the capacity in the middle of a step.
    fn capacity(&self, at: usize) -> f64 {
        self.least + (at as f64 + 0.5) * self.step
    }

    /// Takes an answer in.
    pub(super) fn learn(&mut self, load: f64, alert: bool) {
        let load = load.ln();
        let mut sum = 0.0;
        for at in 0..self.weights.len() {
            let capacity = self.capacity(at);
            for (weight, (width, _)) in self.weights[at].iter_mut().zip(WIDTHS) {
                let likely = chance(load, capacity, width);
                *weight *= if alert { likely } else { 1.0 - likely };
                sum += *weight;
            }
        }
        for weight in self.weights.iter_mut().flatten() {
            *weight /= sum;
        }
    }

    /// The capacity that the real one stays below with this probability.
    pub(super) fn quantile(&self, share: f64) -> f64 {
        let mut below = 0.0;
        for (at, weights) in self.weights.iter().enumerate() {
            let weight: f64 = weights.iter().sum();
            if below + weight >= share && weight > 0.0 {
                // More than a whole step only by rounding.
                let within = ((share - below) / weight).min(1.0);
                return (self.least + (at as f64 + within) * self.step).exp();
            }
            below += weight;
        }
        (self.least + self.weights.len() as f64 * self.step).exp()
    }

    /// How likely it is that the capacity is above this.
    pub(super) fn above(&self, load: f64) -> f64 {
        let load = load.ln();
        let above = |at: &usize| self.capacity(*at) > load;
        (0..self.weights.len()).filter(above).map(|at| self.weights[at].iter().sum::<f64>()).sum()
    }

    /// How much an answer at this load would tell of the capacity: their mutual information.
    pub(super) fn tells(&self, load: f64) -> f64 {
        let load = load.ln();
        let (mut mean, mut left) = (0.0, 0.0);
        for (at, weights) in self.weights.iter().enumerate() {
            let weight: f64 = weights.iter().sum();
            // What hardly matters is not worth the arithmetic.
            if weight < 1e-9 {
                continue;
            }
            let capacity = self.capacity(at);
            let chances = WIDTHS.map(|(width, _)| chance(load, capacity, width));
            let alert: f64 =
                weights.iter().zip(chances).map(|(weight, likely)| weight * likely).sum();
            mean += alert;
            left += weight * entropy(alert / weight);
        }
        entropy(mean) - left
    }
}

/// How likely an alert is. Load and capacity are logarithms.
fn chance(load: f64, capacity: f64, width: f64) -> f64 {
    let share = (ALERTING - LAPSE) / (1.0 - 2.0 * LAPSE);
    let even = (1.0 - share) / share;
    LAPSE + (1.0 - 2.0 * LAPSE) / (1.0 + even * ((capacity - load) / width).exp())
}

/// Of a coin that falls on this side with this probability.
fn entropy(probability: f64) -> f64 {
    let part = |share: f64| if share > 0.0 { -share * share.ln() } else { 0.0 };
    part(probability) + part(1.0 - probability)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn near(value: f64, expected: f64) {
        assert!((value / expected - 1.0).abs() < 0.01, "{value} is not {expected}");
    }

    #[test]
    fn nothing_is_known_at_first() {
        let posterior = Posterior::new(1.0, 100.0, 0.05);
        near(posterior.quantile(0.5), 10.0);
        near(posterior.quantile(0.25), 100_f64.powf(0.25));
        assert!((posterior.above(10.0) - 0.5).abs() < 0.01);
        near(posterior.quantile(1.0), 100.0);
    }

    #[test]
    fn an_answer_in_the_middle_tells_most() {
        let posterior = Posterior::new(1.0, 100.0, 0.05);
        assert!(posterior.tells(10.0) > posterior.tells(3.0));
        assert!(posterior.tells(10.0) > posterior.tells(30.0));
        assert!(posterior.tells(90.0) > 0.0);
    }

    #[test]
    fn at_the_capacity_one_window_in_three_alerts() {
        for (width, _) in WIDTHS {
            assert!((chance(3.0, 3.0, width) - ALERTING).abs() < 1e-9);
            assert!(chance(2.0, 3.0, width) < 0.04 && chance(5.0, 3.0, width) > 0.95);
        }
    }

    #[test]
    fn sharp_answers_narrow_it_down_fast() {
        let mut posterior = Posterior::new(1.0, 1_000.0, 0.05);
        for _ in 0..60 {
            let load = posterior.quantile(0.5);
            posterior.learn(load, load > 137.0);
        }
        let (low, high) = (posterior.quantile(0.025), posterior.quantile(0.975));
        assert!(low <= 137.0 && 137.0 <= high && high / low < 1.1, "{low} to {high}");
    }

    proptest! {
        #[test]
        fn it_stays_a_distribution_whatever_is_answered(
            answers in prop::collection::vec((1.0..2_000_f64, any::<bool>()), 0..200),
        ) {
            let mut posterior = Posterior::new(0.5, 2_000.0, 0.1);
            for (load, alert) in answers {
                posterior.learn(load, alert);
                let sum: f64 = posterior.weights.iter().flatten().sum();
                prop_assert!((sum - 1.0).abs() < 1e-6, "{sum}");
            }
            let quantiles = [0.0, 0.1, 0.5, 0.9, 1.0].map(|share| posterior.quantile(share));
            prop_assert!(quantiles.is_sorted(), "{quantiles:?}");
            prop_assert!(quantiles[0] >= 0.499 && quantiles[4] <= 2_001.0, "{quantiles:?}");
            prop_assert!((0.0..=1.0 + 1e-9).contains(&posterior.above(100.0)));
        }
    }
}
