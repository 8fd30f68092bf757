//! Answers as text for people.

use std::{
    fmt::{self, Display},
    time::Duration,
};

use crowd_plan::load::status::PlanStatus;

use super::{people, state_name};
use crate::{
    control::{
        table::{Table, fill},
        view::{
            Changed, CoordinatorView, DeclarationView, Listing, NodeView, ScenarioView,
            SettingLine, StatusView, ThrottleView, age,
        },
    },
    node::{Status, UserView},
};

/// Each node's share, and what did not go as it should.
pub(super) fn shares(
    f: &mut fmt::Formatter<'_>,
    shares: &[(String, u64)],
    notes: &[String],
) -> fmt::Result {
    if !shares.is_empty() {
        write!(f, ": {}", listed(shares))?;
    }
    notes.iter().try_for_each(|note| write!(f, "\n{note}"))
}

fn listed(shares: &[(String, u64)]) -> String {
    let shares: Vec<_> = shares.iter().map(|(node, users)| format!("{node} {users}")).collect();
    shares.join(", ")
}

pub(super) fn overview(f: &mut fmt::Formatter<'_>, view: &StatusView) -> fmt::Result {
    status(f, &view.status)?;
    if !view.nodes.is_empty() {
        let mut table = Table::new(&[
            "NODE", "STATE", "WAITING", "RUNNING", "FINISHED", "FAILED", "REMOVED", "",
        ]);
        for node in &view.nodes {
            let users = node.users;
            table.row([
                node.name.clone(),
                node.state.clone(),
                users.waiting.to_string(),
                users.running.to_string(),
                users.finished.to_string(),
                users.failed.to_string(),
                users.removed.to_string(),
                node.reason.clone().unwrap_or_default(),
            ]);
        }
        write!(f, "\n\n{table}")?;
    }
    for gap in &view.gaps {
        let at = age(Duration::from_millis(gap.at_ms));
        write!(f, "\nlost {} after {at} with {} ({})", gap.node, people(gap.users), gap.reason)?;
        if !gap.went.is_empty() {
            write!(f, ": they went to {}", listed(&gap.went))?;
        }
        if let Some(missing) = gap.missing {
            let seconds = |millis: u64| format!("{:.1} s", millis as f64 / 1e3);
            let from = seconds(missing.from_ms);
            match missing.to_ms.map(seconds) {
                Some(to) => write!(f, "; what it measured from {from} to {to} is missing")?,
                None => write!(f, "; what it measured from {from} on is missing so far")?,
            }
        }
    }
    view.notes.iter().try_for_each(|note| write!(f, "\n{note}"))
}

pub(super) fn status(f: &mut fmt::Formatter<'_>, status: &Status) -> fmt::Result {
    write!(f, "node      {}\nstate     {}", status.node, state_name(status.state))?;
    if let Some(reason) = &status.reason {
        write!(f, "\nreason    {reason}")?;
    }
    let Some(scenario) = &status.scenario else { return Ok(()) };
    let users = status.users;
    write!(f, "\nscenario  {scenario}, for {}", age(status.elapsed))?;
    write!(
        f,
        "\nusers     {} waiting, {} running, {} finished, {} failed, {} removed",
        users.waiting, users.running, users.finished, users.failed, users.removed
    )?;
    write!(
        f,
        "\n          {} asked for, {} at most at once, highest id {}",
        users.asked, users.peak, status.highest_user_id
    )?;
    if let Some(rate) = &status.user_rate {
        write!(f, "\nrate      {rate}")?;
    }
    let Some(profile) = &status.profile else { return Ok(()) };
    let PlanStatus { stage, stages, now, elapsed, duration, arrivals, .. } = profile;
    write!(
        f,
        "\nprofile   stage {stage} of {stages}: {now}, {} of {}",
        age(*elapsed),
        age(*duration)
    )?;
    if arrivals.scheduled > 0 {
        write!(
            f,
            "\narrivals  {} scheduled, {} started, {} dropped, {} waiting",
            arrivals.scheduled,
            arrivals.started,
            arrivals.dropped(),
            arrivals.waiting()
        )?;
    }
    Ok(())
}

pub(super) fn outcome(f: &mut fmt::Formatter<'_>, changed: &Changed) -> fmt::Result {
    let Changed { outcome, notes } = changed;
    if outcome.changed.is_empty() {
        f.write_str("nothing changed: the values are as they were")?;
    } else {
        write!(f, "changed {}", outcome.changed.join(", "))?;
    }
    outcome.faults.iter().try_for_each(|(setting, reason)| {
        write!(f, "\nthe scenario could not act on `{setting}`: {reason}")
    })?;
    notes.iter().try_for_each(|note| write!(f, "\n{note}"))
}

