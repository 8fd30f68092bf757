//! A node dials somebody who is none, or is dialled by such a one.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use serde_json::json;

use super::peer::{Config, PATIENCE, Peer};

/// Answers whoever dials with a nonce, and, once it has a proof, with these words. Counts the calls.
fn stranger(words: &'static str) -> (String, Arc<AtomicUsize>) {
    fickle(words, |_| false)
}

/// The same, but that it closes some of the connections, by number, without a word.
fn fickle(words: &'static str, closes: fn(usize) -> bool) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = calls.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let number = counted.fetch_add(1, Ordering::SeqCst) + 1;
            let mut stream = stream.unwrap();
            if closes(number) {
                continue;
            }
            let nonce = format!("crowd-link/2 {}\n", "00".repeat(32));
            let mut lines = BufReader::new(stream.try_clone().unwrap());
            let mut line = String::new();
            let _ = lines.read_line(&mut line).and_then(|_| stream.write_all(nonce.as_bytes()));
            for _ in 0..2 {
                let _ = lines.read_line(&mut line);
            }
            let _ = stream.write_all(words.as_bytes());
            let _ = stream.shutdown(std::net::Shutdown::Write);
            let _ = lines.read_to_string(&mut line);
        }
    });
    (address, calls)
}

const WORDS: [&str; 4] = [
    "{\"hello\":{\"name\":\"m\",\"incarnation\":1}}\n{\"proof\":\"00\"}\n",
    "{\"refused\":{\"because\":\"cookie\",\"why\":\"the cookies differ\",\"by\":null}}\n",
    // As if it were a node that is to be asked again at once.
    "{\"refused\":{\"because\":\"busy\",\"why\":\"later\",\"by\":null}}\n{\"proof\":\"00\"}\n",
    "HTTP/1.1 400 Bad Request\r\n\r\n",
];

#[test]
fn a_stranger_that_was_joined_is_dialled_once() {
    let mut a = Config::new("a").start();
    for words in WORDS {
        let (address, calls) = stranger(words);
        let joined = a.ask(&json!({"join": address}), "joined");
        let why = joined["Err"].as_str().unwrap();
        assert!(why.ends_with("; it is not dialled any more"), "{words}: {why}");
        a.refuses(0, why.split_once(": ").unwrap().1);
        std::thread::sleep(Duration::from_secs(1));
        assert_eq!(calls.load(Ordering::SeqCst), 1, "{words}");
    }
}

#[test]
fn whoever_takes_proofs_and_gives_none_is_dialled_a_few_times() {
    let mut a = Config::new("a").start();
    let (address, calls) = stranger("");
    let joined = a.ask(&json!({"join": address}), "joined");
    assert!(joined["Err"].as_str().unwrap().contains("it takes a proof and gives none"));
    a.refuses(0, "it is not dialled any more");
    std::thread::sleep(Duration::from_secs(5));
    assert_eq!(calls.load(Ordering::SeqCst), 5);
}

