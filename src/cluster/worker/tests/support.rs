//! A worker with a real controller, and a master that does what a test says.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use futures_util::future::BoxFuture;
use tokio::time::Instant;

use super::super::*;
use crate::{
    cluster::{
        mesh::memory::Network,
        protocol::run::{Assignment, Beat, RunSpec, ToMaster, WorkerAnswer},
    },
    controller::{Controller, message::ControllerOptions},
    coordinator::Coordinators,
    feed::Feeders,
    prelude::*,
    scenario::catalog::Catalog,
    throttle::Throttles,
};

pub(super) const MASTER_TIMEOUT: Duration = Duration::from_secs(30);

/// When users acted, by node: names of nodes are unique among tests.
static ACTS: Mutex<BTreeMap<String, Vec<(u64, Instant)>>> = Mutex::new(BTreeMap::new());

/// What was called on a node, in order.
static CALLS: Mutex<BTreeMap<String, Vec<String>>> = Mutex::new(BTreeMap::new());

fn call(node: &str, what: &str) {
    CALLS.lock().unwrap().entry(node.to_owned()).or_default().push(what.to_owned());
}

/// Users that act every ten milliseconds until they are told to stop, or regardless.
pub(super) struct Works;

#[derive(Clone, Settings)]
pub(super) struct WorksSettings {
    /// Users ignore that they are told to stop.
    #[setting(default = false, update = free)]
    stubborn: bool,
    /// How long `init` takes, in milliseconds.
    #[setting(default = 0)]
    init_takes: u64,
    /// `init` fails.
    #[setting(default = false)]
    fails: bool,
    /// Anything even.
    #[setting(default = 2, check = even, update = hook)]
    pace: u32,
}

fn even(value: u32) -> Result<u32, String> {
    if value.is_multiple_of(2) { Ok(value) } else { Err("must be even".into()) }
}

impl Scenario for Works {
    const NAME: &'static str = "works";
    type Settings = WorksSettings;
    type Message = ();

    async fn init(run: &Run<Self>) -> Result<Self, Failure> {
        call(run.node(), "init");
        tokio::time::sleep(Duration::from_millis(run.settings().init_takes)).await;
        if run.settings().fails { Err(Failure::scenario("no luck")) } else { Ok(Self) }
    }

    async fn start(&self, user: User<Self>) -> Result<(), Failure> {
        loop {
            let act = (user.id().0, Instant::now());
            ACTS.lock().unwrap().entry(user.node().to_owned()).or_default().push(act);
            if user.settings().stubborn {
                tokio::time::sleep(Duration::from_millis(10)).await;
            } else {
                user.sleep(Duration::from_millis(10)).await?;
            }
        }
    }

    async fn updated(&self, run: &Run<Self>, name: &str) -> Result<(), Failure> {
        call(run.node(), &format!("{name}={}", run.settings().pace));
        Ok(())
    }

    async fn terminate(&self, run: &Run<Self>) {
        call(run.node(), "terminate");
    }
}

/// What this node sees of the others.
#[derive(Default)]
pub(super) struct FakeEyes {
    pub(super) reached: AtomicU64,
    pub(super) master_is_seen: AtomicBool,
}

impl Eyes for FakeEyes {
    fn reached(&self, _: &MemberId) -> u64 {
        self.reached.load(Ordering::SeqCst)
    }

    fn master_is_seen(&self, _: &MemberId) -> bool {
        self.master_is_seen.load(Ordering::SeqCst)
    }
}

/// A part that writes down what it is told, and takes a second to send what is left.
struct Scribe(String);

impl Follower for Scribe {
    fn follow(&self, master: &MemberId, assignment: Assignment) {
        call(&self.0, &format!("follow {master} {}", assignment.0));
    }

    fn flush(&self) -> BoxFuture<'static, ()> {
        let node = self.0.clone();
        Box::pin(async move {
            tokio::time::sleep(Duration::from_secs(1)).await;
            call(&node, "flush");
        })
    }

    fn unfollow(&self) {
        call(&self.0, "unfollow");
    }
}

