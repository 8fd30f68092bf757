//! Two thousand users chat: every one finishes, and every message is accounted for.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod binary;

use std::fs;

use binary::{crowd, finish, stderr, stdout};
use serde_json::Value;
use tempfile::TempDir;

#[test]
fn two_thousand_users_chat_and_all_finish() {
    let folder = TempDir::new().unwrap();
    let result = folder.path().join("result.json");
    let mut run = crowd(folder.path());
    run.args(["run", "chat", "--users", "2000", "--user-rate", "400/s", "--json"]).arg(&result);
    run.args(["messages_min=3", "messages_max=5", "message_interval=400ms", "idle_time=2s"]);
    let output = finish(run, "");
    let report: Value = serde_json::from_str(&fs::read_to_string(&result).unwrap()).unwrap();
    // A busy machine may spoil the verdict on the generator (3), but nothing else may go wrong.
    let code = output.status.code();
    assert!(matches!(code, Some(0 | 3)), "{code:?}\n{}\n{}", stdout(&output), stderr(&output));
    let users = &report["users"];
    assert_eq!(users["asked"], 2000);
    assert_eq!(users["finished"], 2000, "{}", stdout(&output));
    assert_eq!(report["actions"]["connect"]["count"], 2000);
    assert_eq!(report["actions"]["connect"]["failed"], 0);
    let count = |name: &str| report["counters"][name]["count"].as_u64().unwrap_or(0);
    assert!(count("messages_sent") >= 6000, "{}", count("messages_sent"));
    let accounted = count("answers") + count("undelivered") + count("unanswered");
    assert_eq!(count("messages_sent"), accounted, "{}", report["counters"]);
}
