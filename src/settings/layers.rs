//! File < environment < command line: which text each setting of a node has. The built-in default
//! stands where none of them says anything. The only file that names the crate `config`.

use std::{collections::BTreeMap, fs, path::Path};

use config::{Config, ConfigError, File, FileFormat, Map, Source, Value, ValueKind};
use crowd_core::toml_fault::without_source;
use crowd_core::{
    mark,
    suggestion::{did_you_mean, nearest},
};

use super::{
    Sources, env,
    faults::SettingsFaults,
    masking::{masked, secrets_of_url_list, unquoted, whole},
    value::{SettingValue, Shape, join_list},
};

/// Says what would be right, if a value is not.
pub(super) type Check<T> = fn(&T) -> Result<(), String>;

/// Where a text was found. Later ones win.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Layer {
    File,
    Environment,
    CommandLine,
}

/// What one layer holds. The position in the merged settings is told by `origin`.
#[derive(Debug, Clone)]
struct Held {
    layer: Layer,
    values: BTreeMap<String, ValueKind>,
}

impl Source for Held {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, ConfigError> {
        let origin = format!("{:?}", self.layer);
        let value = |kind: &ValueKind| Value::new(Some(&origin), kind.clone());
        Ok(self.values.iter().map(|(name, kind)| (name.clone(), value(kind))).collect())
    }
}

/// What was found for one setting.
#[derive(Debug)]
enum Text {
    One(String),
    /// A list of the file.
    Many(Vec<String>),
    /// A table, a date or the like.
    Other,
}

/// The merged layers.
#[derive(Debug, Default)]
pub(super) struct Layers {
    found: BTreeMap<String, (Layer, Text)>,
    file: String,
}

impl Layers {
    /// Reads all layers. What cannot be read and names nobody knows become faults; the rest is
    /// there all the same, so that every fault is found at once.
    pub(super) fn read(names: &[&str], sources: &Sources, faults: &mut SettingsFaults) -> Self {
        let file = sources.file.clone().or_else(|| {
            let path = sources.environment.get(env::CONFIG).filter(|path| !path.is_empty());
            path.map(Into::into)
        });
        let mut layers = Self::default();
        let mut held = Vec::new();
        if let Some(path) = file {
            layers.file = path.display().to_string();
            held.push(read_file(&path, names, faults));
        }
        held.push(read_environment(names, sources, faults));
        held.push(read_command_line(names, &sources.overrides, faults));
        let merged = held.into_iter().fold(Config::builder(), |all, one| all.add_source(one));
        match merged.build().and_then(|config| config.collect()) {
            Ok(values) => layers.found = values.into_iter().map(found).collect(),
            Err(error) => faults.add(format!("the settings cannot be merged: {error}")),
        }
        layers
    }

    /// The layer a setting was found in.
    pub(super) fn layer(&self, name: &str) -> Option<Layer> {
        self.found.get(name).map(|(layer, _)| *layer)
    }

    /// Whether any layer gives a setting a value; an empty one is none.
    pub(super) fn says(&self, name: &str) -> bool {
        self.found.get(name).is_some_and(|(_, text)| !matches!(text, Text::One(t) if t.is_empty()))
    }

    /// Where a setting was found, in words.
    pub(super) fn place(&self, name: &str) -> String {
        match self.layer(name) {
            None => "its default".into(),
            Some(Layer::File) => format!("from {}", self.file),
            Some(Layer::Environment) => format!("from {}", env::variable(name)),
            Some(Layer::CommandLine) => "from the command line".into(),
        }
    }

    /// The value of a setting, or `default` where no layer has one. A value that cannot be read
    /// or that `check` refuses becomes a fault.
    pub(super) fn value<T: SettingValue>(
        &self,
        name: &str,
        default: T,
        check: Option<Check<T>>,
        faults: &mut SettingsFaults,
    ) -> T {
        let Some((_, text)) = self.found.get(name) else { return default };
        let (text, read) = match text {
            Text::One(text) => (text.clone(), T::parse(text)),
            Text::Many(items) if T::SHAPE == Shape::List => {
                let text = join_list(items);
                let read = T::parse(&text);
                (text, read)
            }
            Text::Many(items) => (join_list(items), Err("a list, where one value belongs".into())),
            Text::Other => ("…".into(), Err("neither a text, a number nor a list".into())),
        };
        let checked = read.and_then(|value| match check.map(|check| check(&value)) {
            Some(Err(reason)) => Err(reason),
            _ => Ok(value),
        });
        checked.unwrap_or_else(|reason| {
            let parts = if T::SECRET { whole(&text) } else { secrets_of_url_list(&text) };
            let shown = masked(&text, &parts);
            // The node's own checks quote no secret; what parses URLs may.
            let quoted = if T::SECRET { &[][..] } else { &parts };
            let secrets: Vec<_> = quoted.iter().map(|part| &text[part.clone()]).collect();
            let reason = unquoted(&reason, &secrets);
            faults.add(format!("{name} = `{shown}` ({}): {reason}", self.place(name)));
            default
        })
    }
}

