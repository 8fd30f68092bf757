//! Pure: how long from the beginning of one iteration of a user to that of its next.

use std::{fmt, str::FromStr, time::Duration};

use crowd_core::{rate::Rate, settings::SettingValue};

/// The longest cycle: one of more would never come round in any run.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// How often a user iterates, however long its iterations take.
///
/// From the beginning of one iteration to that of the next is one *cycle*. An iteration that is
/// shorter is followed by a wait for the rest of it. After one that is longer the next begins at
/// once, and the cycle counts from there: time that was lost is not caught up.
///
/// | text | meaning |
/// |---|---|
/// | `none` | the next iteration begins when the last one is over |
/// | `every 2s` | constant pacing: one in so much time |
/// | `0.5/s`, `30/min` | constant throughput: so many per time, of each user |
///
/// Only users that are kept are paced. An iteration that is an arrival of a load profile begins when
/// the profile says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Pacing(Kind);

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
enum Kind {
    #[default]
    None,
    Every(Duration),
    Throughput(Rate, Duration),
}

/// A text or a value that is no pacing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a pacing: {0}; write none, every 2s, 0.5/s or 30/min")]
pub struct PacingError(String);

impl Pacing {
    /// One iteration after the other.
    pub const NONE: Self = Self(Kind::None);

    /// Constant pacing: an iteration in so much time. Zero is [`Pacing::NONE`].
    ///
    /// # Errors
    /// If it is more than a day.
    pub fn every(cycle: Duration) -> Result<Self, PacingError> {
        if cycle > LONGEST {
            return Err(PacingError(format!("a cycle of {cycle:?} is more than a day")));
        }
        Ok(if cycle.is_zero() { Self::NONE } else { Self(Kind::Every(cycle)) })
    }

    /// Constant throughput: so many iterations of each user per time.
    ///
    /// # Errors
    /// If it is not a rate over time (`unlimited`, `8 at once`), none at all, or less than one a day.
    pub fn throughput(rate: Rate) -> Result<Self, PacingError> {
        let Some((count, interval)) = rate.over_time() else {
            return Err(PacingError(format!("`{rate}` is not so many per time")));
        };
        if count == 0 {
            return Err(PacingError("at a rate of 0 no iteration would ever begin".into()));
        }
        let nanos = (u128::from(interval) + u128::from(count) / 2) / u128::from(count);
        let cycle = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        if cycle > LONGEST {
            return Err(PacingError(format!("`{rate}` is less than one in a day")));
        }
        // One in seven seconds is told as `every 7s`, and is the same as that.
        Ok(Self(match count {
            1 if rate.to_string().starts_with("every ") => Kind::Every(cycle),
            _ => Kind::Throughput(rate, cycle),
        }))
    }

    /// From the beginning of an iteration to that of the next; zero: there is none.
    pub fn cycle(self) -> Duration {
        match self.0 {
            Kind::None => Duration::ZERO,
            Kind::Every(cycle) | Kind::Throughput(_, cycle) => cycle,
        }
    }

    /// How long to wait after an iteration that took `elapsed`: what is left of the cycle.
    pub fn delay(self, elapsed: Duration) -> Duration {
        self.cycle().saturating_sub(elapsed)
    }
}

impl fmt::Display for Pacing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Kind::None => f.write_str("none"),
            Kind::Every(cycle) => write!(f, "every {}", cycle.render()),
            Kind::Throughput(rate, _) => write!(f, "{rate}"),
        }
    }
}

impl FromStr for Pacing {
    type Err = PacingError;

    fn from_str(text: &str) -> Result<Self, PacingError> {
        let text = text.trim();
        if text == "none" {
            return Ok(Self::NONE);
        }
        if let Some(cycle) = text.strip_prefix("every ") {
            let cycle = Duration::parse(cycle)
                .map_err(|fault| PacingError(format!("`{}` is {fault}", cycle.trim())))?;
            return Self::every(cycle);
        }
        if !text.contains('/') && !text.contains(" per ") {
            return Err(PacingError(format!("`{text}` does not say per what time")));
        }
        let rate: Rate = text.parse().map_err(|_| PacingError(format!("`{text}` is no rate")))?;
        Self::throughput(rate)
    }
}

