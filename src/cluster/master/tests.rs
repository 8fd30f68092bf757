use std::time::Duration;

use super::*;
use crate::cluster::mesh::memory::Network;

mod fake;

use fake::{Node, node};

async fn cluster(names: &[&str], loss: OnNodeLoss) -> (Network, Vec<Node>) {
    let network = Network::default();
    let mut nodes = Vec::new();
    for name in names {
        nodes.push(node(&network, name, loss).await);
    }
    pause(1_000).await;
    (network, nodes)
}

/// The clock is paused: this is as long as the test says, and no longer.
async fn pause(milliseconds: u64) {
    tokio::time::sleep(Duration::from_millis(milliseconds)).await;
}

fn pair(name: &str, value: &str) -> Vec<(String, String)> {
    vec![(name.to_owned(), value.to_owned())]
}

fn shares(shares: &[(&str, u64)]) -> Vec<(String, u64)> {
    shares.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
}

fn value(settings: &[SettingView], name: &str) -> Option<String> {
    let view = settings.iter().find(|view| view.declaration.name == name)?;
    view.value.text.clone()
}

#[tokio::test(start_paused = true)]
async fn every_verb_over_two_workers() {
    let (_network, nodes) = cluster(&["a", "b", "c"], OnNodeLoss::Replace).await;
    let master = &nodes[0].master;
    assert_eq!(master.master(), None);
    let dealt = master.start_run("idle", 10, pair("pause", "2s")).await.unwrap();
    assert_eq!((dealt.first, dealt.last), (1, 10));
    assert_eq!(dealt.shares, shares(&[("b", 5), ("c", 5)]));
    assert_eq!(nodes[1].living(), [1, 2, 3, 4, 5]);
    assert_eq!(nodes[0].living(), [0; 0]);
    assert!(master.is_master());
    assert_eq!(nodes[2].master.master().as_ref(), Some(nodes[0].mesh.me()));
    assert_eq!(nodes[2].worker().whereabouts[&3], "b");

    let dealt = master.add(4, vec!["c".into()]).await.unwrap();
    assert_eq!(dealt.shares, shares(&[("c", 4)]));
    let dealt = master.add(5, Vec::new()).await.unwrap();
    assert_eq!(dealt.shares, shares(&[("b", 5)]), "the less loaded catches up");
    let refusal = master.add(1, vec!["a".into(), "x".into()]).await.unwrap_err();
    assert_eq!(refusal.code, Code::BadNodes);
    assert!(refusal.message.starts_with("`a`, `x` takes no users"), "{refusal}");

    nodes[1].worker().finish(2);
    pause(1_000).await;
    let status = master.status().await.unwrap();
    assert_eq!(status.state, RunState::Running);
    let users = status.users;
    assert_eq!((users.asked, users.running, users.finished, users.waiting), (19, 17, 2, 0));
    assert!(!nodes[2].worker().whereabouts.contains_key(&1));
    let standing: Vec<_> = status.nodes.iter().map(|node| (node.standing, node.load)).collect();
    assert_eq!(standing, [("master", 0), ("worker", 8), ("worker", 9)]);

    let removed = master.remove(3, false, Vec::new()).await.unwrap();
    assert_eq!((removed.chosen, removed.shares), (3, shares(&[("b", 1), ("c", 2)])));
    let removed = master.remove(100, true, vec!["c".into()]).await.unwrap();
    assert_eq!(removed.chosen, 7);
    let listed = master.users(3).await.unwrap();
    assert_eq!(listed.users.iter().map(|user| user.id.0).collect::<Vec<_>>(), [3, 4, 5]);
    assert_eq!(master.user(UserId(4)).await.unwrap().state, "running");
    pause(1_000).await;
    assert_eq!(master.user(UserId(1)).await.unwrap().state, "gone");
    assert_eq!(master.user(UserId(20)).await.unwrap_err().code, Code::NoSuchUser);

    let set = master.set(pair("pause", "3s"), Vec::new()).await.unwrap();
    assert_eq!((set.changed, set.faults), (vec!["pause".to_owned()], Vec::new()));
    assert_eq!(value(&master.settings().await.unwrap(), "pause").as_deref(), Some("3s"));

    let moved = master.drain("b").await.unwrap();
    assert_eq!(moved, 7);
    pause(1_000).await;
    assert_eq!(nodes[2].living().len(), 7);
    assert_eq!(master.drain("c").await.unwrap_err().code, Code::EmptyNodesList);

    let again = master.start_run("idle", 1, Vec::new()).await.unwrap_err();
    assert_eq!(again.code, Code::InvalidStatus);
    master.stop().await.unwrap();
    assert_eq!(master.ended().await, RunState::Finished);
    let account = master.account().await.unwrap();
    assert_eq!(account.users.removed + account.users.finished, 19);
    assert_eq!(account.endings.stopped, 17);
    assert_eq!(account.nodes, ["b", "c"]);

    // The next one forgets this one.
    let dealt = master.start_run("idle", 2, Vec::new()).await.unwrap();
    assert_eq!(dealt.shares, shares(&[("b", 1), ("c", 1)]));
    master.stop().await.unwrap();
    master.ended().await;
    master.reset().await.unwrap();
    pause(100).await;
    assert_eq!((master.master(), nodes[1].master.master()), (None, None));
    let told = nodes[0].companion.told();
    let first = ["begin idle", "joined b", "joined c", "end", "forget"];
    assert_eq!(told[..5], first);
    assert_eq!(told[5..], first);
}