fn found((name, value): (String, Value)) -> (String, (Layer, Text)) {
    let origins = [Layer::File, Layer::Environment, Layer::CommandLine];
    let layer = origins
        .into_iter()
        .find(|layer| value.origin() == Some(format!("{layer:?}").as_str()))
        .unwrap_or(Layer::File);
    let text = match value.kind {
        ValueKind::Array(items) => items
            .into_iter()
            .map(|item| plain(item.kind))
            .collect::<Option<_>>()
            .map_or(Text::Other, Text::Many),
        kind => plain(kind).map_or(Text::Other, Text::One),
    };
    (name, (layer, text))
}

fn plain(kind: ValueKind) -> Option<String> {
    match kind {
        ValueKind::String(text) => Some(text),
        ValueKind::Boolean(flag) => Some(flag.to_string()),
        ValueKind::I64(number) => Some(number.to_string()),
        ValueKind::Float(number) => Some(number.to_string()),
        _ => None,
    }
}

fn read_file(path: &Path, names: &[&str], faults: &mut SettingsFaults) -> Held {
    let mut held = Held { layer: Layer::File, values: BTreeMap::new() };
    let shown = path.display();
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => {
            faults.add(format!("the file of settings `{shown}` cannot be read: {error}"));
            return held;
        }
    };
    match File::from_str(mark::skipped(&text), FileFormat::Toml).collect() {
        Ok(values) => {
            for (name, value) in values {
                if names.contains(&name.as_str()) {
                    held.values.insert(name, value.kind);
                } else {
                    let near = did_you_mean(&name, names.iter().copied());
                    faults.add(format!("`{name}` in {shown} is not a setting of a node{near}"));
                }
            }
        }
        Err(error) => faults.add(format!("{shown} is not TOML: {}", without_source(&error))),
    }
    held
}

fn read_environment(names: &[&str], sources: &Sources, faults: &mut SettingsFaults) -> Held {
    let scenarios = sources.scenario_settings.iter().map(String::as_str);
    let known: Vec<_> = names.iter().copied().chain(scenarios).chain(["config"]).collect();
    let mut values = BTreeMap::new();
    for (variable, text) in &sources.environment {
        let Some(tail) = variable.strip_prefix(env::PREFIX) else { continue };
        let own = |name: &&&str| env::variable(name) == *variable;
        if let Some(name) = names.iter().find(own) {
            // An empty variable is taken for unset: compose files pass such on.
            if !text.is_empty() {
                values.insert((*name).to_owned(), ValueKind::String(text.clone()));
            }
        } else if !known.iter().any(|name| env::variable(name) == *variable) {
            let near = nearest(&tail.to_lowercase(), known.iter().copied());
            let near = near.map(|name| format!("; did you mean `{}`?", env::variable(name)));
            faults.add(format!(
                "`{variable}` in the environment names no setting, neither of the node nor of a \
                 scenario{}",
                near.unwrap_or_default()
            ));
        }
    }
    Held { layer: Layer::Environment, values }
}

fn read_command_line(
    names: &[&str],
    overrides: &[(String, String)],
    faults: &mut SettingsFaults,
) -> Held {
    let mut values = BTreeMap::new();
    for (name, text) in overrides {
        if !names.contains(&name.as_str()) {
            let near = did_you_mean(name, names.iter().copied());
            faults.add(format!("`{name}` on the command line is not a setting of a node{near}"));
        } else if values.insert(name.clone(), ValueKind::String(text.clone())).is_some() {
            faults.add(format!("`{name}` is given twice on the command line"));
        }
    }
    Held { layer: Layer::CommandLine, values }
}
