//! What the master and its workers tell each other about the run.
//!
//! An *assignment* is one worker's part in one run: made by [`ToWorker::Begin`], named in every
//! message after that, over when the worker is lost, has left, or the run is forgotten. A message
//! of another assignment than the current one is ignored.

use std::time::Duration;

use crowd_core::{
    refusal::Refusal,
    user_id::{IdSet, UserId},
};
use crowd_plan::load::{desk::Deal, tally::Tallies};
use serde::{Deserialize, Serialize};

use super::{Protocol, Service};
use crate::{
    cluster::member::MemberId,
    controller::{
        endings::EndingCounts,
        machine::RunState,
        message::{SetOutcome, UserView},
        population::UserCounts,
    },
};

/// The number of an assignment, given out by the master, never twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Assignment(pub(crate) u64);

/// What a worker needs to take part in a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RunSpec {
    /// Unique among runs.
    pub(crate) id: String,
    /// The scenario.
    pub(crate) scenario: String,
    /// The settings as they were given and changed since, `user_rate` among them: a late joiner
    /// starts with what is true now.
    pub(crate) settings: Vec<(String, String)>,
    /// How long ago the run began.
    pub(crate) elapsed: Duration,
}

/// Master to worker. All of it is idempotent: to be told twice is as good as once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum ToWorker {
    /// Take part: forget (kill the users of) whatever was before, run `init`. A call; answered when
    /// `init` is over.
    Begin { assignment: Assignment, run: RunSpec },
    /// Let these users in, as fast as the throttle `user_rate` allows. A cast.
    Place { assignment: Assignment, users: IdSet },
    /// Choose so many users, waiting ones first, then the newest, and tell them to stop; a call,
    /// answered with [`WorkerAnswer::Chosen`].
    Remove { assignment: Assignment, count: u64, force: bool },
    /// Give so many users back: those that wait at once, then the newest running ones, which are
    /// told to stop, killed two seconds later, and given back when they have ended (if they end by
    /// themselves meanwhile they count as ended). A cast; they come back in [`Beat::released`].
    Release { assignment: Assignment, count: u64 },
    /// Check changed settings, and change nothing. A call.
    CheckSettings { assignment: Assignment, settings: Vec<(String, String)> },
    /// Apply settings that every worker has checked. A call, answered with
    /// [`WorkerAnswer::Applied`].
    ApplySettings { assignment: Assignment, settings: Vec<(String, String)> },
    /// End the run: nobody waits on, all users are stopped, killed two seconds later, then
    /// `terminate`. A call, answered at once; the end comes as a state in a [`Beat`].
    Stop { assignment: Assignment },
    /// Let nobody begin anything new, and what is under way finish. A cast; said again until the run
    /// stops.
    Finish { assignment: Assignment },
    /// Forget the run. A call, answered when this node is idle.
    Reset { assignment: Assignment },
    /// The answer to a [`Beat`]: you may run users for [`crate::cluster::lease::LEASE`] from the
    /// moment that beat was *sent*. A cast.
    Renewed {
        assignment: Assignment,
        /// [`Beat::sent`] of the beat this answers.
        sent: u64,
        /// How many members the cluster has, the master and those that are away among them: see
        /// [`crate::cluster::lease`].
        members: u64,
    },
    /// Where users are, for messages between them: these ids are on that node from now on; on no
    /// node if it is `None`. A cast, to all workers.
    Whereabouts { assignment: Assignment, changes: Vec<(IdSet, Option<MemberId>)> },
    /// More of the load profile. A cast, in order.
    Plan {
        assignment: Assignment,
        /// When the profile began, or is to begin, on the master's clock in nanoseconds.
        began: u64,
        /// When this was sent, on the same clock.
        sent: u64,
        words: PlanWords,
    },
    /// For `users`. A call, answered with [`WorkerAnswer::Users`].
    Users { limit: u64 },
    /// For `user ID`. A call, answered with [`WorkerAnswer::User`].
    User { id: UserId },
}

/// What a worker is told of the load profile.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PlanWords {
    /// Which message it is; they count upwards.
    pub(crate) message: u64,
    /// How many users to keep running from now on, replacing those that end.
    pub(crate) users: u64,
    /// Arrivals that are to come, in order.
    pub(crate) deals: Vec<Deal>,
    /// Ids for users, beside those given before.
    pub(crate) reserve: IdSet,
    /// No arrivals will come for a while: users that are kept for them may go.
    pub(crate) pause: bool,
    /// Nobody is needed here any more.
    pub(crate) over: bool,
}

/// How the load profile stands on a worker.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PlanBeat {
    /// The last message that was heard.
    pub(crate) heard: u64,
    /// How many users live that were not started for arrivals.
    pub(crate) kept: u64,
    /// How many users serve arrivals, or may come to.
    pub(crate) serving: u64,
    /// How many arrivals were let in whose users are about to be started.
    pub(crate) coming: u64,
    /// How many ids are left.
    pub(crate) reserved: u64,
    /// What became of arrivals.
    pub(crate) tallies: Tallies,
}

/// What a worker answers to calls.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum WorkerAnswer {
    /// It is done.
    Done,
    /// Nothing was changed.
    Refused(Refusal),
    /// So many users were chosen.
    Chosen(u64),
    /// What `set` did there.
    Applied(SetOutcome),
    /// Running users, lowest ids first.
    Users(Vec<UserView>),
    /// One user; `None`: not known there.
    User(Option<UserView>),
}

impl Protocol for ToWorker {
    const SERVICE: Service = Service::Run;
    type Answer = WorkerAnswer;
}

/// Worker to master.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum ToMaster {
    /// How the worker's part stands: sent twice a second, and at once when the state changes.
    Beat(Box<Beat>),
    /// This node is about to end: move its users away. It goes on beating; once all its users are
    /// released it may go, and says so by disconnecting.
    Leaving { assignment: Assignment },
}

impl Protocol for ToMaster {
    const SERVICE: Service = Service::Report;
    type Answer = ();
}

/// How a worker's part stands.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Beat {
    /// Which part.
    pub(crate) assignment: Assignment,
    /// When it was sent, on the worker's clock, in nanoseconds.
    pub(crate) sent: u64,
    /// The state of the run there.
    pub(crate) state: RunState,
    /// Why it failed there.
    pub(crate) reason: Option<String>,
    /// Its users by state, since the assignment began. Released users are in none of them.
    pub(crate) users: UserCounts,
    /// How its users ended.
    pub(crate) endings: EndingCounts,
    /// Users that have ended since the last beat.
    pub(crate) ended: IdSet,
    /// Users given back since the last beat: they neither wait nor run here any more.
    pub(crate) released: IdSet,
    /// How the load profile stands, if the run follows one.
    pub(crate) plan: PlanBeat,
    /// In the first beat over a new link to the master, if the users have lived on since the last
    /// one: all that wait or run here. [`Self::ended`] then has all that the master has not said it
    /// heard of, and this part goes on.
    pub(crate) living: Option<IdSet>,
    /// The lease was over and its users here were killed: they may start elsewhere, and this part
    /// is over.
    pub(crate) cut_off: bool,
}

impl Default for Assignment {
    /// No assignment: the master counts from 1.
    fn default() -> Self {
        Self(0)
    }
}
