//! What can be done with a node, whoever asks and wherever the node is.

use std::{future::Future, time::Duration};

use crate::{
    node::{Added, RunState, SetOutcome, SettingView, Status, UserView},
    refusal::Refusal,
    scenario::catalog::Catalog,
    user::UserId,
};

use super::{
    command::{Pair, RampText, RateText},
    view::{CoordinatorView, MetricsView, NodeView, ThrottleView},
};

/// How a run came to its end, as far as whoever started it knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunEnd {
    /// All users ended, or the time given was up.
    Complete,
    /// Somebody interrupted it.
    Interrupted,
}

/// What is told of a run that is over.
#[derive(Debug, Clone)]
pub struct FinishedReport {
    /// The summary for people.
    pub summary: String,
    /// The document for programs, as JSON.
    pub document: String,
    /// The exit code of the process that made the run.
    pub exit_code: u8,
}

/// The operations of a node. They are what every way in (console, command line) is made of, so
/// that none can do more than another.
pub trait Operations: Clone + Send + Sync + 'static {
    /// The scenarios compiled in.
    fn catalog(&self) -> &Catalog;

    /// The rate users are admitted at unless a run says otherwise.
    fn user_rate(&self) -> String;

    /// The nodes there are, this one first.
    fn nodes(&self) -> impl Future<Output = Result<Vec<NodeView>, Refusal>> + Send;

    /// `do`: answers when `init` is over.
    fn start_run(
        &self,
        scenario: &str,
        users: u64,
        settings: Vec<Pair>,
    ) -> impl Future<Output = Result<Added, Refusal>> + Send;

    /// `add COUNT`.
    fn add(&self, count: u64) -> impl Future<Output = Result<Added, Refusal>> + Send;

    /// `add FROM..TO`.
    fn add_range(
        &self,
        first: u64,
        last: u64,
    ) -> impl Future<Output = Result<Added, Refusal>> + Send;

    /// `remove`: the number chosen.
    fn remove(&self, count: u64, force: bool) -> impl Future<Output = Result<u64, Refusal>> + Send;

    /// `stop`.
    fn stop(&self) -> impl Future<Output = Result<(), Refusal>> + Send;

    /// `reset`.
    fn reset(&self) -> impl Future<Output = Result<(), Refusal>> + Send;

    /// `set`.
    fn set(&self, settings: Vec<Pair>) -> impl Future<Output = Result<SetOutcome, Refusal>> + Send;

    /// `status`.
    fn status(&self) -> impl Future<Output = Result<Status, Refusal>> + Send;

    /// Waits until there is no run, or it is over.
    fn ended(&self) -> impl Future<Output = RunState> + Send;

    /// `settings`.
    fn settings(&self) -> impl Future<Output = Result<Vec<SettingView>, Refusal>> + Send;

    /// `users`.
    fn users(&self, limit: usize) -> impl Future<Output = Result<Vec<UserView>, Refusal>> + Send;

    /// `user`.
    fn user(&self, id: UserId) -> impl Future<Output = Result<UserView, Refusal>> + Send;

    /// `throttle list`.
    fn throttles(&self) -> impl Future<Output = Vec<ThrottleView>> + Send;

    /// `throttle info`.
    fn throttle(&self, name: &str) -> impl Future<Output = Result<ThrottleView, Refusal>> + Send;

    /// `throttle start`: whether it is new.
    fn throttle_start(
        &self,
        name: &str,
        rate: &RateText,
    ) -> impl Future<Output = Result<bool, Refusal>> + Send;

    /// `throttle rate`.
    fn throttle_rate(
        &self,
        name: &str,
        rate: &RateText,
    ) -> impl Future<Output = Result<(), Refusal>> + Send;

    /// `throttle ramp`.
    fn throttle_ramp(
        &self,
        name: &str,
        ramp: &RampText,
    ) -> impl Future<Output = Result<(), Refusal>> + Send;

    /// `throttle pause`.
    fn throttle_pause(&self, name: &str) -> impl Future<Output = Result<(), Refusal>> + Send;

    /// `throttle resume`.
    fn throttle_resume(&self, name: &str) -> impl Future<Output = Result<(), Refusal>> + Send;

    /// `throttle unlock`.
    fn throttle_unlock(&self, name: &str) -> impl Future<Output = Result<(), Refusal>> + Send;

    /// `throttle stop`.
    fn throttle_stop(&self, name: &str) -> impl Future<Output = Result<(), Refusal>> + Send;

    /// `coordinator list`.
    fn coordinators(&self) -> impl Future<Output = Vec<CoordinatorView>> + Send;

    /// `coordinator reset`.
    fn coordinator_reset(&self, name: &str) -> impl Future<Output = Result<(), Refusal>> + Send;

    /// `coordinator stop`.
    fn coordinator_stop(&self, name: &str) -> impl Future<Output = Result<(), Refusal>> + Send;

    /// `metrics`: only what bears the name, if one is given.
    fn metrics(
        &self,
        name: Option<&str>,
    ) -> impl Future<Output = Result<MetricsView, Refusal>> + Send;

    /// A few lines, none wider than `width`, that tell how the run goes, with what is left of its
    /// time.
    fn live(&self, left: Option<Duration>, width: usize) -> impl Future<Output = String> + Send;

    /// Tells about the current or last run, with colours for a terminal; `None` when idle.
    fn finish_report(
        &self,
        end: RunEnd,
        colour: bool,
    ) -> impl Future<Output = Option<FinishedReport>> + Send;

    /// Resolves when the node has broken and can do nothing any more.
    fn broken(&self) -> impl Future<Output = ()> + Send;

    /// Ends the run, if any, and the node.
    fn shutdown(&self) -> impl Future<Output = ()> + Send;
}
