//! A worker's part in a load profile, in simulated time: the real desk, with users that take a while.

use std::sync::Arc;

use crowd_plan::{
    load::{
        desk::{Arrival, Desk, Fate},
        plan::Plan as LoadPlan,
    },
    run_settings::LoadSettings,
};

use super::super::*;
use crate::{
    cluster::protocol::run::{PlanBeat, PlanWords},
    controller::population::UserCounts,
};

/// What all nodes know of the profile.
#[derive(Debug, Clone)]
pub(super) struct Profiled {
    pub(super) settings: LoadSettings,
    pub(super) plan: Arc<LoadPlan>,
}

impl Profiled {
    pub(super) fn new(settings: LoadSettings) -> Self {
        let plan = Arc::new(LoadPlan::of(&settings).unwrap());
        Self { settings, plan }
    }

    pub(super) fn load(&self) -> plan::Load {
        plan::Load { plan: self.plan.clone(), graceful_stop: self.settings.graceful_stop }
    }
}

#[derive(Debug)]
pub(super) struct Planned {
    desk: Desk<()>,
    began: Duration,
    words: PlanWords,
    reserved: IdSet,
    /// When users that serve arrivals end.
    serving: Vec<Duration>,
    /// When users end that are kept running.
    pub(super) kept: Vec<Duration>,
    pub(super) users: UserCounts,
    random: u64,
}

impl Planned {
    pub(super) fn new(profiled: &Profiled, seed: u64) -> Self {
        Self {
            desk: Desk::new(profiled.plan.clone(), &profiled.settings),
            began: Duration::ZERO,
            words: PlanWords::default(),
            reserved: IdSet::default(),
            serving: Vec::new(),
            kept: Vec::new(),
            users: UserCounts::default(),
            random: seed | 1,
        }
    }

    pub(super) fn hear(&mut self, began: Duration, mut words: PlanWords) {
        self.began = began;
        words.reserve.ranges().for_each(|range| self.reserved.insert(range));
        std::mem::take(&mut words.deals).into_iter().for_each(|deal| self.desk.deal(deal));
        self.words = words;
    }

    fn lifetime(&mut self) -> Duration {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        Duration::from_millis(self.random % 1_500)
    }

    fn begin(&mut self, now: Duration) -> Duration {
        assert_eq!(self.reserved.take_lowest(1).len(), 1, "there is an id for everybody");
        self.users.asked += 1;
        self.users.started += 1;
        now + self.lifetime()
    }

    /// What happens until then; answers the arrivals that were begun.
    pub(super) fn advance(&mut self, now: Duration) -> Vec<Arrival> {
        let mut begun = Vec::new();
        let over = |end: &Duration| *end <= now;
        let gone = self.serving.extract_if(.., |end| over(end)).count() as u64;
        let left = self.kept.extract_if(.., |end| over(end)).count() as u64;
        self.users.finished += gone + left;
        begun.extend(self.desk.ended(gone));
        let elapsed = now.saturating_sub(self.began);
        while let Some(arrival) = self.desk.due(elapsed) {
            if self.desk.seat(arrival) == Fate::NewUser {
                begun.push(arrival);
            }
        }
        for _ in &begun {
            let end = self.begin(now);
            self.serving.push(end);
        }
        while (self.kept.len() as u64) < self.words.users {
            let end = self.begin(now);
            self.kept.push(end);
        }
        begun
    }

    pub(super) fn running(&self) -> u64 {
        (self.serving.len() + self.kept.len()) as u64
    }

    /// Everybody is told to stop, and does.
    pub(super) fn stop(&mut self) {
        self.users.removed += self.running();
        self.serving.clear();
        self.kept.clear();
        self.desk.close();
        self.words.users = 0;
    }

    pub(super) fn beat(&mut self) -> PlanBeat {
        PlanBeat {
            heard: self.words.message,
            kept: self.kept.len() as u64,
            serving: self.desk.serving(),
            coming: 0,
            reserved: self.reserved.len(),
            tallies: self.desk.tallies().clone(),
        }
    }
}
