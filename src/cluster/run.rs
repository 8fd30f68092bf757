//! Pure: all of a run that must survive the loss of its master, in one value that only
//! [`Run::apply`] changes. The master applies changes today; a replicated log could apply the same
//! changes tomorrow. Times are part of the changes: there is no clock here.
//!
//! Every id that was ever given out is at each moment in exactly one place: waiting to be placed,
//! placed with one part of the run, or ended and counted. So the identity
//! `asked = waiting + running + finished + failed + removed` holds over the cluster.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use crowd_core::user_id::IdSet;
use serde::{Deserialize, Serialize};

use super::{ids, member::MemberId, protocol::run::Assignment};
use crate::controller::{endings::EndingCounts, machine::RunState, population::UserCounts};

mod change;
mod plan;
mod totals;

pub(crate) use change::{Change, Fate};
pub(crate) use plan::{Following, PartPlan, Told};

/// How many gaps are kept, and how many parts that are settled.
const MOST_KEPT: usize = 200;

/// A run over the cluster.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Run {
    /// Unique among runs.
    pub(crate) id: String,
    /// The scenario.
    pub(crate) scenario: String,
    /// The settings as they were given and changed since.
    pub(crate) settings: Vec<(String, String)>,
    /// Counts the changes of settings.
    pub(crate) revision: u64,
    /// The names of those that were changed while it went on.
    pub(crate) changed: BTreeSet<String>,
    /// How far it is.
    pub(crate) stage: Stage,
    /// Why it failed, or is about to.
    pub(crate) reason: Option<String>,
    /// How long it took; `None` while it goes on.
    pub(crate) took: Option<Duration>,
    /// The highest id given out. Ids are dense: all from 1 were given out.
    pub(crate) highest: u64,
    /// Ids that wait to be placed.
    pub(crate) unplaced: IdSet,
    /// The parts of workers by assignment, those that are over too.
    pub(crate) parts: BTreeMap<Assignment, Part>,
    /// What became of users of parts that are forgotten, and of those that no part accounts for.
    pub(crate) kept: Account,
    /// Workers that were lost, the first one first.
    pub(crate) gaps: Vec<Gap>,
    /// Members that get no users any more.
    pub(crate) drained: BTreeSet<MemberId>,
    /// The most users that ran at once.
    pub(crate) peak: u64,
    /// The load profile it follows. Its users are never placed: workers start them, with ids that
    /// are reserved for them, and account for them.
    pub(crate) plan: Option<Following>,
}

/// How far a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Stage {
    /// `init` runs on the workers.
    Starting,
    /// It takes users.
    Running,
    /// All users are told to go.
    Stopping,
    /// It has ended.
    Over,
}

/// One worker's part.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Part {
    /// Whose.
    pub(crate) worker: MemberId,
    /// How it stands between master and worker.
    pub(crate) standing: Standing,
    /// The revision of the settings it began with.
    pub(crate) revision: u64,
    /// The users placed there that have neither ended nor come back.
    pub(crate) placed: IdSet,
    /// What its worker told last.
    pub(crate) account: Account,
    /// The state of the run there, as told last.
    pub(crate) state: RunState,
    /// What it has of the load profile.
    pub(crate) plan: PartPlan,
}

/// How a part stands between master and worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Standing {
    /// `init` runs there.
    Beginning,
    /// It has users, or may get some.
    Active,
    /// Its node is about to end and gives its users back.
    Leaving,
    /// The run has ended there; with the reason, if it failed.
    Ended(Option<String>),
    /// It takes no part any more, because the run broke there. Nobody lives there.
    Failed(String),
    /// Its node left and has no users.
    Left,
    /// Not heard of any more. Its users may live until its lease is over.
    Lost(String),
    /// It was lost, and its users are dead for certain and have gone elsewhere.
    Settled(String),
}

/// Counts of users of a part of the run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Account {
    /// Users by state.
    pub(crate) users: UserCounts,
    /// Users by how they ended.
    pub(crate) endings: EndingCounts,
}

/// A worker was lost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Gap {
    /// Its name.
    pub(crate) node: String,
    /// When, since the run began.
    pub(crate) at: Duration,
    /// Why.
    pub(crate) reason: String,
    /// How many users were on it.
    pub(crate) users: u64,
    /// Where they were placed again: how many by node.
    pub(crate) placed: BTreeMap<String, u64>,
    /// How many were counted as failed.
    pub(crate) failed: u64,
    /// How many were removed, because the run was ending or somebody removed them.
    pub(crate) removed: u64,
    /// Those of them that wait to be placed again.
    pub(crate) waiting: IdSet,
    /// Whether their lease may still hold.
    pub(crate) open: bool,
    /// Of which part.
    pub(crate) assignment: Assignment,
    /// When the part was heard again and went on, since the run began.
    pub(crate) back: Option<Duration>,
}

impl Part {
    /// Whether the worker is heard and told things.
    pub(crate) fn stands(&self) -> bool {
        matches!(self.standing, Standing::Beginning | Standing::Active | Standing::Leaving)
    }

    /// Whether its worker's `init` is over and the run goes on there.
    pub(crate) fn is_begun(&self) -> bool {
        matches!(self.standing, Standing::Active | Standing::Leaving)
    }

    /// Whether its users may still live although nobody hears of them.
    pub(crate) fn is_lost(&self) -> bool {
        matches!(self.standing, Standing::Lost(_))
    }

    /// How many users it has.
    pub(crate) fn load(&self) -> u64 {
        self.placed.len() + self.plan.living
    }
}

impl Run {
    /// A run that begins.
    pub(crate) fn new(id: String, scenario: String, settings: Vec<(String, String)>) -> Self {
        Self {
            id,
            scenario,
            settings,
            revision: 0,
            changed: BTreeSet::new(),
            stage: Stage::Starting,
            reason: None,
            took: None,
            highest: 0,
            unplaced: IdSet::default(),
            parts: BTreeMap::new(),
            kept: Account::default(),
            gaps: Vec::new(),
            drained: BTreeSet::new(),
            peak: 0,
            plan: None,
        }
    }

    /// Carries a change out. Applied to equal runs, it makes equal runs.
    pub(crate) fn apply(&mut self, change: Change) {
        change::apply(self, change);
        self.forget_the_oldest();
    }

    /// What a peer can make grow has an end.
    fn forget_the_oldest(&mut self) {
        if self.gaps.len() > MOST_KEPT
            && let Some(done) = self.gaps.iter().position(|gap| !gap.open && gap.waiting.is_empty())
        {
            self.gaps.remove(done);
        }
        if self.parts.len() > MOST_KEPT {
            let over = self.parts.iter().find(|(_, part)| {
                matches!(part.standing, Standing::Failed(_) | Standing::Left | Standing::Settled(_))
            });
            if let Some((assignment, _)) = over {
                let assignment = *assignment;
                if let Some(part) = self.parts.remove(&assignment) {
                    self.kept.add(&part.account);
                    if let Some(plan) = &mut self.plan {
                        plan.kept.add(&part.plan.told.tallies);
                    }
                }
            }
        }
    }
}

/// The ids that one set has, taken out of another.
pub(super) fn moved(from: &mut IdSet, which: &IdSet) -> IdSet {
    ids::take(from, which)
}
