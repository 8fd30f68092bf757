//! Pure: members that come and go, workers that are lost, and what becomes of their users.

use std::{
    collections::{BTreeSet, VecDeque},
    time::Duration,
};

use crowd_core::refusal::{Code, Refusal};

use super::{Command, Core};
use crate::{
    cluster::{
        lease::{self, BEAT, LEASE, MARGIN, SILENCE},
        member::MemberId,
        protocol::run::Assignment,
        run::{Change, Fate, Part, Stage, Standing},
    },
    settings::OnNodeLoss,
};

/// How many members that are away are remembered; more than any cluster has.
const MOST_AWAY: usize = 10_000;

/// A member that is away for so long when a run is forgotten is not counted in the next one.
const GONE: Duration = Duration::from_secs(600);

/// Who has taken its leave counts as away for so long: until then another member that has not heard
/// it may still count it among those that it reaches.
const LEAVE: Duration = SILENCE.saturating_mul(2);

/// A member that is away.
#[derive(Debug, Clone, Copy)]
pub(super) struct Away {
    since: Duration,
    /// It took its leave: nobody acts there, and its process ends.
    left: bool,
}

/// What a worker was told when its beats were answered.
#[derive(Debug, Default)]
pub(super) struct Heard {
    /// When its last beat was answered.
    pub(super) at: Duration,
    /// When so many were last not heard, it among them, that they could agree that the master is
    /// dead.
    doubted: Option<Duration>,
    /// How many members it was told of, and since when.
    members: VecDeque<(Duration, u64)>,
}

impl Heard {
    /// What it was told last it may not have heard; the fewer members it believes in, the sooner it
    /// believes the master dead.
    fn fewest_members(&self) -> u64 {
        self.members.iter().map(|(_, members)| *members).min().unwrap_or(1)
    }
}

impl Core {
    /// A member can be reached. Whether it takes part is known only when it has said whom it knows
    /// as master: see [`Core::free`].
    pub(crate) fn up(&mut self, now: Duration, member: &MemberId) {
        self.note_doubts(now);
        self.members.insert(member.clone());
        self.away.remove(&member.name);
        self.tried.remove(member);
        self.expect_back(now, member);
        self.tidy(now);
    }

    /// That member knows no other master than this node, or does.
    pub(crate) fn free(&mut self, now: Duration, member: &MemberId, free: bool) {
        let changed = match free && self.members.contains(member) {
            true => self.free.insert(member.clone()),
            false => self.free.remove(member),
        };
        if changed {
            self.tidy(now);
        }
    }

    /// A member cannot be reached any more.
    pub(crate) fn down(&mut self, now: Duration, member: &MemberId, why: &str) {
        self.note_doubts(now);
        self.members.remove(member);
        self.free.remove(member);
        if self.away.len() < MOST_AWAY {
            let away = Away { since: now, left: false };
            self.away.entry(member.name.clone()).or_insert(away);
        }
        self.part_with(now, member, why);
        self.go_on_starting(now);
        self.tidy(now);
    }

    /// A member takes its leave: nobody acts there any more. [`Core::down`] follows.
    pub(crate) fn left(&mut self, now: Duration, member: &MemberId) {
        for (assignment, _) in self.workers(|part| part.is_begun() && part.worker == *member) {
            if self.part(assignment).is_some_and(|part| part.load() == 0) {
                self.apply(Change::Left { assignment });
                self.say_gone(member);
            }
        }
        self.part_with(now, member, "it left");
        self.settle_all_of(now, member);
        self.away.insert(member.name.clone(), Away { since: now, left: true });
        self.tidy(now);
    }

    /// The parts of a member that is gone are over, or lost.
    fn part_with(&mut self, now: Duration, member: &MemberId, why: &str) {
        for (assignment, _) in self.workers(|part| part.stands() && part.worker == *member) {
            let Some(part) = self.part(assignment) else { continue };
            let drained = self.run.as_ref().is_some_and(|run| run.drained.contains(member));
            if part.standing == Standing::Beginning {
                self.part_failed(assignment, Code::Unavailable, format!("it is gone: {why}"));
            } else if part.load() == 0 && (drained || part.standing == Standing::Leaving) {
                self.apply(Change::Left { assignment });
                self.say_gone(member);
            } else {
                self.lose(now, assignment, why);
            }
        }
    }

