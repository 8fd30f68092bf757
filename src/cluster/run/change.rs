//! Pure: everything that can happen to a run, and what it makes of the run.

use std::{collections::BTreeMap, time::Duration};

use crowd_core::user_id::IdSet;
use crowd_plan::load::plan::Dealt;
use serde::{Deserialize, Serialize};

use super::{Account, Following, Gap, Part, PartPlan, Run, Stage, Standing, Told, moved};
use crate::{
    cluster::{
        ids,
        member::MemberId,
        protocol::run::{Assignment, PlanBeat},
    },
    controller::machine::RunState,
};

/// Something that happens to a run. What does not fit the run changes nothing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Change {
    /// The load profile begins so long after the run did.
    PlanBegan { began: Duration },
    /// Workers are told of the load profile, up to which its arrivals are dealt then. `nobodys` are
    /// how many there was no worker for, by stage.
    PlanTold {
        told: Vec<(Assignment, Told)>,
        dealt: Dealt,
        over: bool,
        nobodys: BTreeMap<usize, u64>,
    },
    /// A worker is asked to take part.
    Assigned { assignment: Assignment, worker: MemberId },
    /// Its `init` has succeeded.
    Begun { assignment: Assignment },
    /// All workers have begun: the run takes users.
    Running,
    /// The next ids are given out; they wait to be placed.
    Added { count: u64 },
    /// Ids that waited are sent to a worker.
    Placed { assignment: Assignment, users: IdSet },
    /// Ids that waited to be placed are removed.
    Cancelled { users: IdSet },
    /// A worker told how its part stands.
    Reported {
        assignment: Assignment,
        state: RunState,
        account: Account,
        ended: IdSet,
        released: IdSet,
        plan: PlanBeat,
    },
    /// The settings as they are from now on.
    Settings { settings: Vec<(String, String)> },
    /// That member gets no users any more.
    Drained { worker: MemberId },
    /// A worker says that its node is about to end.
    Leaving { assignment: Assignment },
    /// It is gone, and had no users.
    Left { assignment: Assignment },
    /// The run broke on a worker, and its users with it. What is still placed there waits again.
    Failed { assignment: Assignment, reason: String },
    /// A worker is not heard of any more; `at` is the time since the run began.
    Lost { assignment: Assignment, at: Duration, reason: String },
    /// It is heard again, `at` after the run began, and goes on with those that live there. Of the others these have ended; the
    /// rest never came there, or was given back. Of the load profile it has heard the messages up to
    /// `heard`.
    Returned { assignment: Assignment, at: Duration, living: IdSet, ended: IdSet, heard: u64 },
    /// It has the settings as they are.
    UpToDate { assignment: Assignment },
    /// Its users are dead for certain, and this becomes of them.
    Settled { assignment: Assignment, fate: Fate },
    /// All users are told to go; with the reason, if the run has failed.
    Stopping { reason: Option<String> },
    /// The run has ended on a worker; with the reason, if it failed there.
    Ended { assignment: Assignment, reason: Option<String> },
    /// The run is over on all workers; it failed if a reason is given now or was given before.
    Over { took: Duration, reason: Option<String> },
}

/// What becomes of the users of a lost worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Fate {
    /// They wait to be placed again.
    Again,
    /// They are counted as failed.
    Failed,
    /// They are counted as removed: the run is ending.
    Removed,
}

pub(super) fn apply(run: &mut Run, change: Change) {
    match change {
        Change::Assigned { assignment, worker } => {
            let part = Part {
                worker,
                standing: Standing::Beginning,
                revision: run.revision,
                placed: IdSet::default(),
                account: Account::default(),
                state: RunState::Starting,
                plan: PartPlan::default(),
            };
            run.parts.entry(assignment).or_insert(part);
        }
        Change::PlanBegan { began } => {
            run.plan = Some(Following { began: Some(began), ..Following::default() });
        }
        Change::PlanTold { told, dealt, over, nobodys } => {
            run.told_of_plan(&told, dealt, over);
            run.without_workers(&nobodys);
        }
        Change::Begun { assignment } => {
            if let Some(part) = run.parts.get_mut(&assignment)
                && part.standing == Standing::Beginning
            {
                part.standing = Standing::Active;
                part.state = RunState::Running;
            }
        }
        Change::Running => run.stage = Stage::Running,
        Change::Added { count } => {
            let first = run.highest + 1;
            run.highest += count;
            run.unplaced.insert(first..=run.highest);
        }
        Change::Placed { assignment, users } => placed(run, assignment, &users),
        Change::Cancelled { users } => {
            let users = moved(&mut run.unplaced, &users);
            run.kept.users.removed += users.len();
            for gap in &mut run.gaps {
                gap.removed += moved(&mut gap.waiting, &users).len();
            }
        }
        Change::Reported { assignment, state, account, ended, released, plan } => {
            let Some(part) = run.parts.get_mut(&assignment).filter(|part| part.stands()) else {
                return;
            };
            part.state = state;
            part.account = account;
            if run.plan.is_some() {
                part.plan.heard(plan, account.users.waiting + account.users.running);
            }
            moved(&mut part.placed, &ended);
            let back = moved(&mut part.placed, &released);
            ids::put(&mut run.unplaced, &back);
            run.peak = run.totals().users.peak;
        }
        Change::Settings { settings } => {
            for (name, value) in settings {
                run.changed.insert(name.clone());
                match run.settings.iter_mut().find(|(known, _)| *known == name) {
                    Some((_, old)) => *old = value,
                    None => run.settings.push((name, value)),
                }
            }
            run.revision += 1;
        }
        Change::Drained { worker } => drop(run.drained.insert(worker)),
        Change::Leaving { assignment } => stands(run, assignment, Standing::Leaving),
        Change::Left { assignment } => {
            stands(run, assignment, Standing::Left);
            if let Some(part) = run.parts.get_mut(&assignment) {
                part.bury();
            }
        }
        Change::Failed { assignment, reason } => {
            stands(run, assignment, Standing::Failed(reason));
            if let Some(part) = run.parts.get_mut(&assignment) {
                part.state = RunState::Failed;
                forget_the_living(&mut part.account);
                part.bury();
                let back = std::mem::take(&mut part.placed);
                ids::put(&mut run.unplaced, &back);
            }
        }
        Change::Lost { assignment, at, reason } => lost(run, assignment, at, reason),
        Change::Returned { assignment, at, living, ended, heard } => {
            returned(run, assignment, &living, &ended, heard);
            let mut gaps = run.gaps.iter_mut().rev();
            if let Some(gap) = gaps.find(|gap| gap.assignment == assignment) {
                gap.back = Some(at);
            }
        }
        Change::UpToDate { assignment } => {
            if let Some(part) = run.parts.get_mut(&assignment) {
                part.revision = run.revision;
            }
        }
        Change::Settled { assignment, fate } => settled(run, assignment, fate),
        Change::Stopping { reason } => {
            run.stage = Stage::Stopping;
            run.reason = run.reason.take().or(reason);
        }
        Change::Ended { assignment, reason } => {
            stands(run, assignment, Standing::Ended(reason));
            // Whom the worker has forgotten to tell of is nowhere.
            if let Some(part) = run.parts.get_mut(&assignment) {
                let back = std::mem::take(&mut part.placed);
                ids::put(&mut run.unplaced, &back);
            }
        }
        Change::Over { took, reason } => {
            run.stage = Stage::Over;
            run.reason = run.reason.take().or(reason);
            run.took = Some(took);
        }
    }
}

