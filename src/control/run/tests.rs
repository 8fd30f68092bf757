use super::*;
use crate::control::fake::Fake;

fn options(duration: Option<Duration>) -> RunOptions {
    RunOptions { scenario: "idle".to_owned(), users: 3, settings: Vec::new(), duration, json: None }
}

async fn run_it(node: &Fake, options: RunOptions) -> (Exit, String) {
    let mut answers = Vec::new();
    let exit = run(node.clone(), options, &Logs::default(), &mut answers, false).await.unwrap();
    (exit, String::from_utf8(answers).unwrap())
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
    assert_eq!((exit, answers.as_str()), (Exit::Passed, "summary: 0 removed\n"));
    assert_eq!(node.with(|inside| inside.log.clone()), ["do idle 3", "stop", "shutdown"]);
    assert!(began.elapsed() >= Duration::from_secs(60));
}

#[tokio::test(start_paused = true)]
async fn ends_when_the_time_is_up() {
    let node = Fake::new();
    let began = Instant::now();
    let (exit, answers) = run_it(&node, options(Some(Duration::from_secs(30)))).await;
    assert_eq!((exit, answers.as_str()), (Exit::Passed, "summary: 3 removed\n"));
    assert!(began.elapsed() >= Duration::from_secs(30));
    assert!(began.elapsed() < Duration::from_secs(31));
}

#[tokio::test(start_paused = true)]
async fn writes_the_document() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("result.json");
    let mut options = options(Some(Duration::from_secs(1)));
    options.json = Some(path.clone());
    run_it(&Fake::new(), options).await;
    assert_eq!(fs::read_to_string(path).unwrap(), "{\"exit_code\":0}\n");
}

#[tokio::test(start_paused = true)]
async fn a_document_that_cannot_be_written_is_told_before_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let node = Fake::new();
    for path in [folder.path().to_owned(), folder.path().join("nowhere/result.json")] {
        let mut options = options(None);
        options.json = Some(path);
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
