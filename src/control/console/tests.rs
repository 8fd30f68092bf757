use super::*;
use crate::control::fake::Fake;

async fn script(node: &Fake, lines: &str) -> (Exit, String, String) {
    let (mut answers, mut faults) = (Vec::new(), Vec::new());
    let (_nobody, signals) = EndSignals::of_test();
    let exit = scripted_until(signals, node.clone(), lines.as_bytes(), &mut answers, &mut faults)
        .await
        .unwrap();
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
    insta::assert_snapshot!(answers, @r#"
    `idle` is running, users 1 to 2 (2 users)
    the run of `idle` is on, with 2 running and 0 waiting: it is stopped …
    summary: 2 removed
    "#);
    assert_eq!(node.with(|inside| inside.log.clone()), ["do idle 2", "stop", "shutdown"]);
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
    let exit = scripted_until(signals, node, lines, &mut answers, &mut faults).await.unwrap();
    assert_eq!(exit, Exit::Failed);
    assert!(answers.starts_with(b"NODE"));
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
    let work = scripted_until(signals, node.clone(), script, &mut answers, &mut faults);
    let (exit, ()) = tokio::join!(work, interrupt);
    assert_eq!(exit.unwrap(), Exit::Interrupted);
    assert_eq!(node.with(|inside| inside.log.clone()), ["do idle 2", "stop", "shutdown"]);
}
