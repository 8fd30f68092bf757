//! Pure: profiles as files, TOML or JSON, in one vocabulary:
//!
//! ```toml
//! [[stages]]
//! duration = "10s"
//! users = { from = 0, to = 100, curve = "quadratic" }
//!
//! [[stages]]
//! duration = "1m"
//! rate = "50/s"
//! max_users = 200
//!
//! [[stages]]
//! duration = "5s"
//! pause = true
//! ```
//!
//! or one `shape`: `spike`, `stairs` or `ramp-hold`.

use std::time::Duration;

use serde::Deserialize;

use super::{
    curve::Curve,
    phase::Phase,
    plan::{Profile, ProfileFaults, faults_of},
    shape::{Metric, Shape},
    stage::{Load, Span, Stage},
    text::per_second,
};

/// How a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// TOML.
    Toml,
    /// JSON.
    Json,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    stages: Vec<StageFile>,
    shape: Option<ShapeFile>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct StageFile {
    duration: Time,
    users: Option<Ends<f64>>,
    rate: Option<Ends<RateFile>>,
    max_users: Option<u64>,
    steps: Option<u32>,
    spike: Option<SpikeFile>,
    #[serde(default)]
    pause: bool,
}

/// A while within a stage.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SpikeFile {
    at: Time,
    lasts: Time,
}

/// A value that is held, or both ends of one that changes.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Ends<T> {
    Hold(T),
    Ramp {
        from: T,
        to: T,
        #[serde(default)]
        curve: Curve,
    },
}

/// Arrivals a second as a number, or a rate as people write it.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum RateFile {
    Number(f64),
    Text(String),
}

/// A duration as people write it.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
struct Time(String);

#[derive(Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
enum ShapeFile {
    Spike {
        #[serde(default)]
        metric: Metric,
        baseline: f64,
        peak: f64,
        ramp_up: Time,
        hold: Time,
        ramp_down: Time,
        recovery: Option<Time>,
    },
    Stairs {
        #[serde(default)]
        metric: Metric,
        start: f64,
        step: f64,
        steps: u32,
        each: Time,
    },
    RampHold {
        #[serde(default)]
        metric: Metric,
        target: f64,
        ramp: Time,
        hold: Time,
    },
}

impl Profile {
    /// Reads a profile.
    ///
    /// # Errors
    /// Everything that is wrong with it, at once; of what cannot be read at all, where.
    pub fn read(text: &str, format: Format) -> Result<Self, ProfileFaults> {
        let file: File = match format {
            Format::Json => serde_json::from_str(text).map_err(|fault| fault.to_string()),
            Format::Toml => config::Config::builder()
                .add_source(config::File::from_str(text, config::FileFormat::Toml))
                .build()
                .and_then(config::Config::try_deserialize)
                .map_err(|fault| fault.to_string()),
        }
        .map_err(|fault| ProfileFaults(vec![fault]))?;
        let mut faults = Vec::new();
        let mut stages = Vec::new();
        match (&file.shape, file.stages.is_empty()) {
            (Some(_), false) => faults.push("give `stages` or a `shape`, not both".to_owned()),
            (None, true) => faults.push("there are no `stages`, and no `shape`".to_owned()),
            (Some(shape), true) => match shape.stages() {
                Ok(shaped) if shaped.is_empty() => {
                    faults.push("the shape takes no time".to_owned());
                }
                Ok(shaped) => stages = shaped,
                Err(fault) => faults.push(format!("shape: {fault}")),
            },
            (None, false) => {
                for (number, stage) in (1..).zip(&file.stages) {
                    match stage.stages() {
                        Ok(more) => {
                            more.iter().for_each(|stage| faults_of(number, stage, &mut faults));
                            stages.extend(more);
                        }
                        Err(fault) => faults.push(format!("stage {number}: {fault}")),
                    }
                }
            }
        }
        if faults.is_empty() { Self::new(stages) } else { Err(ProfileFaults(faults)) }
    }
}

impl Time {
    fn read(&self) -> Result<Duration, String> {
        let Self(text) = self;
        humantime::parse_duration(text).map_err(|fault| format!("`{text}` is no time: {fault}"))
    }
}

impl RateFile {
    fn read(&self) -> Result<f64, String> {
        match self {
            Self::Number(per_second) => Ok(*per_second),
            Self::Text(text) => per_second(text),
        }
    }
}

impl StageFile {
    fn stages(&self) -> Result<Vec<Stage>, String> {
        let stage = self.stage()?;
        match (self.steps, &self.spike) {
            (None, None) => Ok(vec![stage]),
            (Some(steps), None) => Phase::Steps(steps).stages(&stage),
            (None, Some(SpikeFile { at, lasts })) => {
                Phase::Spike { at: at.read()?, lasts: lasts.read()? }.stages(&stage)
            }
            (Some(_), Some(_)) => Err("give `steps` or a `spike`, not both".to_owned()),
        }
    }

    fn stage(&self) -> Result<Stage, String> {
        let duration = self.duration.read()?;
        let load = match (&self.users, &self.rate, self.pause) {
            (Some(users), None, false) => Load::Users(match *users {
                Ends::Hold(users) => Span::hold(users),
                Ends::Ramp { from, to, curve } => Span::ramp(from, to, curve),
            }),
            (None, Some(rate), false) => {
                let span = match rate {
                    Ends::Hold(rate) => Span::hold(rate.read()?),
                    Ends::Ramp { from, to, curve } => Span::ramp(from.read()?, to.read()?, *curve),
                };
                Load::Rate { span, most_users: self.max_users.unwrap_or(0) }
            }
            (None, None, true) => Load::Pause,
            _ => return Err("give one of `users`, `rate` and `pause = true`".to_owned()),
        };
        if self.max_users.is_some() && !matches!(load, Load::Rate { .. }) {
            return Err("`max_users` is for a rate; users are limited already".to_owned());
        }
        Ok(Stage { load, duration })
    }
}