#[tokio::test(start_paused = true)]
async fn of_two_that_say_do_at_once_one_is_master_and_the_other_says_who() {
    let (_network, nodes) = cluster(&["a", "b", "c"], OnNodeLoss::Replace).await;
    let (a, b) = tokio::join!(
        nodes[0].master.start_run("idle", 1, Vec::new()),
        nodes[1].master.start_run("idle", 1, Vec::new()),
    );
    assert!(a.is_ok());
    assert_eq!(b.unwrap_err().code, Code::MasterIsAlreadySet);
    assert_eq!(nodes[1].master.master().as_ref(), Some(nodes[0].mesh.me()));
    let answer = nodes[1].master.relay("do idle 1".into()).await.unwrap();
    assert_eq!(answer.0, "a did do idle 1");
    assert_eq!(nodes[1].master.stop().await.unwrap_err().code, Code::NotAMaster);
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_makes_nobody_master_and_begins_nothing() {
    let (_network, nodes) = cluster(&["a", "b", "c"], OnNodeLoss::Replace).await;
    let master = &nodes[0].master;
    let refusal = master.start_run("idel", 1, Vec::new()).await.unwrap_err();
    assert_eq!(refusal.code, Code::NoSuchScenario);
    let refusal = master.start_run("idle", 1, pair("pause", "soon")).await.unwrap_err();
    assert_eq!(refusal.code, Code::ParametersVerificationFailed);
    assert_eq!(
        master.start_run("idle", u64::MAX, Vec::new()).await.unwrap_err().code,
        Code::InvalidRange
    );
    assert!(nodes[1].worker().run.is_none());
    nodes[2].worker().fails_init = true;
    let refusal = master.start_run("idle", 1, Vec::new()).await.unwrap_err();
    assert_eq!((refusal.code, &*refusal.message), (Code::InitFailed, "node `c`: no target"));
    pause(100).await;
    assert_eq!((master.state(), master.master()), (RunState::Idle, None));
    assert_eq!(nodes[1].master.master(), None);
}

#[tokio::test(start_paused = true)]
async fn a_silent_node_is_named_and_holds_nobody_up() {
    let (_network, nodes) = cluster(&["a", "b", "c"], OnNodeLoss::Replace).await;
    let master = &nodes[0].master;
    master.start_run("idle", 10, Vec::new()).await.unwrap();
    pause(1_000).await;
    nodes[2].worker().silent = true;
    pause(2_500).await;
    let dealt = master.add(2, Vec::new()).await.unwrap();
    assert_eq!(dealt.notes.len(), 1, "{:?}", dealt.notes);
    assert!(dealt.notes[0].starts_with("node `c` has not been heard of for"), "{:?}", dealt.notes);
    let status = master.status().await.unwrap();
    assert_eq!((status.users.running, status.users.waiting), (10, 2), "b has not told yet");
    let began = tokio::time::Instant::now();
    let setting = master.set(pair("pause", "3s"), Vec::new());
    let removing = master.remove(12, false, Vec::new());
    let (set, removed, status) = tokio::join!(setting, removing, async {
        let status = master.status().await.unwrap();
        assert_eq!(began.elapsed(), Duration::ZERO);
        status
    });
    assert_eq!(status.state, RunState::Running);
    let refusal = set.unwrap_err();
    assert_eq!(refusal.code, Code::Unavailable);
    let said = "nothing was changed: node `c` does not agree (node `c` did not answer within 10s)";
    assert_eq!(refusal.message, said);
    assert_eq!(value(&master.settings().await.unwrap(), "pause").as_deref(), Some("1s"));
    let removed = removed.unwrap();
    assert_eq!((removed.chosen, removed.notes.len()), (6, 1), "{removed:?}");
}

#[tokio::test(start_paused = true)]
async fn settings_change_everywhere_or_nowhere() {
    let (_network, nodes) = cluster(&["a", "b", "c"], OnNodeLoss::Replace).await;
    let master = &nodes[0].master;
    master.start_run("idle", 10, Vec::new()).await.unwrap();
    pause(1_000).await;
    let refusal = master.set(pair("mode", "walk"), Vec::new()).await.unwrap_err();
    assert_eq!(refusal.code, Code::ReadonlyParameters);
    nodes[2].worker().refuses_settings = true;
    let refusal = master.set(pair("pause", "9s"), Vec::new()).await.unwrap_err();
    assert_eq!(refusal.message, "node `c`: `pause` is too long here");
    assert!(!nodes[1].worker().run.as_ref().unwrap().settings.contains(&pair("pause", "9s")[0]));
    nodes[2].worker().refuses_settings = false;
    nodes[2].worker().fails_apply = true;
    let set = master.set(pair("pause", "9s"), Vec::new()).await.unwrap();
    assert!(set.notes[0].starts_with("node `c` takes no part any more"), "{:?}", set.notes);
    assert!(nodes[1].worker().run.as_ref().unwrap().settings.contains(&pair("pause", "9s")[0]));
    pause(1_000).await;
    // It has begun anew, with what is true now, and has its users again.
    assert_eq!(nodes[2].living().len(), 5);
    let settings = nodes[2].worker().run.as_ref().unwrap().settings.clone();
    assert!(settings.contains(&pair("pause", "9s")[0]), "{settings:?}");
    assert_eq!(master.status().await.unwrap().gaps[0].placed, shares(&[("c", 5)]));
}

#[tokio::test(start_paused = true)]
async fn a_lost_workers_users_live_elsewhere_under_the_same_ids() {
    let (network, nodes) = cluster(&["a", "b", "c", "d"], OnNodeLoss::Replace).await;
    let master = &nodes[0].master;
    master.start_run("idle", 9, Vec::new()).await.unwrap();
    pause(2_000).await;
    network.kill(nodes[3].mesh.me());
    pause(3_000).await;
    assert_eq!(master.status().await.unwrap().users.waiting, 3);
    assert!(!nodes[0].companion.told().contains(&"gone d".to_owned()));
    pause(3_000).await;
    let mut living = nodes[1].living();
    living.extend(nodes[2].living());
    living.sort_unstable();
    assert_eq!(living, (1..=9).collect::<Vec<_>>());
    assert!(nodes[0].companion.told().contains(&"gone d".to_owned()));
    let status = master.status().await.unwrap();
    assert_eq!((status.users.running, status.users.waiting), (9, 0));
    assert_eq!(status.gaps[0].placed.iter().map(|(_, count)| count).sum::<u64>(), 3);
    // One that comes later gets what is true now, and its share of what is added then.
    let late = node(&network, "e", OnNodeLoss::Replace).await;
    pause(1_000).await;
    assert_eq!(late.worker().whereabouts.len(), 9);
    let dealt = master.add(4, Vec::new()).await.unwrap();
    assert_eq!(dealt.shares, shares(&[("e", 4)]));
}

#[tokio::test(start_paused = true)]
async fn a_lone_node_is_its_own_worker_until_another_comes() {
    let network = Network::default();
    let lone = node(&network, "a", OnNodeLoss::Replace).await;
    let dealt = lone.master.start_run("idle", 3, Vec::new()).await.unwrap();
    assert_eq!(dealt.shares, shares(&[("a", 3)]));
    pause(1_000).await;
    assert!(lone.worker().renewed > 0);
    let other = node(&network, "b", OnNodeLoss::Replace).await;
    pause(1_000).await;
    let dealt = lone.master.add(2, Vec::new()).await.unwrap();
    assert_eq!(dealt.shares, shares(&[("b", 2)]));
    assert_eq!(lone.living(), [1, 2, 3]);
    assert_eq!(other.living(), [4, 5]);
    // It gives its users up when it is told to.
    assert_eq!(lone.master.drain("a").await.unwrap(), 3);
    pause(1_000).await;
    assert_eq!(other.living(), [1, 2, 3, 4, 5]);
    lone.master.shutdown();
}
