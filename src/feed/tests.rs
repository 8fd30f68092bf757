//! Feeders over the nodes of one process.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use crowd_core::{
    failure::{Failure, Owner},
    random::Random,
    refusal::{Code, Refusal},
    telemetry::{Telemetry, event::Kind},
    user_id::UserId,
};
use tokio::task::JoinSet;

use super::{registry::RunFeeders, *};
use crate::cluster::{
    mesh::{Mesh, memory::Network},
    parts::{Companion, Follower},
    protocol::run::{Assignment, RunSpec},
};

struct Node {
    mesh: Mesh,
    follower: Arc<dyn Follower>,
    run: RunFeeders,
    tasks: JoinSet<()>,
    telemetry: Telemetry,
}

struct Cluster {
    network: Network,
    master: Arc<FeederMaster>,
    told: Telemetry,
    nodes: Vec<Node>,
}

/// Node 0 is the master, and a worker too.
fn cluster(count: u64) -> Cluster {
    let network = Network::default();
    let nodes: Vec<_> = (0..count)
        .map(|n| {
            let mesh = network.node(&format!("n{n}"), 1);
            let feeders = Feeders::default();
            let (follower, run) = (feeders.follower(mesh.clone()), RunFeeders::of(feeders.clone()));
            let telemetry = Telemetry::default();
            Node { mesh, follower, run, tasks: JoinSet::new(), telemetry }
        })
        .collect();
    let told = Telemetry::default();
    let master = FeederMaster::new(&nodes[0].mesh, told.clone());
    master.begin(&RunSpec {
        id: "run".into(),
        scenario: "shop".into(),
        settings: Vec::new(),
        elapsed: Duration::ZERO,
    });
    for (node, number) in nodes.iter().zip(1..) {
        master.joined(node.mesh.me(), Assignment(1));
        node.follower.follow(nodes[0].mesh.me(), Assignment(number));
    }
    Cluster { network, master, told, nodes }
}

fn numbered(rows: u64) -> Feeder {
    let lines: Vec<_> = (0..rows).map(|row| row.to_string()).collect();
    Feeder::csv_text(format!("number\n{}", lines.join("\n")))
}

impl Node {
    async fn start(&mut self, feeder: Feeder) -> Result<Feed, Refusal> {
        let tasks = &mut self.tasks;
        self.run
            .start("rows", feeder, &self.telemetry, |work| {
                tasks.spawn(work);
            })
            .await
    }
}

impl Cluster {
    async fn start(&mut self, feeder: &Feeder) -> Vec<Feed> {
        let mut feeds = Vec::new();
        for node in &mut self.nodes {
            feeds.push(node.start(feeder.clone()).await.unwrap());
        }
        feeds
    }
}

async fn next(feed: &Feed, user: u64) -> Result<Option<u64>, Failure> {
    let row = feed.next(UserId(user), || Random::of(1, UserId(user), 0)).await?;
    Ok(row.map(|row| row.index()))
}

/// A user that takes rows until there are none, as fast as it can.
async fn take_all(feed: Feed, user: u64) -> Vec<u64> {
    let mut rows = Vec::new();
    while let Some(row) = next(&feed, user).await.unwrap() {
        rows.push(row);
    }
    rows
}

#[tokio::test(start_paused = true)]
async fn every_row_of_a_sequential_feeder_is_given_once_over_all_nodes() {
    let mut cluster = cluster(4);
    let feeds = cluster.start(&numbered(1_003).sequential()).await;
    let mut users = JoinSet::new();
    for user in 1..=40 {
        users.spawn(take_all(feeds[user as usize % 4].clone(), user));
    }
    let mut all: Vec<_> = users.join_all().await.concat();
    all.sort_unstable();
    assert_eq!(all, (0..1_003).collect::<Vec<_>>());
    for node in &cluster.nodes {
        assert_eq!(node.telemetry.count(Kind::FeederExhausted), 1, "told once by each node");
    }
}

