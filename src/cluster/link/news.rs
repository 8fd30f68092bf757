//! Pure: what is told of strangers. Each has a budget of lines for each kind of fault, and each kind one
//! for all of them together; what goes beyond is counted, and told as a number.

use std::{
    collections::{BTreeMap, BTreeSet, hash_map::DefaultHasher},
    hash::{Hash, Hasher},
    net::IpAddr,
    time::Duration,
};

use super::hello::Because;

/// A budget lasts so long.
const PERIOD: Duration = Duration::from_secs(60);

/// So many different lines of one kind are told of one stranger in a period; what was told already is
/// not told again.
const LINES: usize = 3;

/// So many strangers have a budget of their own for each kind of fault in a period: a first line.
const MOST: usize = 256;

/// So many lines that are not a stranger's first are told of one kind in a period.
const FURTHER: usize = 100;

/// Of all other strangers one line of a kind is told so often: a flood that is over silences nobody.
const PAUSE: Duration = Duration::from_secs(5);

/// At the end of a period so many strangers are summed up one by one; of more the sum of all is told.
const SUMS: usize = 16;

/// Other strangers are told apart up to so many.
const COUNTED: usize = 1_024;

/// What is wrong with a stranger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// Its proof.
    Cookie,
    /// Its version, its scenarios, its master.
    Unlike,
    /// Its name.
    Name,
    /// It is no node, or says no and has proven nothing.
    Stranger,
    /// What it sends as a member.
    Packet,
    /// What it says when it is dialled.
    Dialled,
    /// It is dialled, and not reached.
    Unreached,
    /// Nothing: nobody can be let in.
    Door,
}

impl Kind {
    pub(super) fn of(because: Because) -> Self {
        match because {
            Because::Cookie => Self::Cookie,
            Because::Name => Self::Name,
            Because::Unlike
            | Because::Itself
            | Because::Linked
            | Because::Busy
            | Because::Other => Self::Unlike,
        }
    }
}

/// The stranger at that address: of IPv6 its /64, since all of that is one customer's.
pub(super) fn near(ip: IpAddr) -> String {
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => {
            let [a, b, c, d, ..] = ip.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
    }
}

/// Something to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) kind: Kind,
    pub(super) address: String,
    pub(super) reason: String,
}

/// What was told lately, of whom.
#[derive(Debug, Default)]
pub(super) struct Said {
    kinds: BTreeMap<Kind, Period>,
}

/// A minute of one kind.
#[derive(Debug)]
struct Period {
    ends: Duration,
    strangers: BTreeMap<String, Budget>,
    further: usize,
    others: Others,
}

/// What is told of one stranger.
#[derive(Debug, Default)]
struct Budget {
    /// What was told, as digests.
    told: Vec<u64>,
    /// How many were not told, and the last of them.
    more: u64,
    last: Option<Line>,
}

/// What is told of those who have no budget of their own.
#[derive(Debug, Default)]
struct Others {
    /// When a line may be told again, and what was told, as digests.
    next: Duration,
    told: Vec<u64>,
    /// How many were not told, of whom, as digests, and the last of them.
    more: u64,
    of: BTreeSet<u64>,
    last: Option<Line>,
}

fn digest(text: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

impl Said {
    /// Something is wrong with `whom`: the lines that are to be told now.
    pub(super) fn hear(&mut self, whom: &str, line: Line, now: Duration) -> Vec<Line> {
        let mut lines = self.due(now);
        let period = self.kinds.entry(line.kind).or_insert_with(|| Period::new(now));
        lines.extend(period.hear(whom, line, now));
        lines
    }

    /// Time passes: what is to be told of periods that are over.
    pub(super) fn due(&mut self, now: Duration) -> Vec<Line> {
        let mut lines = Vec::new();
        self.kinds.retain(|_, period| {
            if period.ends <= now {
                lines.extend(period.sum_up(now));
            }
            now < period.ends
        });
        lines
    }
}

impl Period {
    fn new(now: Duration) -> Self {
        let others = Others::default();
        Self { ends: now + PERIOD, strangers: BTreeMap::new(), further: 0, others }
    }

    fn hear(&mut self, whom: &str, line: Line, now: Duration) -> Option<Line> {
        let digest = digest(&line.reason);
        let full = self.strangers.len() >= MOST;
        let Some(budget) = self.strangers.get_mut(whom) else {
            if full {
                return self.others.hear(whom, line, now);
            }
            let budget = Budget { told: vec![digest], ..Budget::default() };
            self.strangers.insert(whom.to_owned(), budget);
            return Some(line);
        };
        if budget.told.len() < LINES && self.further < FURTHER && !budget.told.contains(&digest) {
            budget.told.push(digest);
            self.further += 1;
            return Some(line);
        }
        budget.more += 1;
        budget.last = Some(line);
        None
    }

    /// What was not told. Those who are summed up one by one keep their place for the next period, in
    /// which the sum is their first line; without any the period is over.
    fn sum_up(&mut self, now: Duration) -> Vec<Line> {
        let Self { mut strangers, mut others, .. } = std::mem::replace(self, Self::new(now));
        let mut sums = Vec::new();
        strangers.retain(|_, budget| budget.last.is_some());
        if strangers.len() > SUMS {
            for (whom, budget) in std::mem::take(&mut strangers) {
                others.count(&whom, budget.more, budget.last);
            }
        }
        for (whom, budget) in strangers {
            let Some(last) = budget.last else { continue };
            let told = vec![digest(&last.reason)];
            let reason = format!("{} more like it; the last: {}", budget.more, last.reason);
            sums.push(Line { reason, ..last });
            self.strangers.insert(whom, Budget { told, ..Budget::default() });
        }
        sums.extend(others.sum_up());
        if self.strangers.is_empty() {
            self.ends = now;
        }
        sums
    }
}

impl Others {
    fn hear(&mut self, whom: &str, line: Line, now: Duration) -> Option<Line> {
        let digest = digest((whom, &line.reason));
        if self.next <= now && !self.told.contains(&digest) {
            self.next = now + PAUSE;
            self.told.push(digest);
            return Some(line);
        }
        self.count(whom, 1, Some(line));
        None
    }

    fn count(&mut self, whom: &str, more: u64, last: Option<Line>) {
        self.more += more;
        self.last = last;
        if self.of.len() < COUNTED {
            self.of.insert(digest(whom));
        }
    }

    /// Of nobody by name: who came last has not done it all.
    fn sum_up(self) -> Option<Line> {
        let Line { kind, reason, .. } = self.last?;
        let (more, of) = (self.more, self.of.len());
        let at_least = if of < COUNTED { "" } else { "at least " };
        let addresses = if of == 1 { "address" } else { "addresses" };
        let reason =
            format!("{more} more from {at_least}{of} other {addresses}; the last: {reason}");
        Some(Line { kind, address: "other addresses".into(), reason })
    }
}

#[cfg(test)]
mod tests;
