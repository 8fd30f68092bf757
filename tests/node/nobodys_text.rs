//! What a server, a peer or a stranger says reaches a terminal or a log as text and nothing more.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::binary::{crowd, finish, stderr, stdout};
use crate::terminal::Terminal;

/// Names a window, clears it, turns the text round, hides what follows.
const TRICK: &str =
    "a\u{1b}]0;owned\u{7}\u{1b}[2J\u{9b}31m\u{202e}b\u{200b}c\u{7f}\u{2028}\u{e0041}d";

#[track_caller]
fn assert_plain(text: &str) {
    let bad = |letter: &char| {
        letter.is_control() && *letter != '\n'
            || matches!(letter, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{e0000}'..='\u{e007f}')
    };
    assert!(!text.chars().any(|letter| bad(&letter)), "{text:?}");
}

/// Answers whoever comes, with what is made of what it said first.
fn answering(
    answer: impl Fn(&mut BufReader<TcpStream>) -> Vec<u8> + Send + Sync + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = BufReader::new(stream.unwrap());
            let answer = answer(&mut stream);
            // It may have heard enough.
            let _ = stream.get_mut().write_all(&answer);
            let _ = stream.get_mut().shutdown(Shutdown::Write);
            let _ = stream.read_to_end(&mut Vec::new());
        }
    });
    address
}

/// A server of HTTP.
fn server(status: &'static str, body: String) -> String {
    let address = answering(move |stream| {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).unwrap_or(0) <= 2 {
                break;
            }
            if let Some(told) = line.to_lowercase().strip_prefix("content-length:") {
                length = told.trim().parse().unwrap();
            }
        }
        let _ = stream.read_exact(&mut vec![0; length]);
        let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n", body.len());
        [head.as_bytes(), body.as_bytes()].concat()
    });
    format!("http://{address}")
}

fn done() -> Value {
    json!({
        "ok": true,
        "text": format!("first {TRICK}\nsecond"),
        "reply": { "reply": "status", "data": { "node": TRICK, "name": TRICK, "reason": TRICK } },
    })
}

fn refused() -> Value {
    json!({ "ok": false, "code": TRICK, "message": format!("no: {TRICK}\n    ^ here") })
}

/// Exit code, standard output, standard error.
fn told(arguments: &[&str], input: &str) -> (Option<i32>, String, String) {
    let state = TempDir::new().unwrap();
    let mut command = crowd(state.path());
    command.args(arguments);
    let output = finish(command, input);
    (output.status.code(), stdout(&output), stderr(&output))
}

#[test]
fn an_answer_is_told_as_lines_of_text() {
    let api = server("200 OK", done().to_string());
    for verb in [&["eval", "status", "--api", &api][..], &["status", "--api", &api]] {
        let (code, text, faults) = told(verb, "");
        assert_plain(&(text.clone() + &faults));
        assert_eq!(code, Some(0), "{faults}");
        assert!(
            text.starts_with("first a ]0;owned  [2J 31m b c") && text.ends_with("d\nsecond\n"),
            "{text}"
        );
    }
    let (_, text, faults) = told(&["attach", "--api", &api], "status\nnodes\n");
    assert_plain(&(text.clone() + &faults));
    assert_eq!(text.matches("\nsecond\n").count(), 2, "{text}");
    let api = server("409 Conflict", refused().to_string());
    for verb in [
        &["eval", "status", "--api", &api][..],
        &["attach", "--api", &api],
        &["run", "idle", "--users", "1", "--api", &api],
        &["capacity", "idle", "--api", &api],
        &["report", "--api", &api],
    ] {
        let (code, text, faults) = told(verb, "status\n");
        assert_plain(&(text + &faults));
        assert_ne!(code, Some(0));
        assert!(faults.contains("no: a ]0;owned"), "{verb:?}: {faults}");
        assert!(faults.contains("\n    ^ here"), "{verb:?}: {faults}");
    }
}

