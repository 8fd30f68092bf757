//! The targets of a list with their scores: who is in, and who comes next. Pure: reports and a time
//! go in, what changed comes out.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use super::{
    nobody::NobodyLeft,
    score::{Rules, Score},
};

/// Stands for a target for as long as it is listed; never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct TargetId(pub(crate) u64);

/// What somebody says about a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Word<'a> {
    /// It does its work.
    Up,
    /// It does not, and why.
    Down(&'a str),
}

/// What a word changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Step {
    /// The score now.
    pub(crate) score: Score,
    /// Whether it went out or came back.
    pub(crate) turn: Option<Turn>,
}

/// A target went out or came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Its score fell below 0.
    Out,
    /// Its score is 0 or more again.
    Back {
        /// How long it was out.
        after: Duration,
        /// How much of that [`List::account`] has not told.
        untold: Duration,
    },
}

/// What a new list of targets changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reconciled {
    /// Those that are new, in the order given: its place in what was given, and its id.
    pub(crate) new: Vec<(usize, TargetId)>,
    /// Those that are gone, and how much of their time out [`List::account`] has not told.
    pub(crate) gone: Vec<(TargetId, Duration)>,
}

/// Targets in their order.
///
/// Always: every score is between the lowest and the highest; those picked are exactly the targets
/// with a score of 0 or more in the lowest tier that has any.
#[derive(Debug, Clone)]
pub(crate) struct List {
    rules: Rules,
    entries: Vec<Entry>,
    next_id: u64,
    /// Where the search for the next one to pick begins.
    start: usize,
    /// Counts the changes of `members`.
    version: u64,
    /// Those that are picked, in the order of the list.
    members: Vec<Member>,
}

#[derive(Debug, Clone)]
struct Entry {
    id: TargetId,
    name: Arc<str>,
    score: Score,
    tier: u8,
    error: Option<Arc<str>>,
    out: Option<Out>,
}

/// Since when it is out, and up to when that was told.
#[derive(Debug, Clone, Copy)]
struct Out {
    since: Duration,
    told: Duration,
}

/// A target that is picked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Member {
    /// Which.
    pub(crate) id: TargetId,
    /// The [`List::version`] with which it came.
    pub(crate) arrived: u64,
}

impl List {
    /// A list without targets.
    pub(crate) fn new(rules: Rules) -> Self {
        let (entries, members) = (Vec::new(), Vec::new());
        Self { rules, entries, next_id: 0, start: 0, version: 0, members }
    }

    /// How often those that are picked have changed.
    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    /// The targets that are picked, in the order they are picked in, over and over.
    pub(crate) fn rotation(&self) -> Vec<Member> {
        let before = |id| self.place(id).is_some_and(|place| place < self.start);
        let first = self.members.iter().take_while(|member| before(member.id)).count();
        let mut rotation = self.members.clone();
        let turns = if first == rotation.len() { 0 } else { first };
        rotation.rotate_left(turns);
        rotation
    }

    /// That target was picked: the next one is one behind it.
    pub(crate) fn picked(&mut self, id: TargetId) {
        if let Some(place) = self.place(id) {
            self.start = place + 1;
        }
    }

    /// Somebody says something about a target, at `now`; `None` if it is not listed any more.
    pub(crate) fn hear(&mut self, id: TargetId, word: Word<'_>, now: Duration) -> Option<Step> {
        let rules = self.rules;
        let place = self.place(id)?;
        let entry = &mut self.entries[place];
        entry.score = match word {
            Word::Up => rules.up(entry.score),
            Word::Down(why) => {
                if entry.error.as_deref() != Some(why) {
                    entry.error = Some(why.into());
                }
                rules.down(entry.score)
            }
        };
        let turn = match entry.out {
            None if !entry.score.is_in() => {
                entry.out = Some(Out { since: now, told: now });
                Some(Turn::Out)
            }
            Some(out) if entry.score.is_in() => {
                entry.out = None;
                Some(Turn::Back {
                    after: now.saturating_sub(out.since),
                    untold: now.saturating_sub(out.told),
                })
            }
            _ => None,
        };
        let score = entry.score;
        self.refresh();
        Some(Step { score, turn })
    }

