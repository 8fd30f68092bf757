//! What can be done with a node, whoever asks and wherever the node is.

use std::{future::Future, time::Duration};

use crowd_core::settings::masking::without_secrets_of_url;
use crowd_core::{
    rate::Rate,
    refusal::{Code, Refusal},
    user_id::UserId,
};
use crowd_measure::window::Window;
use crowd_plan::run_settings::ITERATION_RATE;

use super::{
    command::{Command, Pair, RampText, RateText},
    reply::Reply,
    view::{
        Changed, Chosen, CoordinatorView, Dealt, Listing, MetricsView, NodeView, StatusView,
        ThrottleView,
    },
};
use crate::{
    capacity::Desk,
    node::{Added, RunState, SettingView, Status, UserView},
    report::{RunReport, live::Screen},
    scenario::catalog::Catalog,
};

/// How a run came to its end, as far as whoever started it knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunEnd {
    /// All users ended, or the time given was up.
    Complete,
    /// Somebody interrupted it.
    Interrupted,
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

    /// Has a command carried out by the node whose part that is; `None` if it is this one's.
    fn relay(
        &self,
        _command: &Command,
    ) -> impl Future<Output = Option<Result<Reply, Refusal>>> + Send {
        async { None }
    }

    /// `join`: the name of the node there.
    fn join(&self, address: &str) -> impl Future<Output = Result<String, Refusal>> + Send {
        let refusal = no_cluster(&format!(
            "it cannot join `{}`; start it with the cookie of the others (CROWD_COOKIE_FILE)",
            without_secrets_of_url(address)
        ));
        async { Err(refusal) }
    }

    /// `drain`: how many users are moved away.
    fn drain(&self, _node: &str) -> impl Future<Output = Result<u64, Refusal>> + Send {
        async { Err(no_cluster("there is no other node its users could move to")) }
    }

    /// Where other nodes reach this one; none for a node that is not part of a cluster.
    fn cluster_address(&self) -> Option<String> {
        None
    }

    /// Whether this node can do its work: if not, why.
    ///
    /// # Errors
    /// What it still waits for, as a sentence.
    fn ready(&self) -> Result<(), String> {
        Ok(())
    }

    /// What is to be told in the end by a node that gave its part of a run up, because the run's
    /// master was lost.
    fn last_words(&self) -> impl Future<Output = Option<RunReport>> + Send {
        async { None }
    }

    /// Whether the run, if there is one, ends with this node: not if another node commands it.
    fn owns_run(&self) -> bool {
        true
    }

    /// `do`: answers when `init` is over.
    fn start_run(
        &self,
        scenario: &str,
        users: u64,
        settings: Vec<Pair>,
    ) -> impl Future<Output = Result<Dealt, Refusal>> + Send;

    /// `add COUNT`, on these nodes; on all if there are none.
    fn add(
        &self,
        count: u64,
        nodes: &[String],
    ) -> impl Future<Output = Result<Dealt, Refusal>> + Send;

    /// `add FROM..TO`.
    fn add_range(
        &self,
        first: u64,
        last: u64,
    ) -> impl Future<Output = Result<Added, Refusal>> + Send;

    /// `remove`, from these nodes; from all if there are none.
    fn remove(
        &self,
        count: u64,
        force: bool,
        nodes: &[String],
    ) -> impl Future<Output = Result<Chosen, Refusal>> + Send;

    /// `stop`.
    fn stop(&self) -> impl Future<Output = Result<(), Refusal>> + Send;

    /// `stop gracefully`: answers when it is under way.
    fn stop_gracefully(&self) -> impl Future<Output = Result<(), Refusal>> + Send;

    /// `reset`.
    fn reset(&self) -> impl Future<Output = Result<(), Refusal>> + Send;

    /// `set`, on these nodes; on all if there are none.
    fn set(
        &self,
        settings: Vec<Pair>,
        nodes: &[String],
    ) -> impl Future<Output = Result<Changed, Refusal>> + Send;

    /// How the run stands, over all nodes if this one commands others.
    fn status(&self) -> impl Future<Output = Result<Status, Refusal>> + Send;

    /// `status`.
    fn overview(&self) -> impl Future<Output = Result<StatusView, Refusal>> + Send {
        async { self.status().await.map(Into::into) }
    }

    /// Waits until there is no run, or it is over.
    fn ended(&self) -> impl Future<Output = RunState> + Send;

    /// `settings`.
    fn settings(&self) -> impl Future<Output = Result<Vec<SettingView>, Refusal>> + Send;

    /// `users`.
    fn users(&self, limit: usize) -> impl Future<Output = Result<Listing, Refusal>> + Send;

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

    /// Where the one capacity search of this node is kept.
    fn desk(&self) -> &Desk;

    /// All that was measured since the run began; `None` without a run.
    fn measured(&self) -> impl Future<Output = Option<Window>> + Send;

    /// By how much the counts of throttles may be behind.
    fn tally_lag(&self) -> Duration {
        Duration::ZERO
    }

    /// Lets all users together begin so many iterations a second, in a run that has begun with an
    /// `iteration_rate`.
    fn set_load(&self, per_second: f64) -> impl Future<Output = Result<(), Refusal>> + Send {
        let rate = rate_of(per_second).to_string();
        async move {
            let changed = self.set(vec![(ITERATION_RATE.to_owned(), rate)], &[]).await?;
            match changed.outcome.faults.into_iter().next() {
                Some((setting, fault)) => {
                    Err(Refusal::new(Code::CannotChangeRate, format!("`{setting}`: {fault}")))
                }
                None => Ok(()),
            }
        }
    }

    /// A few lines for that screen, that tell how the run goes, with what is left of its time.
    fn live(&self, left: Option<Duration>, screen: Screen) -> impl Future<Output = String> + Send;

    /// Tells about the current or last run; `None` when idle.
    fn finish_report(&self, end: RunEnd) -> impl Future<Output = Option<RunReport>> + Send;

    /// Resolves when the node has broken and can do nothing any more.
    fn broken(&self) -> impl Future<Output = ()> + Send;

    /// Ends the run, if any, and the node.
    fn shutdown(&self) -> impl Future<Output = ()> + Send;
}

/// So many a second, to a hundredth, of which each is a whole number an hour.
fn rate_of(per_second: f64) -> Rate {
    let hundredths = (per_second * 100.0).round().max(1.0) as u64;
    Rate::timed(hundredths, Duration::from_secs(100).as_nanos() as u64)
}

fn no_cluster(consequence: &str) -> Refusal {
    let message = format!("this node is not part of a cluster: {consequence}");
    Refusal::new(Code::Unavailable, message)
}
