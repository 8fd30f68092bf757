//! Pure: ranges of numbers, with ends that belong to them or do not.

use std::fmt;

/// One end of a range.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum End {
    /// The number itself belongs to the range.
    Closed(f64),
    /// It does not.
    Open(f64),
    /// There is no end.
    None,
}

/// A range of numbers: `[0,1]`, `(0,]`, `(0,1)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Range {
    /// The lower end.
    pub low: End,
    /// The upper end.
    pub high: End,
}

impl Range {
    /// Everything above 0.
    pub const POSITIVE: Self = Self { low: End::Open(0.0), high: End::None };

    /// Everything from 0 on.
    pub const NOT_NEGATIVE: Self = Self { low: End::Closed(0.0), high: End::None };

    /// Between 0 and 1, both excluded.
    pub const SHARE: Self = Self { low: End::Open(0.0), high: End::Open(1.0) };

    /// Whether a number lies in it.
    ///
    /// # Errors
    /// What is wrong, to be read after the name of the number.
    pub fn check(&self, value: f64) -> Result<(), String> {
        let beyond = match (self.low, self.high) {
            (End::Closed(low), _) if value < low => format!("lesser than {low}"),
            (End::Open(low), _) if value <= low => format!("lesser or equal than {low}"),
            (_, End::Closed(high)) if value > high => format!("greater than {high}"),
            (_, End::Open(high)) if value >= high => format!("greater or equal than {high}"),
            _ if value.is_nan() => "no number".to_owned(),
            _ => return Ok(()),
        };
        Err(format!("is not in the range of {self}: value {value} is {beyond}"))
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.low {
            End::Closed(low) => write!(f, "[{low},")?,
            End::Open(low) => write!(f, "({low},")?,
            End::None => f.write_str("[,")?,
        }
        match self.high {
            End::Closed(high) => write!(f, "{high}]"),
            End::Open(high) => write!(f, "{high})"),
            End::None => f.write_str("]"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_belong_to_it_or_not() {
        let told: Vec<_> = [
            (Range::POSITIVE, 0.0),
            (Range::NOT_NEGATIVE, -1.0),
            (Range::SHARE, 1.0),
            (Range { low: End::Closed(1.0), high: End::Closed(9.5) }, 10.0),
            (Range { low: End::None, high: End::Open(3.0) }, 3.0),
            (Range::POSITIVE, f64::NAN),
        ]
        .into_iter()
        .map(|(range, value)| range.check(value).unwrap_err())
        .collect();
        insta::assert_snapshot!(told.join("\n"), @"
        is not in the range of (0,]: value 0 is lesser or equal than 0
        is not in the range of [0,]: value -1 is lesser than 0
        is not in the range of (0,1): value 1 is greater or equal than 1
        is not in the range of [1,9.5]: value 10 is greater than 9.5
        is not in the range of [,3): value 3 is greater or equal than 3
        is not in the range of (0,]: value NaN is no number
        ");
        for (range, value) in [
            (Range::POSITIVE, 1e-9),
            (Range::NOT_NEGATIVE, 0.0),
            (Range::SHARE, 0.5),
            (Range { low: End::Closed(1.0), high: End::Closed(9.5) }, 9.5),
        ] {
            assert_eq!(range.check(value), Ok(()));
        }
    }
}
