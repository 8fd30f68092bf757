//! Pure: from texts to a search's settings, with every fault at once.

use std::{collections::BTreeMap, fmt, time::Duration};

use config::{Value, ValueKind};
use crowd_core::toml_fault::without_source;
use crowd_core::{settings::SettingValue, suggestion::did_you_mean};

use super::{
    ANY_SUCCESS, Comparator, DEFAULT_SIGNAL, Query, Range, SearchSettings, Strategy, Unit,
    query::{comparator, share},
    range::End,
};
use crate::capacity::{prometheus, signal::OwnSignal};

/// The longest time that a search may take to look at anything.
const LONGEST: Duration = Duration::from_secs(30 * 86_400);

/// The names of all settings of a search. `signal` and `query` may be given more than once.
pub const KEYS: &[&str] = &[
    "strategy",
    "unit",
    "max",
    "users",
    "increase",
    "decrease",
    "rest",
    "slope",
    "steady",
    "at_max",
    "start",
    "step",
    "sustained",
    "min_requests",
    "settle",
    "window",
    "precision",
    "confidence",
    "clear",
    "windows",
    "missing",
    "patience",
    "tick",
    "signal",
    "allow_errors",
    "prometheus",
    "query",
];

/// The parts of a query in a file.
const QUERY_KEYS: &[&str] = &["name", "query", "threshold", "comparator", "warm_up", "alert"];

/// Everything that is wrong with the settings of a search, each with the path of its field.
/// `Display` prints one a line.
#[derive(Debug, Clone, Default, PartialEq, Eq, thiserror::Error)]
pub struct SearchFaults(pub Vec<String>);

impl fmt::Display for SearchFaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("\n"))
    }
}

/// Settings as they were given: texts by name, where later ones are louder.
#[derive(Debug, Clone, Default)]
pub struct Given {
    texts: BTreeMap<String, String>,
    /// Each with its path.
    signals: Vec<(String, String)>,
    queries: Vec<(String, Result<Query, Vec<String>>)>,
    faults: Vec<String>,
}

impl Given {
    /// Adds those of a TOML file: the names of [`KEYS`], but `signals = […]` and `[[queries]]`.
    pub fn file(&mut self, toml: &str) {
        let read = config::Config::builder()
            .add_source(config::File::from_str(toml, config::FileFormat::Toml))
            .build()
            .and_then(config::Config::try_deserialize::<BTreeMap<String, Value>>);
        let fields = match read {
            Ok(fields) => fields,
            Err(fault) => return self.faults.push(without_source(&fault)),
        };
        for (name, value) in fields {
            match (name.as_str(), value.kind) {
                ("signals", ValueKind::Array(signals)) => {
                    for (at, signal) in signals.into_iter().enumerate() {
                        let path = format!("signals[{at}]");
                        match signal.into_string() {
                            Ok(text) => self.signals.push((path, text)),
                            Err(_) => self.faults.push(format!("{path} is no text")),
                        }
                    }
                }
                ("queries", ValueKind::Array(queries)) => {
                    for (at, query) in queries.into_iter().enumerate() {
                        let path = format!("queries[{at}]");
                        let read = match query.kind {
                            ValueKind::Table(fields) => query_of(&path, fields),
                            _ => Err(vec![format!("{path} is no table")]),
                        };
                        self.queries.push((path, read));
                    }
                }
                (name @ ("signal" | "query"), _) => {
                    let right = if name == "signal" { "signals = […]" } else { "[[queries]]" };
                    self.faults.push(format!("{name}: in a file that is `{right}`"));
                }
                (_, kind) => self.text(&name, &Value::new(None, kind).into_string()),
            }
        }
    }

    /// Adds one by name. `signal` and `query` add to those there are.
    pub fn pair(&mut self, name: &str, text: &str) {
        match name {
            "signal" => {
                self.signals.push((format!("signals[{}]", self.signals.len()), text.into()))
            }
            "query" => {
                let path = format!("queries[{}]", self.queries.len());
                let read = text.parse().map_err(|fault| vec![format!("{path}: {fault}")]);
                self.queries.push((path, read));
            }
            _ => self.text(name, &Ok::<_, config::ConfigError>(text.to_owned())),
        }
    }

    fn text<E>(&mut self, name: &str, text: &Result<String, E>) {
        let near = || did_you_mean(name, KEYS.iter().copied());
        match text {
            _ if !KEYS.contains(&name) => {
                self.faults.push(format!("{name} is no setting of a search{}", near()));
            }
            Ok(text) => {
                self.texts.insert(name.to_owned(), text.clone());
            }
            Err(_) => self.faults.push(format!("{name} is neither a text nor a number")),
        }
    }

