//! Pure: what the master decides. Verbs, members that come and go, and what workers tell go in,
//! with the time; commands come out, which the master actor performs. There is no clock here, no
//! runtime and no network.
//!
//! What must survive the master is in [`Run`] and changes only by [`Change`]. The rest of [`Core`] is
//! what is under way: calls that are not answered, verbs that are not.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use crowd_core::{
    refusal::{Code, Refusal},
    user_id::IdSet,
};

use super::view::{ClusterSet, Dealt, Removed};
use crate::{
    cluster::{
        ids,
        member::MemberId,
        protocol::run::{Assignment, RunSpec, ToWorker, WorkerAnswer},
        run::{Change, Run, Stage},
    },
    settings::OnNodeLoss,
};

mod back;
mod begin;
mod end;
mod loss;
mod moving;
pub(super) mod plan;
mod report;
pub(super) mod settings;
pub(super) mod status;
mod users;

/// How long an ordinary call may take.
pub(crate) const ANSWER: Duration = Duration::from_secs(10);

/// What the master does in which case, and how long things may take.
#[derive(Debug, Clone)]
pub(crate) struct Policy {
    pub(crate) me: MemberId,
    pub(crate) on_node_loss: OnNodeLoss,
    pub(crate) rebalance: bool,
    pub(crate) master_timeout: Duration,
    pub(crate) init_timeout: Duration,
    pub(crate) terminate_timeout: Duration,
}

/// What is to be done, in this order.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Command {
    /// Send a message and hand its answer to [`Core::answered`].
    Call { call: u64, to: MemberId, message: ToWorker, within: Duration },
    /// Send a message.
    Cast { to: MemberId, message: ToWorker },
    /// Answer a verb.
    Answer { verb: u64, outcome: Result<Outcome, Refusal> },
    /// Tell the companions: a run begins.
    Begin(RunSpec),
    /// Tell the companions: that worker takes part.
    Joined(MemberId, Assignment),
    /// Tell the companions: that worker's users are dead.
    Gone(MemberId),
    /// Tell the companions that the run is over, then say [`Core::ended`].
    End,
    /// Tell the companions: the run is forgotten.
    Forget,
    /// Users have to go elsewhere.
    Moved { from: MemberId, users: u64, reason: String },
    /// A worker that was lost is back, with so many users.
    Back { worker: MemberId, users: u64 },
    /// These settings hold from now on.
    Settings(Vec<(String, String)>),
    /// There is no run any more, and so no master.
    Resign,
}

/// What a verb answers.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Outcome {
    Done,
    Dealt(Dealt),
    Removed(Removed),
    Set(ClusterSet),
    Moved(u64),
}

/// A `do` whose settings are checked.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Plan {
    pub(crate) id: String,
    pub(crate) scenario: String,
    pub(crate) users: u64,
    pub(crate) settings: Vec<(String, String)>,
    pub(crate) load: Option<plan::Load>,
}

