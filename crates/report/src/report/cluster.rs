//! What a run on several nodes has more than one on a lone node: their parts, and the gaps that
//! lost ones left.

use std::time::Duration;

use crowd_measure::health::{GeneratorVerdict, HealthSummary, Trust, judge, nodes::judge_nodes};

use super::{
    build::generator_report,
    document::{GapReport, LostReport, MissingReport, NodeReport, RunReport, WentReport, millis},
    input::{Arrivals, GapRow, NodeLost, NodeRow},
    table::Table,
    units,
};

/// The generator's health and the verdict on it: of a cluster, that on the worst node. A lost node
/// makes it DEGRADED at least: for a while there was less load, and some of it was not measured.
/// `own` is the health of this node, or the master's own part: what it did not do for others.
pub(super) fn generator(
    own: HealthSummary,
    nodes: &[NodeRow],
    gaps: &[GapRow],
    arrivals: &Arrivals,
) -> (HealthSummary, GeneratorVerdict) {
    if nodes.is_empty() {
        let verdict = judge(&own);
        return (own, verdict);
    }
    let told = nodes.iter().filter_map(|node| Some((node.name.as_str(), node.health.as_ref()?)));
    let mut judged = judge_nodes(told.clone());
    let health: Vec<_> = told.map(|(_, health)| health.clone()).collect();
    let losses = nodes.iter().filter_map(|node| Some((node, node.lost.as_ref()?)));
    for (node, lost) in losses {
        judged.verdict = judged.verdict.max(Trust::Degraded);
        let gap = gaps.iter().find(|gap| gap.node == node.name);
        let away = match gap.map_or(0, |gap| gap.users) {
            0 => String::new(),
            users => format!(", with {}", units::plural(users, "user")),
        };
        // Nothing that it did after that is known, so it was silent for longer than it was lost.
        let silent = gap.and_then(|gap| gap.measured_until).filter(|until| *until < lost.at);
        let silent = silent.map_or(String::new(), |until| {
            format!("silent from {} to {}, and ", seconds(until), seconds(lost.at))
        });
        judged.reasons.push(format!(
            "{}: {silent}lost at {}{away}: {}",
            node.name,
            seconds(lost.at),
            lost.reason
        ));
    }
    // What was lost with nodes, no node knows of itself.
    let lost = judge(&HealthSummary {
        arrivals_due: arrivals.scheduled,
        arrivals_lost: arrivals.dropped_for_nodes,
        ..HealthSummary::default()
    });
    let mut undealt = judge(&own);
    undealt.reasons.iter_mut().for_each(|reason| reason.insert_str(0, "the master: "));
    for more in [lost, undealt] {
        judged.verdict = judged.verdict.max(more.verdict);
        judged.reasons.extend(more.reasons);
    }
    let mut worst = HealthSummary::worst(&health);
    worst.slots_forfeited = worst.slots_forfeited.saturating_add(own.slots_forfeited);
    (worst, judged)
}

pub(super) fn node_report(row: NodeRow) -> NodeReport {
    NodeReport {
        name: row.name,
        state: row.state,
        users: row.users,
        lost: row.lost.map(|NodeLost { at, reason }| LostReport { at_ms: millis(at), reason }),
        generator: row.health.map(|health| {
            let judged = judge(&health);
            generator_report(health, judged)
        }),
    }
}

pub(super) fn gap_report(row: GapRow) -> GapReport {
    GapReport {
        node: row.node,
        at_ms: millis(row.at),
        users: row.users,
        went: row.went.into_iter().map(|(node, users)| WentReport { node, users }).collect(),
        measured_until_ms: row.measured_until.map(millis),
        missing: row
            .missing
            .map(|(from, to)| MissingReport { from_ms: millis(from), to_ms: millis(to) }),
    }
}

/// The nodes, with their part in the run.
pub(super) fn nodes(report: &RunReport) -> Table {
    let heads = [
        ("", "started"),
        ("", "finished"),
        ("", "failed"),
        ("", "removed"),
        ("", "peak"),
        ("", "CPU"),
    ];
    let mut table = Table::new("nodes", &heads).with_tail("state");
    for node in &report.nodes {
        let users = &node.users;
        let counts = [users.started, users.finished, users.failed, users.removed, users.peak];
        let cpu = node.generator.as_ref().filter(|generator| generator.samples > 0);
        let cpu = cpu.map_or("-".to_owned(), |generator| units::percent(generator.cpu_max));
        let state = match (&node.lost, &node.generator) {
            (Some(lost), _) => format!("lost at {}", seconds(from_millis(lost.at_ms))),
            (None, Some(generator)) if generator.verdict != Trust::Valid => {
                format!("{}, {}", node.state, generator.verdict)
            }
            (None, _) => node.state.clone(),
        };
        let name = std::iter::once(node.name.clone());
        table.row(name.chain(counts.map(units::count)).chain([cpu, state]));
    }
    table
}

/// The gaps, a sentence each.
pub(super) fn gaps(report: &RunReport) -> Vec<String> {
    let lost = |gap: &GapReport| {
        let mut nodes = report.nodes.iter();
        nodes.any(|node| node.name == gap.node && node.lost.is_some())
    };
    report.gaps.iter().map(|row| gap(row, lost(row))).collect()
}

fn gap(gap: &GapReport, lost: bool) -> String {
    let at = seconds(from_millis(gap.at_ms));
    let how = if lost { "was lost" } else { "left" };
    let mut text = format!("{} {how} at {at}: ", gap.node);
    let went: u64 = gap.went.iter().map(|went| went.users).sum();
    let to: Vec<_> = gap
        .went
        .iter()
        .map(|went| format!("{} on {}", units::exact(went.users), went.node))
        .collect();
    text += &match (gap.users, went) {
        (0, _) => "no users were there".to_owned(),
        (users, 0) => format!("{} did not go on", units::plural(users, "user")),
        (users, went) if went < users => format!(
            "of {}, {} went on, and {} did not",
            units::plural(users, "user"),
            list(&to),
            units::exact(users - went)
        ),
        (users, _) => format!("{} went on, {}", units::plural(users, "user"), list(&to)),
    };
    let what = match gap.measured_until_ms {
        None => "all that it measured",
        Some(_) => "what it measured",
    };
    text += &match gap.missing() {
        Some((from, to)) => {
            let [from, to] = [from, to].map(|millis| seconds(from_millis(millis)));
            format!("; {what}, from {from} to {to}, is missing")
        }
        None => "; all that it measured is known".to_owned(),
    };
    text
}

fn list(items: &[String]) -> String {
    match items {
        [items @ .., last] if !items.is_empty() => format!("{} and {last}", items.join(", ")),
        items => items.concat(),
    }
}

/// A moment of a run, in seconds to a tenth: what else is told of the moment is no finer.
fn seconds(moment: Duration) -> String {
    format!("{:.1} s", moment.as_secs_f64())
}

fn from_millis(millis: f64) -> Duration {
    Duration::try_from_secs_f64(millis / 1e3).unwrap_or_default()
}
