//! Scores of targets, and the rules they follow. Pure.

/// How well a target does: 0 and more is in, less is out. Whole millionths, so that ten failures
/// of a tenth and ten successes of a tenth come to exactly nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Score(i64);

impl Score {
    /// The smallest score that is not 0.
    pub(crate) const FINEST: f64 = 1e-6;

    /// The largest that is taken, either way.
    const LARGEST: f64 = 1e6;

    /// The score nearest to `value`; `None` if it is no number or too large.
    pub(crate) fn of(value: f64) -> Option<Self> {
        let fits = value.abs() <= Self::LARGEST;
        fits.then(|| Self((value / Self::FINEST).round() as i64))
    }

    /// As people know it.
    pub(crate) fn value(self) -> f64 {
        // Divided: a millionth has no exact form.
        self.0 as f64 / 1e6
    }

    /// Whether a target of this score is picked.
    pub(crate) fn is_in(self) -> bool {
        self.0 >= 0
    }

    /// In millionths.
    pub(crate) fn millionths(self) -> i64 {
        self.0
    }

    /// From millionths.
    pub(crate) fn from_millionths(millionths: i64) -> Self {
        Self(millionths)
    }
}

/// The rules that scores follow; checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rules {
    pub(crate) low: Score,
    pub(crate) high: Score,
    pub(crate) initial: Score,
    pub(crate) success: Score,
    pub(crate) fail: Score,
    /// The tier to begin with.
    pub(crate) tier: u8,
}

impl Rules {
    /// The score after a success.
    pub(crate) fn up(&self, score: Score) -> Score {
        self.moved(score, self.success)
    }

    /// The score after a failure.
    pub(crate) fn down(&self, score: Score) -> Score {
        self.moved(score, self.fail)
    }

    fn moved(&self, score: Score, delta: Score) -> Score {
        Score(score.0 + delta.0).clamp(self.low, self.high)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tenths_come_back_to_exactly_nothing() {
        let score = |value| Score::of(value).unwrap();
        let rules = Rules {
            low: score(-3.0),
            high: score(3.0),
            initial: score(0.3),
            success: score(0.1),
            fail: score(-0.1),
            tier: 0,
        };
        let mut now = rules.initial;
        for _ in 0..3 {
            now = rules.down(now);
        }
        // In floating point this would be a little less than nothing, and the target out.
        assert_eq!(now, Score::default());
        assert!(now.is_in());
        assert!(!rules.down(now).is_in());
        assert_eq!(rules.up(rules.down(now)).value(), 0.0);
    }

    #[test]
    fn what_is_no_number_is_no_score() {
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1.1e6] {
            assert_eq!(Score::of(bad), None, "{bad}");
        }
        assert_eq!(Score::of(-1.5).map(Score::value), Some(-1.5));
    }
}
