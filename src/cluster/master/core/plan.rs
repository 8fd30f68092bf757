//! Pure: the load profile of a run, dealt to workers as its time comes. There is one plan, for the
//! whole cluster: each arrival is of one worker, and the users of all workers together are as many
//! as it asks for.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use crowd_core::user_id::IdSet;
use crowd_plan::load::{
    desk::Deal,
    plan::{Plan, Row},
    seats,
    share::Share,
    status::PlanStatus,
};

use super::{Command, Core};
use crate::cluster::{
    lease::BEAT,
    protocol::run::{Assignment, PlanWords, ToWorker},
    run::{Change, Part, Stage, Told},
};

/// How far ahead arrivals are dealt: longer than a tick and the way to a worker take together.
const LEAD: Duration = Duration::from_millis(400);

/// How long after the run takes users the profile begins: until all workers have its beginning.
const SOON: Duration = Duration::from_millis(200);

/// A worker that is not heard of for so long is dealt no arrivals: others begin them in time.
const QUIET: Duration = Duration::from_millis(1_500);

/// How many ids a worker is given at a time, at the least.
const IDS: u64 = 1 << 16;

/// A profile, and how long its users may take to end.
#[derive(Debug, Clone)]
pub(crate) struct Load {
    /// The profile.
    pub(crate) plan: Arc<Plan>,
    /// How long users that are not needed any more may take.
    pub(crate) graceful_stop: Duration,
}

impl PartialEq for Load {
    fn eq(&self, other: &Self) -> bool {
        self.plan.profile() == other.plan.profile() && self.graceful_stop == other.graceful_stop
    }
}

impl Core {
    /// The profile begins, if there is one.
    pub(super) fn begin_plan(&mut self, now: Duration) {
        if self.load.is_some() {
            let began = (now + SOON).saturating_sub(self.began);
            self.apply(Change::PlanBegan { began });
            self.tick_plan(now);
        }
    }

    /// How long the profile goes on; `None` if none has begun, or if it is about to.
    fn plan_elapsed(&self, now: Duration) -> Option<Duration> {
        let began = self.run.as_ref()?.plan.as_ref()?.began?;
        now.checked_sub(self.began + began)
    }

    /// How far the profile is.
    pub(super) fn plan_status(&self, now: Duration) -> Option<PlanStatus> {
        let (load, run) = (self.load.as_ref()?, self.run.as_ref()?);
        let now = run.took.map_or(now, |took| self.began + took);
        let elapsed = self.plan_elapsed(now).unwrap_or_default();
        Some(load.plan.status(elapsed, run.tally()))
    }

    /// Tells workers what the profile asks for by now, and ends the run when all of it is over.
    pub(super) fn tick_plan(&mut self, now: Duration) {
        let Some(Load { plan, graceful_stop }) = self.load.clone() else { return };
        let Some(run) = self.run.as_ref().filter(|run| run.stage == Stage::Running) else { return };
        let Some(following) = &run.plan else { return };
        let Some(began) = following.began else { return };
        let (mut dealt, message) = (following.dealt, following.messages + 1);
        // Before it begins its first arrivals are dealt.
        let elapsed = now.saturating_sub(self.began + began);
        let until = (now + LEAD).saturating_sub(self.began + began);
        let cut = self.finish_by.is_some();
        let over = cut || plan.is_over(elapsed) && now >= self.began + began;
        let rows = if cut { Vec::new() } else { plan.deal(&mut dealt, until) };
        let pause = !plan.is_open(elapsed) && !plan.is_open(until);
        let members: Vec<Assignment> =
            self.workers(Part::is_begun).into_iter().map(|(assignment, _)| assignment).collect();
        let takers = self.takers();
        let needed: Vec<_> =
            members.iter().copied().filter(|assignment| takers.contains(assignment)).collect();
        let heard: Vec<_> = needed
            .iter()
            .copied()
            .filter(|assignment| self.quiet(now, *assignment) < QUIET)
            .collect();
        let mut told: BTreeMap<Assignment, (Told, PlanWords)> = members
            .iter()
            .map(|assignment| {
                let over = over || !needed.contains(assignment);
                let words = PlanWords { message, pause, over, ..PlanWords::default() };
                let told = Told {
                    message,
                    users: 0,
                    serving: None,
                    dealt: BTreeMap::new(),
                    ids: 0,
                    pause,
                    over,
                };
                (*assignment, (told, words))
            })
            .collect();
        let target = if elapsed.is_zero() || over { 0 } else { plan.target_users(elapsed) };
        for (assignment, users) in needed.iter().zip(self.users_of(&needed, target)) {
            if let Some((told, words)) = told.get_mut(assignment) {
                (told.users, words.users) = (users, users);
            }
        }
        let mut nobodys = BTreeMap::<usize, u64>::new();
        for row in rows {
            let deals = self.deal_row(&plan, row, &heard);
            if deals.is_empty() {
                let lost = count(&plan, row, Share::ALL);
                *nobodys.entry(row.stage).or_default() += lost;
            }
            for (assignment, deal) in deals {
                let Some((told, words)) = told.get_mut(&assignment) else { continue };
                told.serving = deal.most_users.or(told.serving);
                *told.dealt.entry(row.stage).or_default() += count(&plan, row, deal.share);
                words.deals.push(deal);
            }
        }
        let mut changes = Vec::new();
        let mut highest = self.run.as_ref().map_or(0, |run| run.highest);
        for (assignment, (mut told, mut words)) in told {
            let Some(part) = self.part(assignment) else { continue };
            told.ids = ids_for(part, &told);
            if told.ids > 0 {
                words.reserve = IdSet::from(vec![(highest + 1, highest + told.ids)]);
                highest += told.ids;
                self.whereabouts_of(assignment, words.reserve.clone());
            }
            let Some(part) = self.part(assignment) else { continue };
            let nothing_new = words.deals.is_empty()
                && told.ids == 0
                && part.plan.message > 0
                && part.plan.over == told.over
                && part.plan.pause == told.pause
                && part.plan.users.given() == told.users;
            if nothing_new {
                continue;
            }
            let to = part.worker.clone();
            let began = u64::try_from((self.began + began).as_nanos()).unwrap_or(u64::MAX);
            let sent = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
            let message = ToWorker::Plan { assignment, began, sent, words };
            self.command(Command::Cast { to, message });
            changes.push((assignment, told));
        }
        self.apply(Change::PlanTold { told: changes, dealt, over, nobodys });
        let ends = self.began + began + plan.start_of(usize::MAX);
        self.end_with_plan(now, ends.saturating_add(graceful_stop));
    }

