//! Strangers at the port: the node stays up, others can join, and little memory is spent.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

use super::peer::{Config, PATIENCE, Peer};

/// The node lives, and another one can join it soon.
fn still_joinable(a: &mut Peer, name: &str) {
    let began = Instant::now();
    let mut other = Config::new(name).seed(a).start();
    other.reaches(vec!["a"], PATIENCE);
    a.reaches(vec![name], PATIENCE);
    assert!(began.elapsed() < Duration::from_secs(4), "it took {:?}", began.elapsed());
    drop(other);
    a.reaches(vec![], PATIENCE);
}

fn connect(a: &Peer) -> TcpStream {
    let stream = TcpStream::connect(&a.address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

#[test]
fn garbage_and_huge_lengths_cost_little() {
    let mut a = Config::new("a").start();
    still_joinable(&mut a, "b");
    let before = a.memory();
    let mut streams = Vec::new();
    for index in 0..100_u64 {
        let mut stream = connect(&a);
        let garbage: Vec<u8> = (0..100_000_u64).map(|at| (at * 31 * (index + 7)) as u8).collect();
        // The node may have closed already.
        let _ = stream.write_all(match index % 4 {
            0 => &[0xff; 16],
            1 => b"crowd-link/2 0000000000000000000000000000000000000000000000000000000000000000\n",
            2 => b"\x7f\xff\xff\xff\xff\xff\xff\xff",
            _ => &garbage,
        });
        streams.push(stream);
    }
    still_joinable(&mut a, "c");
    assert!(a.memory() < before + 40_000, "{} KiB, then {}", before, a.memory());
}

#[test]
fn a_thousand_silent_connections_keep_nobody_out() {
    let mut a = Config::new("a").start();
    still_joinable(&mut a, "b");
    let before = a.memory();
    let mut silent: Vec<TcpStream> = (0..1_000).map(|_| connect(&a)).collect();
    still_joinable(&mut a, "c");
    assert!(a.memory() < before + 40_000, "{} KiB, then {}", before, a.memory());
    // Nobody may stay without a word.
    let began = Instant::now();
    for stream in &mut silent {
        // Closed, with or without a reset.
        assert!(!matches!(stream.read(&mut [0; 1]), Ok(1..)));
        assert!(began.elapsed() < Duration::from_secs(10));
    }
}

#[test]
fn slow_words_are_cut_short() {
    let mut a = Config::new("a").start();
    let mut slow = connect(&a);
    let began = Instant::now();
    let words = b"crowd-link/2 00000000000000000000000000000000";
    let mut written = 0;
    while let Some(byte) = words.get(written % words.len()) {
        if slow.write_all(&[*byte]).is_err() {
            break;
        }
        written += 1;
        std::thread::sleep(Duration::from_millis(100));
        assert!(began.elapsed() < Duration::from_secs(10), "it still listens");
    }
    still_joinable(&mut a, "b");
}

#[test]
fn the_sessions_own_port_lets_nobody_in() {
    let mut a = Config::new("a").start();
    let other_ports: Vec<u16> = listening_ports(&a);
    assert_eq!(other_ports.len(), 1, "ractor_cluster listens on one port");
    let mut stream = TcpStream::connect(("127.0.0.1", other_ports[0])).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    // Closed without a word.
    assert!(!matches!(stream.read(&mut [0; 1]), Ok(1..)));
    still_joinable(&mut a, "b");
}

/// The ports the node listens on, but for its own.
fn listening_ports(a: &Peer) -> Vec<u16> {
    let own = a.address.rsplit_once(':').unwrap().1.parse::<u16>().unwrap();
    let inodes = a.sockets();
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let mut ports = Vec::new();
    for line in table.lines().skip(1) {
        let words: Vec<&str> = line.split_whitespace().collect();
        // 0A: listening.
        if words[3] == "0A" && inodes.iter().any(|inode| inode == words[9]) {
            let port = u16::from_str_radix(words[1].rsplit_once(':').unwrap().1, 16).unwrap();
            ports.extend((port != own).then_some(port));
        }
    }
    ports
}
