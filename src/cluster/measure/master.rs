//! What all workers of a run measured, added up on the master.

use std::{
    collections::BTreeMap,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use crowd_core::{
    aside::aside,
    telemetry::{Telemetry, event::GeneratorWarning},
};
use crowd_measure::{
    Snapshot,
    gather::{Arrival, Closed, Gathered, NodeIndex},
    health::HealthSummary,
    series::Series,
};
use crowd_plan::run_settings::THRESHOLDS;
use futures_util::future::BoxFuture;
use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};
use tokio_util::task::AbortOnDropHandle;

use super::{intake::Intake, quota::Quota};
use crate::cluster::{
    member::MemberId,
    mesh::{Mesh, Responder},
    parts::Companion,
    protocol::{
        measure::{Interval, Measured, Taken},
        run::{Assignment, RunSpec},
    },
};

/// How long the end of a run waits until what has come is added.
const PATIENCE: Duration = Duration::from_secs(5);

/// What the workers of the current or last run measured. One per node, served from the start; it
/// holds something only where runs are commanded from.
#[derive(Debug)]
pub(crate) struct MeasureMaster {
    mesh: Mesh,
    telemetry: Telemetry,
    state: Arc<Mutex<State>>,
    /// Messages wait here: adding up takes longer than a connection should be held up.
    inbox: mpsc::UnboundedSender<Letter>,
    /// How many of whom wait there: no more than [`MOST_WAITING`].
    waiting: Mutex<Quota>,
    work: Mutex<Option<AbortOnDropHandle<()>>>,
}

/// So many messages of one node may wait to be added up. Workers send only so much that was not
/// acknowledged, so this many wait only if one of them breaks the rules; what comes beyond is dropped,
/// which is told.
pub(super) const MOST_WAITING: u64 = 4_096;

/// So many messages are added up before others may ask.
const AT_ONCE: usize = 64;

/// What is known of what a node measured in one part of the run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Received {
    /// The node.
    pub(crate) node: MemberId,
    /// Which part.
    pub(crate) assignment: Assignment,
    /// Up to when all that it measured came, since the start of the run; `None` if nothing did.
    pub(crate) until: Option<Duration>,
    /// What is missing; `None` if it has said that this was all.
    pub(crate) missing: Option<Missing>,
}

impl Received {
    /// What is missing of a gap; `back` is when the part went on after it, if it did: what it measures
    /// from then on is under way, and not missing.
    pub(crate) fn missing_in(&self, back: Option<Duration>) -> Option<Missing> {
        let missing = self.missing?;
        match back {
            Some(back) if missing.from >= back => None,
            Some(back) => Some(Missing { to: Some(back), ..missing }),
            None => Some(missing),
        }
    }
}

/// When something was measured that did not come, since the start of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Missing {
    /// From then on.
    pub(crate) from: Duration,
    /// Until then at the latest: nobody acted there any more. `None` while that is not certain.
    pub(crate) to: Option<Duration>,
}

enum Letter {
    Measured {
        from: MemberId,
        message: Measured,
        responder: Option<Responder<Taken>>,
        /// When it came, by our clock.
        at: u64,
    },
    /// Answered when everything before was added.
    Drained(oneshot::Sender<()>),
}

#[derive(Debug, Default)]
struct State {
    run: Option<Run>,
}

#[derive(Debug)]
struct Run {
    /// By our clock; before its beginning if the run is older than this node's mesh.
    began: i128,
    /// How long it took, once it is over.
    took: Option<Duration>,
    gathered: Gathered,
    /// The parts of each worker, in this order.
    nodes: BTreeMap<MemberId, Vec<Part>>,
}

/// A worker's part in the run.
#[derive(Debug)]
struct Part {
    assignment: Assignment,
    index: NodeIndex,
    /// When it was let in.
    joined: Duration,
    /// How much later than the run measuring began there; `None` before something came.
    later: Option<Duration>,
    intake: Intake,
    /// The last interval of all, once it has told.
    last: Option<u64>,
    health: Option<HealthSummary>,
    /// If some of it could not be added: up to when all had come before.
    broken: Option<Option<Duration>>,
    /// When it was certain that nobody acts there any more.
    gone: Option<Duration>,
}

