//! Pure: which run of which master this node takes part in, and until when its users may act.

use std::time::Duration;

use crowd_core::refusal::{Code, Refusal};

use crate::cluster::{
    lease::{self, CLEAN_END, Hold, LEASE, MARGIN, Sight},
    member::MemberId,
    protocol::run::Assignment,
};

/// How long before its end a lease is looked at. If it will be good to keep the users, that must
/// be said before they are killed at the end of the lease.
const AHEAD: Duration = Duration::from_millis(300);

/// A node's part in a run: of that master, under that number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) master: MemberId,
    pub(super) assignment: Assignment,
}

/// Where a node's part stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// What was before is being cleared away; its users may still be there.
    Clearing,
    /// Users run under the lease.
    Active,
    /// The lease is over, and users run because the master seems dead.
    Orphaned,
    /// Cut off from the master: all users were killed.
    CutOff,
    /// The master was away for too long: users end cleanly, and this node with them.
    GivingUp,
    /// The master is away, and users end cleanly: an operator has said so, or it was away for too
    /// long and is there in another life, so that this node may take part in its next run.
    Stopped,
}

/// Until when users may act.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Deadline {
    /// No end is known: the master is this node itself, or there are no users.
    Never,
    /// Not now.
    Now,
    /// Until then.
    At(Duration),
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Command {
    /// Set the fence.
    Fence(Deadline),
    /// Kill all users now; the run ends as failed.
    Kill { reason: String },
    /// Tell all users to stop; the run ends as failed.
    End { reason: String },
    /// Tell the operators what becomes of the users without the master.
    Tell { reason: String },
}

/// What comes of a `Begin`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Begin {
    /// Begin; clear away what was before, if there was something.
    New { clear: bool },
    /// It has begun already.
    Again,
    /// No.
    Refused(Refusal),
}

/// What a node sees of the others when the master is silent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seen {
    /// Whether it is linked to the master.
    pub(super) linked: bool,
    /// How many members it reaches, itself among them, the master not.
    pub(super) reached: u64,
    /// Whether one of those reaches the master.
    pub(super) master_is_seen: bool,
    /// How long it has looked at all this without a pause.
    pub(super) awake: Duration,
    /// Whether a node of the master's name is there that is not the master: it was started again.
    pub(super) reborn: bool,
}

/// A look that comes so much later than the one before tells that this process was frozen, or as
/// good as that.
const PAUSE: Duration = Duration::from_secs(1);

/// Since when this process looks around without a pause.
#[derive(Debug, Default)]
pub(super) struct Awake {
    since: Duration,
    last: Duration,
}

impl Awake {
    /// It looks now; for how long it has done so without a pause.
    pub(super) fn look(&mut self, now: Duration) -> Duration {
        if now.saturating_sub(self.last) > PAUSE {
            self.since = now;
        }
        self.last = now;
        now.saturating_sub(self.since)
    }
}

#[derive(Debug)]
struct Part {
    key: Key,
    stage: Stage,
    /// When the beat was sent that was answered last; until there is one, when the part began.
    renewed: Duration,
    /// How many members there are; `None` before the first answer.
    members: Option<u64>,
    /// Since when every beat has said that no user is left here.
    empty: Option<Duration>,
    /// It has believed the master dead, and has not heard of it since.
    orphaned: bool,
    /// Since when it sees a link to the master.
    linked: Option<Duration>,
    /// The operators were told that the master was started again.
    reborn: bool,
}

/// All that is decided here. Times are on this node's clock.
#[derive(Debug)]
pub(super) struct Core {
    me: MemberId,
    master_timeout: Duration,
    part: Option<Part>,
    /// The part that was forgotten last.
    forgotten: Option<Key>,
    leaving: bool,
    left: bool,
}

impl Core {
    pub(super) fn new(me: MemberId, master_timeout: Duration) -> Self {
        Self { me, master_timeout, part: None, forgotten: None, leaving: false, left: false }
    }

    /// The part in a run.
    pub(super) fn key(&self) -> Option<&Key> {
        self.part.as_ref().map(|part| &part.key)
    }

    /// Where it stands.
    pub(super) fn stage(&self) -> Option<Stage> {
        self.part.as_ref().map(|part| part.stage)
    }

