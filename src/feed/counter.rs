//! A node's tickets of a feeder whose rows are given over the whole cluster: the stock, those who
//! wait for it, and the task that asks the master.

use std::{
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::Notify,
    time::{sleep, sleep_until},
};

use super::stock::{Stock, Taken};
use crate::cluster::{
    member::MemberId,
    mesh::{CallFault, Mesh},
    protocol::feed::{Ask, FeederAnswer, ToFeeders},
};

/// How long the master may take to answer before it is asked again.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long until a master that cannot be reached is tried again.
const AWAY: Duration = Duration::from_millis(250);

/// The tickets of one feeder on this node.
pub(super) struct Counter {
    mesh: Mesh,
    master: MemberId,
    stock: Mutex<Stock>,
    /// Somebody waits, or something was used.
    wanted: Notify,
    /// Tickets came, or it is known that none will.
    given: Notify,
}

impl fmt::Debug for Counter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Counter").field("master", &self.master).finish_non_exhaustive()
    }
}

impl Counter {
    pub(super) fn new(mesh: Mesh, master: MemberId, stock: Stock) -> Self {
        let (wanted, given) = (Notify::new(), Notify::new());
        Self { mesh, master, stock: Mutex::new(stock), wanted, given }
    }

    fn stock(&self) -> MutexGuard<'_, Stock> {
        self.stock.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next ticket; `None` if there are no more. Given up while it waits, it costs none.
    ///
    /// # Errors
    /// Why there is nobody to ask.
    pub(super) async fn take(&self) -> Result<Option<u64>, String> {
        let mut waiting = None;
        loop {
            let given = self.given.notified();
            tokio::pin!(given);
            // Listen before looking, so that what comes in between is not missed.
            given.as_mut().enable();
            let taken = {
                let mut stock = self.stock();
                let taken = stock.take(self.mesh.now());
                if taken == Taken::Empty && waiting.is_none() {
                    stock.wait();
                    waiting = Some(Waiting(self));
                }
                taken
            };
            self.wanted.notify_one();
            match taken {
                Taken::Ticket(ticket) => return Ok(Some(ticket)),
                Taken::Nothing => return Ok(None),
                Taken::Broken(why) => return Err(why),
                Taken::Empty => given.await,
            }
        }
    }

    /// Asks the master whenever there is something to ask. Works until it is dropped.
    pub(super) async fn work(&self) {
        loop {
            let now = self.mesh.now();
            let (ask, due) = {
                let mut stock = self.stock();
                (stock.ask(now), stock.due(now))
            };
            match (ask, due) {
                (Some(ask), _) => {
                    while !self.exchange(&ask).await {
                        sleep(AWAY).await;
                    }
                }
                (None, Some(due)) => tokio::select! {
                    () = self.wanted.notified() => {}
                    () = sleep_until(self.mesh.instant(due)) => {}
                },
                (None, None) => self.wanted.notified().await,
            }
            // A master that answers at once must not keep this task from leaving its thread.
            tokio::task::consume_budget().await;
        }
    }

    /// Tells what was used and gives back what was not, after the users are gone and
    /// [`Counter::work`] was dropped.
    pub(super) async fn finish(&self) {
        loop {
            let ask = self.stock().last_ask(self.mesh.now());
            let Some(ask) = ask else { return };
            if !self.exchange(&ask).await {
                return;
            }
        }
    }

    /// Asks once; whether it was answered.
    async fn exchange(&self, ask: &Ask) -> bool {
        let asked = ToFeeders::Ask(ask.clone());
        let answer = self.mesh.call(&self.master, &asked, PATIENCE).await;
        let now = self.mesh.now();
        match answer {
            Ok(FeederAnswer::Given(given)) => self.stock().answer(given, now),
            Ok(FeederAnswer::Refused(refusal)) => self.stock().fail(refusal.message),
            Ok(FeederAnswer::Started { .. }) => {
                self.stock().fail("the master answers oddly".into())
            }
            Err(fault @ CallFault::Send(_) | fault @ CallFault::Gone(_)) => {
                tracing::debug!(target: "crowd", "feeders: {fault}");
                return false;
            }
            Err(fault @ CallFault::TimedOut { .. }) => {
                tracing::warn!(target: "crowd", "feeders: {fault}; it is asked again");
                return false;
            }
        }
        self.given.notify_waiters();
        true
    }
}

/// A user that waits for a ticket.
struct Waiting<'c>(&'c Counter);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.stock().waited();
    }
}
