//! What coordinators on a worker ask of the master.

use std::sync::{Arc, Weak};

use crowd_core::{
    refusal::{Code, Refusal},
    user_id::UserId,
};
use futures_util::future::BoxFuture;
use tokio::sync::oneshot;

use super::{Asked, Desk, QUEUE_BYTES, START, Term, cost};
use crate::{
    cluster::protocol::coordinator::{Bytes, Request},
    coordinator::shared::{Bureau, Shape, Site},
};

/// The way to the master for coordinators of one term: what they say later reaches nobody.
pub(super) struct Branch {
    pub(super) desk: Arc<Desk>,
    pub(super) term: Option<Term>,
}

impl Branch {
    /// Appends a request; says whether the term goes on.
    fn push(&self, request: Request) -> bool {
        let mut state = self.desk.state();
        let follows = self.term.is_some() && state.following == self.term;
        if follows {
            state.queued += cost(&request);
            state.queue.push_back(request);
        }
        drop(state);
        self.desk.wake.notify_one();
        follows
    }

    /// Asks the master something that is answered under a ticket.
    pub(super) fn ask(
        &self,
        site: Option<Weak<dyn Site>>,
        request: impl FnOnce(u64) -> Request,
    ) -> BoxFuture<'static, Result<u64, Refusal>> {
        let (answer, answered) = oneshot::channel();
        let ticket = {
            let mut state = self.desk.state();
            state.tickets += 1;
            let ticket = state.tickets;
            state.asked.insert(ticket, Asked { answer, site });
            ticket
        };
        if !self.push(request(ticket)) {
            self.desk.state().asked.remove(&ticket);
        }
        let forget = Forget { desk: self.desk.clone(), ticket };
        Box::pin(async move {
            let answer = answered.await;
            drop(forget);
            answer.unwrap_or_else(|_| {
                let why = "the master of the cluster is gone, or the run is over";
                Err(Refusal::new(Code::Unavailable, why))
            })
        })
    }
}

impl Bureau for Branch {
    fn start(
        self: Arc<Self>,
        name: &str,
        shape: Shape,
        site: Arc<dyn Site>,
    ) -> BoxFuture<'static, Result<u64, Refusal>> {
        let name = name.to_owned();
        let site = Arc::downgrade(&site);
        let answer = self.ask(Some(site), |ticket| Request::Start { ticket, name, shape });
        Box::pin(async move {
            tokio::time::timeout(START, answer).await.unwrap_or_else(|_| {
                let why = format!(
                    "the master did not answer within {}",
                    humantime::format_duration(START)
                );
                Err(Refusal::new(Code::Unavailable, why))
            })
        })
    }

    fn add(&self, coordinator: u64, user: UserId, data: Vec<u8>) -> bool {
        let data = Bytes(data.into());
        let request = Request::Add { coordinator, user, data };
        {
            let state = self.desk.state();
            if state.queued > 0 && state.queued + cost(&request) > QUEUE_BYTES {
                return false;
            }
        }
        self.push(request)
    }

    fn reset(self: Arc<Self>, coordinator: u64) -> BoxFuture<'static, Result<(), Refusal>> {
        let answer = self.ask(None, |ticket| Request::Reset { coordinator, ticket });
        Box::pin(async move { answer.await.map(drop) })
    }

    fn stop(self: Arc<Self>, coordinator: u64) -> BoxFuture<'static, Result<(), Refusal>> {
        let answer = self.ask(None, |ticket| Request::Stop { coordinator, ticket });
        Box::pin(async move { answer.await.map(drop) })
    }

    fn done(&self, coordinator: u64, batch: u64, faults: u64, last_fault: Option<String>) {
        // Without a master nobody waits for it.
        self.push(Request::Done { coordinator, batch, faults, last_fault });
    }

    fn left(&self, coordinator: u64) {
        let mut state = self.desk.state();
        if state.following == self.term {
            state.sites.remove(&coordinator);
        }
        drop(state);
        self.push(Request::Left { coordinator });
    }
}

/// Nobody waits for that answer any more, however the wait ended.
struct Forget {
    desk: Arc<Desk>,
    ticket: u64,
}

impl Drop for Forget {
    fn drop(&mut self) {
        let mut state = self.desk.state();
        // A start has to be heard of all the same: its actions are run here.
        if state.asked.get(&self.ticket).is_some_and(|asked| asked.site.is_none()) {
            state.asked.remove(&self.ticket);
        }
    }
}
