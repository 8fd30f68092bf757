//! Pure: the life of a run on one node. Verbs and happenings go in, commands come out; the
//! controller actor performs them.

use serde::{Deserialize, Serialize};

mod timers;

pub use timers::Timer;
use timers::Timers;

use super::population::{Count, Departure, Gone, Population, Removal};
use crowd_core::{
    refusal::{Code, Refusal},
    user_id::{IdSet, UserId},
};

/// The state of the run on this node.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunState {
    /// There is no run.
    #[default]
    Idle,
    /// `init` is under way.
    Starting,
    /// Users run, or may be added.
    Running,
    /// Users are being told to go, or `terminate` runs.
    Terminating,
    /// The run has ended.
    Finished,
    /// `init` failed, or the runtime broke.
    Failed,
    /// This node commands others and runs no users.
    Disabled,
}

impl RunState {
    /// The state as it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Terminating => "terminating",
            Self::Finished => "finished",
            Self::Failed => "failed",
            Self::Disabled => "disabled",
        }
    }
}

impl std::fmt::Display for RunState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// What the controller is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Run `init`.
    Init,
    /// Give `init` up.
    AbortInit,
    /// So many users wait for admission now.
    Demand(u64),
    /// Start these users.
    Start(IdSet),
    /// Tell these users to stop.
    Stop(IdSet),
    /// Tell these users that they are no longer needed; [`Machine::overdue`] when they have had the
    /// time to end their iteration.
    Retire(IdSet, Timer),
    /// [`Machine::grace_is_over`] for these users when the grace time is.
    KillAfterGrace(Timer),
    /// Kill these users now.
    Kill(IdSet),
    /// Run `terminate` and end everything the run started.
    Terminate,
    /// End what is left of an ended run, and throttles that were started without one; then see
    /// [`Machine::cleared`].
    Clear,
    /// Forget the run.
    Forget,
}

/// The run as the controller sees it.
#[derive(Debug, Default)]
pub struct Machine {
    stage: Stage,
    population: Population,
    timers: Timers,
    /// A `reset` is under way: nothing begins until it is done.
    resetting: bool,
}

#[derive(Debug, Default)]
enum Stage {
    #[default]
    Idle,
    Starting,
    Running,
    /// Users are going.
    Leaving {
        broken: Option<String>,
    },
    /// All are gone, `terminate` runs.
    Ending {
        broken: Option<String>,
    },
    Finished,
    Failed {
        reason: String,
    },
    Disabled,
}

impl Machine {
    /// The state for others to see.
    pub fn state(&self) -> RunState {
        match self.stage {
            Stage::Idle => RunState::Idle,
            Stage::Starting => RunState::Starting,
            Stage::Running => RunState::Running,
            Stage::Leaving { .. } | Stage::Ending { .. } => RunState::Terminating,
            Stage::Finished => RunState::Finished,
            Stage::Failed { .. } => RunState::Failed,
            Stage::Disabled => RunState::Disabled,
        }
    }

    /// Why the run failed.
    pub fn reason(&self) -> Option<&str> {
        match &self.stage {
            Stage::Failed { reason } => Some(reason),
            Stage::Leaving { broken } | Stage::Ending { broken } => broken.as_deref(),
            _ => None,
        }
    }

    /// The users.
    pub fn population(&self) -> &Population {
        &self.population
    }

    /// `do`: begins a run.
    ///
    /// # Errors
    /// `invalid-status` unless idle.
    pub fn start(&mut self) -> Result<Vec<Command>, Refusal> {
        self.require("do", RunState::Idle)?;
        self.population = Population::default();
        self.timers = Timers::default();
        self.stage = Stage::Starting;
        Ok(vec![Command::Init])
    }

    /// `init` succeeded: the run takes users from now on.
    pub fn initialised(&mut self) -> bool {
        let starting = matches!(self.stage, Stage::Starting);
        if starting {
            self.stage = Stage::Running;
        }
        starting
    }

