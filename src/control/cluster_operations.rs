//! The operations of a node of this process that is part of a cluster. What is the whole run's part
//! is carried out by the master; [`Operations::relay`] takes it there.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use crowd_core::settings::masking::without_secrets_of_url;
use crowd_core::{
    refusal::{Code, Refusal},
    settings::NodeAddress,
    units,
    user_id::UserId,
};
use crowd_measure::{health::nodes::judge_nodes, window::Window};
use futures_util::FutureExt;

use super::{
    command::{CapacityCommand, Command, Pair, RampText, RateText},
    execute::is_on,
    node_operations::{live_view, metrics_view, ramp_of, rate_of},
    operations::{Operations, RunEnd},
    reply::Reply,
    view::{
        Changed, Chosen, CoordinatorView, Dealt, Listing, MetricsView, NodeView, StatusView,
        ThrottleView,
    },
};
use crate::{
    capacity::Desk,
    cluster::{master::view::Listed, protocol::operate::Orphan},
    node::{Added, ClusterNode, RunState, SetOutcome, SettingView, Status, UserView},
    report::{
        RunReport,
        findings::{self, Asked},
        live::Screen,
    },
    scenario::catalog::Catalog,
    throttle::Started,
};

/// How long the master may wait at a time on behalf of another node.
const WAIT: Duration = Duration::from_secs(5);

impl Operations for ClusterNode {
    fn catalog(&self) -> &Catalog {
        self.node().catalog()
    }

    fn user_rate(&self) -> String {
        self.node().node_settings().user_rate.clone()
    }

    async fn nodes(&self) -> Result<Vec<NodeView>, Refusal> {
        let known = if self.is_master() { self.master().status().await.ok() } else { None };
        let part = |name: &str| known.as_ref()?.nodes.iter().find(|node| node.name == name);
        let mut nodes = vec![self.this_node().await?];
        nodes.extend(self.links().views().into_iter().map(|link| self.other_node(link, part)));
        Ok(nodes)
    }

    async fn relay(&self, command: &Command) -> Option<Result<Reply, Refusal>> {
        // Settings may have been changed on this node alone.
        let own_part = matches!(command, Command::Settings) && is_on(self.node().state());
        if own_part || !is_of_the_run(command) {
            return None;
        }
        let begins = matches!(
            command,
            Command::Do { .. } | Command::Capacity(CapacityCommand::Start { .. })
        );
        if self.master().master().is_none() && begins {
            match self.master().claim().await {
                Ok(()) => return None,
                // Another one was faster: it carries the command out.
                Err(refusal) if refusal.code == Code::MasterIsAlreadySet => {}
                Err(refusal) => return Some(Err(refusal)),
            }
        }
        if self.is_master() {
            return None;
        }
        let master = self.master().master();
        let away = master.as_ref().is_none_or(|master| !self.mesh().reaches(master));
        if away && matches!(command, Command::Stop | Command::StopGracefully) {
            let ended = self.master().orphans(true).await;
            if !ended.is_empty() {
                return Some(Ok(Reply::Done(orphans_are_stopped(&ended))));
            }
        }
        // Without one the node knows of itself.
        self.master().master()?;
        match (self.carried_out_by_master(command).await, command) {
            // A node whose master is gone still knows of itself.
            (Err(refusal), Command::Status) if refusal.code == Code::Unavailable => None,
            (answer, _) => Some(answer),
        }
    }

    async fn join(&self, address: &str) -> Result<String, Refusal> {
        let address: NodeAddress = address.parse().map_err(|fault| {
            let shown = without_secrets_of_url(address);
            Refusal::new(Code::BadUsage, format!("`{shown}`: {fault}"))
        })?;
        ClusterNode::join(self, &address).await
    }

    async fn drain(&self, node: &str) -> Result<u64, Refusal> {
        self.master().drain(node).await
    }

    fn owns_run(&self) -> bool {
        self.is_master()
    }

    fn cluster_address(&self) -> Option<String> {
        Some(self.address().to_string())
    }