    /// Whether that is the part.
    pub(super) fn is_current(&self, key: &Key) -> bool {
        self.key() == Some(key)
    }

    /// Whether that was the part, and is forgotten.
    pub(super) fn is_forgotten(&self, key: &Key) -> bool {
        self.forgotten.as_ref() == Some(key)
    }

    /// The master whose word counts here.
    pub(super) fn following(&self) -> Option<&MemberId> {
        let part = self.part.as_ref()?;
        part.in_charge().then_some(&part.key.master)
    }

    /// Whether users act here, if any do: under the lease, or because the master seems dead.
    pub(super) fn holds(&self) -> bool {
        matches!(self.stage(), Some(Stage::Active | Stage::Orphaned))
    }

    /// Whether users here are dead, or may not act any more, and the master has no part in it.
    /// `over`: the run is over here.
    pub(super) fn is_cut_off(&self, over: bool) -> bool {
        match self.stage() {
            Some(Stage::CutOff) => true,
            Some(Stage::Stopped) => over,
            _ => false,
        }
    }

    /// Whether this node is leaving.
    pub(super) fn is_leaving(&self) -> bool {
        self.leaving
    }

    /// Whether this node has left: nobody depends on it any more.
    pub(super) fn has_left(&self) -> bool {
        self.left
    }

    /// A master wants this node to take part. `over`: no run goes on here.
    pub(super) fn begin(&mut self, key: Key, over: bool, now: Duration) -> (Begin, Vec<Command>) {
        let refuse = |code, message: String| {
            let refusal = Refusal::new(code, message);
            (Begin::Refused(refusal), Vec::new())
        };
        let me = &self.me;
        let stale = |old: &Key| old.master == key.master && old.assignment >= key.assignment;
        match &self.part {
            Some(part) if part.key == key => return (Begin::Again, Vec::new()),
            Some(part) if part.key.master != key.master && part.holds_on(over) => {
                let message = format!("node `{me}` follows the master `{}`", part.key.master);
                return refuse(Code::MasterIsAlreadySet, message);
            }
            _ => {}
        }
        if self.key().is_some_and(stale) || self.forgotten.as_ref().is_some_and(stale) {
            return refuse(Code::InvalidStatus, format!("node `{me}` has taken part in that run"));
        }
        if self.leaving {
            return refuse(Code::Unavailable, format!("node `{me}` is leaving"));
        }
        let clear = self.part.is_some();
        self.part = Some(Part {
            key,
            stage: Stage::Clearing,
            renewed: now,
            members: None,
            empty: None,
            orphaned: false,
            linked: None,
            reborn: false,
        });
        (Begin::New { clear }, vec![Command::Fence(Deadline::Now)])
    }

    /// What was before is gone.
    pub(super) fn cleared(&mut self, key: &Key) -> Vec<Command> {
        let me = self.me.clone();
        let Some(part) = self.part_of(key).filter(|part| part.stage == Stage::Clearing) else {
            return Vec::new();
        };
        part.stage = Stage::Active;
        vec![Command::Fence(part.lease(&me))]
    }

    /// It has not begun after all. `idle`: and there is nothing left of it.
    pub(super) fn refused(&mut self, key: &Key, idle: bool) -> Vec<Command> {
        match self.part_of(key) {
            Some(part) if part.stage == Stage::Clearing => part.stage = Stage::CutOff,
            Some(_) if idle => return self.forget(key),
            _ => {}
        }
        Vec::new()
    }

    /// The run is forgotten.
    pub(super) fn forget(&mut self, key: &Key) -> Vec<Command> {
        if !self.is_current(key) {
            return Vec::new();
        }
        self.forgotten = self.part.take().map(|part| part.key);
        self.left = self.leaving;
        vec![Command::Fence(Deadline::Never)]
    }