    /// A worker's part is over, but its users may live until its lease is over.
    pub(super) fn lose(&mut self, now: Duration, assignment: Assignment, why: &str) {
        let Some(part) = self.part(assignment).filter(|part| part.stands()) else { return };
        let worker = part.worker.clone();
        self.whereabouts.push((part.ids(), None));
        let at = now.saturating_sub(self.began);
        self.apply(Change::Lost { assignment, at, reason: why.to_owned() });
        // Nothing is placed while the run begins, but it cannot begin without that worker.
        self.give_up(Refusal::new(Code::Unavailable, format!("node `{worker}` was lost: {why}")));
        if self.policy.on_node_loss == OnNodeLoss::Stop && self.stage() == Some(Stage::Running) {
            self.end_run(now, Some(format!("node `{worker}` was lost: {why}")));
        }
    }

    /// How many members the cluster has, the master among them, and those that are away: a worker
    /// that counts whom it reaches counts those too that were lost before it.
    fn cluster_size(&self) -> u64 {
        (1 + self.members.len() + self.away.len()) as u64
    }

    /// A worker's lease holds from now on; answers how many members it is told of.
    pub(super) fn renew(&mut self, now: Duration, assignment: Assignment) -> u64 {
        let members = self.cluster_size();
        let remembered = self.policy.master_timeout + 2 * LEASE;
        let heard = self.heard.entry(assignment).or_default();
        heard.at = now;
        if heard.members.back().is_none_or(|(_, told)| *told != members) {
            heard.members.push_back((now, members));
        }
        while heard.members.get(1).is_some_and(|(since, _)| *since + remembered < now) {
            heard.members.pop_front();
        }
        members
    }

    /// How many members may be without the master, together with a worker that was answered last at
    /// `heard`. Who took its leave so early that the worker cannot count it any more when its lease
    /// is over is none of them.
    fn without_me(&self, now: Duration, heard: Duration) -> u64 {
        let counts = |away: &Away| !away.left || away.since + SILENCE + MARGIN > heard + LEASE;
        let away = self.away.iter().filter(|(_, away)| counts(away));
        let mut away: BTreeSet<&str> = away.map(|(name, _)| &**name).collect();
        for (other, part) in self.run.iter().flat_map(|run| &run.parts) {
            // Who has not been heard of for this long may be cut off as well, together with the
            // lost one, and nobody has noticed yet.
            if self.is_suspect(now, *other, part) || part.is_lost() {
                away.insert(&part.worker.name);
            }
        }
        away.remove(&*self.policy.me.name);
        away.len() as u64
    }

    fn is_suspect(&self, now: Duration, assignment: Assignment, part: &Part) -> bool {
        part.is_begun() && self.quiet(now, assignment) > BEAT + MARGIN
    }

    /// Notes who may have come to believe that the master is dead; to be asked before anybody is
    /// heard, comes or goes, and with time.
    pub(super) fn note_doubts(&mut self, now: Duration) {
        let parts = self.run.iter().flat_map(|run| &run.parts);
        let quiet: Vec<_> = parts
            .filter(|(other, part)| part.is_lost() || self.is_suspect(now, **other, part))
            .map(|(assignment, _)| *assignment)
            .collect();
        for assignment in quiet {
            let Some(heard) = self.heard.get(&assignment) else { continue };
            let may = self.without_me(now, heard.at) >= lease::majority(heard.fewest_members());
            if let Some(heard) = self.heard.get_mut(&assignment).filter(|_| may) {
                heard.doubted = Some(now);
            }
        }
    }

