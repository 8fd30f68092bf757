//! The task that sends letters, opens those that come, and gives up those that are lost.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use crowd_core::errors::SendError;
use tokio::{
    sync::mpsc,
    task::coop::consume_budget,
    time::{Instant, sleep_until},
};

use super::{Desk, outgoing::Outgoing};
use crate::{
    cluster::{
        member::MemberId,
        mesh::MeshEvent,
        protocol::mail::{Letter, MailMessage},
    },
    user::elsewhere::Bounce,
};

/// Works as long as there is a mail.
pub(super) async fn work(desk: Arc<Desk>, mut inbox: mpsc::Receiver<(MemberId, MailMessage)>) {
    let mut events = desk.mesh.events();
    loop {
        let deadline = desk.deadline();
        let overdue = async {
            match deadline {
                Some(deadline) => sleep_until(deadline).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            Some(event) = events.recv() => {
                if let MeshEvent::Down(member, _) = event {
                    desk.lost(&member);
                }
            }
            Some((from, message)) = inbox.recv() => {
                desk.mesh.guard_async(&from, desk.hear(&from, message)).await;
            }
            () = desk.wake.notified() => {}
            () = overdue => desk.give_up_overdue(),
        }
        desk.send_what_may().await;
    }
}

impl Desk {
    async fn hear(&self, from: &MemberId, message: MailMessage) {
        match message {
            MailMessage::Letters { run, frame, letters } => {
                self.open(from, run, frame, letters).await;
            }
            MailMessage::Ack { frame, bounced } => self.acknowledged(from, frame, &bounced),
            // Heard of by the handler itself.
            MailMessage::Run { .. } => {}
        }
    }

    fn deadline(&self) -> Option<Instant> {
        let state = self.state();
        let first = state.peers.values().filter_map(Outgoing::deadline).min()?;
        Some(self.origin + first)
    }

    /// Puts letters into mailboxes, and answers for them.
    async fn open(&self, from: &MemberId, run: u64, frame: u64, letters: Vec<Letter>) {
        let office = {
            let state = self.state();
            if state.run == Some(run) { state.office.clone() } else { None }
        };
        let mut bounced = Vec::new();
        for (n, letter) in (0..).zip(letters) {
            // Others have to run too.
            consume_budget().await;
            let Letter { from, to, message } = letter;
            let outcome = match &office {
                // Reading a message is the scenario's code.
                Some(office) => {
                    catch_unwind(AssertUnwindSafe(|| (office.intake)(from, to, &message)))
                        .unwrap_or(Err(Bounce::Unreadable))
                }
                None => Err(Bounce::Gone),
            };
            if let Err(bounce) = outcome {
                bounced.push((n, bounce));
            }
        }
        // A sender that cannot be reached takes its letters for lost.
        let _ = self.mesh.cast(from, &MailMessage::Ack { frame, bounced });
    }

    fn acknowledged(&self, peer: &MemberId, frame: u64, bounced: &[(u32, Bounce)]) {
        let receipts = {
            let mut state = self.state();
            state.peers.get_mut(peer).map(|outgoing| outgoing.acknowledged(frame))
        };
        let mut bounced = bounced.iter().peekable();
        self.settle((0..).zip(receipts.unwrap_or_default()).map(|(n, receipt)| {
            let bounce = bounced.next_if(|(at, _)| *at == n);
            let outcome = bounce.map_or(Ok(()), |(_, bounce)| Err(bounce.told(receipt.to)));
            (receipt, outcome)
        }));
    }

    /// That node is gone, and all that was on its way to it.
    fn lost(&self, member: &MemberId) {
        let outgoing = self.state().peers.remove(member);
        self.lose(outgoing.into_iter().flat_map(Outgoing::give_up));
    }

    fn give_up_overdue(&self) {
        let now = self.now();
        let receipts: Vec<_> = {
            let mut state = self.state();
            state.peers.values_mut().flat_map(|outgoing| outgoing.overdue(now)).collect()
        };
        self.settle(receipts.into_iter().map(|receipt| {
            let late = Err(SendError::TimedOut(receipt.to));
            (receipt, late)
        }));
    }

    /// Sends all frames for which there is room.
    async fn send_what_may(&self) {
        while let Some((peer, message)) = self.next_frame() {
            consume_budget().await;
            if self.mesh.cast(&peer, &message).is_err() {
                self.lost(&peer);
            }
        }
    }

    fn next_frame(&self) -> Option<(MemberId, MailMessage)> {
        let now = self.now();
        let mut guard = self.state();
        let state = &mut *guard;
        let frame = state.frames + 1;
        let run = state.run.unwrap_or_default();
        let next = state.peers.iter_mut().find_map(|(peer, outgoing)| {
            let letters = outgoing.next_frame(frame, now)?;
            Some((peer.clone(), MailMessage::Letters { run, frame, letters }))
        });
        state.frames = frame;
        next
    }
}
