//! The task that lets waiting users in, as fast as the throttle `user_rate` allows.

use std::time::Duration;

use crowd_core::fence::Fence;
use crowd_plan::run_settings::USER_RATE;
use ractor::{ActorRef, rpc::CallResult};
use tokio::sync::watch;

use super::message::ControllerMessage;
use crate::throttle::Throttles;

/// How many users are admitted at once, at the most: small enough that a `stop` is heard soon,
/// large enough that the way to the supervisors and back does not count.
const ADMITTED_AT_ONCE: u64 = 16_384;

/// How long until a gate that is not there is looked for again.
const GATE_MISSING: Duration = Duration::from_millis(250);

/// How long until it is looked again whether users may act.
const FENCED: Duration = Duration::from_millis(20);

/// Lets users in as the gate allows, until the run ends.
pub(super) async fn admit(
    run: u64,
    throttles: Throttles,
    fence: Fence,
    mut demand: watch::Receiver<u64>,
    controller: ActorRef<ControllerMessage>,
) {
    loop {
        let waiting = *demand.borrow_and_update();
        if waiting == 0 {
            if demand.changed().await.is_err() {
                return;
            }
            continue;
        }
        if fence.is_over() {
            // Who was let in now would be dead at once.
            tokio::time::sleep(FENCED).await;
            continue;
        }
        let count = match throttles.get(USER_RATE) {
            Ok(gate) => gate.take(waiting.min(ADMITTED_AT_ONCE)).await.ok(),
            Err(_) => None,
        };
        let Some(count) = count else {
            // Without a gate nobody is let in; an operator may have stopped it and may start it.
            tokio::time::sleep(GATE_MISSING).await;
            continue;
        };
        let admit = |reply| ControllerMessage::Admit { run, count, reply };
        let Ok(CallResult::Success(started)) = controller.call(admit, None).await else { return };
        for share in started {
            // An error means that the supervisor broke, which ends the run.
            let _ = share.await;
        }
    }
}
