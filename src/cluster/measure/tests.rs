use std::{
    future::Future,
    sync::{Arc, Mutex},
    time::Duration,
};

use crowd_core::telemetry::{Telemetry, event::GeneratorWarning};
use crowd_measure::{
    Measure, Sample,
    health::HealthSummary,
    series::Activity,
    timing::{BOUNDS, Bounds},
    window::Window,
    wire,
};
use tokio::time::{Instant, sleep};

use super::{
    feed::{MeasureFeed, Reading},
    master::{MOST_WAITING, MeasureMaster, Missing, Received},
};
use crate::cluster::{
    member::MemberId,
    mesh::{Mesh, memory::Network},
    parts::{Companion, Follower},
    protocol::{
        measure::{Interval, Measured},
        run::{Assignment, RunSpec},
    },
};

mod handing_in;
mod once;

const SECOND: Duration = Duration::from_secs(1);

fn spec(elapsed: Duration) -> RunSpec {
    RunSpec { id: "r".into(), scenario: "s".into(), settings: Vec::new(), elapsed }
}

fn act(measure: &Measure, action: &str, millis: u64) {
    let time = Duration::from_millis(millis);
    measure.record(action, Sample { service: time, response: time * 2, failure: None });
}

/// A worker, with what it would measure.
struct Worker {
    mesh: Mesh,
    feed: Arc<MeasureFeed>,
    measure: Arc<Mutex<Measure>>,
    telemetry: Telemetry,
}

impl Worker {
    fn new(mesh: Mesh) -> Self {
        let measure = Arc::new(Mutex::new(Measure::default()));
        let telemetry = Telemetry::default();
        let source = measure.clone();
        let source = move || -> futures_util::future::BoxFuture<'static, _> {
            let reading = reading(&source.lock().unwrap());
            Box::pin(async move { Some(reading) })
        };
        let feed = MeasureFeed::new(&mesh, telemetry.clone(), Box::new(source));
        Self { mesh, feed, measure, telemetry }
    }

    fn measure(&self) -> Measure {
        self.measure.lock().unwrap().clone()
    }

    /// As a new run does.
    fn start(&self) {
        *self.measure.lock().unwrap() = Measure::default();
    }

    async fn tick(&self) {
        self.feed.tick(Instant::now(), reading(&self.measure())).await;
    }
}

fn reading(measure: &Measure) -> Reading {
    let health = HealthSummary { samples: 3, cores: 2.0, ..HealthSummary::default() };
    let activity = Activity { running: 5, started: 7, ended: 2, ..Activity::default() };
    Reading { measure: measure.clone(), activity, health }
}

fn timeless(window: Window) -> Window {
    Window { span: Duration::ZERO, ..window }
}

/// Waits until something is so.
async fn eventually(what: &str, mut so: impl FnMut() -> bool) {
    for _ in 0..1_000 {
        if so() {
            return;
        }
        sleep(Duration::from_millis(1)).await;
    }
    panic!("it never was that {what}");
}

/// A master and two workers in a run.
fn cluster() -> (Network, Arc<MeasureMaster>, Telemetry, [Worker; 2]) {
    let network = Network::default();
    let telemetry = Telemetry::default();
    let master = MeasureMaster::new(&network.node("master", 1), telemetry.clone());
    let workers = ["a", "b"].map(|name| Worker::new(network.node(name, 1)));
    master.begin(&spec(Duration::ZERO));
    for (worker, assignment) in workers.iter().zip(1..) {
        master.joined(worker.mesh.me(), Assignment(assignment));
        worker.feed.follow(&MemberId::new("master", 1), Assignment(assignment));
        worker.start();
    }
    (network, master, telemetry, workers)
}

/// By node: up to when all is known, in milliseconds, and whether that is all.
fn received(master: &MeasureMaster) -> Vec<(String, Option<u64>, bool)> {
    let row = |Received { node, until, missing, .. }: Received| {
        (node.to_string(), until.map(|until| until.as_millis() as u64), missing.is_none())
    };
    master.received().into_iter().map(row).collect()
}

