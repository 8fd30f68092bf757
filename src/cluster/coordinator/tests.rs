//! Coordinators over the nodes of one process.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use crowd_core::{
    errors::AddError,
    refusal::Code,
    telemetry::{Telemetry, event::Kind},
    user_id::UserId,
};
use tokio::time::Instant;

use super::{master::CoordinatorMaster, *};
use crate::{
    cluster::{
        mesh::memory::Network,
        parts::Companion,
        protocol::run::{Assignment, RunSpec},
    },
    coordinator::{Action, Coordinator, Event, Group, Member, Plan, Scope, Timeout},
};

/// Event, node, and who, newest first; in the order in which the actions ran.
type Log = Arc<Mutex<Vec<(String, usize, Vec<u64>)>>>;

struct Node {
    mesh: Mesh,
    coordinators: Coordinators,
    follower: Arc<dyn Follower>,
    telemetry: Telemetry,
}

struct Cluster {
    network: Network,
    master: Arc<CoordinatorMaster>,
    telemetry: Telemetry,
    nodes: Vec<Node>,
    log: Log,
}

fn spec() -> RunSpec {
    RunSpec {
        id: "run".into(),
        scenario: "chat".into(),
        settings: Vec::new(),
        elapsed: Duration::ZERO,
    }
}

async fn settle() {
    for _ in 0..500 {
        tokio::task::yield_now().await;
    }
}

/// Node 0 is the master, and a worker too.
async fn cluster(count: usize) -> Cluster {
    let network = Network::default();
    let mut nodes = Vec::new();
    for n in 0..count {
        let mesh = network.node(&format!("n{n}"), 1);
        nodes.push(node(mesh).await);
    }
    let telemetry = Telemetry::default();
    let master = CoordinatorMaster::new(nodes[0].mesh.clone(), telemetry.clone());
    master.begin(&spec());
    let cluster = Cluster { network, master, telemetry, nodes, log: Log::default() };
    (0..count).for_each(|n| cluster.master.joined(cluster.nodes[n].mesh.me(), Assignment(1)));
    settle().await;
    (0..count).for_each(|n| cluster.follow(n));
    cluster
}

async fn node(mesh: Mesh) -> Node {
    let telemetry = Telemetry::default();
    let coordinators = Coordinators::spawn(telemetry.clone()).await.unwrap();
    let follower = coordinators.follower(mesh.clone());
    Node { mesh, coordinators, follower, telemetry }
}

impl Cluster {
    fn follow(&self, n: usize) {
        self.nodes[n].follower.follow(self.nodes[0].mesh.me(), Assignment(n as u64 + 1));
    }

    fn writing(&self, n: usize) -> Action<String> {
        let log = self.log.clone();
        Action::members(move |event: Event, members: &[Member<String>]| {
            let users = members
                .iter()
                .map(|member| {
                    assert_eq!(member.data, format!("user {}", member.user));
                    member.user.0
                })
                .collect();
            log.lock().unwrap_or_else(PoisonError::into_inner).push((event.to_string(), n, users));
        })
    }

    async fn start(&self, n: usize, group: Group) -> Coordinator<String> {
        let plan = Plan::new().group(group, [self.writing(n)]).scope(Scope::Cluster);
        let timeout = Timeout::After(Duration::from_secs(10));
        self.nodes[n].coordinators.start("chat", plan, timeout).await.unwrap()
    }

    async fn everywhere(&self, group: Group) -> Vec<Coordinator<String>> {
        let mut all = Vec::new();
        for n in 0..self.nodes.len() {
            all.push(self.start(n, group).await);
        }
        all
    }

    fn log(&self) -> Vec<(String, usize, Vec<u64>)> {
        self.log.lock().unwrap().clone()
    }
}

fn add(coordinator: &Coordinator<String>, user: u64) {
    coordinator.add(UserId(user), format!("user {user}")).unwrap();
}

#[tokio::test(start_paused = true)]
async fn groups_span_nodes() {
    let cluster = cluster(3).await;
    let chat = cluster.everywhere(Group::size(3)).await;
    for (n, user) in [(0, 1), (1, 2), (2, 3), (2, 4), (1, 5), (0, 6), (1, 7)] {
        add(&chat[n], user);
        settle().await;
    }
    let full = "coordinate of 3".to_owned();
    // On the node of the newest.
    let expected = [(full.clone(), 2, vec![3, 2, 1]), (full, 0, vec![6, 5, 4])];
    assert_eq!(cluster.log(), expected);
    let list = cluster.master.list().await;
    assert_eq!(list.len(), 1);
    assert_eq!((list[0].adds, list[0].queued, list[0].items[0].waiting), (7, 0, 1));
    assert!(cluster.nodes.iter().all(|node| node.coordinators.list().is_empty()));
    assert_eq!(chat[1].info().unwrap().adds, 3);
    let adds = cluster.nodes.iter().map(|node| node.telemetry.count(Kind::CoordinatorAdd));
    assert_eq!(adds.sum::<u64>(), 7);
}

