//! What was measured while the master was out of reach is handed in when it is reached again.

use crowd_measure::{Attempt, health::HealthSummary};

use super::{super::owed::MOST_OVER, *};

fn master_id() -> MemberId {
    MemberId::new("master", 1)
}

/// Measures for so many seconds, an action in each.
async fn measure(worker: &Worker, seconds: u32) {
    for _ in 0..seconds {
        act(&worker.measure(), "get", 1);
        sleep(SECOND).await;
        worker.tick().await;
    }
}

fn count(master: &MeasureMaster, action: &str) -> (u64, u64) {
    let total = master.snapshot().total;
    total.actions.get(action).map_or((0, 0), |found| (found.count(), found.unfinished.count()))
}

/// Its users are killed, and it takes part no longer.
async fn is_cut_off(worker: &Worker) {
    worker.feed.flush().await;
    worker.feed.unfollow();
}

#[tokio::test(start_paused = true)]
async fn what_was_measured_while_cut_off_is_handed_in_once() {
    let (network, master, _, [a, b]) = cluster();
    measure(&a, 2).await;
    eventually("it came", || count(&master, "get").0 == 2).await;
    let of_a = a.measure();
    let under_way = of_a.begin("get", Instant::now(), None);
    a.tick().await;
    eventually("it is known to be under way", || {
        master.snapshot().total.actions["get"].waiting.count() == 1
    })
    .await;
    network.part(a.mesh.me(), &master_id());
    for _ in 0..4 {
        act(&a.measure(), "get", 1);
        sleep(SECOND).await;
        a.tick().await;
        b.tick().await;
    }
    drop::<Attempt<'_>>(under_way);
    is_cut_off(&a).await;
    assert_eq!(warnings(&a.telemetry), 1);
    sleep(SECOND / 2).await;
    master.gone(a.mesh.me());
    // As far as is known by now.
    let tenths = |time: Duration| time.as_millis() / 100;
    let gap = |master: &MeasureMaster| {
        master.received()[0].missing.map(|gap| (tenths(gap.from), gap.to.map(tenths)))
    };
    assert_eq!(gap(&master), Some((20, Some(65))));
    sleep(SECOND * 4).await;
    b.tick().await;

    network.meet(a.mesh.me(), &master_id());
    master.joined(a.mesh.me(), Assignment(8));
    a.feed.follow(&master_id(), Assignment(8));
    eventually("all was handed in", || gap(&master).is_none()).await;
    assert_eq!(count(&master, "get"), (6, 1));
    assert!(received(&master)[0].1 >= Some(6_000) && received(&master)[0].2);
    // What comes of the new part is its own.
    a.start();
    measure(&a, 1).await;
    a.feed.flush().await;
    b.feed.flush().await;
    master.end().await;
    assert_eq!(count(&master, "get"), (7, 1));
    // Each second has what was measured in it, and no more.
    let series = master.series();
    let rows: Vec<_> = series.rows().map(|row| row.actions[0].count).collect();
    assert_eq!(rows[..6], [1; 6], "{rows:?}");
    assert_eq!(rows.iter().sum::<u64>(), 7);
}

#[tokio::test(start_paused = true)]
async fn it_is_handed_in_after_the_run_too_until_that_is_forgotten() {
    let (network, master, _, [a, b]) = cluster();
    for worker in [&a, &b] {
        measure(worker, 1).await;
        network.part(worker.mesh.me(), &master_id());
        measure(worker, 2).await;
        is_cut_off(worker).await;
        master.gone(worker.mesh.me());
    }
    master.end().await;
    assert_eq!(count(&master, "get"), (2, 0));
    let took = master.snapshot().total.span;
    network.meet(a.mesh.me(), &master_id());
    eventually("that of one came", || count(&master, "get") == (4, 0)).await;
    assert_eq!(master.snapshot().total.span, took);
    let series = master.series();
    assert_eq!(series.rows().map(|row| row.actions[0].count).sum::<u64>(), 4);
    master.forget();
    master.begin(&spec(Duration::ZERO));
    network.meet(b.mesh.me(), &master_id());
    eventually("the other one hears that it is lost", || warnings(&b.telemetry) == 2).await;
    assert_eq!(master.snapshot().total.actions.len(), 0);
    assert_eq!(warnings(&a.telemetry), 1, "nothing of the first one is lost");
}

/// The master was frozen, or the link was away, and the part goes on.
#[tokio::test(start_paused = true)]
async fn a_part_that_goes_on_catches_up() {
    let (network, master, _, [a, _b]) = cluster();
    measure(&a, 2).await;
    network.part(a.mesh.me(), &master_id());
    // More than is kept second by second.
    measure(&a, 60).await;
    network.meet(a.mesh.me(), &master_id());
    measure(&a, 30).await;
    eventually("it is done with what it had kept", || count(&master, "get").0 >= 91).await;
    a.feed.flush().await;
    assert_eq!(count(&master, "get"), (92, 0));
    assert_eq!(received(&master)[0], ("a".into(), Some(92_000), true));
    assert_eq!(warnings(&a.telemetry), 0);
}

/// The link breaks and is there again before anybody asks what has arrived.
#[tokio::test(start_paused = true)]
async fn what_was_on_a_link_that_broke_is_sent_again() {
    let (network, master, _, [a, _b]) = cluster();
    measure(&a, 1).await;
    network.cut(a.mesh.me(), &master_id());
    measure(&a, 1).await;
    network.part(a.mesh.me(), &master_id());
    network.mend(a.mesh.me(), &master_id());
    network.meet(a.mesh.me(), &master_id());
    measure(&a, 1).await;
    eventually("all came", || count(&master, "get") == (3, 0)).await;
    a.feed.flush().await;
    assert_eq!(count(&master, "get"), (3, 0));
}

/// The master begins with a worker anew before that has seen any end of its part.
#[tokio::test(start_paused = true)]
async fn a_part_that_is_cleared_away_is_handed_in() {
    let (_network, master, _, [a, _b]) = cluster();
    measure(&a, 1).await;
    act(&a.measure(), "old", 1);
    master.joined(a.mesh.me(), Assignment(8));
    a.feed.follow(&master_id(), Assignment(8));
    // Its measurements are none of the new part's.
    a.tick().await;
    eventually("it was handed in", || count(&master, "old") == (1, 0)).await;
    a.start();
    measure(&a, 1).await;
    a.feed.flush().await;
    assert_eq!((count(&master, "old"), count(&master, "get")), ((1, 0), (2, 0)));
    let rows = received(&master);
    assert_eq!(rows.iter().filter(|row| row.0 == "a" && row.2).count(), 2, "{rows:?}");
    let health: Vec<(String, HealthSummary)> = master.health();
    assert_eq!(health.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_kept_is_told() {
    let (network, master, _, [a, _b]) = cluster();
    a.feed.unfollow();
    network.part(a.mesh.me(), &master_id());
    for part in 0..=MOST_OVER as u64 {
        a.feed.follow(&master_id(), Assignment(10 + part));
        a.start();
        measure(&a, 1).await;
        is_cut_off(&a).await;
        assert_eq!(warnings(&a.telemetry), part + 1 + u64::from(part == MOST_OVER as u64));
    }
    // Another process under the name of the master never was told to take it.
    let told = warnings(&a.telemetry);
    network.kill(&master_id());
    let _other = network.node("master", 2);
    eventually("all of it is given up", || warnings(&a.telemetry) == told + MOST_OVER as u64).await;
    drop(master);
}
