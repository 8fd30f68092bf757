//! Pure: timers that are set for users, and ring only for the lives they were set for. An id may come
//! back to a node that gave its user back, and is another life then.

use std::collections::BTreeMap;

use crowd_core::user_id::IdSet;

/// One timer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timer(u64);

/// Those that are set.
#[derive(Debug, Default)]
pub(super) struct Timers {
    pub(super) users: BTreeMap<Timer, IdSet>,
    last: u64,
}

impl Timers {
    /// Sets one for the lives of these users.
    pub(super) fn set(&mut self, users: IdSet) -> Timer {
        self.last += 1;
        let timer = Timer(self.last);
        self.users.insert(timer, users);
        timer
    }

    /// These ids stand for other lives from now on.
    pub(super) fn forget(&mut self, users: &IdSet) {
        if !users.is_empty() {
            self.users.values_mut().for_each(|set| *set = set.without(users));
        }
    }

    /// It rings: for whom. Some of them may have ended.
    pub(super) fn ring(&mut self, timer: Timer) -> IdSet {
        self.users.remove(&timer).unwrap_or_default()
    }
}
