use std::fs;

use super::*;
use crate::control::{fake::Fake, signals::EndSignal};

fn options(duration: Option<Duration>) -> RunOptions {
    RunOptions {
        scenario: "idle".to_owned(),
        users: 3,
        settings: Vec::new(),
        duration,
        outputs: Outputs::default(),
    }
}

async fn run_it(node: &Fake, options: RunOptions) -> (Exit, String) {
    let (_nobody, signals) = EndSignals::of_test();
    run_with(signals, node, options).await
}

async fn run_with(signals: EndSignals, node: &Fake, options: RunOptions) -> (Exit, String) {
    let mut answers = Vec::new();
    let exit =
        run_until(signals, Here(node.clone()), options, &Logs::default(), &mut answers, false)
            .await
            .unwrap();
    (exit, String::from_utf8(answers).unwrap())
}

/// How many users the summary says were removed.
fn removed(summary: &str) -> u64 {
    let words: Vec<_> = summary.split_whitespace().collect();
    let found = words.windows(2).find(|pair| pair[0] == "removed");
    found.and_then(|pair| pair[1].parse().ok()).unwrap_or(0)
}

#[tokio::test(start_paused = true)]
async fn ends_when_all_users_have_ended() {
    let node = Fake::new();
    let users = node.clone();
    let began = Instant::now();
    let ends = async {
        tokio::time::sleep(Duration::from_secs(60)).await;
        users.with(|inside| {
            inside.users.running = 0;
            inside.users.finished = 3;
        });
    };
    let ((exit, answers), ()) = tokio::join!(run_it(&node, options(None)), ends);
    assert_eq!((exit, removed(&answers)), (Exit::Passed, 0));
    assert_eq!(node.with(|inside| inside.log.clone()), ["do idle 3", "stop", "shutdown"]);
    assert!(began.elapsed() >= Duration::from_secs(60));
}

#[tokio::test(start_paused = true)]
async fn ends_when_the_time_is_up() {
    let node = Fake::new();
    let began = Instant::now();
    let (exit, answers) = run_it(&node, options(Some(Duration::from_secs(30)))).await;
    assert_eq!((exit, removed(&answers)), (Exit::Passed, 3));
    assert!(began.elapsed() >= Duration::from_secs(30));
    assert!(began.elapsed() < Duration::from_secs(31));
}

#[tokio::test(start_paused = true)]
async fn writes_what_was_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let paths = ["result.json", "result.html", "result.xml"].map(|name| folder.path().join(name));
    let mut options = options(Some(Duration::from_secs(1)));
    let [json, html, junit] = paths.clone().map(Some);
    options.outputs = Outputs { json, html, junit };
    run_it(&Fake::new(), options).await;
    let written = paths.map(|path| fs::read_to_string(path).unwrap());
    for (text, part) in written.iter().zip(["\"exit_code\": 0", "<!doctype html>", "<testsuites"]) {
        assert!(text.to_lowercase().contains(part), "{part} is not in {text}");
    }
    // Nothing but them is left.
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
}

#[tokio::test(start_paused = true)]
async fn outputs_that_would_overwrite_each_other_are_refused_before_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let node = Fake::new();
    let mut options = options(None);
    options.outputs.html = Some(folder.path().join("result"));
    options.outputs.junit = options.outputs.html.clone();
    assert_eq!(run_it(&node, options).await.0, Exit::BadUsage);
    assert!(node.with(|inside| inside.log.is_empty()));
}

#[tokio::test(start_paused = true)]
async fn a_document_that_cannot_be_written_is_told_before_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let node = Fake::new();
    for path in [folder.path().to_owned(), folder.path().join("nowhere/result.json")] {
        let mut options = options(None);
        options.outputs.json = Some(path);
        assert_eq!(run_it(&node, options).await.0, Exit::BadUsage);
    }
    assert!(node.with(|inside| inside.log.is_empty()));
}

#[tokio::test(start_paused = true)]
async fn a_refusal_tells_bad_usage_from_bad_luck() {
    let node = Fake::new();
    let mut wrong = options(None);
    wrong.settings.push(("nonsense".to_owned(), "1".to_owned()));
    assert_eq!(run_it(&node, wrong).await.0, Exit::BadUsage);
    node.with(|inside| inside.state = RunState::Failed);
    assert_eq!(run_it(&node, options(None)).await.0, Exit::Failed);
    assert_eq!(node.with(|inside| inside.log.clone()), ["shutdown", "shutdown"]);
}

#[tokio::test(start_paused = true)]
async fn a_summary_that_cannot_be_printed_is_no_fault_of_the_run() {
    struct Full;

    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Err(io::ErrorKind::StorageFull.into())
        }
    }

    let folder = tempfile::tempdir().unwrap();
    let json = folder.path().join("result.json");
    let mut options = options(Some(Duration::from_secs(1)));
    options.outputs.json = Some(json.clone());
    let (_nobody, signals) = EndSignals::of_test();
    let host = Here(Fake::new());
    let exit = run_until(signals, host, options, &Logs::default(), &mut Full, false).await;
    assert_eq!(exit.unwrap(), Exit::Passed);
    assert!(fs::read_to_string(json).unwrap().contains("\"exit_code\": 0"));
}