    fn ready(&self) -> Result<(), String> {
        let seeds = &self.node().node_settings().nodes;
        if seeds.is_empty() || !self.mesh().members().is_empty() {
            return Ok(());
        }
        let seeds: Vec<_> = seeds.iter().map(ToString::to_string).collect();
        Err(format!("none of the nodes to join is reached yet ({})", seeds.join(", ")))
    }

    async fn start_run(
        &self,
        scenario: &str,
        users: u64,
        settings: Vec<Pair>,
    ) -> Result<Dealt, Refusal> {
        self.master().start_run(scenario, users, settings).await.map(Into::into)
    }

    async fn add(&self, count: u64, nodes: &[String]) -> Result<Dealt, Refusal> {
        self.master().add(count, nodes.to_vec()).await.map(Into::into)
    }

    async fn add_range(&self, first: u64, last: u64) -> Result<Added, Refusal> {
        let message = format!(
            "`add {first}..{last}` is for nodes that are on their own; in a cluster the master \
             gives ids out: `add {}`",
            last.saturating_sub(first).saturating_add(1)
        );
        Err(Refusal::new(Code::InvalidStatus, message))
    }

    async fn remove(&self, count: u64, force: bool, nodes: &[String]) -> Result<Chosen, Refusal> {
        let removed = self.master().remove(count, force, nodes.to_vec()).await?;
        Ok(Chosen { chosen: removed.chosen, shares: removed.shares, notes: removed.notes })
    }

    async fn stop(&self) -> Result<(), Refusal> {
        self.master().stop().await
    }

    async fn stop_gracefully(&self) -> Result<(), Refusal> {
        self.master().stop_gracefully().await
    }

    async fn reset(&self) -> Result<(), Refusal> {
        self.master().reset().await
    }

    fn tally_lag(&self) -> Duration {
        // Nodes tell their counts once a second, each at its own time.
        Duration::from_secs(2)
    }

    async fn set(&self, settings: Vec<Pair>, nodes: &[String]) -> Result<Changed, Refusal> {
        let set = self.master().set(settings, nodes.to_vec()).await?;
        let faults = set
            .faults
            .into_iter()
            .map(|(node, setting, reason)| (format!("{setting}` on `{node}"), reason));
        let outcome = SetOutcome { changed: set.changed, faults: faults.collect() };
        Ok(Changed { outcome, notes: set.notes })
    }

    async fn status(&self) -> Result<Status, Refusal> {
        self.overview().await.map(|view| view.status)
    }

    async fn overview(&self) -> Result<StatusView, Refusal> {
        if self.is_master() {
            let status = self.master().status().await?;
            let received = self.measured().received();
            return Ok(StatusView::of(self.node().name(), status, &received));
        }
        let mut view = StatusView::from(self.node().status().await?);
        if let Some(master) = self.master().master().filter(|master| !self.mesh().reaches(master)) {
            view.notes.push(format!(
                "the master `{master}` cannot be reached; this is this node alone, and `stop` ends \
                 what goes on without it, here and on all nodes that are reached"
            ));
        } else if self.master().master().is_none() {
            let orphans = self.master().orphans(false).await;
            view.notes.extend(orphans_go_on(&orphans));
        }
        Ok(view)
    }

    async fn ended(&self) -> RunState {
        if self.is_master() { self.master().ended().await } else { self.node().ended().await }
    }

    async fn settings(&self) -> Result<Vec<SettingView>, Refusal> {
        if self.is_master() { self.master().settings().await } else { self.node().settings().await }
    }

    async fn users(&self, limit: usize) -> Result<Listing, Refusal> {
        if self.is_master() {
            let Listed { users, notes } = self.master().users(limit).await?;
            Ok(Listing { shown: users, notes })
        } else {
            Operations::users(self.node(), limit).await
        }
    }

    async fn user(&self, id: UserId) -> Result<UserView, Refusal> {
        if self.is_master() { self.master().user(id).await } else { self.node().user(id).await }
    }

    async fn throttles(&self) -> Vec<ThrottleView> {
        if self.is_master() {
            self.cluster_throttles().list().await.into_iter().map(Into::into).collect()
        } else {
            Operations::throttles(self.node()).await
        }
    }