impl MeasureMaster {
    /// Serves [`Measured`]; to be called on a runtime, once for each mesh.
    pub(crate) fn new(mesh: &Mesh, telemetry: Telemetry) -> Arc<Self> {
        let (inbox, letters) = mpsc::unbounded_channel();
        let master = Arc::new(Self {
            mesh: mesh.clone(),
            telemetry,
            state: Arc::default(),
            inbox,
            waiting: Mutex::new(Quota::of_each(MOST_WAITING)),
            work: Mutex::default(),
        });
        let weak = Arc::downgrade(&master);
        let work = AbortOnDropHandle::new(tokio::spawn(work(weak.clone(), letters)));
        *lock(&master.work) = Some(work);
        mesh.serve(move |from: &MemberId, message: Measured, responder| {
            let Some(master) = weak.upgrade() else { return };
            if lock(&master.waiting).enter(from) {
                let at = master.mesh.now();
                let letter = Letter::Measured { from: from.clone(), message, responder, at };
                // The receiver is gone only when this node ends.
                let _ = master.inbox.send(letter);
            }
        });
        master
    }

    /// What was measured in the current or last run, as far as it came here; empty without a run.
    pub(crate) fn snapshot(&self) -> Snapshot {
        self.with_run(|run, now| {
            run.gathered.advance(now);
            run.gathered.snapshot(now)
        })
        .unwrap_or_default()
    }

    /// What was measured in seconds that were completed since this was last asked; none of a run
    /// without thresholds.
    pub(crate) fn take_closed(&self) -> Vec<Closed> {
        self.with_run(|run, now| {
            run.gathered.advance(now);
            run.gathered.take_closed()
        })
        .unwrap_or_default()
    }

    /// How the run went over time, in complete seconds; empty without a run.
    pub(crate) fn series(&self) -> Series {
        self.with_run(|run, now| {
            run.gathered.advance(now);
            run.gathered.series()
        })
        .unwrap_or_default()
    }

    /// How the nodes that have measured fare, by name; of one that took part more than once, the
    /// worst of each.
    pub(crate) fn health(&self) -> Vec<(String, HealthSummary)> {
        let of_run = |run: &mut Run| {
            let mut found = BTreeMap::<String, Vec<HealthSummary>>::new();
            for (id, parts) in &run.nodes {
                let parts = parts.iter().filter_map(|part| part.health.clone());
                found.entry(id.to_string()).or_default().extend(parts);
            }
            found.retain(|_, parts| !parts.is_empty());
            found.into_iter().map(|(name, parts)| (name, HealthSummary::worst(&parts))).collect()
        };
        self.with_run(|run, _| of_run(run)).unwrap_or_default()
    }

    /// What came of whom. Nodes that joined and sent nothing are among them.
    pub(crate) fn received(&self) -> Vec<Received> {
        let of_run = |run: &mut Run| {
            let parts =
                run.nodes.iter().flat_map(|(id, parts)| parts.iter().map(move |part| (id, part)));
            parts.map(|(id, part)| part.received(id, &run.gathered)).collect()
        };
        self.with_run(|run, _| of_run(run)).unwrap_or_default()
    }

    /// The run, and its time now.
    fn with_run<R>(&self, look: impl FnOnce(&mut Run, Duration) -> R) -> Option<R> {
        let now = self.mesh.now();
        let mut state = self.state();
        let run = state.run.as_mut()?;
        let now = run.took.unwrap_or_else(|| run.time(now));
        Some(look(run, now))
    }

    fn take(&self, letter: Letter) {
        let (from, message, responder, at) = match letter {
            Letter::Measured { from, message, responder, at } => (from, message, responder, at),
            Letter::Drained(told) => {
                // Whoever asked may have stopped waiting.
                let _ = told.send(());
                return;
            }
        };
        self.mesh.guard(&from, || self.hear(&from, message, responder, at));
    }