#[tokio::test(start_paused = true)]
async fn the_master_holds_what_one_recorder_would() {
    let (_network, master, _, workers) = cluster();
    let one = Measure::default();
    for second in 0..4_u64 {
        for (n, worker) in (0..).zip(&workers) {
            for k in 0..20 {
                let millis = second * 100 + n * 10 + k;
                act(&worker.measure(), ["get", "put"][k as usize % 2], millis);
                act(&one, ["get", "put"][k as usize % 2], millis);
            }
        }
        sleep(SECOND).await;
        for worker in &workers {
            worker.tick().await;
        }
    }
    // What the last interval did not hold.
    act(&workers[1].measure(), "get", 1);
    act(&one, "get", 1);
    sleep(SECOND / 4).await;
    for worker in &workers {
        worker.feed.flush().await;
    }
    master.end().await;
    let snapshot = master.snapshot();
    assert_eq!(snapshot.total.span, SECOND * 17 / 4);
    assert_eq!(timeless(snapshot.total), timeless(one.snapshot().total));
    let until = Some(4_250);
    assert_eq!(received(&master), [("a".into(), until, true), ("b".into(), until, true)]);
    // Both nodes are in each row.
    let series = master.series();
    let rows: Vec<_> = series.rows().map(|row| (row.running, row.actions[0].count)).collect();
    assert_eq!(rows, [(10, 20), (10, 20), (10, 20), (10, 20), (10, 1)]);
    assert_eq!(master.health().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_lone_clustered_node_sends_to_itself() {
    let mesh = Network::default().node("a", 1);
    let master = MeasureMaster::new(&mesh, Telemetry::default());
    let worker = Worker::new(mesh.clone());
    master.begin(&spec(Duration::ZERO));
    master.joined(mesh.me(), Assignment(1));
    worker.feed.follow(mesh.me(), Assignment(1));
    worker.start();
    act(&worker.measure(), "get", 3);
    sleep(SECOND).await;
    worker.tick().await;
    act(&worker.measure(), "get", 4);
    worker.feed.flush().await;
    assert_eq!(master.snapshot().total.actions["get"].count(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_late_joiners_times_are_those_of_the_run() {
    let (network, master, _, [early, _]) = cluster();
    let late = Worker::new(network.node("c", 1));
    early.measure().gauge("depth", 1.0);
    sleep(SECOND * 10).await;
    master.joined(late.mesh.me(), Assignment(3));
    late.feed.follow(&MemberId::new("master", 1), Assignment(3));
    late.start();
    sleep(SECOND).await;
    late.measure().gauge("depth", 2.0);
    late.tick().await;
    // It comes later, but was set earlier.
    early.tick().await;
    eventually("both came", || master.health().len() == 2).await;
    let depth = master.snapshot().total.gauges["depth"];
    assert_eq!((depth.last, depth.min, depth.at), (2.0, 1.0, SECOND * 11));
    let came = received(&master);
    assert_eq!(came[2], ("c".into(), Some(11_000), false));
}

#[tokio::test(start_paused = true)]
async fn a_run_that_began_before_its_master_keeps_its_time() {
    let mesh = Network::default().node("a", 1);
    let master = MeasureMaster::new(&mesh, Telemetry::default());
    let worker = Worker::new(mesh.clone());
    master.begin(&spec(SECOND * 30));
    master.joined(mesh.me(), Assignment(1));
    worker.feed.follow(mesh.me(), Assignment(1));
    worker.start();
    sleep(SECOND).await;
    worker.tick().await;
    eventually("it came", || received(&master) == [("a".into(), Some(31_000), false)]).await;
    assert!(master.snapshot().total.span >= SECOND * 31);
}

#[tokio::test(start_paused = true)]
async fn a_master_that_does_not_answer_loses_nothing_and_costs_no_memory() {
    let (network, master, _, [a, b]) = cluster();
    // What goes out is lost in the network; nothing is answered.
    let silent = network.node("silent", 1);
    network.cut(a.mesh.me(), silent.me());
    a.feed.unfollow();
    a.feed.follow(silent.me(), Assignment(9));
    a.start();
    for _ in 0..20 {
        act(&a.measure(), "get", 1);
        sleep(SECOND).await;
        a.tick().await;
    }
    // Five intervals are under way; the rest is still here, as one.
    let rest = a.measure().take_unsent(Instant::now(), Activity::default()).window;
    assert_eq!(rest.actions["get"].count(), 15);
    // One that was slow gets all of it in the end.
    b.measure().count("slow", 1);
    for _ in 0..20 {
        act(&b.measure(), "get", 1);
        sleep(SECOND).await;
        b.tick().await;
    }
    b.feed.flush().await;
    assert_eq!(master.snapshot().total.actions["get"].count(), 20);
}

#[tokio::test(start_paused = true)]
async fn what_a_lost_worker_told_stays_and_the_rest_is_known_to_be_missing() {
    let (network, master, _, [a, b]) = cluster();
    for second in 0..3 {
        act(&a.measure(), "get", second);
        act(&b.measure(), "get", second);
        sleep(SECOND).await;
        a.tick().await;
        b.tick().await;
    }
    act(&b.measure(), "get", 9);
    sleep(SECOND / 2).await;
    network.kill(b.mesh.me());
    master.gone(b.mesh.me());
    a.tick().await;
    a.feed.flush().await;
    master.end().await;
    assert_eq!(master.snapshot().total.actions["get"].count(), 6);
    assert_eq!(
        received(&master),
        [("a".into(), Some(3_500), true), ("b".into(), Some(3_000), false)]
    );
    // Its flush ends, though nobody is there, and tells.
    b.feed.flush().await;
    assert_eq!(warnings(&b.telemetry), 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_left_of_an_earlier_run_is_ignored() {
    let (_network, master, _, [a, _b]) = cluster();
    act(&a.measure(), "old", 1);
    sleep(SECOND).await;
    a.tick().await;
    eventually("it came", || !master.health().is_empty()).await;
    master.forget();
    assert_eq!(master.snapshot(), crowd_measure::Snapshot::default());
    master.begin(&spec(Duration::ZERO));
    master.joined(a.mesh.me(), Assignment(5));
    act(&a.measure(), "old", 1);
    a.tick().await;
    a.feed.flush().await;
    a.feed.follow(&MemberId::new("master", 1), Assignment(5));
    a.start();
    act(&a.measure(), "new", 1);
    a.feed.flush().await;
    let total = master.snapshot().total;
    assert_eq!(total.actions.keys().map(|name| &**name).collect::<Vec<_>>(), ["new"]);
    // Where it was measured it is told that it is lost.
    assert_eq!(warnings(&a.telemetry), 1);
}

#[tokio::test(start_paused = true)]
async fn strangers_and_other_bounds_add_nothing() {
    let (network, master, telemetry, [a, _b]) = cluster();
    let me = MemberId::new("master", 1);
    let stranger = Worker::new(network.node("stranger", 1));
    stranger.feed.follow(&me, Assignment(4));
    stranger.start();
    act(&stranger.measure(), "get", 1);
    stranger.tick().await;
    stranger.feed.flush().await;
    act(&a.measure(), "put", 1);
    sleep(SECOND).await;
    a.feed.flush().await;
    let window = Window { bounds: Bounds { digits: 2, ..BOUNDS }, ..Window::default() };
    let interval = Interval { number: 2, ..interval(wire::parts(&window).remove(0)) };
    a.mesh.cast(&me, &Measured::Interval(Box::new(interval))).unwrap();
    eventually("it is refused", || warnings(&telemetry) == 1).await;
    // Something of it is missing, and nobody says otherwise.
    assert_eq!(received(&master)[0], ("a".into(), Some(1_000), false));
    let total = master.snapshot().total;
    assert_eq!(total.actions.keys().map(|name| &**name).collect::<Vec<_>>(), ["put"]);
}

/// The first of the first part.
fn interval(part: wire::Part) -> Interval {
    Interval {
        assignment: Assignment(1),
        number: 1,
        piece: 0,
        origin: 0,
        sent: 0,
        until: SECOND,
        activity: Activity::default(),
        health: Some(Box::default()),
        part: Arc::new(part),
    }
}

fn warnings(telemetry: &Telemetry) -> u64 {
    telemetry.count(<GeneratorWarning as crowd_core::telemetry::Event>::KIND)
}

/// More than it may: not what a worker does, which waits until what it sent was taken in.
#[tokio::test(start_paused = true)]
async fn a_node_that_sends_too_much_is_cut_short_and_told_of() {
    let mesh = Network::default().node("a", 1);
    let telemetry = Telemetry::default();
    let master = MeasureMaster::new(&mesh, telemetry.clone());
    master.begin(&spec(Duration::ZERO));
    master.joined(mesh.me(), Assignment(1));
    let measure = Measure::default();
    act(&measure, "get", 1);
    let part = wire::parts(&measure.snapshot().total).remove(0);
    for number in 1..=MOST_WAITING + 100 {
        let interval = Interval { number, ..interval(part.clone()) };
        mesh.cast(mesh.me(), &Measured::Interval(Box::new(interval))).unwrap();
    }
    eventually("all that waited is added up", || {
        let total = master.snapshot().total;
        total.actions.get("get").is_some_and(|get| get.count() == MOST_WAITING)
    })
    .await;
    master.end().await;
    // Something of it is missing, which is known and told, once.
    assert_eq!(received(&master), [("a".into(), Some(1_000), false)]);
    assert_eq!(warnings(&telemetry), 1);
}

/// For tests that must not hang.
#[tokio::test(start_paused = true)]
async fn the_end_has_a_deadline() {
    async fn within<T>(limit: Duration, work: impl Future<Output = T>) -> T {
        tokio::time::timeout(limit, work).await.expect("it ends in time")
    }
    let (network, master, _, [a, _b]) = cluster();
    network.cut(a.mesh.me(), &MemberId::new("master", 1));
    within(SECOND * 6, a.feed.flush()).await;
    within(SECOND * 6, master.end()).await;
}

/// Of a part that goes on something is always under way; of the gap before nothing is missing as soon
/// as all up to its end came.
#[test]
fn what_a_part_that_goes_on_measures_now_is_not_missing() {
    let seconds = Duration::from_secs;
    let received = |from| Received {
        node: MemberId::new("w", 1),
        assignment: Assignment(1),
        until: Some(from),
        missing: Some(Missing { from, to: None }),
    };
    let missing = |from, to| Some(Missing { from, to });
    let early = received(seconds(3));
    assert_eq!(early.missing_in(None), missing(seconds(3), None));
    assert_eq!(early.missing_in(Some(seconds(10))), missing(seconds(3), Some(seconds(10))));
    assert_eq!(received(seconds(10)).missing_in(Some(seconds(10))), None);
}