    /// `init` failed.
    pub fn init_failed(&mut self, reason: String) {
        if matches!(self.stage, Stage::Starting) {
            self.stage = Stage::Failed { reason };
        }
    }

    /// `add COUNT`.
    ///
    /// # Errors
    /// `invalid-status` unless running; `invalid-range` for a count that makes no sense.
    pub fn add(&mut self, count: u64) -> Result<(u64, u64, Vec<Command>), Refusal> {
        self.require("add", RunState::Running)?;
        let ids = self.population.add(count)?;
        Ok((*ids.start(), *ids.end(), self.demand()))
    }

    /// `add FROM..TO`.
    ///
    /// # Errors
    /// `invalid-status` unless running; `invalid-range` for ids that cannot be used.
    pub fn add_range(&mut self, first: u64, last: u64) -> Result<Vec<Command>, Refusal> {
        self.require("add", RunState::Running)?;
        self.population.add_range(first, last)?;
        Ok(self.demand())
    }

    /// A master places these users here; those that live here already are left alone. Answers how
    /// many are new.
    ///
    /// # Errors
    /// `invalid-status` unless running; `invalid-range` for ids that cannot be used.
    pub fn place(&mut self, users: &IdSet) -> Result<(u64, Vec<Command>), Refusal> {
        self.require("add", RunState::Running)?;
        let placed = self.population.place(users)?;
        self.timers.forget(&placed);
        Ok((placed.len(), self.demand()))
    }

    /// A master wants so many users back: see [`Population::release`].
    pub fn release(&mut self, count: u64) -> Vec<Command> {
        if !matches!(self.stage, Stage::Running) {
            return Vec::new();
        }
        let removal = self.population.release(count);
        let mut commands = if removal.cancelled.is_empty() { Vec::new() } else { self.demand() };
        commands.extend(self.farewell(removal.chosen, true));
        commands
    }

    /// The run ends as failed, because of something outside of it: at once, with everybody killed,
    /// or as by [`Machine::stop`]. A run that is over stays as it is.
    pub fn end(&mut self, reason: String, at_once: bool) -> Vec<Command> {
        match &mut self.stage {
            Stage::Starting => {
                self.stage = Stage::Failed { reason };
                vec![Command::AbortInit]
            }
            Stage::Running if at_once => self.kill_all(reason),
            Stage::Running => self.leave(Some(reason)),
            Stage::Leaving { broken } if at_once => {
                let reason = broken.take().unwrap_or(reason);
                self.kill_all(reason)
            }
            Stage::Leaving { broken } | Stage::Ending { broken } => {
                broken.get_or_insert(reason);
                Vec::new()
            }
            _ => Vec::new(),
        }
    }

    /// Ids that are gone are kept from now on, for [`Machine::take_gone`].
    pub fn keep_gone(&mut self) {
        self.population.keep_gone();
    }

    /// The ids that are gone since this was asked last.
    pub fn take_gone(&mut self) -> Gone {
        self.population.take_gone()
    }

    /// A master reserves these ids for users that are started for arrivals.
    pub fn reserve(&mut self, ids: &IdSet) {
        self.population.reserve(ids);
    }

    /// So many more users are to be kept running. Answers how many there will be ids for.
    pub fn keep(&mut self, count: u64) -> (u64, Vec<Command>) {
        match self.stage {
            Stage::Running => (self.population.keep(count), self.demand()),
            _ => (0, Vec::new()),
        }
    }

    /// Users are to be started for so many arrivals. Answers their ids: fewer if the run does not
    /// go on, or there are not so many ids.
    pub fn arrive(&mut self, count: u64) -> IdSet {
        match self.stage {
            Stage::Running => self.population.arrive(count),
            _ => IdSet::default(),
        }
    }

    /// So many users are no longer needed. Answers how many were chosen.
    pub fn retire(&mut self, count: u64) -> (u64, Vec<Command>) {
        if !matches!(self.stage, Stage::Running) || count == 0 {
            return (0, Vec::new());
        }
        let removal = self.population.retire(count);
        (removal.len(), self.retired(removal))
    }