impl ShapeFile {
    fn stages(&self) -> Result<Vec<Stage>, String> {
        let (metric, shape) = match self {
            Self::Spike { metric, baseline, peak, ramp_up, hold, ramp_down, recovery } => (
                metric,
                Shape::Spike {
                    baseline: *baseline,
                    peak: *peak,
                    ramp_up: ramp_up.read()?,
                    hold: hold.read()?,
                    ramp_down: ramp_down.read()?,
                    recovery: recovery.as_ref().map_or(Ok(Duration::ZERO), Time::read)?,
                },
            ),
            Self::Stairs { metric, start, step, steps, each } => {
                let each = each.read()?;
                (metric, Shape::Stairs { start: *start, step: *step, steps: *steps, each })
            }
            Self::RampHold { metric, target, ramp, hold } => {
                let (ramp, hold) = (ramp.read()?, hold.read()?);
                (metric, Shape::RampHold { target: *target, ramp, hold })
            }
        };
        Ok(shape.stages(*metric))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAGES: &str = r#"
[[stages]]
duration = "10s"
users = { from = 0, to = 100, curve = "quadratic" }

[[stages]]
duration = "1m"
rate = "50/s"
max_users = 200

[[stages]]
duration = "1m"
rate = { from = 10, to = "1200/min" }

[[stages]]
duration = "5s"
pause = true
"#;

    fn told(text: &str, format: Format) -> String {
        Profile::read(text, format).map_or_else(|faults| faults.to_string(), |all| all.to_string())
    }

    #[test]
    fn toml_and_json_say_the_same() {
        let line = "10s: 0 -> 100 quadratic, 1m: 50/s max 200, 1m: 10/s -> 20/s, 5s: pause";
        assert_eq!(told(STAGES, Format::Toml), line);
        let json = r#"{"stages": [
            {"duration": "10s", "users": {"from": 0, "to": 100, "curve": "quadratic"}},
            {"duration": "1m", "rate": "50/s", "max_users": 200},
            {"duration": "1m", "rate": {"from": 10, "to": "1200/min"}},
            {"duration": "5s", "pause": true}]}"#;
        assert_eq!(told(json, Format::Json), line);
    }

    #[test]
    fn a_stage_may_go_in_steps_or_have_a_spike() {
        let text = r#"
[[stages]]
duration = "30s"
rate = { from = 10, to = 30 }
steps = 3
[[stages]]
duration = "1m"
users = { from = 5, to = 50 }
spike = { at = "20s", lasts = "5s" }
"#;
        let line = "10s: 10/s, 10s: 20/s, 10s: 30/s, 20s: 5, 5s: 50, 35s: 5";
        assert_eq!(told(text, Format::Toml), line);
    }

    #[test]
    fn a_shape_is_written_out() {
        let spike = "[shape]\nkind = \"spike\"\nmetric = \"rate\"\nbaseline = 5\npeak = 50\n\
                     ramp_up = \"10s\"\nhold = \"20s\"\nramp_down = \"5s\"";
        assert_eq!(told(spike, Format::Toml), "10s: 5/s -> 50/s, 20s: 50/s, 5s: 50/s -> 5/s");
        let stairs =
            r#"{"shape": {"kind": "stairs", "start": 1, "step": 2, "steps": 2, "each": "1s"}}"#;
        assert_eq!(told(stairs, Format::Json), "1s: 1, 1s: 3");
    }

    #[test]
    fn what_is_wrong_is_told() {
        let told_all: Vec<_> = [
            "",
            "[[stages]]\nduration = \"10s\"",
            "[[stages]]\nduration = \"10s\"\nusers = 5\nmax_users = 3\n[[stages]]\nduration = \"x\"\nusers = 1",
            "[[stages]]\nduration = \"10s\"\nuser = 5",
            "[shape]\nkind = \"stairs\"\nstart = 1\nstep = 1\nsteps = 3\neach = \"0s\"",
            "[[stages]]\nduration = \"10s\"\nusers = 5\n[shape]\nkind = \"ramp-hold\"\ntarget = 1\nramp = \"1s\"\nhold = \"1s\"",
            "stages = 5 5",
        ]
        .into_iter()
        .map(|text| told(text, Format::Toml))
        .collect();
        insta::assert_snapshot!(told_all.join("\n--\n"), @r"
        there are no `stages`, and no `shape`
        --
        stage 1: give one of `users`, `rate` and `pause = true`
        --
        stage 1: `max_users` is for a rate; users are limited already
        stage 2: `x` is no time: expected number at 0
        --
        unknown field `user`, expected one of `duration`, `users`, `rate`, `max_users`, `steps`, `spike`, `pause` for key `stages[0]`
        --
        the shape takes no time
        --
        give `stages` or a `shape`, not both
        --
        TOML parse error at line 1, column 10
          |
        1 | stages = 5 5
          |          ^^^
        string values must be quoted, expected literal string
        ");
    }
}
