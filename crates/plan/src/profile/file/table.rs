//! Pure: the fields of a table, each read by itself, so that all that is wrong is told at once.

use std::time::Duration;

use crowd_core::suggestion::did_you_mean;
use serde_json::{Map, Value};

use crate::profile::{curve::Curve, rate, shape::Metric};

/// A table of a file, and what is wrong with it.
pub(super) struct Table<'v, 'f> {
    /// Where it is, to be read before a fault.
    place: String,
    /// `None` if it is no table.
    fields: Option<&'v Map<String, Value>>,
    /// The names that were asked for.
    known: Vec<&'static str>,
    faults: &'f mut Vec<String>,
}

impl<'v, 'f> Table<'v, 'f> {
    pub(super) fn of(place: &str, value: &'v Value, faults: &'f mut Vec<String>) -> Self {
        let fields = value.as_object();
        let mut table = Self { place: place.to_owned(), fields, known: Vec::new(), faults };
        if fields.is_none() {
            table.fault(&format!("`{}` is no table of fields", shown(value)));
        }
        table
    }

    pub(super) fn fault(&mut self, fault: &str) {
        self.faults.push(format!("{}{fault}", self.place));
    }

    /// A field as it is; `None` if it is not there.
    pub(super) fn any(&mut self, name: &'static str) -> Option<&'v Value> {
        if !self.known.contains(&name) {
            self.known.push(name);
        }
        self.fields?.get(name).filter(|value| !value.is_null())
    }

    /// Whether a field is there, and be it wrong.
    pub(super) fn has(&self, name: &str) -> bool {
        let value = self.fields.and_then(|fields| fields.get(name));
        value.is_some_and(|value| !value.is_null())
    }

    /// A field that may be missing.
    pub(super) fn read<T: Field>(&mut self, name: &'static str) -> Option<T> {
        match T::read(self.any(name)?) {
            Ok(value) => Some(value),
            Err(faults) => {
                for fault in faults {
                    self.fault(&format!("{name}: {fault}"));
                }
                None
            }
        }
    }

    /// A field that must be there.
    pub(super) fn needed<T: Field>(&mut self, name: &'static str) -> Option<T> {
        if self.fields.is_some() && !self.has(name) {
            self.fault(&format!("`{name}` is missing"));
        }
        self.read(name)
    }

    /// A number of users, or a rate in arrivals a second.
    pub(super) fn value(&mut self, name: &'static str, metric: Option<Metric>) -> Option<f64> {
        match metric {
            Some(Metric::Rate) => self.needed(name).map(|SignedRate(rate)| rate),
            Some(Metric::Users) => self.needed(name),
            None => {
                self.any(name);
                None
            }
        }
    }

    /// Whatever else there is, is no fault.
    pub(super) fn forgive(&mut self) {
        self.fields = None;
    }

    /// All fields were asked for: whatever else there is, is a fault.
    pub(super) fn finish(mut self) {
        let Some(fields) = self.fields else { return };
        let strangers = fields.keys().filter(|name| !self.known.contains(&name.as_str()));
        for name in strangers.cloned().collect::<Vec<_>>() {
            let near = did_you_mean(&name, self.known.iter().copied());
            let known = self.known.join("`, `");
            self.fault(&format!("`{name}` is none of the fields `{known}`{near}"));
        }
    }
}

/// What a field holds.
pub(super) trait Field: Sized {
    /// Answers every fault, to be read after the name of the field.
    fn read(value: &Value) -> Result<Self, Vec<String>>;
}

fn wrong<T>(what: impl Into<String>) -> Result<T, Vec<String>> {
    Err(vec![what.into()])
}

/// A value in a message.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// A duration as people write it.
impl Field for Duration {
    fn read(value: &Value) -> Result<Self, Vec<String>> {
        let Value::String(text) = value else {
            return wrong(format!("`{value}` is no time: write one such as \"30s\""));
        };
        let time = humantime::parse_duration(text);
        time.or_else(|fault| wrong(format!("`{text}` is no time: {fault}")))
    }
}

impl Field for String {
    fn read(value: &Value) -> Result<Self, Vec<String>> {
        let text = value.as_str().map(str::to_owned);
        text.map_or_else(|| wrong(format!("`{}` is no text", shown(value))), Ok)
    }
}

impl Field for bool {
    fn read(value: &Value) -> Result<Self, Vec<String>> {
        let told = || wrong(format!("`{}` is neither true nor false", shown(value)));
        value.as_bool().map_or_else(told, Ok)
    }
}

impl Field for f64 {
    fn read(value: &Value) -> Result<Self, Vec<String>> {
        value.as_f64().map_or_else(|| wrong(format!("`{}` is no number", shown(value))), Ok)
    }
}

impl Field for u64 {
    fn read(value: &Value) -> Result<Self, Vec<String>> {
        let told = || wrong(format!("`{}` is no whole number from 0", shown(value)));
        value.as_u64().map_or_else(told, Ok)
    }
}

impl Field for u32 {
    fn read(value: &Value) -> Result<Self, Vec<String>> {
        let number = u64::read(value)?;
        Self::try_from(number).or_else(|_| wrong(format!("`{number}` is more than {}", Self::MAX)))
    }
}

/// A rate, in arrivals a second.
#[derive(Clone, Copy)]
pub(super) struct RateValue(pub(super) f64);

/// As people write it; a number without a time is none.
impl Field for RateValue {
    fn read(value: &Value) -> Result<Self, Vec<String>> {
        rate::read(&shown(value)).map(Self).or_else(wrong)
    }
}

/// A rate of a shape, which may go down.
struct SignedRate(f64);

impl Field for SignedRate {
    fn read(value: &Value) -> Result<Self, Vec<String>> {
        match value.as_str().and_then(|text| text.trim().strip_prefix('-')) {
            Some(down) => rate::read(down).map(|rate| Self(-rate)).or_else(wrong),
            None => RateValue::read(value).map(|RateValue(rate)| Self(rate)),
        }
    }
}

impl Field for Metric {
    fn read(value: &Value) -> Result<Self, Vec<String>> {
        match value.as_str() {
            Some("users") => Ok(Self::Users),
            Some("rate") => Ok(Self::Rate),
            _ => wrong(format!("`{}` is no metric: users or rate", shown(value))),
        }
    }
}

impl Field for Curve {
    fn read(value: &Value) -> Result<Self, Vec<String>> {
        shown(value).parse().or_else(wrong)
    }
}

/// A value that is held, or both ends of one that changes.
#[derive(Clone, Copy)]
pub(super) enum Ends<T> {
    Hold(T),
    Ramp { from: T, to: T, curve: Curve },
}

impl<T: Field> Field for Ends<T> {
    fn read(value: &Value) -> Result<Self, Vec<String>> {
        if !value.is_object() {
            return T::read(value).map(Self::Hold);
        }
        nested(value, |table| {
            let (from, to) = (table.needed("from"), table.needed("to"));
            let curve: Option<Curve> = table.read("curve");
            Some(Self::Ramp { from: from?, to: to?, curve: curve.unwrap_or_default() })
        })
    }
}

/// A while within a stage.
#[derive(Clone, Copy)]
pub(super) struct SpikeValue {
    pub(super) at: Duration,
    pub(super) lasts: Duration,
}

impl Field for SpikeValue {
    fn read(value: &Value) -> Result<Self, Vec<String>> {
        nested(value, |table| {
            let (at, lasts) = (table.needed("at"), table.needed("lasts"));
            Some(Self { at: at?, lasts: lasts? })
        })
    }
}

/// A table within a field.
fn nested<T>(
    value: &Value,
    read: impl FnOnce(&mut Table<'_, '_>) -> Option<T>,
) -> Result<T, Vec<String>> {
    let mut faults = Vec::new();
    let mut table = Table::of("", value, &mut faults);
    let read = read(&mut table);
    table.finish();
    match read {
        Some(value) if faults.is_empty() => Ok(value),
        _ => Err(faults),
    }
}