    fn hear(
        &self,
        from: &MemberId,
        message: Measured,
        responder: Option<Responder<Taken>>,
        at: u64,
    ) {
        let clock = self.mesh.clock(from).map(|clock| clock.offset);
        let mut warnings = Vec::new();
        let dropped = lock(&self.waiting).leave(from);
        let mut state = self.state();
        if dropped > 0 {
            warnings.push(format!(
                "some of what node `{from}` measured is lost: it sends more than it may, and \
                 {dropped} messages were dropped"
            ));
        }
        let taken = match state.run.as_mut() {
            Some(run) => run.take(from, message, (at, clock), &mut warnings),
            None => Taken::Unknown,
        };
        if let Some(run) = state.run.as_mut().filter(|_| dropped > 0) {
            run.lacks(from);
        }
        // No lock is held while others are told.
        drop(state);
        for reason in warnings {
            self.telemetry.emit(&GeneratorWarning { reason });
        }
        if let Some(responder) = responder {
            responder.answer(&taken);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes in what comes, for as long as it is polled. To add up what many nodes measured of hundreds of
/// actions is no work for a thread that has other things to do.
async fn work(master: Weak<MeasureMaster>, mut letters: mpsc::UnboundedReceiver<Letter>) {
    let mut some = Vec::new();
    while letters.recv_many(&mut some, AT_ONCE).await > 0 {
        let Some(master) = master.upgrade() else { return };
        let some = mem::take(&mut some);
        // Without a runtime this node is ending.
        let _ = aside(move || some.into_iter().for_each(|letter| master.take(letter))).await;
    }
}

impl Run {
    /// The time since its start, at a moment of our clock.
    fn time(&self, moment: u64) -> Duration {
        duration(i128::from(moment) - self.began)
    }

    /// Some of what that node measured in its current part did not get here.
    fn lacks(&mut self, from: &MemberId) {
        if let Some(part) = self.nodes.get_mut(from).and_then(|parts| parts.last_mut()) {
            part.broken.get_or_insert(self.gathered.until(part.index));
        }
    }

    /// Takes a message in that came at some time, of a node whose clock is so far ahead of ours.
    fn take(
        &mut self,
        from: &MemberId,
        message: Measured,
        came: (u64, Option<i64>),
        warnings: &mut Vec<String>,
    ) -> Taken {
        let assignment = match &message {
            Measured::Interval(interval) => interval.assignment,
            Measured::Sync { assignment, .. } => *assignment,
        };
        let parts = self.nodes.get(from).map(Vec::as_slice).unwrap_or_default();
        // Those that never joined are none of ours, nor is what is left of earlier runs.
        let Some(at) = parts.iter().position(|part| part.assignment == assignment) else {
            return Taken::Unknown;
        };
        if let Measured::Interval(interval) = message {
            if let Err(reason) = self.add(from, at, *interval, came) {
                warnings.push(reason);
            }
            warnings.extend(self.gathered.overflows());
        } else if let Measured::Sync { last: Some(last), .. } = message
            && let Some(part) = self.part(from, at)
        {
            part.last = Some(last);
        }
        self.part(from, at).map_or(Taken::Unknown, |part| Taken::UpTo(part.intake.complete()))
    }

    fn part(&mut self, of: &MemberId, at: usize) -> Option<&mut Part> {
        self.nodes.get_mut(of)?.get_mut(at)
    }

    /// Adds what came of a part, if it is the next of it.
    fn add(
        &mut self,
        from: &MemberId,
        at: usize,
        interval: Interval,
        (came, offset): (u64, Option<i64>),
    ) -> Result<(), String> {
        let (now, began) = (self.took.unwrap_or_else(|| self.time(came)), self.began);
        let Some((earlier, part)) = self.nodes.get_mut(from).and_then(|parts| {
            let (earlier, parts) = parts.split_at_mut_checked(at)?;
            Some((earlier, parts.first_mut()?))
        }) else {
            return Ok(());
        };
        let complete = interval.health.is_some();
        if !part.intake.take(interval.number, interval.piece, complete) {
            return Ok(());
        }
        // Without a reading of its clock the message is taken to have come at once. Either is kept for
        // all its intervals, so that they stay apart as they were there.
        let later = *part.later.get_or_insert_with(|| {
            let offset =
                offset.map_or_else(|| i128::from(interval.sent) - i128::from(came), i128::from);
            duration(i128::from(interval.origin) - offset - began)
        });
        // Whatever lived there before was gone when this part began.
        for before in earlier {
            before.gone.get_or_insert(later);
        }
        if let Some(health) = interval.health {
            part.health = Some(health.later(later));
        }
        let checked = Arc::unwrap_or_clone(interval.part).check().map_err(|fault| {
            part.broken.get_or_insert(self.gathered.until(part.index));
            format!("some of what node `{from}` measured is lost, as it cannot be added: {fault}")
        })?;
        self.gathered.add(
            &Arrival {
                node: part.index,
                number: interval.number,
                until: interval.until.saturating_add(later),
                later,
                activity: interval.activity,
                complete,
                part: checked,
            },
            now,
        );
        Ok(())
    }
}

impl Part {
    fn received(&self, node: &MemberId, gathered: &Gathered) -> Received {
        let until = self.broken.unwrap_or_else(|| gathered.until(self.index));
        let all =
            self.broken.is_none() && self.last.is_some_and(|last| last <= self.intake.complete());
        let from = until.unwrap_or(self.later.unwrap_or(self.joined));
        let missing = Missing { from, to: self.gone.map(|gone| gone.max(from)) };
        Received {
            node: node.clone(),
            assignment: self.assignment,
            until,
            missing: (!all).then_some(missing),
        }
    }
}

fn duration(nanos: i128) -> Duration {
    Duration::from_nanos(u64::try_from(nanos.max(0)).unwrap_or(u64::MAX))
}

impl Companion for MeasureMaster {
    fn begin(&self, run: &RunSpec) {
        let elapsed = i128::try_from(run.elapsed.as_nanos()).unwrap_or(i128::MAX);
        let began = i128::from(self.mesh.now()).saturating_sub(elapsed);
        let judged = |(name, text): &(String, String)| name == THRESHOLDS && !text.is_empty();
        let mut gathered = Gathered::default();
        if run.settings.iter().any(judged) {
            gathered.keep_closed();
        }
        self.state().run = Some(Run { began, took: None, gathered, nodes: BTreeMap::new() });
    }

    fn joined(&self, worker: &MemberId, assignment: Assignment) {
        let now = self.mesh.now();
        let mut state = self.state();
        let Some(run) = &mut state.run else { return };
        let joined = run.time(now);
        let parts = run.nodes.entry(worker.clone()).or_default();
        // Whatever it had before is over.
        parts.iter().for_each(|part| run.gathered.leave(part.index));
        parts.push(Part {
            assignment,
            index: run.gathered.join(),
            joined,
            later: None,
            intake: Intake::default(),
            last: None,
            health: None,
            broken: None,
            gone: None,
        });
    }

    fn gone(&self, worker: &MemberId) {
        let now = self.mesh.now();
        let mut state = self.state();
        let Some(run) = &mut state.run else { return };
        let gone = run.time(now);
        for part in run.nodes.get_mut(worker).into_iter().flatten() {
            run.gathered.leave(part.index);
            part.gone.get_or_insert(gone);
        }
    }

    fn end(&self) -> BoxFuture<'static, ()> {
        let now = self.mesh.now();
        let (told, drained) = oneshot::channel();
        let _ = self.inbox.send(Letter::Drained(told));
        let state = self.state.clone();
        Box::pin(async move {
            let _ = timeout(PATIENCE, drained).await;
            if let Some(run) = &mut lock(&state).run
                && run.took.is_none()
            {
                run.took = Some(run.time(now));
                run.gathered.finish();
            }
        })
    }

    fn forget(&self) {
        let gone = mem::take(&mut self.state().run);
        // Not under the lock: it may be large.
        drop(gone);
    }
}
