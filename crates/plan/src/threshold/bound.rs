//! Pure: what a measured number is compared with, and how.

use std::{fmt, time::Duration};

use super::metric::Kind;

/// How a measured number compares with the bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparator {
    /// Below it.
    Less,
    /// Not above it.
    AtMost,
    /// Above it.
    Greater,
    /// Not below it.
    AtLeast,
}

impl Comparator {
    /// All of them; those that begin like another come first.
    pub const ALL: [Self; 4] = [Self::AtMost, Self::AtLeast, Self::Less, Self::Greater];

    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Less => "<",
            Self::AtMost => "<=",
            Self::Greater => ">",
            Self::AtLeast => ">=",
        }
    }

    /// Whether `actual` is as it should be.
    pub fn holds(self, actual: f64, bound: f64) -> bool {
        match self {
            Self::Less => actual < bound,
            Self::AtMost => actual <= bound,
            Self::Greater => actual > bound,
            Self::AtLeast => actual >= bound,
        }
    }

    /// Whether the bound is the most that may be, not the least.
    pub fn is_upper(self) -> bool {
        matches!(self, Self::Less | Self::AtMost)
    }

    /// Whether one number is worse than another.
    pub fn is_worse(self, one: f64, other: f64) -> bool {
        if self.is_upper() { one > other } else { one < other }
    }
}

impl fmt::Display for Comparator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a number counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Microseconds.
    Micros,
    /// Milliseconds.
    Millis,
    /// Seconds.
    Seconds,
    /// Minutes.
    Minutes,
    /// Hundredths.
    Percent,
    /// A share of one.
    Share,
    /// So many a second.
    PerSecond,
    /// So many a minute.
    PerMinute,
    /// So many.
    Plain,
}

impl Unit {
    const ALL: [Self; 9] = [
        Self::Micros,
        Self::Millis,
        Self::Seconds,
        Self::Minutes,
        Self::Percent,
        Self::Share,
        Self::PerSecond,
        Self::PerMinute,
        Self::Plain,
    ];

    /// As it is written after a number.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Micros => "us",
            Self::Millis => "ms",
            Self::Seconds => "s",
            Self::Minutes => "min",
            Self::Percent => "%",
            Self::PerSecond => "/s",
            Self::PerMinute => "/min",
            Self::Share | Self::Plain => "",
        }
    }

    /// The unit of that kind of number that is written so; `None` if there is none.
    pub fn of(kind: Kind, text: &str) -> Option<Self> {
        let text = if text == "µs" || text == "μs" { "us" } else { text };
        Self::ALL.into_iter().find(|unit| unit.kind() == kind && unit.as_str() == text)
    }

    /// The kind of number that it counts.
    pub fn kind(self) -> Kind {
        match self {
            Self::Micros | Self::Millis | Self::Seconds | Self::Minutes => Kind::Time,
            Self::Percent | Self::Share => Kind::Share,
            Self::PerSecond | Self::PerMinute => Kind::Rate,
            Self::Plain => Kind::Count,
        }
    }

    // What is measured becomes a number of this unit by one division of whole numbers, so that 70 µs
    // are the very number that `0.07ms` reads as.

    /// A time in this unit.
    pub(super) fn of_time(self, time: Duration) -> f64 {
        let nanos = match self {
            Self::Micros => 1e3,
            Self::Seconds => 1e9,
            Self::Minutes => 60e9,
            _ => 1e6,
        };
        time.as_nanos() as f64 / nanos
    }

    /// A share in this unit; of nothing it is 0.
    pub(super) fn of_share(self, part: u64, of: u64) -> f64 {
        let whole = if self == Self::Percent { 100.0 } else { 1.0 };
        if of == 0 { 0.0 } else { part as f64 * whole / of as f64 }
    }

    /// So many in a time, in this unit; 0 in no time.
    pub(super) fn of_rate(self, count: u64, span: Duration) -> f64 {
        let times = if self == Self::PerMinute { 60.0 } else { 1.0 };
        if span.is_zero() { 0.0 } else { count as f64 * times / span.as_secs_f64() }
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a measured number is compared with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bound {
    /// The number; finite and not negative.
    pub value: f64,
    /// What it counts.
    pub unit: Unit,
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.value, self.unit)
    }
}

/// A measured number as people read it: with as many digits as it takes to see on which side of the
/// bound it is, three at least.
pub(super) fn shown(actual: f64, comparator: Comparator, bound: Bound) -> String {
    let holds = |number: f64| comparator.holds(number, bound.value);
    let exact = format!("{actual}");
    let text = (3..=12)
        .map(|digits| significant(actual, digits))
        .find(|text| text.parse().is_ok_and(|number| holds(number) == holds(actual)))
        .unwrap_or(exact);
    let gap = if bound.unit.kind() == Kind::Time { " " } else { "" };
    format!("{text}{gap}{}", bound.unit)
}

/// A number with so many digits, but all of those before the point.
fn significant(number: f64, digits: usize) -> String {
    if number == 0.0 {
        return "0".to_owned();
    }
    let magnitude = number.abs().log10().floor() as i64 + 1;
    let decimals = usize::try_from(digits as i64 - magnitude).unwrap_or(0).min(12);
    let text = format!("{number:.decimals$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn millis(value: f64) -> Bound {
        Bound { value, unit: Unit::Millis }
    }

    #[test]
    fn what_is_just_beyond_the_bound_is_shown_beyond_it() {
        let shown = |actual| shown(actual, Comparator::Less, millis(150.0));
        assert_eq!(
            [182.271, 150.02, 149.999, 149.9999999999999, 0.0, 3.2].map(shown),
            ["182 ms", "150 ms", "149.999 ms", "149.9999999999999 ms", "0 ms", "3.2 ms"]
        );
        let at_most = Comparator::AtMost;
        assert_eq!(super::shown(150.02, at_most, millis(150.0)), "150.02 ms");
        let percent = Bound { value: 1.0, unit: Unit::Percent };
        assert_eq!(super::shown(1.0 / 3.0, Comparator::Less, percent), "0.333%");
        let rate = Bound { value: 1_000.0, unit: Unit::PerSecond };
        assert_eq!(super::shown(12_345.678, Comparator::AtLeast, rate), "12346/s");
    }

    #[test]
    fn measured_numbers_are_those_that_are_written() {
        assert_eq!(Unit::Millis.of_time(Duration::from_micros(70)), 0.07);
        assert_eq!(Unit::Seconds.of_time(Duration::from_micros(300_000)), 0.3);
        assert_eq!(Unit::Percent.of_share(7, 1_000), 0.7);
        assert_eq!(Unit::Share.of_share(7, 1_000), 0.007);
        assert_eq!(Unit::PerMinute.of_rate(5, Duration::from_secs(10)), 30.0);
        assert_eq!(Unit::Share.of_share(0, 0), 0.0);
    }

    proptest! {
        #[test]
        fn what_is_shown_says_the_same_as_the_number(
            actual in 0.0..1e9_f64, bound in 0.0..1e9_f64, near in -1e-6..1e-6_f64, close: bool, which in 0..4_usize,
        ) {
            let actual = if close { (bound + near).max(0.0) } else { actual };
            let comparator = Comparator::ALL[which];
            let text = shown(actual, comparator, millis(bound));
            let number: f64 = text.trim_end_matches(" ms").parse().unwrap();
            prop_assert_eq!(comparator.holds(number, bound), comparator.holds(actual, bound));
        }
    }
}
