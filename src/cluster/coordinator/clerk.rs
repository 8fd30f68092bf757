//! A worker's side: sends what is asked of the master, in order, and hands what comes back to the
//! coordinators here.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use crowd_core::{refusal::Refusal, user_id::UserId};
use futures_util::future::BoxFuture;
use tokio::{
    sync::{Notify, mpsc, oneshot},
    task::coop::consume_budget,
};
use tokio_util::task::AbortOnDropHandle;

use super::FRAME_BYTES;
use crate::{
    cluster::{
        member::MemberId,
        mesh::{Mesh, MeshEvent},
        protocol::coordinator::{Bytes, CoordinatorWork, Request, Requests},
    },
    coordinator::{
        Member,
        shared::{Bureau, Site, Work},
    },
};

mod branch;

use branch::Branch;

/// So much may be on its way to the master without having been taken, in bytes.
const WINDOW_BYTES: usize = 1024 * 1024;

/// So many frames may be on their way, so that what is asked one by one is sent together when the
/// master is slow.
const WINDOW_FRAMES: usize = 8;

/// So much may wait before adds are turned away, in bytes.
const QUEUE_BYTES: usize = 16 * 1024 * 1024;

/// What a request costs beside its data, in bytes.
const OVERHEAD: usize = 64;

/// How long the master may take to answer a start.
const START: Duration = Duration::from_secs(10);

/// How long a worker waits for the others when the run is over here.
const FINISH: Duration = Duration::from_secs(10);

/// How many messages of the master may wait. It sends only so much that is not done, so this many
/// wait only if it breaks the rules.
const INBOX: usize = 65_536;

/// A worker's clerk; ends when dropped.
pub(super) struct Clerk {
    desk: Arc<Desk>,
    _task: AbortOnDropHandle<()>,
}

struct Desk {
    mesh: Mesh,
    /// There is something to be sent.
    wake: Notify,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The turn each master gave this node last.
    welcomes: BTreeMap<MemberId, u64>,
    /// Whom it follows, and its turn there.
    following: Option<Term>,
    queue: VecDeque<Request>,
    queued: usize,
    /// Frames that were not taken yet, oldest first, with what they cost.
    flying: VecDeque<(u64, usize)>,
    in_flight: usize,
    frames: u64,
    tickets: u64,
    /// Who waits for an answer, by ticket.
    asked: BTreeMap<u64, Asked>,
    sites: BTreeMap<u64, Weak<dyn Site>>,
    /// Members of batches that have not come completely.
    parts: BTreeMap<u64, Vec<Member<Vec<u8>>>>,
    /// There were coordinators here when the master was lost.
    bereft: bool,
}

/// A turn at a master.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Term {
    master: MemberId,
    turn: u64,
}

struct Asked {
    answer: oneshot::Sender<Result<u64, Refusal>>,
    /// For a start: where the actions are run.
    site: Option<Weak<dyn Site>>,
}

fn cost(request: &Request) -> usize {
    OVERHEAD
        + match request {
            Request::Add { data, .. } => data.0.len(),
            Request::Start { name, shape, .. } => name.len() + 32 * shape.items.len(),
            Request::Done { last_fault, .. } => last_fault.as_ref().map_or(0, String::len),
            Request::Reset { .. }
            | Request::Stop { .. }
            | Request::Left { .. }
            | Request::Finish { .. } => 0,
        }
}