    /// The same as pairs, of which nothing is missing: what a file says is among them.
    ///
    /// # Errors
    /// A sentence, if there is a query that no pair can tell.
    pub fn pairs(&self) -> Result<Vec<(String, String)>, String> {
        let own = |(name, text): (&String, &String)| (name.clone(), text.clone());
        let mut pairs: Vec<_> = self.texts.iter().map(own).collect();
        pairs.extend(self.signals.iter().map(|(_, text)| ("signal".to_owned(), text.clone())));
        // What cannot be read is told by `settings`.
        for query in self.queries.iter().filter_map(|(_, query)| query.as_ref().ok()) {
            if !query.alert {
                let name = &query.name;
                return Err(format!("query `{name}` is only to be shown: --api takes none such"));
            }
            pairs.push(("query".to_owned(), query.to_string()));
        }
        Ok(pairs)
    }

    /// The settings.
    ///
    /// # Errors
    /// Everything that is wrong with them, at once.
    pub fn settings(self) -> Result<SearchSettings, SearchFaults> {
        let Self { texts, signals, queries, faults } = self;
        let mut read = Read { texts, faults };
        let built_in = SearchSettings::default();
        let from_one = Range { low: End::Closed(1.0), high: End::None };
        let above_one = Range { low: End::Open(1.0), high: End::None };
        let mut settings = SearchSettings {
            strategy: read.value("strategy", built_in.strategy),
            unit: read.value("unit", built_in.unit),
            max: read.number("max", built_in.max, Range::POSITIVE),
            users: read.optional_whole("users", Range::POSITIVE),
            increase: read.whole("increase", built_in.increase, Range::POSITIVE),
            decrease: read.whole("decrease", built_in.decrease, Range::POSITIVE),
            rest: read.time("rest", built_in.rest, Range::POSITIVE),
            slope: read.number("slope", built_in.slope, Range::POSITIVE),
            steady: read.time("steady", built_in.steady, Range::POSITIVE),
            at_max: read.optional_time("at_max"),
            start: read.number("start", built_in.start, Range::POSITIVE),
            step: read.number("step", built_in.step, Range::POSITIVE),
            sustained: read.small("sustained", built_in.sustained, from_one),
            min_requests: read.whole("min_requests", built_in.min_requests, Range::NOT_NEGATIVE),
            settle: read.time("settle", built_in.settle, Range::NOT_NEGATIVE),
            window: read.time("window", built_in.window, Range::POSITIVE),
            precision: read.share("precision", built_in.precision),
            confidence: read.share("confidence", built_in.confidence),
            clear: read.number("clear", built_in.clear, above_one),
            windows: read.small("windows", built_in.windows, from_one),
            missing: read.value("missing", built_in.missing),
            patience: read.time("patience", built_in.patience, Range::POSITIVE),
            tick: read.time("tick", built_in.tick, Range::POSITIVE),
            prometheus: read.texts.remove("prometheus"),
            signals: Vec::new(),
            allow_errors: false,
            queries: Vec::new(),
        };
        let allow_errors = read.value("allow_errors", false);
        let mut faults = read.faults;
        for (path, text) in signals {
            match text.parse() {
                Ok(signal) => settings.signals.push(signal),
                Err(fault) => faults.push(format!("{path}: {fault}")),
            }
        }
        let queried = !queries.is_empty();
        for (_, query) in queries {
            match query {
                Ok(query) => settings.queries.push(query),
                Err(wrong) => faults.extend(wrong),
            }
        }
        together(&settings, queried, &mut faults);
        if !faults.is_empty() {
            return Err(SearchFaults(faults));
        }
        // A load at which nothing works is not carried, however fast it fails.
        if !settings.signals.iter().any(OwnSignal::speaks_of_errors) {
            let signal = if allow_errors { ANY_SUCCESS } else { DEFAULT_SIGNAL };
            settings.signals.extend(signal.parse().map(OwnSignal::of_each_action));
        }
        settings.allow_errors = allow_errors;
        Ok(settings)
    }
}

/// What must hold between settings.
fn together(settings: &SearchSettings, queried: bool, faults: &mut Vec<String>) {
    let SearchSettings { strategy, unit, max, start, rest, tick, window, .. } = settings;
    let time = |time: &Duration| time.render();
    if rest < tick {
        faults.push(format!(
            "rest ({}) should be greater than tick ({}): the signals are looked at once a tick",
            time(rest),
            time(tick)
        ));
    }
    if *strategy == Strategy::Equilibrium && *unit == Unit::Rate {
        faults
            .push("unit: `equilibrium` counts users; for a rate take `stress` or `bisect`".into());
    }
    if *unit == Unit::Users && settings.users.is_some() {
        faults.push("users: a search by users says itself how many there are (`unit`)".into());
    }
    if *unit == Unit::Users {
        for (name, value) in [("max", *max), ("start", *start)] {
            if value.fract() != 0.0 || value < 1.0 {
                faults.push(format!("{name}: {value} is no number of users"));
            }
        }
    }
    if *strategy != Strategy::Equilibrium {
        if start > max {
            faults.push(format!("start ({start}) is greater than max ({max})"));
        }
        if tick > window {
            faults.push(format!(
                "window ({}) should be greater than tick ({})",
                time(window),
                time(tick)
            ));
        }
        for (at, signal) in settings.signals.iter().enumerate() {
            if let Some(over) = signal.over().filter(|over| over > window) {
                faults.push(format!(
                    "signals[{at}] looks back {}, and window ({}) is shorter: a load would be \
                     judged by what was before it",
                    time(&over),
                    time(window)
                ));
            }
        }
    }
    match &settings.prometheus {
        Some(url) => {
            if let Err(fault) = prometheus::parts(url) {
                faults.push(format!("prometheus: {fault}"));
            }
            if !queried {
                faults.push("queries: there are none, but a server to ask (`prometheus`)".into());
            }
        }
        None if queried => {
            faults.push("prometheus: queries need the URL of a server to ask".into());
        }
        None => {}
    }
}

