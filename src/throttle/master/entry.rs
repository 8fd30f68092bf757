//! One throttle of a cluster as the master's desk has it.

use std::collections::BTreeMap;

use crowd_core::rate::Rate;

use crate::{
    cluster::{
        member::MemberId,
        protocol::throttle::{Tally, Terms, ThrottleId},
    },
    throttle::{Lateness, ThrottleInfo, ThrottleState, dealer::Dealer},
};

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) id: ThrottleId,
    pub(super) name: String,
    /// The rate it was started with.
    pub(super) started: Rate,
    pub(super) started_at: u64,
    pub(super) dealer: Dealer,
    tallies: BTreeMap<MemberId, Tally>,
}

impl Entry {
    pub(super) fn new(id: ThrottleId, name: String, rate: Rate, tolerance: u64, now: u64) -> Self {
        let dealer = Dealer::new(rate, tolerance, now);
        Self { id, name, started: rate, started_at: now, dealer, tallies: BTreeMap::new() }
    }

    /// What holds for a node, from now on.
    pub(super) fn terms(&mut self, node: &MemberId, tolerance: u64, now: u64) -> Option<Terms> {
        let era = self.dealer.era(node)?;
        let ramp = self.dealer.ramp_at(now);
        Some(Terms {
            id: self.id,
            name: self.name.clone(),
            era,
            revision: self.dealer.revision(),
            kind: self.dealer.kind(),
            paused: self.dealer.is_paused(),
            until: self.dealer.renew(now),
            tolerance,
            rate: self.dealer.rate_at(now),
            ramp: ramp.map(|(ramp, left)| (ramp.into(), now.saturating_add(left))),
        })
    }

    /// A node tells what became of what was asked there.
    pub(super) fn tally(&mut self, node: &MemberId, tally: Tally) {
        self.tallies.insert(node.clone(), tally);
    }

    /// Nobody waits on that node any more, and nothing is in flight there.
    pub(super) fn leave(&mut self, node: &MemberId) {
        self.dealer.leave(node);
        if let Some(tally) = self.tallies.get_mut(node) {
            // Who waited has given up.
            tally.cancelled = tally.cancelled.saturating_add(tally.waiting);
            (tally.waiting, tally.in_flight, tally.per_second) = (0, 0, (0.0, 0.0));
        }
    }

    /// What is known of it on all nodes together.
    pub(super) fn info(&self, tolerance: u64, stopped: bool, now: u64) -> ThrottleInfo {
        let sum = |count: fn(&Tally) -> u64| {
            self.tallies.values().fold(0, |sum: u64, tally| sum.saturating_add(count(tally)))
        };
        let worst = |of: fn(&Lateness) -> u64| {
            self.tallies.values().map(|tally| of(&tally.lateness)).max().unwrap_or(0)
        };
        let ramp = self.dealer.ramp_at(now);
        let seconds = now.saturating_sub(self.started_at) as f64 / 1e9;
        let overall = |count: u64| if seconds > 0.0 { count as f64 / seconds } else { 0.0 };
        let (requested, granted) = (sum(|tally| tally.requested), sum(|tally| tally.granted));
        ThrottleInfo {
            name: self.name.clone(),
            rate: self.dealer.rate_at(now).to_string(),
            ramp: ramp.map(|(ramp, _)| ramp.to_string()),
            ramp_remaining_ms: ramp.map(|(_, left)| left.div_ceil(1_000_000)),
            state: match self.dealer.is_paused() {
                _ if stopped => ThrottleState::Stopped,
                true => ThrottleState::Paused,
                false => ThrottleState::Running,
            },
            waiting: sum(|tally| tally.waiting),
            in_flight: sum(|tally| tally.in_flight),
            requested,
            granted,
            cancelled: sum(|tally| tally.cancelled),
            // What was never dealt, and what was dealt and came too late.
            forfeited: sum(|tally| tally.forfeited).saturating_add(self.dealer.forfeited()),
            undealt: self.dealer.forfeited(),
            lateness: Lateness {
                p50_us: worst(|lateness| lateness.p50_us),
                p90_us: worst(|lateness| lateness.p90_us),
                p99_us: worst(|lateness| lateness.p99_us),
                max_us: worst(|lateness| lateness.max_us),
            },
            tolerance_us: self
                .tallies
                .values()
                .map(|tally| tally.tolerance_us)
                .min()
                .unwrap_or(tolerance / 1_000),
            // The sum of no floats is -0.0.
            asked_per_second: 0.0 + self.tallies.values().map(|all| all.per_second.0).sum::<f64>(),
            given_per_second: 0.0 + self.tallies.values().map(|all| all.per_second.1).sum::<f64>(),
            asked_per_second_overall: overall(requested),
            given_per_second_overall: overall(granted),
        }
    }
}