#[tokio::test(start_paused = true)]
async fn a_circular_feeder_begins_anew_and_gives_all_rows_alike() {
    let mut cluster = cluster(3);
    let feeds = cluster.start(&numbered(10).circular()).await;
    let mut counts = [0_u64; 10];
    for turn in 0..300 {
        let row = next(&feeds[turn % 3], 1).await.unwrap().unwrap();
        counts[row as usize] += 1;
    }
    // What is held ahead of need by three nodes makes the difference.
    let (least, most) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
    assert!(most - least <= 20, "{counts:?}");
}

#[tokio::test(start_paused = true)]
async fn random_and_unique_rows_need_nobody_else() {
    let mut cluster = cluster(2);
    let feeds = cluster.start(&numbered(10).unique()).await;
    for (feed, user) in [(&feeds[0], 1), (&feeds[1], 2), (&feeds[0], 10), (&feeds[1], 1)] {
        assert_eq!(next(feed, user).await, Ok(Some(user - 1)), "wherever the user is");
    }
    let failure = next(&feeds[0], 11).await.unwrap_err();
    assert_eq!(failure.owner(), Owner::Scenario);
    insta::assert_snapshot!(failure, @"feeder `rows` has 10 rows, and there are more users: each needs one of its own");
    assert_eq!(cluster.nodes[0].telemetry.count(Kind::FeederShort), 1);

    let mut cluster = self::cluster(2);
    let feeds = cluster.start(&numbered(10).random()).await;
    assert_eq!(next(&feeds[0], 3).await, next(&feeds[1], 3).await);
    let mut seen = BTreeSet::new();
    for user in 1..200 {
        seen.insert(next(&feeds[0], user).await.unwrap());
    }
    assert_eq!(seen.len(), 10);
}

#[tokio::test(start_paused = true)]
async fn nodes_with_other_rows_are_refused() {
    let mut cluster = cluster(3);
    cluster.nodes[0].start(numbered(10)).await.unwrap();
    let fewer = cluster.nodes[1].start(numbered(9)).await.unwrap_err();
    let others = Feeder::csv_text("number\n0\n1\n2\n3\n4\n5\n6\n7\n8\nx\n");
    let others = cluster.nodes[1].start(others).await.unwrap_err();
    let ordered = cluster.nodes[2].start(numbered(10).random()).await.unwrap_err();
    assert_eq!(fewer.code, Code::InvalidFeeder);
    insta::assert_snapshot!(
        [fewer, others, ordered].map(|refusal| refusal.message).join("\n"),
        @"
    feeder `rows` is not started: it has 9 rows on node `n1`, and 10 on node `n0`; all nodes need the same file
    feeder `rows` is not started: its rows on node `n1` are others than those on node `n0`; all nodes need the same file
    feeder `rows` is not started: it is random on node `n2`, and circular on node `n0`
    "
    );
}

/// What a node held is gone with it, told as lost, and nothing is given twice; all else is given.
#[tokio::test(start_paused = true)]
async fn rows_of_a_lost_node_are_lost_and_told() {
    let mut cluster = cluster(3);
    let feeds = cluster.start(&numbered(100).sequential()).await;
    let mut given = Vec::new();
    for turn in 0..30 {
        given.extend(next(&feeds[turn % 3], 1).await.unwrap());
    }
    let lost = cluster.nodes.remove(2);
    cluster.network.kill(lost.mesh.me());
    cluster.master.gone(lost.mesh.me());
    drop(lost);
    for feed in &feeds[..2] {
        given.extend(take_all(feed.clone(), 2).await);
    }
    let distinct: BTreeSet<_> = given.iter().copied().collect();
    assert_eq!(distinct.len(), given.len());
    let missing = 100 - distinct.len() as u64;
    assert!(missing <= cluster.told.count(Kind::FeederLost), "{missing} are missing");
}

/// The last rows are with a node whose users want no more: they come back to those who do.
#[tokio::test(start_paused = true)]
async fn rows_that_a_node_does_not_use_come_back() {
    let mut cluster = cluster(2);
    let feeds = cluster.start(&numbered(2_000).sequential()).await;
    let mut given = Vec::new();
    for _ in 0..500 {
        given.extend(next(&feeds[1], 1).await.unwrap());
    }
    given.extend(take_all(feeds[0].clone(), 2).await);
    given.sort_unstable();
    assert_eq!(given, (0..2_000).collect::<Vec<_>>());
}