/// A query of a file.
fn query_of(path: &str, fields: config::Map<String, Value>) -> Result<Query, Vec<String>> {
    let mut read = Read { texts: BTreeMap::new(), faults: Vec::new() };
    for (name, value) in fields {
        if !QUERY_KEYS.contains(&name.as_str()) {
            let near = did_you_mean(&name, QUERY_KEYS.iter().copied());
            read.faults.push(format!("{path}.{name} is no part of a query{near}"));
            continue;
        }
        match value.into_string() {
            Ok(text) => drop(read.texts.insert(format!("{path}.{name}"), text)),
            Err(_) => read.faults.push(format!("{path}.{name} is neither a text nor a number")),
        }
    }
    let of = |name: &str| format!("{path}.{name}");
    let comparator = match read.texts.remove(&of("comparator")) {
        None => Comparator::AtLeast,
        Some(text) => match comparator(&text) {
            Some(comparator) => comparator,
            None => {
                read.faults.push(format!(
                    "{}: `{text}` is not one of `>=`, `>`, `<=`, `<`",
                    of("comparator")
                ));
                Comparator::AtLeast
            }
        },
    };
    if !read.texts.contains_key(&of("threshold")) {
        read.faults.push(format!("{} is missing", of("threshold")));
    }
    let query = Query {
        name: read.not_empty(&of("name")),
        query: read.not_empty(&of("query")),
        comparator,
        limit: read.number(&of("threshold"), 0.0, Range::NOT_NEGATIVE),
        warm_up: read.time(&of("warm_up"), Duration::ZERO, Range::NOT_NEGATIVE),
        alert: read.value(&of("alert"), true),
    };
    if read.faults.is_empty() { Ok(query) } else { Err(read.faults) }
}

/// Reads texts and gathers what is wrong with them; what is wrong becomes the default.
struct Read {
    texts: BTreeMap<String, String>,
    faults: Vec<String>,
}

impl Read {
    fn not_empty(&mut self, name: &str) -> String {
        let text = self.texts.remove(name).unwrap_or_default();
        if text.trim().is_empty() {
            self.faults.push(format!("{name} is empty"));
        }
        text
    }

    fn value<T: SettingValue>(&mut self, name: &str, default: T) -> T {
        let Some(text) = self.texts.remove(name) else { return default };
        match T::parse(&text) {
            Ok(value) => value,
            Err(why) => {
                self.faults.push(format!("{name}: `{text}` is {why}"));
                default
            }
        }
    }

    fn number(&mut self, name: &str, default: f64, range: Range) -> f64 {
        let value = self.value(name, default);
        match range.check(value) {
            Ok(()) => value,
            Err(why) => {
                self.faults.push(format!("{name} {why}"));
                default
            }
        }
    }

    fn whole(&mut self, name: &str, default: u64, range: Range) -> u64 {
        let value = self.number(name, default as f64, range);
        // Beyond this not every whole number is one of these.
        if value.fract() == 0.0 && value < 9e15 {
            return value as u64;
        }
        self.faults.push(format!("{name}: {value} is not a whole number"));
        default
    }

    fn small(&mut self, name: &str, default: u32, range: Range) -> u32 {
        let value = self.whole(name, default.into(), range);
        u32::try_from(value).unwrap_or(u32::MAX)
    }

    /// A number between 0 and 1, or a percentage.
    fn share(&mut self, name: &str, default: f64) -> f64 {
        if let Some(text) = self.texts.get(name)
            && let Some(value) = share(text.trim())
        {
            self.texts.insert(name.to_owned(), value.to_string());
        }
        self.number(name, default, Range::SHARE)
    }

    fn time(&mut self, name: &str, default: Duration, range: Range) -> Duration {
        let value = self.value(name, default);
        if let Err(why) = range.check(value.as_secs_f64()) {
            self.faults.push(format!("{name} {why}"));
        }
        if value > LONGEST {
            self.faults.push(format!(
                "{name}: {} is too long; {} is the most",
                value.render(),
                LONGEST.render()
            ));
            return default;
        }
        value
    }

    fn optional_whole(&mut self, name: &str, range: Range) -> Option<u64> {
        self.texts.contains_key(name).then(|| self.whole(name, 1, range))
    }

    fn optional_time(&mut self, name: &str) -> Option<Duration> {
        self.texts.contains_key(name).then(|| self.time(name, Duration::ZERO, Range::POSITIVE))
    }
}
