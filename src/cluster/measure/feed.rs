//! What this node measures, sent to the master once a second.

use std::{
    fmt, mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::future::BoxFuture;
use tokio::time::{Instant, timeout};
use tokio_util::task::AbortOnDropHandle;

use crate::{
    aside::aside,
    cluster::{
        member::MemberId,
        mesh::{CallFault, Mesh, SendFault},
        parts::Follower,
        protocol::{
            measure::{Interval, Measured},
            run::Assignment,
        },
    },
    measure::{Measure, collect::Unsent, health::HealthSummary, series::Activity, wire},
    telemetry::{Telemetry, event::GeneratorWarning},
};

/// So many intervals may be under way. Beyond that, what is measured is added up here until the
/// master has caught up, and sent as one.
const MOST_UNTAKEN: u64 = 5;

/// How long the master may take to say that it has taken something in.
const DEADLINE: Duration = Duration::from_secs(5);

/// How long this node may take to look at itself at the end of a run.
const LOOK: Duration = Duration::from_secs(1);

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
/// is sent exactly once.
pub(crate) struct MeasureFeed {
    line: Arc<Line>,
}

struct Line {
    mesh: Mesh,
    telemetry: Telemetry,
    source: Source,
    state: Mutex<State>,
    /// Held while an interval is sent, so that intervals go out in order.
    sending: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Default)]
struct State {
    following: Option<Following>,
    /// The measurements seen last; those of a part that is over belong to no other.
    seen: Option<Measure>,
}

struct Following {
    master: MemberId,
    assignment: Assignment,
    /// The measurements of an earlier part, if there was one.
    before: Option<Measure>,
    /// How many intervals were sent.
    sent: u64,
    /// How many of them the master has taken in.
    taken: u64,
    /// Asks the master how far it is.
    asking: Option<AbortOnDropHandle<()>>,
}

impl fmt::Debug for MeasureFeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MeasureFeed").field("mesh", &self.line.mesh).finish_non_exhaustive()
    }
}

impl MeasureFeed {
    /// `source` is asked once at the end of each part in a run.
    pub(crate) fn new(mesh: &Mesh, telemetry: Telemetry, source: Source) -> Arc<Self> {
        Arc::new(Self {
            line: Arc::new(Line {
                mesh: mesh.clone(),
                telemetry,
                source,
                state: Mutex::default(),
                sending: Arc::default(),
            }),
        })
    }

    /// Ends an interval at `now`, in place of [`Measure::tick`], and sends it, unless too much is
    /// under way or nobody wants it: it is kept then. To be called once a second.
    pub(crate) async fn tick(&self, now: Instant, reading: Reading) {
        let turn = self.line.sending.clone().lock_owned().await;
        let line = self.line.clone();
        // To add it up and to write it takes longer the more actions there are. Without a runtime the
        // node is ending.
        let _ = aside(move || {
            let _turn = turn;
            if line.may_send(&reading.measure) {
                // Unreachable is who has ended the run for us, or will.
                let _ = line.send(now, &reading);
            } else {
                reading.measure.tick(now, reading.activity);
            }
            line.ask();
        })
        .await;
    }
}

impl Line {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether these measurements are wanted, and now.
    fn may_send(&self, measure: &Measure) -> bool {
        let mut state = self.state();
        let belongs = state.following.as_ref().is_some_and(|part| part.wants(measure));
        let full = state.following.as_ref().is_some_and(Following::is_full);
        state.seen = Some(measure.clone());
        belongs && !full
    }

