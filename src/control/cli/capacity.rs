//! The words behind `crowd capacity`.

use std::{fs, path::PathBuf};

use clap::Args;
use crowd_core::mark;

use crate::{
    capacity::settings::Given,
    control::{capacity::once::CapacityOptions, command::read_pairs, outputs},
};

pub(super) const CAPACITY_EXAMPLES: &str = "\
Examples:
  crowd capacity http --max 500 --signal 'p95 < 150ms' url=http://shop:8080/
  crowd capacity http --max 500 --strategy stress --with step=25 url=http://shop:8080/
  crowd capacity http --max 500 --prometheus http://prometheus:9090 \\
    --query '5xx: sum(rate(http_5xx[1m])) >= 0.5 after 60s' url=http://shop:8080/
  crowd capacity http --max 20000 --api http://master:4000 --html answer.html url=http://shop:8080/

A signal says what is healthy; a query says what is wrong. Unless a signal speaks of errors,
`error_rate < 1%` of each action is watched too. Ctrl-C stops the search and tells what is known;
a second one does so at once.
Exit codes: 0 found or not limited, 1 no answer, 3 the generator could not keep up, 5 interrupted,
64 bad usage or configuration.";

#[derive(Debug, Args)]
pub(super) struct CapacityFlags {
    /// The scenario.
    scenario: String,
    /// Settings of the scenario.
    #[arg(value_name = "KEY=VALUE")]
    settings: Vec<String>,
    /// How to search: `bisect` (unless told otherwise), `equilibrium` or `stress`.
    #[arg(long, value_name = "STRATEGY")]
    strategy: Option<String>,
    /// What load is counted in: `users` (unless told otherwise) or `rate`, the iterations that
    /// all users together begin in a second.
    #[arg(long, value_name = "UNIT")]
    unit: Option<String>,
    /// The most users, or iterations a second; 1000 unless told otherwise.
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    max: Option<String>,
    /// How many users serve a rate; as many as `--max` says unless told otherwise.
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    users: Option<String>,
    /// What is healthy, measured by the run itself: `p95(login) < 150ms over 10s`,
    /// `error_rate < 1%`; may be given more than once.
    #[arg(long = "signal", value_name = "EXPR")]
    signals: Vec<String>,
    /// Accept errors, however many. Without it, and without a signal that speaks of errors,
    /// `error_rate < 1%` of each action has to hold beside the other signals.
    #[arg(long)]
    allow_errors: bool,
    /// A Prometheus server to ask.
    #[arg(long, value_name = "URL")]
    prometheus: Option<String>,
    /// What to ask it, and when that is too much: `NAME: QUERY >= LIMIT`, perhaps with
    /// ` after TIME`; may be given more than once.
    #[arg(long = "query", value_name = "QUERY")]
    queries: Vec<String>,
    /// What is done about signals without a value: `hold`, `ignore` or `alert`.
    #[arg(long, value_name = "WHAT")]
    missing: Option<String>,
    /// How narrow the interval has to be: half of it as a share of the answer.
    #[arg(long, value_name = "SHARE")]
    precision: Option<String>,
    /// How sure the interval has to be.
    #[arg(long, value_name = "SHARE")]
    confidence: Option<String>,
    /// Over how long a load is judged.
    #[arg(long, value_name = "TIME")]
    window: Option<String>,
    /// How long a load settles before it is judged.
    #[arg(long, value_name = "TIME")]
    settle: Option<String>,
    /// Any other setting of the search; may be given more than once.
    #[arg(long = "with", value_name = "KEY=VALUE")]
    others: Vec<String>,
    /// A file with settings of the search (TOML); flags are louder.
    #[arg(long, value_name = "FILE")]
    search: Option<PathBuf>,
    /// How fast users are admitted: `50/s`, `1200/min`, `unlimited`.
    #[arg(long, value_name = "RATE")]
    user_rate: Option<String>,
    /// Writes the result to a file, as one JSON document.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Writes a page with charts to a file: the answer, the curve, and the run.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// The node with this API, http://HOST:PORT, makes the search with all nodes of its cluster,
    /// instead of a node of its own. The token is CROWD_API_TOKEN, or stands in the file
    /// CROWD_API_TOKEN_FILE names.
    #[arg(long, value_name = "URL")]
    pub(super) api: Option<String>,
}

impl CapacityFlags {
    /// Everything that is wrong is told at once.
    pub(super) fn checked(self) -> Result<CapacityOptions, String> {
        let mut given = Given::default();
        let mut faults = Vec::new();
        if let Some(path) = &self.search {
            match fs::read_to_string(path) {
                Ok(text) => given.file(mark::skipped(&text)),
                Err(error) => faults.push(format!("--search {}: {error}", path.display())),
            }
        }
        let flags = [
            ("strategy", self.strategy),
            ("unit", self.unit),
            ("max", self.max),
            ("users", self.users),
            ("prometheus", self.prometheus),
            ("missing", self.missing),
            ("precision", self.precision),
            ("confidence", self.confidence),
            ("window", self.window),
            ("settle", self.settle),
        ];
        for (name, text) in flags {
            text.iter().for_each(|text| given.pair(name, text));
        }
        if self.allow_errors {
            given.pair("allow_errors", "true");
        }
        self.signals.iter().for_each(|text| given.pair("signal", text));
        self.queries.iter().for_each(|text| given.pair("query", text));
        let (others, wrong) = read_pairs(&self.others, &["signal", "query"]);
        faults.extend(wrong);
        others.iter().for_each(|(name, text)| given.pair(name, text));
        let (mut settings, wrong) = read_pairs(&self.settings, &[]);
        faults.extend(wrong);
        settings.extend(self.user_rate.map(|rate| ("user_rate".to_owned(), rate)));
        for (at, (key, _)) in settings.iter().enumerate() {
            if settings[..at].iter().any(|(other, _)| other == key) {
                faults.push(format!("`{key}` is given twice"));
            }
        }
        let pairs = match given.pairs() {
            Err(fault) if self.api.is_some() => {
                faults.push(fault);
                Vec::new()
            }
            pairs => pairs.unwrap_or_default(),
        };
        let Self { scenario, json, html, .. } = self;
        let files = [("--json", &json), ("--html", &html)];
        let files = files.into_iter().filter_map(|(flag, path)| Some((flag, path.as_deref()?)));
        let unwritable = outputs::settle(files).err().unwrap_or_default();
        let search = given.settings();
        match search {
            Ok(search) if faults.is_empty() && unwritable.is_empty() => {
                Ok(CapacityOptions { scenario, settings, search, given: pairs, json, html })
            }
            search => {
                faults.extend(search.err().map(|wrong| wrong.0).unwrap_or_default());
                faults.extend(unwritable);
                Err(faults.join("\n"))
            }
        }
    }
}
