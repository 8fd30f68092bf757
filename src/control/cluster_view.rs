//! A cluster as it is shown: nodes, and each one's part in the run.

use std::time::Duration;

use crowd_core::refusal::Refusal;

use super::view::{Dealt, GapView, MissingView, NodeView, PartView, StatusView};
use crate::{
    cluster::{
        link::LinkView,
        master::view::{ClusterStatus, Dealt as DealtByMaster, NodeStatus},
        measure::master::Received,
        member::MemberId,
        membership::Standing,
    },
    node::{Added, ClusterNode, RunState, Status, UserCounts},
};

impl ClusterNode {
    /// This node, as `nodes` shows it.
    pub(super) async fn this_node(&self) -> Result<NodeView, Refusal> {
        let status = self.node().status().await?;
        let me = self.mesh().this_member();
        let role = match self.master().master() {
            Some(_) if self.is_master() => "master",
            Some(_) => "worker",
            None => "",
        };
        // A master that runs no users is disabled, as amoc calls it.
        let idle_master = role == "master" && status.state == RunState::Idle;
        Ok(NodeView {
            name: status.node,
            here: true,
            role,
            state: "up".to_owned(),
            run: Some(if idle_master { RunState::Disabled } else { status.state }),
            running: Some(status.users.running),
            address: Some(me.address.clone()),
            version: Some(me.version.clone()),
            clock_offset_us: Some(0),
            round_trip_us: None,
        })
    }

    /// Another node, as `nodes` shows it, with its part in the run if that is known.
    pub(super) fn other_node<'a>(
        &self,
        link: LinkView,
        part: impl Fn(&str) -> Option<&'a NodeStatus>,
    ) -> NodeView {
        let master = self.master().master();
        let name = link.id.as_ref().map(ToString::to_string).unwrap_or_default();
        let part = part(&name);
        let role = match (&link.id, &master) {
            (Some(id), Some(master)) if id == master => "master",
            (Some(_), Some(_)) if link.state == Standing::Up => "worker",
            _ => "",
        };
        let since = |id: &Option<MemberId>| {
            let member =
                self.mesh().members().into_iter().find(|member| Some(&member.id) == id.as_ref())?;
            Some(i128::from(member.since) - i128::from(self.mesh().this_member().since))
        };
        // Clocks count from when their process began; people go by the calendar.
        let ahead = link.clock.zip(since(&link.id)).map(|(clock, since)| {
            i64::try_from((i128::from(clock.offset) + since) / 1_000).unwrap_or_default()
        });
        let because = |state: &str, why: &str| format!("{state}: {why}");
        NodeView {
            here: false,
            role,
            state: match &link.state {
                Standing::Up => "up".to_owned(),
                Standing::Connecting(None) => "connecting".to_owned(),
                Standing::Connecting(Some(why)) => because("connecting", why),
                Standing::Refused(why) => because("refused", why),
                Standing::Lost(why) => because("lost", why),
            },
            run: part.map(|part| part.state),
            running: part.map(|part| part.users.running),
            address: Some(link.address),
            version: link.version,
            clock_offset_us: ahead,
            round_trip_us: link.clock.map(|clock| clock.round_trip / 1_000),
            name,
        }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl From<DealtByMaster> for Dealt {
    fn from(dealt: DealtByMaster) -> Self {
        let users = Added { first: dealt.first, last: dealt.last };
        Self { users, shares: dealt.shares, notes: dealt.notes }
    }
}

impl StatusView {
    /// What the node of that name tells as master, which has received that of what was measured.
    pub(super) fn of(node: &str, status: ClusterStatus, received: &[Received]) -> Self {
        // Those on their way to a node wait there already.
        let users = |part: &NodeStatus| {
            let UserCounts { running, finished, failed, removed, .. } = part.users;
            let waiting = part.load.saturating_sub(running);
            let asked = waiting + running + finished + failed + removed;
            UserCounts { waiting, asked, ..part.users }
        };
        let parts = status.nodes.iter().map(|part| PartView {
            name: part.name.clone(),
            state: match part.standing {
                "master" => RunState::Disabled.to_string(),
                "lost" | "left" | "joining" => part.standing.to_owned(),
                _ => part.state.to_string(),
            },
            users: users(part),
            reason: part.reason.clone(),
        });
        let gaps = status.gaps.iter().map(|gap| GapView {
            node: gap.node.clone(),
            at_ms: millis(gap.at),
            reason: gap.reason.clone(),
            users: gap.users,
            went: gap.placed.clone(),
            missing: received
                .iter()
                .find(|part| part.assignment == gap.assignment)
                .and_then(|part| part.missing_in(gap.back))
                .map(|gap| MissingView { from_ms: millis(gap.from), to_ms: gap.to.map(millis) }),
        });
        Self {
            nodes: parts.collect(),
            gaps: gaps.collect(),
            notes: Vec::new(),
            status: Status {
                profile: status.profile.clone(),
                node: node.to_owned(),
                state: status.state,
                reason: status.reason,
                scenario: status.scenario,
                users: status.users,
                highest_user_id: status.highest_user_id,
                user_rate: status.user_rate,
                elapsed: status.elapsed,
            },
        }
    }
}
