//! Pure: what has begun and has not ended yet, of one worker thread.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use rustc_hash::FxHashMap;

use super::{
    names::{MAX_NAMES, OTHER_NAMES, clip},
    window::Waited,
};

/// Marks the end of the list of free slots.
const NONE: u32 = u32::MAX;

/// The user of an action that no user has begun.
const NOBODY: u64 = u64::MAX;

/// Attempts under way, each in a slot that is used again when it ends. Beginning and ending one
/// allocate nothing once there have been as many at once.
#[derive(Debug)]
pub(super) struct UnderWay {
    slots: Vec<Slot>,
    /// The first free slot; each free one names the next in place of its action.
    free: u32,
    index: FxHashMap<Arc<str>, u32>,
    names: Vec<Arc<str>>,
}

/// One attempt. Times are in nanoseconds since the start of the run.
#[derive(Debug, Clone, Copy)]
struct Slot {
    began: u64,
    due: u64,
    user: u64,
    name: u32,
    used: bool,
}

impl Default for UnderWay {
    fn default() -> Self {
        Self { slots: Vec::new(), free: NONE, index: FxHashMap::default(), names: Vec::new() }
    }
}

impl UnderWay {
    /// An attempt begins; answers with its slot.
    pub(super) fn begin(
        &mut self,
        action: &str,
        began: Duration,
        due: Duration,
        user: Option<u64>,
    ) -> u32 {
        let name = self.name(action);
        let user = user.unwrap_or(NOBODY);
        let slot = Slot { began: nanos(began), due: nanos(due), user, name, used: true };
        match self.slots.get_mut(self.free as usize) {
            Some(free) => {
                let at = self.free;
                self.free = free.name;
                *free = slot;
                at
            }
            None => {
                self.slots.push(slot);
                (self.slots.len() - 1) as u32
            }
        }
    }

    /// The attempt in this slot has ended, in whatever way.
    pub(super) fn end(&mut self, slot: u32) {
        let Some(ended) = self.slots.get_mut(slot as usize).filter(|slot| slot.used) else {
            return;
        };
        (ended.used, ended.name) = (false, self.free);
        self.free = slot;
    }

    /// All that is under way, as it is now: taken out so that it can be looked at without a lock.
    pub(super) fn copy(&self) -> Copied {
        let slots = self.slots.iter().filter(|slot| slot.used).copied().collect();
        Copied { slots, names: self.names.clone() }
    }

    fn name(&mut self, action: &str) -> u32 {
        let action = clip(action);
        if let Some(at) = self.index.get(action) {
            return *at;
        }
        if self.names.len() >= MAX_NAMES && action != OTHER_NAMES {
            return self.name(OTHER_NAMES);
        }
        let (name, at): (Arc<str>, _) = (action.into(), self.names.len() as u32);
        self.names.push(name.clone());
        self.index.insert(name, at);
        at
    }
}

/// What was under way at one moment.
#[derive(Debug, Default)]
pub(super) struct Copied {
    slots: Vec<Slot>,
    names: Vec<Arc<str>>,
}

impl Copied {
    /// Adds how long each has waited by `now`, by action.
    pub(super) fn add_to(&self, now: Duration, waiting: &mut BTreeMap<Arc<str>, Waited>) {
        let now = nanos(now);
        for slot in &self.slots {
            let Some(name) = self.names.get(slot.name as usize) else { continue };
            if !waiting.contains_key(name) {
                waiting.insert(name.clone(), Waited::default());
            }
            if let Some(waited) = waiting.get_mut(name) {
                let since = |then: u64| Duration::from_nanos(now.saturating_sub(then));
                waited.record(since(slot.began), since(slot.due.min(slot.began)));
            }
        }
    }

    /// Whose they are.
    pub(super) fn users(&self) -> impl Iterator<Item = u64> {
        self.slots.iter().filter(|slot| slot.user != NOBODY).map(|slot| slot.user)
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn waiting(under_way: &UnderWay, now: Duration) -> BTreeMap<Arc<str>, Waited> {
        let mut waiting = BTreeMap::new();
        under_way.copy().add_to(now, &mut waiting);
        waiting
    }

    #[test]
    fn what_has_begun_waits_from_then_on() {
        let mut under_way = UnderWay::default();
        let get = under_way.begin("get", SECOND * 2, SECOND, Some(7));
        under_way.begin("put", SECOND * 3, SECOND * 3, None);
        let now = waiting(&under_way, SECOND * 5);
        let close = |time: Duration, seconds: u32| time.abs_diff(SECOND * seconds) < SECOND / 200;
        assert!(close(now["get"].service().max(), 3) && close(now["get"].response().max(), 4));
        assert_eq!(now["put"].count(), 1);
        assert_eq!(under_way.copy().users().collect::<Vec<_>>(), [7]);
        under_way.end(get);
        // Twice is once.
        under_way.end(get);
        assert_eq!(
            waiting(&under_way, SECOND * 5).keys().map(|name| &**name).collect::<Vec<_>>(),
            ["put"]
        );
    }

    #[test]
    fn names_beyond_the_bound_are_one() {
        let mut under_way = UnderWay::default();
        for number in 0..MAX_NAMES + 5 {
            under_way.begin(&format!("a{number}"), SECOND, SECOND, None);
        }
        let now = waiting(&under_way, SECOND);
        assert_eq!((now.len(), now[OTHER_NAMES].count()), (MAX_NAMES + 1, 5));
    }

    proptest! {
        #[test]
        fn as_many_are_under_way_as_have_begun_and_not_ended(steps in prop::collection::vec(0..9_usize, 0..400)) {
            let mut under_way = UnderWay::default();
            let (mut open, mut most) = (Vec::new(), 0);
            for step in steps {
                match step {
                    0..5 => open.push(under_way.begin(["a", "b"][step % 2], SECOND, SECOND, None)),
                    _ if open.is_empty() => {}
                    step => under_way.end(open.swap_remove(step % open.len())),
                }
                most = most.max(open.len());
                let waits: u64 = waiting(&under_way, SECOND * 2).values().map(Waited::count).sum();
                prop_assert_eq!(waits as usize, open.len());
            }
            prop_assert_eq!(under_way.slots.len(), most);
        }
    }
}
