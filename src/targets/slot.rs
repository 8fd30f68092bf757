//! A target as its users hold it.

use std::{
    fmt,
    ops::Deref,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use super::{list::TargetId, names::Names, score::Score};

/// What all who hold a target share.
pub(super) struct Slot<T> {
    pub(super) id: TargetId,
    pub(super) name: Arc<str>,
    pub(super) value: T,
    pub(super) names: Names,
    /// A copy of the score in the list: who finds it at its end need not go there.
    score: AtomicI64,
}

impl<T> fmt::Debug for Slot<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slot").field("name", &self.name).field("score", &self.score()).finish()
    }
}

impl<T> Slot<T> {
    pub(super) fn new(id: TargetId, name: Arc<str>, value: T, score: Score) -> Self {
        let names = Names::of(&name);
        Self { id, name, value, names, score: AtomicI64::new(score.millionths()) }
    }

    pub(super) fn score(&self) -> Score {
        Score::from_millionths(self.score.load(Ordering::Relaxed))
    }

    pub(super) fn set_score(&self, score: Score) {
        self.score.store(score.millionths(), Ordering::Relaxed);
    }
}

/// A target that was picked; reads as what was listed. Cheap to clone. It stays what it is when the
/// target goes out or is taken off the list.
pub struct Target<T> {
    pub(super) slot: Arc<Slot<T>>,
    /// The version of the list when it was picked, or last kept.
    pub(super) seen: u64,
}

impl<T> Target<T> {
    /// Its name: what was listed, as text.
    pub fn name(&self) -> &str {
        &self.slot.name
    }

    /// Its score now.
    pub fn score(&self) -> f64 {
        self.slot.score().value()
    }
}

impl<T> Deref for Target<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.slot.value
    }
}

impl<T> Clone for Target<T> {
    fn clone(&self) -> Self {
        Self { slot: self.slot.clone(), seen: self.seen }
    }
}

impl<T> fmt::Debug for Target<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Target").field(&self.slot.name).finish()
    }
}

impl<T> fmt::Display for Target<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.slot.name)
    }
}