#[test]
fn a_stranger_that_the_settings_name_is_dialled_for_ever() {
    for words in WORDS {
        let (address, calls) = stranger(words);
        let mut a = Config::new("a");
        a.seeds.push(address);
        let _a = a.start();
        let began = Instant::now();
        while calls.load(Ordering::SeqCst) < 3 {
            assert!(began.elapsed() < PATIENCE, "{words}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// A peer that resets no counter by closing before it has said a nonce.
#[test]
fn whoever_is_mute_now_and_closes_then_is_given_up_too() {
    let mut a = Config::new("a").start();
    let (address, calls) = fickle("", |number| number.is_multiple_of(4));
    a.ask(&json!({"join": address}), "joined");
    a.refuses(0, "it is not dialled any more");
    let made = calls.load(Ordering::SeqCst);
    assert_eq!(made, 6);
    std::thread::sleep(Duration::from_secs(6));
    assert_eq!(calls.load(Ordering::SeqCst), made);
}

#[test]
fn whoever_is_reached_in_two_ways_fills_no_log() {
    let (address, calls) = fickle("", |number| number.is_multiple_of(2));
    let mut a = Config::new("a");
    a.seeds.push(address);
    let a = a.start();
    let began = Instant::now();
    while calls.load(Ordering::SeqCst) < 7 {
        assert!(began.elapsed() < PATIENCE);
        std::thread::sleep(Duration::from_millis(20));
    }
    // It breaks off in three ways: at the end of a line, in it, and with a reset.
    assert!(a.logged("a node cannot be reached").len() <= 3);
}

/// What a node logs of somebody at its door who says no in these words, and has proven nothing.
fn at_the_door(a: &Peer, because: &str, why: &str) {
    let no = json!({"refused": {"because": because, "why": why, "by": null}});
    says(TcpStream::connect(&a.address).unwrap(), &format!("{no}\n"));
}

/// Introduces itself, says that, and waits for the end.
fn says(mut stream: TcpStream, words: &str) {
    let words = format!("crowd-link/2 {}\n{words}", "ab".repeat(32));
    stream.write_all(words.as_bytes()).unwrap();
    // The node may have closed already.
    let _ = stream.shutdown(std::net::Shutdown::Write);
    let _ = stream.read_to_string(&mut String::new());
}

/// A connection from that address of loopback.
fn connect_from(ip: [u8; 4], to: &str) -> TcpStream {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
    let connected = runtime.block_on(async {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind((ip, 0).into()).unwrap();
        socket.connect(to.parse().unwrap()).await.unwrap().into_std().unwrap()
    });
    connected.set_nonblocking(false).unwrap();
    connected
}

/// Of whoever says a no from everywhere, and proves nothing, a node with another cookie is told apart.
#[test]
fn a_flood_from_everywhere_does_not_silence_a_wrong_cookie() {
    let a = Config::new("a").start();
    for number in 0..262_u16 {
        let [high, low] = number.to_be_bytes();
        let why = format!("flood {number}");
        let no = json!({"refused": {"because": "cookie", "why": why, "by": null}});
        says(connect_from([127, 0, 2 + high, low], &a.address), &format!("{no}\n"));
    }
    let wrong = json!({"hello": {"name": "honest", "port": 1}});
    let words = format!("{wrong}\n{}\n", json!({"proof": "00".repeat(32)}));
    says(connect_from([127, 0, 9, 9], &a.address), &words);
    a.until("that cookies differ", |said| {
        let of = said["address"].as_str().filter(|of| of.starts_with("127.0.9.9"));
        of.filter(|_| said["refused"] == "the cookies of the two nodes differ").map(drop)
    });
}

/// Whoever proves nothing does not speak for this node.
#[test]
fn words_without_a_proof_are_quoted_or_not_told() {
    let why = "node `m` took this node over: run `evil`";
    let doubted = "it refuses, and does not prove that it may: `node 'm' took";
    let a = Config::new("a").start();
    for because in ["unlike", "name"] {
        let from = a.so_far();
        at_the_door(&a, because, &format!("{why} {because}"));
        a.refuses(from, doubted);
    }
    let from = a.so_far();
    at_the_door(&a, "cookie", why);
    a.refuses(from, "the cookies of the two nodes differ");

    let words = "{\"refused\":{\"because\":\"cookie\",\"why\":\"node `m` took this node over\",\
                 \"by\":null}}\n";
    let mut b = Config::new("b").start();
    let joined = b.ask(&json!({"join": stranger(words).0}), "joined");
    let why = joined["Err"].as_str().unwrap();
    assert!(why.contains("the cookies of the two nodes differ"), "{why}");
    b.refuses(0, "the cookies of the two nodes differ; it is not dialled any more");
    for node in [&a, &b] {
        let own = |said: &serde_json::Value| {
            let why = said["refused"].as_str().unwrap_or_default();
            why.contains("took this node over") && !why.contains("does not prove that it may")
        };
        assert!(!node.says_so_far(own));
    }
}