    /// The master has answered a beat.
    pub(super) fn renewed(
        &mut self,
        key: &Key,
        sent: Duration,
        members: u64,
        now: Duration,
    ) -> Vec<Command> {
        let (me, leaving) = (self.me.clone(), self.leaving);
        let Some(part) = self.part_of(key) else { return Vec::new() };
        // No beat of this part was sent before it began, or is yet to be sent.
        if !part.in_charge() || sent < part.renewed || now < sent {
            return Vec::new();
        }
        part.renewed = sent;
        part.members = Some(members);
        part.orphaned = false;
        // It has heard that this node leaves, and that nobody is left here; whatever it had sent
        // before it heard is here by now.
        let left = leaving && part.empty.is_some_and(|empty| empty <= sent);
        let mut commands = Vec::new();
        let holds = now < part.renewed + LEASE;
        match part.stage {
            Stage::Active => commands.push(Command::Fence(part.lease(&me))),
            Stage::Orphaned if holds => {
                part.stage = Stage::Active;
                commands.push(Command::Fence(part.lease(&me)));
                let reason = "it is there again, and this node goes on under it".to_owned();
                commands.push(Command::Tell { reason });
            }
            _ => {}
        }
        self.left |= left;
        commands
    }

    /// To be asked every 100 ms.
    pub(super) fn tick(&mut self, now: Duration, seen: &Seen) -> Vec<Command> {
        let (me, master_timeout) = (self.me.clone(), self.master_timeout);
        let Some(part) = &mut self.part else { return Vec::new() };
        let since_renewed = now.saturating_sub(part.renewed);
        // The others have given up just before this node would have, so that it is none of a
        // majority any more: what they believed together is as true as before.
        let alone = !seen.reborn && !seen.linked;
        let gives_up = part.stage == Stage::CutOff && part.orphaned && alone;
        if gives_up && since_renewed >= master_timeout {
            part.stage = Stage::GivingUp;
            let gone = humantime::format_duration(master_timeout);
            return vec![Command::Tell {
                reason: format!("it has been gone for {gone}; this node ends itself"),
            }];
        }
        if part.key.master == me || !matches!(part.stage, Stage::Active | Stage::Orphaned) {
            return Vec::new();
        }
        part.linked = if seen.linked { part.linked.or(Some(now)) } else { None };
        let linked = part.linked.map(|since| now.saturating_sub(since));
        let mut commands = Vec::new();
        if seen.reborn && !std::mem::replace(&mut part.reborn, seen.reborn) {
            let limit = humantime::format_duration(master_timeout);
            let reason = format!(
                "it was started again and knows nothing of the run here: `stop` ends it on all \
                 nodes, `do` ends it and begins anew; without a word it ends when the master has \
                 been gone for {limit}"
            );
            commands.push(Command::Tell { reason });
        }
        match part.hold(since_renewed, linked, seen, master_timeout) {
            Hold::Keep => {
                let soon = part.hold(since_renewed + AHEAD, linked, seen, master_timeout);
                let deadline = match part.lease(&me) {
                    Deadline::At(end) if matches!(soon, Hold::Orphaned | Hold::GiveUp) => {
                        Deadline::At(end.max(now + MARGIN))
                    }
                    lease => lease,
                };
                commands.push(Command::Fence(deadline));
            }
            // There is nobody to hand users over to, and nothing to wait for.
            Hold::Orphaned | Hold::GiveUp if self.leaving => {
                commands.extend(part.cut_off("this node ends while its master is away"));
                self.left = true;
            }
            Hold::Orphaned => {
                commands.push(Command::Fence(Deadline::At(now + MARGIN)));
                part.orphaned = true;
                if part.stage != Stage::Orphaned {
                    part.stage = Stage::Orphaned;
                    let limit = humantime::format_duration(master_timeout);
                    let reason = format!(
                        "it seems dead; users here go on without it, until it has been gone for {limit}"
                    );
                    commands.push(Command::Tell { reason });
                }
            }
            Hold::Fence => {
                commands.extend(part.cut_off("cut off from the master"));
                self.left |= self.leaving;
                let reason = "this node is cut off from it; all users here were killed".to_owned();
                commands.push(Command::Tell { reason });
            }
            Hold::GiveUp if seen.reborn => {
                commands.extend(part.stop(now, master_timeout, "the master was started again"));
            }
            Hold::GiveUp => {
                part.stage = Stage::GivingUp;
                let end = part.renewed + master_timeout.max(LEASE) + CLEAN_END;
                let gone = humantime::format_duration(master_timeout);
                commands.push(Command::Fence(Deadline::At(end)));
                commands.push(Command::End { reason: format!("the master was gone for {gone}") });
                let reason =
                    format!("it has been gone for {gone}; this node ends its users and itself");
                commands.push(Command::Tell { reason });
            }
        }
        commands
    }

