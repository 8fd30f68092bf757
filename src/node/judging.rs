//! The thresholds of a run, judged where its result is put together: on a lone node, or on the
//! master. Costs nothing for a run without thresholds.

use std::{sync::Weak, time::Duration};

use crowd_core::{aside::aside, settings::SettingValue};
use crowd_plan::{
    profile::Profile,
    run_settings::{PROFILE, THRESHOLDS},
    threshold::{Interval, Judge, Judged, Standing, Thresholds},
};
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::{
    Account, Node,
    account::{activity, run_id},
    cluster::{ClusterNode, Parts},
};
use crate::{
    cluster::master::view::ClusterAccount,
    controller::{machine::RunState, population::UserCounts, run::is_over},
};

/// How often intervals that the nodes of a cluster have measured are judged.
const INTERVAL: Duration = Duration::from_secs(1);

/// The judge of the run that was looked at last.
#[derive(Debug, Default)]
pub(super) struct Judging {
    run: String,
    judge: Option<Judge>,
    /// Why a threshold ended the run.
    aborted: Option<String>,
    /// Everything was taken in.
    closed: bool,
}

/// Settings of a run as texts.
type Texts = [(String, Option<String>)];

/// How the thresholds of a run stand, and why one ended it.
#[derive(Debug, Default)]
pub(super) struct Standings {
    pub(super) thresholds: Vec<Judged>,
    pub(super) aborted: Option<String>,
}

impl Judging {
    /// The judge of that run, made when it is first asked for; `None` if it has no thresholds.
    fn of(&mut self, run: &str, settings: &Texts) -> Option<&mut Self> {
        if self.run != run {
            let thresholds = read::<Thresholds>(settings, THRESHOLDS);
            let judge = thresholds.map(|all| Judge::new(&all, read::<Profile>(settings, PROFILE)));
            *self = Self { run: run.to_owned(), judge, ..Self::default() };
        }
        self.judge.is_some().then_some(self)
    }

    /// Takes an interval in; whether a threshold ends the run now.
    fn observe(&mut self, interval: &Interval<'_>) -> bool {
        let reason = self.judge.as_mut().and_then(|judge| judge.observe(interval));
        if let Some(reason) = &reason {
            tracing::warn!("the run ends early: {reason}");
        }
        let aborts = reason.is_some();
        self.aborted = self.aborted.take().or(reason);
        aborts
    }

    /// The load profile began then, since the run did.
    fn begin_profile(&mut self, began: Option<Duration>) {
        if let (Some(judge), Some(began)) = (&mut self.judge, began) {
            judge.begin_profile(began);
        }
    }

    fn standings(&self) -> Standings {
        let thresholds = self.judge.as_ref().map_or_else(Vec::new, Judge::judged);
        Standings { thresholds, aborted: self.aborted.clone() }
    }

    /// The thresholds that do not hold as things are, a sentence each.
    pub(super) fn failing(&self) -> Vec<String> {
        let failing = self.judge.as_ref().map_or_else(Vec::new, Judge::failing);
        failing
            .into_iter()
            .map(|Judged { expression, text, .. }| format!("{expression}: {text}"))
            .collect()
    }
}

/// A setting that was checked when the run began.
fn read<T: SettingValue>(settings: &Texts, name: &str) -> Option<T> {
    let (_, text) = settings.iter().find(|(key, _)| key == name)?;
    T::parse(text.as_ref()?).ok()
}

fn standing(users: &UserCounts) -> Standing {
    let UserCounts { running, peak, failed, .. } = *users;
    Standing { running, peak, failed, ..Standing::default() }
}

/// Ends an interval of a run on this node alone; whether a threshold ends the run now.
pub(super) fn tick(node: &Node, account: &Account, now: Instant) -> bool {
    let mut judging = node.judging();
    match judging.of(&run_id(node, account), &account.settings) {
        // The run has ended since it was looked at.
        Some(judging) if judging.closed => false,
        Some(judging) => take_in(judging, account, now),
        None => {
            drop(judging);
            account.measure.tick(now, activity(account));
            false
        }
    }
}

fn take_in(judging: &mut Judging, account: &Account, now: Instant) -> bool {
    judging.begin_profile(account.profile_began);
    let measured = account.measure.take_unsent(now, activity(account));
    judging.observe(&Interval {
        until: measured.until,
        measured: &measured.window,
        standing: standing(&account.users).with(account.arrivals.total().into()),
        on: account.state == RunState::Running,
    })
}

/// How the thresholds of a run on this node alone stand; once it is over, that is final.
pub(super) fn standings(node: &Node, account: &Account) -> Standings {
    let mut judging = node.judging();
    let Some(judging) = judging.of(&run_id(node, account), &account.settings) else {
        return Standings::default();
    };
    if is_over(account.state) && !judging.closed {
        judging.closed = true;
        take_in(judging, account, account.began + account.elapsed);
    }
    judging.standings()
}

/// Judges the runs that this node commands, once a second, for as long as it is polled.
pub(super) async fn keep_judging(parts: Weak<Parts>) {
    let mut ticks = interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Some(parts) = parts.upgrade() else { return };
        let node = ClusterNode { parts };
        if !node.is_master() || is_over(node.master().state()) {
            continue;
        }
        let Some(account) = node.master().account().await else { continue };
        let master = node.clone();
        // It adds up what was measured of every action.
        let aborts = aside(move || judge_cluster(&master, &account)).await;
        if aborts == Some(true) {
            // Refused only if the run ends already.
            let _ = node.master().stop().await;
        }
    }
}

/// Judges what all nodes have measured since; whether a threshold ends the run now.
fn judge_cluster(node: &ClusterNode, account: &ClusterAccount) -> bool {
    let mut judging = node.node().judging();
    judging
        .of(&account.id, &account.settings)
        .is_some_and(|judging| take_closed(judging, node, account))
}

fn take_closed(judging: &mut Judging, node: &ClusterNode, account: &ClusterAccount) -> bool {
    judging.begin_profile(account.profile_began);
    let mut aborts = false;
    for closed in node.measured().take_closed() {
        let standing = Standing { running: closed.running, ..standing(&account.users) };
        let standing = standing.with(account.arrivals.total().into());
        aborts |= judging.observe(&Interval {
            until: closed.until,
            measured: &closed.window,
            standing,
            on: account.state == RunState::Running,
        });
    }
    aborts
}

/// How the thresholds of a run over the cluster stand; once it is over, that is final.
pub(super) fn standings_of_cluster(node: &ClusterNode, account: &ClusterAccount) -> Standings {
    let mut judging = node.node().judging();
    let Some(judging) = judging.of(&account.id, &account.settings) else {
        return Standings::default();
    };
    take_closed(judging, node, account);
    judging.standings()
}
