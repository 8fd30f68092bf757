use std::sync::Arc;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::control::{
    api::{ApiOptions, serve},
    command::{Command, parse},
    console::operator::Operator,
    fake::Fake,
};

/// A node behind an API, and a client that shows this token.
async fn served(token: Option<&str>, shown: Option<&str>) -> (Fake, Client, AbortOnDropHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let node = Fake::new();
    let options = ApiOptions {
        token: token.map(Secret::new),
        ready: Arc::new(|| Ok(())),
        ..ApiOptions::default()
    };
    let work = serve(listener, node.clone(), options, CancellationToken::new());
    let task = AbortOnDropHandle::new(tokio::spawn(work));
    (node, Client::new(address.into(), shown.map(Secret::new)), task)
}

#[tokio::test]
async fn a_remote_node_answers_as_one_of_this_process() {
    let (node, client, _task) = served(Some("sesame"), Some("sesame")).await;
    let remote = Remote(client);
    let started = remote.carry_out(parse("do idle 2 'text=two words'").unwrap()).await;
    assert_eq!(started.unwrap(), "`idle` is running, users 1 to 2 (2 users)");
    let words = ("text".to_owned(), "two words".to_owned());
    assert_eq!(node.with(|inside| inside.settings.clone()), [words]);
    let refused = remote.carry_out(parse("user 7").unwrap()).await;
    assert_eq!(refused.unwrap_err(), "no user 7 is running [no-such-user]");
}

#[tokio::test]
async fn completion_learns_the_names_of_a_remote_node() {
    let (node, client, _task) = served(None, None).await;
    node.with(|inside| inside.throttles.insert("login".to_owned(), "1/s".to_owned()));
    let known = Remote(client).known().await.unwrap();
    let (scenario, settings) = &known.scenarios[0];
    assert_eq!((scenario.as_str(), known.scenarios.len()), ("idle", 1));
    assert!(
        ["user_rate", "profile", "thresholds"]
            .iter()
            .all(|name| settings.iter().any(|all| all == name))
    );
    assert_eq!(known.throttles, ["login"]);
    assert_eq!(known.coordinators, ["pairs"]);
    assert_eq!(known.nodes, ["here"]);
}

#[tokio::test]
async fn the_wrong_token_is_told_and_not_shown() {
    for shown in [None, Some("swordfish")] {
        let (_, client, _task) = served(Some("sesame"), shown).await;
        assert!(client.is_crowd().await);
        assert!(!format!("{client:?}").contains("swordfish"));
        let fault = Remote(client).carry_out(parse("status").unwrap()).await.unwrap_err();
        assert!(fault.contains("[unauthorized]"), "{fault}");
        assert!(!fault.contains("sesame") && !fault.contains("swordfish"), "{fault}");
    }
}

#[tokio::test]
async fn a_node_that_is_gone_is_told_and_asked_again() {
    let (_, client, task) = served(None, None).await;
    let address = client.address.authority().to_owned();
    let remote = Remote(client);
    remote.carry_out(parse("status").unwrap()).await.unwrap();
    task.abort();
    assert!(task.await.is_err());
    let fault = remote.carry_out(parse("status").unwrap()).await.unwrap_err();
    assert!(fault.starts_with(&format!("no node answers at http://{address}: ")), "{fault}");
    assert!(fault.ends_with("the next command tries again"), "{fault}");
    assert_eq!(remote.known().await, None);
    let listener = TcpListener::bind(&address).await.unwrap();
    let work = serve(listener, Fake::new(), ApiOptions::default(), CancellationToken::new());
    let _task = AbortOnDropHandle::new(tokio::spawn(work));
    remote.carry_out(parse("status").unwrap()).await.unwrap();
}

#[tokio::test]
async fn what_is_no_crowd_is_told() {
    for (says, wanted) in [
        ("HTTP/1.1 404 Not Found\r\ncontent-length: 5\r\n\r\nhello", "it answers 404"),
        ("SSH-2.0-OpenSSH\r\n", "it does not speak HTTP"),
        ("", "is lost"),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = Client::new(listener.local_addr().unwrap().into(), None);
        let answer = async {
            use tokio::io::{AsyncReadExt, AsyncWriteExt};
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 1024];
            assert!(stream.read(&mut request).await.unwrap() > 0);
            stream.write_all(says.as_bytes()).await.unwrap();
        };
        let remote = Remote(client);
        let (told, ()) = tokio::join!(remote.carry_out(Command::Status), answer);
        let told = told.unwrap_err();
        assert!(told.contains(wanted), "{says:?}: {told}");
    }
}