    /// When the users of a lost worker are dead for certain.
    fn dead_at(&self, now: Duration, assignment: Assignment) -> Option<Duration> {
        let heard = self.heard.get(&assignment)?;
        let (members, lost) = (heard.fewest_members(), self.without_me(now, heard.at));
        let dead = heard.at + lease::replace_after(members, lost, self.policy.master_timeout);
        let doubted = heard.doubted.filter(|_| lost < lease::majority(members));
        Some(doubted.map_or(dead, |doubted| dead.max(doubted + lease::replace_after_doubt())))
    }

    /// Members that are away for long are not waited for in another run.
    pub(super) fn forget_the_gone(&mut self, now: Duration) {
        self.away.retain(|_, away| now.saturating_sub(away.since) < GONE);
    }

    fn forget_the_leavers(&mut self, now: Duration) {
        self.away.retain(|_, away| !away.left || now.saturating_sub(away.since) < LEAVE);
    }

    /// A worker that is back has begun anew, and killed whatever it had before.
    pub(super) fn settle_all_of(&mut self, now: Duration, worker: &MemberId) {
        for (assignment, _) in self.workers(|part| part.is_lost() && part.worker == *worker) {
            self.settle(now, assignment);
        }
    }

    /// Tells the companions that nobody lives on a worker any more. One that takes part again was
    /// told of as joined meanwhile: what it has now is not gone.
    pub(super) fn say_gone(&mut self, worker: &MemberId) {
        if self
            .workers(|part| part.worker == *worker && (part.stands() || part.is_lost()))
            .is_empty()
        {
            self.command(Command::Gone(worker.clone()));
        }
    }

    /// A lost worker's users are dead for certain.
    pub(super) fn settle(&mut self, now: Duration, assignment: Assignment) {
        let Some(part) = self.part(assignment).filter(|part| part.is_lost()) else { return };
        let (worker, users) = (part.worker.clone(), part.load());
        let mut placed = part.placed.clone();
        let stopping = self.stage() != Some(Stage::Running);
        let fate = match (self.policy.on_node_loss, stopping) {
            (OnNodeLoss::Replace, false) => Fate::Again,
            (OnNodeLoss::Replace, true) => Fate::Removed,
            (OnNodeLoss::Ignore | OnNodeLoss::Stop, _) => Fate::Failed,
        };
        let chosen = placed.take_highest(self.on_their_way_out(assignment));
        let removed = chosen.len();
        self.apply(Change::Settled { assignment, fate });
        if fate == Fate::Again && removed > 0 {
            // Whom `remove` chose is not started again; which ones they were died with the worker.
            self.apply(Change::Cancelled { users: chosen });
        }
        self.say_gone(&worker);
        if fate == Fate::Again && users > 0 {
            let users = users.saturating_sub(removed);
            let reason = "it is lost".to_owned();
            self.command(Command::Moved { from: worker, users, reason });
        }
        self.go_on_starting(now);
    }

    /// Time passes.
    pub(crate) fn tick(&mut self, now: Duration) {
        self.note_doubts(now);
        self.forget_the_leavers(now);
        self.tick_expected(now);
        for (assignment, _) in self.workers(Part::is_lost) {
            if self.dead_at(now, assignment).is_none_or(|dead| now >= dead) {
                self.settle(now, assignment);
            }
        }
        self.tick_users(now);
        self.tick_plan(now);
        self.tick_finish(now);
        self.tick_end(now);
        self.go_on_starting(now);
        self.tidy(now);
    }

    /// A run whose workers have all broken has failed.
    pub(super) fn fail_with_all_workers(&mut self, now: Duration) {
        let Some(run) = self.run.as_ref().filter(|run| run.stage == Stage::Running) else {
            return;
        };
        let mut failed = run.parts.values().filter_map(|part| match &part.standing {
            Standing::Failed(reason) => Some(format!("node `{}`: {reason}", part.worker)),
            _ => None,
        });
        let going = run.parts.values().any(|part| part.stands() || part.is_lost());
        // Of several reasons the first is the cause, more often than not.
        if !going && let Some(reason) = failed.next() {
            self.end_run(now, Some(reason));
        }
    }
}
