//! Pure: how long a person thinks between two steps.

use std::{fmt, str::FromStr, time::Duration};

use crowd_core::settings::SettingValue;
use rand::{Rng, RngExt};
use rand_distr::{Distribution, Exp, LogNormal, Normal};

/// Nobody thinks longer than that.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// The part of the mean that the deviation is if nothing is said of it.
const USUAL_DEVIATION: f64 = 0.25;

/// How many standard deviations the 95th percentile of a normal distribution is above its mean.
const P95: f64 = 1.644_853_626_951_472_2;

/// How long users think between steps.
///
/// | text | meaning |
/// |---|---|
/// | `none` | not at all |
/// | `2s` | always so long |
/// | `1s..3s` | anything between, all alike likely |
/// | `about 2s`, `about 2s +- 500ms` | normal, with this mean and standard deviation (if not said, a quarter of the mean), cut at zero and at twice the mean, which leaves the mean as it is |
/// | `lognormal 2s p95 10s` | log-normal, with this median and 95th percentile: most are short, a few long, as people are |
/// | `exponential 2s` | exponential with this mean: events that know nothing of each other |
///
/// None is longer than a day.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct ThinkTime(Kind);

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
enum Kind {
    #[default]
    None,
    Constant(Duration),
    Uniform(Duration, Duration),
    Normal {
        mean: Duration,
        deviation: Duration,
    },
    LogNormal {
        median: Duration,
        p95: Duration,
    },
    Exponential(Duration),
}

/// A text or a value that is no think time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a think time: {0}; write none, 2s, 1s..3s, about 2s, about 2s +- 500ms, \
     lognormal 2s p95 10s or exponential 2s"
)]
pub struct ThinkTimeError(String);

impl ThinkTime {
    /// Users do not think.
    pub const NONE: Self = Self(Kind::None);

    /// Always so long.
    ///
    /// # Errors
    /// If it is more than a day.
    pub fn constant(time: Duration) -> Result<Self, ThinkTimeError> {
        checked(time)?;
        Ok(if time.is_zero() { Self::NONE } else { Self(Kind::Constant(time)) })
    }

    /// From `least` to `most`, all alike likely.
    ///
    /// # Errors
    /// If `least` is more than `most`, or that more than a day.
    pub fn uniform(least: Duration, most: Duration) -> Result<Self, ThinkTimeError> {
        checked(most)?;
        if least > most {
            let (least, most) = (least.render(), most.render());
            return Err(ThinkTimeError(format!("from {least} to {most} there is nothing")));
        }
        Ok(Self(Kind::Uniform(least, most)))
    }

    /// Normal with this mean and standard deviation, cut at zero and at twice the mean.
    ///
    /// # Errors
    /// If the mean is zero or more than half a day, or the deviation more than the mean: of what
    /// would be left by the cut, neither was asked for.
    pub fn normal(mean: Duration, deviation: Duration) -> Result<Self, ThinkTimeError> {
        checked(mean.saturating_mul(2))?;
        positive("mean", mean)?;
        if deviation > mean {
            let (mean, deviation) = (mean.render(), deviation.render());
            let why = format!("a deviation of {deviation} is more than the mean, {mean}");
            return Err(ThinkTimeError(why));
        }
        Ok(Self(Kind::Normal { mean, deviation }))
    }

    /// Log-normal with this median, and this 95th percentile.
    ///
    /// # Errors
    /// If the median is zero or more than the percentile, or that more than a day.
    pub fn log_normal(median: Duration, p95: Duration) -> Result<Self, ThinkTimeError> {
        checked(p95)?;
        positive("median", median)?;
        if median > p95 {
            let (median, p95) = (median.render(), p95.render());
            let why = format!("the median, {median}, is more than the 95th percentile, {p95}");
            return Err(ThinkTimeError(why));
        }
        Ok(Self(Kind::LogNormal { median, p95 }))
    }

    /// Exponential with this mean.
    ///
    /// # Errors
    /// If the mean is zero or more than a day.
    pub fn exponential(mean: Duration) -> Result<Self, ThinkTimeError> {
        checked(mean)?;
        positive("mean", mean)?;
        Ok(Self(Kind::Exponential(mean)))
    }

