//! Pure: a profile in one line: `10s: 0 -> 100, 1m: 100, 30s: pause, 1m: 10/s -> 50/s quadratic`.

use std::{fmt, str::FromStr};

use crowd_core::settings::value::SettingValue;

use super::{
    curve::Curve,
    phase::Phase,
    plan::{Profile, ProfileFaults, faults_of},
    rate,
    stage::{Load, Span, Stage},
};

impl FromStr for Profile {
    type Err = ProfileFaults;

    fn from_str(text: &str) -> Result<Self, ProfileFaults> {
        let (mut stages, mut faults) = (Vec::new(), Vec::new());
        for (number, part) in (1..).zip(text.split(',')) {
            match stages_of(part.trim()) {
                Ok(more) => {
                    more.iter().for_each(|stage| faults_of(number, stage, &mut faults));
                    stages.extend(more);
                }
                Err(fault) => faults.push(format!("stage {number}: {fault}")),
            }
        }
        if faults.is_empty() { Self::new(stages) } else { Err(ProfileFaults(faults)) }
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, stage) in self.stages().iter().enumerate() {
            if number > 0 {
                f.write_str(", ")?;
            }
            stage.fmt(f)?;
        }
        Ok(())
    }
}

const STEPS: &str = "write `1m: 10/s -> 100/s in 5 steps`";
const SPIKE: &str = "write `1m: 10/s -> 100/s spike 5s at 20s`";
const FORM: &str = "write `30s: 100`, `10s: 0 -> 100`, `1m: 50/s` or `5s: pause`";

/// The stages that a part of the line stands for: more than one, if it goes in steps or has a spike.
fn stages_of(text: &str) -> Result<Vec<Stage>, String> {
    let time = |text: &str| {
        let time = humantime::parse_duration(text.trim());
        time.map_err(|fault| format!("`{}` is no time: {fault}", text.trim()))
    };
    let (stage, phase) = if let Some((stage, steps)) = text.rsplit_once(" in ") {
        let count = steps.trim().strip_suffix("steps").or(steps.trim().strip_suffix("step"));
        let count = count.and_then(|count| count.trim().parse().ok());
        let count = count.ok_or_else(|| format!("`{steps}` is no number of steps: {STEPS}"))?;
        (stage, Phase::Steps(count))
    } else if let Some((stage, spike)) = text.rsplit_once(" spike ") {
        let (lasts, at) = spike
            .split_once(" at ")
            .ok_or_else(|| format!("`spike {spike}` does not say from when: {SPIKE}"))?;
        (stage, Phase::Spike { at: time(at)?, lasts: time(lasts)? })
    } else {
        return Ok(vec![text.parse()?]);
    };
    phase.stages(&stage.parse()?)
}

impl FromStr for Stage {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (duration, load) =
            text.split_once(':').ok_or_else(|| format!("`{text}` is no stage: {FORM}"))?;
        let duration = humantime::parse_duration(duration.trim())
            .map_err(|fault| format!("`{}` is no time: {fault}", duration.trim()))?;
        Ok(Self { load: load_of(load.trim())?, duration })
    }
}

fn load_of(text: &str) -> Result<Load, String> {
    if text == "pause" {
        return Ok(Load::Pause);
    }
    let (text, most_users) = match text.rsplit_once(" max ") {
        Some((text, most)) => {
            let most = most.trim();
            let number = most.parse().map_err(|_| format!("`{most}` is no number of users"))?;
            (text.trim(), Some(number))
        }
        None => (text, None),
    };
    let last = text.rsplit_once(' ');
    let (text, curve) = match last.map(|(rest, word)| (rest, word.parse::<Curve>())) {
        Some((rest, Ok(curve))) => (rest.trim(), Some(curve)),
        _ => (text, None),
    };
    let text = text.replace('→', "->");
    let (from, to) = match text.split_once("->") {
        Some((from, to)) => (value(from.trim())?, value(to.trim())?),
        None if curve.is_some() => {
            return Err("only what changes has a curve: write `0 -> 100 quadratic`".to_owned());
        }
        None => {
            let held = value(text.trim())?;
            (held, held)
        }
    };
    let curve = curve.unwrap_or_default();
    match (from, to) {
        (Value::Users(from), Value::Users(to)) => match most_users {
            None => Ok(Load::Users(Span { from, to, curve })),
            Some(_) => Err("`max` is for a rate; users are limited already".to_owned()),
        },
        (Value::Rate(from), Value::Rate(to)) => {
            let span = Span { from, to, curve };
            Ok(Load::Rate { span, most_users: most_users.unwrap_or(0) })
        }
        _ => Err("one end counts users and the other arrivals: write both alike".to_owned()),
    }
}

#[derive(Debug, Clone, Copy)]
enum Value {
    Users(f64),
    Rate(f64),
}

fn value(text: &str) -> Result<Value, String> {
    if text.contains(['/', ' ']) {
        return rate::read(text).map(Value::Rate);
    }
    if let Ok(count) = text.parse::<u64>() {
        return Ok(Value::Users(count as f64));
    }
    Err(match text.parse::<f64>() {
        Ok(part) if part.is_finite() && part > 0.0 => format!(
            "`{text}` is no whole number of users, and no rate: write {} users, or {text}/s or \
             {text}/min",
            (part + 0.5).floor()
        ),
        _ => format!("`{text}` is neither a number of users nor a rate: {FORM}"),
    })
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.duration.render())?;
        let mut span = |span: &Span, written: fn(f64) -> String| {
            f.write_str(&written(span.from))?;
            if span.from != span.to {
                write!(f, " -> {}", written(span.to))?;
                if span.curve != Curve::Linear {
                    write!(f, " {}", span.curve)?;
                }
            }
            Ok(())
        };
        match &self.load {
            Load::Users(users) => span(users, |count| count.to_string()),
            Load::Rate { span: arrivals, most_users } => {
                span(arrivals, rate::write)?;
                if *most_users > 0 { write!(f, " max {most_users}") } else { Ok(()) }
            }
            Load::Pause => f.write_str("pause"),
        }
    }
}

#[cfg(test)]
mod tests;
