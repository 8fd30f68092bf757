//! The master's side: one task carries out, in order, what the [`hub`](super::hub) decides.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crowd_core::{
    refusal::{Code, Refusal},
    telemetry::Telemetry,
};
use futures_util::future::BoxFuture;
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, timeout},
};
use tokio_util::task::AbortOnDropHandle;

use super::hub::{Hub, Turn};
use crate::{
    cluster::{
        member::MemberId,
        mesh::Mesh,
        parts::Companion,
        protocol::{
            coordinator::{CoordinatorWork, Requests},
            run::{Assignment, RunSpec},
        },
    },
    coordinator::CoordinatorInfo,
};

mod office;

use office::Office;

/// With more unfinished batches than this, in bytes, workers are kept waiting with their adds.
const BACKLOG_BYTES: usize = 64 * 1024 * 1024;

/// How many frames of workers may wait. Each sends only so much that was not taken.
const INBOX: usize = 4096;

/// How long the end of a run waits for the actions on the stop.
const END: Duration = Duration::from_secs(10);

/// The coordinators of the whole cluster, on the master.
pub(crate) struct CoordinatorMaster {
    mesh: Mesh,
    orders: mpsc::UnboundedSender<Order>,
    turns: Mutex<Turns>,
    _task: AbortOnDropHandle<()>,
}

#[derive(Default)]
struct Turns {
    running: bool,
    last: Turn,
    workers: BTreeMap<MemberId, Turn>,
}

impl fmt::Debug for CoordinatorMaster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CoordinatorMaster").finish_non_exhaustive()
    }
}

/// What this node itself says to the task.
enum Order {
    Joined(Turn, MemberId),
    Gone(Turn),
    List(oneshot::Sender<Vec<CoordinatorInfo>>),
    Reset(String, oneshot::Sender<Result<(), Refusal>>),
    Stop(String, oneshot::Sender<Result<(), Refusal>>),
    /// Stop all, and say when they have ended.
    End(oneshot::Sender<()>),
    Forget,
}

/// Who waits for an answer.
enum Asker {
    Worker(Turn, u64),
    Here(oneshot::Sender<Result<(), Refusal>>),
    /// Nobody: it is stopped because the run is over.
    Nobody,
}

impl CoordinatorMaster {
    /// To be called once, before the node joins others, in a runtime.
    pub(crate) fn new(mesh: Mesh, telemetry: Telemetry) -> Arc<Self> {
        let (orders, ordered) = mpsc::unbounded_channel();
        let (inbox, frames) = mpsc::channel(INBOX);
        mesh.serve(move |from: &MemberId, requests: Requests, _| {
            if inbox.try_send((from.clone(), requests)).is_err() {
                tracing::error!(target: "crowd", "requests of node `{from}` are dropped: it sends more than it may");
            }
        });
        let office = Office {
            mesh: mesh.clone(),
            telemetry,
            origin: Instant::now(),
            hub: Hub::new(rand::make_rng),
            workers: BTreeMap::new(),
            withheld: BTreeMap::new(),
            finished: BTreeMap::new(),
            ending: Vec::new(),
        };
        let task = AbortOnDropHandle::new(tokio::spawn(office.work(ordered, frames)));
        Arc::new(Self { mesh, orders, turns: Mutex::default(), _task: task })
    }

    /// What is known of each, by name.
    pub(crate) async fn list(&self) -> Vec<CoordinatorInfo> {
        let (answer, answered) = oneshot::channel();
        self.order(Order::List(answer));
        answered.await.unwrap_or_default()
    }

    /// Gives every item of a coordinator a reset event with whoever waits in it, and begins anew.
    /// Answers when the actions are over.
    ///
    /// # Errors
    /// `no-coordinator` if none of that name runs in the cluster.
    pub(crate) async fn reset(&self, name: &str) -> Result<(), Refusal> {
        let (answer, answered) = oneshot::channel();
        self.order(Order::Reset(name.to_owned(), answer));
        answered.await.unwrap_or_else(|_| Err(over()))
    }

    /// Stops a coordinator: gives every item a stop event with whoever waits in it. Answers when the
    /// actions are over.
    ///
    /// # Errors
    /// `no-coordinator` if none of that name runs in the cluster.
    pub(crate) async fn stop(&self, name: &str) -> Result<(), Refusal> {
        let (answer, answered) = oneshot::channel();
        self.order(Order::Stop(name.to_owned(), answer));
        answered.await.unwrap_or_else(|_| Err(over()))
    }

    fn order(&self, order: Order) {
        // Fails only if the task has ended, and with it whoever would answer.
        let _ = self.orders.send(order);
    }

    fn turns(&self) -> MutexGuard<'_, Turns> {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn welcome(&self, worker: &MemberId) {
        let turn = {
            let mut turns = self.turns();
            turns.last += 1;
            let turn = turns.last;
            if let Some(old) = turns.workers.insert(worker.clone(), turn) {
                self.order(Order::Gone(old));
            }
            turn
        };
        self.order(Order::Joined(turn, worker.clone()));
        // A worker that cannot be reached is about to be gone.
        let _ = self.mesh.cast(worker, &CoordinatorWork::Welcome { turn });
    }
}

fn over() -> Refusal {
    Refusal::new(Code::Unavailable, "the run is over")
}

impl Companion for CoordinatorMaster {
    fn begin(&self, _: &RunSpec) {
        let workers: Vec<MemberId> = {
            let mut turns = self.turns();
            turns.running = true;
            turns.workers.keys().cloned().collect()
        };
        workers.iter().for_each(|worker| self.welcome(worker));
    }

    fn joined(&self, worker: &MemberId, _: Assignment) {
        self.welcome(worker);
    }

    fn gone(&self, worker: &MemberId) {
        let turn = self.turns().workers.remove(worker);
        if let Some(turn) = turn {
            self.order(Order::Gone(turn));
        }
    }

    fn end(&self) -> BoxFuture<'static, ()> {
        let (answer, answered) = oneshot::channel();
        self.order(Order::End(answer));
        Box::pin(async move {
            if timeout(END, answered).await.is_err() {
                tracing::warn!(
                    target: "crowd",
                    "not all coordinators of the cluster have stopped after {END:?}; they are forgotten"
                );
            }
        })
    }

    fn forget(&self) {
        self.turns().running = false;
        self.order(Order::Forget);
    }
}
