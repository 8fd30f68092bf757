//! A node dials somebody who is none.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpListener,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use serde_json::json;

use super::peer::{Config, PATIENCE};

/// Answers whoever dials with a nonce, and, once it has a proof, with these words. Counts the calls.
fn stranger(words: &'static str) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = calls.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            counted.fetch_add(1, Ordering::SeqCst);
            let mut stream = stream.unwrap();
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