    async fn throttle(&self, name: &str) -> Result<ThrottleView, Refusal> {
        if self.is_master() {
            Ok(self.cluster_throttles().info(name).await?.into())
        } else {
            Operations::throttle(self.node(), name).await
        }
    }

    async fn throttle_start(&self, name: &str, rate: &RateText) -> Result<bool, Refusal> {
        if self.is_master() {
            Ok(self.cluster_throttles().start(name, rate_of(rate)?).await? == Started::New)
        } else {
            self.node().throttle_start(name, rate).await
        }
    }

    async fn throttle_rate(&self, name: &str, rate: &RateText) -> Result<(), Refusal> {
        if self.is_master() {
            self.cluster_throttles().change_rate(name, rate_of(rate)?).await
        } else {
            self.node().throttle_rate(name, rate).await
        }
    }

    async fn throttle_ramp(&self, name: &str, ramp: &RampText) -> Result<(), Refusal> {
        if self.is_master() {
            self.cluster_throttles().ramp(name, ramp_of(ramp)?).await
        } else {
            self.node().throttle_ramp(name, ramp).await
        }
    }

    async fn throttle_pause(&self, name: &str) -> Result<(), Refusal> {
        if self.is_master() {
            self.cluster_throttles().pause(name).await
        } else {
            self.node().throttle_pause(name).await
        }
    }

    async fn throttle_resume(&self, name: &str) -> Result<(), Refusal> {
        if self.is_master() {
            self.cluster_throttles().resume(name).await
        } else {
            self.node().throttle_resume(name).await
        }
    }

    async fn throttle_unlock(&self, name: &str) -> Result<(), Refusal> {
        if self.is_master() {
            self.cluster_throttles().unlock(name).await
        } else {
            self.node().throttle_unlock(name).await
        }
    }

    async fn throttle_stop(&self, name: &str) -> Result<(), Refusal> {
        if self.is_master() {
            self.cluster_throttles().stop(name).await
        } else {
            self.node().throttle_stop(name).await
        }
    }

    async fn coordinators(&self) -> Vec<CoordinatorView> {
        let mut all = Operations::coordinators(self.node()).await;
        if self.is_master() {
            all.extend(self.cluster_coordinators().list().await.into_iter().map(Into::into));
        }
        all
    }

    async fn coordinator_reset(&self, name: &str) -> Result<(), Refusal> {
        if self.has_cluster_coordinator(name).await {
            self.cluster_coordinators().reset(name).await
        } else {
            self.node().coordinator_reset(name).await
        }
    }

    async fn coordinator_stop(&self, name: &str) -> Result<(), Refusal> {
        if self.has_cluster_coordinator(name).await {
            self.cluster_coordinators().stop(name).await
        } else {
            self.node().coordinator_stop(name).await
        }
    }

    async fn metrics(&self, name: Option<&str>) -> Result<MetricsView, Refusal> {
        if !self.is_master() {
            return self.node().metrics(name).await;
        }
        let measured = self.snapshot().await;
        metrics_view(self.report(false).await.map(|report| (measured, report)), name)
    }

    fn desk(&self) -> &Desk {
        self.node().desk()
    }

    async fn measured(&self) -> Option<Window> {
        if self.is_master() {
            Some(self.snapshot().await.total)
        } else {
            Operations::measured(self.node()).await
        }
    }

    async fn live(&self, left: Option<Duration>, screen: Screen) -> String {
        if !self.is_master() {
            return self.node().live(left, screen).await;
        }
        match Operations::status(self).await {
            Ok(status) => {
                let snapshot = self.snapshot().await;
                let mut failing = self.node().failing_thresholds();
                let account = self.master().account().await;
                let settings = account.map(|account| account.settings).unwrap_or_default();
                failing.extend(findings::failing(&snapshot.total, Asked::of_settings(&settings)));
                let nodes = ClusterNode::measured(self).health();
                let nodes = nodes.iter().map(|(name, health)| (name.as_str(), health));
                let generator = judge_nodes(nodes).verdict;
                live_view(status, &snapshot, (failing, generator), (left, screen))
            }
            Err(_) => String::new(),
        }
    }

    async fn finish_report(&self, end: RunEnd) -> Option<RunReport> {
        self.report(end == RunEnd::Interrupted).await
    }

