//! Users write to each other.

use std::{sync::Mutex, time::Duration};

use crowd::{prelude::*, scenario::catalog::Catalog};
use serde::{Deserialize, Serialize};

use super::support::*;

/// User 1 sends numbers to user 2, which tells what it got.
struct Letters;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Letter {
    Number(u64),
    Reminder,
}

static GOT: Mutex<Vec<(Option<u64>, Letter)>> = Mutex::new(Vec::new());
static ERRORS: Mutex<Vec<String>> = Mutex::new(Vec::new());

impl Scenario for Letters {
    const NAME: &'static str = "letters";
    type Settings = ();
    type Message = Letter;

    async fn init(_: &Run<Self>) -> Result<Self, Failure> {
        Ok(Self)
    }

    async fn start(&self, user: User<Self>) -> Result<(), Failure> {
        if user.id() == UserId(1) {
            while user.send(UserId(2), Letter::Number(0)).await.is_err() {
                user.sleep(Duration::from_millis(5)).await?;
            }
            for number in 1..100 {
                // Waiting or not, they stay in order.
                if number % 2 == 0 {
                    user.post(UserId(2), Letter::Number(number))?;
                } else {
                    user.send(UserId(2), Letter::Number(number)).await?;
                }
            }
            let nobody = user.send(UserId(77), Letter::Reminder).await.unwrap_err();
            assert_eq!(user.post(UserId(77), Letter::Reminder), Err(nobody));
            ERRORS.lock().unwrap().push(nobody.to_string());
            return Ok(());
        }
        user.send_after(Duration::from_millis(50), Letter::Reminder);
        assert_eq!(user.address().id(), user.id());
        while let Some(mail) = user.receive().await {
            GOT.lock().unwrap().push((mail.from.map(|id| id.0), mail.message));
        }
        let late = user.receive_within(Duration::from_millis(1)).await;
        assert_eq!(late, Received::Stopped);
        assert_eq!(user.drain_within(Duration::from_millis(1)).await, None);
        Ok(())
    }
}

#[tokio::test]
async fn letters_arrive_in_order_with_their_sender() {
    let node = node(Catalog::new().with::<Letters>()).await;
    node.start_run("letters", 2, vec![]).await.unwrap();
    eventually("all letters have come", || async {
        (GOT.lock().unwrap().len() == 101).then_some(())
    })
    .await;
    let got = GOT.lock().unwrap().clone();
    let numbers: Vec<_> = got
        .iter()
        .filter_map(|(from, letter)| match letter {
            Letter::Number(number) => Some((*from, *number)),
            Letter::Reminder => None,
        })
        .collect();
    assert_eq!(numbers, (0..100).map(|number| (Some(1), number)).collect::<Vec<_>>());
    assert!(got.contains(&(Some(2), Letter::Reminder)));
    assert_eq!(*ERRORS.lock().unwrap(), ["no user 77 is running"]);
    // The mailbox ends with a soft stop.
    node.remove(1, false).await.unwrap();
    running(&node, 0).await;
    assert_eq!(node.account().await.unwrap().endings.stopped, 1);
    node.shutdown().await;
}
