//! What operators and programs ask a node to do.

use super::{choose, targets, text};
use crate::control::{
    api::fuzzed,
    command::{Command, VERBS, help, parse_line},
    console::completion::{Known, candidates},
};

/// What parses is written and read again as it is: it may be carried out on another node.
pub(crate) fn stays(command: &Command) {
    let line = command.to_string();
    assert_eq!(parse_line(&line), Ok(Some(command.clone())), "{line:?}");
    if let Command::Help { verb } = command {
        let _ = help(*verb);
    }
}

fn console(bytes: &[u8]) {
    if let Ok(Some(command)) = parse_line(text(bytes)) {
        stays(&command);
    }
}

fn completion(bytes: &[u8]) {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let known = Known {
        scenarios: vec![("chat".into(), names(&["rooms", "user_rate"]))],
        changeable: names(&["user_rate"]),
        secrets: names(&["rooms"]),
        throttles: names(&["login"]),
        coordinators: names(&["pairs"]),
        nodes: names(&["a", "b"]),
    };
    let before = text(bytes);
    let (start, all) = candidates(before, &known);
    let fragment = &before[start..];
    assert!(all.iter().all(|candidate| candidate.text.starts_with(fragment)));
}

fn lines() -> Vec<&'static str> {
    let more = [
        "do chat 100 user_rate=50/s 'body=a \"b\" c'",
        "do chat 'profile=10s: 0 -> 100, 1m: 50/s' thresholds='p95(login) < 150ms'",
        "add 1..17",
        "add 5 on a,b",
        "remove 10 force on a",
        "set user_rate=100/s think=1s on 'node one'",
        "throttle ramp login 10/s 600 per min over 1m 30s steps 5",
        "throttle start db 8 at once",
        "capacity start chat rooms=1 with max=500 signal='p95 < 1s' signal='error_rate < 1%'",
        "wait 1m 30s",
        "user 17",
        "# nothing",
    ];
    VERBS.iter().map(|verb| verb.example).chain(more).collect()
}

fn api(bytes: &[u8]) {
    match choose(bytes) {
        (0, body) => fuzzed::read("application/json", body),
        (1, body) => fuzzed::read("text/plain; charset=utf-8", body),
        (_, body) => fuzzed::serve(body),
    }
}

fn requests() -> Vec<Vec<u8>> {
    let of = |kind: u8, text: &str| [&[kind], text.as_bytes()].concat();
    let post = "POST /api/v1/command HTTP/1.1\r\nHost: localhost:4000\r\nOrigin: http://localhost:4000\
                \r\nContent-Type: application/json\r\n";
    vec![
        of(0, "{\"command\": \"do chat 10\"}"),
        of(0, "{\"command\": \"set body=\\u00e9\\n\"}"),
        of(1, "\u{feff}add 10\r\n"),
        of(2, &format!("{post}Content-Length: 20\r\n\r\n{{\"command\": \"add 1\"}}")),
        of(
            2,
            &format!(
                "{post}Transfer-Encoding: chunked\r\n\r\n5\r\n{{\"com\r\nf\r\nmand\": \
                 \"status\"}}\r\n0\r\n\r\nGET /api/v1/live HTTP/1.1\r\nHost: [::1]\r\n\r\n"
            ),
        ),
        of(2, "GET http://localhost/api/v1/status?a=b HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    ]
}

targets! {
    /// The words of the console.
    grammar(console, lines());
    /// What the console offers while a line is typed.
    grammar_completion(completion, lines());
    /// Bodies of the API, and whole requests.
    api_requests(api, requests());
}
