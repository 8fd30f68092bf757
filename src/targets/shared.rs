//! What the users of a list of targets and its health check share.

use std::{
    fmt::Display,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use arc_swap::ArcSwap;
use crowd_core::{
    failure::{Failure, Owner},
    telemetry::{
        Telemetry,
        event::{TargetBack, TargetOut},
    },
};
use crowd_measure::{Measure, Source};
use tokio::time::Instant;

use super::{
    list::{List, TargetId, Turn, Word},
    names::Count,
    nobody::NobodyLeft,
    rotation::{Rotation, Seat},
    score::Rules,
    slot::{Slot, Target},
};

/// The list and what stands around it. Picking takes no lock; saying something about a target does
/// only while that can still change its score. No lock is held where anybody waits.
#[derive(Debug)]
pub(super) struct Shared<T> {
    rules: Rules,
    state: Mutex<State<T>>,
    rotation: ArcSwap<Rotation<T>>,
    measure: Measure,
    telemetry: Telemetry,
    began: Instant,
}

#[derive(Debug)]
struct State<T> {
    list: List,
    /// Those in the list, in no order.
    slots: Vec<Arc<Slot<T>>>,
}

impl<T> State<T> {
    fn slot(&self, id: TargetId) -> Option<&Arc<Slot<T>>> {
        self.slots.iter().find(|slot| slot.id == id)
    }
}

impl<T: Display> Shared<T> {
    /// An empty list, from now on.
    pub(super) fn new(rules: Rules, measure: Measure, telemetry: Telemetry) -> Self {
        let state = Mutex::new(State { list: List::new(rules), slots: Vec::new() });
        let rotation = ArcSwap::from_pointee(Rotation::new(0, Vec::new()));
        Self { rules, state, rotation, measure, telemetry, began: Instant::now() }
    }

    /// Makes `values` the targets.
    pub(super) fn reconcile(&self, values: Vec<T>) -> Result<(), Vec<String>> {
        let names: Vec<Arc<str>> = values.iter().map(|value| value.to_string().into()).collect();
        let now = self.now();
        let mut state = self.lock();
        let reconciled = state.list.reconcile(&names, now)?;
        for (id, untold) in reconciled.gone {
            if let Some(slot) = state.slot(id) {
                self.was_out(slot, untold);
            }
            state.slots.retain(|slot| slot.id != id);
        }
        let mut new = reconciled.new.into_iter().peekable();
        for (place, value) in values.into_iter().enumerate() {
            if let Some((_, id)) = new.next_if(|(at, _)| *at == place) {
                let slot = Slot::new(id, names[place].clone(), value, self.rules.initial);
                self.measure.gauge(&slot.names.score, self.rules.initial.value());
                state.slots.push(Arc::new(slot));
            }
        }
        self.publish(&state);
        Ok(())
    }

    /// The next target.
    pub(super) fn pick(&self) -> Result<Target<T>, NobodyLeft> {
        let rotation = self.rotation.load();
        match rotation.take() {
            Some(seat) => Ok(self.hand_out(&rotation, seat)),
            None => Err(self.lock().list.nobody()),
        }
    }

    /// The target to go on with; whether that is another one.
    pub(super) fn renew(&self, held: &mut Target<T>) -> Result<bool, NobodyLeft> {
        let rotation = self.rotation.load();
        if rotation.version == held.seen {
            return Ok(false);
        }
        if !rotation.holds(held.slot.id) {
            *held = self.pick()?;
            return Ok(true);
        }
        // A turn is taken by everybody who asks, so those who came get their share and no more;
        // and nobody changes between two that were there before.
        if rotation.has_newer(held.seen)
            && let Some(seat) = rotation.take()
            && seat.arrived > held.seen
            && seat.slot.id != held.slot.id
        {
            *held = self.hand_out(&rotation, seat);
            return Ok(true);
        }
        held.seen = rotation.version;
        Ok(false)
    }

    fn hand_out(&self, rotation: &Rotation<T>, seat: &Seat<T>) -> Target<T> {
        self.measure.count(seat.slot.names.count(Count::Picks), 1);
        Target { slot: seat.slot.clone(), seen: rotation.version }
    }

    /// All targets, in the order of the list.
    pub(super) fn all(&self) -> Vec<Target<T>> {
        let state = self.lock();
        // Whoever goes on with one of these has not asked yet whether it is in.
        let seen = u64::MAX;
        // Ids are given in the order of the list, and survivors keep theirs.
        let mut slots = state.slots.clone();
        slots.sort_by_key(|slot| slot.id);
        slots.into_iter().map(|slot| Target { slot, seen }).collect()
    }

    pub(super) fn count(&self) -> usize {
        self.lock().slots.len()
    }

    /// A success, told by a user.
    pub(super) fn up(&self, slot: &Slot<T>) {
        self.measure.count(slot.names.count(Count::Ups), 1);
        if slot.score() < self.rules.high {
            self.hear(slot, Word::Up);
        }
    }

    /// A failure, told by a user; unless it is not the target's.
    pub(super) fn down(&self, slot: &Slot<T>, failure: &Failure) {
        if is_the_targets(failure) {
            self.measure.count(slot.names.count(Count::Downs), 1);
            if slot.score() > self.rules.low {
                self.hear(slot, Word::Down(failure.reason()));
            }
        }
    }

    /// A check was passed, and told a tier perhaps.
    pub(super) fn passed(&self, slot: &Slot<T>, tier: Option<u8>) {
        self.measure.count(slot.names.count(Count::ChecksPassed), 1);
        if let Some(tier) = tier {
            let mut state = self.lock();
            state.list.move_to(slot.id, tier);
            self.publish(&state);
        }
        self.hear(slot, Word::Up);
    }

    /// A check failed. If that is not the target's failure, it is noted and says nothing about it.
    pub(super) fn failed(&self, slot: &Slot<T>, failure: &Failure) {
        if is_the_targets(failure) {
            self.measure.count(slot.names.count(Count::ChecksFailed), 1);
            self.hear(slot, Word::Down(failure.reason()));
        } else {
            self.note(failure);
        }
    }

    /// Counts a failure that is nobody's in particular.
    pub(super) fn note(&self, failure: &Failure) {
        self.measure.failure(Source::Noted, failure);
    }

    fn hear(&self, slot: &Slot<T>, word: Word<'_>) {
        let now = self.now();
        let mut state = self.lock();
        let before = slot.score();
        let Some(step) = state.list.hear(slot.id, word, now) else { return };
        if step.score != before {
            slot.set_score(step.score);
            self.measure.gauge(&slot.names.score, step.score.value());
        }
        if let Some(turn) = step.turn {
            self.publish(&state);
            // Subscribers are other people's code: no lock is held while they run.
            drop(state);
            self.tell(slot, turn, word);
        }
    }

    fn tell(&self, slot: &Slot<T>, turn: Turn, word: Word<'_>) {
        let name = slot.name.clone();
        match turn {
            Turn::Out => {
                self.measure.count(slot.names.count(Count::Outs), 1);
                let reason = match word {
                    Word::Up => String::new(),
                    Word::Down(why) => why.to_owned(),
                };
                self.telemetry.emit(&TargetOut { name, reason });
            }
            Turn::Back { after, untold } => {
                self.was_out(slot, untold);
                self.telemetry.emit(&TargetBack { name, after });
            }
        }
    }

    /// Counts how long targets have been out since this was last done.
    pub(super) fn account(&self) {
        let now = self.now();
        let mut state = self.lock();
        for (id, time) in state.list.account(now) {
            if let Some(slot) = state.slot(id) {
                self.was_out(slot, time);
            }
        }
    }

    fn was_out(&self, slot: &Slot<T>, time: Duration) {
        let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        if millis > 0 {
            self.measure.count(slot.names.count(Count::OutMs), millis);
        }
    }

    /// Puts the members of the list up for picking if they have changed.
    fn publish(&self, state: &State<T>) {
        if state.list.version() == self.rotation.load().version {
            return;
        }
        let seat = |id, arrived| Some(Seat { slot: state.slot(id)?.clone(), arrived });
        let members = state.list.rotation().into_iter();
        let members = members.filter_map(|member| seat(member.id, member.arrived)).collect();
        self.rotation.store(Arc::new(Rotation::new(state.list.version(), members)));
    }

    /// The state, with whose turn it is brought up to date. Turns that others take from the old
    /// row at this very moment are not remembered.
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        // The list is whole between two calls of it, whoever panicked.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(last) = self.rotation.load().last() {
            state.list.picked(last);
        }
        state
    }

    fn now(&self) -> Duration {
        self.began.elapsed()
    }
}

fn is_the_targets(failure: &Failure) -> bool {
    failure.owner() == Owner::Target && !failure.is_stop()
}