    /// Sends what was not sent, in order.
    fn send(&self, now: Instant, reading: &Reading) -> Result<(), SendFault> {
        let Reading { measure, activity, health } = reading;
        let (master, assignment, number) = {
            let mut state = self.state();
            let Some(part) = &mut state.following else { return Ok(()) };
            part.sent += 1;
            (part.master.clone(), part.assignment, part.sent)
        };
        let Unsent { window, until } = measure.take_unsent(now, *activity);
        let origin = self.clock(measure.started());
        let mut parts = wire::parts(&window).into_iter().peekable();
        while let Some(part) = parts.next() {
            let last = parts.peek().is_none();
            let interval = Interval {
                assignment,
                number,
                origin,
                sent: self.mesh.now(),
                until,
                activity: *activity,
                health: last.then(|| Box::new(health.clone())),
                part,
            };
            self.mesh.cast(&master, &Measured::Interval(Box::new(interval)))?;
        }
        Ok(())
    }

    /// A moment on the mesh's clock.
    fn clock(&self, moment: Instant) -> u64 {
        let since = moment.saturating_duration_since(self.mesh.instant(0));
        u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
    }

    /// Asks the master how far it is, if something is under way and nobody asks already.
    fn ask(self: &Arc<Self>) {
        let mut state = self.state();
        let Some(part) = &mut state.following else { return };
        let asking = part.asking.as_ref().is_some_and(|asking| !asking.is_finished());
        if asking || part.taken >= part.sent {
            return;
        }
        let (line, master, assignment) = (self.clone(), part.master.clone(), part.assignment);
        part.asking = Some(AbortOnDropHandle::new(tokio::spawn(async move {
            // Whoever does not answer is asked again with the next interval.
            let _ = line.sync(&master, assignment, false).await;
        })));
    }

    async fn sync(
        &self,
        master: &MemberId,
        assignment: Assignment,
        last: bool,
    ) -> Result<(), CallFault> {
        let question = Measured::Sync { assignment, last };
        let taken = self.mesh.call(master, &question, DEADLINE).await?.0;
        if let Some(part) = &mut self.state().following
            && part.assignment == assignment
        {
            part.taken = part.taken.max(taken.min(part.sent));
        }
        Ok(())
    }

    async fn flush(self: Arc<Self>) {
        let reading = timeout(LOOK, (self.source)()).await.ok().flatten();
        let turn = self.sending.clone().lock_owned().await;
        let (master, assignment, wanted) = {
            let state = self.state();
            let Some(part) = &state.following else { return };
            let wanted = reading.filter(|reading| part.wants(&reading.measure));
            (part.master.clone(), part.assignment, wanted)
        };
        let sent = match wanted.clone() {
            Some(reading) => {
                let (line, now) = (self.clone(), Instant::now());
                let sent = aside(move || {
                    let _turn = turn;
                    line.send(now, &reading)
                });
                // Without a runtime nobody hears of it.
                sent.await.unwrap_or(Ok(())).map_err(CallFault::from)
            }
            None => Ok(()),
        };
        let told = match sent {
            Ok(()) => self.sync(&master, assignment, true).await,
            Err(fault) => Err(fault),
        };
        if let Err(fault) = told {
            let reason = format!("the last of what was measured here may be lost: {fault}");
            self.telemetry.emit(&GeneratorWarning { reason });
        }
        if let Some(reading) = wanted {
            self.state().seen = Some(reading.measure);
        }
    }
}

impl Following {
    fn wants(&self, measure: &Measure) -> bool {
        !self.before.as_ref().is_some_and(|before| before.is_same(measure))
    }

    fn is_full(&self) -> bool {
        self.sent - self.taken >= MOST_UNTAKEN
    }
}

impl Follower for MeasureFeed {
    fn follow(&self, master: &MemberId, assignment: Assignment) {
        let mut state = self.line.state();
        if state.following.as_ref().is_some_and(|part| part.assignment == assignment) {
            return;
        }
        let part = Following {
            master: master.clone(),
            assignment,
            before: state.seen.clone(),
            sent: 0,
            taken: 0,
            asking: None,
        };
        let over = state.following.replace(part);
        drop(state);
        drop(over);
    }

    fn flush(&self) -> BoxFuture<'static, ()> {
        Box::pin(self.line.clone().flush())
    }

    fn unfollow(&self) {
        let over = mem::take(&mut self.line.state().following);
        drop(over);
    }
}
