//! Rates: how many per how much time, or how many at once.

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Serialize};

use crate::exact::gcd;

const SECOND: u64 = 1_000_000_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;

/// How fast a throttle lets through.
///
/// Read from text, printed as text and (de)serialised as text:
///
/// | text | meaning |
/// |---|---|
/// | `100/s`, `6000/min`, `10/h`, `100/5s`, `100 per 5s`, `0.5/s` | so many per so much time |
/// | `every 20ms` | one per interval (interarrival); `every 0s` is `unlimited` |
/// | `8 at once` | at most so many in flight, however often |
/// | `unlimited` | everything, at once |
/// | `0` | nothing |
///
/// A number without a time is refused: some count it per second and others per minute, and a guess
/// would be wrong by a factor of 60.
///
/// Equal rates are equal however they were written, and print alike: `600/min`, `every 100ms` and
/// `10/s` are one rate, printed `10/s`. Every rate is exact: an interval is whole nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Rate(Pace);

/// What a rate is, with fractions reduced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Pace {
    /// Everything, at once.
    Unlimited,
    /// At most so many in flight; never 0.
    AtOnce(u64),
    /// `count` per `interval` nanoseconds; nothing at all is 0 per 1.
    Timed {
        /// How many.
        count: u64,
        /// In how many nanoseconds.
        interval: u64,
    },
}

impl Rate {
    /// Lets everything through at once.
    pub const UNLIMITED: Self = Self(Pace::Unlimited);
    /// Lets nothing through.
    pub const ZERO: Self = Self(Pace::Timed { count: 0, interval: 1 });

    /// So many per second.
    pub const fn per_second(count: u64) -> Self {
        Self::timed(count, SECOND)
    }

    /// So many per minute.
    pub const fn per_minute(count: u64) -> Self {
        Self::timed(count, MINUTE)
    }

    /// So many per `interval`.
    ///
    /// # Errors
    /// If the interval is zero, or longer than 584 years.
    pub fn per(count: u64, interval: Duration) -> Result<Self, RateError> {
        match u64::try_from(interval.as_nanos()) {
            Ok(0) => Err(RateError::new(format!("{count}/0s"), NO_INTERVAL)),
            Ok(interval) => Ok(Self::timed(count, interval)),
            Err(_) => Err(RateError::new(format!("{count}/{interval:?}"), TOO_LONG)),
        }
    }

    /// One per `interval` (amoc's interarrival). Zero means [`Rate::UNLIMITED`]; what is longer
    /// than 584 years counts as 584 years.
    pub fn every(interval: Duration) -> Self {
        match u64::try_from(interval.as_nanos()) {
            Ok(0) => Self::UNLIMITED,
            interval => Self::timed(1, interval.unwrap_or(u64::MAX)),
        }
    }

    /// At most so many in flight at any time. None at once is [`Rate::ZERO`].
    pub const fn at_once(count: u64) -> Self {
        if count == 0 { Self::ZERO } else { Self(Pace::AtOnce(count)) }
    }

    /// So many in so many nanoseconds.
    pub const fn timed(count: u64, interval: u64) -> Self {
        if count == 0 || interval == 0 {
            return Self::ZERO;
        }
        let divisor = gcd(count as u128, interval as u128) as u64;
        Self(Pace::Timed { count: count / divisor, interval: interval / divisor })
    }

    /// How many in how many nanoseconds, with fractions reduced, if it is that: nothing at all is 0
    /// in 1.
    pub const fn over_time(self) -> Option<(u64, u64)> {
        match self.0 {
            Pace::Timed { count, interval } => Some((count, interval)),
            Pace::Unlimited | Pace::AtOnce(_) => None,
        }
    }

    /// What it is.
    pub const fn pace(self) -> Pace {
        self.0
    }

    /// The rate that is `a ÷ b` per nanosecond, rounded to a whole number per second, minute or
    /// hour, whichever is the first to leave at least ten. For people, while a rate slides.
    pub fn rounded(a: u128, b: u128) -> Self {
        let per = |unit: u64| {
            let (whole, rest) = crate::exact::mul_div_rem(a, u128::from(unit), b);
            u64::try_from(whole.saturating_add(u128::from(rest >= b - rest))).unwrap_or(u64::MAX)
        };
        let unit = [SECOND, MINUTE].into_iter().find(|&unit| per(unit) >= 10).unwrap_or(HOUR);
        Self::timed(per(unit), unit)
    }

    /// How many per minute, if that is a whole number.
    pub fn whole_per_minute(count: u64, interval: u64) -> Option<u128> {
        let product = u128::from(count) * u128::from(MINUTE);
        (product % u128::from(interval) == 0).then(|| product / u128::from(interval))
    }

    /// A minute in nanoseconds.
    pub const MINUTE: u64 = MINUTE;
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (count, interval) = match self.0 {
            Pace::Unlimited => return f.write_str("unlimited"),
            Pace::AtOnce(count) => return write!(f, "{count} at once"),
            Pace::Timed { count: 0, .. } => return f.write_str("0"),
            Pace::Timed { count, interval } => (count, interval),
        };
        for (unit, name) in [(SECOND, "s"), (MINUTE, "min"), (HOUR, "h")] {
            let per_unit = u128::from(count) * u128::from(unit);
            // More than the parser takes back is printed as a fraction.
            let fits = per_unit / u128::from(interval) <= u128::from(u64::MAX);
            if fits && per_unit.is_multiple_of(u128::from(interval)) {
                return write!(f, "{}/{name}", per_unit / u128::from(interval));
            }
        }
        let (length, unit) = largest_unit(interval);
        if count == 1 {
            write!(f, "every {length}{unit}")
        } else {
            write!(f, "{count}/{length}{unit}")
        }
    }
}