    /// One think time.
    pub fn sample(self, random: &mut impl Rng) -> Duration {
        let seconds = match self.0 {
            Kind::None => return Duration::ZERO,
            Kind::Constant(time) => return time,
            Kind::Uniform(least, most) => return random.random_range(least..=most),
            Kind::Normal { mean, deviation } => normal(mean, deviation, random),
            Kind::LogNormal { median, p95 } => {
                let mu = median.as_secs_f64().ln();
                let sigma = (p95.as_secs_f64().ln() - mu) / P95;
                LogNormal::new(mu, sigma).map_or(mu.exp(), |spread| spread.sample(random))
            }
            Kind::Exponential(mean) => {
                let mean = mean.as_secs_f64();
                Exp::new(1.0 / mean).map_or(mean, |spread| spread.sample(random))
            }
        };
        Duration::try_from_secs_f64(seconds).map_or(LONGEST, |time| time.min(LONGEST))
    }
}

/// Draws until it lies within the cut, which at least 68 of 100 draws do.
fn normal(mean: Duration, deviation: Duration, random: &mut impl Rng) -> f64 {
    let (mean, deviation) = (mean.as_secs_f64(), deviation.as_secs_f64());
    let Ok(spread) = Normal::new(mean, deviation) else { return mean };
    let mut draws = spread.sample_iter(random).take(64);
    draws.find(|drawn| (0.0..=2.0 * mean).contains(drawn)).unwrap_or(mean)
}

fn checked(time: Duration) -> Result<(), ThinkTimeError> {
    if time <= LONGEST {
        return Ok(());
    }
    Err(ThinkTimeError(format!("{} may be more than a day", time.render())))
}

fn positive(what: &str, time: Duration) -> Result<(), ThinkTimeError> {
    if time.is_zero() { Err(ThinkTimeError(format!("the {what} is zero"))) } else { Ok(()) }
}

impl fmt::Display for ThinkTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Kind::None => f.write_str("none"),
            Kind::Constant(time) => f.write_str(&time.render()),
            Kind::Uniform(least, most) => write!(f, "{}..{}", least.render(), most.render()),
            Kind::Normal { mean, deviation } if deviation == usual(mean) => {
                write!(f, "about {}", mean.render())
            }
            Kind::Normal { mean, deviation } => {
                write!(f, "about {} +- {}", mean.render(), deviation.render())
            }
            Kind::LogNormal { median, p95 } => {
                write!(f, "lognormal {} p95 {}", median.render(), p95.render())
            }
            Kind::Exponential(mean) => write!(f, "exponential {}", mean.render()),
        }
    }
}

fn usual(mean: Duration) -> Duration {
    mean.mul_f64(USUAL_DEVIATION)
}

impl FromStr for ThinkTime {
    type Err = ThinkTimeError;

    fn from_str(text: &str) -> Result<Self, ThinkTimeError> {
        let text = text.trim();
        if text == "none" {
            return Ok(Self::NONE);
        }
        if let Some(rest) = text.strip_prefix("about ") {
            let (mean, deviation) = match rest.split_once("+-").or_else(|| rest.split_once('±')) {
                Some((mean, deviation)) => (time(mean)?, time(deviation)?),
                None => {
                    let mean = time(rest)?;
                    (mean, usual(mean))
                }
            };
            return Self::normal(mean, deviation);
        }
        if let Some(rest) = text.strip_prefix("lognormal ") {
            let Some((median, p95)) = rest.split_once("p95") else {
                return Err(ThinkTimeError(format!("`{text}` does not say its p95")));
            };
            return Self::log_normal(time(median)?, time(p95)?);
        }
        if let Some(mean) = text.strip_prefix("exponential ") {
            return Self::exponential(time(mean)?);
        }
        match text.split_once("..") {
            Some((least, most)) => Self::uniform(time(least)?, time(most)?),
            None => Self::constant(time(text)?),
        }
    }
}

fn time(text: &str) -> Result<Duration, ThinkTimeError> {
    Duration::parse(text).map_err(|fault| ThinkTimeError(format!("`{}` is {fault}", text.trim())))
}

impl SettingValue for ThinkTime {
    fn type_name() -> String {
        "think time".into()
    }

    fn parse(text: &str) -> Result<Self, String> {
        text.parse().map_err(|error: ThinkTimeError| error.to_string())
    }

    fn render(&self) -> String {
        self.to_string()
    }
}

#[cfg(test)]
mod tests;