/// The master of a test: keeps every beat, and answers them while it may.
pub(super) struct Master {
    pub(super) mesh: Mesh,
    beats: Arc<Mutex<Vec<(Beat, Instant)>>>,
    pub(super) answers: Arc<AtomicBool>,
    pub(super) leaving: Arc<AtomicBool>,
}

impl Master {
    pub(super) fn new(mesh: Mesh, worker: String) -> Self {
        let beats = Arc::new(Mutex::new(Vec::new()));
        let answers = Arc::new(AtomicBool::new(true));
        let leaving = Arc::new(AtomicBool::new(false));
        let (kept, may, left) = (beats.clone(), answers.clone(), leaving.clone());
        let master = mesh.clone();
        mesh.serve(move |from: &MemberId, message: ToMaster, _| match message {
            ToMaster::Beat(beat) => {
                let Beat { assignment, sent, .. } = *beat;
                if beat.state == RunState::Finished || beat.state == RunState::Failed {
                    call(&worker, &format!("told {}", beat.state));
                }
                kept.lock().unwrap().push((*beat, Instant::now()));
                if may.load(Ordering::SeqCst) {
                    let _ = master.cast(from, &ToWorker::Renewed { assignment, sent, members: 4 });
                }
            }
            ToMaster::Leaving { .. } => left.store(true, Ordering::SeqCst),
        });
        Self { mesh, beats, answers, leaving }
    }

    pub(super) fn beats(&self) -> Vec<Beat> {
        self.beats.lock().unwrap().iter().map(|(beat, _)| beat.clone()).collect()
    }

    pub(super) fn last(&self) -> Beat {
        self.beats().pop().unwrap_or_default()
    }

    /// All ids that were told of, ended and given back.
    pub(super) fn gone(&self) -> (IdSet, IdSet) {
        let (mut ended, mut released) = (Vec::new(), Vec::new());
        for beat in self.beats() {
            ended.extend(Vec::from(beat.ended));
            released.extend(Vec::from(beat.released));
        }
        (ended.into(), released.into())
    }
}

/// What was told of where users are.
type Places = Vec<(IdSet, Option<MemberId>)>;

/// All of it.
pub(super) struct Rig {
    pub(super) network: Network,
    pub(super) master: Master,
    pub(super) mesh: Mesh,
    pub(super) worker: Worker,
    pub(super) eyes: Arc<FakeEyes>,
    pub(super) telemetry: Telemetry,
    pub(super) controller: ActorRef<ControllerMessage>,
    pub(super) throttles: Throttles,
    pub(super) places: Arc<Mutex<Places>>,
    name: String,
}

pub(super) const A: Assignment = Assignment(1);

impl Rig {
    pub(super) async fn new(name: &str) -> Self {
        let network = Network::default();
        let mesh = network.node(name, 1);
        let master = Master::new(network.node("master", 1), name.to_owned());
        let telemetry = Telemetry::default();
        let fence = Fence::default();
        let throttles = Throttles::spawn(telemetry.clone()).await.unwrap();
        let options = ControllerOptions {
            mail: None,
            feeders: Feeders::default(),
            node: name.into(),
            catalog: Catalog::new().with::<Works>(),
            environment: Arc::new(BTreeMap::<String, String>::new()),
            telemetry: telemetry.clone(),
            throttles: throttles.clone(),
            coordinators: Coordinators::spawn(telemetry.clone()).await.unwrap(),
            watchdog: crowd_measure::health::watchdog::Watchdog::start(telemetry.clone()),
            supervisors: 2,
            user_rate: "unlimited".into(),
            init_timeout: Duration::from_secs(60),
            terminate_timeout: Duration::from_secs(2),
            kill_grace: Duration::from_secs(2),
            descriptor_limit: None,
            fence: fence.clone(),
        };
        let (sender, state) = watch::channel(RunState::Idle);
        let controller = Controller { options, state: sender };
        let (controller, _) = Actor::spawn(None, controller, ()).await.unwrap();
        let eyes = Arc::new(FakeEyes::default());
        eyes.reached.store(1, Ordering::SeqCst);
        let places = Arc::new(Mutex::new(Vec::new()));
        let known = places.clone();
        let options = WorkerOptions {
            controller: controller.clone(),
            state,
            fence,
            master_timeout: MASTER_TIMEOUT,
            telemetry: telemetry.clone(),
            eyes: eyes.clone(),
            followers: vec![Arc::new(Scribe(name.into()))],
            whereabouts: Arc::new(move |changes| known.lock().unwrap().extend_from_slice(changes)),
        };
        let worker = Worker::start(mesh.clone(), options).await.unwrap();
        let name = name.to_owned();
        Self { network, master, mesh, worker, eyes, telemetry, controller, throttles, places, name }
    }