    /// Puts a target into a tier.
    pub(crate) fn move_to(&mut self, id: TargetId, tier: u8) {
        if let Some(place) = self.place(id) {
            self.entries[place].tier = tier;
            self.refresh();
        }
    }

    /// Makes `names` the targets. Those that stay keep their score, their tier and their place
    /// among each other; new ones come behind them, in the order given; whose turn it is stays.
    ///
    /// # Errors
    /// Every name that is there twice; nothing is changed then.
    pub(crate) fn reconcile(
        &mut self,
        names: &[Arc<str>],
        now: Duration,
    ) -> Result<Reconciled, Vec<String>> {
        let faults = twice(names);
        if !faults.is_empty() {
            return Err(faults);
        }
        let wanted: BTreeSet<&Arc<str>> = names.iter().collect();
        let stays = |entry: &Entry| wanted.contains(&entry.name);
        self.start = self.entries.iter().take(self.start).filter(|entry| stays(entry)).count();
        let gone = self.entries.iter().filter(|entry| !stays(entry));
        let gone = gone.map(|entry| {
            let untold = entry.out.map_or(Duration::ZERO, |out| now.saturating_sub(out.told));
            (entry.id, untold)
        });
        let gone = gone.collect();
        self.entries.retain(stays);
        let known: BTreeSet<_> = self.entries.iter().map(|entry| entry.name.clone()).collect();
        let mut new = Vec::new();
        for (place, name) in names.iter().enumerate().filter(|(_, name)| !known.contains(*name)) {
            let id = TargetId(self.next_id);
            self.next_id += 1;
            let score = self.rules.initial;
            let out = (!score.is_in()).then_some(Out { since: now, told: now });
            let (name, tier) = (name.clone(), self.rules.tier);
            self.entries.push(Entry { id, name, score, tier, error: None, out });
            new.push((place, id));
        }
        self.refresh();
        Ok(Reconciled { new, gone })
    }

    /// How long which targets have been out since this was last asked, in whole milliseconds.
    pub(crate) fn account(&mut self, now: Duration) -> Vec<(TargetId, Duration)> {
        let mut told = Vec::new();
        for entry in &mut self.entries {
            if let Some(out) = &mut entry.out {
                let millis = now.saturating_sub(out.told).as_millis();
                let time = Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX));
                out.told += time;
                told.push((entry.id, time));
            }
        }
        told.retain(|(_, time)| !time.is_zero());
        told
    }

    /// What to say when nobody can be picked.
    pub(crate) fn nobody(&self) -> NobodyLeft {
        let error =
            |entry: &Entry| (entry.name.to_string(), entry.error.as_deref().map(str::to_owned));
        NobodyLeft { targets: self.entries.iter().map(error).collect() }
    }

    fn place(&self, id: TargetId) -> Option<usize> {
        self.entries.iter().position(|entry| entry.id == id)
    }

    fn refresh(&mut self) {
        let healthy = || self.entries.iter().filter(|entry| entry.score.is_in());
        let tier = healthy().map(|entry| entry.tier).min();
        let ids: Vec<_> = healthy().filter(|e| Some(e.tier) == tier).map(|e| e.id).collect();
        if ids.iter().eq(self.members.iter().map(|member| &member.id)) {
            return;
        }
        self.version += 1;
        let (before, version) = (std::mem::take(&mut self.members), self.version);
        let arrived = |id| before.iter().find(|member| member.id == id).map(|m| m.arrived);
        let member = |id| Member { id, arrived: arrived(id).unwrap_or(version) };
        self.members = ids.into_iter().map(member).collect();
    }
}

/// What is wrong with these names: each that is there more than once, as sentences.
pub(crate) fn twice(names: &[Arc<str>]) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let twice: BTreeSet<_> = names.iter().filter(|name| !seen.insert(*name)).collect();
    twice.iter().map(|name| format!("`{name}` is there twice")).collect()
}
