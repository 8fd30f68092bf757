use std::sync::mpsc::{Receiver, sync_channel};

use tokio::{sync::mpsc::UnboundedSender, time::Instant};

use super::*;
use crate::control::{command::parse, fake::Fake};

async fn script(node: &Fake, lines: &str) -> (Exit, String, String) {
    let (mut answers, mut faults) = (Vec::new(), Vec::new());
    let (_nobody, signals) = EndSignals::of_test();
    let exit =
        scripted(signals, node.clone(), lines.as_bytes(), &mut answers, &mut faults).await.unwrap();
    (exit, String::from_utf8(answers).unwrap(), String::from_utf8(faults).unwrap())
}

#[tokio::test(start_paused = true)]
async fn a_script_goes_on_after_a_refusal_and_fails_in_the_end() {
    let node = Fake::new();
    let (exit, answers, faults) =
        script(&node, "# a script\n\ndo idle 2\nlaunch\nadd 1\nremove 3\nwait 5s\nstop").await;
    assert_eq!(exit, Exit::Failed);
    insta::assert_snapshot!(answers, @r#"
    `idle` is running, users 1 to 2 (2 users)
    added user 3
    3 users told to stop
    all users are gone; the run is still on
    the run is finished
    "#);
    insta::assert_snapshot!(faults, @r#"line 4: `launch` is not a command; `help` lists all [unknown-command]"#);
    assert_eq!(node.with(|inside| inside.log.last().cloned()).as_deref(), Some("shutdown"));
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_on_at_the_end_of_input_is_stopped_and_told() {
    let node = Fake::new();
    let (exit, answers, faults) = script(&node, "do idle 2\n").await;
    assert_eq!((exit, faults.as_str()), (Exit::Passed, ""));
    let told: Vec<_> = answers.lines().take(2).collect();
    insta::assert_snapshot!(told.join("\n"), @"
    `idle` is running, users 1 to 2 (2 users)
    the run of `idle` is on, with 2 running and 0 waiting: it is stopped …
    ");
    assert!(answers.contains("\nusers   asked 2, started 0, removed 2\n"), "{answers}");
    assert_eq!(node.with(|inside| inside.log.clone()), ["do idle 2", "stop", "shutdown"]);
}

#[tokio::test(start_paused = true)]
async fn nothing_that_is_told_drives_a_terminal() {
    let node = Fake::new();
    let trick = "a\u{1b}[2J\u{9b}31m\u{202e}b";
    let (_, answers, faults) =
        script(&node, &format!("throttle rate x {trick}\ndo {trick} 1\n{trick}\n")).await;
    for text in [answers, faults.clone(), text(Err(trick.into())), text(Ok(trick.into()))] {
        assert!(text.chars().all(|c| c == '\n' || printable::is_printable(c)), "{text:?}");
    }
    assert_eq!(faults.lines().count(), 3, "{faults}");
}

#[tokio::test(start_paused = true)]
async fn quit_ends_a_script() {
    let node = Fake::new();
    let (exit, answers, _) = script(&node, "nodes\nquit\ndo idle 2\n").await;
    assert_eq!(exit, Exit::Passed);
    assert!(answers.starts_with("NODE"), "{answers}");
    assert_eq!(node.with(|inside| inside.log.clone()), ["shutdown"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_no_text_is_refused_and_not_the_end() {
    let node = Fake::new();
    let (mut answers, mut faults) = (Vec::new(), Vec::new());
    let lines = &b"\xff\xfe\nnodes\n"[..];
    let (_nobody, signals) = EndSignals::of_test();
    let exit = scripted(signals, node, lines, &mut answers, &mut faults).await.unwrap();
    assert_eq!(exit, Exit::Failed);
    assert!(answers.starts_with(b"NODE"));
}

#[tokio::test(start_paused = true)]
async fn a_script_whose_answers_nobody_reads_ends_its_run() {
    struct Closed;

    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
    }

    let node = Fake::new();
    let (_nobody, signals) = EndSignals::of_test();
    let exit = scripted(signals, node.clone(), &b"do idle 2\n"[..], Closed, Closed).await;
    assert_eq!(exit.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    assert_eq!(node.with(|inside| inside.log.clone()), ["do idle 2", "stop", "shutdown"]);
}

#[tokio::test(start_paused = true)]
async fn a_signal_ends_a_script_and_its_run() {
    let node = Fake::new();
    let (sender, signals) = EndSignals::of_test();
    let interrupt = async {
        tokio::time::sleep(Duration::from_secs(60)).await;
        sender.send(EndSignal::Interrupt).unwrap();
    };
    let (mut answers, mut faults) = (Vec::new(), Vec::new());
    let script = &b"do idle 2\nwait\nstatus\n"[..];
    let work = scripted(signals, node.clone(), script, &mut answers, &mut faults);
    let (exit, ()) = tokio::join!(work, interrupt);
    assert_eq!(exit.unwrap(), Exit::Interrupted);
    assert_eq!(node.with(|inside| inside.log.clone()), ["do idle 2", "stop", "shutdown"]);
}

/// A console whose texts can be read, and the way to send it signals.
fn console(node: &Fake) -> (Console<Local<Fake>>, Receiver<String>, UnboundedSender<EndSignal>) {
    let (above, texts) = sync_channel(100);
    let printer = Printer::new(above);
    printer.set_editing(true);
    let (sender, signals) = EndSignals::of_test();
    let known = Arc::default();
    (
        Console { node: Local(node.clone()), signals, known, printer, late: JoinSet::new() },
        texts,
        sender,
    )
}

#[tokio::test(start_paused = true)]
async fn a_slow_init_gives_the_prompt_back_and_is_told_when_it_is_over() {
    let node = Fake::new();
    node.with(|inside| inside.init = Duration::from_secs(20));
    let (mut console, texts, _signals) = console(&node);
    let began = Instant::now();
    let next = console.carry_out(parse("do idle 2 password=secret").unwrap()).await;
    assert!(matches!(next, Next::Prompt));
    assert!(began.elapsed() < Duration::from_secs(4));
    assert_eq!(texts.try_recv().unwrap(), "still initialising …");
    console.carry_out(parse("add 1").unwrap()).await;
    assert!(texts.try_recv().unwrap().contains("[invalid-status]"));
    console.late.join_next().await.unwrap().unwrap();
    assert_eq!(texts.try_recv().unwrap(), "do idle: `idle` is running, users 1 to 2 (2 users)");
}

#[tokio::test(start_paused = true)]
async fn ctrl_c_ends_a_wait_and_nothing_else() {
    let node = Fake::new();
    let (mut console, texts, signals) = console(&node);
    console.carry_out(parse("do idle 2").unwrap()).await;
    texts.try_recv().unwrap();
    let interrupt = async {
        tokio::time::sleep(Duration::from_secs(3600)).await;
        signals.send(EndSignal::Interrupt).unwrap();
    };
    let wait = console.carry_out(parse("wait").unwrap());
    let (next, ()) = tokio::join!(wait, interrupt);
    assert!(matches!(next, Next::Prompt));
    assert!(texts.try_recv().unwrap().contains("no longer waiting"));
    assert_eq!(node.with(|inside| inside.users.running), 2);
}

#[tokio::test(start_paused = true)]
async fn sigterm_ends_the_console_in_the_middle_of_a_command() {
    let node = Fake::new();
    node.with(|inside| inside.init = Duration::from_secs(3600));
    let (mut console, _texts, signals) = console(&node);
    signals.send(EndSignal::Terminate).unwrap();
    let next = console.carry_out(parse("do idle 2").unwrap()).await;
    assert!(matches!(next, Next::End));
}

#[tokio::test]
async fn completion_learns_the_names_there_are() {
    let node = Fake::new();
    let (console, _texts, _signals) = console(&node);
    node.with(|inside| inside.throttles.insert("login".to_owned(), "1/s".to_owned()));
    console.refresh().await;
    let known = console.known.lock().unwrap().clone();
    let (scenario, settings) = &known.scenarios[0];
    assert_eq!((scenario.as_str(), known.scenarios.len()), ("idle", 1));
    assert!(
        ["user_rate", "profile", "thresholds"]
            .iter()
            .all(|name| settings.iter().any(|all| all == name))
    );
    assert_eq!(known.throttles, ["login"]);
    assert_eq!(known.coordinators, ["pairs"]);
    assert_eq!(known.nodes, ["here"]);
}