    /// This node leaves. Answers with the part whose master is to be told. Users that end because the
    /// master is away are not waited for: see [`Core::quit`].
    pub(super) fn leave(&mut self) -> Option<Key> {
        self.leaving = true;
        let me = &self.me;
        let part = self.part.as_mut().filter(|part| part.key.master != *me && part.in_charge());
        self.left |= part.is_none();
        let part = part?;
        // What was said before the master hears of it counts no more.
        part.empty = None;
        Some(part.key.clone())
    }

    /// An operator ends what goes on here while the master is away. Answers whether something did.
    pub(super) fn abandon(&mut self, now: Duration) -> Option<Vec<Command>> {
        let master_timeout = self.master_timeout;
        let part = self.part.as_mut().filter(|part| part.key.master != self.me)?;
        let goes_on = matches!(part.stage, Stage::Active | Stage::Orphaned);
        let why = "stopped while its master was away";
        goes_on.then(|| part.stop(now, master_timeout, why).into())
    }

    /// This node ends now, whoever is left here.
    pub(super) fn quit(&mut self) -> Vec<Command> {
        self.left = true;
        let me = &self.me;
        let acts = |part: &&mut Part| part.key.master != *me && part.stage != Stage::CutOff;
        let part = self.part.as_mut().filter(acts);
        part.map(|part| part.cut_off("its node ended").into()).unwrap_or_default()
    }

    /// A beat was sent. `empty`: it has said that no user is left here, and who was given back.
    pub(super) fn beat(&mut self, sent: Duration, empty: bool) {
        if let Some(part) = &mut self.part {
            part.empty = if empty { part.empty.or(Some(sent)) } else { None };
        }
    }

    /// Users were placed here.
    pub(super) fn placed(&mut self) {
        if let Some(part) = &mut self.part {
            part.empty = None;
        }
    }

    fn part_of(&mut self, key: &Key) -> Option<&mut Part> {
        self.part.as_mut().filter(|part| part.key == *key)
    }
}

impl Part {
    /// Whether another master has to wait.
    fn holds_on(&self, over: bool) -> bool {
        match self.stage {
            Stage::Clearing => true,
            Stage::Active => !over,
            Stage::Orphaned | Stage::CutOff | Stage::GivingUp | Stage::Stopped => false,
        }
    }

    fn in_charge(&self) -> bool {
        !matches!(self.stage, Stage::CutOff | Stage::GivingUp | Stage::Stopped)
    }

    /// No user acts here any more.
    fn cut_off(&mut self, reason: &str) -> [Command; 2] {
        self.stage = Stage::CutOff;
        [Command::Fence(Deadline::Now), Command::Kill { reason: reason.to_owned() }]
    }

    /// Users end cleanly, within the time that they may act anyway.
    fn stop(&mut self, now: Duration, master_timeout: Duration, reason: &str) -> [Command; 2] {
        let most = match self.stage {
            Stage::Orphaned => self.renewed + master_timeout.max(LEASE) + CLEAN_END,
            _ => self.renewed + LEASE,
        };
        self.stage = Stage::Stopped;
        let end = Deadline::At(most.min(now + CLEAN_END));
        [Command::Fence(end), Command::End { reason: reason.to_owned() }]
    }

    /// Until when the lease lets users act: not at all before the master has answered a beat.
    fn lease(&self, me: &MemberId) -> Deadline {
        if self.key.master == *me {
            return Deadline::Never;
        }
        match self.members {
            Some(_) => Deadline::At(self.renewed + LEASE),
            None => Deadline::Now,
        }
    }

    fn hold(
        &self,
        since_renewed: Duration,
        linked: Option<Duration>,
        seen: &Seen,
        master_timeout: Duration,
    ) -> Hold {
        let Some(members) = self.members else {
            // Nobody has ever acted here: there is nothing to keep.
            return if since_renewed < LEASE { Hold::Keep } else { Hold::Fence };
        };
        lease::hold(&Sight {
            since_renewed,
            members,
            reached: seen.reached,
            master_is_seen: seen.master_is_seen,
            linked,
            orphaned: self.stage == Stage::Orphaned,
            awake: seen.awake,
            master_timeout,
        })
    }
}

#[cfg(test)]
mod tests;
