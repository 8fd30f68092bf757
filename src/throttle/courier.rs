//! Tells the master what is wanted on this node, for all throttles together.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, sleep_until};

use super::{follower::Following, registry::Table};
use crate::cluster::protocol::throttle::ToThrottles;

/// Messages are not closer together than this.
const GAP: Duration = Duration::from_millis(1);

/// How often it is told what became of things.
const TALLY: Duration = Duration::from_secs(1);

/// Works until it is aborted.
pub(super) async fn carry(following: Arc<Following>, table: Arc<Table>) {
    let mesh = &following.mesh;
    let mut tally_at = Instant::now();
    loop {
        let gates = table.leased(&following);
        let mut next = None;
        let mut demands = Vec::new();
        // Without its time nothing could be done with what the master gives.
        if following.clock().is_some() {
            for gate in &gates {
                let (demand, again) = gate.demand();
                demands.extend(demand);
                next = next.into_iter().chain(again).min();
            }
        }
        if !demands.is_empty() {
            following.tell(&ToThrottles::Demand(demands));
        }
        if tally_at <= Instant::now() {
            tally_at = Instant::now() + TALLY;
            let tallies: Vec<_> = gates.iter().filter_map(|gate| gate.told()).collect();
            if !following.is_heard() {
                following.tell(&ToThrottles::Hello);
            }
            if !tallies.is_empty() {
                following.tell(&ToThrottles::Tally(tallies));
            }
        }
        drop(gates);
        let at = next.map_or(tally_at, |next| mesh.instant(next).min(tally_at));
        let earliest = Instant::now() + GAP;
        tokio::select! {
            () = sleep_until(at.max(earliest)) => {}
            () = following.courier.notified() => sleep_until(earliest.min(at.max(earliest))).await,
        }
    }
}
