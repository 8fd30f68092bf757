//! Everything the controller is told and asked, and what it answers.

use std::{fmt, sync::Arc, time::Duration};

use crowd_core::{
    failure::Failure,
    fence::Fence,
    refusal::Refusal,
    settings::{Declaration, Environment, Value},
    telemetry::Telemetry,
    user_id::{IdSet, UserId},
};
use crowd_measure::{Measure, health::watchdog::Watchdog};
use crowd_plan::load::{desk::Arrival, gate::Gate, status::PlanStatus, tally::Tallies};
use ractor::RpcReplyPort;
use serde::{Deserialize, Serialize};
use tokio::{sync::oneshot, time::Instant};

use super::{
    endings::EndingCounts,
    machine::{RunState, Timer},
    population::{Gone, UserCounts},
    run::Ended,
};
use crate::{
    cluster::{
        mail::Mail,
        protocol::run::{PlanBeat, PlanWords},
    },
    coordinator::Coordinators,
    feed::Feeders,
    scenario::{catalog::Catalog, erased::Running},
    throttle::Throttles,
    user::task::Exit,
};

/// What the controller needs from the node.
#[derive(Clone)]
pub(crate) struct ControllerOptions {
    pub(crate) node: Arc<str>,
    pub(crate) catalog: Catalog,
    pub(crate) environment: Arc<dyn Environment>,
    pub(crate) telemetry: Telemetry,
    pub(crate) throttles: Throttles,
    pub(crate) coordinators: Coordinators,
    /// Looks at the generator during runs.
    pub(crate) watchdog: Watchdog,
    pub(crate) feeders: Feeders,
    /// The way to users on other nodes, if this node is one of a cluster.
    pub(crate) mail: Option<Mail>,
    /// How many user supervisors there are.
    pub(crate) supervisors: u64,
    /// The rate users are admitted at unless the run says otherwise.
    pub(crate) user_rate: String,
    /// How long `init` may take.
    pub(crate) init_timeout: Duration,
    /// How long `terminate` may take.
    pub(crate) terminate_timeout: Duration,
    /// From a forced stop to the kill.
    pub(crate) kill_grace: Duration,
    /// How many files may be open; `None`: not checked.
    pub(crate) descriptor_limit: Option<u64>,
    /// Until when users may act.
    pub(crate) fence: Fence,
}

/// How a run that follows a master stands, for that master.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Standing {
    /// The state.
    pub(crate) state: RunState,
    /// Why it failed.
    pub(crate) reason: Option<String>,
    /// Users by state.
    pub(crate) users: UserCounts,
    /// Users by how they ended.
    pub(crate) endings: EndingCounts,
    /// Users that are gone since this was asked last.
    pub(crate) gone: Gone,
    /// How the plan stands here.
    pub(crate) plan: PlanBeat,
    /// All that wait or run, if that was asked for.
    pub(crate) living: Option<IdSet>,
}

/// What a master deals of its plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Dealing {
    /// When the plan began, or is to begin.
    pub(crate) began: Instant,
    /// What it says.
    pub(crate) words: PlanWords,
}

/// The ids an `add` gave out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Added {
    /// The first id; 0 if no user was asked for.
    pub first: u64,
    /// The last id; 0 if no user was asked for.
    pub last: u64,
}

impl Added {
    /// No users were asked for.
    pub const NOBODY: Self = Self { first: 0, last: 0 };

    /// How many users were added.
    pub fn count(self) -> u64 {
        if self.first == 0 { 0 } else { self.last - self.first + 1 }
    }
}

/// What `set` did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetOutcome {
    /// The settings that changed.
    pub changed: Vec<String>,
    /// What the scenario's hooks failed with: the setting and the reason.
    pub faults: Vec<(String, String)>,
}

/// What `status` tells.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Status {
    /// This node's name.
    pub node: String,
    /// The state of the run.
    pub state: RunState,
    /// Why it failed.
    pub reason: Option<String>,
    /// The scenario of the run.
    pub scenario: Option<String>,
    /// Users by state.
    pub users: UserCounts,
    /// The highest user id given out.
    pub highest_user_id: u64,
    /// The rate users are admitted at, as people write it.
    pub user_rate: Option<String>,
    /// How long the run goes on, or took.
    pub elapsed: Duration,
    /// How far its load profile is, if it follows one that has begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<PlanStatus>,
}

/// What `user ID` tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserView {
    /// The user.
    pub id: UserId,
    /// `waiting`, `running`, `stopping`, `failed`, `panicked`, `killed`, or `gone`.
    pub state: String,
    /// How long it lives or lived.
    pub age: Option<Duration>,
    /// The node it is on.
    pub node: String,
    /// Why it ended, if it did not end well and that is still known.
    pub failure: Option<String>,
}

/// A setting with its current value.
#[derive(Debug, Clone)]
pub struct SettingView {
    /// Its declaration.
    pub declaration: Declaration,
    /// Its value and where that comes from.
    pub value: Value,
}

