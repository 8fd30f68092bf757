//! Mail on the master: it numbers runs.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures_util::future::BoxFuture;

use crate::cluster::{
    member::MemberId,
    mesh::Mesh,
    parts::Companion,
    protocol::{
        mail::MailMessage,
        run::{Assignment, RunSpec},
    },
};

/// Tells every worker the number of the run before it hears of the run itself.
pub(crate) struct MailMaster {
    mesh: Mesh,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    run: Option<u64>,
    workers: BTreeSet<MemberId>,
}

impl MailMaster {
    pub(crate) fn new(mesh: Mesh) -> Arc<Self> {
        Arc::new(Self { mesh, state: Mutex::default() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, worker: &MemberId, run: u64) {
        // A worker that cannot be reached is about to be gone.
        let _ = self.mesh.cast(worker, &MailMessage::Run { run });
    }
}

impl Companion for MailMaster {
    fn begin(&self, _: &RunSpec) {
        let run = rand::random();
        let mut state = self.state();
        state.run = Some(run);
        let workers = state.workers.clone();
        drop(state);
        workers.iter().for_each(|worker| self.tell(worker, run));
    }

    fn joined(&self, worker: &MemberId, _: Assignment) {
        let mut state = self.state();
        state.workers.insert(worker.clone());
        let run = state.run;
        drop(state);
        if let Some(run) = run {
            self.tell(worker, run);
        }
    }

    fn gone(&self, worker: &MemberId) {
        self.state().workers.remove(worker);
    }

    fn end(&self) -> BoxFuture<'static, ()> {
        Box::pin(async {})
    }

    fn forget(&self) {
        self.state().run = None;
    }
}
