//! The feeders of a node, and those of a run by name.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, Weak, atomic::AtomicU64},
    time::Duration,
};

use crowd_core::{
    refusal::{Code, Refusal},
    settings::SettingValue,
    suggestion::did_you_mean,
    telemetry::{Telemetry, event::FeederStart},
};
use futures_util::future::BoxFuture;

use super::{Feed, Feeder, Order, counter::Counter, handle::Tickets, stock::Stock};
use crate::cluster::{
    member::MemberId,
    mesh::Mesh,
    protocol::feed::{FeederAnswer, ToFeeders},
};

/// How long the master may take to note that a feeder is started here.
const PATIENCE: Duration = Duration::from_secs(5);

/// What the feeders of a node have in common, over all runs. Cheap to clone; all clones are one.
#[derive(Clone, Default)]
pub struct Feeders {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// The master whose tickets are used instead of this node's own.
    following: RwLock<Option<(Mesh, MemberId)>>,
    counters: Mutex<Vec<Weak<Counter>>>,
}

impl fmt::Debug for Feeders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Feeders").finish_non_exhaustive()
    }
}

impl Feeders {
    fn following(&self) -> Option<(Mesh, MemberId)> {
        self.shared.following.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn counters(&self) -> MutexGuard<'_, Vec<Weak<Counter>>> {
        self.shared.counters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Feeders started from now on are that master's; their tickets are this node's own if it is
    /// `None`.
    pub(super) fn follow(&self, master: Option<(Mesh, MemberId)>) {
        *self.shared.following.write().unwrap_or_else(PoisonError::into_inner) = master;
        self.counters().clear();
    }

    /// The counters of the run that is followed.
    pub(super) fn followed(&self) -> Vec<Arc<Counter>> {
        self.counters().iter().filter_map(Weak::upgrade).collect()
    }
}

/// The feeders of one run on this node. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct RunFeeders {
    node: Feeders,
    feeds: Arc<Mutex<BTreeMap<String, Feed>>>,
}

impl RunFeeders {
    /// Those of a new run on that node.
    pub(crate) fn of(node: Feeders) -> Self {
        Self { node, feeds: Arc::default() }
    }

    /// Starts a feeder, or finds one with the same rows running; `spawn` runs what asks the master
    /// for tickets.
    ///
    /// # Errors
    /// `invalid-feeder` if its rows cannot be had or are not those of the other nodes;
    /// `wrong-reconfiguration` if one of that name runs with others or in another order.
    pub(crate) async fn start(
        &self,
        name: &str,
        feeder: Feeder,
        telemetry: &Telemetry,
        spawn: impl FnOnce(BoxFuture<'static, ()>),
    ) -> Result<Feed, Refusal> {
        let invalid = |why: String| {
            Refusal::new(Code::InvalidFeeder, format!("feeder `{name}` is not started: {why}"))
        };
        let order = feeder.given_in();
        // Files are read aside, where nobody waits for it.
        let reading =
            tokio::task::spawn_blocking(move || feeder.load().map(|rows| (rows.digest(), rows)));
        let read = reading.await.map_err(|error| invalid(error.to_string()))?;
        let (digest, rows) = read.map_err(|faults| invalid(faults.to_string()))?;
        if let Ok(found) = self.get(name) {
            return same(found, found_is(&rows, order, digest));
        }
        let counter = match self.node.following() {
            None => None,
            Some((mesh, master)) => {
                let lease = ask_master(&mesh, &master, name, (order, rows.len(), digest)).await?;
                let stock = Stock::new(lease, order == Order::Sequential);
                let counted = matches!(order, Order::Circular | Order::Sequential);
                counted.then(|| Arc::new(Counter::new(mesh, master, stock)))
            }
        };
        let tickets = match &counter {
            Some(counter) => Tickets::Cluster(counter.clone()),
            None => Tickets::Here(AtomicU64::new(0)),
        };
        let count = rows.len();
        let feed = Feed::new(name.into(), (rows, order, digest), tickets, telemetry.clone());
        let mut feeds = self.feeds();
        if let Some(found) = feeds.get(name) {
            return same(found.clone(), found_is(feed.rows(), order, digest));
        }
        feeds.insert(name.to_owned(), feed.clone());
        drop(feeds);
        if let Some(counter) = counter {
            self.node.counters().push(Arc::downgrade(&counter));
            spawn(Box::pin(async move { counter.work().await }));
        }
        telemetry.emit(&FeederStart { name: name.into(), rows: count });
        Ok(feed)
    }

    /// The feeder of that name.
    ///
    /// # Errors
    /// `no-feeder` if none was started by that name.
    pub(crate) fn get(&self, name: &str) -> Result<Feed, Refusal> {
        let feeds = self.feeds();
        feeds.get(name).cloned().ok_or_else(|| {
            let names: Vec<_> = feeds.keys().map(|name| &**name).collect();
            let near = did_you_mean(name, names.iter().copied());
            let there = match names.as_slice() {
                [] => "none is".to_owned(),
                names => format!("there are: {}", names.join(", ")),
            };
            let message = format!("no feeder `{name}` is started ({there}){near}");
            Refusal::new(Code::NoFeeder, message)
        })
    }

    fn feeds(&self) -> MutexGuard<'_, BTreeMap<String, Feed>> {
        self.feeds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a feed is one of these rows in that order.
fn found_is(rows: &super::Rows, order: Order, digest: u64) -> impl Fn(&Feed) -> bool {
    let rows = rows.clone();
    move |feed| feed.is_alike(&rows, order, digest)
}

fn same(found: Feed, is_alike: impl Fn(&Feed) -> bool) -> Result<Feed, Refusal> {
    if is_alike(&found) {
        return Ok(found);
    }
    let (name, order) = (found.name(), found.order().render());
    Err(Refusal::new(
        Code::WrongReconfiguration,
        format!("feeder `{name}` runs already, with other rows or in another order ({order})"),
    ))
}

/// Has the master note that a feeder is started here; answers with the lease.
async fn ask_master(
    mesh: &Mesh,
    master: &MemberId,
    name: &str,
    (order, rows, digest): (Order, u64, u64),
) -> Result<u64, Refusal> {
    let start = ToFeeders::Start { name: name.to_owned(), order, rows, digest };
    match mesh.call(master, &start, PATIENCE).await {
        Ok(FeederAnswer::Started { lease }) => Ok(lease),
        Ok(FeederAnswer::Refused(refusal)) => Err(refusal),
        Ok(FeederAnswer::Given(_)) => {
            Err(Refusal::new(Code::Unavailable, "the master answers oddly"))
        }
        Err(fault) => Err(Refusal::new(
            Code::Unavailable,
            format!("feeder `{name}` is not started, because the master does not answer: {fault}"),
        )),
    }
}
