//! A feeder that was started.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use crowd_core::{
    failure::Failure,
    random::Random,
    telemetry::{
        Telemetry,
        event::{FeederExhausted, FeederShort},
    },
    user_id::UserId,
};
use rand::RngExt;

use super::{Order, Row, Rows, counter::Counter};

/// A feeder that was started: users ask it for rows with
/// [`User::feed`](crate::user::User::feed). Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Feed {
    inner: Arc<Inner>,
}

struct Inner {
    name: Arc<str>,
    rows: Rows,
    order: Order,
    digest: u64,
    tickets: Tickets,
    telemetry: Telemetry,
    /// That rows have run out, or are too few, was told.
    told: AtomicBool,
}

/// What counts rows off.
#[derive(Debug)]
pub(super) enum Tickets {
    /// This node alone.
    Here(AtomicU64),
    /// The cluster's master.
    Cluster(Arc<Counter>),
}

impl fmt::Debug for Feed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { name, order, rows, .. } = &*self.inner;
        write!(f, "Feed {name} ({order:?}, {rows:?})")
    }
}

impl Feed {
    pub(super) fn new(
        name: Arc<str>,
        (rows, order, digest): (Rows, Order, u64),
        tickets: Tickets,
        telemetry: Telemetry,
    ) -> Self {
        let told = AtomicBool::new(false);
        Self { inner: Arc::new(Inner { name, rows, order, digest, tickets, telemetry, told }) }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// All its rows.
    pub fn rows(&self) -> &Rows {
        &self.inner.rows
    }

    /// In which order they are given.
    pub fn order(&self) -> Order {
        self.inner.order
    }

    /// Whether it gives the same rows in the same order.
    pub(super) fn is_alike(&self, rows: &Rows, order: Order, digest: u64) -> bool {
        self.order() == order && self.rows().len() == rows.len() && self.inner.digest == digest
    }

    /// The row for a user; `None` if they have run out.
    pub(crate) async fn next(
        &self,
        user: UserId,
        random: impl FnOnce() -> Random,
    ) -> Result<Option<Row>, Failure> {
        let count = self.rows().len();
        let index = match self.order() {
            Order::Random => random().random_range(0..count),
            Order::Unique => {
                // Ids begin with 1, and no two users of a run, wherever they are, have the same.
                let index = user.0.saturating_sub(1);
                if index >= count {
                    return Err(self.too_few(user));
                }
                index
            }
            Order::Circular | Order::Sequential => match self.ticket().await? {
                Some(ticket) => ticket,
                None => {
                    self.once(|name| self.inner.telemetry.emit(&FeederExhausted { name }));
                    return Ok(None);
                }
            },
        };
        Ok(Some(self.rows().row(index)))
    }

    async fn ticket(&self) -> Result<Option<u64>, Failure> {
        match &self.inner.tickets {
            Tickets::Here(next) => {
                let ticket = next.fetch_add(1, Ordering::Relaxed);
                let ends = self.order() == Order::Sequential;
                Ok(Some(ticket).filter(|&ticket| !ends || ticket < self.rows().len()))
            }
            Tickets::Cluster(counter) => counter.take().await.map_err(|why| {
                let name = self.name();
                Failure::generator(format!("feeder `{name}` has nobody to ask for rows: {why}"))
            }),
        }
    }

    fn too_few(&self, user: UserId) -> Failure {
        let rows = self.rows().len();
        self.once(|name| self.inner.telemetry.emit(&FeederShort { name, rows, user }));
        // Without the user: equal reasons are counted together.
        Failure::scenario(format!(
            "feeder `{}` has {rows} rows, and there are more users: each needs one of its own",
            self.name()
        ))
    }

    fn once(&self, tell: impl FnOnce(Arc<str>)) {
        if !self.inner.told.swap(true, Ordering::Relaxed) {
            tell(self.inner.name.clone());
        }
    }
}