impl SettingValue for Pacing {
    fn type_name() -> String {
        "pacing".into()
    }

    fn parse(text: &str) -> Result<Self, String> {
        text.parse().map_err(|error: PacingError| error.to_string())
    }

    fn render(&self) -> String {
        self.to_string()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn the_rest_of_the_cycle_is_waited() {
        let pacing = Pacing::every(ms(200)).unwrap();
        assert_eq!(pacing.delay(ms(50)), ms(150));
        assert_eq!(pacing.delay(ms(200)), ms(0));
    }

    /// An overrun is followed by no wait, and by no shorter cycle either: the state of the next
    /// wait is what its own iteration took and nothing else.
    #[test]
    fn an_overrun_is_not_waited_after_and_not_caught_up() {
        let pacing = Pacing::every(ms(200)).unwrap();
        assert_eq!(pacing.delay(ms(900)), ms(0));
        assert_eq!(pacing.delay(ms(150)), ms(50));
    }

    #[test]
    fn throughput_is_a_cycle_of_each_user() {
        assert_eq!(Pacing::throughput(Rate::per_second(4)).unwrap().cycle(), ms(250));
        let half: Pacing = "0.5/s".parse().unwrap();
        assert_eq!(half.cycle(), ms(2_000));
        let thirds: Pacing = "3/s".parse().unwrap();
        assert_eq!(thirds.cycle(), Duration::from_nanos(333_333_333));
    }

    #[test]
    fn none_never_waits() {
        assert_eq!(Pacing::NONE.delay(ms(0)), ms(0));
        assert_eq!(Pacing::every(ms(0)).unwrap(), Pacing::NONE);
    }

    #[test]
    fn what_is_no_pacing_is_told_why() {
        let why = |text: &str| text.parse::<Pacing>().unwrap_err().to_string();
        insta::assert_snapshot!(
            ["0/s", "8 at once", "unlimited", "600", "every soon", "every 2d", "1/25h", "x/s"]
                .map(why)
                .join("\n"),
            @"
        not a pacing: at a rate of 0 no iteration would ever begin; write none, every 2s, 0.5/s or 30/min
        not a pacing: `8 at once` does not say per what time; write none, every 2s, 0.5/s or 30/min
        not a pacing: `unlimited` does not say per what time; write none, every 2s, 0.5/s or 30/min
        not a pacing: `600` does not say per what time; write none, every 2s, 0.5/s or 30/min
        not a pacing: `soon` is not a duration such as `1m30s` or `200ms` (expected number at 0); write none, every 2s, 0.5/s or 30/min
        not a pacing: a cycle of 172800s is more than a day; write none, every 2s, 0.5/s or 30/min
        not a pacing: `every 25h` is less than one in a day; write none, every 2s, 0.5/s or 30/min
        not a pacing: `x/s` is no rate; write none, every 2s, 0.5/s or 30/min
        ");
    }

    proptest! {
        /// What is printed is read, as the same.
        #[test]
        fn pacings_come_back(nanos in 0..LONGEST.as_nanos() as u64, count in 1_u64..1_000, over in 1_u64..100_000) {
            let every = Pacing::every(Duration::from_nanos(nanos)).unwrap();
            prop_assert_eq!(every.to_string().parse::<Pacing>().unwrap(), every);
            let rate = Rate::per(count, Duration::from_millis(over)).unwrap();
            let paced: Pacing = Pacing::throughput(rate).unwrap();
            prop_assert_eq!(paced.to_string().parse::<Pacing>().unwrap(), paced);
        }

        /// Wait and work together never fall short of the cycle, and exceed it only by an overrun.
        #[test]
        fn wait_and_work_fill_the_cycle(cycle in 1_u64..10_000, elapsed in 0_u64..20_000) {
            let pacing = Pacing::every(ms(cycle)).unwrap();
            prop_assert_eq!(ms(elapsed) + pacing.delay(ms(elapsed)), ms(cycle.max(elapsed)));
        }
    }
}
