//! The operations of a [`Node`] of this process.

use std::time::Duration;

use crowd_core::{
    rate::Rate,
    refusal::{Code, Refusal},
    user_id::UserId,
};
use crowd_measure::{Snapshot, health::Trust, window::Window};
use serde_json::Value;

use super::{
    command::{Pair, RampText, RateText},
    operations::{Operations, RunEnd},
    view::{Changed, Chosen, CoordinatorView, Dealt, Listing, MetricsView, NodeView, ThrottleView},
};
use crate::{
    capacity::Desk,
    coordinator::{CoordinatorInfo, CoordinatorState},
    node::{Added, Node, RunState, SettingView, Status, UserView},
    report::{
        RunReport,
        findings::{self, Asked},
        live::{self, LiveAction, LiveView, Screen},
        metrics::render_metrics,
    },
    scenario::catalog::Catalog,
    throttle::{Ramp, Started, ThrottleInfo, ThrottleState},
};

/// What `metrics` tells programs of a run's document.
const MEASURED: [&str; 5] = ["actions", "counters", "gauges", "checks", "failures"];

impl Operations for Node {
    fn catalog(&self) -> &Catalog {
        Node::catalog(self)
    }

    fn user_rate(&self) -> String {
        self.node_settings().user_rate.clone()
    }

    async fn nodes(&self) -> Result<Vec<NodeView>, Refusal> {
        let status = Node::status(self).await?;
        Ok(vec![NodeView {
            name: status.node,
            here: true,
            state: "up".to_owned(),
            run: Some(status.state),
            running: Some(status.users.running),
            ..NodeView::default()
        }])
    }

    async fn start_run(
        &self,
        scenario: &str,
        users: u64,
        settings: Vec<Pair>,
    ) -> Result<Dealt, Refusal> {
        Node::start_run(self, scenario, users, settings).await.map(Into::into)
    }

    async fn add(&self, count: u64, _: &[String]) -> Result<Dealt, Refusal> {
        Node::add(self, count).await.map(Into::into)
    }

    async fn add_range(&self, first: u64, last: u64) -> Result<Added, Refusal> {
        Node::add_range(self, first, last).await
    }

    async fn remove(&self, count: u64, force: bool, _: &[String]) -> Result<Chosen, Refusal> {
        let chosen = Node::remove(self, count, force).await?;
        Ok(Chosen { chosen, ..Chosen::default() })
    }

    async fn stop(&self) -> Result<(), Refusal> {
        Node::stop(self).await
    }

    async fn stop_gracefully(&self) -> Result<(), Refusal> {
        Node::stop_gracefully(self).await
    }

    async fn reset(&self) -> Result<(), Refusal> {
        Node::reset(self).await
    }

    async fn set(&self, settings: Vec<Pair>, _: &[String]) -> Result<Changed, Refusal> {
        Node::set(self, settings).await.map(Into::into)
    }

    async fn status(&self) -> Result<Status, Refusal> {
        Node::status(self).await
    }

    async fn ended(&self) -> RunState {
        Node::ended(self).await
    }

    async fn settings(&self) -> Result<Vec<SettingView>, Refusal> {
        Node::settings(self).await
    }

    async fn users(&self, limit: usize) -> Result<Listing, Refusal> {
        Node::users(self, limit).await.map(Into::into)
    }

    async fn user(&self, id: UserId) -> Result<UserView, Refusal> {
        Node::user(self, id).await
    }

    async fn throttles(&self) -> Vec<ThrottleView> {
        Node::throttles(self).list().await.into_iter().map(Into::into).collect()
    }

    async fn throttle(&self, name: &str) -> Result<ThrottleView, Refusal> {
        Ok(Node::throttles(self).info(name).await?.into())
    }

    async fn throttle_start(&self, name: &str, rate: &RateText) -> Result<bool, Refusal> {
        let started = Node::throttles(self).start(name, rate_of(rate)?).await?;
        Ok(started == Started::New)
    }

    async fn throttle_rate(&self, name: &str, rate: &RateText) -> Result<(), Refusal> {
        Node::throttles(self).change_rate(name, rate_of(rate)?).await
    }

    async fn throttle_ramp(&self, name: &str, ramp: &RampText) -> Result<(), Refusal> {
        Node::throttles(self).ramp(name, ramp_of(ramp)?).await
    }

    async fn throttle_pause(&self, name: &str) -> Result<(), Refusal> {
        Node::throttles(self).pause(name).await
    }

    async fn throttle_resume(&self, name: &str) -> Result<(), Refusal> {
        Node::throttles(self).resume(name).await
    }

    async fn throttle_unlock(&self, name: &str) -> Result<(), Refusal> {
        Node::throttles(self).unlock(name).await
    }

    async fn throttle_stop(&self, name: &str) -> Result<(), Refusal> {
        Node::throttles(self).stop(name).await
    }

    async fn coordinators(&self) -> Vec<CoordinatorView> {
        Node::coordinators(self).list().into_iter().map(Into::into).collect()
    }

