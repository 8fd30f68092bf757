//! Somebody is on the path between two nodes, and hands on what they say.

use std::time::Duration;

use serde_json::json;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    runtime::Runtime,
};

use super::{
    super::tls::{Tls, TlsFiles},
    peer::{Config, PATIENCE, Peer},
    secure::Authority,
};

/// Hands on what passes between whoever dials it and a node, until it is dropped.
struct Relay {
    address: String,
    _runtime: Runtime,
}

impl Relay {
    /// With a certificate it is the end of TLS to both sides.
    fn to(node: &Peer, tls: Option<Tls>) -> Self {
        let runtime = Runtime::new().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let (address, node) = (listener.local_addr().unwrap().to_string(), node.address.clone());
        runtime.spawn(async move {
            loop {
                let (near, _) = listener.accept().await.unwrap();
                let far = TcpStream::connect(&node).await.unwrap();
                let tls = tls.clone();
                // Either end may give up.
                tokio::spawn(async move {
                    let Some(tls) = tls else { return drop(relay(near, far).await) };
                    let (Ok((near, _)), Ok((far, _))) =
                        tokio::join!(tls.accept(near), tls.connect(far))
                    else {
                        return;
                    };
                    drop(relay(near, far).await);
                });
            }
        });
        Self { address, _runtime: runtime }
    }
}

async fn relay(
    mut near: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    mut far: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
) -> std::io::Result<(u64, u64)> {
    copy_bidirectional(&mut near, &mut far).await
}

#[test]
fn under_tls_whoever_is_between_is_refused_though_it_has_a_certificate() {
    let authority = Authority::new();
    let mut a = authority.config("a").start();
    let [cert, key, ca] = authority.files("m");
    let relay = Relay::to(&a, Some(Tls::new(&TlsFiles { cert, key, ca }).unwrap()));
    let mut b = authority.config("b");
    b.seeds.push(relay.address.clone());
    let mut b = b.start();
    let words = "the cookies of the two nodes differ, or somebody is between them";
    b.refuses(0, words);
    a.refuses(0, words);
    a.reaches(vec![], Duration::ZERO);
    b.reaches(vec![], Duration::ZERO);
    // Without it the same two nodes link.
    let joined = b.ask(&json!({"join": a.address}), "joined");
    assert_eq!(joined, json!({"Ok": "a"}));
}

/// What the documents say.
#[test]
fn without_tls_whoever_is_between_is_not_noticed() {
    let mut a = Config::new("a").start();
    let relay = Relay::to(&a, None);
    let mut b = Config::new("b");
    b.seeds.push(relay.address.clone());
    let mut b = b.start();
    a.reaches(vec!["b"], PATIENCE);
    b.reaches(vec!["a"], PATIENCE);
}
