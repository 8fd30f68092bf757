//! What else differs between runs: whoever compares should know that the load was another.

use std::collections::BTreeSet;

use crowd_core::units;

use super::Side;
use crate::report::RunReport;

/// Times that differ by more than this share are told.
const DURATION: f64 = 0.1;

/// What differs between the sides, and within each of them, a sentence each.
pub(super) fn notes(sides: [&[Side<'_>]; 2]) -> Vec<String> {
    let mut notes = Vec::new();
    if let [[before, ..], [after, ..]] = sides {
        let told = differences(before.report, after.report).into_iter();
        notes.extend(
            told.map(|(what, was, is)| format!("not the same {what}: {was} before, {is} now")),
        );
    }
    for side in sides {
        let Some((first, others)) = side.split_first() else { continue };
        for other in others {
            let told = differences(first.report, other.report).into_iter();
            notes.extend(told.map(|(what, one, another)| {
                let names = (&first.name, &other.name);
                format!("not the same {what}: {one} in {}, {another} in {}", names.0, names.1)
            }));
        }
    }
    notes
}

/// What differs between two runs: what, what it was, what it is.
fn differences(baseline: &RunReport, candidate: &RunReport) -> Vec<(String, String, String)> {
    let mut found = Vec::new();
    let (before, after) = (&baseline.run, &candidate.run);
    let mut differs = |what: &str, was: String, is: String| {
        if was != is {
            found.push((what.to_owned(), was, is));
        }
    };
    let named = |name: &str| format!("`{name}`");
    differs("scenario", named(&before.scenario), named(&after.scenario));
    let users = |report: &RunReport| units::plural(report.users.asked, "user");
    differs("load", users(baseline), users(candidate));
    let rate = |rate: &Option<String>| rate.clone().unwrap_or_else(|| "none".to_owned());
    differs("user rate", rate(&before.user_rate), rate(&after.user_rate));
    let keys: BTreeSet<_> = before.settings.keys().chain(after.settings.keys()).collect();
    for key in keys.into_iter().filter(|key| *key != "user_rate") {
        let value = |settings: &std::collections::BTreeMap<String, Option<String>>| match settings
            .get(key)
        {
            Some(Some(value)) => format!("`{value}`"),
            Some(None) => "no value".to_owned(),
            None => "not there".to_owned(),
        };
        let what =
            if key == "profile" { "load profile".to_owned() } else { format!("setting `{key}`") };
        differs(&what, value(&before.settings), value(&after.settings));
    }
    let nodes = |report: &RunReport| units::plural(report.run.nodes.len() as u64, "node");
    differs("generator", nodes(baseline), nodes(candidate));
    let (was, is) = (before.duration_ms, after.duration_ms);
    if (was - is).abs() > DURATION * was.max(is) {
        let span = |millis: f64| {
            units::span(std::time::Duration::try_from_secs_f64(millis / 1e3).unwrap_or_default())
        };
        differs("length", span(was), span(is));
    }
    found
}
