//! What this node measures, sent to the master once a second. What it could not be told while it was
//! out of reach is handed in when it is reached again.

use std::{
    fmt, mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crowd_core::{
    aside::aside,
    telemetry::{Telemetry, event::GeneratorWarning},
};
use crowd_measure::{Measure, collect::Unsent, health::HealthSummary, series::Activity, wire};
use futures_util::future::BoxFuture;
use tokio::{
    runtime::Handle,
    sync::Notify,
    time::{Instant, timeout},
};
use tokio_util::task::AbortOnDropHandle;

use super::{
    backlog::Kept,
    owed::{Owed, Part, Settled},
};
use crate::cluster::{
    member::MemberId,
    mesh::{CallFault, Mesh, MeshEvent, SendFault},
    parts::Follower,
    protocol::{
        measure::{Measured, Taken},
        run::Assignment,
    },
};

/// How long the master may take to say that it has taken something in.
const DEADLINE: Duration = Duration::from_secs(5);

/// How long this node may take to look at itself at the end of a run.
const LOOK: Duration = Duration::from_secs(1);

/// How long it waits with what is left of a part that is over, if nobody says that the master is back.
const AGAIN: Duration = Duration::from_secs(1);

/// Why a master takes no more of a part in.
const FORGOTTEN: &str = "has forgotten that run";

/// What a node has measured and how it fares, now.
#[derive(Debug, Clone)]
pub(crate) struct Reading {
    /// What is measured in the current run.
    pub(crate) measure: Measure,
    /// Users here now.
    pub(crate) activity: Activity,
    /// How this node fares.
    pub(crate) health: HealthSummary,
}

/// Where the last reading of a run comes from; `None` without a run.
pub(crate) type Source = Box<dyn Fn() -> BoxFuture<'static, Option<Reading>> + Send + Sync>;

/// Sends what is measured here to the master of the run that this node takes part in. Each sample
/// is taken in there exactly once, whatever becomes of the link.
pub(crate) struct MeasureFeed {
    line: Arc<Line>,
}

struct Line {
    mesh: Mesh,
    telemetry: Telemetry,
    source: Source,
    /// Nothing is asked of the mesh while it is locked.
    state: Mutex<State>,
    /// Held while intervals are made and sent, so that they go out in order.
    sending: Arc<tokio::sync::Mutex<()>>,
    /// Told when somebody can be reached again.
    reached: Notify,
}

#[derive(Default)]
struct State {
    parts: Owed,
    /// Asks the master how far it is with the current part.
    asking: Option<AbortOnDropHandle<()>>,
    /// Hands in what is left of parts that are over.
    handing_in: Option<AbortOnDropHandle<()>>,
}

impl fmt::Debug for MeasureFeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MeasureFeed").field("mesh", &self.line.mesh).finish_non_exhaustive()
    }
}

impl MeasureFeed {
    /// `source` is asked once at the end of each part in a run.
    pub(crate) fn new(mesh: &Mesh, telemetry: Telemetry, source: Source) -> Arc<Self> {
        let line = Arc::new(Line {
            mesh: mesh.clone(),
            telemetry,
            source,
            state: Mutex::default(),
            sending: Arc::default(),
            reached: Notify::new(),
        });
        let weak = Arc::downgrade(&line);
        mesh.listen(move |event| {
            let Some(line) = weak.upgrade() else { return false };
            match event {
                MeshEvent::Up(member) => {
                    line.state().parts.link_lost(&member.id);
                    line.reached.notify_one();
                }
                MeshEvent::Down(member, _) => line.state().parts.link_lost(member),
                MeshEvent::Left(_) => {}
            }
            true
        });
        Arc::new(Self { line })
    }

    /// Ends an interval at `now`, in place of [`Measure::tick`], and sends it, unless nobody wants it
    /// or so much is kept that it is added up with the next one. To be called once a second.
    pub(crate) async fn tick(&self, now: Instant, reading: Reading) {
        let turn = self.line.sending.clone().lock_owned().await;
        let line = self.line.clone();
        // To add it up and to write it takes longer the more actions there are. Without a runtime the
        // node is ending.
        let _ = aside(move || {
            let _turn = turn;
            match line.is_to_keep(&reading) {
                Some(assignment) => line.keep(assignment, now, &reading),
                None => reading.measure.tick(now, reading.activity),
            }
            line.go_on();
        })
        .await;
    }
}