/// All that a report tells of a run, but for what was measured in it.
#[derive(Debug, Clone)]
pub struct Account {
    /// Which run of this node it is, from 1.
    pub number: u64,
    /// The scenario.
    pub scenario: &'static str,
    /// The settings by name; `None` for one without a value.
    pub settings: Vec<(String, Option<String>)>,
    /// The state now.
    pub state: RunState,
    /// Why it failed.
    pub reason: Option<String>,
    /// When it was asked for.
    pub started: std::time::SystemTime,
    /// The same on the monotonic clock.
    pub began: Instant,
    /// How long it took, or takes so far.
    pub elapsed: Duration,
    /// Users by state.
    pub users: UserCounts,
    /// Users by how they ended.
    pub endings: EndingCounts,
    /// What became of arrivals, by stage.
    pub arrivals: Tallies,
    /// When the load profile began, since the run was asked for; `None`: there is none, or it has
    /// not begun.
    pub profile_began: Option<Duration>,
    /// Where arrivals come in, if the run follows a load profile.
    pub(crate) gate: Option<Gate>,
    /// What was measured.
    pub measure: Measure,
    /// What the throttles and coordinators were like when the run ended; `None` while it goes on.
    pub ended: Option<Ended>,
}

type Reply<T> = RpcReplyPort<Result<T, Refusal>>;

/// Everything the controller is told. Verbs come from the node's handle; the rest as noted.
pub(crate) enum ControllerMessage {
    /// `do`; answered when `init` is over. A run that follows a master leaves alone what is the
    /// whole cluster's, and keeps word of users that are gone.
    Do {
        scenario: String,
        users: u64,
        given: Vec<(String, String)>,
        follows: bool,
        reply: Reply<Added>,
    },
    /// From the task that ran `init`.
    InitDone { run: u64, outcome: Result<Arc<dyn Running>, Failure> },
    /// `add COUNT`.
    Add { count: u64, reply: Reply<Added> },
    /// `add FROM..TO`.
    AddRange { first: u64, last: u64, reply: Reply<Added> },
    /// `remove COUNT [force]`; answered with the number chosen.
    Remove { count: u64, force: bool, reply: Reply<u64> },
    /// `stop`; answered at once if users have to leave first, else when the run is over.
    Stop { reply: Reply<()> },
    /// `stop gracefully`; answered at once.
    StopGracefully { reply: Reply<()> },
    /// A run that ends gracefully is to be looked after.
    Finishing { run: u64 },
    /// `reset`; answered when the node is idle.
    Reset { reply: Reply<()> },
    /// From the task that ended what was left of a run that is being forgotten.
    Cleared,
    /// `set`; answered when the scenario's hooks are over.
    Set { given: Vec<(String, String)>, reply: Reply<SetOutcome> },
    /// Whether `set` would be done; changes nothing.
    CheckSet { given: Vec<(String, String)>, reply: Reply<()> },
    /// From a master: add exactly these users, but for those that live here.
    Place { users: IdSet },
    /// From a master: give so many users back.
    Release { count: u64 },
    /// From a master: more of its plan.
    Deal(Dealing),
    /// From the gate: users are to be started for these arrivals.
    Arrive { run: u64, arrivals: Vec<Arrival> },
    /// From the run's clock: whatever its plan asks for by now.
    Follow { run: u64 },
    /// The users this timer was set for are no longer needed, and have had their time.
    Overdue { run: u64, timer: Timer },
    /// The users this timer was set for were told to stop, and have had their time.
    GraceIsOver { run: u64, timer: Timer },
    /// End the run as failed: everybody is killed at once, or told to stop first. Answered when
    /// that is on its way.
    End { reason: String, at_once: bool, reply: RpcReplyPort<()> },
    /// How a run that follows a master stands, and if asked for who lives here; ids that are gone are
    /// told once.
    Standing { living: bool, reply: RpcReplyPort<Standing> },
    /// From the admission task: the user rate lets so many in. Answered with one receiver a
    /// supervisor, which hears when its share is started.
    Admit { run: u64, count: u64, reply: RpcReplyPort<Vec<oneshot::Receiver<u64>>> },
    /// From user supervisors: these users ended.
    Exits(Vec<Exit>),
    /// From the task that ran `terminate`.
    Terminated { run: u64, ended: Ended },
    /// `status`.
    Status { reply: RpcReplyPort<Status> },
    /// `users`.
    Users { limit: usize, reply: RpcReplyPort<Vec<UserView>> },
    /// `user ID`.
    User { id: UserId, reply: Reply<UserView> },
    /// `settings`.
    Settings { reply: RpcReplyPort<Vec<SettingView>> },
    /// For reports; `None` when idle.
    Account { reply: RpcReplyPort<Option<Account>> },
}

impl ractor::Message for ControllerMessage {}

impl fmt::Debug for ControllerMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ControllerMessage")
    }
}