    /// How many users each of these parts is to keep.
    fn users_of(&self, parts: &[Assignment], target: u64) -> Vec<u64> {
        let seats = parts.iter().filter_map(|part| Some(&self.part(*part)?.plan.users));
        let others = self.held_by_others(parts, |part| part.plan.users.holds());
        seats::shares(target, seats, others)
    }

    fn held_by_others(&self, but: &[Assignment], held: impl Fn(&Part) -> u64) -> u64 {
        let parts = self.run.iter().flat_map(|run| &run.parts);
        parts.filter(|(part, _)| !but.contains(part)).map(|(_, part)| held(part)).sum()
    }

    /// Deals a row of arrivals; to nobody, if nobody is there.
    fn deal_row(&self, plan: &Plan, row: Row, to: &[Assignment]) -> Vec<(Assignment, Deal)> {
        let serving = plan.most_users(row.stage).map(|most| {
            let seats = to.iter().filter_map(|part| Some(&self.part(*part)?.plan.serving));
            let others = self.held_by_others(to, |part| part.plan.serving.holds());
            seats::shares(most, seats, others)
        });
        // Where nobody may serve them as yet, they are dealt as if all could: each is lost there, or
        // waits there, as the settings say.
        let weights = match &serving {
            Some(serving) if serving.iter().any(|users| *users > 0) => serving.clone(),
            _ => vec![1; to.len()],
        };
        let shares = Share::split(&weights);
        let most = |at: usize| serving.as_ref().map(|serving| serving[at]);
        let dealt = to.iter().zip(shares).enumerate();
        dealt
            .filter_map(|(at, (part, share))| {
                // Whoever has no share is told how many users it may have all the same.
                let share = share.or(serving.as_ref().map(|_| Share::NONE))?;
                Some((*part, Deal { row, share, most_users: most(at) }))
            })
            .collect()
    }

    fn whereabouts_of(&mut self, assignment: Assignment, users: IdSet) {
        let worker = self.part(assignment).map(|part| part.worker.clone());
        self.whereabouts.push((users, worker));
    }

    /// The run is over when the plan is, and nobody is left, or has had the time to leave.
    fn end_with_plan(&mut self, now: Duration, deadline: Duration) {
        let Some(run) = self.run.as_ref() else { return };
        if !run.plan.as_ref().is_some_and(|plan| plan.over) {
            return;
        }
        let mut parts = run.parts.values().filter(|part| part.is_begun() || part.is_lost());
        let done = parts.all(|part| part.is_begun() && part.plan.is_done());
        if done || now >= deadline.saturating_add(BEAT) {
            self.end_run(now, None);
        }
    }
}

/// How many arrivals a share of a row has.
fn count(plan: &Plan, row: Row, share: Share) -> u64 {
    plan.cells(row.stage).map_or(0, |cells| cells.arrivals(row.first, row.last, share))
}

/// How many ids a worker needs beside those it has: as many as it may use until it is heard again.
fn ids_for(part: &Part, told: &Told) -> u64 {
    if told.over {
        return 0;
    }
    let has = part.plan.told.reserved + part.plan.reserved_since;
    let soon = told.users + told.dealt.values().sum::<u64>() + part.plan.used;
    let wanted = IDS.max(4 * soon);
    if has < wanted / 2 { wanted } else { 0 }
}
