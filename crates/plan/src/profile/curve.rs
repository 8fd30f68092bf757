//! Pure: how a ramp goes from one value to another.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// The shape of a ramp between two values. All of them have the first value at the start and the
/// second at the end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Curve {
    /// As fast at the end as at the start.
    #[default]
    Linear,
    /// Slow at first: a quarter of the way at half of the time.
    Quadratic,
    /// Slower still at first: an eighth of the way at half of the time.
    Exponential,
}

/// How steep the exponential curve is: it goes through (e^(4p) − 1) ÷ (e^4 − 1).
const STEEPNESS: f64 = 4.0;

impl Curve {
    /// How much of the way is gone after this part of the time; both from 0 to 1.
    pub fn gone(self, progress: f64) -> f64 {
        let progress = progress.clamp(0.0, 1.0);
        match self {
            Self::Linear => progress,
            Self::Quadratic => progress * progress,
            Self::Exponential => (STEEPNESS * progress).exp_m1() / STEEPNESS.exp_m1(),
        }
    }

    /// The area under [`Curve::gone`] from 0 to this part of the time.
    pub fn area(self, progress: f64) -> f64 {
        let progress = progress.clamp(0.0, 1.0);
        match self {
            Self::Linear => progress * progress / 2.0,
            Self::Quadratic => progress * progress * progress / 3.0,
            Self::Exponential => {
                ((STEEPNESS * progress).exp_m1() / STEEPNESS - progress) / STEEPNESS.exp_m1()
            }
        }
    }

    /// The value after this part of the time.
    pub fn value_at(self, from: f64, to: f64, progress: f64) -> f64 {
        from + (to - from) * self.gone(progress)
    }

    /// The curve as it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Linear => "linear",
            Self::Quadratic => "quadratic",
            Self::Exponential => "exponential",
        }
    }
}

impl fmt::Display for Curve {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Curve {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [Self::Linear, Self::Quadratic, Self::Exponential]
            .into_iter()
            .find(|curve| curve.as_str() == text)
            .ok_or_else(|| format!("no curve `{text}`: linear, quadratic or exponential"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ALL: [Curve; 3] = [Curve::Linear, Curve::Quadratic, Curve::Exponential];

    #[test]
    fn the_values_that_were_told() {
        let linear = [-1.0, 0.0, 0.5, 1.0, 2.0].map(|p| Curve::Linear.value_at(0.0, 10.0, p));
        assert_eq!(linear, [0.0, 0.0, 5.0, 10.0, 10.0]);
        assert_eq!(Curve::Quadratic.value_at(0.0, 100.0, 0.5), 25.0);
        assert!((Curve::Quadratic.value_at(0.0, 100.0, 0.1) - 1.0).abs() < 1e-9);
        let half = Curve::Exponential.value_at(0.0, 100.0, 0.5);
        let told = 100.0 * (2.0_f64.exp() - 1.0) / (4.0_f64.exp() - 1.0);
        assert!((half - told).abs() < 1e-9 && (half - 11.9).abs() < 0.1);
    }

    proptest! {
        #[test]
        fn ends_are_met_and_nothing_turns_back(from in 0.0..1e6, to in 0.0..1e6, p in 0.0..1.0, q in 0.0..1.0) {
            for curve in ALL {
                prop_assert!((curve.value_at(from, to, 0.0) - from).abs() < 1e-6);
                prop_assert!((curve.value_at(from, to, 1.0) - to).abs() < 1e-6);
                let (p, q) = if p < q { (p, q) } else { (q, p) };
                prop_assert!(curve.gone(p) <= curve.gone(q));
            }
        }

        /// The area is that of the curve: a sum of many thin slices comes to the same.
        #[test]
        fn areas_are_integrals(p in 0.01..1.0) {
            for curve in ALL {
                let slices = 20_000;
                let width = p / f64::from(slices);
                let sum: f64 = (0..slices).map(|n| curve.gone((f64::from(n) + 0.5) * width) * width).sum();
                prop_assert!((curve.area(p) - sum).abs() < 1e-6, "{curve}: {} {sum}", curve.area(p));
            }
        }
    }
}
