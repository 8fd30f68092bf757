//! The result of a run over the cluster, from what the master knows.

use std::collections::BTreeMap;

use crowd_core::aside::aside;
use crowd_measure::health::HealthSummary;

use super::ClusterNode;
use crate::{
    cluster::{
        master::view::{ClusterAccount, ClusterStatus, GapView, NodeStatus},
        measure::master::Received,
    },
    controller::{endings::EndingCounts, machine::RunState, population::UserCounts, run::is_over},
    coordinator::CoordinatorInfo,
    node::{
        account::{coordinator_row, throttle_row},
        judging::standings_of_cluster,
    },
    report::{
        RunReport,
        input::{
            Endings, GapRow, NodeLost, NodeRow, Outcome, ProfileFacts, ReportInput, RunFacts,
            UserTotals,
        },
    },
    throttle::ThrottleInfo,
};

/// The result of the run that this node commands, as of now; `None` without one.
pub(super) async fn of_cluster(node: &ClusterNode, interrupted: bool) -> Option<RunReport> {
    let account = node.master().account().await?;
    let status = node.master().status().await.ok()?;
    let over = is_over(account.state);
    let throttles =
        if over { node.cluster_throttles().ended() } else { node.cluster_throttles().list().await };
    let coordinators = node.cluster_coordinators().list().await;
    let node = node.clone();
    let known = (account, status, throttles, coordinators);
    aside(move || build(&node, known, interrupted)).await
}

type Known = (ClusterAccount, ClusterStatus, Vec<ThrottleInfo>, Vec<CoordinatorInfo>);

fn build(node: &ClusterNode, known: Known, interrupted: bool) -> RunReport {
    let (account, status, throttles, coordinators) = known;
    let judged = standings_of_cluster(node, &account);
    let outcome = match (interrupted, account.state) {
        (true, _) => Outcome::Interrupted,
        (false, RunState::Failed) => Outcome::Failed(account.reason.clone().unwrap_or_default()),
        (false, _) => judged.aborted.map_or(Outcome::Ended, Outcome::Aborted),
    };
    let health: BTreeMap<_, _> = node.measured().health().into_iter().collect();
    let nodes = rows(&status, &account, &health);
    let gaps = gaps(&account, &node.measured().received());
    RunReport::build(ReportInput {
        run: facts(&account),
        outcome,
        users: totals(&account.users, &account.endings),
        measured: node.measured().snapshot().total,
        thresholds: judged.thresholds,
        series: node.measured().series(),
        throttles: throttles.iter().map(throttle_row).collect(),
        coordinators: coordinators.iter().map(coordinator_row).collect(),
        health: undealt(&throttles),
        nodes,
        gaps,
    })
}

/// The master's own part: slots that it was too late to deal.
fn undealt(throttles: &[ThrottleInfo]) -> HealthSummary {
    HealthSummary {
        slots_granted: throttles.iter().map(|info| info.granted).sum(),
        slots_forfeited: throttles.iter().map(|info| info.undealt).sum(),
        ..HealthSummary::default()
    }
}

fn facts(account: &ClusterAccount) -> RunFacts {
    RunFacts {
        id: account.id.clone(),
        scenario: account.scenario.clone(),
        settings: account.settings.clone(),
        nodes: account.nodes.clone(),
        user_rate: account.user_rate.clone(),
        start: account.started,
        end: account.started + account.elapsed,
        duration: account.elapsed,
        profile: ProfileFacts::of(
            &account.settings,
            account.profile_began,
            account.arrivals.clone(),
        ),
    }
}

pub(in crate::node) fn totals(users: &UserCounts, endings: &EndingCounts) -> UserTotals {
    let UserCounts { asked, started, waiting, running, finished, failed, removed, peak } = *users;
    UserTotals {
        asked,
        started,
        waiting,
        running,
        finished,
        failed,
        removed,
        peak,
        endings: Endings {
            finished: endings.finished,
            stopped: endings.stopped,
            failed: endings.failed,
            panicked: endings.panicked,
            killed: endings.killed,
            cancelled: removed.saturating_sub(endings.stopped + endings.killed),
        },
    }
}

/// Each node's part.
fn rows(
    status: &ClusterStatus,
    account: &ClusterAccount,
    health: &BTreeMap<String, HealthSummary>,
) -> Vec<NodeRow> {
    let took_part = |node: &&NodeStatus| account.nodes.contains(&node.name);
    let row = |node: &NodeStatus| {
        let gap = account.gaps.iter().rev().find(|gap| gap.node == node.name);
        let lost = gap.filter(|_| node.standing == "lost");
        NodeRow {
            name: node.name.clone(),
            users: totals(&node.users, &node.endings),
            state: node.state.to_string(),
            lost: lost.map(|gap| NodeLost { at: gap.at, reason: gap.reason.clone() }),
            health: health.get(&node.name).cloned(),
        }
    };
    status.nodes.iter().filter(took_part).map(row).collect()
}

/// The gaps, each with what is known of what was measured in the part that was lost.
fn gaps(account: &ClusterAccount, received: &[Received]) -> Vec<GapRow> {
    let row = |gap: &GapView| {
        let part = received.iter().find(|part| part.assignment == gap.assignment);
        let missing = part.and_then(|part| part.missing_in(gap.back));
        GapRow {
            node: gap.node.clone(),
            at: gap.at,
            users: gap.users,
            went: gap.placed.clone(),
            measured_until: part.and_then(|part| part.until),
            missing: missing.map(|gap| (gap.from, gap.to.unwrap_or(account.elapsed).max(gap.from))),
        }
    };
    account.gaps.iter().map(row).collect()
}