impl Line {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The part that these measurements are of, if there is room for an interval.
    fn is_to_keep(&self, reading: &Reading) -> Option<Assignment> {
        let master = self.state().parts.current()?.master.clone();
        let reached = self.mesh.reaches(&master);
        self.state().parts.read(reading, reached)
    }

    /// Ends an interval of a part, and keeps it.
    fn keep(&self, assignment: Assignment, now: Instant, reading: &Reading) {
        let Reading { measure, activity, health } = reading;
        let Unsent { window, until } = measure.take_unsent(now, *activity);
        let origin = self.clock(measure.started());
        let pieces = wire::parts(&window).into_iter().map(Arc::new).collect();
        if let Some(part) = self.state().parts.part(assignment) {
            part.backlog.keep(|number| Kept {
                number,
                origin,
                since: until.saturating_sub(window.span),
                until,
                activity: *activity,
                health: Box::new(health.clone()),
                pieces,
                empty: window.is_empty(),
            });
        }
    }

    /// Sends what there is of the current part, and asks how far the master is.
    fn go_on(self: &Arc<Self>) {
        let Some(assignment) = self.state().parts.current().map(|part| part.assignment) else {
            return;
        };
        // Unreachable is who has ended the run for us, or will, or comes back.
        let _ = self.send(assignment);
        self.ask(assignment);
    }

    /// Sends what was not sent over this link, in order, and no more than may be under way. To be
    /// called by whoever has the turn.
    fn send(&self, assignment: Assignment) -> Result<(), SendFault> {
        loop {
            let (master, (position, kept)) = {
                let mut state = self.state();
                let Some(part) = state.parts.part(assignment) else { return Ok(()) };
                let Some(next) = part.backlog.next() else { return Ok(()) };
                (part.master.clone(), next)
            };
            for message in kept.messages(assignment, self.mesh.now()) {
                self.mesh.cast(&master, &message)?;
            }
            if let Some(part) = self.state().parts.part(assignment) {
                part.backlog.was_sent(position);
            }
        }
    }

    /// A moment on the mesh's clock.
    fn clock(&self, moment: Instant) -> u64 {
        let since = moment.saturating_duration_since(self.mesh.instant(0));
        u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
    }

    /// Asks the master how far it is, if something is under way and nobody asks already.
    fn ask(self: &Arc<Self>, assignment: Assignment) {
        let mut state = self.state();
        let asking = state.asking.as_ref().is_some_and(|asking| !asking.is_finished());
        let under_way = state.parts.part(assignment).is_some_and(|p| p.backlog.is_under_way());
        if asking || !under_way {
            return;
        }
        let line = self.clone();
        state.asking = Some(AbortOnDropHandle::new(tokio::spawn(async move {
            // Whoever does not answer is asked again with the next interval.
            let _ = line.sync(assignment, None).await;
        })));
    }

    /// Asks the master how far it is. `last`: all was sent up to that interval, and none comes after it.
    async fn sync(&self, assignment: Assignment, last: Option<u64>) -> Result<Taken, CallFault> {
        let asked = self.state().parts.part(assignment).map(|part| {
            let position = part.backlog.position();
            (part.master.clone(), position)
        });
        let Some((master, position)) = asked else { return Ok(Taken::Unknown) };
        let question = Measured::Sync { assignment, last };
        let answer = self.mesh.call(&master, &question, DEADLINE).await?;
        if let Taken::UpTo(taken) = answer
            && let Some(part) = self.state().parts.part(assignment)
        {
            part.backlog.was_taken(taken, position);
        }
        Ok(answer)
    }

    /// Ends the measuring of a part, if it has not ended.
    fn close(&self, assignment: Assignment, now: Instant, reading: Option<Reading>) {
        let last = self.state().parts.close(assignment, reading);
        if let Some(reading) = last {
            self.keep(assignment, now, &reading);
        }
    }

    /// Sends all that is left of a part that is closed, and hears of the master what it has.
    async fn hand_over(self: &Arc<Self>, assignment: Assignment) -> Result<Settled, CallFault> {
        loop {
            let turn = self.sending.clone().lock_owned().await;
            let line = self.clone();
            let sent = aside(move || {
                let _turn = turn;
                // Within the turn: whoever closes it makes its last interval.
                line.send(assignment).map(|()| line.left(assignment))
            });
            // Without a runtime nobody hears of it.
            let left = sent.await.unwrap_or(Ok(None)).map_err(CallFault::from)?;
            let Some((before, last)) = left else { return Ok(Settled::Taken) };
            if self.sync(assignment, last).await? == Taken::Unknown {
                return Ok(Settled::Refused);
            }
            match self.left(assignment) {
                Some((left, _)) if left > 0 && left >= before => return Ok(Settled::Not),
                Some((left, _)) if left > 0 || last.is_none() => {}
                _ => return Ok(Settled::Taken),
            }
        }
    }

