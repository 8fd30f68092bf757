//! The one search of a node: begun, looked at, stopped.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde::{Serialize, Serializer};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use tokio::sync::watch;
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use super::{
    drive::{Target, drive},
    lifecycle::{Lifecycle, SearchError, SearchState},
    monitor::Monitor,
    observation::Signal,
    result::CapacityResult,
    settings::{SearchSettings, Strategy, Unit},
};

/// How a search stands.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct CapacityStatus {
    /// Where in its life it is.
    pub state: SearchState,
    /// When it began, since 1970; `null` before.
    #[serde(serialize_with = "moment")]
    pub start: Option<Duration>,
    /// When it was over, since 1970; `null` before.
    #[serde(serialize_with = "moment")]
    pub stop: Option<Duration>,
    /// How it goes.
    pub strategy: Strategy,
    /// What load is counted in.
    pub unit: Unit,
    /// Users there are; the last number stays when it is over.
    pub active_users: u64,
    /// How many requests have failed.
    pub errors: u64,
    /// The load that is supported, as far as that is known.
    pub supported: Option<f64>,
    /// How long it goes on, or took, in seconds.
    pub seconds: f64,
    /// The signals as they were seen last.
    pub signals: Vec<SignalView>,
    /// What it has found, once it is known; the run may have to end still.
    pub result: Option<CapacityResult>,
}

/// A signal as it was seen last.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SignalView {
    /// What people call it.
    pub name: String,
    /// Its value; `null` if it had none.
    pub value: Option<f64>,
    /// What the value is compared with.
    pub limit: f64,
    /// Whether the value is within the limit; `null` without a value.
    pub healthy: Option<bool>,
}

impl From<&Signal> for SignalView {
    fn from(signal: &Signal) -> Self {
        let Signal { name, value, limit, healthy, .. } = signal;
        Self { name: name.clone(), value: *value, limit: *limit, healthy: *healthy }
    }
}

fn moment<S: Serializer>(since: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    let written = since.and_then(|since| {
        let moment =
            OffsetDateTime::from_unix_timestamp_nanos(i128::try_from(since.as_nanos()).ok()?);
        moment.ok()?.format(&Rfc3339).ok()
    });
    written.serialize(serializer)
}

/// Where the one search of a node is kept. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Desk {
    entry: Arc<Mutex<Option<Entry>>>,
}

#[derive(Debug)]
struct Entry {
    life: Arc<Mutex<Lifecycle>>,
    stop: CancellationToken,
    status: watch::Receiver<CapacityStatus>,
    /// Kept so that the search ends with its desk.
    task: Option<AbortOnDropHandle<()>>,
}

/// A search that may begin: nobody else's can meanwhile.
#[derive(Debug)]
pub struct Place {
    desk: Desk,
    life: Arc<Mutex<Lifecycle>>,
    stop: CancellationToken,
    status: watch::Sender<CapacityStatus>,
    begun: bool,
}

impl Desk {
    /// Takes the place of the one search. It is given back if the search does not begin.
    ///
    /// # Errors
    /// If there is one that goes on or is over.
    pub fn take(&self) -> Result<Place, SearchError> {
        let mut entry = self.entry();
        if let Some(entry) = &*entry {
            return Err(match lock(&entry.life).state() {
                SearchState::Done => SearchError::AlreadyDone,
                SearchState::Stopped | SearchState::Running => SearchError::NotStopped,
            });
        }
        let (status, watched) = watch::channel(CapacityStatus::default());
        let life = Arc::<Mutex<Lifecycle>>::default();
        let stop = CancellationToken::new();
        *entry =
            Some(Entry { life: life.clone(), stop: stop.clone(), status: watched, task: None });
        Ok(Place { desk: self.clone(), life, stop, status, begun: false })
    }

    /// How the search stands; that of no search if there is none.
    pub fn status(&self) -> CapacityStatus {
        self.entry().as_ref().map(|entry| entry.status.borrow().clone()).unwrap_or_default()
    }

    /// Tells the search to stop, if one goes on.
    pub fn ask_to_stop(&self) {
        if let Some(entry) = &*self.entry() {
            entry.stop.cancel();
        }
    }

    /// Stops the search, and answers with what is known.
    ///
    /// # Errors
    /// If none goes on.
    pub async fn stop(&self) -> Result<CapacityStatus, SearchError> {
        let mut status = {
            let entry = self.entry();
            let entry = entry.as_ref().ok_or(SearchError::NotRunning)?;
            if lock(&entry.life).state() != SearchState::Running {
                return Err(SearchError::NotRunning);
            }
            entry.stop.cancel();
            entry.status.clone()
        };
        let done = status.wait_for(|status| status.state == SearchState::Done).await;
        Ok(done.map(|status| status.clone()).unwrap_or_default())
    }

    /// Waits until the search is over.
    pub async fn done(&self) -> CapacityStatus {
        let Some(mut status) = self.entry().as_ref().map(|entry| entry.status.clone()) else {
            return CapacityStatus::default();
        };
        let done = status.wait_for(|status| status.state == SearchState::Done).await;
        done.map(|status| status.clone()).unwrap_or_default()
    }

    /// Forgets a search that is over.
    pub fn forget(&self) {
        let mut entry = self.entry();
        let over = |entry: &mut Entry| lock(&entry.life).state() == SearchState::Done;
        // Dropped outside of the lock.
        let _forgotten = entry.take_if(over);
    }

    /// Ends the search, if one goes on, for the node ends.
    pub async fn end(&self) {
        // Refused only if none goes on.
        let _ = self.stop().await;
        let entry = self.entry().take();
        drop(entry);
    }

    fn entry(&self) -> MutexGuard<'_, Option<Entry>> {
        lock(&self.entry)
    }
}

impl Place {
    /// Begins the search on a run that goes on, and ends the run with it.
    ///
    /// # Errors
    /// Never in practice: the place was free.
    pub fn begin(
        mut self,
        target: impl Target,
        settings: SearchSettings,
        monitors: Vec<Box<dyn Monitor>>,
    ) -> Result<(), SearchError> {
        lock(&self.life).run(today())?;
        let start = lock(&self.life).start();
        self.status.send_modify(|status| {
            status.state = SearchState::Running;
            status.start = start;
            status.strategy = settings.strategy;
            status.unit = settings.unit;
        });
        self.begun = true;
        let desk = self.desk.clone();
        let task = AbortOnDropHandle::new(tokio::spawn(async move {
            let result = drive(&target, settings, monitors, &self.status, &self.stop).await;
            // Whoever does not wait for the end of the run has it by now.
            self.status.send_modify(|status| status.result = Some(result.clone()));
            target.end().await;
            self.over(result);
        }));
        match &mut *desk.entry() {
            Some(entry) => entry.task = Some(task),
            None => task.abort(),
        }
        Ok(())
    }

    fn over(&self, result: CapacityResult) {
        let mut life = lock(&self.life);
        // It went on until now.
        let _ = life.end(today());
        self.status.send_modify(|status| {
            status.state = SearchState::Done;
            status.stop = life.stop();
            status.seconds = result.seconds;
            status.supported = result.supported;
            status.result = Some(result);
        });
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if !self.begun {
            // What would have been begun never was.
            let _gone = self.desk.entry().take();
        }
    }
}

fn today() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Nothing that is done under these locks can be left half done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
