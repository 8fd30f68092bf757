//! The port of the API: taken, chosen, opened.

use std::net::TcpListener;

use tempfile::TempDir;

use crate::binary::{crowd, finish, stderr, stdout};
use crate::running::Running;

#[test]
fn a_taken_port_that_was_asked_for_is_bad_configuration() {
    let node = Running::start(&[]);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let stranger = listener.local_addr().unwrap().to_string();
    let taken = node.api.strip_prefix("http://").unwrap();
    let folder = TempDir::new().unwrap();
    for (address, holder) in [(taken, "another crowd node"), (&stranger, "another program")] {
        for verb in ["start", "console"] {
            let mut command = crowd(folder.path());
            command.arg(verb).env("CROWD_API_LISTEN", address);
            let output = finish(command, "status\n");
            assert_eq!(output.status.code(), Some(64), "{verb}");
            assert_eq!(stdout(&output), "");
            let fault = stderr(&output);
            for word in [address, holder, "CROWD_API_LISTEN=127.0.0.1:0"] {
                assert!(fault.contains(word), "{verb}: no `{word}` in {fault}");
            }
        }
    }
}

#[test]
fn a_console_can_do_without_the_default_port_and_start_cannot() {
    // Held by this test, or by somebody else on this machine: taken in any case.
    let _held = TcpListener::bind("127.0.0.1:4000");
    let folder = TempDir::new().unwrap();
    let with_default = |verb| {
        let mut command = crowd(folder.path());
        command.arg(verb).env_remove("CROWD_API_LISTEN");
        finish(command, "nodes\n")
    };
    let output = with_default("console");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stdout(&output).contains("this node"));
    let warning = stderr(&output);
    assert!(warning.starts_with("without a control API: "), "{warning}");
    assert_eq!(warning.lines().count(), 1, "{warning}");
    let output = with_default("start");
    assert_eq!(output.status.code(), Some(64));
    assert!(stderr(&output).contains("CROWD_API_LISTEN=127.0.0.1:0"), "{}", stderr(&output));
}

#[test]
fn beyond_loopback_takes_a_token() {
    let folder = TempDir::new().unwrap();
    let mut command = crowd(folder.path());
    command.arg("start").env("CROWD_API_LISTEN", "0.0.0.0:0");
    let output = finish(command, "");
    assert_eq!(output.status.code(), Some(64));
    assert!(stderr(&output).contains("needs a token"), "{}", stderr(&output));
}