/// The master's decisions.
#[derive(Debug)]
pub(crate) struct Core {
    policy: Policy,
    run: Option<Run>,
    /// The load profile it follows.
    load: Option<plan::Load>,
    /// When the run began.
    began: Duration,
    /// The other members that are reached.
    members: BTreeSet<MemberId>,
    /// Those of them that know no other master.
    free: BTreeSet<MemberId>,
    /// Those that took part, or tried to, since they came.
    tried: BTreeSet<MemberId>,
    /// Members that are away, by name: they may live, reach each other, and believe the master dead.
    /// A name that comes back is not away any more: no two living have one name.
    away: BTreeMap<Arc<str>, loss::Away>,
    /// Lost parts whose workers are linked again, and until when they may say that they go on.
    expected: BTreeMap<Assignment, Duration>,
    /// When a part was renewed last, and what it was told.
    heard: BTreeMap<Assignment, loss::Heard>,
    /// How many users of a part were chosen to be removed.
    chosen: BTreeMap<Assignment, u64>,
    /// How many users a part was asked to give back, and until when they should be here.
    releasing: BTreeMap<Assignment, (u64, Duration)>,
    /// How many assignments were given out.
    assignments: u64,
    calls: u64,
    pending: BTreeMap<u64, Purpose>,
    doing: Option<begin::Doing>,
    removals: BTreeMap<u64, users::Removal>,
    drains: BTreeMap<Assignment, moving::Drain>,
    setting: Option<settings::Setting>,
    sets: VecDeque<settings::Set>,
    /// Verbs that wait until all workers know that the run is to stop, and which do not yet.
    stops: (Vec<u64>, BTreeSet<u64>),
    /// When a run that ends gracefully stops at the latest.
    finish_by: Option<Duration>,
    /// When workers that have not ended are given up.
    stop_by: Option<Duration>,
    /// Whether the companions are ending.
    ending: bool,
    resetting: Option<end::Resetting>,
    commands: Vec<Command>,
    /// Where users are from now on; not told yet.
    whereabouts: Vec<(IdSet, Option<MemberId>)>,
}

/// What a call is for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Purpose {
    Begin(Assignment),
    Remove {
        verb: u64,
        assignment: Assignment,
        asked: u64,
    },
    Check(Assignment),
    Apply(Assignment),
    Stop,
    Reset,
    /// Whatever it answers.
    Nothing,
}

/// What a call came to; otherwise why there is no answer.
pub(crate) type Answered = Result<WorkerAnswer, String>;

impl Core {
    /// A master of nothing, whose first assignment comes after `assignments`.
    pub(crate) fn new(policy: Policy, assignments: u64) -> Self {
        Self {
            policy,
            run: None,
            load: None,
            began: Duration::ZERO,
            members: BTreeSet::new(),
            free: BTreeSet::new(),
            tried: BTreeSet::new(),
            away: BTreeMap::new(),
            expected: BTreeMap::new(),
            heard: BTreeMap::new(),
            chosen: BTreeMap::new(),
            releasing: BTreeMap::new(),
            assignments,
            calls: 0,
            pending: BTreeMap::new(),
            doing: None,
            removals: BTreeMap::new(),
            drains: BTreeMap::new(),
            setting: None,
            sets: VecDeque::new(),
            finish_by: None,
            stops: Default::default(),
            stop_by: None,
            ending: false,
            resetting: None,
            commands: Vec::new(),
            whereabouts: Vec::new(),
        }
    }

    /// The run.
    pub(crate) fn run(&self) -> Option<&Run> {
        self.run.as_ref()
    }

    /// Whether there is no run, nor one being forgotten.
    pub(crate) fn is_idle(&self) -> bool {
        self.run.is_none() && self.resetting.is_none()
    }

    /// What is to be done; to be asked after every event.
    pub(crate) fn commands(&mut self) -> Vec<Command> {
        std::mem::take(&mut self.commands)
    }

    /// A call was answered, or was not.
    pub(crate) fn answered(&mut self, now: Duration, call: u64, answer: Answered) {
        match self.pending.remove(&call) {
            Some(Purpose::Begin(assignment)) => self.begun(now, assignment, answer),
            Some(Purpose::Remove { verb, assignment, asked }) => {
                self.removed(verb, assignment, asked, call, answer);
            }
            Some(Purpose::Check(assignment)) => self.checked(now, assignment, call, answer),
            Some(Purpose::Apply(assignment)) => self.applied(now, assignment, call, answer),
            Some(Purpose::Stop) => self.stop_heard(call),
            Some(Purpose::Reset) => self.reset_heard(now, call),
            Some(Purpose::Nothing) | None => {}
        }
        self.tidy(now);
    }

    /// What has to be looked after whatever has happened.
    fn tidy(&mut self, now: Duration) {
        self.fail_with_all_workers(now);
        self.join_all(now);
        self.deal_unplaced();
        self.answer_drains();
        self.tell_whereabouts();
        self.look_whether_over();
    }