fn largest_unit(nanos: u64) -> (u64, &'static str) {
    let units =
        [(HOUR, "h"), (MINUTE, "min"), (SECOND, "s"), (1_000_000, "ms"), (1_000, "us"), (1, "ns")];
    let (size, unit) =
        units.into_iter().find(|(size, _)| nanos.is_multiple_of(*size)).unwrap_or((1, "ns"));
    (nanos / size, unit)
}

/// A text that is no rate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RateError {
    /// A number without a time.
    #[error("`{0}` is no rate: write {0}/s or {0}/min")]
    Bare(String),
    /// Anything else.
    #[error(
        "`{text}` is not a rate: {reason}; write 100/s, 6000/min, 100 per 5s, every 20ms, \
         8 at once, unlimited or 0"
    )]
    Malformed {
        /// The text.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl RateError {
    fn new(text: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Malformed { text: text.into(), reason: reason.into() }
    }
}

impl From<RateError> for String {
    fn from(error: RateError) -> Self {
        error.to_string()
    }
}

impl From<RateError> for crate::refusal::Refusal {
    fn from(error: RateError) -> Self {
        Self::new(crate::refusal::Code::InvalidThrottle, error.to_string())
    }
}

const NO_INTERVAL: &str = "the interval is zero (for a limit on what is in flight say `at once`)";
const TOO_LONG: &str = "the interval is longer than 584 years";

impl FromStr for Rate {
    type Err = RateError;

    fn from_str(text: &str) -> Result<Self, RateError> {
        let text = text.trim();
        match number(text) {
            Ok((0, _)) => Ok(Self::ZERO),
            Ok(_) => Err(RateError::Bare(text.to_owned())),
            Err(_) => parse(text).map_err(|reason| RateError::new(text, reason)),
        }
    }
}

impl TryFrom<String> for Rate {
    type Error = RateError;

    fn try_from(text: String) -> Result<Self, RateError> {
        text.parse()
    }
}

impl From<Rate> for String {
    fn from(rate: Rate) -> Self {
        rate.to_string()
    }
}

fn parse(text: &str) -> Result<Rate, String> {
    let text = text.to_lowercase();
    if text.is_empty() {
        return Err("it is empty".into());
    }
    if text == "unlimited" {
        return Ok(Rate::UNLIMITED);
    }
    if let Some(interval) = text.strip_prefix("every ") {
        return match nanos(interval)? {
            0 => Ok(Rate::UNLIMITED),
            interval => Ok(Rate::timed(1, interval)),
        };
    }
    if let Some(count) = text.strip_suffix("at once") {
        return match number(count)? {
            (count, 1) => Ok(Rate::at_once(count)),
            _ => Err(format!("`{}` is not a whole number", count.trim())),
        };
    }
    let Some((count, interval)) = text.split_once('/').or_else(|| text.split_once(" per ")) else {
        number(&text)?;
        return Err("it does not say per what time".into());
    };
    let ((count, parts), interval) = (number(count)?, nanos(interval)?);
    if interval == 0 {
        return Err(NO_INTERVAL.into());
    }
    let interval = u128::from(interval) * u128::from(parts);
    let divisor = gcd(u128::from(count), interval).max(1);
    match u64::try_from(interval / divisor) {
        Ok(interval) => Ok(Rate::timed((u128::from(count) / divisor) as u64, interval)),
        Err(_) => Err(TOO_LONG.into()),
    }
}

/// A number with up to nine decimals, as a fraction: digits and a power of ten.
fn number(text: &str) -> Result<(u64, u64), String> {
    let text = text.trim();
    if text.starts_with('-') {
        return Err("a rate cannot be negative".into());
    }
    // Underscores only make a number easier to read, also behind its point.
    let plain = text.replace('_', "");
    let (whole, decimals) = plain.split_once('.').unwrap_or((&plain, ""));
    let decimals = decimals.trim_end_matches('0');
    let digits = format!("{whole}{decimals}");
    if whole.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(format!("`{text}` is not a number"));
    }
    let count = digits.parse().map_err(|_| format!("`{text}` is more than {}", u64::MAX))?;
    match decimals.len() {
        len @ 0..=9 => Ok((count, 10_u64.pow(len as u32))),
        _ => Err(format!("`{text}` has more than nine decimals")),
    }
}

/// An interval with a unit; a unit alone means one of it.
fn nanos(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let lone_unit = text.starts_with(char::is_alphabetic);
    let read = if lone_unit {
        humantime::parse_duration(&format!("1{text}"))
    } else {
        humantime::parse_duration(text)
    };
    let duration =
        read.map_err(|_| format!("`{text}` is not an interval such as s, min, 5s or 20ms"))?;
    u64::try_from(duration.as_nanos()).map_err(|_| TOO_LONG.into())
}

#[cfg(test)]
mod tests;