#[tokio::test(start_paused = true)]
async fn pairs_meet_across_nodes() {
    let cluster = cluster(3).await;
    let met = Arc::new(Mutex::new(Vec::<(u64, Option<u64>)>::new()));
    let mut pairs = Vec::new();
    for node in &cluster.nodes {
        let met = met.clone();
        let plan = Plan::<u64>::new().scope(Scope::Cluster).group(
            Group::size(3),
            [Action::pairs(move |_, newer: &Member<u64>, older: Option<&Member<u64>>| {
                met.lock().unwrap().push((newer.data, older.map(|older| older.data)));
            })],
        );
        pairs.push(node.coordinators.start("pairs", plan, Timeout::Never).await.unwrap());
    }
    for (n, user) in [(0, 1), (1, 2), (2, 3)] {
        pairs[n].add(UserId(user), user).unwrap();
        settle().await;
    }
    assert_eq!(*met.lock().unwrap(), [(3, Some(2)), (3, Some(1)), (2, Some(1))]);
}

#[tokio::test(start_paused = true)]
async fn all_are_all_of_the_cluster() {
    let cluster = cluster(3).await;
    let chat = cluster.everywhere(Group::All).await;
    for (n, user) in [(0, 1), (1, 2), (2, 3)] {
        add(&chat[n], user);
        settle().await;
    }
    cluster.nodes[1].coordinators.reset("chat").await.unwrap();
    add(&chat[1], 4);
    let began = Instant::now();
    while cluster.log().len() < 2 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!(began.elapsed() < Duration::from_secs(11), "no timeout");
    }
    assert!(began.elapsed() >= Duration::from_secs(10));
    add(&chat[2], 5);
    settle().await;
    cluster.master.stop("chat").await.unwrap();
    let expected = [
        ("reset of 3".to_owned(), 2, vec![3, 2, 1]),
        ("timeout of 1".to_owned(), 1, vec![4]),
        ("stop of 1".to_owned(), 2, vec![5]),
    ];
    assert_eq!(cluster.log(), expected);
    settle().await;
    for (n, chat) in chat.iter().enumerate() {
        let stopped = AddError::Stopped("chat".into());
        assert_eq!(chat.add(UserId(9), String::new()), Err(stopped), "on node {n}");
        assert!(chat.info().is_none());
    }
    assert_eq!(cluster.master.stop("chat").await.unwrap_err().code, Code::NoCoordinator);
    for kind in [Kind::CoordinatorReset, Kind::CoordinatorTimeout, Kind::CoordinatorStop] {
        assert_eq!(cluster.telemetry.count(kind), 1);
    }
    // The name is free.
    let again = cluster.start(0, Group::size(1)).await;
    add(&again, 6);
    settle().await;
    assert_eq!(cluster.log().last().unwrap().2, [6]);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_dies_takes_its_users_along_and_leaves_its_work() {
    let cluster = cluster(3).await;
    let slow = |n: usize| {
        let log = cluster.log.clone();
        Action::<u64>::members(move |event, members: &[Member<u64>]| {
            let users: Vec<u64> = members.iter().map(|member| member.data).collect();
            let log = log.clone();
            Box::pin(async move {
                tokio::time::sleep(Duration::from_secs(if n == 1 { 1_000 } else { 1 })).await;
                log.lock().unwrap_or_else(PoisonError::into_inner).push((
                    event.to_string(),
                    n,
                    users,
                ));
                Ok(())
            })
        })
    };
    let mut chat = Vec::new();
    for (n, node) in cluster.nodes.iter().enumerate() {
        let plan = Plan::new().group(Group::size(2), [slow(n)]).scope(Scope::Cluster);
        chat.push(node.coordinators.start("chat", plan, Timeout::Never).await.unwrap());
    }
    for (n, user) in [(2, 1), (1, 2), (1, 3)] {
        chat[n].add(UserId(user), user).unwrap();
        settle().await;
    }
    // Node 1 dies amid the actions for 2 and 1, with 3 waiting.
    cluster.network.kill(cluster.nodes[1].mesh.me());
    settle().await;
    cluster.master.gone(cluster.nodes[1].mesh.me());
    // 3 was started again elsewhere.
    for (n, user) in [(2, 3), (0, 4)] {
        chat[n].add(UserId(user), user).unwrap();
        settle().await;
    }
    tokio::time::sleep(Duration::from_secs(5)).await;
    let mut log = cluster.log();
    log.sort();
    let full = "coordinate of 2".to_owned();
    assert_eq!(log.len(), 2, "{log:?}");
    assert_eq!((&log[0].0, &log[0].2), (&full, &vec![2, 1]));
    assert_eq!((&log[1].0, &log[1].2), (&full, &vec![4, 3]));
    assert!(chat[1].add(UserId(5), 5).is_err(), "it has lost its master");
}

