//! The user supervisor: an actor that starts users and hears how they end. One per core, each in
//! charge of the ids that are its index modulo their number.

use std::{
    collections::VecDeque,
    sync::{Arc, Weak},
    time::Duration,
};

use crowd_core::telemetry::{Telemetry, event::UserStart};
use crowd_measure::Measure;
use crowd_plan::load::gate::Gate;
use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort};
use rustc_hash::FxHashSet;
use tokio::time::Instant;

use super::{
    core::UserCore,
    directory::Directory,
    fence::Fence,
    id::{IdSet, UserId},
    task::{Exit, ExitBox, Watch},
};
use crate::scenario::erased::Running;

/// How many users are started, stopped or killed before others get a turn.
const TURN: usize = 512;

/// What the controller tells a user supervisor.
pub(crate) enum SupervisorMessage {
    /// Start your share of these users; answered when they are started.
    Start {
        /// The scenario they run.
        scenario: Arc<dyn Running>,
        /// Its name.
        name: &'static str,
        /// All ids, also those of other supervisors.
        ids: Arc<IdSet>,
        /// Where users of this run are found.
        directory: Directory,
        /// Where they measure.
        measure: Measure,
        /// When the arrivals were due that they are started for, in the order of the ids, which
        /// are one range then.
        dues: Option<Arc<[Instant]>>,
        /// Who is told how late they are; nobody, if that is not the generator's doing.
        gate: Option<Gate>,
        /// Answered with the number started.
        done: Option<RpcReplyPort<u64>>,
    },
    /// Tell your share of these users that they are no longer needed.
    Retire(Arc<IdSet>),
    /// Tell those of your users that are no longer needed to stop, if they have no boundary of their
    /// own to leave at and nothing of theirs is under way; kill them so long after that.
    LetGo {
        /// Whose attempts are under way.
        under_way: Arc<FxHashSet<u64>>,
        /// How long after they were told to stop they are killed.
        grace: Duration,
    },
    /// Tell your share of these users to stop.
    Stop(Arc<IdSet>),
    /// Kill those of your share that still run.
    Kill(Arc<IdSet>),
    /// There are exits to collect. Users send it, through their [`ExitBox`].
    Collect,
}

impl ractor::Message for SupervisorMessage {}

impl std::fmt::Debug for SupervisorMessage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Start { .. } => "Start",
            Self::Retire(_) => "Retire",
            Self::LetGo { .. } => "LetGo",
            Self::Stop(_) => "Stop",
            Self::Kill(_) => "Kill",
            Self::Collect => "Collect",
        })
    }
}

/// Called with the ends of users, in the order in which they ended.
pub(crate) type OnExits = Box<dyn Fn(Vec<Exit>) + Send + Sync>;

/// One user supervisor.
pub(crate) struct UserSupervisor {
    /// Which of them it is.
    pub(crate) index: u64,
    /// How many there are.
    pub(crate) of: u64,
    /// Where events go.
    pub(crate) telemetry: Telemetry,
    /// Who is told of exits.
    pub(crate) on_exits: OnExits,
    /// Until when users may act.
    pub(crate) fence: Fence,
}

/// What changes.
pub(crate) struct SupervisorState {
    exits: Arc<ExitBox>,
    directory: Directory,
    index: u64,
    of: u64,
    /// Who was told to stop as nothing of theirs was under way, and when; the first ones first. By
    /// their lives and not by their ids, which the next run gives out again.
    let_go: VecDeque<(Instant, Vec<Weak<UserCore>>)>,
}

impl UserSupervisor {
    fn share<'a>(&'a self, ids: &'a IdSet) -> impl Iterator<Item = UserId> + 'a {
        ids.ranges().flat_map(move |range| {
            let (first, last) = range.into_inner();
            let offset = (self.index + self.of - first % self.of) % self.of;
            (first.saturating_add(offset)..=last).step_by(self.of as usize).map(UserId)
        })
    }
}

impl Actor for UserSupervisor {
    type Msg = SupervisorMessage;
    type State = SupervisorState;
    type Arguments = ();