    /// No user is needed any more.
    pub fn retire_all(&mut self) -> Vec<Command> {
        if !matches!(self.stage, Stage::Running) {
            return Vec::new();
        }
        let removal = self.population.retire_all();
        self.retired(removal)
    }

    fn retired(&mut self, removal: Removal) -> Vec<Command> {
        let mut commands = if removal.cancelled.is_empty() { Vec::new() } else { self.demand() };
        if !removal.chosen.is_empty() {
            let timer = self.timers.set(removal.chosen.clone());
            commands.push(Command::Retire(removal.chosen, timer));
        }
        commands
    }

    /// The users that were no longer needed have had the time to end their iteration.
    pub fn overdue(&mut self, timer: Timer) -> Vec<Command> {
        let chosen = self.population.overdue(&self.timers.ring(timer));
        self.farewell(chosen, true)
    }

    /// The users that were told to stop have had the time to do so.
    pub fn grace_is_over(&mut self, timer: Timer) -> Vec<Command> {
        let late = self.timers.ring(timer).within(self.population.leaving());
        if late.is_empty() { Vec::new() } else { vec![Command::Kill(late)] }
    }

    /// The user rate lets `count` users in.
    pub fn admit(&mut self, count: u64) -> Vec<Command> {
        if !matches!(self.stage, Stage::Running) {
            return Vec::new();
        }
        let ids = self.population.admit(count);
        if ids.is_empty() { Vec::new() } else { vec![Command::Start(ids)] }
    }

    /// `remove COUNT [force]`: the number chosen.
    ///
    /// # Errors
    /// `invalid-status` unless running; `invalid-range` for a count of 0.
    pub fn remove(&mut self, count: u64, force: bool) -> Result<(u64, Vec<Command>), Refusal> {
        self.require("remove", RunState::Running)?;
        if count == 0 {
            return Err(Refusal::new(Code::InvalidRange, "0 users cannot be removed"));
        }
        let removal = self.population.remove(count);
        let chosen = removal.len();
        let mut commands = if removal.cancelled.is_empty() { Vec::new() } else { self.demand() };
        // A forced removal is of the users chosen now: those told before keep their softer word.
        commands.extend(self.farewell(removal.chosen, force));
        Ok((chosen, commands))
    }

    /// `stop`: nobody waits on, everybody is removed by force.
    ///
    /// # Errors
    /// `invalid-status` unless starting or running.
    pub fn stop(&mut self) -> Result<Vec<Command>, Refusal> {
        match self.stage {
            Stage::Starting => {
                self.stage = Stage::Failed { reason: "stopped while `init` ran".into() };
                Ok(vec![Command::AbortInit])
            }
            Stage::Running => Ok(self.leave(None)),
            _ => Err(self.refusal("stop", "starting or running")),
        }
    }

    /// A part of the runtime broke and took its users with it: the run ends as failed.
    pub fn broke(&mut self, reason: String, lost: impl Fn(UserId) -> bool) -> Vec<Command> {
        let gone: Vec<_> = self.population.running_ids().filter(|id| lost(*id)).collect();
        for id in gone {
            self.population.ended(id, Count::Failed);
        }
        match &mut self.stage {
            Stage::Running => self.leave(Some(reason)),
            Stage::Leaving { broken } => {
                broken.get_or_insert(reason);
                self.terminate_when_empty()
            }
            _ => Vec::new(),
        }
    }

    /// A user ended.
    pub fn ended(&mut self, id: UserId, count: Count) -> Departure {
        self.population.ended(id, count)
    }

    /// To be asked after users ended: whether that was the last.
    pub fn terminate_when_empty(&mut self) -> Vec<Command> {
        match &mut self.stage {
            Stage::Leaving { broken } if self.population.running() == 0 => {
                self.stage = Stage::Ending { broken: broken.take() };
                vec![Command::Terminate]
            }
            _ => Vec::new(),
        }
    }

