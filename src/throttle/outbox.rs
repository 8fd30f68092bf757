//! What follows from letting through, done after the lock of the gate is released: it runs code
//! of users, and that may come back to the gate.

use std::{panic::AssertUnwindSafe, sync::Arc, task::Waker};

use crowd_core::panic::panic_text;
use crowd_core::telemetry::event::{ThrottleExecute, ThrottleFault, ThrottleForfeit, ThrottleRate};

use super::{gate::Gate, queue::Entry, rate::Rate};

/// What is to be done.
#[derive(Default)]
pub(super) struct Outbox {
    pub(super) wakers: Vec<Waker>,
    pub(super) actions: Vec<Box<dyn FnOnce() + Send>>,
    /// Entries to be dropped.
    pub(super) dead: Vec<Entry>,
    pub(super) forfeited: u64,
    /// The rate, if it is another than before.
    pub(super) rate: Option<Rate>,
    /// How many were let through one by one.
    singles: u64,
    /// And how many at a time.
    batches: Vec<u64>,
}

impl Outbox {
    pub(super) fn executed(&mut self, slots: u64) {
        if slots == 1 {
            self.singles += 1;
        } else {
            self.batches.push(slots);
        }
    }
}

impl Gate {
    /// Does what is to be done. Not under the lock.
    pub(super) fn deliver(self: &Arc<Self>, out: Outbox) {
        out.wakers.into_iter().for_each(Waker::wake);
        for action in out.actions {
            if let Err(panic) = std::panic::catch_unwind(AssertUnwindSafe(action)) {
                self.fault(panic_text(&*panic));
            }
        }
        if let Some(rate) = out.rate {
            self.telemetry.emit(&ThrottleRate { name: self.name.clone(), rate: rate.to_string() });
        }
        if out.forfeited > 0 {
            let (name, slots) = (self.name.clone(), out.forfeited);
            self.telemetry.emit(&ThrottleForfeit { name, slots });
        }
        for _ in 0..out.singles {
            self.executed(1);
        }
        for slots in out.batches {
            self.executed(slots);
        }
    }

    /// Tells that something was let through.
    pub(super) fn executed(&self, slots: u64) {
        self.telemetry.emit_with(slots, || ThrottleExecute { name: self.name.clone(), slots });
    }

    /// Tells that something that was let through went wrong.
    pub(super) fn fault(&self, reason: String) {
        self.telemetry.emit(&ThrottleFault { name: self.name.clone(), reason });
    }
}
