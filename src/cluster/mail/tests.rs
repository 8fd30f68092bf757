//! Mail between nodes in one process.

use std::collections::BTreeMap;

use crowd_core::{failure::Owner, telemetry::event::Kind};
use serde::{Deserialize, Deserializer, Serialize};

use super::{
    master::MailMaster,
    outgoing::{QUEUE_BYTES, WINDOW_BYTES},
    *,
};
use crate::{
    cluster::{
        mesh::memory::Network,
        parts::Companion,
        protocol::run::{Assignment, RunSpec},
    },
    scenario::Message,
    user::{
        Post, UserCore,
        directory::{Directory, REFUSED},
        mailbox::CAPACITY,
    },
};

struct Town<M> {
    mesh: Mesh,
    mail: Mail,
    telemetry: Telemetry,
    measure: Measure,
    directory: Directory,
    post: Post<M>,
}

impl<M: Message> Town<M> {
    fn new(network: &Network, name: &str) -> Self {
        let mesh = network.node(name, 1);
        let telemetry = Telemetry::default();
        let mail = Mail::start(mesh.clone(), telemetry.clone());
        let directory = Directory::with_elsewhere(Arc::new(mail.clone()));
        let measure = Measure::new(telemetry.clone());
        let post = Post::new(directory.clone(), measure.clone());
        Self { mesh, mail, telemetry, measure, directory, post }
    }

    fn follow(&self, master: &Mesh) {
        self.mail.follower().follow(master.me(), Assignment(1));
        self.mail.attach(self.post.intake(), self.measure.clone());
    }

    fn user(&self, id: u64) -> Arc<UserCore> {
        let user = Arc::new(UserCore::new(UserId(id), Instant::now()));
        self.directory.insert(user.clone());
        user
    }

    async fn send(&self, from: u64, to: u64, message: M) -> Result<(), SendError> {
        self.post.deliver(Some(UserId(from)), UserId(to), message).await
    }

    fn post(&self, from: u64, to: u64, message: M) -> Result<(), SendError> {
        self.post.send_from(Some(UserId(from)), UserId(to), message)
    }

    fn noted(&self) -> Vec<(Owner, String, u64)> {
        let window = self.measure.snapshot().total;
        let failures = window.failures.into_iter();
        failures.map(|(key, count)| (key.owner, key.reason.to_string(), count)).collect()
    }
}

fn spec() -> RunSpec {
    RunSpec {
        id: "run".into(),
        scenario: "letters".into(),
        settings: Vec::new(),
        elapsed: Duration::ZERO,
    }
}

fn ids(first: u64, last: u64) -> IdSet {
    let mut ids = IdSet::default();
    ids.insert(first..=last);
    ids
}

async fn settle() {
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
}

/// Nodes that take part in one run, the first of which is the master; node n has the users
/// n·100 + 1 to n·100 + 99, as far as everybody knows.
async fn towns<M: Message>(network: &Network, count: u64) -> Vec<Town<M>> {
    let towns: Vec<_> = (0..count).map(|n| Town::new(network, &format!("n{n}"))).collect();
    let master = MailMaster::new(towns[0].mesh.clone());
    master.begin(&spec());
    towns.iter().for_each(|town| master.joined(town.mesh.me(), Assignment(1)));
    settle().await;
    let homes = (0..).zip(&towns);
    let homes: Vec<_> = homes
        .map(|(n, town)| (ids(n * 100 + 1, n * 100 + 99), Some(town.mesh.me().clone())))
        .collect();
    for town in &towns {
        town.follow(&towns[0].mesh);
        town.mail.learn(&homes);
    }
    towns
}

