//! The desk where the users of a node, its clock and its controller meet.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crowd_core::fence::Fence;
use crowd_measure::timing::Timing;
use tokio::{
    sync::{Notify, oneshot},
    time::{Instant, sleep},
};

use super::{
    alarm::Alarm,
    desk::{Arrival, Deal, Desk, Fate},
    plan::Plan,
    tally::{Tallies, Tally},
};
use crate::load::settings::LoadSettings;

/// How many arrivals are released before others get a turn.
const TURN: usize = 4_096;

/// How long at least from one look at what is due to the next: at a high rate many arrivals are let in
/// at each, and looking takes no core of its own.
const FINEST: Duration = Duration::from_micros(500);

/// How long until it is looked again whether users may act.
const FENCED: Duration = Duration::from_millis(20);

type Seat = oneshot::Sender<Arrival>;

/// Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Gate {
    inner: Arc<Inner>,
}

struct Inner {
    state: Mutex<State>,
    /// Told when something is due earlier than was known.
    wake: Notify,
}

struct State {
    desk: Desk<Seat>,
    /// When the plan began; `None`: it has not.
    began: Option<Instant>,
    /// How late arrivals began.
    late: Timing,
}

impl std::fmt::Debug for Gate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Gate")
    }
}

impl Gate {
    /// A gate for a plan that has not begun.
    pub fn new(plan: Arc<Plan>, settings: &LoadSettings) -> Self {
        let desk = Desk::new(plan, settings);
        let state = Mutex::new(State { desk, began: None, late: Timing::default() });
        Self { inner: Arc::new(Inner { state, wake: Notify::new() }) }
    }

    /// The plan began then.
    pub fn begin(&self, began: Instant) {
        self.state().began = Some(began);
        self.inner.wake.notify_one();
    }

    /// When the plan began.
    pub fn began(&self) -> Option<Instant> {
        self.state().began
    }

    /// More cells.
    pub fn deal(&self, deals: impl IntoIterator<Item = Deal>) {
        let mut state = self.state();
        deals.into_iter().for_each(|deal| state.desk.deal(deal));
        drop(state);
        self.inner.wake.notify_one();
    }

    /// Lets arrivals in when they are due, for as long as it is polled: kept users take them here,
    /// and those that new users are to be started for go to `start`.
    pub async fn keep(self, fence: Fence, start: impl Fn(Vec<Arrival>)) {
        let alarm = Alarm::new();
        let mut looked = Instant::now();
        loop {
            let due = {
                let mut state = self.state();
                let due = state.desk.next_due();
                due.and_then(|due| state.began.map(|began| began + due))
            };
            match due {
                None => self.inner.wake.notified().await,
                Some(due) => tokio::select! {
                    () = self.inner.wake.notified() => continue,
                    () = alarm.wait_until(due.max(looked + FINEST)) => {}
                },
            }
            looked = Instant::now();
            if fence.is_over() {
                // Who came in now would be dead at once. What is not let in is told by nobody, and
                // counted by who has dealt it.
                sleep(FENCED).await;
                continue;
            }
            loop {
                let (begun, more) = self.release(Instant::now());
                if !begun.is_empty() {
                    start(begun);
                }
                tokio::task::yield_now().await;
                if !more {
                    break;
                }
            }
        }
    }

    /// Lets in what is due. Answers the arrivals that new users are to be started for, and whether
    /// more is due.
    fn release(&self, now: Instant) -> (Vec<Arrival>, bool) {
        let mut begun = Vec::new();
        let mut state = self.state();
        let Some(began) = state.began else { return (begun, false) };
        let now = now.saturating_duration_since(began);
        for _ in 0..TURN {
            let Some(arrival) = state.desk.due(now) else { return (begun, false) };
            loop {
                match state.desk.seat(arrival) {
                    Fate::Seat(seat) => {
                        if seat.send(arrival).is_ok() {
                            break;
                        }
                        state.desk.left_its_seat(arrival);
                    }
                    Fate::NewUser => {
                        begun.push(arrival);
                        break;
                    }
                    Fate::Waits | Fate::Lost => break,
                }
            }
        }
        (begun, true)
    }

