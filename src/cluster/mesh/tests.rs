use std::{sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use super::{memory::Network, *};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Number(u64);

impl Protocol for Number {
    const SERVICE: Service = Service::Run;
    type Answer = u64;
}

fn collect(mesh: &Mesh) -> mpsc::UnboundedReceiver<(MemberId, u64)> {
    let (sender, receiver) = mpsc::unbounded_channel();
    mesh.serve(move |from: &MemberId, Number(number), responder| {
        if let Some(responder) = responder
            && number != 13
        {
            responder.answer(&(number * 2));
        }
        sender.send((from.clone(), number)).unwrap();
    });
    receiver
}

#[tokio::test(start_paused = true)]
async fn messages_arrive_in_order_also_at_home() {
    let network = Network::default();
    let (a, b) = (network.node("a", 1), network.node("b", 1));
    let mut at_b = collect(&b);
    for number in 0..100 {
        a.cast(b.me(), &Number(number)).unwrap();
    }
    b.cast(b.me(), &Number(7)).unwrap();
    assert_eq!(at_b.recv().await, Some((b.me().clone(), 7)));
    for number in 0..100 {
        assert_eq!(at_b.recv().await, Some((a.me().clone(), number)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_always_ends() {
    let network = Network::default();
    let (a, b) = (network.node("a", 1), network.node("b", 1));
    let _inbox = collect(&b);
    let second = Duration::from_secs(1);
    assert_eq!(a.call(b.me(), &Number(21), second).await, Ok(42));
    let silent = a.call(b.me(), &Number(13), second).await.unwrap_err();
    assert_eq!(silent.to_string(), "node `b` did not answer within 1s");
    let waiting = {
        let (a, b) = (a.clone(), b.me().clone());
        tokio::spawn(async move { a.call(&b, &Number(13), 100 * second).await })
    };
    tokio::task::yield_now().await;
    network.kill(b.me());
    assert_eq!(waiting.await.unwrap(), Err(CallFault::Gone(b.me().clone())));
    let gone = a.call(b.me(), &Number(1), second).await.unwrap_err();
    assert_eq!(gone.to_string(), "node `b` cannot be reached");
    assert!(a.calls().is_empty());
}

#[tokio::test(start_paused = true)]
async fn everybody_hears_who_comes_and_goes() {
    let network = Network::default();
    let a = network.node("a", 1);
    let b = network.node("b", 1);
    let mut events = a.events();
    assert_eq!(events.recv().await, Some(MeshEvent::Up(b.this_member().clone())));
    let again = network.node("b", 2);
    assert_eq!(events.recv().await, Some(MeshEvent::Up(again.this_member().clone())));
    network.kill(b.me());
    let why = "the connection was closed".to_owned();
    assert_eq!(events.recv().await, Some(MeshEvent::Down(b.me().clone(), why)));
    assert_eq!(a.named("b"), Some(again.me().clone()));
    assert_eq!(a.named("a"), Some(a.me().clone()));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_handled_ends_the_link_it_came_on_and_no_more() {
    let network = Network::default();
    let (a, b, c) = (network.node("a", 1), network.node("b", 1), network.node("c", 1));
    assert_eq!(a.guard(b.me(), || 7), Some(7));
    assert_eq!(a.guard(b.me(), || panic!("a bug")), None::<()>);
    assert!(!a.reaches(b.me()) && !b.reaches(a.me()));
    assert_eq!(a.guard_async(c.me(), async { panic!("a bug") }).await, None::<()>);
    assert!(a.members().is_empty() && b.reaches(c.me()));
    network.meet(a.me(), b.me());
    assert!(a.reaches(b.me()));
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "a bug of our own")]
async fn what_a_node_says_to_itself_is_its_own_fault() {
    let a = Network::default().node("a", 1);
    a.guard(a.me(), || panic!("a bug of our own"));
}

#[tokio::test(start_paused = true)]
async fn garbage_is_refused() {
    let mesh = Network::default().node("a", 1);
    let _inbox = collect(&mesh);
    let from = MemberId::new(Arc::from("x"), 1);
    assert!(mesh.deliver(&from, b"\xff\xff\xff\xff\xff").is_err());
    assert!(mesh.deliver(&from, b"").is_err());
}
