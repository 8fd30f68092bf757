//! Throttles of a cluster over a network in memory.

use std::sync::atomic::{AtomicU64, Ordering};

use crowd_core::errors::ThrottleStopped;
use tokio::{
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

use super::*;
use crate::{
    cluster::{mesh::memory::Network, parts::Follower, protocol::run::Assignment},
    throttle::{Throttle, ThrottleState, Throttles},
};

struct Worker {
    id: MemberId,
    throttles: Throttles,
    seat: Arc<dyn Follower>,
}

struct Cluster {
    network: Network,
    master: Arc<ThrottleMaster>,
    boss: MemberId,
    workers: Vec<Worker>,
    users: JoinSet<()>,
}

impl Cluster {
    /// A master and so many nodes, of which the first `joined` take part.
    async fn new(nodes: usize, joined: usize) -> Self {
        let network = Network::default();
        let mesh = network.node("master", 1);
        let boss = mesh.me().clone();
        let options = ThrottleOptions::default();
        let master = ThrottleMaster::new(mesh, options, Telemetry::default()).unwrap();
        let mut workers = Vec::new();
        for number in 1..=nodes {
            let mesh = network.node(&format!("w{number}"), 1);
            let throttles = Throttles::spawn(Telemetry::default()).await.unwrap();
            let seat = throttles.follower(mesh.clone());
            workers.push(Worker { id: mesh.me().clone(), throttles, seat });
        }
        let cluster = Self { network, master, boss, workers, users: JoinSet::new() };
        (0..joined).for_each(|at| cluster.join(at));
        settle().await;
        cluster
    }

    fn join(&self, at: usize) {
        self.master.joined(&self.workers[at].id, Assignment(1));
        self.workers[at].seat.follow(&self.boss, Assignment(1));
    }

    fn get(&self, at: usize, name: &str) -> Throttle {
        self.workers[at].throttles.get(name).unwrap()
    }

    /// Users of that node that ask again and again; how often they were let through.
    fn users(&mut self, at: usize, name: &str, count: usize) -> Arc<AtomicU64> {
        let through = Arc::new(AtomicU64::new(0));
        for _ in 0..count {
            let (throttle, through) = (self.get(at, name), through.clone());
            self.users.spawn(async move {
                while throttle.wait().await.map(drop).is_ok() {
                    through.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        through
    }
}

/// Until what is on the way has arrived.
async fn settle() {
    sleep(Duration::from_millis(20)).await;
}

fn count(through: &[Arc<AtomicU64>]) -> u64 {
    through.iter().map(|through| through.load(Ordering::Relaxed)).sum()
}

async fn per_second(through: &[Arc<AtomicU64>], seconds: u64) -> f64 {
    let before = count(through);
    sleep(Duration::from_secs(seconds)).await;
    (count(through) - before) as f64 / seconds as f64
}

#[tokio::test(start_paused = true)]
async fn three_nodes_together_reach_the_rate_and_not_more() {
    for rate in [10, 1_000, 20_000] {
        let mut cluster = Cluster::new(3, 3).await;
        cluster.workers[0].throttles.start("calls", Rate::per_second(rate)).await.unwrap();
        settle().await;
        let through: Vec<_> = (0..3).map(|at| cluster.users(at, "calls", 100)).collect();
        sleep(Duration::from_millis(500)).await;
        let measured = per_second(&through, 4).await;
        let rate = rate as f64;
        assert!((rate * 0.99 - 0.25..=rate + 1.0).contains(&measured), "{measured} of {rate}");
        let shares: Vec<_> = through.iter().map(|one| count(std::slice::from_ref(one))).collect();
        assert!(shares.iter().all(|share| *share as f64 > rate), "fairly: {shares:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_wait_at_low_load_is_short() {
    for rate in [50, 1_000, 50_000] {
        let cluster = Cluster::new(3, 3).await;
        cluster.workers[0].throttles.start("calls", Rate::per_second(rate)).await.unwrap();
        settle().await;
        let mut waits = Vec::new();
        for turn in 0..200 {
            sleep(Duration::from_millis(31)).await;
            let asked = Instant::now();
            drop(cluster.get(turn % 3, "calls").wait().await.unwrap());
            waits.push(asked.elapsed());
        }
        waits.sort_unstable();
        assert!(waits[100] < Duration::from_millis(5), "{rate}/s: {:?}", waits[100]);
        assert!(waits[198] < Duration::from_millis(40), "{rate}/s: {:?}", waits[198]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_node_that_is_cut_off_runs_dry_and_comes_back() {
    for (rate, within) in [(Rate::per_second(1_000), 60), (Rate::UNLIMITED, 4_000)] {
        let cluster = Cluster::new(2, 2).await;
        cluster.workers[0].throttles.start("calls", rate).await.unwrap();
        settle().await;
        let throttle = cluster.get(1, "calls");
        let mut users = JoinSet::new();
        let through = Arc::new(AtomicU64::new(0));
        for _ in 0..20 {
            let (throttle, through) = (throttle.clone(), through.clone());
            users.spawn(async move {
                while throttle.wait().await.map(drop).is_ok() {
                    through.fetch_add(1, Ordering::Relaxed);
                    sleep(Duration::from_millis(1)).await;
                }
            });
        }
        sleep(Duration::from_secs(2)).await;
        assert!(through.load(Ordering::Relaxed) > 1_500);
        let (node, boss) = (&cluster.workers[1].id, &cluster.boss);
        cluster.network.cut(node, boss);
        sleep(Duration::from_millis(within + 10)).await;
        let dry = through.load(Ordering::Relaxed);
        sleep(Duration::from_secs(2)).await;
        assert_eq!(through.load(Ordering::Relaxed), dry, "{rate}");
        cluster.network.mend(node, boss);
        sleep(Duration::from_secs(2)).await;
        assert!(through.load(Ordering::Relaxed) > dry + 500, "{rate}");
    }
}

#[tokio::test(start_paused = true)]
async fn one_user_that_asks_again_and_again_gets_the_whole_rate() {
    let mut cluster = Cluster::new(3, 3).await;
    cluster.workers[0].throttles.start("calls", Rate::per_second(300)).await.unwrap();
    settle().await;
    let through = [cluster.users(1, "calls", 1)];
    let measured = per_second(&through, 4).await;
    assert!((290.0..=301.0).contains(&measured), "{measured}");
}

/// In amoc whoever speaks to a master that is gone crashes or hangs.
#[tokio::test(start_paused = true)]
async fn w8_a_silent_master_is_an_honest_refusal() {
    let cluster = Cluster::new(1, 1).await;
    let worker = &cluster.workers[0];
    worker.throttles.start("calls", Rate::per_second(10)).await.unwrap();
    let throttle = cluster.get(0, "calls");
    cluster.network.cut(&worker.id, &cluster.boss);
    let asked = Instant::now();
    let refusal = worker.throttles.start("more", Rate::per_second(10)).await.unwrap_err();
    assert_eq!(refusal.code, Code::Unavailable, "{refusal}");
    assert!(asked.elapsed() <= PATIENCE + Duration::from_millis(10));
    for refused in [
        throttle.change_rate(Rate::per_second(20)).await,
        throttle.pause().await,
        worker.throttles.resume("calls").await,
        worker.throttles.stop("calls").await,
    ] {
        assert_eq!(refused.unwrap_err().code, Code::Unavailable);
    }
    cluster.network.kill(&cluster.boss);
    let refusal = worker.throttles.start("more", Rate::per_second(10)).await.unwrap_err();
    assert_eq!(refusal.code, Code::Unavailable, "{refusal}");
    // Nobody who waits hangs for ever: the end of the run answers.
    let wait = tokio::spawn(async move {
        loop {
            if throttle.wait().await.map(drop).is_err() {
                return;
            }
        }
    });
    sleep(Duration::from_secs(10)).await;
    assert!(!wait.is_finished());
    worker.seat.unfollow();
    wait.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn stop_answers_everybody_on_all_nodes() {
    let mut cluster = Cluster::new(3, 3).await;
    cluster.workers[0].throttles.start("calls", Rate::ZERO).await.unwrap();
    settle().await;
    for at in 0..3 {
        cluster.users(at, "calls", 10);
    }
    let late = cluster.get(2, "calls");
    settle().await;
    cluster.workers[1].throttles.stop("calls").await.unwrap();
    let all = async { while cluster.users.join_next().await.is_some() {} };
    timeout(Duration::from_millis(100), all).await.unwrap();
    assert_eq!(late.wait().await.map(drop), Err(ThrottleStopped("calls".into())));
    assert_eq!(cluster.workers[2].throttles.get("calls").unwrap_err().code, Code::NoThrottle);
    let again = cluster.workers[1].throttles.stop("calls").await.unwrap_err();
    assert_eq!(again.code, Code::NoThrottle);
    // The name is free.
    let started = cluster.workers[2].throttles.start("calls", Rate::UNLIMITED).await;
    assert_eq!(started, Ok(Started::New));
    drop(cluster.get(2, "calls").wait().await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn the_first_to_start_wins_and_the_others_find_it() {
    let cluster = Cluster::new(3, 2).await;
    let (ten, twenty) = (Rate::per_second(10), Rate::per_second(20));
    let start = |at: usize, rate| cluster.workers[at].throttles.start("calls", rate);
    assert_eq!(start(0, ten).await, Ok(Started::New));
    assert_eq!(start(1, ten).await, Ok(Started::Already));
    assert_eq!(start(1, twenty).await.unwrap_err().code, Code::WrongReconfiguration);
    cluster.master.change_rate("calls", twenty).await.unwrap();
    assert_eq!(start(1, twenty).await, Ok(Started::Already), "as it is now");
    // Who comes later runs the same `init`.
    cluster.join(2);
    assert_eq!(start(2, ten).await, Ok(Started::Already), "as it was started");
    assert_eq!(start(2, Rate::UNLIMITED).await.unwrap_err().code, Code::WrongReconfiguration);
    assert_eq!(start(2, ten).await, Ok(Started::Already));
    assert_eq!(cluster.get(2, "calls").info().rate, "20/s");
    assert_eq!(cluster.master.start("", ten).await.unwrap_err().code, Code::InvalidThrottle);
}

#[tokio::test(start_paused = true)]
async fn one_that_nobody_started_here_is_found() {
    let cluster = Cluster::new(3, 2).await;
    cluster.master.start("calls", Rate::per_second(10)).await.unwrap();
    settle().await;
    drop(cluster.get(1, "calls").wait().await.unwrap());
    cluster.join(2);
    settle().await;
    let wait = cluster.get(2, "calls");
    timeout(Duration::from_millis(200), wait.wait()).await.unwrap().map(drop).unwrap();
    let refusal = cluster.workers[2].throttles.pause("cals").await.unwrap_err();
    assert_eq!(refusal.code, Code::NoThrottle);
    assert!(refusal.message.contains("calls"), "{refusal}");
}

#[tokio::test(start_paused = true)]
async fn changes_from_any_node_count_everywhere() {
    let mut cluster = Cluster::new(3, 3).await;
    cluster.workers[0].throttles.start("calls", Rate::per_second(100)).await.unwrap();
    settle().await;
    let through: Vec<_> = (0..3).map(|at| cluster.users(at, "calls", 30)).collect();
    sleep(Duration::from_secs(1)).await;
    cluster.get(1, "calls").change_rate(Rate::per_second(900)).await.unwrap();
    settle().await;
    let fast = per_second(&through, 2).await;
    assert!((889.0..=901.0).contains(&fast), "{fast}");
    cluster.workers[2].throttles.pause("calls").await.unwrap();
    cluster.workers[2].throttles.pause("calls").await.unwrap();
    sleep(Duration::from_millis(60)).await;
    assert_eq!(per_second(&through, 1).await, 0.0);
    assert_eq!(cluster.get(0, "calls").info().state, ThrottleState::Paused);
    cluster.master.resume("calls").await.unwrap();
    cluster.master.resume("calls").await.unwrap();
    let again = per_second(&through, 2).await;
    assert!((880.0..=901.0).contains(&again), "{again}");
    let back = cluster
        .master
        .ramp(
            "calls",
            Ramp::new(
                Rate::per_second(500),
                Rate::per_second(200),
                Duration::from_secs(1),
                Some(3),
            )
            .unwrap(),
        )
        .await;
    assert_eq!(back, Ok(()));
    sleep(Duration::from_millis(1_050)).await;
    let slow = per_second(&through, 2).await;
    assert!((197.0..=201.0).contains(&slow), "{slow}");
}

/// Back from no limit to a rate: nobody is let through by what was said before.
#[tokio::test(start_paused = true)]
async fn an_unlimited_throttle_is_limited_again_at_once() {
    let mut cluster = Cluster::new(3, 3).await;
    cluster.workers[0].throttles.start("calls", Rate::per_second(10)).await.unwrap();
    settle().await;
    cluster.get(0, "calls").unlock().await.unwrap();
    settle().await;
    let through = Arc::new(AtomicU64::new(0));
    for at in 0..3 {
        for _ in 0..10 {
            let (throttle, through) = (cluster.get(at, "calls"), through.clone());
            cluster.users.spawn(async move {
                while throttle.wait().await.map(drop).is_ok() {
                    through.fetch_add(1, Ordering::Relaxed);
                    sleep(Duration::from_millis(1)).await;
                }
            });
        }
    }
    let through = [through];
    let open = per_second(&through, 1).await;
    assert!(open > 10_000.0, "{open}");
    cluster.master.change_rate("calls", Rate::per_second(500)).await.unwrap();
    sleep(Duration::from_millis(2)).await;
    let back = per_second(&through, 2).await;
    assert!((485.0..=501.0).contains(&back), "{back}");
}

#[tokio::test(start_paused = true)]
async fn a_node_that_joins_on_a_ramp_shares_it() {
    let mut cluster = Cluster::new(3, 2).await;
    cluster.workers[0].throttles.start("calls", Rate::per_second(10)).await.unwrap();
    settle().await;
    let ramp =
        Ramp::new(Rate::per_second(100), Rate::per_second(1_000), Duration::from_secs(10), None);
    cluster.workers[1].throttles.ramp("calls", ramp.unwrap()).await.unwrap();
    let refused = cluster.get(0, "calls").change_rate(Rate::ZERO).await.unwrap_err();
    assert_eq!(refused.code, Code::CannotChangeRate);
    let mut through: Vec<_> = (0..2).map(|at| cluster.users(at, "calls", 50)).collect();
    sleep(Duration::from_secs(5)).await;
    cluster.join(2);
    settle().await;
    assert!(cluster.get(2, "calls").info().ramp.is_some());
    through.push(cluster.users(2, "calls", 50));
    sleep(Duration::from_secs(5)).await;
    let all = count(&through);
    assert!((5_450..=5_522).contains(&all), "{all}");
    assert!(count(&through[2..]) > 1_000);
    let end = per_second(&through, 2).await;
    assert!((990.0..=1_001.0).contains(&end), "{end}");
}

#[tokio::test(start_paused = true)]
async fn so_many_at_once_are_so_many_in_the_whole_cluster() {
    let mut cluster = Cluster::new(3, 3).await;
    cluster.workers[0].throttles.start("calls", Rate::at_once(8)).await.unwrap();
    settle().await;
    let (flying, most) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let mut users = Vec::new();
    for at in 0..3 {
        for _ in 0..10 {
            let (throttle, flying, most) = (cluster.get(at, "calls"), flying.clone(), most.clone());
            users.push((
                at,
                cluster.users.spawn(async move {
                    while let Ok(permit) = throttle.wait().await {
                        let now = flying.fetch_add(1, Ordering::SeqCst) + 1;
                        most.fetch_max(now, Ordering::SeqCst);
                        sleep(Duration::from_millis(7)).await;
                        flying.fetch_sub(1, Ordering::SeqCst);
                        drop(permit);
                    }
                }),
            ));
        }
    }
    sleep(Duration::from_secs(3)).await;
    assert_eq!(most.load(Ordering::SeqCst), 8);
    let granted: Vec<u64> = (0..3).map(|at| cluster.get(at, "calls").info().granted).collect();
    assert!(granted.iter().all(|granted| *granted > 300), "{granted:?}");
    // Two nodes die, their users with them; what they held is free when that is certain.
    for at in [0, 1] {
        cluster.network.cut(&cluster.workers[at].id, &cluster.boss);
        cluster.network.kill(&cluster.workers[at].id);
        users.iter().filter(|(of, _)| *of == at).for_each(|(_, user)| user.abort());
    }
    settle().await;
    flying.store(cluster.get(2, "calls").info().in_flight, Ordering::SeqCst);
    sleep(Duration::from_secs(1)).await;
    assert!(flying.load(Ordering::SeqCst) < 8);
    for at in [0, 1] {
        cluster.master.gone(&cluster.workers[at].id);
    }
    most.store(0, Ordering::SeqCst);
    sleep(Duration::from_secs(1)).await;
    assert_eq!(most.load(Ordering::SeqCst), 8);
    cluster.master.change_rate("calls", Rate::at_once(3)).await.unwrap();
    settle().await;
    most.store(0, Ordering::SeqCst);
    sleep(Duration::from_secs(1)).await;
    assert_eq!(most.load(Ordering::SeqCst), 3);
}

/// In amoc the first node whose run ends stops the user rate of all.
#[tokio::test(start_paused = true)]
async fn w2_the_end_on_one_node_is_no_end_for_others() {
    let mut cluster = Cluster::new(2, 2).await;
    cluster.workers[0].throttles.start("calls", Rate::per_second(100)).await.unwrap();
    settle().await;
    let through: Vec<_> = (0..2).map(|at| cluster.users(at, "calls", 5)).collect();
    sleep(Duration::from_secs(2)).await;
    let ended = cluster.workers[0].throttles.stop_all().await;
    assert_eq!(ended[0].state, ThrottleState::Stopped);
    settle().await;
    let here = count(&through[..1]);
    let rest = per_second(&through[1..], 2).await;
    assert!((98.0..=101.0).contains(&rest), "{rest}");
    assert_eq!(count(&through[..1]), here);
    // It is gone here, whatever the master still says of it.
    assert_eq!(cluster.workers[0].throttles.get("calls").unwrap_err().code, Code::NoThrottle);
    // All that was done is known at the end.
    cluster.workers[1].throttles.stop_all().await;
    for worker in &cluster.workers {
        worker.seat.flush().await;
    }
    cluster.master.end().await;
    let ended = cluster.master.ended();
    assert_eq!(ended[0].granted, count(&through));
    assert_eq!(ended[0].requested, ended[0].granted + ended[0].waiting + ended[0].cancelled);
    assert!(cluster.master.list().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn infos_are_of_all_nodes_together() {
    let mut cluster = Cluster::new(3, 3).await;
    cluster.workers[0].throttles.start("calls", Rate::per_second(100)).await.unwrap();
    settle().await;
    let through: Vec<_> = (0..3).map(|at| cluster.users(at, "calls", 4)).collect();
    sleep(Duration::from_secs(5)).await;
    for info in [
        cluster.master.info("calls").await.unwrap(),
        cluster.workers[2].throttles.info("calls").await.unwrap(),
        cluster.master.list().await.remove(0),
    ] {
        assert!(count(&through) - info.granted <= 101, "{info:?}");
        assert!((98.0..=101.0).contains(&info.given_per_second), "{info:?}");
        assert_eq!((info.waiting, info.rate.as_str()), (12, "100/s"));
        // 5 ms less an eighth, less twice what the clock may be off by.
        assert_eq!(info.tolerance_us, 4_175);
        assert!(info.lateness.max_us <= 4_175, "{info:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn after_a_cluster_throttles_are_this_nodes_own_again() {
    let cluster = Cluster::new(1, 1).await;
    let worker = &cluster.workers[0];
    worker.throttles.start("calls", Rate::ZERO).await.unwrap();
    let old = cluster.get(0, "calls");
    let waiting = tokio::spawn(async move { old.wait().await.map(drop) });
    settle().await;
    worker.seat.unfollow();
    assert!(waiting.await.unwrap().is_err());
    assert_eq!(worker.throttles.start("calls", Rate::UNLIMITED).await, Ok(Started::New));
    drop(cluster.get(0, "calls").wait().await.unwrap());
    assert_eq!(cluster.master.info("calls").await.unwrap().rate, "0");
}

#[tokio::test(start_paused = true)]
async fn a_node_that_takes_no_part_is_refused() {
    let cluster = Cluster::new(1, 0).await;
    let worker = &cluster.workers[0];
    worker.seat.follow(&cluster.boss, Assignment(1));
    let refusal = worker.throttles.start("calls", Rate::UNLIMITED).await.unwrap_err();
    assert_eq!(refusal.code, Code::Unavailable);
}

#[tokio::test(start_paused = true)]
async fn a_master_that_follows_itself_is_a_lone_node() {
    let network = Network::default();
    let mesh = network.node("lone", 1);
    let me = mesh.me().clone();
    let options = ThrottleOptions::default();
    let master = ThrottleMaster::new(mesh.clone(), options, Telemetry::default()).unwrap();
    let throttles = Throttles::spawn(Telemetry::default()).await.unwrap();
    let seat = throttles.follower(mesh);
    master.joined(&me, Assignment(1));
    seat.follow(&me, Assignment(1));
    throttles.start("calls", Rate::per_second(100)).await.unwrap();
    let throttle = throttles.get("calls").unwrap();
    let start = Instant::now();
    for _ in 0..=500 {
        drop(throttle.wait().await.unwrap());
    }
    let took = start.elapsed().as_millis();
    assert!((5_000..5_050).contains(&took), "{took}");
}
