//! Pure: a row of stages, and where in it a moment is.

use std::{fmt, time::Duration};

use super::{
    arrivals::Arrivals,
    stage::{Load, Span, Stage},
};

/// The most stages a profile may have.
pub const MOST_STAGES: usize = 1_000;

/// The longest a profile may take: thirty days.
pub const LONGEST: Duration = Duration::from_secs(30 * 86_400);

/// The most users a profile may ask for at a time.
pub const MOST_USERS: f64 = 100e6;

/// The most arrivals a second a profile may ask for.
pub const MOST_RATE: f64 = 10e6;

/// A load profile: checked stages, one after the other.
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    stages: Vec<Stage>,
}

/// All that is wrong with a profile.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ProfileFaults(pub Vec<String>);

impl fmt::Display for ProfileFaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("\n"))
    }
}

/// Where in a profile a moment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// The stage, from 0.
    pub stage: usize,
    /// How long that stage goes on.
    pub elapsed: Duration,
}

impl Profile {
    /// A profile of these stages.
    ///
    /// # Errors
    /// Everything that is wrong with it, at once.
    pub fn new(stages: Vec<Stage>) -> Result<Self, ProfileFaults> {
        let mut faults = Vec::new();
        if stages.len() > MOST_STAGES {
            faults
                .push(format!("{} stages are too many; {MOST_STAGES} are the most", stages.len()));
        }
        if !stages.iter().any(|stage| stage.load != Load::Pause) {
            faults.push("a profile needs at least one stage of users or of a rate".to_owned());
        }
        for (number, stage) in (1..).zip(&stages) {
            faults_of(number, stage, &mut faults);
        }
        let total =
            stages.iter().try_fold(Duration::ZERO, |sum, stage| sum.checked_add(stage.duration));
        if total.is_none_or(|total| total > LONGEST) {
            let longest = humantime::format_duration(LONGEST);
            faults.push(format!("the profile takes too long; {longest} is the most"));
        }
        if !faults.is_empty() {
            return Err(ProfileFaults(faults));
        }
        Ok(Self { stages: stages.into_iter().map(Stage::normal).collect() })
    }

    /// The stages.
    pub fn stages(&self) -> &[Stage] {
        &self.stages
    }

    /// How long it takes.
    pub fn duration(&self) -> Duration {
        self.stages.iter().map(|stage| stage.duration).sum()
    }

    /// The stage that a moment is in; `None` once the profile is over. At the border of two stages
    /// it is in the later one.
    pub fn position(&self, elapsed: Duration) -> Option<Position> {
        let mut left = elapsed;
        for (stage, Stage { duration, .. }) in self.stages.iter().enumerate() {
            match left.checked_sub(*duration) {
                Some(rest) => left = rest,
                None => return Some(Position { stage, elapsed: left }),
            }
        }
        None
    }

    /// When a stage begins, since the profile did.
    pub fn start_of(&self, stage: usize) -> Duration {
        self.stages.iter().take(stage).map(|stage| stage.duration).sum()
    }

    /// How many users are to run at a moment.
    pub fn target_users(&self, elapsed: Duration) -> u64 {
        self.position(elapsed).map_or(0, |at| self.stages[at.stage].target_users(at.elapsed))
    }

    /// How many arrivals a second there are to be at a moment.
    pub fn target_rate(&self, elapsed: Duration) -> f64 {
        self.position(elapsed).map_or(0.0, |at| self.stages[at.stage].target_rate(at.elapsed))
    }

    /// The most users at a time that any stage asks for.
    pub fn peak_users(&self) -> u64 {
        self.stages.iter().map(Stage::peak_users).max().unwrap_or(0)
    }

    /// The most users that any stage wants to keep running.
    pub fn peak_target_users(&self) -> u64 {
        let stages = self.stages.iter().filter(|stage| matches!(stage.load, Load::Users(_)));
        stages.map(Stage::peak_users).max().unwrap_or(0)
    }

    /// The most arrivals a second that any stage asks for.
    pub fn peak_rate(&self) -> f64 {
        self.stages.iter().map(Stage::peak_rate).fold(0.0, f64::max)
    }

    /// How many arrivals all its stages have together.
    pub fn arrivals(&self) -> u64 {
        Arrivals::of(&self.stages).iter().flatten().map(Arrivals::total).sum()
    }