    async fn pre_start(
        &self,
        myself: ActorRef<Self::Msg>,
        (): (),
    ) -> Result<Self::State, ActorProcessingErr> {
        let exits = Arc::new(ExitBox::new(move || {
            // Fails only when the supervisor is gone, and then its users are killed anyway.
            let _ = myself.cast(SupervisorMessage::Collect);
        }));
        Ok(SupervisorState {
            exits,
            directory: Directory::default(),
            index: self.index,
            of: self.of,
            let_go: VecDeque::new(),
        })
    }

    async fn handle(
        &self,
        _myself: ActorRef<Self::Msg>,
        message: Self::Msg,
        state: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            SupervisorMessage::Start {
                scenario,
                name,
                ids,
                directory,
                measure,
                dues,
                gate,
                done,
            } => {
                state.directory = directory;
                let exits = state.exits.clone();
                let fence = self.fence.clone();
                let watch = Arc::new(Watch { exits, measure, scenario: name, fence });
                let (mut started, mut late) = (0, Vec::new());
                let first = ids.ranges().next().map_or(0, |range| *range.start());
                for id in self.share(&ids) {
                    let now = Instant::now();
                    let due = dues.as_ref().and_then(|dues| dues.get((id.0 - first) as usize));
                    late.extend(due.map(|due| now.saturating_duration_since(*due)));
                    let core = Arc::new(UserCore::arrived(id, now, due.copied()));
                    state.directory.insert(core.clone());
                    self.telemetry.emit_with(1, || UserStart { scenario: name, user: id });
                    scenario.start(core, watch.clone());
                    started += 1;
                    give_way(started).await;
                }
                if let Some(gate) = gate.filter(|_| !late.is_empty()) {
                    gate.began_late(late);
                }
                // Whoever asked may have given up; the users run all the same.
                done.map(|done| done.send(started as u64));
            }
            SupervisorMessage::Retire(ids) => {
                self.each(&ids, &state.directory, UserCore::retire).await;
            }
            SupervisorMessage::Stop(ids) => {
                self.each(&ids, &state.directory, UserCore::stop).await;
            }
            SupervisorMessage::LetGo { under_way, grace } => state.let_go(&under_way, grace),
            SupervisorMessage::Kill(ids) => {
                self.each(&ids, &state.directory, UserCore::kill).await;
            }
            SupervisorMessage::Collect => {
                let exits = state.exits.take();
                for exit in &exits {
                    state.directory.remove(exit.user);
                }
                (self.on_exits)(exits);
            }
        }
        Ok(())
    }
}

impl UserSupervisor {
    async fn each(&self, ids: &IdSet, directory: &Directory, act: impl Fn(&UserCore)) {
        for (turn, id) in self.share(ids).enumerate() {
            if let Some(user) = directory.get(id) {
                act(&user);
            }
            give_way(turn + 1).await;
        }
    }
}

impl SupervisorState {
    fn let_go(&mut self, under_way: &FxHashSet<u64>, grace: Duration) {
        let now = Instant::now();
        let (index, of) = (self.index, self.of);
        let mut told = Vec::new();
        self.directory.each(|user| {
            let id = user.id();
            let mine = id.0 % of == index;
            if mine && user.begins_nothing() && !user.is_stopping() && !under_way.contains(&id.0) {
                user.stop();
                told.push(Arc::downgrade(user));
            }
        });
        if !told.is_empty() {
            self.let_go.push_back((now, told));
        }
        while let Some((_, users)) = self.let_go.pop_front_if(|(then, _)| now >= *then + grace) {
            users.iter().filter_map(Weak::upgrade).for_each(|user| user.kill());
        }
    }
}

impl Drop for SupervisorState {
    /// A supervisor takes its users with it, however it ends.
    fn drop(&mut self) {
        let (index, of) = (self.index, self.of);
        self.directory.kill_and_forget(|id| id.0 % of == index);
    }
}

async fn give_way(done: usize) {
    if done.is_multiple_of(TURN) {
        tokio::task::yield_now().await;
    }
}
