//! Pure: the connections of the API, and which of them gives way to another.
//!
//! One without a request under way may have said nothing yet, or half of a request, or wait to be used
//! again. There are so many of those at the most: one more, and the one that has been so for the longest
//! is given up. One with a request under way never is; there are so many of those too, and more
//! requests are refused.

use std::collections::BTreeMap;

/// The connections; of each that may be given up, by what.
#[derive(Debug)]
pub(super) struct Connections<T> {
    most: usize,
    turns: u64,
    /// Those without a request under way, who has been so for the longest first.
    idle: BTreeMap<Turn, T>,
    /// How many have a request under way.
    busy: usize,
}

/// When a connection came to have no request under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Turn(u64);

/// Why a request is not begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NotBegun {
    /// There are too many.
    TooMany,
    /// Its connection has given way.
    GivenUp,
}

impl<T> Connections<T> {
    /// None; of each kind there may be so many.
    pub(super) fn new(most: usize) -> Self {
        Self { most, turns: 0, idle: BTreeMap::new(), busy: 0 }
    }

    /// A new one. Answers with what gives up the one that gives way.
    pub(super) fn arrive(&mut self, given_up_by: T) -> (Turn, Option<T>) {
        let turn = Turn(self.turns);
        self.turns += 1;
        self.idle.insert(turn, given_up_by);
        let over = self.idle.len() > self.most;
        (turn, over.then(|| self.idle.pop_first()).flatten().map(|(_, given_up_by)| given_up_by))
    }

    /// A request of this one has come, and is to be begun.
    ///
    /// # Errors
    /// If it is not to be begun: then nothing is changed.
    pub(super) fn begin(&mut self, turn: Turn) -> Result<(), NotBegun> {
        if !self.idle.contains_key(&turn) {
            return Err(NotBegun::GivenUp);
        }
        if self.busy >= self.most {
            return Err(NotBegun::TooMany);
        }
        self.idle.remove(&turn);
        self.busy += 1;
        Ok(())
    }

    /// The answer to a request is with its client, whose connection may be used again: the same as a
    /// new one.
    pub(super) fn answered(&mut self, given_up_by: T) -> (Turn, Option<T>) {
        self.busy -= 1;
        self.arrive(given_up_by)
    }

    /// One has ended; `None`: with a request under way.
    pub(super) fn leave(&mut self, turn: Option<Turn>) {
        match turn {
            Some(turn) => drop(self.idle.remove(&turn)),
            None => self.busy -= 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// With the n-th of the connections that are idle, or busy.
    #[derive(Debug, Clone)]
    enum Step {
        Arrive,
        Begin(usize),
        Answered(usize),
        LeaveIdle(usize),
        LeaveBusy(usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            6 => Just(Step::Arrive),
            4 => any::<usize>().prop_map(Step::Begin),
            2 => any::<usize>().prop_map(Step::Answered),
            1 => any::<usize>().prop_map(Step::LeaveIdle),
            1 => any::<usize>().prop_map(Step::LeaveBusy),
        ]
    }

    proptest! {
        /// Whoever has a request under way is never given up, and of the others nobody is but the
        /// one that has been silent for the longest, and only if there are too many.
        #[test]
        fn the_longest_silent_gives_way_and_nobody_else(
            most in 1..6usize,
            steps in prop::collection::vec(step(), 0..120),
        ) {
            let mut connections = Connections::new(most);
            // The name and the turn of each, who is silent for the longest first; and names.
            let (mut idle, mut busy) = (Vec::<(u64, Turn)>::new(), Vec::<u64>::new());
            let mut names = 0..;
            for step in steps {
                let arrived = match step {
                    Step::Arrive => names.next().map(|name| (name, connections.arrive(name))),
                    Step::Answered(n) if !busy.is_empty() => {
                        let name = busy.remove(n % busy.len());
                        Some((name, connections.answered(name)))
                    }
                    Step::Begin(n) if !idle.is_empty() => {
                        let n = n % idle.len();
                        let (name, turn) = idle[n];
                        let begun = connections.begin(turn);
                        prop_assert_eq!(begun.is_ok(), busy.len() < most);
                        if begun.is_ok() {
                            idle.remove(n);
                            busy.push(name);
                        }
                        None
                    }
                    Step::LeaveIdle(n) if !idle.is_empty() => {
                        let (_, turn) = idle.remove(n % idle.len());
                        connections.leave(Some(turn));
                        None
                    }
                    Step::LeaveBusy(n) if !busy.is_empty() => {
                        busy.remove(n % busy.len());
                        connections.leave(None);
                        None
                    }
                    _ => None,
                };
                if let Some((name, (turn, given_up))) = arrived {
                    idle.push((name, turn));
                    let longest = (idle.len() > most).then(|| idle.remove(0));
                    prop_assert_eq!(given_up, longest.map(|(name, _)| name));
                    if let Some((_, turn)) = longest {
                        prop_assert_eq!(connections.begin(turn), Err(NotBegun::GivenUp));
                        // Its task ends.
                        connections.leave(Some(turn));
                    }
                }
                prop_assert_eq!(connections.idle.len(), idle.len());
                prop_assert_eq!(connections.busy, busy.len());
                prop_assert!(idle.len() <= most && busy.len() <= most);
            }
        }
    }
}
