//! Strangers at the cluster's port: the node stays up, its memory bounded, its users undisturbed.

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    thread,
    time::{Duration, Instant},
};

use crate::{
    harness::{Cluster, MASTER, PATIENCE, throughout},
    shapes::UP,
};

const SOON: Duration = Duration::from_secs(1);
/// How much more memory a node may hold under attack.
const MOST: u64 = 64 << 20;

/// A run whose users a test may not disturb.
fn running() -> (Cluster, [u64; 2]) {
    let cluster = Cluster::start(2);
    cluster.echo(20, "interval=100ms");
    cluster.until_acting(1..=20, SOON, PATIENCE);
    let memory = [MASTER, "worker-1"].map(|node| cluster.node(node).memory());
    (cluster, memory)
}

fn attacked(cluster: &Cluster) -> [SocketAddr; 2] {
    [MASTER, "worker-1"].map(|node| cluster.node(node).cluster)
}

#[track_caller]
fn assert_undisturbed(cluster: &Cluster, memory: [u64; 2]) {
    throughout("all act and all nodes are up", Duration::from_secs(3), || {
        let acting = cluster.target.acting(SOON);
        let members = cluster.members(MASTER);
        let up = members.iter().filter(|node| node.state == UP).count();
        if acting.len() == 20 && up == members.len() { Ok(()) } else { Err((acting, members)) }
    });
    let lives = cluster.target.ledger.lives();
    assert_eq!(lives.len(), 20, "users were started anew");
    assert_eq!(cluster.status().gaps, []);
    for (node, before) in [MASTER, "worker-1"].into_iter().zip(memory) {
        let now = cluster.node(node).memory();
        assert!(now < before + MOST, "{node} grew from {before} to {now} bytes");
    }
}

/// Sends bytes and waits for the other side to have enough of them.
fn send(address: SocketAddr, bytes: &[u8]) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    stream.set_write_timeout(Some(Duration::from_secs(5))).unwrap();
    // It may be cut off in the middle.
    let _ = stream.write_all(bytes);
    let _ = stream.read(&mut [0; 64]);
}

#[test]
fn garbage_is_no_danger() {
    let (cluster, memory) = running();
    for address in attacked(&cluster) {
        for seed in 0..20_u8 {
            let length = 16 << (seed % 12);
            let garbage: Vec<u8> = (0..length).map(|_| rand::random()).collect();
            send(address, &garbage);
        }
        send(address, &vec![0; 4 << 20]);
        send(address, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n");
        send(address, b"");
    }
    assert_undisturbed(&cluster, memory);
}

/// A length says what is to come; nobody sets that much memory aside before it does.
#[test]
fn huge_lengths_are_no_danger() {
    let (cluster, memory) = running();
    let mut open = Vec::new();
    for address in attacked(&cluster) {
        for length in [u64::MAX, u64::MAX / 2, 1 << 62, 1 << 40, 1 << 32, 1 << 30, 512 << 20] {
            for prefix in [
                length.to_be_bytes().to_vec(),
                length.to_le_bytes().to_vec(),
                u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes().to_vec(),
            ] {
                let mut stream = TcpStream::connect(address).unwrap();
                let _ = stream.write_all(&prefix);
                let _ = stream.write_all(&[0x55; 1000]);
                // More is expected, and does not come.
                open.push(stream);
            }
        }
    }
    assert_undisturbed(&cluster, memory);
}

#[test]
fn a_thousand_connections_and_half_open_ones_are_no_danger() {
    let (mut cluster, memory) = running();
    let [master, worker] = attacked(&cluster);
    let mut open = Vec::new();
    for number in 0..1000 {
        // It may refuse some of them: that is one way to stay alive.
        if let Ok(stream) = TcpStream::connect_timeout(&master, Duration::from_secs(1)) {
            match number % 4 {
                // Says nothing any more, but listens.
                0 => drop(stream.shutdown(Shutdown::Write)),
                // Begins, and does not go on.
                1 => drop((&stream).write_all(&[0, 0, 0])),
                _ => {}
            }
            open.push(stream);
        }
        if number % 10 == 0
            && let Ok(stream) = TcpStream::connect_timeout(&worker, Duration::from_secs(1))
        {
            open.push(stream);
        }
    }
    // One who belongs gets in nevertheless: the silent ones block nobody.
    cluster.add_node("worker-3");
    cluster.settle();
    assert_undisturbed(&cluster, memory);
    drop(open);
    thread::sleep(Duration::from_secs(1));
    assert_undisturbed(&cluster, memory);
}

/// Silent connections at the control API shut nobody out, and half-sent heads cost little.
#[test]
fn silence_at_the_api_shuts_nobody_out() {
    let (cluster, memory) = running();
    let api = cluster.node(MASTER).api;
    let before = cluster.node(MASTER).memory();
    let head =
        format!("GET /api/v1/live HTTP/1.1\r\nHost: localhost\r\nX: {}", "x".repeat(390_000));
    let mut open = Vec::new();
    let mut begin = |text: &str| {
        let mut stream = TcpStream::connect(api).unwrap();
        stream.set_write_timeout(Some(Duration::from_millis(100))).unwrap();
        // It may be cut off before it has sent it all.
        let _ = stream.write_all(text.as_bytes());
        open.push(stream);
    };
    (0..120).for_each(|_| begin(&head));
    thread::sleep(Duration::from_millis(200));
    let now = cluster.node(MASTER).memory();
    assert!(now < before + (16 << 20), "from {before} to {now} bytes");
    for _ in 0..150 {
        begin("");
        begin("POST /api/v1/command HTTP/1.1\r\nHost: local");
    }
    for _ in 0..3 {
        for (method, path) in [("GET", "/api/v1/live"), ("GET", "/api/v1/status")] {
            let began = Instant::now();
            let (status, body) = crate::http::request(api, method, path, None, "").unwrap();
            assert_eq!(status, 200, "{path}: {body}");
            assert!(began.elapsed() < Duration::from_secs(1), "{path}: {:?}", began.elapsed());
        }
        let began = Instant::now();
        let asked = cluster.eval(MASTER, &["status"]);
        assert!(asked.status.success(), "{asked:?}");
        assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    }
    assert_undisturbed(&cluster, memory);
}

/// The control API is a port as well.
#[test]
fn nonsense_at_the_api_is_answered_or_cut_off() {
    let (cluster, memory) = running();
    let api = cluster.node(MASTER).api;
    send(api, &[0xff; 100_000]);
    send(api, b"POST /api/v1/command HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n");
    for line in ["\0\u{7f}", "add 0", "do", "throttle rate echo 1/1/1"] {
        let (code, body) =
            crate::http::request(api, "POST", "/api/v1/command", None, line).unwrap();
        assert!((400..500).contains(&code), "{line:?}: {code} {body}");
    }
    let long = "x".repeat(8 << 20);
    // It may be cut off before it has sent it all.
    if let Ok((code, _)) = crate::http::request(api, "POST", "/api/v1/command", None, &long) {
        assert!((400..500).contains(&code), "{code}");
    }
    assert_undisturbed(&cluster, memory);
}