    /// How many intervals of a part the master has not taken in, and the last one if all were sent.
    fn left(&self, assignment: Assignment) -> Option<(usize, Option<u64>)> {
        let mut state = self.state();
        let backlog = &state.parts.part(assignment)?.backlog;
        Some((backlog.len(), backlog.all_sent()))
    }

    async fn flush(self: Arc<Self>, assignment: Assignment) {
        let reading = timeout(LOOK, (self.source)()).await.ok().flatten();
        let turn = self.sending.clone().lock_owned().await;
        let (line, now) = (self.clone(), Instant::now());
        let closed = aside(move || {
            let _turn = turn;
            line.close(assignment, now, reading);
        });
        // Without a runtime nobody hears of it.
        let _ = closed.await;
        let reason = match self.hand_over(assignment).await {
            Ok(Settled::Taken | Settled::Refused) => {
                return self.settle(assignment, FORGOTTEN);
            }
            Ok(Settled::Not) => "it takes no more now".to_owned(),
            Err(fault) => fault.to_string(),
        };
        let reason = format!(
            "not all that was measured here has reached the master; it is handed in if the master \
             is reached again: {reason}"
        );
        self.telemetry.emit(&GeneratorWarning { reason });
    }

    /// Nothing more becomes of a part. What is lost of it is told.
    fn settle(&self, assignment: Assignment, why: &str) {
        let lost = self.state().parts.settle(assignment, why);
        if let Some(reason) = lost {
            self.telemetry.emit(&GeneratorWarning { reason });
        }
    }

    /// Hands in what is left of parts that are over, whenever their masters are reached, until nothing
    /// is.
    async fn hand_in(self: Arc<Self>) {
        loop {
            let open = {
                let mut state = self.state();
                let open = state.parts.over();
                if open.is_empty() {
                    // Under the lock, so that whoever adds to it begins anew.
                    state.handing_in = None;
                    return;
                }
                open
            };
            for (master, assignment, over) in open {
                let line = self.clone();
                let turn = self.sending.clone().lock_owned().await;
                let closed = aside(move || {
                    let _turn = turn;
                    line.close(assignment, over, None);
                });
                let _ = closed.await;
                if self.mesh.members().iter().any(|other| other.id.replaces(&master)) {
                    self.settle(assignment, "was started again");
                } else if self.mesh.reaches(&master) {
                    match self.hand_over(assignment).await {
                        Ok(Settled::Not) | Err(_) => {}
                        Ok(_) => self.settle(assignment, FORGOTTEN),
                    }
                }
            }
            let _ = timeout(AGAIN, self.reached.notified()).await;
        }
    }

    /// The current part is over, or there is another one. What cannot be kept of those that are over is
    /// told, and what is kept is handed in.
    fn turn(self: &Arc<Self>, turn: impl FnOnce(&mut Owed) -> Option<Part>) {
        let mut state = self.state();
        let dropped = turn(&mut state.parts);
        let asking = mem::take(&mut state.asking);
        let busy = state.handing_in.as_ref().is_some_and(|work| !work.is_finished());
        // Without a runtime the node is ending.
        if !busy
            && !state.parts.over().is_empty()
            && let Ok(runtime) = Handle::try_current()
        {
            let work = runtime.spawn(self.clone().hand_in());
            state.handing_in = Some(AbortOnDropHandle::new(work));
        }
        drop(state);
        drop(asking);
        if let Some(reason) = dropped.and_then(|part| part.lost("was out of reach for too long")) {
            self.telemetry.emit(&GeneratorWarning { reason });
        }
    }
}

impl Follower for MeasureFeed {
    fn follow(&self, master: &MemberId, assignment: Assignment) {
        self.line.turn(|parts| parts.follow(master, assignment, Instant::now()));
    }

    fn flush(&self) -> BoxFuture<'static, ()> {
        // What follows while this node looks at itself is not over.
        let current = self.line.state().parts.current().map(|part| part.assignment);
        let line = self.line.clone();
        Box::pin(async move {
            if let Some(assignment) = current {
                line.flush(assignment).await;
            }
        })
    }

    fn unfollow(&self) {
        self.line.turn(|parts| parts.unfollow(Instant::now()));
    }
}
