//! An interval that a change lies in, and what it says.

use serde::Serialize;

/// From where to where something lies, with the confidence that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Interval {
    /// The low end.
    pub low: f64,
    /// The high end.
    pub high: f64,
}

/// What an interval of a change says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Finding {
    /// It grew by more than is tolerated.
    Grew,
    /// It shrank by more than is tolerated.
    Shrank,
    /// If it changed at all, then by less than is tolerated.
    Same,
    /// Both are possible: what is seen may be noise.
    Noise,
}

impl Interval {
    /// What it says, if changes up to `tolerance` either way are none.
    pub(super) fn finding(self, tolerance: f64) -> Finding {
        if self.low > tolerance {
            Finding::Grew
        } else if self.high < -tolerance {
            Finding::Shrank
        } else if self.low >= -tolerance && self.high <= tolerance {
            Finding::Same
        } else {
            Finding::Noise
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_of_the_interval_must_lie_beyond_the_tolerance() {
        let finding = |low, high| Interval { low, high }.finding(0.05);
        assert_eq!(finding(0.051, 0.2), Finding::Grew);
        assert_eq!(finding(0.049, 0.2), Finding::Noise);
        assert_eq!(finding(-0.2, -0.051), Finding::Shrank);
        assert_eq!(finding(-0.05, 0.05), Finding::Same);
        assert_eq!(finding(-0.051, 0.0), Finding::Noise);
        assert_eq!(finding(f64::NAN, f64::NAN), Finding::Noise);
    }
}
