//! Every event the runtime emits. Names follow `crowd.<part>.<what>[.<phase>]`; amoc's names with
//! another first word, plus those amoc lacks (marked *ours*).

use std::{sync::Arc, time::Duration};

use tracing::Level;

use super::Event;
use crate::user_id::UserId;

/// The target under which events are logged that are the outcome of a command: whoever gave it at a
/// console has an answer, so a console leaves them out.
const ANSWERED: &str = "crowd::answered";

/// Declares the events: struct, kind, name, level, what it counts for; for those that people read
/// about, a sentence, which is then logged in place of the fields.
macro_rules! events {
    ($($(#[$doc:meta])* $name:ident = $text:literal at $level:ident $(under $target:ident)?
        { $($(#[$field_doc:meta])* $field:ident: $type:ty),* $(,)? }
        $(counts $count:expr)? $(, says $says:expr)?;)*) => {
        /// Which event it is.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(usize)]
        pub enum Kind { $($(#[$doc])* $name),* }

        impl Kind {
            /// Every kind of event.
            pub const ALL: &[Kind] = &[$(Kind::$name),*];
            pub(super) const COUNT: usize = Self::ALL.len();

            /// The event's name.
            pub fn name(self) -> &'static str {
                match self { $(Self::$name => $text),* }
            }
        }

        $($(#[$doc])*
        #[derive(Debug, Clone)]
        pub struct $name { $($(#[$field_doc])* pub $field: $type),* }

        impl Event for $name {
            const KIND: Kind = Kind::$name;
            $(fn count(&self) -> u64 { let count: fn(&Self) -> u64 = $count; count(self) })?
            fn log(&self) {
                const TARGET: &str = [$($target,)? "crowd"][0];
                let says: &[fn(&Self) -> String] = &[$($says)?];
                match says.first() {
                    Some(says) => {
                        tracing::event!(target: TARGET, Level::$level, "{} [{}]", says(self), $text);
                    }
                    None => tracing::event!(
                        target: TARGET, Level::$level, $($field = ?self.$field,)* $text
                    ),
                }
            }
        })*
    };
}

events! {
    /// A scenario's `init` begins on this node.
    InitStart = "crowd.scenario.init.start" at DEBUG {
        /// The scenario.
        scenario: &'static str };
    /// `init` returned.
    InitStop = "crowd.scenario.init.stop" at DEBUG {
        /// The scenario.
        scenario: &'static str,
        /// How long it took.
        duration: Duration };
    /// `init` failed, panicked or took too long.
    InitException = "crowd.scenario.init.exception" at DEBUG {
        /// The scenario.
        scenario: &'static str,
        /// How long it took.
        duration: Duration,
        /// Why.
        reason: String };
    /// A user starts.
    UserStart = "crowd.scenario.start.start" at TRACE {
        /// The scenario.
        scenario: &'static str,
        /// The user.
        user: UserId };
    /// A user ended by returning, or because it was told to stop.
    UserStop = "crowd.scenario.start.stop" at TRACE {
        /// The scenario.
        scenario: &'static str,
        /// The user.
        user: UserId,
        /// How long it lived.
        duration: Duration };
    /// A user failed, panicked or was killed.
    UserException = "crowd.scenario.start.exception" at DEBUG {
        /// The scenario.
        scenario: &'static str,
        /// The user.
        user: UserId,
        /// How long it lived.
        duration: Duration,
        /// `failed`, `panicked` or `killed`.
        kind: &'static str,
        /// Why.
        reason: String };
    /// A message to a user on another node, of which nobody awaits the outcome, came to nothing
    /// (*ours*).
    MailUndelivered = "crowd.user.undelivered" at DEBUG {
        /// Who sent it; `None` if no user did.
        from: Option<UserId>,
        /// Whom it was for.
        to: UserId,
        /// Why.
        reason: &'static str };
    /// A scenario's `terminate` begins on this node.
    TerminateStart = "crowd.scenario.terminate.start" at DEBUG {
        /// The scenario.
        scenario: &'static str };
    /// `terminate` returned.
    TerminateStop = "crowd.scenario.terminate.stop" at DEBUG {
        /// The scenario.
        scenario: &'static str,
        /// How long it took.
        duration: Duration };
    /// `terminate` failed, panicked or took too long.
    TerminateException = "crowd.scenario.terminate.exception" at WARN {
        /// The scenario.
        scenario: &'static str,
        /// How long it took.
        duration: Duration,
        /// Why.
        reason: String }, says |event| {
        format!("`terminate` of `{}` failed: {}", event.scenario, event.reason)
    };
    /// Users were added to or removed from the run.
    ControllerUsers = "crowd.controller.users" at DEBUG {
        /// The scenario.
        scenario: &'static str,
        /// How many.
        users: u64,
        /// `add` or `remove`.
        change: &'static str } counts |event| event.users;
    /// The run changed its state (*ours*).
    ControllerState = "crowd.controller.state" at INFO under ANSWERED {
        /// The state before.
        from: &'static str,
        /// The state now.
        to: &'static str };
    /// A throttle was started.
    ThrottleInit = "crowd.throttle.init" at DEBUG {
        /// The throttle.
        name: Arc<str> };
    /// A throttle's rate was set or changed; a step of a ramp counts too.
    ThrottleRate = "crowd.throttle.rate" at DEBUG {
        /// The throttle.
        name: Arc<str>,
        /// The rate, as people write it.
        rate: String };
    /// Something asks a throttle to be let through.
    ThrottleRequest = "crowd.throttle.request" at TRACE {
        /// The throttle.
        name: Arc<str> };
    /// A throttle let something through.
    ThrottleExecute = "crowd.throttle.execute" at TRACE {
        /// The throttle.
        name: Arc<str>,
        /// How much it let through at once.
        slots: u64 } counts |event| event.slots;
    /// A throttle forfeited slots, because it was late by more than its tolerance (*ours*).
    ThrottleForfeit = "crowd.throttle.forfeit" at DEBUG {
        /// The throttle.
        name: Arc<str>,
        /// How many slots.
        slots: u64 } counts |event| event.slots;
    /// A throttle was stopped (*ours*).
    ThrottleStop = "crowd.throttle.stop" at DEBUG {
        /// The throttle.
        name: Arc<str>,
        /// How many waited on it and were answered with an error.
        waiting: u64 };
    /// An action that a throttle ran failed (*ours*).
    ThrottleFault = "crowd.throttle.fault" at WARN {
        /// The throttle.
        name: Arc<str>,
        /// Why.
        reason: String }, says |event| {
        format!("what throttle `{}` ran failed: {}", event.name, event.reason)
    };
    /// A feeder was started on this node (*ours*).
    FeederStart = "crowd.feeder.start" at DEBUG {
        /// The feeder.
        name: Arc<str>,
        /// How many rows it has.
        rows: u64 };
    /// A user asked for a row, and there are no more; told once by each node (*ours*).
    FeederExhausted = "crowd.feeder.exhausted" at INFO {
        /// The feeder.
        name: Arc<str> }, says |event| format!("feeder `{}` has no more rows", event.name);
    /// A user found no row of its own, because there are more users than rows; told once by each
    /// node (*ours*).
    FeederShort = "crowd.feeder.short" at WARN {
        /// The feeder.
        name: Arc<str>,
        /// How many rows it has.
        rows: u64,
        /// The user.
        user: UserId }, says |event| {
        let Self { name, rows, user } = event;
        format!("feeder `{name}` has {rows} rows, and none is left for user {user}")
    };
    /// Rows that a lost node may have used or not, and that nobody else is given (*ours*).
    FeederLost = "crowd.feeder.lost" at WARN {
        /// The feeder.
        name: Arc<str>,
        /// The node.
        node: String,
        /// How many rows at the most.
        rows: u64 } counts |event| event.rows, says |event| {
        let Self { name, node, rows } = event;
        format!("up to {rows} rows of feeder `{name}` are lost with node `{node}`")
    };
    /// A coordinator was started.
    CoordinatorStart = "crowd.coordinator.start" at DEBUG {
        /// The coordinator.
        name: Arc<str> };
    /// A coordinator was stopped.
    CoordinatorStop = "crowd.coordinator.stop" at DEBUG {
        /// The coordinator.
        name: Arc<str> };
    /// A user was added to a coordinator.
    CoordinatorAdd = "crowd.coordinator.add" at TRACE {
        /// The coordinator.
        name: Arc<str>,
        /// The user.
        user: UserId };
    /// A coordinator was reset.
    CoordinatorReset = "crowd.coordinator.reset" at DEBUG {
        /// The coordinator.
        name: Arc<str> };
    /// Nobody was added to a coordinator for as long as its timeout.
    CoordinatorTimeout = "crowd.coordinator.timeout" at DEBUG {
        /// The coordinator.
        name: Arc<str> };
    /// The actions of one item of a plan begin.
    CoordinatorExecute = "crowd.coordinator.execute" at TRACE {
        /// The coordinator.
        name: Arc<str>,
        /// `coordinate`, `timeout`, `reset` or `stop`.
        event: &'static str,
        /// The size of the group as planned: a number or `all`.
        configured: String,
        /// How many members the group has.
        members: u64 } counts |event| event.members;
    /// An action of a coordinator failed or panicked (*ours*: amoc swallows it).
    CoordinatorFault = "crowd.coordinator.fault" at WARN {
        /// The coordinator.
        name: Arc<str>,
        /// Which item of the plan, from 1; 0 if the coordinator itself died.
        item: usize,
        /// Why.
        reason: String }, says |event| match event.item {
        0 => format!("coordinator `{}` died: {}", event.name, event.reason),
        item => format!("item {item} of coordinator `{}` failed: {}", event.name, event.reason),
    };
    /// A target went out: its score fell below 0 (*ours*).
    TargetOut = "crowd.target.out" at INFO {
        /// The target.
        name: Arc<str>,
        /// Its last failure.
        reason: String }, says |event| {
        format!("target `{}` is let alone for now: {}", event.name, event.reason)
    };
    /// A target came back: its score is 0 or more again (*ours*).
    TargetBack = "crowd.target.back" at INFO {
        /// The target.
        name: Arc<str>,
        /// How long it was out.
        after: Duration }, says |event| {
        format!("target `{}` is back after {:.1}s", event.name, event.after.as_secs_f64())
    };
    /// A node joined.
    ClusterConnect = "crowd.cluster.connect_nodes" at INFO {
        /// The node.
        node: String,
        /// Where it is reached.
        address: String }, says |event| {
        format!("node `{}` at {} has joined", event.node, event.address)
    };
    /// A node is gone.
    ClusterNodeDown = "crowd.cluster.nodedown" at WARN {
        /// The node.
        node: String,
        /// Why.
        reason: String }, says |event| format!("node `{}` is gone: {}", event.node, event.reason);
    /// The master is gone, and this node is one of its workers.
    ClusterMasterDown = "crowd.cluster.master_node_down" at ERROR {
        /// The master.
        node: String,
        /// What this node does about it.
        reason: String }, says |event| {
        format!("the master, node `{}`, is gone: {}", event.node, event.reason)
    };
    /// A node was refused, or refused this one (*ours*).
    ClusterRefused = "crowd.cluster.refused" at WARN {
        /// Where it is.
        address: String,
        /// Why.
        reason: String }, says |event| {
        format!("the node at {} is not joined: {}", event.address, event.reason)
    };
    /// To handle what a node sent panicked, and the link to it is ended; a bug in crowd (*ours*).
    ClusterStumbled = "crowd.cluster.stumbled" at ERROR {
        /// The node.
        node: String,
        /// Why.
        reason: String }, says |event| {
        format!("the link to node `{}` is closed, {}: a bug in crowd", event.node, event.reason)
    };
    /// Users were moved to other nodes, because theirs is lost, drained, or has too many (*ours*).
    ClusterMoved = "crowd.cluster.moved" at INFO {
        /// The node they were on.
        from: String,
        /// How many.
        users: u64,
        /// Why.
        reason: String } counts |event| event.users, says |event| {
        let Self { from, users, reason } = event;
        format!("{users} users of node `{from}` go to other nodes: {reason}")
    };
    /// A node that was lost is linked again and goes on with its users (*ours*).
    ClusterBack = "crowd.cluster.back" at INFO {
        /// The node.
        node: String,
        /// How many users live there.
        users: u64 } counts |event| event.users, says |event| {
        format!("node `{}` is back, and goes on with its {} users", event.node, event.users)
    };
    /// A setting was refused, by its type or by its check.
    ConfigVerify = "crowd.config.verify" at DEBUG {
        /// The setting.
        setting: String,
        /// Why.
        reason: String };
    /// A value from the environment cannot be read.
    ConfigEnv = "crowd.config.env" at DEBUG {
        /// The variable.
        variable: String,
        /// Why.
        reason: String };
    /// A secret of this node can be found by trying, from other machines (*ours*).
    WeakSecret = "crowd.config.weak_secret" at WARN {
        /// `cookie` or `API token`.
        what: &'static str,
        /// What this node does, so that they can.
        exposed: String }, says |event| {
        format!(
            "the {} is shorter than 16 bytes, and this node {}: make a longer one, say with \
             `head -c 24 /dev/urandom | base64`",
            event.what, event.exposed
        )
    };
    /// Settings of the running scenario were changed (*ours*).
    ConfigUpdate = "crowd.config.update" at INFO under ANSWERED {
        /// The settings that changed, with their new values.
        changed: Vec<(String, String)> };
    /// What a scenario does on a changed setting failed.
    ConfigHook = "crowd.config.hook" at WARN {
        /// The setting.
        setting: String,
        /// Why.
        reason: String }, says |event| {
        format!("the scenario could not act on `{}`: {}", event.setting, event.reason)
    };
    /// The generator cannot keep up (*ours*).
    GeneratorWarning = "crowd.generator.warning" at WARN {
        /// What is wrong and what to do.
        reason: String }, says |event| event.reason.clone();
}

#[cfg(test)]
mod tests {
    use std::sync::{Mutex, atomic::AtomicU64, atomic::Ordering};

    use super::{super::Telemetry, *};

    #[test]
    fn an_event_is_counted_and_told_at_once() {
        let telemetry = Telemetry::default();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = seen.clone();
        let subscription = telemetry.subscribe(move |occurrence| {
            log.lock().unwrap().push(format!("{occurrence:?}"));
        });
        telemetry.emit(&ControllerUsers { scenario: "idle", users: 7, change: "add" });
        drop(subscription);
        telemetry.emit(&ControllerUsers { scenario: "idle", users: 2, change: "remove" });
        assert_eq!(telemetry.count(Kind::ControllerUsers), 9);
        let seen = seen.lock().unwrap();
        assert_eq!(seen.len(), 1);
        assert!(seen[0].starts_with("crowd.controller.users ControllerUsers"), "{}", seen[0]);
    }

    #[test]
    fn a_subscriber_that_panics_harms_nobody() {
        let telemetry = Telemetry::default();
        let told = Arc::new(AtomicU64::new(0));
        let count = told.clone();
        let _bad = telemetry.subscribe(|_| panic!("bad subscriber"));
        let _good = telemetry.subscribe(move |_| {
            count.fetch_add(1, Ordering::Relaxed);
        });
        telemetry.emit(&InitStart { scenario: "idle" });
        assert_eq!(told.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn rare_paths_build_no_event_for_nobody() {
        let telemetry = Telemetry::default();
        telemetry.emit_with(3, || -> ThrottleExecute { unreachable!("nobody listens") });
        assert_eq!(telemetry.count(Kind::ThrottleExecute), 3);
    }

    #[test]
    fn names_are_unique() {
        let mut names: Vec<_> = Kind::ALL.iter().map(|kind| kind.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Kind::ALL.len());
    }
}