pub(super) fn settings(f: &mut fmt::Formatter<'_>, settings: &[SettingLine]) -> fmt::Result {
    if settings.is_empty() {
        return f.write_str("no settings: there is no run, or its scenario declares none");
    }
    let mut table = Table::new(&["SETTING", "VALUE", "FROM", "CHANGES"]);
    for setting in settings {
        table.row([
            setting.name.clone(),
            setting.value.clone().unwrap_or_else(|| "-".to_owned()),
            setting.origin.clone(),
            if setting.changes { "yes" } else { "no" }.to_owned(),
        ]);
    }
    table.fmt(f)
}

pub(super) fn scenarios(f: &mut fmt::Formatter<'_>, scenarios: &[ScenarioView]) -> fmt::Result {
    if scenarios.is_empty() {
        return f.write_str("no scenario is compiled in");
    }
    let mut table = Table::new(&["SCENARIO", "ABOUT"]);
    for scenario in scenarios {
        let first = scenario.about.lines().next().unwrap_or_default();
        table.row([scenario.name.clone(), first.to_owned()]);
    }
    table.fmt(f)
}

/// How wide the description of a scenario is at most.
const WIDTH: usize = 80;

pub(super) fn scenario(f: &mut fmt::Formatter<'_>, scenario: &ScenarioView) -> fmt::Result {
    f.write_str(&scenario.name)?;
    for paragraph in paragraphs(&scenario.about) {
        write!(f, "\n{}", fill(&paragraph, "  ", WIDTH))?;
    }
    match scenario.descriptors_per_user {
        0 => {}
        1 => f.write_str("\n  A user holds 1 file descriptor open.")?,
        many => write!(f, "\n  A user holds {many} file descriptors open.")?,
    }
    if scenario.settings.is_empty() {
        return f.write_str("\n\nIt has no settings.");
    }
    f.write_str("\n\nSettings:")?;
    scenario.settings.iter().try_for_each(|setting| {
        let facts = facts(setting);
        write!(f, "\n  {}\n{}", setting.name, fill(&facts, "      ", WIDTH))?;
        if setting.description.is_empty() {
            return Ok(());
        }
        write!(f, "\n{}", fill(&setting.description, "      ", WIDTH))
    })
}

/// What may stand behind a setting's `=`.
fn facts(setting: &DeclarationView) -> String {
    let allowed = setting.allowed.join(" | ");
    let mut facts = vec![match setting.r#type.as_str() {
        kind if allowed.is_empty() => kind.to_owned(),
        "choice" => format!("one of {allowed}"),
        kind => format!("{kind}, one of {allowed}"),
    }];
    facts.push(match &setting.default {
        Some(text) if text.is_empty() => "default \"\"".to_owned(),
        Some(text) => format!("default {text}"),
        None if setting.required => "required".to_owned(),
        None => "no default".to_owned(),
    });
    facts.extend(setting.may_change().then(|| "may change while a run goes on".to_owned()));
    facts.join("; ")
}

/// The paragraphs and list items of a text, each on one line. A paragraph ends with a line that ends
/// a sentence.
fn paragraphs(text: &str) -> Vec<String> {
    let mut paragraphs: Vec<String> = Vec::new();
    for line in text.lines().map(str::trim) {
        let goes_on = !line.is_empty() && !line.starts_with(['-', '*']);
        let open = |last: &&mut String| !last.is_empty() && !last.ends_with(['.', ':']);
        match paragraphs.last_mut().filter(|last| goes_on && open(last)) {
            Some(last) => {
                last.push(' ');
                last.push_str(line);
            }
            None => paragraphs.push(line.to_owned()),
        }
    }
    paragraphs
}

pub(super) fn nodes(f: &mut fmt::Formatter<'_>, nodes: &[NodeView]) -> fmt::Result {
    let named = |node: &NodeView| {
        let name = if node.name.is_empty() { "?" } else { &node.name };
        format!("{name}{}", if node.here { " (this node)" } else { "" })
    };
    let run = |node: &NodeView| node.run.map_or("-", state_name).to_owned();
    let running = |node: &NodeView| or_dash(node.running.as_ref());
    if nodes.iter().all(|node| node.address.is_none()) {
        let mut table = Table::new(&["NODE", "STATE", "USERS"]);
        for node in nodes {
            table.row([named(node), run(node), running(node)]);
        }
        return table.fmt(f);
    }
    let mut table = Table::new(&[
        "NODE",
        "ROLE",
        "STATE",
        "RUN",
        "USERS",
        "ADDRESS",
        "VERSION",
        "CLOCK",
        "ROUND TRIP",
    ]);
    for node in nodes {
        let millis = |micros: f64| format!("{:.2}ms", micros / 1_000.0);
        table.row([
            named(node),
            if node.role.is_empty() { "-" } else { node.role }.to_owned(),
            node.state.clone(),
            run(node),
            running(node),
            or_dash(node.address.as_ref()),
            or_dash(node.version.as_ref()),
            or_dash(node.clock_offset_us.map(|micros| millis(micros as f64)).as_ref()),
            or_dash(node.round_trip_us.map(|micros| millis(micros as f64)).as_ref()),
        ]);
    }
    table.fmt(f)
}

