//! Pure: one of several, by weight.

use std::fmt;

use crowd_core::settings::{
    SettingValue,
    value::{join_list, split_list},
};
use rand::{Rng, RngExt};

/// What is chosen from, each with a weight: how likely it is against the others.
///
/// As the text of a setting: `browse:3,buy:1`, where a weight that is not said is 1.
///
/// ```
/// use crowd_plan::iterate::Weighted;
///
/// let steps = Weighted::new([(3.0, "browse"), (1.0, "buy")])?;
/// # let mut random = crowd_core::random::Random::of(1, crowd_core::user_id::UserId(1), 0);
/// let step = steps.pick(&mut random);
/// # Ok::<(), crowd_plan::iterate::WeightFaults>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Weighted<T> {
    items: Vec<(f64, T)>,
    /// The sum of the weights up to each item, it included.
    sums: Vec<f64>,
}

/// What is wrong with weights: every fault, a sentence each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WeightFaults(pub Vec<String>);

impl fmt::Display for WeightFaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("; "))
    }
}

impl std::error::Error for WeightFaults {}

impl<T> Weighted<T> {
    /// These, with their weights.
    ///
    /// # Errors
    /// If there are none; for each weight that is not a finite number above 0; and if all of them
    /// together are too many to be added up.
    pub fn new(items: impl IntoIterator<Item = (f64, T)>) -> Result<Self, WeightFaults> {
        let items: Vec<_> = items.into_iter().collect();
        let mut faults = Vec::new();
        if items.is_empty() {
            faults.push("there is nothing to choose from".to_owned());
        }
        for (at, (weight, _)) in items.iter().enumerate() {
            if !weight.is_finite() || *weight <= 0.0 {
                let at = at + 1;
                faults.push(format!("weight {at} is {weight}, and must be a number above 0"));
            }
        }
        let mut sum = 0.0;
        let sums: Vec<_> = items
            .iter()
            .map(|(weight, _)| {
                sum += weight;
                sum
            })
            .collect();
        if faults.is_empty() && !sum.is_finite() {
            faults.push("the sum of the weights is too large".to_owned());
        }
        if faults.is_empty() { Ok(Self { items, sums }) } else { Err(WeightFaults(faults)) }
    }

    /// One of them.
    pub fn pick(&self, random: &mut impl Rng) -> &T {
        let last = self.items.len() - 1;
        let drawn = random.random::<f64>() * self.sums[last];
        // By rounding it may be the whole sum.
        let at = self.sums.partition_point(|sum| *sum <= drawn).min(last);
        &self.items[at].1
    }

    /// All of them, with their weights.
    pub fn iter(&self) -> impl Iterator<Item = (f64, &T)> {
        self.items.iter().map(|(weight, item)| (*weight, item))
    }
}

impl<T: SettingValue> SettingValue for Weighted<T> {
    fn type_name() -> String {
        format!("{} by weight", T::type_name())
    }

    fn parse(text: &str) -> Result<Self, String> {
        let (mut items, mut faults) = (Vec::new(), Vec::new());
        for (at, text) in split_list(text).iter().enumerate() {
            let (item, weight) = match text.rsplit_once(':') {
                Some((item, weight)) => (item.trim(), weight.trim().parse::<f64>().ok()),
                None => (&**text, Some(1.0)),
            };
            match (T::parse(item), weight) {
                (Ok(item), Some(weight)) => items.push((weight, item)),
                (Err(fault), _) => faults.push(format!("item {}, `{item}`: {fault}", at + 1)),
                (_, None) => {
                    faults.push(format!("item {}, `{text}`: no number after the colon", at + 1));
                }
            }
        }
        if !faults.is_empty() {
            return Err(faults.join("; "));
        }
        Self::new(items).map_err(|faults| faults.to_string())
    }

    fn render(&self) -> String {
        join_list(self.iter().map(|(weight, item)| format!("{}:{weight}", item.render())))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::{SeedableRng, rngs::ChaCha8Rng};

    use super::*;

    #[test]
    fn each_is_picked_in_proportion_to_its_weight() {
        let steps = Weighted::new([(6.0, 0), (3.0, 1), (1.0, 2)]).unwrap();
        let mut random = ChaCha8Rng::seed_from_u64(7);
        let mut counts = [0_i64; 3];
        for _ in 0..10_000 {
            counts[*steps.pick(&mut random)] += 1;
        }
        // Three standard deviations of the most spread one are 147.
        for (count, wanted) in counts.into_iter().zip([6_000, 3_000, 1_000]) {
            assert!((count - wanted).abs() < 147, "{counts:?}");
        }
    }

    #[test]
    fn every_bad_weight_is_named() {
        let weights = [1.0, 0.0, -2.5, f64::NAN, f64::INFINITY];
        let faults = Weighted::new(weights.map(|weight| (weight, ()))).unwrap_err();
        insta::assert_snapshot!(faults.0.join("\n"), @"
        weight 2 is 0, and must be a number above 0
        weight 3 is -2.5, and must be a number above 0
        weight 4 is NaN, and must be a number above 0
        weight 5 is inf, and must be a number above 0
        ");
        let nothing = Weighted::<()>::new([]).unwrap_err();
        assert_eq!(nothing.to_string(), "there is nothing to choose from");
        assert!(Weighted::new([(f64::MAX, ()), (f64::MAX, ())]).is_err());
    }

    #[test]
    fn they_are_read_from_the_text_of_a_setting() {
        let steps = Weighted::<String>::parse("browse:3, buy, look:0.5").unwrap();
        assert_eq!(steps.render(), "browse:3,buy:1,look:0.5");
        assert_eq!(Weighted::<String>::parse(&steps.render()), Ok(steps));
        let fault = Weighted::<u8>::parse("1:2,300:1,4:x").unwrap_err();
        insta::assert_snapshot!(fault, @"item 2, `300`: not a whole number from 0 to 255; item 3, `4:x`: no number after the colon");
    }

    proptest! {
        /// Whatever the weights, something is picked, and only what is there.
        #[test]
        fn something_is_picked(weights in prop::collection::vec(1e-9..1e9_f64, 1..50), seed: u64) {
            let steps = Weighted::new(weights.iter().copied().zip(0..)).unwrap();
            let mut random = ChaCha8Rng::seed_from_u64(seed);
            prop_assert!(*steps.pick(&mut random) < weights.len());
        }
    }
}