#[tokio::test(start_paused = true)]
async fn on_one_node_actions_run_in_order() {
    let cluster = cluster(2).await;
    let chat = cluster.everywhere(Group::size(1)).await;
    for user in 0..3_000 {
        add(&chat[(user % 2) as usize], user);
        if user % 200 == 0 {
            settle().await;
        }
    }
    // A reset comes after the adds that the master has.
    while cluster.master.list().await[0].adds < 3_000 {
        settle().await;
    }
    cluster.master.reset("chat").await.unwrap();
    let log = cluster.log();
    assert_eq!(log.len(), 3_001);
    assert_eq!(log[3_000].0, "reset of 0", "it comes after all");
    for n in 0..2 {
        let ran = log.iter().filter(|(event, node, _)| *node == n && event.starts_with('c'));
        let ran: Vec<u64> = ran.map(|(_, _, users)| users[0]).collect();
        assert_eq!(ran, (0..3_000).filter(|user| user % 2 == n as u64).collect::<Vec<_>>());
    }
}

#[tokio::test(start_paused = true)]
async fn another_plan_under_the_name_is_refused_and_a_late_joiner_joins() {
    let mut cluster = cluster(2).await;
    let chat = cluster.everywhere(Group::size(2)).await;
    // Joined once more: it is the same.
    add(&cluster.start(1, Group::size(2)).await, 1);
    for scope in [Scope::Cluster, Scope::Node] {
        let plan = Plan::<String>::new().all([]).scope(scope);
        let refused = cluster.nodes[1]
            .coordinators
            .start("chat", plan, Timeout::default())
            .await
            .unwrap_err();
        assert_eq!(refused.code, Code::InvalidPlan);
    }
    let mesh = cluster.network.node("n2", 1);
    cluster.nodes.push(node(mesh).await);
    cluster.master.joined(cluster.nodes[2].mesh.me(), Assignment(2));
    settle().await;
    cluster.follow(2);
    let plan = Plan::<u64>::new().all([]).scope(Scope::Cluster);
    let refused =
        cluster.nodes[2].coordinators.start("chat", plan, Timeout::default()).await.unwrap_err();
    assert_eq!(refused.code, Code::InvalidPlan);
    settle().await;
    let late = cluster.start(2, Group::size(2)).await;
    add(&late, 2);
    settle().await;
    assert_eq!(cluster.log(), [("coordinate of 2".to_owned(), 2, vec![2, 1])]);
    drop(chat);
}