    /// The same, and the run has begun there.
    pub(super) async fn running(name: &str, settings: &[(&str, &str)]) -> Self {
        let rig = Self::new(name).await;
        assert_eq!(rig.begin(A, settings).await, WorkerAnswer::Done);
        rig
    }

    pub(super) async fn begin(
        &self,
        assignment: Assignment,
        settings: &[(&str, &str)],
    ) -> WorkerAnswer {
        let run = RunSpec {
            id: "r".into(),
            scenario: "works".into(),
            settings: given(settings),
            elapsed: Duration::ZERO,
        };
        self.call(ToWorker::Begin { assignment, run }).await
    }

    pub(super) async fn call(&self, order: ToWorker) -> WorkerAnswer {
        let master = &self.master.mesh;
        master.call(self.mesh.me(), &order, Duration::from_secs(100)).await.unwrap()
    }

    pub(super) fn tell(&self, order: ToWorker) {
        self.master.mesh.cast(self.mesh.me(), &order).unwrap();
    }

    /// Places users and waits until they are let in.
    pub(super) async fn place(&self, first: u64, last: u64) {
        let before = self.master.last().users.started;
        self.tell(ToWorker::Place { assignment: A, users: ids(first, last) });
        let all = before + last - first + 1;
        eventually("the users run", || self.master.last().users.started == all).await;
    }

    /// When the latest act was.
    pub(super) fn last_act(&self) -> Option<Instant> {
        let acts = ACTS.lock().unwrap();
        acts.get(&self.name)?.iter().map(|(_, at)| *at).max()
    }

    /// Who has acted since.
    pub(super) fn acting_since(&self, since: Instant) -> IdSet {
        let acts = ACTS.lock().unwrap();
        let acts = acts.get(&self.name).into_iter().flatten();
        acts.filter(|(_, at)| *at >= since).map(|(id, _)| UserId(*id)).collect()
    }

    /// Who acts now.
    pub(super) async fn acting(&self) -> IdSet {
        let now = Instant::now();
        tokio::time::sleep(Duration::from_millis(30)).await;
        self.acting_since(now)
    }

    pub(super) fn calls(&self) -> Vec<String> {
        CALLS.lock().unwrap().get(&self.name).cloned().unwrap_or_default()
    }

    /// Which of them were made, in order; repeats are left out.
    pub(super) fn calls_of(&self, which: &[&str]) -> Vec<String> {
        let mut calls: Vec<_> =
            self.calls().into_iter().filter(|call| which.contains(&&**call)).collect();
        calls.dedup();
        calls
    }

    pub(super) async fn end(self) {
        self.worker.shutdown().await;
        self.controller.stop_and_wait(None, None).await.unwrap();
    }
}

pub(super) fn ids(first: u64, last: u64) -> IdSet {
    IdSet::from(vec![(first, last)])
}

pub(super) fn given(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect()
}

pub(super) fn refusal(answer: WorkerAnswer) -> Refusal {
    match answer {
        WorkerAnswer::Refused(refusal) => refusal,
        answer => panic!("not refused: {answer:?}"),
    }
}

/// Waits, on the paused clock, until something holds.
pub(super) async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..20_000 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("never happened: {what}");
}
