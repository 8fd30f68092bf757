//! Nodes in memory: a real master each, and a worker that only speaks the protocol.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use crowd_core::{failure::Failure, user_id::IdSet};
use futures_util::future::BoxFuture;

use super::super::*;
use crate::{
    cluster::{
        lease::BEAT,
        mesh::{Mesh, Responder, memory::Network},
        parts::Companion,
        protocol::run::{Assignment, Beat, RunSpec, ToMaster},
    },
    controller::{endings::EndingCounts, message::SetOutcome, population::UserCounts},
    prelude::*,
};

#[derive(Settings, Debug, Clone)]
pub(super) struct Knobs {
    /// How long a user waits.
    #[setting(default = "1s", update = free)]
    pub(super) pause: Duration,
    /// What it does.
    #[setting(default = "sleep")]
    pub(super) mode: String,
}

#[derive(Debug)]
pub(super) struct Idle;

impl Scenario for Idle {
    const NAME: &'static str = "idle";
    type Settings = Knobs;
    type Message = ();

    async fn init(_: &Run<Self>) -> Result<Self, Failure> {
        Ok(Self)
    }

    async fn start(&self, user: User<Self>) -> Result<(), Failure> {
        let settings = user.settings();
        user.count(&settings.mode, 1);
        Ok(user.sleep(settings.pause).await?)
    }
}

/// What a worker does and knows.
#[derive(Debug, Default)]
pub(super) struct Worker {
    pub(super) fails_init: bool,
    pub(super) silent: bool,
    pub(super) refuses_settings: bool,
    pub(super) fails_apply: bool,
    pub(super) run: Option<RunSpec>,
    pub(super) living: BTreeSet<u64>,
    pub(super) whereabouts: BTreeMap<u64, String>,
    pub(super) renewed: u64,
    master: Option<MemberId>,
    beat: Beat,
}

/// One node.
#[derive(Clone)]
pub(super) struct Node {
    pub(super) mesh: Mesh,
    pub(super) master: Master,
    pub(super) worker: Arc<Mutex<Worker>>,
    pub(super) companion: Arc<Recorder>,
}

/// Writes down what a companion is told.
#[derive(Debug, Default)]
pub(super) struct Recorder(Mutex<Vec<String>>);

impl Recorder {
    fn note(&self, what: String) {
        self.0.lock().unwrap().push(what);
    }

    pub(super) fn told(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

impl Companion for Recorder {
    fn begin(&self, run: &RunSpec) {
        self.note(format!("begin {}", run.scenario));
    }

    fn joined(&self, worker: &MemberId, _: Assignment) {
        self.note(format!("joined {worker}"));
    }

    fn gone(&self, worker: &MemberId) {
        self.note(format!("gone {worker}"));
    }

    fn end(&self) -> BoxFuture<'static, ()> {
        self.note("end".into());
        Box::pin(async {})
    }

    fn forget(&self) {
        self.note("forget".into());
    }
}

pub(super) async fn node(network: &Network, name: &str, loss: OnNodeLoss) -> Node {
    let mesh = network.node(name, 1);
    let companion = Arc::new(Recorder::default());
    let name: Arc<str> = name.into();
    let options = MasterOptions {
        catalog: Catalog::new().with::<Idle>(),
        environment: Arc::new(BTreeMap::<String, String>::new()),
        on_node_loss: loss,
        rebalance: false,
        master_timeout: Duration::from_secs(30),
        init_timeout: Duration::from_secs(60),
        terminate_timeout: Duration::from_secs(30),
        user_rate: "unlimited".into(),
        telemetry: Telemetry::default(),
        companions: vec![companion.clone()],
        announce: Arc::new(|_| {}),
        orphans: Arc::new(|_| Box::pin(async { None })),
        relay: Arc::new(move |request| {
            let text = format!("{name} did {}", request.line);
            Box::pin(async move { Ok((text, "{}".to_owned())) })
        }),
    };
    let master = Master::start(mesh.clone(), options).await.unwrap();
    let worker = Arc::new(Mutex::new(Worker::default()));
    let (served, answering) = (worker.clone(), mesh.clone());
    mesh.serve(move |from: &MemberId, message: ToWorker, responder| {
        let answer = lock(&served).hear(&answering, from, message);
        if let (Some(responder), Some(answer)) = (responder, answer) {
            Responder::answer(responder, &answer);
        }
    });
    let (beating, worker_mesh) = (worker.clone(), mesh.clone());
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(BEAT).await;
            lock(&beating).beat(&worker_mesh);
        }
    });
    Node { mesh, master, worker, companion }
}

fn lock(worker: &Mutex<Worker>) -> MutexGuard<'_, Worker> {
    worker.lock().unwrap()
}

impl Node {
    pub(super) fn worker(&self) -> MutexGuard<'_, Worker> {
        lock(&self.worker)
    }

    pub(super) fn living(&self) -> Vec<u64> {
        self.worker().living.iter().copied().collect()
    }
}

