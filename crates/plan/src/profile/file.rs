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

use crowd_core::mark;
use serde_json::Value;

use self::table::{Ends, RateValue, SpikeValue, Table};
use super::{
    phase::Phase,
    plan::{MOST_STAGES, Profile, ProfileFaults, faults_of},
    shape::{Metric, Shape},
    stage::{Load, Span, Stage},
};

mod table;

/// How a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// TOML.
    Toml,
    /// JSON.
    Json,
}

impl Profile {
    /// Reads a profile.
    ///
    /// # Errors
    /// Everything that is wrong with it, at once; of what cannot be read at all, where.
    pub fn read(text: &str, format: Format) -> Result<Self, ProfileFaults> {
        let text = mark::skipped(text);
        let read = match format {
            Format::Json => serde_json::from_str(text).map_err(|fault| fault.to_string()),
            Format::Toml => config::Config::builder()
                .add_source(config::File::from_str(text, config::FileFormat::Toml))
                .build()
                .and_then(config::Config::try_deserialize)
                .map_err(|fault| fault.to_string()),
        };
        let file: Value = read.map_err(|fault| ProfileFaults(vec![fault.trim_end().to_owned()]))?;
        let mut faults = Vec::new();
        let stages = stages_of_file(&file, &mut faults);
        if !faults.is_empty() {
            return Err(ProfileFaults(faults));
        }
        Self::new(stages)
    }
}

/// The stages of a file, as far as they can be read.
fn stages_of_file(file: &Value, faults: &mut Vec<String>) -> Vec<Stage> {
    let mut table = Table::of("", file, faults);
    let listed = table.any("stages");
    let listed = listed.filter(|all| all.as_array().is_none_or(|stages| !stages.is_empty()));
    let shape = table.any("shape");
    table.finish();
    match (listed, shape) {
        (Some(_), Some(_)) => faults.push("give `stages` or a `shape`, not both".to_owned()),
        (None, None) => {
            if faults.is_empty() {
                faults.push("there are no `stages`, and no `shape`".to_owned());
            }
        }
        (None, Some(shape)) => {
            let stages = shaped(shape, faults);
            if stages.is_empty() && faults.is_empty() {
                faults.push("the shape takes no time".to_owned());
            }
            return stages;
        }
        (Some(Value::Array(listed)), None) => {
            let mut stages = Vec::new();
            for (number, stage) in (1..).zip(listed) {
                let more = stages_of(number, stage, faults).unwrap_or_default();
                more.iter().for_each(|stage| faults_of(number, stage, faults));
                stages.extend(more);
            }
            return stages;
        }
        (Some(_), None) => faults.push("`stages` is no list of stages".to_owned()),
    }
    Vec::new()
}

/// The stages that one of a file stands for; `None` if there are faults.
fn stages_of(number: usize, stage: &Value, faults: &mut Vec<String>) -> Option<Vec<Stage>> {
    let (place, before) = (format!("stage {number}: "), faults.len());
    let mut table = Table::of(&place, stage, faults);
    let duration: Option<Duration> = table.needed("duration");
    let users: Option<Ends<f64>> = table.read("users");
    let rate: Option<Ends<RateValue>> = table.read("rate");
    let max_users: Option<u64> = table.read("max_users");
    let steps: Option<u32> = table.read("steps");
    let spike: Option<SpikeValue> = table.read("spike");
    let pause: Option<bool> = table.read("pause");
    let says = ["users", "rate"].map(|name| table.has(name));
    let paused = pause == Some(true);
    let kinds = says.into_iter().chain([paused]).filter(|says| *says).count();
    if kinds != 1 && (pause.is_some() || !table.has("pause")) {
        table.fault("give one of `users`, `rate` and `pause = true`");
    }
    if kinds == 1 && table.has("max_users") && !table.has("rate") {
        table.fault("`max_users` is for a rate; users are limited already");
    }
    if table.has("steps") && table.has("spike") {
        table.fault("give `steps` or a `spike`, not both");
    }
    table.finish();
    if faults.len() > before {
        return None;
    }
    let load = match (users, rate) {
        (Some(users), _) => Load::Users(users.span(|users| users)),
        (_, Some(rate)) => Load::Rate {
            span: rate.span(|RateValue(rate)| rate),
            most_users: max_users.unwrap_or(0),
        },
        (None, None) => Load::Pause,
    };
    let stage = Stage { load, duration: duration? };
    let phase = match (steps, spike) {
        (Some(steps), _) => Phase::Steps(steps),
        (_, Some(SpikeValue { at, lasts })) => Phase::Spike { at, lasts },
        (None, None) => return Some(vec![stage]),
    };
    phase.stages(&stage).map_err(|fault| faults.push(format!("{place}{fault}"))).ok()
}