/// Changes how a part stands that has not come to its end.
fn stands(run: &mut Run, assignment: Assignment, standing: Standing) {
    if let Some(part) = run.parts.get_mut(&assignment)
        && part.stands()
    {
        part.standing = standing;
    }
}

fn placed(run: &mut Run, assignment: Assignment, users: &IdSet) {
    let Some(part) = run.parts.get_mut(&assignment).filter(|part| part.is_begun()) else {
        return;
    };
    let users = moved(&mut run.unplaced, users);
    ids::put(&mut part.placed, &users);
    for gap in run.gaps.iter_mut().filter(|gap| !gap.waiting.is_empty()) {
        let again = moved(&mut gap.waiting, &users).len();
        if again > 0 {
            *gap.placed.entry(part.worker.to_string()).or_default() += again;
        }
    }
}

/// Its living users are counted as nothing until it is known what becomes of them.
fn forget_the_living(account: &mut Account) -> u64 {
    let users = &mut account.users;
    let running = std::mem::take(&mut users.running);
    users.started = users.started.saturating_sub(running);
    users.waiting = 0;
    running
}

fn lost(run: &mut Run, assignment: Assignment, at: Duration, reason: String) {
    let Some(part) = run.parts.get_mut(&assignment).filter(|part| part.stands()) else { return };
    part.standing = Standing::Lost(reason.clone());
    forget_the_living(&mut part.account);
    run.gaps.push(Gap {
        node: part.worker.to_string(),
        at,
        reason,
        users: part.load(),
        placed: Default::default(),
        failed: 0,
        removed: 0,
        waiting: IdSet::default(),
        open: true,
        assignment,
        back: None,
    });
}

fn returned(run: &mut Run, assignment: Assignment, living: &IdSet, ended: &IdSet, heard: u64) {
    let Some(part) = run.parts.get_mut(&assignment).filter(|part| part.is_lost()) else { return };
    part.standing = Standing::Active;
    moved(&mut part.placed, ended);
    let kept = moved(&mut part.placed, living);
    let back = std::mem::replace(&mut part.placed, kept);
    let missed = part.plan.missed(heard);
    let (node, stay) = (part.worker.to_string(), part.load());
    ids::put(&mut run.unplaced, &back);
    run.without_workers(&missed);
    if let Some(gap) = run.gaps.iter_mut().find(|gap| gap.assignment == assignment && gap.open) {
        gap.open = false;
        gap.waiting = back;
        gap.placed.insert(node, stay);
    }
}

fn settled(run: &mut Run, assignment: Assignment, fate: Fate) {
    let Some(part) = run.parts.get_mut(&assignment) else { return };
    let Standing::Lost(reason) = &part.standing else { return };
    part.standing = Standing::Settled(reason.clone());
    let died = part.plan.living;
    part.bury();
    let users = std::mem::take(&mut part.placed);
    let gap = run.gaps.iter_mut().find(|gap| gap.assignment == assignment && gap.open);
    let count = users.len();
    match fate {
        Fate::Again => {
            ids::put(&mut run.unplaced, &users);
            if let Some(gap) = gap {
                (gap.waiting, gap.open, gap.failed) = (users, false, died);
            }
        }
        Fate::Failed => {
            part.account.users.failed += count;
            part.account.users.started += count;
            part.account.endings.failed += count;
            if let Some(gap) = gap {
                (gap.failed, gap.open) = (count + died, false);
            }
        }
        Fate::Removed => {
            part.account.users.removed += count;
            part.account.users.started += count;
            part.account.endings.killed += count;
            if let Some(gap) = gap {
                (gap.removed, gap.open, gap.failed) = (count, false, died);
            }
        }
    }
}
