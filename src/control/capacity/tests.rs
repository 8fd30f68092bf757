use std::time::Duration;

use super::*;
use crate::{
    capacity::SearchState,
    control::{
        command::parse,
        execute::execute,
        exit::Exit,
        fake::Fake,
        logging::Logs,
        run::host::Here,
        signals::{EndSignal, EndSignals},
    },
};

async fn say(node: &Fake, line: &str) -> Result<String, Refusal> {
    execute(node, parse(line)?).await.map(|reply| reply.to_string())
}

#[tokio::test(start_paused = true)]
async fn the_verb_starts_a_search_tells_of_it_and_stops_it() {
    let node = Fake::new();
    assert_eq!(say(&node, "capacity status").await.unwrap(), "there is no search");
    let fault = say(&node, "capacity stop").await.unwrap_err();
    assert_eq!(fault.to_string(), "coordinator is not running [invalid-status]");
    say(
        &node,
        "capacity start idle user_rate=50/s with strategy=equilibrium max=50 missing=ignore",
    )
    .await
    .unwrap();
    let fault = say(&node, "capacity start idle").await.unwrap_err();
    assert!(fault.message.starts_with("coordinator has not stopped"), "{fault}");
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert_eq!(node.with(|inside| inside.users.running), 50);
    let text = say(&node, "capacity status").await.unwrap();
    assert!(text.contains("state      running\nstrategy   equilibrium"), "{text}");
    let text = say(&node, "capacity stop").await.unwrap();
    assert!(text.contains("stopped by hand"), "{text}");
    let fault = say(&node, "capacity start idle").await.unwrap_err();
    assert!(fault.message.starts_with("coordinator is already done"), "{fault}");
    assert_eq!(node.with(|inside| inside.log.clone()), ["do idle 0", "stop"]);
    say(&node, "reset").await.unwrap();
    assert_eq!(say(&node, "capacity status").await.unwrap(), "there is no search");
}

#[tokio::test(start_paused = true)]
async fn what_is_wrong_is_told_at_once_and_changes_nothing() {
    let node = Fake::new();
    let fault = say(&node, "capacity start idle with max=0 increase=0 speed=3").await.unwrap_err();
    assert_eq!(fault.code, Code::ParametersVerificationFailed);
    assert_eq!(fault.message.lines().count(), 3, "{}", fault.message);
    let fault = say(&node, "capacity start idel").await.unwrap_err();
    assert_eq!(fault.code, Code::NoSuchScenario);
    assert_eq!(node.desk().status().state, SearchState::Stopped);
    let fault = say(&node, "capacity start idle with").await.unwrap_err();
    assert_eq!(fault.code, Code::BadUsage);
}

#[tokio::test(start_paused = true)]
async fn users_that_are_told_to_stop_are_not_told_twice() {
    let node = Fake::new();
    node.with(|inside| {
        inside.stubborn = true;
        inside.measured.span = Duration::from_secs(1);
    });
    let line = "capacity start idle with strategy=equilibrium missing=alert start=1";
    say(&node, line).await.unwrap();
    // All is an alert: there is nothing to measure, so all that come are removed again.
    tokio::time::sleep(Duration::from_secs(30)).await;
    node.with(|inside| {
        inside.users.running += 20;
        inside.users.asked += 20;
    });
    tokio::time::sleep(Duration::from_secs(60)).await;
    let removed: u64 = node.with(|inside| {
        let log = inside.log.iter();
        log.filter_map(|line| line.strip_prefix("remove ")?.parse::<u64>().ok()).sum()
    });
    assert_eq!(removed, 20);
    node.desk().end().await;
}

fn options(pairs: &[(&str, &str)]) -> once::CapacityOptions {
    let mut given = Given::default();
    pairs.iter().for_each(|(name, text)| given.pair(name, text));
    once::CapacityOptions {
        scenario: "idle".to_owned(),
        settings: Vec::new(),
        given: given.pairs().unwrap(),
        search: given.settings().unwrap(),
        json: None,
        html: None,
    }
}

async fn search(node: &Fake, signals: EndSignals, pairs: &[(&str, &str)]) -> (Exit, String) {
    let mut answers = Vec::new();
    let exit = once::search_until(
        signals,
        Here(node.clone()),
        options(pairs),
        &Logs::default(),
        &mut answers,
    )
    .await
    .unwrap();
    (exit, String::from_utf8(answers).unwrap())
}

#[tokio::test(start_paused = true)]
async fn a_search_of_the_command_line_ends_with_its_answer() {
    let node = Fake::new();
    let (_nobody, signals) = EndSignals::of_test();
    let pairs = [("max", "30"), ("missing", "ignore")];
    let (exit, text) = search(&node, signals, &pairs).await;
    assert_eq!(exit, Exit::Passed);
    assert!(text.contains("Not limited up to 30 users"), "{text}");
    let log = node.with(|inside| inside.log.clone());
    assert_eq!(
        (log.first().unwrap().as_str(), &log[log.len() - 2..]),
        ("do idle 0", &["stop".to_owned(), "shutdown".to_owned()][..])
    );
}

#[tokio::test(start_paused = true)]
async fn an_interrupt_keeps_what_is_known() {
    let node = Fake::new();
    let (sender, signals) = EndSignals::of_test();
    let interrupts = async {
        tokio::time::sleep(Duration::from_secs(100)).await;
        sender.send(EndSignal::Interrupt).unwrap();
    };
    let pairs = [("max", "100000"), ("missing", "ignore")];
    let ((exit, text), ()) = tokio::join!(search(&node, signals, &pairs), interrupts);
    assert_eq!(exit, Exit::Interrupted);
    assert!(text.contains("stopped by hand after 1m 40s"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_search_without_an_answer_has_failed() {
    let node = Fake::new();
    let (_nobody, signals) = EndSignals::of_test();
    // The fake measures nothing, and nobody grows blindly.
    let (exit, text) = search(&node, signals, &[("patience", "1m")]).await;
    assert_eq!(exit, Exit::Failed);
    assert!(text.contains("there was no value of `error_rate < 1%`"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn whoever_does_not_wait_for_the_end_of_the_run_has_the_answer() {
    let folder = tempfile::tempdir().unwrap();
    let json = folder.path().join("answer.json");
    let node = Fake::new();
    node.with(|inside| inside.frozen = true);
    let (sender, signals) = EndSignals::of_test();
    let interrupts = async {
        tokio::time::sleep(Duration::from_secs(100)).await;
        // The first three are one request: `timeout` tells a process and then its whole group.
        for millis in [0, 10, 400, 5_000] {
            tokio::time::sleep(Duration::from_millis(millis)).await;
            sender.send(EndSignal::Terminate).unwrap();
        }
    };
    let began = tokio::time::Instant::now();
    let mut options = options(&[("max", "100000"), ("missing", "ignore")]);
    options.json = Some(json.clone());
    let mut answers = Vec::new();
    let logs = Logs::default();
    let search = once::search_until(signals, Here(node), options, &logs, &mut answers);
    let (exit, ()) = tokio::join!(search, interrupts);
    assert_eq!(exit.unwrap(), Exit::Interrupted);
    assert!(began.elapsed() >= Duration::from_secs(105), "{:?}", began.elapsed());
    let text = String::from_utf8(answers).unwrap();
    assert!(text.contains("stopped by hand after 1m 40s"), "{text}");
    let document: serde_json::Value =
        serde_json::from_slice(&std::fs::read(json).unwrap()).unwrap();
    assert_eq!(document["exit_code"], 5, "{document:#}");
    assert_eq!(document["outcome"], "stopped", "{document:#}");
}
