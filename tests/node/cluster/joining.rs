//! How nodes find each other, and who is not let in.

use std::{
    net::TcpListener,
    thread,
    time::{Duration, Instant},
};

use crate::{
    harness::{Cluster, MASTER, PATIENCE, Plan, eventually, throughout, worker},
    process::Process,
    shapes::{self, UP},
};

/// A port of loopback that was free a moment ago.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[test]
fn one_seed_is_enough_to_find_all() {
    let cluster = Cluster::start(3);
    for asked in [MASTER, "worker-1", "worker-3"] {
        let members = eventually("clocks and round trips are known", PATIENCE, || {
            let members = cluster.members(asked);
            let known = |node: &shapes::Member| {
                node.here || node.clock_offset_us.is_some() && node.round_trip_us.is_some()
            };
            if members.iter().all(known) { Ok(members) } else { Err(members) }
        });
        assert_eq!(members.len(), 4);
        let here: Vec<_> = members.iter().filter(|node| node.here).collect();
        assert_eq!(here.len(), 1);
        assert_eq!(here[0].name, asked);
        for node in &members {
            assert_eq!(node.state, UP, "{node:?}");
            assert_eq!(node.running, 0, "{node:?}");
            assert!(!node.version.is_empty(), "{node:?}");
            assert_eq!(node.address, cluster.node(&node.name).cluster.to_string(), "{node:?}");
            // One machine has one clock: what is told is the error of the estimate.
            assert!(node.clock_offset_us.unwrap_or(0).abs() < 100_000, "{node:?}");
            assert!(node.round_trip_us.unwrap_or(0) < 1_000_000, "{node:?}");
        }
    }
}

#[test]
fn a_seed_that_comes_late_is_found() {
    let mut cluster = Cluster::empty(Plan::default());
    let seed = format!("127.0.0.1:{}", free_port());
    let options = cluster.options("worker-1", Some(&seed));
    cluster.start_node(&options);
    // It says that it tries, and goes on.
    eventually("it says that it cannot reach the seed", PATIENCE, || {
        let logged = cluster.node("worker-1").logged();
        if logged.contains(&seed) { Ok(()) } else { Err(logged) }
    });
    thread::sleep(Duration::from_secs(3));
    let mut options = cluster.options(MASTER, None);
    options.environment.push(("CROWD_LISTEN".into(), seed));
    cluster.start_node(&options);
    cluster.settle();
}

#[test]
fn nodes_can_be_joined_by_hand() {
    let mut cluster = Cluster::empty(Plan::default());
    for name in ["worker-1", MASTER, "worker-2"] {
        let options = cluster.options(name, None);
        cluster.start_node(&options);
    }
    for name in ["worker-1", "worker-2"] {
        let address = cluster.address(name);
        cluster.done(&format!("join {address}"));
    }
    cluster.settle();
    // Once more does nothing.
    let address = cluster.address("worker-1");
    cluster.done_on("worker-2", &format!("join {address}"));
    cluster.settle();
}

#[test]
fn a_node_with_another_cookie_is_refused_on_both_sides() {
    let mut cluster = Cluster::start(1);
    let seed = cluster.address(MASTER);
    let mut options = cluster.options("stranger", Some(&seed));
    options.environment.push(("CROWD_COOKIE".into(), "something else".into()));
    let stranger = cluster.try_start_beside(&options).unwrap();
    for (who, log) in [
        ("the stranger", &(|| stranger.logged()) as &dyn Fn() -> String),
        ("the master", &|| cluster.node(MASTER).logged()),
    ] {
        eventually(&format!("{who} says that the cookies differ"), PATIENCE, || {
            let logged = log();
            if logged.contains("cookie") { Ok(()) } else { Err(logged) }
        });
        assert!(!log().contains("something else"), "{who} tells the cookie");
        assert!(!log().contains(&cluster.cookie), "{who} tells the cookie");
    }
    cluster.settle();
}

#[test]
fn a_name_that_lives_is_not_given_twice() {
    let mut cluster = Cluster::start(2);
    cluster.echo(10, "interval=100ms");
    cluster.until_running(10);
    let seed = cluster.address(MASTER);
    let options = cluster.options("worker-1", Some(&seed));
    let second = cluster.try_start_beside(&options);
    let refused_by = || match &second {
        Ok(second) => second.logged(),
        Err(not_ready) => not_ready.said.clone(),
    };
    eventually("it is told that its name is taken", PATIENCE, || {
        let said = refused_by();
        if said.contains("worker-1") && said.contains("name") { Ok(()) } else { Err(said) }
    });
    let address = cluster.node("worker-1").cluster.to_string();
    throughout("the name is the first one's", Duration::from_secs(5), || {
        let members = cluster.members(MASTER);
        let named: Vec<_> = members.iter().filter(|node| node.name == "worker-1").collect();
        let first = named.len() == 1 && named[0].state == UP && named[0].address == address;
        if first { Ok(()) } else { Err(members) }
    });
    assert_eq!(cluster.target.ledger.lives().len(), 10, "users were disturbed");
    assert_eq!(cluster.status().users.running, 10);
}

