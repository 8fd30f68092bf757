//! Dependencies go one way: a script over `use` lines keeps it so.
#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

use std::{fs, path::Path};

/// Modules that decide: no runtime, no actor, no clock in them.
const PURE: &[&str] = &[
    "capacity/bisect.rs",
    "capacity/bisect/posterior.rs",
    "capacity/curve.rs",
    "capacity/equilibrium.rs",
    "capacity/equilibrium/samples.rs",
    "capacity/lifecycle.rs",
    "capacity/observation.rs",
    "capacity/prometheus/reply.rs",
    "capacity/reached.rs",
    "capacity/result.rs",
    "capacity/result/text.rs",
    "capacity/search.rs",
    "capacity/search/hold.rs",
    "capacity/settings.rs",
    "capacity/settings/query.rs",
    "capacity/settings/range.rs",
    "capacity/settings/read.rs",
    "capacity/signal.rs",
    "capacity/statistics.rs",
    "capacity/stress.rs",
    "cluster/clock.rs",
    "cluster/clock/filter.rs",
    "cluster/clock/speed.rs",
    "cluster/coordinator/hub.rs",
    "cluster/coordinator/hub/row.rs",
    "cluster/ids.rs",
    "cluster/leadership.rs",
    "cluster/lease.rs",
    "cluster/mail/outgoing.rs",
    "cluster/measure/backlog.rs",
    "cluster/measure/intake.rs",
    "cluster/measure/quota.rs",
    "cluster/mail/whereabouts.rs",
    "cluster/master/core.rs",
    "cluster/master/core/begin.rs",
    "cluster/master/core/end.rs",
    "cluster/master/core/loss.rs",
    "cluster/master/core/moving.rs",
    "cluster/master/core/plan.rs",
    "cluster/master/core/report.rs",
    "cluster/master/core/settings.rs",
    "cluster/master/core/status.rs",
    "cluster/master/core/users.rs",
    "cluster/link/news.rs",
    "cluster/membership.rs",
    "cluster/placement.rs",
    "cluster/run.rs",
    "cluster/run/plan.rs",
    "cluster/run/change.rs",
    "cluster/run/totals.rs",
    "cluster/worker/core.rs",
    "cluster/worker/outbox.rs",
    "compare.rs",
    "compare/between.rs",
    "compare/blocks.rs",
    "compare/interval.rs",
    "compare/metric.rs",
    "compare/normal.rs",
    "compare/notes.rs",
    "compare/presence.rs",
    "compare/random.rs",
    "compare/recorded.rs",
    "compare/rows.rs",
    "compare/seconds.rs",
    "compare/shares.rs",
    "compare/side.rs",
    "compare/student.rs",
    "compare/text.rs",
    "controller/descriptors.rs",
    "controller/endings.rs",
    "controller/machine.rs",
    "controller/machine/timers.rs",
    "controller/population.rs",
    "coordinator/batch.rs",
    "control/api/connections.rs",
    "control/command.rs",
    "failure.rs",
    "load/cells.rs",
    "load/desk.rs",
    "load/plan.rs",
    "load/seats.rs",
    "load/share.rs",
    "load/status.rs",
    "load/tally.rs",
    "mark.rs",
    "measure/blocked.rs",
    "measure/health/group.rs",
    "feed/csv.rs",
    "feed/dealer.rs",
    "feed/json_lines.rs",
    "feed/order.rs",
    "feed/rows.rs",
    "feed/stock.rs",
    "iterate.rs",
    "iterate/capture.rs",
    "iterate/pacing.rs",
    "iterate/template.rs",
    "iterate/think.rs",
    "iterate/weighted.rs",
    "measure/gather.rs",
    "measure/health.rs",
    "measure/health/judge.rs",
    "measure/health/nodes.rs",
    "measure/health/overdue.rs",
    "measure/health/spell.rs",
    "measure/lifetimes.rs",
    "measure/wire.rs",
    "measure/wire/buckets.rs",
    "refusal.rs",
    "profile/arrivals.rs",
    "profile/curve.rs",
    "profile/draw.rs",
    "profile/file.rs",
    "profile/file/table.rs",
    "profile/phase.rs",
    "profile/plan.rs",
    "profile/rate.rs",
    "profile/shape.rs",
    "profile/stage.rs",
    "profile/text.rs",
    "printable.rs",
    "random.rs",
    "report/cluster.rs",
    "threshold.rs",
    "threshold/bound.rs",
    "threshold/fault.rs",
    "threshold/judge.rs",
    "threshold/metric.rs",
    "threshold/tally.rs",
    "threshold/text.rs",
    "report/html.rs",
    "report/html/capacity.rs",
    "report/html/chart.rs",
    "report/html/head.rs",
    "report/html/latency.rs",
    "report/html/lifetimes.rs",
    "report/html/load.rs",
    "report/html/scale.rs",
    "report/html/tables.rs",
    "report/html/view.rs",
    "report/json/layout.rs",
    "report/junit.rs",
    "report/over_time.rs",
    "report/targets.rs",
    "targets/list.rs",
    "targets/names.rs",
    "targets/nobody.rs",
    "targets/options.rs",
    "targets/score.rs",
    "throttle/block.rs",
    "throttle/bucket.rs",
    "throttle/dealer.rs",
    "throttle/dealer/account.rs",
    "throttle/dealer/mint.rs",
    "throttle/dealer/permits.rs",
    "throttle/dealer/share.rs",
    "throttle/holdings.rs",
    "throttle/holdings/pulse.rs",
    "throttle/master/desk.rs",
    "throttle/master/entry.rs",
    "throttle/rate.rs",
    "throttle/schedule.rs",
    "user/id.rs",
];