    async fn coordinator_reset(&self, name: &str) -> Result<(), Refusal> {
        Node::coordinators(self).reset(name).await
    }

    async fn coordinator_stop(&self, name: &str) -> Result<(), Refusal> {
        Node::coordinators(self).stop(name).await
    }

    async fn metrics(&self, name: Option<&str>) -> Result<MetricsView, Refusal> {
        metrics_view(self.snapshot().await.zip(self.report(false).await), name)
    }

    fn desk(&self) -> &Desk {
        Node::desk(self)
    }

    async fn measured(&self) -> Option<Window> {
        Some(self.snapshot().await?.total)
    }

    async fn live(&self, left: Option<Duration>, screen: Screen) -> String {
        let (Ok(status), Some(measured)) = (Node::status(self).await, self.snapshot().await) else {
            return String::new();
        };
        let mut failing = self.failing_thresholds();
        let settings = self.account().await.map(|account| account.settings).unwrap_or_default();
        failing.extend(findings::failing(&measured.total, Asked::of_settings(&settings)));
        live_view(status, &measured, (failing, self.generator().verdict), (left, screen))
    }

    async fn finish_report(&self, end: RunEnd) -> Option<RunReport> {
        self.report(end == RunEnd::Interrupted).await
    }

    async fn broken(&self) {
        Node::broken(self).await;
    }

    async fn shutdown(&self) {
        Node::shutdown(self).await;
    }
}

/// What is measured in a run, and its document so far, as `metrics` shows them.
pub(super) fn metrics_view(
    run: Option<(Snapshot, RunReport)>,
    name: Option<&str>,
) -> Result<MetricsView, Refusal> {
    let Some((measured, report)) = run else {
        return Err(Refusal::new(Code::InvalidStatus, "there is no run, so nothing is measured"));
    };
    let mut document = match serde_json::to_value(&report) {
        Ok(Value::Object(document)) => document,
        // A report is an object; but nothing is lost if it were none.
        _ => serde_json::Map::new(),
    };
    document.retain(|part, _| MEASURED.contains(&part.as_str()));
    if let Some(name) = name {
        for part in document.values_mut().filter_map(Value::as_object_mut) {
            part.retain(|key, _| key.contains(name));
        }
    }
    Ok(MetricsView { text: render_metrics(&measured, name), document })
}

/// A few lines on how a run goes.
pub(super) fn live_view(
    status: Status,
    measured: &Snapshot,
    (failing, generator): (Vec<String>, Trust),
    (left, screen): (Option<Duration>, Screen),
) -> String {
    let view = LiveView {
        scenario: status.scenario.unwrap_or_default(),
        elapsed: status.elapsed,
        // A profile says itself how long it takes.
        remaining: left.or_else(|| {
            let profile = status.profile.as_ref()?;
            Some(profile.duration.saturating_sub(profile.elapsed))
        }),
        profile: status.profile,
        running: status.users.running,
        waiting: status.users.waiting,
        finished: status.users.finished,
        failed: status.users.failed,
        actions: LiveAction::of(&measured.last),
        failing,
        generator,
    };
    live::render(&view, screen.colour, screen.width)
}

pub(super) fn rate_of(rate: &RateText) -> Result<Rate, Refusal> {
    rate.as_str().parse().map_err(|fault| invalid(&fault))
}

pub(super) fn ramp_of(ramp: &RampText) -> Result<Ramp, Refusal> {
    Ramp::new(rate_of(&ramp.from)?, rate_of(&ramp.to)?, ramp.over, ramp.steps)
        .map_err(|fault| invalid(&fault))
}

fn invalid(fault: &dyn std::error::Error) -> Refusal {
    Refusal::new(Code::InvalidThrottle, fault.to_string())
}

impl From<ThrottleInfo> for ThrottleView {
    fn from(info: ThrottleInfo) -> Self {
        Self {
            name: info.name,
            rate: info.rate,
            ramp: info.ramp,
            state: match info.state {
                ThrottleState::Running => "running",
                ThrottleState::Paused => "paused",
                ThrottleState::Stopped => "stopped",
            }
            .to_owned(),
            waiting: info.waiting,
            in_flight: info.in_flight,
            tolerance_us: info.tolerance_us,
            granted: info.granted,
            forfeited: info.forfeited,
            asked_per_second: info.asked_per_second,
            given_per_second: info.given_per_second,
        }
    }
}

impl From<CoordinatorInfo> for CoordinatorView {
    fn from(info: CoordinatorInfo) -> Self {
        let groups: Vec<_> = info.items.iter().map(|item| item.group.as_str()).collect();
        Self {
            plan: groups.join(", "),
            waiting: info.items.iter().map(|item| item.waiting).sum(),
            name: info.name,
            state: match info.state {
                CoordinatorState::Running => "running",
                CoordinatorState::Stopping => "stopping",
            }
            .to_owned(),
            adds: info.adds,
            faults: info.faults,
            last_fault: info.last_fault,
        }
    }
}