fn or_dash(value: Option<&impl Display>) -> String {
    value.map_or_else(|| "-".to_owned(), ToString::to_string)
}

pub(super) fn throttles(f: &mut fmt::Formatter<'_>, throttles: &[ThrottleView]) -> fmt::Result {
    if throttles.is_empty() {
        return f.write_str("no throttle is started");
    }
    let mut table = Table::new(&[
        "THROTTLE",
        "RATE",
        "STATE",
        "WAITING",
        "GIVEN/S",
        "GIVEN",
        "FORFEITED",
        "RAMP",
    ]);
    for throttle in throttles {
        table.row([
            throttle.name.clone(),
            throttle.rate.clone(),
            throttle.state.clone(),
            throttle.waiting.to_string(),
            format!("{:.1}", throttle.given_per_second),
            throttle.granted.to_string(),
            throttle.forfeited.to_string(),
            throttle.ramp.clone().unwrap_or_default(),
        ]);
    }
    table.fmt(f)
}

pub(super) fn throttle(f: &mut fmt::Formatter<'_>, throttle: &ThrottleView) -> fmt::Result {
    write!(f, "throttle  {}\nrate      {}", throttle.name, throttle.rate)?;
    if let Some(ramp) = &throttle.ramp {
        write!(f, "\nramp      {ramp}")?;
    }
    write!(
        f,
        "\nstate     {}\nwaiting   {}\nasked     {:.1} per second\ngiven     {:.1} per second, {} \
         in all, {} of them not ended\nforfeited {}, each more than {:.1}ms late",
        throttle.state,
        throttle.waiting,
        throttle.asked_per_second,
        throttle.given_per_second,
        throttle.granted,
        throttle.in_flight,
        throttle.forfeited,
        throttle.tolerance_us as f64 / 1_000.0
    )
}

pub(super) fn coordinators(f: &mut fmt::Formatter<'_>, all: &[CoordinatorView]) -> fmt::Result {
    if all.is_empty() {
        return f.write_str("no coordinator is started");
    }
    let mut table = Table::new(&[
        "COORDINATOR",
        "STATE",
        "GROUPS OF",
        "WAITING",
        "ADDS",
        "FAULTS",
        "LAST FAULT",
    ]);
    for coordinator in all {
        table.row([
            coordinator.name.clone(),
            coordinator.state.clone(),
            coordinator.plan.clone(),
            coordinator.waiting.to_string(),
            coordinator.adds.to_string(),
            coordinator.faults.to_string(),
            coordinator.last_fault.clone().unwrap_or_default(),
        ]);
    }
    table.fmt(f)
}

pub(super) fn users(f: &mut fmt::Formatter<'_>, listed: &Listing, running: u64) -> fmt::Result {
    let Listing { shown, notes } = listed;
    shown_users(f, shown, running)?;
    notes.iter().try_for_each(|note| write!(f, "\n{note}"))
}

fn shown_users(f: &mut fmt::Formatter<'_>, shown: &[UserView], running: u64) -> fmt::Result {
    if shown.is_empty() {
        return write!(f, "{} running", people(running));
    }
    let mut table = Table::new(&["USER", "STATE", "AGE", "NODE"]);
    for user in shown {
        table.row([
            user.id.to_string(),
            user.state.to_owned(),
            user.age.map(age).unwrap_or_default(),
            user.node.clone(),
        ]);
    }
    table.fmt(f)?;
    match running.saturating_sub(shown.len() as u64) {
        0 => Ok(()),
        more => write!(f, "\nand {more} more"),
    }
}

pub(super) fn user(f: &mut fmt::Formatter<'_>, user: &UserView) -> fmt::Result {
    write!(f, "user      {}\nstate     {}", user.id, user.state)?;
    if let Some(lived) = user.age {
        write!(f, "\nage       {}", age(lived))?;
    }
    write!(f, "\nnode      {}", user.node)?;
    match &user.failure {
        Some(reason) => write!(f, "\nfailure   {reason}"),
        None => Ok(()),
    }
}