/// A node that leaves gives back what it has, at once.
#[tokio::test(start_paused = true)]
async fn a_node_that_leaves_gives_its_rows_back() {
    let mut cluster = cluster(2);
    let feeds = cluster.start(&numbered(2_000).sequential()).await;
    let mut given = Vec::new();
    for _ in 0..500 {
        given.extend(next(&feeds[1], 1).await.unwrap());
    }
    cluster.nodes[1].tasks.shutdown().await;
    cluster.nodes[1].follower.flush().await;
    cluster.nodes[1].follower.unfollow();
    cluster.master.gone(cluster.nodes[1].mesh.me());
    assert_eq!(cluster.told.count(Kind::FeederLost), 0);
    given.extend(take_all(feeds[0].clone(), 2).await);
    given.sort_unstable();
    assert_eq!(given, (0..2_000).collect::<Vec<_>>());
}

/// A user that gives up waiting costs no row.
#[tokio::test(start_paused = true)]
async fn who_gives_up_costs_no_row() {
    let mut cluster = cluster(2);
    let feeds = cluster.start(&numbered(20).sequential()).await;
    let (master, worker) = (cluster.nodes[0].mesh.me(), cluster.nodes[1].mesh.me());
    cluster.network.cut(master, worker);
    let waiting = tokio::time::timeout(Duration::from_millis(10), next(&feeds[1], 1)).await;
    assert!(waiting.is_err());
    cluster.network.mend(master, worker);
    let mut given = take_all(feeds[1].clone(), 1).await;
    given.extend(take_all(feeds[0].clone(), 2).await);
    given.sort_unstable();
    assert_eq!(given, (0..20).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn after_the_run_nobody_waits_for_a_row() {
    let mut cluster = cluster(2);
    let feeds = cluster.start(&numbered(20).circular()).await;
    cluster.master.forget();
    let failure = next(&feeds[1], 1).await.unwrap_err();
    assert_eq!(failure.owner(), Owner::Generator);
    assert!(failure.reason().contains("the run is over"), "{failure}");
}

#[tokio::test]
async fn alone_a_node_counts_for_itself() {
    let telemetry = Telemetry::default();
    let run = RunFeeders::default();
    let start = |name: &'static str, feeder| {
        let (run, telemetry) = (run.clone(), telemetry.clone());
        async move { run.start(name, feeder, &telemetry, |_| panic!("nobody to ask")).await }
    };
    let feed = start("a", numbered(3).sequential()).await.unwrap();
    assert_eq!(take_all(feed.clone(), 1).await, [0, 1, 2]);
    assert_eq!(next(&feed, 1).await, Ok(None));
    let feed = start("b", numbered(2)).await.unwrap();
    assert_eq!(feed.order(), Order::Circular);
    for row in [0, 1, 0, 1] {
        assert_eq!(next(&feed, 1).await, Ok(Some(row)));
    }
    // The same again is the same; another is not.
    assert_eq!(next(&start("b", numbered(2)).await.unwrap(), 1).await, Ok(Some(0)));
    assert_eq!(next(&feed, 1).await, Ok(Some(1)));
    let other = start("b", numbered(3)).await.unwrap_err();
    assert_eq!(other.code, Code::WrongReconfiguration);
    let none = run.get("c").unwrap_err();
    assert_eq!(none.code, Code::NoFeeder);
    let bad = start("d", Feeder::csv_text("x,x\n1,2\n1\n")).await.unwrap_err();
    insta::assert_snapshot!([other, none, bad].map(|refusal| refusal.message).join("\n"), @"
    feeder `b` runs already, with other rows or in another order (circular)
    no feeder `c` is started (there are: a, b)
    feeder `d` is not started: line 1: columns 1 and 2 have the same name; line 3: 1 cell, and 2 columns
    ");
}

#[test]
fn a_row_is_read_as_a_struct() {
    #[derive(Debug, PartialEq, serde::Deserialize)]
    struct Account {
        user: String,
        limit: Option<u32>,
    }
    let rows = Feeder::csv_text("user,limit\nann,7\nbob,\ncid,x\n").load().unwrap();
    let account = |index| rows.row(index).to::<Account>();
    assert_eq!(account(0), Ok(Account { user: "ann".into(), limit: Some(7) }));
    assert_eq!(account(1), Ok(Account { user: "bob".into(), limit: None }));
    let faults = [
        account(2).unwrap_err(),
        rows.row(2).parse::<u32>("limit").unwrap_err(),
        rows.row(2).parse::<u32>("limits").unwrap_err(),
    ];
    insta::assert_snapshot!(faults.map(|fault| fault.to_string()).join("\n"), @"
    column 2: invalid digit found in string
    column `limit` of a row is not a whole number from 0
    no column `limits`; the rows have 2 columns
    ");
}

/// Whoever names a file to a node may not read it by what is wrong with it.
#[test]
fn nothing_that_a_file_holds_is_told() {
    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Account {
        #[serde(rename = "user")]
        _user: Kind,
    }
    #[derive(Debug, serde::Deserialize)]
    enum Kind {
        Known,
    }
    let told = |feeder: Feeder| {
        let rows = match feeder.load() {
            Ok(rows) => rows,
            Err(faults) => return vec![faults.to_string()],
        };
        let row = rows.row(0);
        let mut told = vec![row.parse::<u8>("user").unwrap_err().to_string()];
        told.extend(row.to::<Account>().err().map(|fault| fault.to_string()));
        told.extend(row.to::<BTreeMap<String, u8>>().err().map(|fault| fault.to_string()));
        told.extend(row.to::<BTreeMap<String, bool>>().err().map(|fault| fault.to_string()));
        told
    };
    let texts = [
        "canary:$6$canary:19000:0:99999:7:::\ncanary:*:19000:0:99999:7:::\n",
        "user\ncanary\n",
        "user,canary\nKnown,canary\n",
        "canary,canary\n1,2\n",
        "canary\"canary\n",
        "canary\n1,canary,3\n",
        "\"canary\n",
        "\"canary\"\n",
        "canary\n",
        "{\"user\": \"canary\"}\n",
        "{\"canary\": 1}\n{\"canary2\": 1}\n",
        "{\"canary\": 1, \"canary\": 2}\n",
        "{\"user\": canary}\n",
        "{\"user\": \"canary\\q\"}\n",
        "[\"canary\"]\n",
        "{\"user\": 1}\n\"canary\"\n",
        "-----BEGIN canary-----\ncanary==\n",
    ];
    for text in texts {
        for feeder in [Feeder::csv_text(text), Feeder::json_lines_text(text)] {
            for fault in told(feeder) {
                assert!(!fault.contains("canary"), "{text:?}: {fault}");
            }
        }
    }
    // Nor is what stands there as a number or a truth value.
    let numbers = Feeder::json_lines_text("4242\n").load().unwrap_err().to_string();
    assert_eq!(numbers, "line 1: it is no JSON object");
}

/// As many columns as a file may have.
#[test]
fn a_line_of_many_columns_takes_no_longer_than_it_is_long() {
    let names: Vec<String> = (0..100_000).map(|number| format!("\"k{number}\"")).collect();
    let csv = format!("{}\n", names.join(","));
    let pairs: Vec<String> = names.iter().map(|name| format!("{name}: 1")).collect();
    let json = format!("{{{}}}\n{{\"a\": 1}}\n", pairs.join(", "));
    let began = std::time::Instant::now();
    assert_eq!(Feeder::csv_text(csv).load().unwrap_err().to_string(), "there are no rows");
    let fault = Feeder::json_lines_text(json).load().unwrap_err().to_string();
    assert!(fault.ends_with("no key 4 of the first line and 99996 more"), "{fault}");
    assert!(began.elapsed() < Duration::from_secs(20));
}