impl Clerk {
    pub(super) fn start(mesh: Mesh) -> Self {
        let desk =
            Arc::new(Desk { mesh: mesh.clone(), wake: Notify::new(), state: Mutex::default() });
        let (inbox, messages) = mpsc::channel(INBOX);
        // The desk holds the mesh, so the mesh must not hold the desk.
        let welcomed = Arc::downgrade(&desk);
        mesh.serve(move |from: &MemberId, message, _| match message {
            // Known before anything the master says next.
            CoordinatorWork::Welcome { turn } => {
                if let Some(desk) = welcomed.upgrade() {
                    let mut state = desk.state();
                    state.welcomes.retain(|master, _| desk.mesh.reaches(master));
                    state.welcomes.insert(from.clone(), turn);
                }
            }
            message => {
                if inbox.try_send((from.clone(), message)).is_err() {
                    tracing::error!(target: "crowd", "work of node `{from}` is dropped: it sends more than it may");
                }
            }
        });
        let task = AbortOnDropHandle::new(tokio::spawn(work(desk.clone(), messages)));
        Self { desk, _task: task }
    }

    /// Sends what is asked to that master from now on.
    pub(super) fn follow(&self, master: &MemberId) -> Arc<dyn Bureau> {
        let mut state = self.desk.state();
        let turn = state.welcomes.get(master).copied();
        let term = turn.map(|turn| Term { master: master.clone(), turn });
        state.following = term.clone();
        state.bereft = false;
        Arc::new(Branch { desk: self.desk.clone(), term })
    }

    /// Ends all coordinators here, without any event; who waits for the master is told that it does
    /// not answer.
    pub(super) fn leave(&self) {
        self.desk.leave();
    }

    /// Whether no coordinator was started here since this node follows its master.
    pub(super) fn has_none(&self) -> bool {
        let state = self.desk.state();
        !state.bereft && state.sites.is_empty() && state.asked.is_empty()
    }

    /// Waits until the run is over everywhere and all coordinators have been stopped.
    pub(super) fn finish(&self) -> BoxFuture<'static, ()> {
        let term = self.desk.state().following.clone();
        let branch = Branch { desk: self.desk.clone(), term };
        let answer = branch.ask(None, |ticket| Request::Finish { ticket });
        Box::pin(async move {
            if tokio::time::timeout(FINISH, answer).await.is_err() {
                tracing::warn!(
                    target: "crowd",
                    "not all coordinators of the cluster have stopped after {FINISH:?}; going on"
                );
            }
        })
    }
}

impl Desk {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn leave(&self) {
        let old = {
            let mut state = self.state();
            let fresh = State {
                bereft: state.bereft || !state.sites.is_empty() || !state.asked.is_empty(),
                welcomes: std::mem::take(&mut state.welcomes),
                frames: state.frames,
                tickets: state.tickets,
                ..State::default()
            };
            std::mem::replace(&mut *state, fresh)
        };
        let starting = old.asked.into_values().filter_map(|asked| asked.site);
        for site in starting.chain(old.sites.into_values()) {
            if let Some(site) = site.upgrade() {
                site.end();
            }
        }
    }

    /// The next frame, if something waits and the window has room.
    fn next_frame(&self) -> Option<(MemberId, Requests)> {
        let mut guard = self.state();
        let state = &mut *guard;
        let Term { master, turn } = state.following.clone()?;
        if state.flying.len() >= WINDOW_FRAMES {
            return None;
        }
        let mut requests = Vec::new();
        let mut size = 0;
        while let Some(next) = state.queue.front() {
            let more = cost(next);
            let window_is_full =
                state.in_flight > 0 && state.in_flight + size + more > WINDOW_BYTES;
            let frame_is_full = size > 0 && size + more > FRAME_BYTES;
            if window_is_full || frame_is_full {
                break;
            }
            size += more;
            requests.extend(state.queue.pop_front());
        }
        if requests.is_empty() {
            return None;
        }
        state.queued -= size;
        state.in_flight += size;
        state.frames += 1;
        let frame = state.frames;
        state.flying.push_back((frame, size));
        Some((master, Requests { turn, frame, requests }))
    }

