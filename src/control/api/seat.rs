//! Where a connection stands, as those know who read, answer and write on it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crowd_core::refusal::{Code, Refusal};
use tokio_util::sync::CancellationToken;

use super::connections::{Connections, NotBegun, Turn};

/// All connections.
pub(super) type All = Arc<Mutex<Connections<CancellationToken>>>;

/// One connection among all; it leaves them when this is dropped.
pub(super) struct Seat {
    all: All,
    given_up: CancellationToken,
    stands: Mutex<Stands>,
}

#[derive(Clone, Copy)]
enum Stands {
    /// Without a request under way, since that turn.
    Idle(Turn),
    /// A request is under way.
    Busy,
    /// The same, and its answer is on its way out.
    Answering,
}

impl Seat {
    /// That of a new connection.
    pub(super) fn take(all: &All) -> Arc<Self> {
        let given_up = CancellationToken::new();
        let (turn, gives_way) = lock(all).arrive(given_up.clone());
        if let Some(other) = gives_way {
            other.cancel();
        }
        Arc::new(Self { all: all.clone(), given_up, stands: Mutex::new(Stands::Idle(turn)) })
    }

    /// Resolves when the connection has to give way to another.
    pub(super) async fn given_up(&self) {
        self.given_up.cancelled().await;
    }

    /// All of a request is here, and it is to be begun: the connection gives way to nobody until
    /// the answer is out.
    ///
    /// # Errors
    /// `unavailable` if too many are under way.
    pub(super) fn begin(&self) -> Result<(), Refusal> {
        let mut stands = lock(&self.stands);
        if let Stands::Idle(turn) = *stands {
            lock(&self.all).begin(turn).map_err(|why| {
                let why = match why {
                    NotBegun::TooMany => "too many requests are under way: try again",
                    NotBegun::GivenUp => "too many connections were made since this one: try again",
                };
                Refusal::new(Code::Unavailable, why)
            })?;
        }
        *stands = Stands::Busy;
        Ok(())
    }

    /// What was begun is done, and its answer goes out.
    pub(super) fn answer(&self) {
        let mut stands = lock(&self.stands);
        if let Stands::Busy = *stands {
            *stands = Stands::Answering;
        }
    }

    /// Whatever was to go out has.
    pub(super) fn flushed(&self) {
        let mut stands = lock(&self.stands);
        if let Stands::Answering = *stands {
            let (turn, gives_way) = lock(&self.all).answered(self.given_up.clone());
            *stands = Stands::Idle(turn);
            if let Some(other) = gives_way {
                other.cancel();
            }
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let turn = match *lock(&self.stands) {
            Stands::Idle(turn) => Some(turn),
            Stands::Busy | Stands::Answering => None,
        };
        lock(&self.all).leave(turn);
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