#[test]
fn json_is_the_same_json() {
    for (status, body) in [("200 OK", done()), ("409 Conflict", refused())] {
        let api = server(status, body.to_string());
        let (_, text, faults) = told(&["eval", "status", "--json", "--api", &api], "");
        assert_plain(&(text.clone() + &faults));
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), body);
    }
}

#[test]
fn whatever_is_no_node_is_not_quoted() {
    let odd = format!("500 {TRICK}");
    let odd: &'static str = Box::leak(odd.into_boxed_str());
    let servers = [
        server("200 OK", TRICK.to_owned()),
        server(odd, TRICK.to_owned()),
        format!("http://{}", answering(|_| TRICK.into())),
    ];
    for api in &servers {
        let (code, text, faults) = told(&["eval", "status", "--api", api], "");
        assert_plain(&(text + &faults));
        assert_eq!(code, Some(1), "{faults}");
    }
}

/// A server that is no node, or none of this version, ends no client in disorder.
#[test]
fn a_reply_of_any_kind_is_taken() {
    for reply in
        [json!("x"), json!([1]), json!(7), json!(true), json!(null), json!({ "data": "x" })]
    {
        let api = server("200 OK", json!({ "ok": true, "text": "a", "reply": reply }).to_string());
        for verb in [
            &["eval", "status", "--api", &api][..],
            &["status", "--api", &api],
            &["attach", "--api", &api],
            &["run", "idle", "--users", "1", "--api", &api],
            &["capacity", "idle", "--max", "5", "--api", &api],
            &["report", "--api", &api],
        ] {
            let (code, text, faults) = told(verb, "status\n");
            assert!(code.is_some_and(|code| code != 101), "{verb:?}, {reply}: {text}{faults}");
            assert!(!faults.contains("panicked"), "{verb:?}, {reply}: {faults}");
        }
        let state = TempDir::new().unwrap();
        let mut terminal = Terminal::crowd(state.path(), &["attach", "--api", &api]);
        terminal.command("status", "a");
        terminal.keys("\x04");
        terminal.ended();
    }
}

/// In a terminal, where it would do harm.
#[test]
fn an_attached_terminal_stays_as_it_is() {
    let mut names = done();
    names["reply"]["data"] = json!([{ "name": format!("x{TRICK}") }, { "name": "xylophone" }]);
    for answer in [done(), names] {
        let api = server("200 OK", answer.to_string());
        let state = TempDir::new().unwrap();
        let mut terminal = Terminal::crowd(state.path(), &["attach", "--api", &api]);
        terminal.command("status", "second");
        terminal.prompt();
        if answer["reply"]["data"].is_array() {
            // The only name that is offered.
            terminal.keys("drain x\t");
            terminal.until("the name", |screen| screen.cursor == "crowd> drain xylophone");
            terminal.keys("\x03");
            terminal.prompt();
        }
        terminal.keys("\x04");
        terminal.ended();
        let printed = terminal.printed();
        for part in ["\u{1b}]0;owned", "\u{9b}", "\u{202e}", "\u{200b}", "\u{e0041}"] {
            assert!(!printed.contains(part), "{printed:?}");
        }
    }
}

const NONCE: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// A peer that says this once it has a proof.
fn peer(words: String) -> SocketAddr {
    answering(move |stream| {
        let _ = stream.read_line(&mut String::new());
        let _ = stream.get_mut().write_all(format!("crowd-link/2 {NONCE}\n").as_bytes());
        for _ in 0..2 {
            let _ = stream.read_line(&mut String::new());
        }
        words.clone().into()
    })
}

/// Peers that say what they should not.
fn peers() -> [SocketAddr; 4] {
    let refusal = |because: &str| {
        let why = TRICK.repeat(1_000);
        format!("{}\n", json!({ "refused": { "because": because, "why": why, "by": null } }))
    };
    [
        answering(|_| format!("crowd-link/{TRICK} x\n").into()),
        peer(refusal("cookie")),
        peer(refusal("name")),
        peer(format!("{}\n", json!({ TRICK.repeat(1_000): 1 }))),
    ]
}

