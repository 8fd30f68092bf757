//! Pure: what the master tells of the run.

use std::{collections::BTreeMap, time::Duration};

use crowd_core::user_id::UserId;
use crowd_plan::run_settings::USER_RATE;

use super::Core;
use crate::{
    cluster::{
        master::view::{ClusterStatus, GapView, NodeStatus},
        member::MemberId,
        run::{Gap, Part, Run, Standing},
    },
    controller::machine::RunState,
};

/// Where a user is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Located {
    /// On that node.
    On(MemberId),
    /// It waits to be placed; with the node it was lost with, if it was.
    Waiting(String),
    /// It has ended; one of these may know how.
    Ended(Vec<MemberId>),
    /// It was never given out; this is the highest id that was.
    Never { highest: u64 },
}

impl Core {
    /// How the run stands on all nodes.
    pub(crate) fn status(&self, now: Duration) -> ClusterStatus {
        let run = self.run.as_ref();
        ClusterStatus {
            master: self.policy.me.to_string(),
            state: run.map_or(RunState::Idle, Run::state),
            reason: run.and_then(|run| run.reason.clone()),
            scenario: run.map(|run| run.scenario.clone()),
            users: run.map(|run| run.totals().users).unwrap_or_default(),
            highest_user_id: run.map_or(0, |run| run.highest),
            user_rate: run.and_then(|run| setting(run, USER_RATE)),
            elapsed: self.elapsed(now),
            profile: self.plan_status(now),
            nodes: self.nodes(now),
            gaps: run.map(gaps).unwrap_or_default(),
        }
    }

    /// Where to ask for a user.
    pub(crate) fn locate(&self, user: UserId) -> Located {
        let Some(run) = self.run.as_ref().filter(|run| (1..=run.highest).contains(&user.0)) else {
            return Located::Never { highest: self.run.as_ref().map_or(0, |run| run.highest) };
        };
        let has = |part: &Part| part.placed.contains(user) || part.plan.reserved.contains(user);
        let living = run.parts.values().find(|part| has(part));
        match living {
            Some(part) if part.stands() => Located::On(part.worker.clone()),
            // Whether it lives nobody knows; if it is placed again, it starts anew.
            Some(part) => Located::Waiting(part.worker.to_string()),
            None if run.unplaced.contains(user) => Located::Waiting(String::new()),
            None => Located::Ended(self.begun_workers()),
        }
    }

    /// The workers that know users of the run.
    pub(crate) fn begun_workers(&self) -> Vec<MemberId> {
        let knows = |part: &Part| part.is_begun() || matches!(part.standing, Standing::Ended(_));
        self.workers(knows).into_iter().map(|(_, worker)| worker).collect()
    }

    /// How long the run goes on, or took.
    pub(crate) fn elapsed(&self, now: Duration) -> Duration {
        match &self.run {
            Some(run) => run.took.unwrap_or_else(|| now.saturating_sub(self.began)),
            None => Duration::ZERO,
        }
    }

    fn nodes(&self, now: Duration) -> Vec<NodeStatus> {
        let mut nodes = BTreeMap::new();
        let me = &self.policy.me;
        for member in std::iter::once(me).chain(&self.members) {
            nodes.insert(member.name.to_string(), self.without_part(member == me));
        }
        // Of several parts of a node the newest counts.
        for (assignment, part) in self.run.iter().flat_map(|run| &run.parts) {
            let mut status = self.with_part(part);
            if part.stands() {
                status.quiet = self.quiet(now, *assignment);
            }
            status.master = part.worker == *me;
            nodes.insert(part.worker.to_string(), status);
        }
        nodes.into_iter().map(|(name, status)| NodeStatus { name, ..status }).collect()
    }

    fn without_part(&self, master: bool) -> NodeStatus {
        let state = match (master, &self.run) {
            (true, Some(_)) => RunState::Disabled,
            _ => RunState::Idle,
        };
        NodeStatus {
            name: String::new(),
            master,
            state,
            standing: if master { "master" } else { "member" },
            users: Default::default(),
            endings: Default::default(),
            load: 0,
            reason: None,
            quiet: Duration::ZERO,
        }
    }

    fn with_part(&self, part: &Part) -> NodeStatus {
        let drained = self.run.as_ref().is_some_and(|run| run.drained.contains(&part.worker));
        let (standing, reason) = match &part.standing {
            Standing::Beginning => ("joining", None),
            Standing::Active if drained => ("drained", None),
            Standing::Active => ("worker", None),
            Standing::Leaving => ("leaving", None),
            Standing::Ended(reason) => ("worker", reason.clone()),
            Standing::Failed(reason) => ("failed", Some(reason.clone())),
            Standing::Left => ("left", None),
            Standing::Lost(reason) | Standing::Settled(reason) => ("lost", Some(reason.clone())),
        };
        NodeStatus {
            standing,
            state: part.state,
            users: part.account.users,
            endings: part.account.endings,
            load: part.load(),
            reason,
            ..self.without_part(false)
        }
    }
}

fn setting(run: &Run, name: &str) -> Option<String> {
    let (_, value) = run.settings.iter().find(|(known, _)| known == name)?;
    Some(value.clone())
}

/// What is to be told of the workers that were lost.
pub(crate) fn gaps(run: &Run) -> Vec<GapView> {
    let view = |gap: &Gap| GapView {
        node: gap.node.clone(),
        assignment: gap.assignment,
        at: gap.at,
        reason: gap.reason.clone(),
        users: gap.users,
        placed: gap.placed.clone().into_iter().collect(),
        failed: gap.failed,
        removed: gap.removed,
        back: gap.back,
        waiting: gap.waiting.len() + if gap.open { gap.users } else { 0 },
    };
    run.gaps.iter().map(view).collect()
}