#[tokio::test(start_paused = true)]
async fn a_signal_that_comes_while_the_result_is_gathered_loses_nothing() {
    for (telling, wanted) in [(1_000, Exit::Passed), (10_000, Exit::Interrupted)] {
        let node = Fake::new();
        node.with(|inside| inside.telling = Duration::from_millis(telling));
        let (sender, signals) = EndSignals::of_test();
        let interrupt = async {
            tokio::time::sleep(Duration::from_millis(1_500)).await;
            sender.send(EndSignal::Terminate).unwrap();
        };
        let began = Instant::now();
        let run = run_with(signals, &node, options(Some(Duration::from_secs(1))));
        let ((exit, answers), ()) = tokio::join!(run, interrupt);
        assert_eq!(exit, wanted);
        assert_eq!(answers.contains("PASSED"), wanted == Exit::Passed, "{answers}");
        // Nobody waits for ever either.
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn signals_in_a_row_are_one_request() {
    let node = Fake::new();
    node.with(|inside| inside.stubborn = true);
    let (sender, signals) = EndSignals::of_test();
    let began = Instant::now();
    let users = node.clone();
    let ends = async {
        for _ in 0..4 {
            sender.send(EndSignal::Terminate).unwrap();
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        tokio::time::sleep(Duration::from_secs(60)).await;
        users.with(|inside| inside.users.running = 0);
    };
    let ((exit, _), ()) = tokio::join!(run_with(signals, &node, options(None)), ends);
    assert_eq!(exit, Exit::Interrupted);
    // Users were told to stop, and nobody forced them.
    assert!(began.elapsed() >= Duration::from_secs(60), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn whoever_leaves_at_once_has_what_is_known() {
    let folder = tempfile::tempdir().unwrap();
    let json = folder.path().join("result.json");
    let mut options = options(None);
    options.outputs.json = Some(json.clone());
    let node = Fake::new();
    node.with(|inside| {
        inside.stubborn = true;
        inside.frozen = true;
    });
    let (sender, signals) = EndSignals::of_test();
    let interrupts = async {
        for _ in 0..3 {
            tokio::time::sleep(Duration::from_secs(5)).await;
            sender.send(EndSignal::Interrupt).unwrap();
        }
    };
    let ((exit, answers), ()) = tokio::join!(run_with(signals, &node, options), interrupts);
    assert_eq!(exit, Exit::Interrupted);
    assert!(answers.contains("INTERRUPTED"), "{answers}");
    assert!(fs::read_to_string(json).unwrap().contains("\"exit_code\": 5"));
    assert_eq!(node.with(|inside| inside.log.clone()), ["do idle 3", "remove 3", "stop"]);
}

/// Interrupts a run of stubborn users so often, five seconds apart, and once it drains.
async fn interrupted(times: usize, stubborn: bool) -> (Exit, String, Vec<String>) {
    let node = Fake::new();
    node.with(|inside| inside.stubborn = stubborn);
    let (sender, signals) = EndSignals::of_test();
    let interrupts = async {
        for _ in 0..times {
            tokio::time::sleep(Duration::from_secs(5)).await;
            sender.send(EndSignal::Interrupt).unwrap();
        }
    };
    let ((exit, answers), ()) = tokio::join!(run_with(signals, &node, options(None)), interrupts);
    (exit, answers, node.with(|inside| inside.log.clone()))
}

#[tokio::test(start_paused = true)]
async fn an_interrupt_tells_users_to_stop_and_ends_when_they_have() {
    let (exit, answers, log) = interrupted(1, false).await;
    assert_eq!((exit, removed(&answers)), (Exit::Interrupted, 3));
    assert_eq!(log, ["do idle 3", "remove 3", "stop", "shutdown"]);
}

#[tokio::test(start_paused = true)]
async fn a_second_interrupt_forces_users_that_do_not_stop() {
    let (exit, answers, log) = interrupted(2, true).await;
    assert_eq!((exit, removed(&answers)), (Exit::Interrupted, 3));
    assert_eq!(log, ["do idle 3", "remove 3", "stop", "shutdown"]);
}

#[tokio::test(start_paused = true)]
async fn an_interrupt_while_init_runs_ends_it() {
    let node = Fake::new();
    node.with(|inside| inside.init = Duration::from_secs(3600));
    let (sender, signals) = EndSignals::of_test();
    sender.send(EndSignal::Terminate).unwrap();
    let (exit, answers) = run_with(signals, &node, options(None)).await;
    assert_eq!((exit, answers.as_str()), (Exit::Interrupted, ""));
    assert_eq!(node.with(|inside| inside.log.clone()), ["shutdown"]);
}