#[tokio::test(start_paused = true)]
async fn letters_of_one_sender_to_one_receiver_arrive_in_order() {
    let network = Network::default();
    let towns: Arc<Vec<Town<(u64, String)>>> = Arc::new(towns(&network, 3).await);
    let everybody: Vec<u64> = (0..3).flat_map(|n| (1..=8).map(move |id| n * 100 + id)).collect();
    let users: Vec<_> = everybody.iter().map(|id| towns[(id / 100) as usize].user(*id)).collect();
    let mut writers = tokio::task::JoinSet::new();
    for &from in &everybody {
        let (towns, everybody) = (towns.clone(), everybody.clone());
        writers.spawn(async move {
            let town = &towns[(from / 100) as usize];
            for number in 0..40_u64 {
                for &to in &everybody {
                    let message = (number, "x".repeat((number * 7 % 900) as usize));
                    if (number + to) % 3 == 0 {
                        town.post(from, to, message).unwrap();
                    } else {
                        town.send(from, to, message).await.unwrap();
                    }
                }
            }
        });
    }
    while let Some(writer) = writers.join_next().await {
        writer.unwrap();
    }
    for town in towns.iter() {
        town.mail.flush().await;
    }
    for user in users {
        let mut heard: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
        user.stop();
        while let Some(mail) = user.receive::<(u64, String)>(true).await {
            heard.entry(mail.from.unwrap().0).or_default().push(mail.message.0);
        }
        assert_eq!(heard.keys().copied().collect::<Vec<_>>(), everybody);
        for numbers in heard.into_values() {
            assert_eq!(numbers, (0..40).collect::<Vec<_>>());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn who_is_gone_is_told_of() {
    let network = Network::default();
    let towns = towns::<u64>(&network, 2).await;
    let user = towns[1].user(101);
    towns[0].send(1, 101, 7).await.unwrap();
    assert_eq!(user.receive::<u64>(true).await.unwrap().message, 7);
    user.end();
    let gone = |id| Err(SendError::NoSuchUser(UserId(id)));
    assert_eq!(towns[0].send(1, 101, 8).await, gone(101), "in the table, but ended");
    assert_eq!(towns[0].send(1, 102, 8).await, gone(102), "never started");
    assert_eq!(towns[0].send(1, 500, 8).await, gone(500), "nobody knows of it");
    assert_eq!(towns[0].post(1, 500, 8), gone(500));
    assert_eq!(towns[0].post(1, 50, 8), gone(50), "it would be here");
    assert!(towns[0].noted().is_empty(), "whoever is told needs no note");
    towns[0].post(1, 101, 8).unwrap();
    towns[0].post(1, 102, 8).unwrap();
    towns[0].mail.flush().await;
    let reason = "a message was not delivered: its receiver is not running".to_owned();
    assert_eq!(towns[0].noted(), [(Owner::Scenario, reason, 2)]);
    assert_eq!(towns[0].telemetry.count(Kind::MailUndelivered), 2);
}

#[tokio::test(start_paused = true)]
async fn a_full_mailbox_on_another_node_refuses() {
    let network = Network::default();
    let towns = towns::<u64>(&network, 2).await;
    let user = towns[1].user(101);
    for number in 0..CAPACITY as u64 {
        towns[1].post(101, 101, number).unwrap();
    }
    assert_eq!(towns[0].send(1, 101, 7).await, Err(SendError::Full(UserId(101))));
    towns[0].post(1, 101, 8).unwrap();
    towns[0].mail.flush().await;
    let reason = "a message was not delivered: the mailbox of its receiver is full".to_owned();
    assert_eq!(towns[0].noted(), [(Owner::Scenario, reason, 1)]);
    // Counted where it is full.
    assert_eq!(towns[1].measure.snapshot().total.counters[REFUSED], 2);
    user.receive::<u64>(true).await.unwrap();
    towns[0].send(1, 101, 9).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_loss_of_a_node_ends_all_that_is_on_its_way() {
    let network = Network::default();
    let towns = Arc::new(towns::<Vec<u8>>(&network, 2).await);
    towns[1].user(101);
    // Nothing passes any more, but nobody knows yet.
    network.cut(towns[0].mesh.me(), towns[1].mesh.me());
    let mut sends = tokio::task::JoinSet::new();
    for number in 0..100 {
        let towns = towns.clone();
        sends.spawn(async move { towns[0].send(1, 101, vec![number; 100_000]).await });
    }
    for number in 0..3 {
        towns[0].post(1, 101, vec![number]).unwrap();
    }
    settle().await;
    network.kill(towns[1].mesh.me());
    let began = Instant::now();
    while let Some(outcome) = sends.join_next().await {
        assert_eq!(outcome.unwrap(), Err(SendError::Lost(UserId(101))));
    }
    assert_eq!(began.elapsed(), Duration::ZERO, "nobody waits for a patience to end");
    assert!(towns[0].mail.desk().is_empty());
    let reason = "a message was not delivered: the node of its receiver was lost".to_owned();
    assert_eq!(towns[0].noted(), [(Owner::Generator, reason, 3)]);
    let nobody = Err(SendError::NoSuchUser(UserId(101)));
    assert_eq!(towns[0].post(1, 101, vec![]), nobody, "nobody runs on a node that is gone");
}

#[tokio::test(start_paused = true)]
async fn a_silent_node_makes_nobody_wait_for_ever_and_nothing_grow() {
    let network = Network::default();
    let towns = towns::<Vec<u8>>(&network, 2).await;
    let user = towns[1].user(101);
    network.cut(towns[0].mesh.me(), towns[1].mesh.me());
    let (mut accepted, mut refused) = (0, 0);
    for _ in 0..12_000 {
        match towns[0].post(1, 101, vec![7; 1_000]) {
            Ok(()) => accepted += 1,
            Err(error) => {
                assert_eq!(error, SendError::Busy(UserId(101)));
                refused += 1;
            }
        }
        if accepted % 64 == 0 {
            tokio::task::yield_now().await;
        }
    }
    let most = (QUEUE_BYTES + WINDOW_BYTES) / 1_000;
    assert!(accepted <= most && accepted > most / 2, "{accepted} were accepted");
    assert!(refused > 5_000);
    let began = Instant::now();
    assert_eq!(towns[0].send(1, 101, vec![]).await, Err(SendError::TimedOut(UserId(101))));
    assert_eq!(began.elapsed(), PATIENCE);
    // A letter given up before it was sent leaves nothing behind.
    for _ in 0..20 {
        let _ =
            tokio::time::timeout(Duration::from_millis(1), towns[0].send(1, 101, vec![8; 500_000]))
                .await;
    }
    network.mend(towns[0].mesh.me(), towns[1].mesh.me());
    towns[0].mail.flush().await;
    assert!(towns[0].mail.desk().is_empty());
    towns[0].send(1, 101, vec![9]).await.unwrap();
    user.stop();
    let mut arrived = 0;
    let mut last = Vec::new();
    while let Some(mail) = user.receive::<Vec<u8>>(true).await {
        assert!(mail.message.len() < 500_000, "an abandoned letter was sent");
        last = mail.message;
        arrived += 1;
    }
    assert_eq!(last, [9]);
    // All that did not arrive was noted as such.
    let noted: u64 = towns[0].noted().iter().map(|(_, _, count)| count).sum();
    assert_eq!(accepted as u64, arrived - 1 + noted);
    assert!(noted > 0);
}

#[tokio::test(start_paused = true)]
async fn a_letter_of_another_run_finds_nobody() {
    let network = Network::default();
    let towns = towns::<u64>(&network, 2).await;
    let user = towns[1].user(101);
    // The next run has begun there; here it has not.
    let master = MailMaster::new(towns[0].mesh.clone());
    master.begin(&spec());
    master.joined(towns[1].mesh.me(), Assignment(2));
    settle().await;
    towns[1].follow(&towns[0].mesh);
    assert_eq!(towns[0].send(1, 101, 7).await, Err(SendError::NoSuchUser(UserId(101))));
    user.stop();
    assert_eq!(user.receive::<u64>(true).await, None);
    master.joined(towns[0].mesh.me(), Assignment(2));
    towns[0].follow(&towns[0].mesh);
    assert_eq!(towns[0].post(1, 101, 7), Err(SendError::NoSuchUser(UserId(101))), "all forgotten");
    towns[0].mail.learn(&[(ids(101, 101), Some(towns[1].mesh.me().clone()))]);
    towns[0].send(1, 101, 7).await.unwrap();
    towns[1].mail.unfollow();
    assert_eq!(towns[0].send(1, 101, 8).await, Err(SendError::NoSuchUser(UserId(101))));
}

#[derive(Debug, PartialEq, Serialize)]
struct Moody(u64);

impl<'de> Deserialize<'de> for Moody {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = u64::deserialize(deserializer)?;
        assert_ne!(number, 13, "it panics");
        if number == 7 { Err(serde::de::Error::custom("seven")) } else { Ok(Self(number)) }
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_harms_nobody() {
    let network = Network::default();
    let towns = towns::<Moody>(&network, 2).await;
    let user = towns[1].user(101);
    let unsendable = Err(SendError::Unsendable(UserId(101)));
    assert_eq!(towns[0].send(1, 101, Moody(13)).await, unsendable);
    assert_eq!(towns[0].send(1, 101, Moody(7)).await, unsendable);
    towns[0].send(1, 101, Moody(1)).await.unwrap();
    assert_eq!(user.receive::<Moody>(true).await.unwrap().message, Moody(1));
}

#[tokio::test(start_paused = true)]
async fn the_longest_letter_arrives_and_a_longer_one_is_refused() {
    let network = Network::default();
    let towns = towns::<Vec<u8>>(&network, 2).await;
    let user = towns[1].user(101);
    // Three bytes or more tell the length.
    towns[0].send(1, 101, vec![1; LONGEST - 5]).await.unwrap();
    let refused = towns[0].send(1, 101, vec![1; LONGEST]).await;
    assert_eq!(refused, Err(SendError::TooLong(UserId(101))));
    assert_eq!(user.receive::<Vec<u8>>(true).await.unwrap().message.len(), LONGEST - 5);
    towns[1].send(101, 101, vec![1; 2 * LONGEST]).await.expect("at home there is no limit");
}

#[tokio::test(start_paused = true)]
async fn many_letters_share_a_frame() {
    let network = Network::default();
    let towns = Arc::new(towns::<u64>(&network, 2).await);
    let user = towns[1].user(101);
    let mut sends = tokio::task::JoinSet::new();
    for number in 0..CAPACITY as u64 {
        let towns = towns.clone();
        sends.spawn(async move { towns[0].send(1, 101, number).await });
    }
    while let Some(outcome) = sends.join_next().await {
        outcome.unwrap().unwrap();
    }
    let frames = towns[0].mail.desk().state().frames;
    assert!(frames < 1_000, "{frames} frames");
    user.stop();
    let mut heard = 0;
    while user.receive::<u64>(true).await.is_some() {
        heard += 1;
    }
    assert_eq!(heard, CAPACITY);
}