    /// How many arrivals are due until a moment: as many as the integral of the rate over the whole
    /// profile until then has whole numbers.
    pub fn arrivals_until(&self, elapsed: Duration) -> u64 {
        let mut left = elapsed;
        let mut until = |(arrivals, stage): (&Option<Arrivals>, &Stage)| {
            let within = left.min(stage.duration);
            left -= within;
            let nanos = u64::try_from(within.as_nanos()).unwrap_or(u64::MAX);
            arrivals.as_ref().map_or(0, |arrivals| arrivals.until(nanos))
        };
        Arrivals::of(&self.stages).iter().zip(&self.stages).map(&mut until).sum()
    }
}

/// What is wrong with a stage of that number.
pub(super) fn faults_of(number: usize, stage: &Stage, faults: &mut Vec<String>) {
    let mut fault = |text: String| {
        let fault = format!("stage {number}: {text}");
        // One that stands for several would say it several times.
        if faults.last() != Some(&fault) {
            faults.push(fault);
        }
    };
    if stage.duration.is_zero() {
        fault("it takes no time; give it a duration such as `30s`".to_owned());
    }
    let mut ends = |Span { from, to, .. }: &Span, most: f64, what: &str| {
        let ends = if from == to { vec![*from] } else { vec![*from, *to] };
        for end in ends {
            if !end.is_finite() || end.is_sign_negative() {
                fault(format!("{end} {what} make no sense; 0 is the least"));
            } else if end > most {
                fault(format!("{end} {what} are too many; {most} are the most"));
            }
        }
    };
    match &stage.load {
        Load::Users(span) => {
            ends(span, MOST_USERS, "users");
            for end in [span.from, span.to].into_iter().filter(|end| end.fract() > 0.0) {
                fault(format!("{end} users make no sense: write {}", (end + 0.5).floor()));
            }
        }
        Load::Rate { span, most_users } => {
            ends(span, MOST_RATE, "arrivals a second");
            if *most_users as f64 > MOST_USERS {
                fault(format!("{most_users} users are too many; {MOST_USERS} are the most"));
            }
        }
        Load::Pause => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::curve::Curve;

    const fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    #[test]
    fn stages_follow_each_other() {
        let profile = Profile::new(vec![
            Stage::ramp_users(0, 100, Curve::Linear, seconds(10)),
            Stage::pause(seconds(5)),
            Stage::rate(20.0, seconds(15)),
        ])
        .unwrap();
        assert_eq!(profile.duration(), seconds(30));
        assert_eq!(profile.target_users(seconds(5)), 50);
        let at = |time| profile.position(seconds(time)).map(|at| (at.stage, at.elapsed));
        assert_eq!(at(10), Some((1, seconds(0))));
        assert_eq!(at(14), Some((1, seconds(4))));
        assert_eq!(at(30), None);
        assert_eq!((profile.target_users(seconds(12)), profile.target_rate(seconds(12))), (0, 0.0));
        assert_eq!(profile.target_rate(seconds(20)), 20.0);
        assert_eq!((profile.peak_users(), profile.peak_rate()), (100, 20.0));
        assert_eq!((profile.arrivals(), profile.start_of(2)), (300, seconds(15)));
    }

    #[test]
    fn every_fault_is_told_at_once() {
        let faults = Profile::new(vec![
            Stage::users(1, Duration::ZERO),
            Stage::rate(-1.0, seconds(1)),
            Stage::ramp_rate(f64::NAN, 1e9, Curve::Linear, seconds(1)),
            Stage::users(200_000_000, Duration::MAX),
        ])
        .unwrap_err();
        insta::assert_snapshot!(faults, @r"
        stage 1: it takes no time; give it a duration such as `30s`
        stage 2: -1 arrivals a second make no sense; 0 is the least
        stage 3: NaN arrivals a second make no sense; 0 is the least
        stage 3: 1000000000 arrivals a second are too many; 10000000 are the most
        stage 4: 200000000 users are too many; 100000000 are the most
        the profile takes too long; 30days is the most
        ");
        let nothing = Profile::new(vec![Stage::pause(seconds(1))]).unwrap_err();
        insta::assert_snapshot!(nothing, @"a profile needs at least one stage of users or of a rate");
    }
}
