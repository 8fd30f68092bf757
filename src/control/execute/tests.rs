use super::*;
use crate::control::{command::parse, fake::Fake};

async fn told(node: &Fake, line: &str) -> String {
    match execute(node, parse(line).unwrap()).await {
        Ok(reply) => reply.to_string(),
        Err(refusal) => refusal.to_string(),
    }
}

#[tokio::test]
async fn a_run_as_a_person_sees_it() {
    let node = Fake::new();
    let mut told_all = Vec::new();
    for line in [
        "do nobody 5",
        "status",
        "do idle 5",
        "do idle 5",
        "add 1",
        "add 5 on here",
        "add 101..110",
        "remove 2",
        "remove 500 force",
        "set rate=5",
        "status",
        "stop",
        "status",
        "reset",
        "do idle 0",
    ] {
        told_all.push(format!("> {line}\n{}", told(&node, line).await));
    }
    insta::assert_snapshot!(told_all.join("\n"), @r#"
    > do nobody 5
    no scenario `nobody` is compiled in (there are: idle) [no-such-scenario]
    > status
    node      here
    state     idle
    > do idle 5
    `idle` is running, users 1 to 5 (5 users)
    > do idle 5
    there is a run already [invalid-status]
    > add 1
    added user 6
    > add 5 on here
    added users 7 to 11 (5 users)
    > add 101..110
    added users 101 to 110 (10 users)
    > remove 2
    2 users told to stop
    > remove 500 force
    19 users told to stop (there are no more to choose); those that do not end are killed in 2s
    > set rate=5
    changed rate
    > status
    node      here
    state     running
    scenario  idle, for 1m 15s
    users     0 waiting, 0 running, 0 finished, 0 failed, 21 removed
              21 asked for, 0 at most at once, highest id 21
    rate      1200/min
    > stop
    the run is finished
    > status
    node      here
    state     finished
    scenario  idle, for 1m 15s
    users     0 waiting, 0 running, 0 finished, 0 failed, 21 removed
              21 asked for, 0 at most at once, highest id 21
    rate      1200/min
    > reset
    the node is idle again
    > do idle 0
    `idle` is running, no users yet
    "#);
}

#[tokio::test]
async fn lists_as_a_person_sees_them() {
    let node = Fake::new();
    let mut told_all = Vec::new();
    for line in [
        "scenarios",
        "scenarios idle",
        "settings",
        "nodes",
        "throttle list",
        "throttle start login 100/s",
        "throttle start login 100/s",
        "throttle list",
        "throttle info login",
        "throttle rate login 5 per 2s",
        "throttle ramp login 1/s 9/s over 90s steps 3",
        "throttle pause login",
        "throttle resume login",
        "throttle unlock login",
        "throttle stop login",
        "throttle pause logout",
        "coordinator list",
        "coordinator reset pairs",
        "coordinator stop pears",
        "users",
        "do idle 25",
        "users 3",
        "user 7",
        "user 99",
        "metrics",
        "metrics send",
    ] {
        told_all.push(format!("> {line}\n{}", told(&node, line).await));
    }
    insta::assert_snapshot!(told_all.join("\n"), @r#"
    > scenarios
    SCENARIO  ABOUT
    idle      Users that only wait.
    > scenarios idle
    idle
      Users that only wait.
      They show what users cost.
      A user holds 1 file descriptor open.

    Settings:
      user_rate
          rate; default 1200/min; may change while a run goes on
          How fast users are admitted, over the whole cluster.
      iteration_rate
          rate; no default; may change while a run goes on
          How many iterations all users begin together, over the whole cluster.
      profile
          load profile; no default
          The load to follow, as in `10s: 0 -> 100, 1m: 100` or `1m: 50/s`.
      arrivals
          one of users | iterations; default users
          What arrives at a rate: new users, or iterations of users that are kept.
      spacing
          one of even | poisson; default even
          How arrivals follow each other: evenly, or at random (by the seed).
      saturation
          one of drop | block; default drop
          Arrivals that no user is free for are dropped, or wait (block).
      seed
          whole number from 0; default 1
          What random choices come from: the same seed, the same choices.
      graceful_stop
          duration; default 30s
          How long what is under way at the end may take to finish.
      allow_errors
          true or false, one of true | false; default false
          Accept errors; else 1% of an action is too many, if no threshold says.
      thresholds
          thresholds; no default
          What the run has to keep to, as in `p95(login) < 150ms; error_rate < 1%`.
    > settings
    no settings: there is no run, or its scenario declares none
    > nodes
    NODE              STATE  USERS
    here (this node)  idle   0
    > throttle list
    no throttle is started
    > throttle start login 100/s
    throttle `login` is started
    > throttle start login 100/s
    throttle `login` was running at this rate already
    > throttle list
    THROTTLE  RATE   STATE    WAITING  GIVEN/S  GIVEN  FORFEITED  RAMP
    login     100/s  running  7        100.0    1234   2
    > throttle info login
    throttle  login
    rate      100/s
    state     running
    waiting   7
    asked     120.0 per second
    given     100.0 per second, 1234 in all, 1 of them not ended
    forfeited 2, each more than 4.4ms late
    > throttle rate login 5 per 2s
    throttle `login` runs at 5 per 2s now
    > throttle ramp login 1/s 9/s over 90s steps 3
    throttle `login` goes from 1/s to 9/s over 1m 30s
    > throttle pause login
    throttle `login` is paused
    > throttle resume login
    throttle `login` goes on
    > throttle unlock login
    throttle `login` lets everybody through
    > throttle stop login
    throttle `login` is stopped
    > throttle pause logout
    no throttle `logout` [no-throttle]
    > coordinator list
    COORDINATOR  STATE    GROUPS OF  WAITING  ADDS  FAULTS  LAST FAULT
    pairs        running  2, all     1        41    0
    > coordinator reset pairs
    coordinator `pairs` begins anew
    > coordinator stop pears
    no coordinator `pears` [no-coordinator]
    > users
    0 users running
    > do idle 25
    `idle` is running, users 1 to 25 (25 users)
    > users 3
    USER  STATE    AGE   NODE
    1     running  2.5s  here
    2     running  2.5s  here
    3     running  2.5s  here
    and 22 more
    > user 7
    user      7
    state     running
    age       2.5s
    node      here
    > user 99
    no user 99 is running [no-such-user]
    > metrics
    all about everything
    > metrics send
    all about send
    "#);
}

#[tokio::test]
async fn what_only_a_cluster_can_do_is_refused_and_changes_nothing() {
    let node = Fake::new();
    told(&node, "do idle 5").await;
    let mut told_all = Vec::new();
    for line in
        ["add 5 on there", "remove 5 on here,there", "set a=1 on there", "join a:1", "drain here"]
    {
        told_all.push(format!("> {line}\n{}", told(&node, line).await));
    }
    insta::assert_snapshot!(told_all.join("\n"), @r#"
    > add 5 on there
    no such node: `there` (there is: `here`); this node is not part of a cluster [bad-nodes]
    > remove 5 on here,there
    no such node: `there` (there is: `here`); this node is not part of a cluster [bad-nodes]
    > set a=1 on there
    no such node: `there` (there is: `here`); this node is not part of a cluster [bad-nodes]
    > join a:1
    this node is not part of a cluster: it cannot join `a:1`; start it with the cookie of the others (CROWD_COOKIE_FILE) [unavailable]
    > drain here
    this node is not part of a cluster: there is no other node its users could move to [unavailable]
    "#);
    assert_eq!(node.with(|inside| inside.users.running), 5);
    assert!(node.with(|inside| inside.settings.is_empty()));
}

#[tokio::test(start_paused = true)]
async fn wait_ends_with_the_users_or_the_time() {
    let node = Fake::new();
    assert_eq!(told(&node, "wait").await, "there is no run to wait for");
    told(&node, "do idle 2").await;
    assert_eq!(told(&node, "wait 3s").await, "the time is up: 2 users still running, 0 waiting");
    let began = Instant::now();
    let users = node.clone();
    let waiting = tokio::spawn(async move { told(&users, "wait").await });
    tokio::time::sleep(Duration::from_secs(5)).await;
    node.with(|inside| inside.users.running = 0);
    assert_eq!(waiting.await.unwrap(), "all users are gone; the run is still on");
    assert!(began.elapsed() >= Duration::from_secs(5));
}

#[tokio::test]
async fn replies_are_documents_for_programs() {
    let node = Fake::new();
    let reply = execute(&node, parse("do idle 5").unwrap()).await.unwrap();
    insta::assert_snapshot!(serde_json::to_string(&reply).unwrap(), @r#"
    {"reply":"started","data":{"scenario":"idle","users":{"first":1,"last":5}}}
    "#);
    let reply = execute(&node, parse("stop").unwrap()).await.unwrap();
    insta::assert_snapshot!(serde_json::to_string(&reply).unwrap(), @r#"
    {"reply":"stopped","data":{"node":"here","state":"finished","reason":null,"scenario":"idle","users":{"asked":5,"started":0,"waiting":0,"running":0,"finished":0,"failed":0,"removed":5,"peak":0},"highest_user_id":5,"user_rate":"1200/min","elapsed":{"secs":75,"nanos":0}}}
    "#);
}
