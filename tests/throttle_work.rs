//! Sending and running through a throttle, giving up, and limits on what is in flight.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use crowd::{
    telemetry::{Telemetry, event::Kind},
    throttle::{Rate, RunError, Throttle, Throttles},
};
use tokio::{
    sync::oneshot,
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

const MS: Duration = Duration::from_millis(1);

async fn started(given: &str) -> (Throttles, Throttle, Telemetry) {
    let telemetry = Telemetry::default();
    let throttles = Throttles::spawn(telemetry.clone()).await.unwrap();
    throttles.start("calls", given.parse().unwrap()).await.unwrap();
    let throttle = throttles.get("calls").unwrap();
    (throttles, throttle, telemetry)
}

#[tokio::test(start_paused = true)]
async fn run_gives_the_outcome_of_what_it_ran() {
    let (_throttles, throttle, _) = started("10/s").await;
    let start = Instant::now();
    let runs: Vec<_> = (0..3).map(|n| throttle.run(async move { (n, Instant::now()) })).collect();
    for (n, run) in runs.into_iter().enumerate() {
        let (number, at) = run.await.unwrap();
        let due = 100 * MS * n as u32;
        assert_eq!(number, n);
        assert!(at - start >= due && at - start <= due + 2 * MS, "{:?}", at - start);
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_what_is_run_is_told_and_harms_nobody() {
    let (_throttles, throttle, telemetry) = started("2 at once").await;
    for _ in 0..5 {
        let outcome: Result<(), _> = throttle.run(async { panic!("bad work") }).await;
        assert_eq!(outcome, Err(RunError::Panicked("bad work".into())));
    }
    throttle.send(|| panic!("bad {}", "action")).unwrap();
    assert_eq!(telemetry.count(Kind::ThrottleFault), 6);
    assert_eq!(throttle.run(async { 7 }).await, Ok(7));
    assert_eq!(throttle.info().in_flight, 0);
}

#[tokio::test(start_paused = true)]
async fn what_is_in_flight_is_limited() {
    let (_throttles, throttle, _) = started("3 at once").await;
    let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let start = Instant::now();
    let runs: Vec<_> = (0..9)
        .map(|_| {
            let (running, most) = (running.clone(), most.clone());
            throttle.run(async move {
                most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                sleep(200 * MS).await;
                running.fetch_sub(1, Ordering::SeqCst);
            })
        })
        .collect();
    sleep(100 * MS).await;
    let info = throttle.info();
    assert_eq!((info.in_flight, info.waiting, info.rate.as_str()), (3, 6, "3 at once"));
    for run in runs {
        run.await.unwrap();
    }
    assert_eq!(most.load(Ordering::SeqCst), 3);
    assert_eq!(start.elapsed(), 600 * MS);
}

/// Permits held under a rate count when the rate becomes a limit.
#[tokio::test(start_paused = true)]
async fn a_limit_counts_what_is_in_flight_already() {
    let (throttles, throttle, _) = started("unlimited").await;
    let mut held = Vec::new();
    for _ in 0..5 {
        held.push(throttle.wait().await.unwrap());
    }
    throttles.change_rate("calls", Rate::at_once(3)).await.unwrap();
    for left in [5, 4, 3] {
        assert_eq!(throttle.info().in_flight, left);
        assert!(timeout(MS, throttle.wait()).await.is_err());
        held.pop();
    }
    let _third = throttle.wait().await.unwrap();
    throttles.change_rate("calls", Rate::at_once(4)).await.unwrap();
    let _fourth = throttle.wait().await.unwrap();
    assert!(timeout(MS, throttle.wait()).await.is_err());
}

/// amoc: at a rate of 5 per 50 ms, only five tasks of 300 ms run at once.
#[tokio::test(start_paused = true)]
async fn long_work_does_not_slow_down_a_rate() {
    let (_throttles, throttle, _) = started("5 per 50ms").await;
    let start = Instant::now();
    let mut tasks = JoinSet::new();
    for _ in 0..100 {
        let throttle = throttle.clone();
        tasks.spawn(async move {
            let _permit = throttle.wait().await.unwrap();
            sleep(300 * MS).await;
        });
    }
    tasks.join_all().await;
    assert!(start.elapsed() <= 1_295 * MS, "{:?}", start.elapsed());
}

/// In amoc, one wait behind four killed callers at 2/s takes 2.45 s.
#[tokio::test(start_paused = true)]
async fn who_gives_up_costs_nobody_a_slot() {
    let (_throttles, throttle, _) = started("2/s").await;
    drop(throttle.wait().await.unwrap());
    let mut dead = JoinSet::new();
    for _ in 0..100 {
        let throttle = throttle.clone();
        dead.spawn(async move { throttle.wait().await.map(drop) });
    }
    let dropped: Vec<_> =
        (0..4).map(|_| throttle.run(async { unreachable!("let through") as () })).collect();
    tokio::task::yield_now().await;
    let alive = tokio::spawn({
        let throttle = throttle.clone();
        async move { throttle.wait().await.map(|permit| permit.released()) }
    });
    sleep(10 * MS).await;
    let start = Instant::now() - 10 * MS;
    dead.abort_all();
    drop(dropped);
    let took = alive.await.unwrap().unwrap() - start;
    assert!(took <= 502 * MS, "{took:?}");
    let info = throttle.info();
    assert_eq!((info.requested, info.granted, info.cancelled, info.waiting), (106, 2, 104, 0));
}

/// Somebody whose turn it is, but who does not look, must not hold up the others.
#[tokio::test(start_paused = true)]
async fn who_does_not_look_holds_up_nobody() {
    for given in ["10/s", "1 at once"] {
        let (_throttles, throttle, _) = started(given).await;
        let first = throttle.wait().await.unwrap();
        let mut sleepy = Box::pin(throttle.wait());
        assert!(futures_util::poll!(&mut sleepy).is_pending());
        let alert = tokio::spawn({
            let throttle = throttle.clone();
            async move { throttle.wait().await.map(drop) }
        });
        tokio::task::yield_now().await;
        drop(first);
        timeout(Duration::from_secs(1), alert).await.expect("held up").unwrap().unwrap();
        // And it still has its turn when it looks.
        drop(timeout(Duration::from_secs(1), sleepy).await.expect("lost").unwrap());
    }
}

#[tokio::test(start_paused = true)]
async fn giving_up_again_and_again_leaves_nothing_behind() {
    let (throttles, throttle, _) = started("0").await;
    for _ in 0..10_000 {
        assert!(timeout(MS, throttle.wait()).await.is_err());
    }
    let info = throttle.info();
    assert_eq!((info.requested, info.cancelled, info.waiting), (10_000, 10_000, 0));
    throttles.change_rate("calls", "1/s".parse().unwrap()).await.unwrap();
    let start = Instant::now();
    drop(throttle.wait().await.unwrap());
    assert!(start.elapsed() <= 1_002 * MS, "{:?}", start.elapsed());
}

/// Tells when it is dropped.
struct Tell(Option<oneshot::Sender<()>>);

impl Drop for Tell {
    fn drop(&mut self) {
        let _ = self.0.take().unwrap().send(());
    }
}

fn tell() -> (Tell, oneshot::Receiver<()>) {
    let (tell, told) = oneshot::channel();
    (Tell(Some(tell)), told)
}

#[tokio::test(start_paused = true)]
async fn dropping_the_answer_drops_the_work() {
    let (_throttles, throttle, _) = started("1 at once").await;
    let (tell, dropped) = tell();
    let run = throttle.run(async move {
        let _tell = tell;
        std::future::pending::<()>().await;
    });
    sleep(MS).await;
    assert_eq!(throttle.info().in_flight, 1);
    drop(run);
    dropped.await.unwrap();
    // Its place is free.
    assert_eq!(timeout(MS, throttle.run(async { 1 })).await, Ok(Ok(1)));
}

#[tokio::test(start_paused = true)]
async fn detached_work_goes_on_until_the_throttle_is_stopped() {
    let (throttles, throttle, _) = started("2 at once").await;
    let (done, ended) = oneshot::channel();
    throttle
        .run(async move {
            sleep(100 * MS).await;
            done.send(()).unwrap();
        })
        .detach();
    ended.await.unwrap();
    let works: Vec<_> = (0..3).map(|_| tell()).collect();
    let mut dropped = Vec::new();
    for (work, told) in works {
        dropped.push(told);
        throttle
            .run(async move {
                let _work = work;
                std::future::pending::<()>().await;
            })
            .detach();
    }
    let waits = throttle.run(async { 1 });
    sleep(MS).await;
    throttles.stop("calls").await.unwrap();
    // Two that ran, and one that waited.
    for told in dropped {
        told.await.unwrap();
    }
    assert_eq!(waits.await, Err(RunError::Stopped("calls".into())));
    assert_eq!(throttle.run(async { 1 }).await, Err(RunError::Stopped("calls".into())));
    assert_eq!(throttle.info().in_flight, 0);
}

#[tokio::test(start_paused = true)]
async fn a_queued_send_is_dropped_by_a_stop() {
    let (throttles, throttle, _) = started("0").await;
    let (tell, dropped) = tell();
    throttle.send(move || drop(tell)).unwrap();
    throttles.stop("calls").await.unwrap();
    timeout(100 * MS, dropped).await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn work_may_use_the_throttle_it_runs_in() {
    let (_throttles, throttle, _) = started("unlimited").await;
    let inner = throttle.clone();
    let outcome = throttle.run(async move {
        let _permit = inner.wait().await.unwrap();
        let again = inner.clone();
        inner.send(move || drop(again.info())).unwrap();
        inner.run(async { 42 }).await
    });
    assert_eq!(outcome.await, Ok(Ok(42)));
}

#[tokio::test(start_paused = true)]
async fn a_permit_tells_when_it_was_due() {
    let (_throttles, throttle, _) = started("every 10.5ms").await;
    let start = Instant::now();
    let first = throttle.wait().await.unwrap();
    assert_eq!((first.due(), first.released()), (start, start));
    let second = throttle.wait().await.unwrap();
    assert_eq!(second.due() - start, Duration::from_micros(10_500));
    assert_eq!(second.released() - start, 11 * MS, "timers count in milliseconds");
    // A slot that lay ready is due when it is asked for.
    sleep(500 * MS).await;
    let asked = Instant::now();
    assert_eq!(throttle.wait().await.unwrap().due(), asked);
    let lateness = throttle.info().lateness;
    assert_eq!((lateness.p50_us, lateness.max_us), (0, 500));
}

/// A user that only ever asks must not keep its worker from others.
#[tokio::test]
async fn asking_without_end_lets_others_run() {
    let (_throttles, throttle, _) = started("unlimited").await;
    let greedy = tokio::spawn({
        let throttle = throttle.clone();
        async move {
            loop {
                drop(throttle.wait().await.unwrap());
            }
        }
    });
    let other = tokio::spawn(async {
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
    });
    timeout(Duration::from_secs(60), other).await.expect("starved").unwrap();
    greedy.abort();
    assert!(throttle.info().granted > 0);
}
