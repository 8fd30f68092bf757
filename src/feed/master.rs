//! The feeders of a cluster, on its master.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use crowd_core::{
    refusal::{Code, Refusal},
    settings::SettingValue,
    telemetry::{Telemetry, event::FeederLost},
};
use futures_util::future::BoxFuture;

use super::{Order, dealer::Dealer};
use crate::cluster::{
    member::MemberId,
    mesh::Mesh,
    parts::Companion,
    protocol::{
        feed::{Ask, FeederAnswer, ToFeeders},
        run::{Assignment, RunSpec},
    },
};

/// Deals the rows of a cluster's feeders. Answers at once, where messages come in: there is little
/// to decide.
pub(crate) struct FeederMaster {
    telemetry: Telemetry,
    desk: Mutex<Desk>,
}

#[derive(Default)]
struct Desk {
    running: bool,
    feeders: BTreeMap<String, Entry>,
    /// Which feeder each lease is of.
    leases: BTreeMap<u64, String>,
    last_lease: u64,
}

struct Entry {
    order: Order,
    rows: u64,
    digest: u64,
    /// Who started it first.
    by: MemberId,
    dealer: Dealer<MemberId>,
}

impl fmt::Debug for FeederMaster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FeederMaster").finish_non_exhaustive()
    }
}

impl FeederMaster {
    /// To be called once, before the node joins others.
    pub(crate) fn new(mesh: &Mesh, telemetry: Telemetry) -> Arc<Self> {
        let this = Arc::new(Self { telemetry, desk: Mutex::default() });
        // The mesh is held by many, and must not hold them.
        let served: Weak<Self> = Arc::downgrade(&this);
        mesh.serve(move |from: &MemberId, message: ToFeeders, responder| {
            let (Some(this), Some(responder)) = (served.upgrade(), responder) else { return };
            let answer = this.hear(from, message);
            responder.answer(&answer.unwrap_or_else(FeederAnswer::Refused));
        });
        this
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hear(&self, from: &MemberId, message: ToFeeders) -> Result<FeederAnswer, Refusal> {
        let mut desk = self.desk();
        match message {
            ToFeeders::Start { name, order, rows, digest } => {
                desk.start(from, name, order, (rows, digest))
            }
            ToFeeders::Ask(ask) => desk.ask(&ask),
        }
    }
}

impl Desk {
    fn start(
        &mut self,
        from: &MemberId,
        name: String,
        order: Order,
        (rows, digest): (u64, u64),
    ) -> Result<FeederAnswer, Refusal> {
        if !self.running {
            return Err(over());
        }
        let entry = self.feeders.entry(name.clone()).or_insert_with(|| Entry {
            order,
            rows,
            digest,
            by: from.clone(),
            dealer: Dealer::new((order == Order::Sequential).then_some(rows)),
        });
        if let Some(why) = entry.differs(from, order, rows, digest) {
            let message = format!("feeder `{name}` is not started: {why}");
            return Err(Refusal::new(Code::InvalidFeeder, message));
        }
        self.last_lease += 1;
        let lease = self.last_lease;
        entry.dealer.join(from.clone(), lease);
        self.leases.insert(lease, name);
        Ok(FeederAnswer::Started { lease })
    }

    fn ask(&mut self, ask: &Ask) -> Result<FeederAnswer, Refusal> {
        let name = self.leases.get(&ask.lease).ok_or_else(over)?;
        let entry = self.feeders.get_mut(name).ok_or_else(over)?;
        entry.dealer.ask(ask).map(FeederAnswer::Given).ok_or_else(over)
    }
}

impl Entry {
    /// How the feeder that a node has differs from this one.
    fn differs(&self, from: &MemberId, order: Order, rows: u64, digest: u64) -> Option<String> {
        let (by, here) = (&self.by, self.rows);
        if order != self.order {
            let (order, there) = (order.render(), self.order.render());
            return Some(format!("it is {order} on node `{from}`, and {there} on node `{by}`"));
        }
        if rows != here {
            return Some(format!(
                "it has {rows} rows on node `{from}`, and {here} on node `{by}`; all nodes need the \
                 same file"
            ));
        }
        (digest != self.digest).then(|| {
            format!(
                "its rows on node `{from}` are others than those on node `{by}`; all nodes need the \
                 same file"
            )
        })
    }
}

fn over() -> Refusal {
    Refusal::new(Code::Unavailable, "the run is over, or this node has no part in it")
}

impl Companion for FeederMaster {
    fn begin(&self, _: &RunSpec) {
        let mut desk = self.desk();
        desk.forget();
        desk.running = true;
    }

    fn joined(&self, _: &MemberId, _: Assignment) {}

    fn gone(&self, worker: &MemberId) {
        let mut desk = self.desk();
        let lost: Vec<_> = desk
            .feeders
            .iter_mut()
            .map(|(name, entry)| (name.as_str().into(), entry.dealer.leave(worker)))
            .filter(|(_, rows)| *rows > 0)
            .collect();
        drop(desk);
        for (name, rows) in lost {
            self.telemetry.emit(&FeederLost { name, node: worker.to_string(), rows });
        }
    }

    fn end(&self) -> BoxFuture<'static, ()> {
        Box::pin(async {})
    }

    fn forget(&self) {
        self.desk().forget();
    }
}

impl Desk {
    /// Leases are numbered on, so that those of another run are known to be.
    fn forget(&mut self) {
        self.running = false;
        self.feeders.clear();
        self.leases.clear();
    }
}
