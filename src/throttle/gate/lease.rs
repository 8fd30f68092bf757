//! What a gate that is supplied by the master hears and says.

use std::sync::Arc;

use crowd_core::telemetry::event::ThrottleRate;

use super::{Gate, Supply};
use crate::{
    cluster::{
        clock::ClockReading,
        protocol::throttle::{Demand, Grant, Tally, Terms, ThrottleId},
    },
    throttle::holdings::Want,
};

/// How many of those who wait are asked how many slots they want.
const LOOKS: usize = 256;

impl Gate {
    /// Which throttle of the cluster it is; `None` if it is this node's own.
    pub(crate) fn id(&self) -> Option<ThrottleId> {
        match &self.lock().supply {
            Supply::Own(_) => None,
            Supply::Leased(holdings) => Some(holdings.id()),
        }
    }

    /// The master says what holds from now on.
    pub(crate) fn accept(self: &Arc<Self>, terms: &Terms, clock: ClockReading) {
        let changed = self.control(|supply, now| match supply {
            Supply::Own(_) => false,
            Supply::Leased(holdings) => holdings.accept(terms, clock, now),
        });
        if changed == Some(true) {
            let (name, rate) = (self.name.clone(), terms.rate.to_string());
            self.telemetry.emit(&ThrottleRate { name, rate });
        }
    }

    /// The master gave something. It is let through by the pacer, not by whoever calls this.
    pub(crate) fn receive(&self, grant: &Grant, sent: u64, clock: ClockReading) {
        let mut inner = self.lock();
        let now = self.now();
        if let Supply::Leased(holdings) = &mut inner.supply {
            holdings.receive(grant, sent, clock, now);
        }
        drop(inner);
        self.pacer.notify_one();
    }

    /// What is to be told to the master now, and when it is to be asked again.
    pub(crate) fn demand(&self) -> (Option<Demand>, Option<u64>) {
        let mut inner = self.lock();
        if inner.stopped.is_some() {
            return (None, None);
        }
        let now = self.now();
        let in_flight = self.tally.in_flight();
        let slots = if inner.supply.limits_flight() {
            inner.queue.waiting() as u64 + inner.queue.called()
        } else {
            inner.queue.wanted(LOOKS)
        };
        let want = Want { slots, in_flight, asked: self.tally.totals().asked };
        match &mut inner.supply {
            Supply::Own(_) => (None, None),
            Supply::Leased(holdings) => holdings.demand(now, want),
        }
    }

    /// What became of what was asked here; `None` if the throttle is this node's own.
    pub(crate) fn told(&self) -> Option<Tally> {
        let id = self.id()?;
        let info = self.info();
        Some(Tally {
            id,
            waiting: info.waiting,
            in_flight: info.in_flight,
            requested: info.requested,
            granted: info.granted,
            cancelled: info.cancelled,
            forfeited: info.forfeited,
            lateness: info.lateness,
            tolerance_us: info.tolerance_us,
            per_second: (info.asked_per_second, info.given_per_second),
            over: self.is_stopped(),
        })
    }
}