impl Worker {
    /// Some users end by themselves.
    pub(super) fn finish(&mut self, count: usize) {
        for id in self.living.iter().copied().take(count).collect::<Vec<_>>() {
            self.end(id, |users, endings| {
                users.finished += 1;
                endings.finished += 1;
            });
        }
    }

    fn end(&mut self, id: u64, count: impl Fn(&mut UserCounts, &mut EndingCounts)) {
        self.living.remove(&id);
        count(&mut self.beat.users, &mut self.beat.endings);
        self.beat.ended.insert(id..=id);
    }

    fn beat(&mut self, mesh: &Mesh) {
        let Some(master) = self.master.clone().filter(|_| !self.silent) else { return };
        if self.beat.state == RunState::Terminating {
            self.beat.state = RunState::Finished;
        }
        self.beat.sent = mesh.now();
        self.beat.users.running = self.living.len() as u64;
        let beat = self.beat.clone();
        (self.beat.ended, self.beat.released) = Default::default();
        let _ = mesh.cast(&master, &ToMaster::Beat(Box::new(beat)));
    }

    fn hear(&mut self, _: &Mesh, from: &MemberId, message: ToWorker) -> Option<WorkerAnswer> {
        if self.silent {
            return None;
        }
        match message {
            ToWorker::Begin { assignment, run } => {
                let state = if self.fails_init { RunState::Failed } else { RunState::Running };
                self.beat = Beat { assignment, state, ..Beat::default() };
                self.living.clear();
                self.master = Some(from.clone());
                self.run = Some(run);
                Some(match self.fails_init {
                    true => WorkerAnswer::Refused(Refusal::new(Code::InitFailed, "no target")),
                    false => WorkerAnswer::Done,
                })
            }
            ToWorker::Renewed { .. } => {
                self.renewed += 1;
                None
            }
            ToWorker::Plan { .. } | ToWorker::Finish { .. } => None,
            ToWorker::Users { limit } => {
                let ids = self.living.iter().take(limit as usize);
                Some(WorkerAnswer::Users(ids.map(|id| view(*id)).collect()))
            }
            ToWorker::User { id } => {
                let known = self.living.contains(&id.0).then(|| view(id.0));
                Some(WorkerAnswer::User(known))
            }
            ToWorker::Place { assignment, users } => {
                self.check(assignment);
                self.beat.users.asked += users.len();
                self.beat.users.started += users.len();
                self.living.extend(users.iter().map(|id| id.0));
                None
            }
            ToWorker::Remove { count, .. } => {
                let chosen = count.min(self.living.len() as u64);
                for id in
                    self.living.iter().rev().copied().take(chosen as usize).collect::<Vec<_>>()
                {
                    self.end(id, |users, endings| {
                        users.removed += 1;
                        endings.stopped += 1;
                    });
                }
                Some(WorkerAnswer::Chosen(chosen))
            }
            ToWorker::Release { count, .. } => {
                let all = self.living.iter().rev().copied();
                for id in all.take(count as usize).collect::<Vec<_>>() {
                    self.living.remove(&id);
                    self.beat.users.asked -= 1;
                    self.beat.users.started -= 1;
                    self.beat.released.insert(id..=id);
                }
                None
            }
            ToWorker::CheckSettings { .. } if self.refuses_settings => {
                let message = "`pause` is too long here";
                let code = Code::ParametersVerificationFailed;
                Some(WorkerAnswer::Refused(Refusal::new(code, message)))
            }
            ToWorker::CheckSettings { .. } => Some(WorkerAnswer::Done),
            ToWorker::ApplySettings { settings, .. } => {
                if self.fails_apply {
                    let refusal = Refusal::new(Code::Unavailable, "out of memory");
                    return Some(WorkerAnswer::Refused(refusal));
                }
                let changed = settings.iter().map(|(name, _)| name.clone()).collect();
                if let Some(run) = &mut self.run {
                    run.settings.extend(settings);
                }
                Some(WorkerAnswer::Applied(SetOutcome { changed, faults: Vec::new() }))
            }
            ToWorker::Stop { .. } => {
                for id in self.living.iter().copied().collect::<Vec<_>>() {
                    self.end(id, |users, endings| {
                        users.removed += 1;
                        endings.stopped += 1;
                    });
                }
                self.beat.state = RunState::Terminating;
                Some(WorkerAnswer::Done)
            }
            ToWorker::Reset { .. } => {
                self.living.clear();
                self.master = None;
                Some(WorkerAnswer::Done)
            }
            ToWorker::Whereabouts { changes, .. } => {
                for (ids, place) in changes {
                    self.note_whereabouts(&ids, place.as_ref());
                }
                None
            }
        }
    }

    fn note_whereabouts(&mut self, ids: &IdSet, place: Option<&MemberId>) {
        for id in ids.iter() {
            match place {
                Some(place) => self.whereabouts.insert(id.0, place.to_string()),
                None => self.whereabouts.remove(&id.0),
            };
        }
    }

    fn check(&self, assignment: Assignment) {
        assert_eq!(assignment, self.beat.assignment);
    }
}

fn view(id: u64) -> UserView {
    UserView {
        id: UserId(id),
        state: "running".into(),
        age: None,
        node: String::new(),
        failure: None,
    }
}
