//! Durations that end after any clock: who is given one waits for ever, and nothing panics.

use std::time::Duration;

use crowd::{controller::machine::RunState, moment, prelude::*, scenario::catalog::Catalog};
use tokio::time::Instant;

use crate::support::{counts, given, node, running};

#[derive(Clone, Settings)]
struct PatientSettings {
    /// How long a user waits.
    #[setting(default = "1s")]
    wait: Duration,
}

/// Users that wait, each third of them in another way.
struct Patient;

impl Scenario for Patient {
    const NAME: &'static str = "patient";
    type Settings = PatientSettings;
    type Message = ();

    async fn init(_: &Run<Self>) -> Result<Self, Failure> {
        Ok(Self)
    }

    async fn start(&self, user: User<Self>) -> Result<(), Failure> {
        let wait = user.settings().wait;
        user.send_after(wait, ());
        match user.id().0 % 3 {
            0 => user.sleep(wait).await?,
            1 => user.sleep_until(moment::after(Instant::now(), wait)).await?,
            _ => {
                user.receive_within(wait).await;
            }
        }
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn users_wait_for_ever_and_can_be_stopped() {
    // The longest that can be typed, one beyond the end of the clock, and one that is before it.
    for wait in ["584000000000y", "300000000000y", "200000000000y"] {
        let node = node(Catalog::new().with::<Patient>()).await;
        node.start_run("patient", 6, given(&[("wait", wait)])).await.unwrap();
        running(&node, 6).await;
        node.stop().await.unwrap();
        assert_eq!(node.ended().await, RunState::Finished, "{wait}");
        let users = counts(&node).await;
        assert_eq!((users.failed, users.running), (0, 0), "{wait}: {users:?}");
        node.shutdown().await;
    }
}
