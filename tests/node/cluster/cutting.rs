//! The cables themselves: a test that cuts nothing proves nothing.

use std::{
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::cable::Cables;

const COOKIE: &str = "cookie-of-this-test";

/// A relay in front of something that repeats what it hears.
fn relay(cables: &mut Cables) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    cables.leads_to("far", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            thread::spawn(move || {
                let (mut from, mut to) = (&stream, &stream);
                let _ = std::io::copy(&mut from, &mut to);
                let _ = stream.shutdown(std::net::Shutdown::Both);
            });
        }
    });
    cables.relay("far")
}

fn dial(relay: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(relay).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream
}

/// Sends a byte and waits for it, at most so long.
fn answers(stream: &mut TcpStream, within: Duration) -> bool {
    stream.write_all(b"x").unwrap();
    stream.set_read_timeout(Some(within)).unwrap();
    match stream.read(&mut [0]) {
        Ok(count) => count == 1,
        Err(error) => {
            assert!(matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{error}");
            false
        }
    }
}

#[test]
fn a_cut_cable_holds_all_back_and_a_mended_one_delivers_it() {
    let mut cables = Cables::new(COOKIE);
    let relay = relay(&mut cables);
    let mut stream = dial(relay);
    assert!(answers(&mut stream, Duration::from_secs(10)));
    cables.cut("far");
    assert!(!answers(&mut stream, Duration::from_millis(300)));
    // Who dials now hears nothing either.
    let mut second = dial(relay);
    assert!(!answers(&mut second, Duration::from_millis(300)));
    cables.mend("far");
    for stream in [&mut stream, &mut second] {
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        stream.read_exact(&mut [0]).unwrap();
        assert!(answers(stream, Duration::from_secs(10)));
    }
    // The end of one side is told to the other.
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(stream.read(&mut [0]).unwrap(), 0);
}

#[test]
fn a_slow_cable_takes_its_time_both_ways() {
    let mut cables = Cables::new(COOKIE);
    let relay = relay(&mut cables);
    let mut stream = dial(relay);
    cables.delay("far", Duration::from_millis(100));
    let began = Instant::now();
    assert!(answers(&mut stream, Duration::from_secs(10)));
    assert!(began.elapsed() >= Duration::from_millis(200), "{:?}", began.elapsed());
}

/// A process that is called a node, says a byte through the relay and ends when it is repeated.
fn node(name: &str, relay: SocketAddr) -> Child {
    let script = format!(
        "exec 3<>/dev/tcp/{}/{}; printf x >&3; read -r -n 1 -u 3 answer; [ \"$answer\" = x ]",
        relay.ip(),
        relay.port()
    );
    Command::new("bash")
        .args(["-c", &script])
        .envs([("CROWD_COOKIE", COOKIE), ("CROWD_NODE_NAME", name)])
        .stdin(Stdio::null())
        .spawn()
        .unwrap()
}

/// Also what a node that is cut off dials itself is cut: the relay knows who dials.
#[test]
fn a_node_that_is_cut_off_reaches_nobody() {
    let mut cables = Cables::new(COOKIE);
    let relay = relay(&mut cables);
    cables.cut("near");
    let mut near = node("near", relay);
    let mut other = node("other", relay);
    assert!(other.wait().unwrap().success());
    thread::sleep(Duration::from_millis(300));
    assert_eq!(near.try_wait().unwrap(), None, "the cut node was answered");
    cables.mend("near");
    assert!(near.wait().unwrap().success());
}