    /// The next arrival for a user that is kept; `None` if users are not kept, if it is not needed
    /// any more, or once `gone` is over.
    pub async fn next(&self, gone: impl Future<Output = ()>) -> Option<Instant> {
        let (seat, receiver) = oneshot::channel();
        let began = {
            let mut state = self.state();
            let began = state.began?;
            if !state.desk.keeps() {
                return None;
            }
            if let Some(arrival) = state.desk.free() {
                return Some(began + arrival.due);
            }
            state.desk.sit(seat);
            began
        };
        let mut place = Place { gate: self, receiver: Some(receiver) };
        let arrival = tokio::select! {
            biased;
            arrival = place.arrival() => arrival?,
            () = gone => return None,
        };
        Some(began + arrival.due)
    }

    /// Users that were started for arrivals have ended. Answers the arrivals that new users are to
    /// be started for.
    pub fn ended(&self, users: u64) -> Vec<Arrival> {
        self.state().desk.ended(users)
    }

    /// No user can be started for these yet.
    pub fn postponed(&self, arrivals: &[Arrival]) {
        self.state().desk.postponed(arrivals);
    }

    /// No user could be started for these after all.
    pub fn refused(&self, arrivals: &[Arrival]) {
        self.state().desk.refused(arrivals);
    }

    /// Idle users are not needed for now.
    pub fn dismiss(&self) {
        let seats = self.state().desk.dismiss();
        // Not under the lock: whoever sat there is woken.
        drop(seats);
    }

    /// The run is being ended.
    pub fn close(&self) {
        let seats = self.state().desk.close();
        drop(seats);
    }

    /// Whether nothing that was dealt is still to come, or waits.
    pub fn is_clear(&self) -> bool {
        self.state().desk.is_clear()
    }

    /// Whether all that is due by that time of the plan was let in, and nothing waits.
    pub fn is_quiet(&self, elapsed: Duration) -> bool {
        self.state().desk.is_quiet(elapsed)
    }

    /// Users started for arrivals, or about to be, that have not ended.
    pub fn users(&self) -> u64 {
        self.state().desk.users()
    }

    /// Whether users are kept for more than one arrival.
    pub fn keeps(&self) -> bool {
        self.state().desk.keeps()
    }

    /// How late the generator itself was with arrivals since this was last asked: those that waited
    /// for a user are not among them.
    pub fn take_late(&self) -> Timing {
        std::mem::take(&mut self.state().late)
    }

    /// Notes how late users began with arrivals that had not to wait for one.
    pub fn began_late(&self, late: impl IntoIterator<Item = Duration>) {
        let mut state = self.state();
        late.into_iter().for_each(|late| state.late.record(late));
    }

    /// What became of all arrivals so far.
    pub fn tally(&self) -> Tally {
        self.state().desk.tally()
    }

    /// How it stands, for whoever deals.
    pub fn standing(&self) -> Standing {
        let state = self.state();
        let desk = &state.desk;
        let (users, serving) = (desk.users(), desk.serving());
        Standing { tallies: desk.tallies().clone(), users, serving }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // What was decided under a lock is decided as a whole, or not at all.
        self.inner.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where a kept user waits for an arrival.
struct Place<'a> {
    gate: &'a Gate,
    receiver: Option<oneshot::Receiver<Arrival>>,
}

impl Place<'_> {
    async fn arrival(&mut self) -> Option<Arrival> {
        let arrival = self.receiver.as_mut()?.await.ok();
        self.receiver = None;
        arrival
    }
}

impl Drop for Place<'_> {
    /// An arrival that came while its user was leaving, or was killed, is begun by nobody.
    fn drop(&mut self) {
        if let Some(mut receiver) = self.receiver.take() {
            receiver.close();
            if let Ok(arrival) = receiver.try_recv() {
                self.gate.state().desk.forsaken(arrival);
            }
        }
    }
}

/// How a gate stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    /// What became of arrivals, by stage.
    pub tallies: Tallies,
    /// Users started for arrivals, or about to be, that have not ended.
    pub users: u64,
    /// How many users serve arrivals, or may come to.
    pub serving: u64,
}
