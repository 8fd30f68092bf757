//! What waits for a user is bounded, and is gone with it.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use crowd::{
    prelude::*,
    scenario::catalog::Catalog,
    user::{directory::REFUSED, mailbox::CAPACITY},
};
use serde::{Deserialize, Serialize};

use super::support::*;

/// User 1 never reads its mail; user 2 writes to it.
struct Deaf;

static OUTCOMES: Mutex<Vec<Result<(), SendError>>> = Mutex::new(Vec::new());

impl Scenario for Deaf {
    const NAME: &'static str = "deaf";
    type Settings = ();
    type Message = u64;

    async fn init(_: &Run<Self>) -> Result<Self, Failure> {
        Ok(Self)
    }

    async fn start(&self, user: User<Self>) -> Result<(), Failure> {
        if user.id() == UserId(2) {
            let mut outcomes = Vec::new();
            for number in 0..CAPACITY as u64 + 3 {
                outcomes.push(user.post(UserId(1), number));
            }
            outcomes.push(user.send(UserId(1), 0).await);
            *OUTCOMES.lock().unwrap() = outcomes;
        }
        user.stopped().await;
        Ok(())
    }
}

#[tokio::test]
async fn a_full_mailbox_refuses_and_that_is_counted() {
    let node = node(Catalog::new().with::<Deaf>()).await;
    node.start_run("deaf", 1, vec![]).await.unwrap();
    running(&node, 1).await;
    node.add(1).await.unwrap();
    eventually("all was sent", || async { (!OUTCOMES.lock().unwrap().is_empty()).then_some(()) })
        .await;
    let outcomes = OUTCOMES.lock().unwrap().clone();
    assert!(outcomes[..CAPACITY].iter().all(Result::is_ok));
    assert_eq!(outcomes[CAPACITY..], [Err(SendError::Full(UserId(1))); 4]);
    let told = outcomes[CAPACITY].unwrap_err().to_string();
    assert_eq!(told, "the mailbox of user 1 is full: 10000 messages wait in it");
    let report = node.report(false).await.unwrap();
    assert_eq!(report.counters[REFUSED].count, 4);
    node.shutdown().await;
}

/// Leaves itself messages for later, and ends.
struct Forgets;

/// How many messages there are.
static ALIVE: AtomicU64 = AtomicU64::new(0);

#[derive(Debug, Serialize, Deserialize)]
struct Reminder(u64);

impl Reminder {
    fn new(number: u64) -> Self {
        ALIVE.fetch_add(1, Ordering::SeqCst);
        Self(number)
    }
}

impl Drop for Reminder {
    fn drop(&mut self) {
        ALIVE.fetch_sub(1, Ordering::SeqCst);
    }
}

static CAME: Mutex<Vec<(u64, Duration)>> = Mutex::new(Vec::new());

impl Scenario for Forgets {
    const NAME: &'static str = "forgets";
    type Settings = ();
    type Message = Reminder;

    async fn init(_: &Run<Self>) -> Result<Self, Failure> {
        Ok(Self)
    }

    async fn start(&self, user: User<Self>) -> Result<(), Failure> {
        let began = tokio::time::Instant::now();
        let later = |millis, number| {
            user.send_after(Duration::from_millis(millis), Reminder::new(number));
        };
        later(300, 3);
        later(100, 1);
        later(200, 2);
        // Nobody will ever see these.
        user.send_after(Duration::MAX, Reminder::new(8));
        user.send_after(Duration::from_secs(3_600), Reminder::new(9));
        for _ in 0..3 {
            let mail = user.receive().await.ok_or(Failure::scenario("told to stop"))?;
            assert_eq!(mail.from, Some(user.id()));
            CAME.lock().unwrap().push((mail.message.0, began.elapsed()));
        }
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn messages_for_later_come_in_time_and_end_with_their_user() {
    let node = node(Catalog::new().with::<Forgets>()).await;
    node.start_run("forgets", 1, vec![]).await.unwrap();
    eventually("it has ended", || async { (counts(&node).await.finished == 1).then_some(()) })
        .await;
    let came = CAME.lock().unwrap().clone();
    for (n, (number, after)) in (1..).zip(came) {
        let due = Duration::from_millis(100 * n);
        assert_eq!(number, n);
        assert!(after >= due && after < due + Duration::from_millis(20), "{n} after {after:?}");
    }
    // The run goes on, and nothing is left of the user.
    assert_eq!(ALIVE.load(Ordering::SeqCst), 0);
    node.shutdown().await;
}