#[test]
fn a_peer_that_is_dialled_is_quoted_in_short() {
    for address in peers() {
        let state = TempDir::new().unwrap();
        let mut command = crowd(state.path());
        command.env("CROWD_COOKIE", "a-cookie-of-this-test").env("CROWD_LISTEN", "127.0.0.1:0");
        let output = finish(command, &format!("join {address}\nnodes\n"));
        let (text, faults) = (stdout(&output), stderr(&output));
        assert_plain(&(text + &faults));
        let told = faults.lines().filter(|line| line.contains(&address.to_string()));
        let told: Vec<_> = told.collect();
        // The answer, and the log.
        assert_eq!(told.len(), 2, "{faults}");
        assert!(told.iter().all(|line| line.chars().count() < 800), "{faults}");
        assert!(faults.contains("it is not dialled any more"), "{faults}");
    }
}

/// A node in the background, and what it logs.
struct Node {
    process: Child,
    state: TempDir,
    address: SocketAddr,
}

impl Node {
    fn start(seeds: &str) -> Self {
        let state = TempDir::new().unwrap();
        let mut command: Command = crowd(state.path());
        command.arg("start").env("CROWD_COOKIE", "a-cookie-of-this-test");
        command.env("CROWD_LISTEN", "127.0.0.1:0").env("CROWD_NODES", seeds);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        command.stderr(File::create(state.path().join("log")).unwrap());
        let mut process = command.spawn().unwrap();
        let mut ready = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut ready).unwrap();
        let address = ready.split_once("cluster ").unwrap().1.split(',').next().unwrap();
        Self { process, state, address: address.parse().unwrap() }
    }

    fn logged(&self) -> String {
        fs::read_to_string(self.state.path().join("log")).unwrap()
    }

    /// Waits for it to have logged that.
    fn logs(&self, what: &str) -> String {
        let began = Instant::now();
        loop {
            let logged = self.logged();
            if logged.contains(what) {
                return logged;
            }
            assert!(began.elapsed() < Duration::from_secs(30), "no `{what}`: {logged}");
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Says these words at its door, and waits for it to have enough.
    fn hears(&self, words: &str) {
        let mut stream = TcpStream::connect(self.address).unwrap();
        let _ = stream.write_all(words.as_bytes());
        let _ = stream.shutdown(Shutdown::Write);
        let _ = stream.read_to_end(&mut Vec::new());
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn what_peers_and_strangers_say_is_logged_in_short_lines() {
    let seeds = peers().map(|address| address.to_string());
    let node = Node::start(&seeds.join(","));
    seeds.iter().for_each(|seed| drop(node.logs(seed)));
    node.hears(&format!("crowd-link/{TRICK} x\n"));
    node.logs("crowd-link/a ]0;owned");
    // A minute's lines of one kind.
    node.hears(&format!("crowd-link/2 {NONCE}\n\"{}\"\n", "v".repeat(60_000)));
    let logged = node.logs("unknown variant `vvv");
    assert_plain(&logged);
    for line in logged.lines() {
        assert!(line.chars().count() < 800, "{line}");
    }
}

#[test]
fn a_flood_of_strangers_does_not_silence_a_wrong_cookie() {
    let node = Node::start("");
    for number in 0..1_000 {
        node.hears(&format!("crowd-link/odd-{number} x\n"));
    }
    node.logs("crowd-link/odd-0)");
    let hello = json!({ "hello": { "name": "x", "incarnation": 1 } });
    let proof = json!({ "proof": "00" });
    node.hears(&format!("crowd-link/2 {NONCE}\n{hello}\n{proof}\n"));
    let logged = node.logs("the cookies of the two nodes differ");
    assert_eq!(logged.matches("meets others in another way").count(), 3, "{logged}");
}
