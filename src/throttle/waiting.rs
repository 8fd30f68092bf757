//! The wait for a turn.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use super::{
    gate::{Answer, Gate},
    queue::{Look, Ticket},
};

/// Waits for its turn; `None` if the throttle was stopped. Dropping it gives the wait up.
pub(crate) struct Waiting {
    gate: Arc<Gate>,
    ticket: Arc<Ticket>,
    over: bool,
}

impl fmt::Debug for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiting").field("gate", &self.gate).finish_non_exhaustive()
    }
}

impl Waiting {
    pub(crate) fn new(gate: Arc<Gate>, ticket: Arc<Ticket>) -> Self {
        Self { gate, ticket, over: false }
    }
}

impl Future for Waiting {
    type Output = Option<Answer>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Answer>> {
        let answer = match self.ticket.look(context) {
            Look::Waiting => Poll::Pending,
            Look::Called(call) => match self.gate.claim(&self.ticket, call, context) {
                Some(answer) => answer.map(Some),
                None => Poll::Ready(None),
            },
            Look::Over => Poll::Ready(None),
        };
        self.over = answer.is_ready();
        answer
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if !self.over {
            self.gate.give_up(&self.ticket);
        }
    }
}