/// The stages of a shape; none if there are faults.
fn shaped(shape: &Value, faults: &mut Vec<String>) -> Vec<Stage> {
    let before = faults.len();
    let mut table = Table::of("shape: ", shape, faults);
    let kind: Option<String> = table.needed("kind");
    let metric: Option<Metric> = table.read("metric");
    let metric = if table.has("metric") { metric } else { Some(Metric::Users) };
    let shape = match kind.as_deref() {
        None => None,
        Some("spike") => {
            let [baseline, peak] = ["baseline", "peak"].map(|name| table.value(name, metric));
            let [ramp_up, hold, ramp_down] =
                ["ramp_up", "hold", "ramp_down"].map(|name| table.needed(name));
            let recovery: Option<Duration> = table.read("recovery");
            spike([baseline, peak], [ramp_up, hold, ramp_down], recovery.unwrap_or_default())
        }
        Some("stairs") => {
            let [start, step] = ["start", "step"].map(|name| table.value(name, metric));
            let (steps, each) = (table.needed("steps"), table.needed("each"));
            if let Some(steps) = steps.filter(|steps| *steps as usize > MOST_STAGES) {
                table.fault(&format!("{steps} steps are too many; {MOST_STAGES} are the most"));
            }
            stairs([start, step], steps, each)
        }
        Some("ramp-hold") => {
            let target = table.value("target", metric);
            let [ramp, hold] = ["ramp", "hold"].map(|name| table.needed(name));
            ramp_hold(target, [ramp, hold])
        }
        Some(other) => {
            table.fault(&format!("no kind `{other}`: spike, stairs or ramp-hold"));
            table.forgive();
            None
        }
    };
    table.finish();
    match (shape, metric) {
        (Some(shape), Some(metric)) if faults.len() == before => {
            let stages = shape.stages(metric);
            stages.iter().for_each(|stage| faults_of_shape(stage, faults));
            stages
        }
        _ => Vec::new(),
    }
}

/// What is wrong with a stage of a shape, which has no number in the file.
fn faults_of_shape(stage: &Stage, faults: &mut Vec<String>) {
    let mut found = Vec::new();
    faults_of(0, stage, &mut found);
    for fault in found.iter().filter_map(|fault| fault.strip_prefix("stage 0: ")) {
        let fault = format!("shape: {fault}");
        if !faults.contains(&fault) {
            faults.push(fault);
        }
    }
}

fn spike(
    [baseline, peak]: [Option<f64>; 2],
    [ramp_up, hold, ramp_down]: [Option<Duration>; 3],
    recovery: Duration,
) -> Option<Shape> {
    Some(Shape::Spike {
        baseline: baseline?,
        peak: peak?,
        ramp_up: ramp_up?,
        hold: hold?,
        ramp_down: ramp_down?,
        recovery,
    })
}

fn stairs(
    [start, step]: [Option<f64>; 2],
    steps: Option<u32>,
    each: Option<Duration>,
) -> Option<Shape> {
    Some(Shape::Stairs { start: start?, step: step?, steps: steps?, each: each? })
}

fn ramp_hold(target: Option<f64>, [ramp, hold]: [Option<Duration>; 2]) -> Option<Shape> {
    Some(Shape::RampHold { target: target?, ramp: ramp?, hold: hold? })
}

impl<T: Copy> Ends<T> {
    fn span(self, value: impl Fn(T) -> f64) -> Span {
        match self {
            Self::Hold(held) => Span::hold(value(held)),
            Self::Ramp { from, to, curve } => Span::ramp(value(from), value(to), curve),
        }
    }
}

#[cfg(test)]
mod tests;