    /// Carries out what the master says.
    fn obey(self: &Arc<Self>, from: &MemberId, message: CoordinatorWork) {
        let mut guard = self.state();
        let state = &mut *guard;
        let current = |turn| {
            state.following.as_ref().is_some_and(|term| term.master == *from && term.turn == turn)
        };
        match message {
            CoordinatorWork::Taken { turn, frame } if current(turn) => {
                while state.flying.front().is_some_and(|(number, _)| *number <= frame) {
                    state.in_flight -= state.flying.pop_front().map_or(0, |(_, size)| size);
                }
            }
            CoordinatorWork::Answer { turn, ticket, outcome } if current(turn) => {
                let Some(Asked { answer, site }) = state.asked.remove(&ticket) else { return };
                if let (Some(site), Ok(coordinator)) = (site, &outcome) {
                    state.sites.insert(*coordinator, site);
                }
                drop(guard);
                // Whoever asked may have stopped waiting.
                let _ = answer.send(outcome);
            }
            CoordinatorWork::Members { turn, batch, members } if current(turn) => {
                state.parts.entry(batch).or_default().extend(members.into_iter().map(member));
            }
            CoordinatorWork::Run { turn, coordinator, batch, item, event, size, members }
                if current(turn) =>
            {
                let mut all = state.parts.remove(&batch).unwrap_or_default();
                all.extend(members.into_iter().map(member));
                let site = state.sites.get(&coordinator).and_then(Weak::upgrade);
                let term = state.following.clone();
                drop(guard);
                let item = usize::try_from(item).unwrap_or(usize::MAX);
                let work = Work { coordinator, batch, item, event, size, members: all };
                match site {
                    Some(site) => site.run(work),
                    // Done elsewhere.
                    None => Branch { desk: self.clone(), term }.left(coordinator),
                }
            }
            CoordinatorWork::End { turn, coordinator } if current(turn) => {
                let site = state.sites.remove(&coordinator).and_then(|site| site.upgrade());
                drop(guard);
                if let Some(site) = site {
                    site.end();
                }
            }
            // Of another turn, or heard of by the handler itself.
            CoordinatorWork::Taken { .. }
            | CoordinatorWork::Answer { .. }
            | CoordinatorWork::Members { .. }
            | CoordinatorWork::Run { .. }
            | CoordinatorWork::End { .. }
            | CoordinatorWork::Welcome { .. } => {}
        }
    }
}

fn member((user, data): (UserId, Bytes)) -> Member<Vec<u8>> {
    Member { user, data: data.0.into() }
}

/// Works as long as there is a clerk.
async fn work(desk: Arc<Desk>, mut inbox: mpsc::Receiver<(MemberId, CoordinatorWork)>) {
    let mut events = desk.mesh.events();
    loop {
        tokio::select! {
            Some(event) = events.recv() => {
                if let MeshEvent::Down(member, _) = event
                    && !desk.was_welcomed_anew(&member)
                {
                    desk.lose(&member);
                }
            }
            Some((from, message)) = inbox.recv() => {
                desk.mesh.guard(&from, || desk.obey(&from, message));
            }
            () = desk.wake.notified() => {}
        }
        consume_budget().await;
        while let Some((master, requests)) = desk.next_frame() {
            consume_budget().await;
            if desk.mesh.cast(&master, &requests).is_err() {
                desk.lose(&master);
            }
        }
    }
}

impl Desk {
    /// That node is gone: if it is the master, nothing that was asked of it is answered. The
    /// coordinators take no more users, and what they were given is carried out.
    fn lose(&self, member: &MemberId) {
        let state = self.state();
        let follows = state.following.as_ref().is_some_and(|term| term.master == *member);
        drop(state);
        if follows {
            self.leave();
        }
    }

    /// Whether that master was away only for a moment, and the term is one it gave after that: what
    /// is told of its going comes late.
    fn was_welcomed_anew(&self, master: &MemberId) -> bool {
        let state = self.state();
        let newest = state.welcomes.get(master);
        let following = state.following.as_ref().filter(|term| term.master == *master);
        self.mesh.reaches(master) && following.is_some_and(|term| Some(&term.turn) == newest)
    }
}