/// Invariants: one life; dense; counts add up.
#[test]
fn a_node_is_back_under_its_old_name_twenty_times_of_twenty() {
    let mut cluster = Cluster::start(2);
    cluster.echo(12, "interval=100ms");
    cluster.until_running(12);
    let mut slowest = Duration::ZERO;
    for time in 1..=20 {
        cluster.kill("worker-1");
        let began = Instant::now();
        cluster.add_node("worker-1");
        let address = cluster.node("worker-1").cluster.to_string();
        eventually(&format!("it is back the {time}. time"), Duration::from_secs(8), || {
            let members = cluster.members(MASTER);
            let back = members.iter().any(|node| {
                node.name == "worker-1"
                    && node.state == UP
                    && node.address == address
                    && node.role == "worker"
            });
            if back { Ok(()) } else { Err(members) }
        });
        slowest = slowest.max(began.elapsed());
    }
    eprintln!("the slowest return took {slowest:?}");
    cluster.until_running(12);
    // And takes its share again.
    let given = shapes::given(&cluster.done("add 20"));
    assert_eq!((given.first, given.last), (13, 32));
    assert!(given.shares.get(&worker(1)).is_some_and(|&share| share > 0), "{given:?}");
    cluster.until_acting(1..=32, Duration::from_secs(1), PATIENCE);
    cluster.target.assert_one_life();
}

/// Whoever is dialled gets a proof: it does not matter then where a node listens.
#[test]
fn a_short_cookie_is_told_once_of_a_node_that_dials_other_machines() {
    let mut cluster = Cluster::empty(Plan::default());
    let said = |process: &Process| process.logged().matches("the cookie is shorter than").count();
    for (name, setting) in [("dials", "CROWD_NODES"), ("advertises", "CROWD_ADVERTISE")] {
        let mut options = cluster.options(name, None);
        options.environment.push(("CROWD_COOKIE".into(), "sesame".into()));
        options.environment.push((setting.into(), "192.0.2.1:4370".into()));
        let process = cluster.try_start_beside(&options).unwrap();
        assert_eq!(said(&process), 1, "{}", process.logged());
    }
    let mut options = cluster.options("joins", None);
    options.environment.push(("CROWD_COOKIE".into(), "sesame".into()));
    cluster.start_node(&options);
    // Refused where nobody is, and too late where nobody answers.
    for (address, count) in [("127.0.0.1:1", 0), ("0.0.0.0:1", 1), ("0.0.0.0:2", 1)] {
        cluster.ask("joins", &format!("join {address}"));
        let node = cluster.node("joins");
        assert_eq!(said(node), count, "{address}: {}", node.logged());
    }
}

#[test]
fn short_secrets_are_told_once_where_other_machines_can_try_them() {
    let mut cluster = Cluster::empty(Plan::default());
    let weak = "is shorter than 16 bytes";
    let mut open = cluster.options("open", None);
    let mut closed = cluster.options("closed", None);
    let mut long = cluster.options("long", None);
    for (options, secret, at) in [
        (&mut open, "sesame", "0.0.0.0:0"),
        (&mut closed, "sesame", "127.0.0.1:0"),
        (&mut long, "sixteen-letters!", "0.0.0.0:0"),
    ] {
        for name in ["CROWD_COOKIE", "CROWD_API_TOKEN"] {
            options.environment.push((name.into(), secret.into()));
        }
        for name in ["CROWD_LISTEN", "CROWD_API_LISTEN"] {
            options.environment.push((name.into(), at.into()));
        }
    }
    let logged = |options| cluster.try_start_beside(options).unwrap().logged();
    let said = logged(&open);
    for secret in ["cookie", "API token"] {
        assert_eq!(said.matches(&format!("the {secret} {weak}")).count(), 1, "{said}");
    }
    assert!(!said.contains("sesame"), "{said}");
    for options in [&closed, &long] {
        let said = logged(options);
        assert!(!said.contains(weak), "{said}");
    }
}