    async fn last_words(&self) -> Option<RunReport> {
        // Only if that has happened already.
        self.gave_up().now_or_never()?;
        let mut report = self.node().report(false).await?;
        report.reasons.insert(0, "the master was lost, and did not come back".to_owned());
        Some(report)
    }

    async fn broken(&self) {
        tokio::select! {
            () = self.node().broken() => {}
            () = self.gave_up() => {}
        }
    }

    async fn shutdown(&self) {
        ClusterNode::shutdown(self).await;
    }
}

/// What `stop` answers for runs whose master is gone.
fn orphans_are_stopped(orphans: &BTreeMap<String, Orphan>) -> String {
    let (nodes, users, masters) = told(orphans);
    format!(
        "the master {masters} cannot be reached: {} of its run are told to stop on {nodes}, and the \
         run is over there; what may go on elsewhere is not reached from here",
        people(users)
    )
}

/// What `status` tells of runs whose master is gone, on a node that knows none.
fn orphans_go_on(orphans: &BTreeMap<String, Orphan>) -> Option<String> {
    let scenario = &orphans.values().next()?.scenario;
    let (nodes, users, masters) = told(orphans);
    Some(format!(
        "a run of `{scenario}` goes on without its master {masters}: {} on {nodes}; `stop` ends it, \
         `do` ends it and begins anew",
        people(users)
    ))
}

fn told(orphans: &BTreeMap<String, Orphan>) -> (String, u64, String) {
    let nodes: Vec<_> = orphans.keys().map(|node| format!("`{node}`")).collect();
    let masters: BTreeSet<_> =
        orphans.values().map(|orphan| format!("`{}`", orphan.master)).collect();
    let users = orphans.values().map(|orphan| orphan.users).sum();
    (nodes.join(", "), users, masters.into_iter().collect::<Vec<_>>().join(", "))
}

fn people(users: u64) -> String {
    units::plural(users, "user")
}

/// Whether a command is about the run, which is the master's to carry out.
fn is_of_the_run(command: &Command) -> bool {
    match command {
        Command::Do { .. }
        | Command::Add { .. }
        | Command::Remove { .. }
        | Command::Stop
        | Command::StopGracefully
        | Command::Reset
        | Command::Set { .. }
        | Command::Status
        | Command::Settings
        | Command::Drain { .. }
        | Command::Throttle(_)
        | Command::Coordinator(_)
        | Command::Capacity(_)
        | Command::Users { .. }
        | Command::User { .. }
        | Command::Metrics { .. }
        | Command::Report
        | Command::Wait { .. } => true,
        Command::AddRange { .. }
        | Command::Scenarios { .. }
        | Command::Nodes
        | Command::Join { .. }
        | Command::Help { .. }
        | Command::Quit => false,
    }
}

impl ClusterNode {
    async fn carried_out_by_master(&self, command: &Command) -> Result<Reply, Refusal> {
        let Command::Wait { limit } = command else { return self.ask_master(command).await };
        // A long wait is many short ones, so that a master that goes away is noticed.
        let mut left = *limit;
        loop {
            let slice = left.map_or(WAIT, |left| left.min(WAIT));
            let reply = self.ask_master(&Command::Wait { limit: Some(slice) }).await?;
            left = left.map(|left| left - slice);
            let gone = matches!(&reply, Reply::Relayed { reply, .. }
                if reply["data"]["all_gone"] == true);
            if gone || left == Some(Duration::ZERO) {
                return Ok(reply);
            }
        }
    }

    async fn ask_master(&self, command: &Command) -> Result<Reply, Refusal> {
        let (text, json) = self.master().relay(command.to_string()).await?;
        let reply = serde_json::from_str(&json).map_err(|fault| {
            let message = format!("the master's answer cannot be read: {fault}");
            Refusal::new(Code::Unavailable, message)
        })?;
        Ok(Reply::Relayed { text, reply })
    }

    async fn has_cluster_coordinator(&self, name: &str) -> bool {
        self.is_master()
            && self.cluster_coordinators().list().await.iter().any(|info| info.name == name)
    }
}