#[tokio::test(start_paused = true)]
async fn at_the_end_of_the_run_who_waits_gets_the_stop() {
    let cluster = cluster(3).await;
    let chat = cluster.everywhere(Group::size(5)).await;
    let local = Plan::<u64>::new().all([]);
    cluster.nodes[1].coordinators.start("local", local, Timeout::Never).await.unwrap();
    for (n, user) in [(0, 1), (1, 2), (2, 3)] {
        add(&chat[n], user);
        settle().await;
    }
    let began = Instant::now();
    let mut flushes = tokio::task::JoinSet::new();
    for node in &cluster.nodes {
        assert!(node.coordinators.stop_all_within(Duration::from_secs(9)).await.is_empty());
        flushes.spawn(node.follower.flush());
    }
    assert!(cluster.log().is_empty(), "it is not over everywhere");
    while let Some(flush) = flushes.join_next().await {
        flush.unwrap();
    }
    assert_eq!(cluster.log(), [("stop of 3".to_owned(), 2, vec![3, 2, 1])]);
    cluster.master.end().await;
    assert_eq!(began.elapsed(), Duration::ZERO, "nobody waited for a deadline");
    cluster.master.forget();
    for node in &cluster.nodes {
        node.follower.unfollow();
    }
    // Without a master the whole cluster is this node.
    let alone = cluster.start(1, Group::size(1)).await;
    add(&alone, 7);
    settle().await;
    assert_eq!(cluster.log().last().unwrap(), &("coordinate of 1".to_owned(), 1, vec![7]));
    assert_eq!(cluster.nodes[1].coordinators.list().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_lone_node_of_a_cluster_is_its_own_worker() {
    let cluster = cluster(1).await;
    let chat = cluster.start(0, Group::size(2)).await;
    add(&chat, 1);
    add(&chat, 2);
    settle().await;
    assert_eq!(cluster.log(), [("coordinate of 2".to_owned(), 0, vec![2, 1])]);
    chat.stop().await.unwrap();
    assert_eq!(chat.stop().await.unwrap_err().code, Code::NoCoordinator);
}

#[tokio::test(start_paused = true)]
async fn a_group_too_large_for_a_message_comes_in_parts() {
    let cluster = cluster(2).await;
    let seen: Arc<Mutex<Vec<usize>>> = Arc::default();
    let mut big = Vec::new();
    for node in &cluster.nodes {
        let seen = seen.clone();
        let plan = Plan::<Vec<u8>>::new().scope(Scope::Cluster).all([Action::members(
            move |_, members: &[Member<Vec<u8>>]| {
                let sizes = members.iter().map(|member| member.data.len());
                seen.lock().unwrap().extend(sizes);
            },
        )]);
        big.push(node.coordinators.start("big", plan, Timeout::Never).await.unwrap());
    }
    for user in 0..30 {
        big[1].add(UserId(user), vec![7; 100_000 + user as usize]).unwrap();
    }
    let long = big[1].add(UserId(99), vec![7; 2_000_000]).unwrap_err();
    assert_eq!(long, AddError::TooLong("big".into()));
    settle().await;
    big[0].reset().await.unwrap();
    let expected: Vec<usize> = (0..30).rev().map(|user| 100_000 + user).collect();
    assert_eq!(*seen.lock().unwrap(), expected);
}

#[tokio::test(start_paused = true)]
async fn a_master_that_is_silent_makes_nothing_grow() {
    let cluster = cluster(2).await;
    let chat = cluster.everywhere(Group::size(2)).await;
    cluster.network.cut(cluster.nodes[0].mesh.me(), cluster.nodes[1].mesh.me());
    let mut accepted = 0;
    let data = "x".repeat(10_000);
    let behind = loop {
        match chat[1].add(UserId(accepted), data.clone()) {
            Ok(()) => accepted += 1,
            Err(error) => break error,
        }
        if accepted % 16 == 0 {
            tokio::task::yield_now().await;
        }
        assert!(accepted < 3_000);
    };
    assert_eq!(behind, AddError::Behind("chat".into()));
    assert!(accepted > 1_000, "{accepted}");
    cluster.network.kill(cluster.nodes[0].mesh.me());
    settle().await;
    let over = chat[1].add(UserId(1), data).unwrap_err();
    assert_eq!(over, AddError::Stopped("chat".into()));
    assert_eq!(chat[1].reset().await.unwrap_err().code, Code::Unavailable);
}

#[tokio::test(start_paused = true)]
async fn a_fault_is_told_and_an_action_may_reset_its_own_coordinator() {
    let cluster = cluster(2).await;
    let mut all = Vec::new();
    for node in &cluster.nodes {
        let coordinators = node.coordinators.clone();
        let plan = Plan::<u64>::new().scope(Scope::Cluster).group(
            Group::size(1),
            [
                Action::event(|_| -> () { panic!("bad action") }),
                Action::event(move |event| {
                    let coordinators = coordinators.clone();
                    Box::pin(async move {
                        if matches!(event, Event::Coordinate(_)) {
                            coordinators.reset("own").await?;
                        }
                        Ok(())
                    })
                }),
            ],
        );
        all.push(node.coordinators.start("own", plan, Timeout::Never).await.unwrap());
    }
    all[1].add(UserId(1), 1).unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let info = cluster.master.list().await.remove(0);
    assert_eq!((info.events.coordinate, info.events.reset), (1, 1));
    assert_eq!((info.faults, info.queued), (2, 0));
    assert_eq!(info.last_fault.as_deref(), Some("panicked: bad action"));
}