    fn apply(&mut self, change: Change) {
        if let Some(run) = &mut self.run {
            run.apply(change);
        }
    }

    fn stage(&self) -> Option<Stage> {
        self.run.as_ref().map(|run| run.stage)
    }

    fn command(&mut self, command: Command) {
        self.commands.push(command);
    }

    fn answer(&mut self, verb: u64, outcome: Result<Outcome, Refusal>) {
        self.command(Command::Answer { verb, outcome });
    }

    fn refuse(&mut self, verb: u64, code: Code, message: impl Into<String>) {
        self.answer(verb, Err(Refusal::new(code, message)));
    }

    fn call(
        &mut self,
        to: &MemberId,
        message: ToWorker,
        within: Duration,
        purpose: Purpose,
    ) -> u64 {
        self.calls += 1;
        let call = self.calls;
        self.pending.insert(call, purpose);
        self.command(Command::Call { call, to: to.clone(), message, within });
        call
    }

    /// The workers of the parts in use, by assignment.
    fn workers(&self, which: impl Fn(&crate::cluster::run::Part) -> bool) -> Workers {
        let parts = self.run.iter().flat_map(|run| &run.parts);
        parts
            .filter(|(_, part)| which(part))
            .map(|(assignment, part)| (*assignment, part.worker.clone()))
            .collect()
    }

    /// Refuses a verb that needs the run to go on.
    fn require_running(&self, verb: &str) -> Result<(), Refusal> {
        match self.run.as_ref() {
            Some(run) if run.stage == Stage::Running => Ok(()),
            Some(run) => Err(self.wrong_state(verb, "running", run.state().as_str())),
            None => Err(self.wrong_state(verb, "running", "idle")),
        }
    }

    fn wrong_state(&self, verb: &str, wanted: &str, state: &str) -> Refusal {
        let hint = match (verb, state) {
            ("do", "running") => "; `stop` ends it, `add` adds users to it",
            ("do", _) => "",
            (_, "idle") => "; `do` starts a run",
            _ => "",
        };
        let message = format!("`{verb}` needs the run to be {wanted}, and it is {state}{hint}");
        Refusal::new(Code::InvalidStatus, message)
    }

    /// Tells all workers where users are, in messages that are not too long.
    fn tell_whereabouts(&mut self) {
        let changes = std::mem::take(&mut self.whereabouts);
        let to = self.workers(crate::cluster::run::Part::is_begun);
        for (assignment, worker) in to {
            self.cast_whereabouts(assignment, &worker, &changes);
        }
    }

    fn cast_whereabouts(
        &mut self,
        assignment: Assignment,
        to: &MemberId,
        changes: &[(IdSet, Option<MemberId>)],
    ) {
        let (mut batch, mut ranges) = (Vec::new(), 0);
        for (users, place) in changes {
            for part in ids::parts(users, ids::MOST_RANGES) {
                let more = part.ranges().count();
                if ranges + more > ids::MOST_RANGES {
                    let changes = std::mem::take(&mut batch);
                    let message = ToWorker::Whereabouts { assignment, changes };
                    self.command(Command::Cast { to: to.clone(), message });
                    ranges = 0;
                }
                ranges += more;
                batch.push((part, place.clone()));
            }
        }
        if !batch.is_empty() {
            let message = ToWorker::Whereabouts { assignment, changes: batch };
            self.command(Command::Cast { to: to.clone(), message });
        }
    }
}

type Workers = Vec<(Assignment, MemberId)>;

/// Why an answer is none to be content with.
fn fault(answer: &Answered) -> String {
    match answer {
        Ok(WorkerAnswer::Refused(refusal)) => refusal.message.clone(),
        Ok(other) => format!("it answered something else than was asked: {other:?}"),
        Err(why) => why.clone(),
    }
}

#[cfg(test)]
mod tests;