    /// `terminate` is over.
    pub fn terminated(&mut self) {
        if let Stage::Ending { broken } = &mut self.stage {
            self.stage = match broken.take() {
                Some(reason) => Stage::Failed { reason },
                None => Stage::Finished,
            };
        }
    }

    /// `reset`: begins to forget an ended run. The state stays what it is until that is done, and
    /// another `reset` meanwhile is part of the same.
    ///
    /// # Errors
    /// `invalid-status` while there is a run that has not ended.
    pub fn reset(&mut self) -> Result<Vec<Command>, Refusal> {
        match self.stage {
            Stage::Idle | Stage::Finished | Stage::Failed { .. } | Stage::Disabled => {
                let first = !std::mem::replace(&mut self.resetting, true);
                Ok(first.then_some(Command::Clear).into_iter().collect())
            }
            _ => Err(self.refusal("reset", "idle, finished or failed (`stop` first)")),
        }
    }

    /// What was left of the ended run is gone: it is forgotten now.
    pub fn cleared(&mut self) -> Vec<Command> {
        if !self.resetting {
            return Vec::new();
        }
        *self = Self::default();
        vec![Command::Forget]
    }

    /// This node commands others from now on and runs no users itself.
    ///
    /// # Errors
    /// `invalid-status` unless idle.
    pub fn disable(&mut self) -> Result<(), Refusal> {
        self.require("disable", RunState::Idle)?;
        self.stage = Stage::Disabled;
        Ok(())
    }

    /// Refuses a verb that does not fit the state.
    ///
    /// # Errors
    /// `invalid-status` if the state is another than `wanted`, or is to be idle while a `reset` goes
    /// on.
    pub fn require(&self, verb: &str, wanted: RunState) -> Result<(), Refusal> {
        if self.state() != wanted {
            return Err(self.refusal(verb, wanted.as_str()));
        }
        if wanted == RunState::Idle && self.resetting {
            let message = format!("`{verb}` needs the run to be idle, and it is being reset");
            return Err(Refusal::new(Code::InvalidStatus, message));
        }
        Ok(())
    }

    fn refusal(&self, verb: &str, wanted: &str) -> Refusal {
        let state = self.state();
        let hint = match (verb, state) {
            ("do", RunState::Finished | RunState::Failed) => "; `reset` makes it idle",
            ("do", RunState::Running) => "; `stop` and `reset` end it, `add` adds users to it",
            ("add" | "remove" | "set", RunState::Idle) => "; `do` starts a run",
            _ => "",
        };
        let message = format!("`{verb}` needs the run to be {wanted}, and it is {state}{hint}");
        Refusal::new(Code::InvalidStatus, message)
    }

    fn leave(&mut self, broken: Option<String>) -> Vec<Command> {
        let removal = self.population.remove(u64::MAX);
        self.stage = Stage::Leaving { broken };
        let mut commands = self.demand();
        // Those told to stop before are killed too: nobody outlives the run.
        let everybody = self.population.leaving().clone();
        commands.extend(self.farewell(removal.chosen, false));
        if !everybody.is_empty() {
            commands.push(Command::KillAfterGrace(self.timers.set(everybody)));
        }
        commands.extend(self.terminate_when_empty());
        commands
    }

    fn kill_all(&mut self, reason: String) -> Vec<Command> {
        self.population.remove(u64::MAX);
        self.stage = Stage::Leaving { broken: Some(reason) };
        let mut commands = self.demand();
        let everybody = self.population.leaving().clone();
        if !everybody.is_empty() {
            commands.push(Command::Kill(everybody));
        }
        commands.extend(self.terminate_when_empty());
        commands
    }

    fn demand(&self) -> Vec<Command> {
        vec![Command::Demand(self.population.waiting())]
    }

    fn farewell(&mut self, chosen: IdSet, force: bool) -> Vec<Command> {
        if chosen.is_empty() {
            return Vec::new();
        }
        let kill = force.then(|| Command::KillAfterGrace(self.timers.set(chosen.clone())));
        [Command::Stop(chosen)].into_iter().chain(kill).collect()
    }
}

#[cfg(test)]
mod tests;