/// Folder → words its files may not say.
const ABSENT: &[(&str, &[&str])] = &[
    ("user", &["crate::node", "crate::control::", "crate::report", "crate::controller"]),
    ("scenario", &["crate::node", "crate::control::", "crate::report", "crate::controller"]),
    ("throttle", &["crate::node", "crate::control", "crate::report", "crate::scenario::"]),
    ("targets", &["crate::node", "crate::control", "crate::report", "crate::cluster"]),
    ("coordinator", &["crate::node", "crate::control", "crate::report", "crate::scenario::"]),
    ("capacity", &["crate::node", "crate::control", "crate::report", "crate::cluster"]),
    ("measure", &["crate::node", "crate::control", "crate::report", "crate::user"]),
    ("controller", &["crate::node", "crate::control::", "crate::report"]),
    ("report", &["crate::node", "crate::control::"]),
];

fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let text = text.split("#[cfg(test)]").next().unwrap();
    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

fn files(folder: &Path, found: &mut Vec<std::path::PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn pure_modules_know_no_runtime_no_actor_and_no_clock() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for file in PURE {
        let code = code(&src.join(file));
        for word in ["tokio", "ractor", "Instant", "SystemTime", "std::fs", "std::net", "async "] {
            assert!(!code.contains(word), "{file} is pure and must not say `{word}`");
        }
    }
}

#[test]
fn parts_do_not_know_those_who_use_them() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for (folder, words) in ABSENT {
        let mut found = vec![src.join(format!("{folder}.rs"))];
        files(&src.join(folder), &mut found);
        for file in found {
            let code = code(&file);
            for word in *words {
                assert!(!code.contains(word), "{} must not say `{word}`", file.display());
            }
        }
    }
}

#[test]
fn every_swappable_crate_is_named_in_few_files() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    files(&src, &mut found);
    for (word, most) in [("reedline::", 4), ("procfs::", 1), ("rlimit::", 2), ("indicatif::", 1)] {
        let users: Vec<_> = found.iter().filter(|file| code(file).contains(word)).collect();
        assert!(users.len() <= most, "{word} is named in {users:?}");
    }
}
