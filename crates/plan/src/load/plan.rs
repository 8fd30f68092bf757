//! Pure: a profile as it is run.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::cells::Cells;
use crate::{
    load::settings::LoadSettings,
    profile::{Load, Position, Profile},
};

/// A profile with the arrivals of its stages.
#[derive(Debug, Clone)]
pub struct Plan {
    profile: Profile,
    starts: Vec<Duration>,
    cells: Vec<Option<Cells>>,
    duration: Duration,
}

/// A row of cells of one stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// The stage, from 0.
    pub stage: usize,
    /// Its first cell.
    pub first: u64,
    /// Its last cell.
    pub last: u64,
}

/// Up to where the arrivals of a plan are dealt.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dealt {
    stage: usize,
    cell: u64,
}

impl Plan {
    /// The plan of a run; `None` if it has none.
    pub fn of(settings: &LoadSettings) -> Option<Self> {
        let profile = settings.profile.clone()?;
        let cells = Cells::of(&profile, settings.spacing, settings.seed);
        let starts = (0..profile.stages().len()).map(|stage| profile.start_of(stage)).collect();
        let duration = profile.duration();
        Some(Self { profile, starts, cells, duration })
    }

    /// The profile.
    pub fn profile(&self) -> &Profile {
        &self.profile
    }

    /// When a stage begins.
    pub fn start_of(&self, stage: usize) -> Duration {
        self.starts.get(stage).copied().unwrap_or(self.duration)
    }

    /// The arrivals of a stage; `None` if it is not one of a rate.
    pub fn cells(&self, stage: usize) -> Option<&Cells> {
        self.cells.get(stage)?.as_ref()
    }

    /// How many users may serve the arrivals of a stage at once; `None`: as many as it takes.
    pub fn most_users(&self, stage: usize) -> Option<u64> {
        match self.profile.stages().get(stage)?.load {
            Load::Rate { most_users, .. } if most_users > 0 => Some(most_users),
            _ => None,
        }
    }

    /// How many users that come and go by themselves there are to be. None, in a stage of a rate.
    pub fn target_users(&self, elapsed: Duration) -> u64 {
        self.profile.target_users(elapsed)
    }

    /// Whether the time is in a stage of a rate.
    pub fn is_open(&self, elapsed: Duration) -> bool {
        let open = |Position { stage, .. }| self.cells(stage).is_some();
        self.profile.position(elapsed).is_some_and(open)
    }

    /// Whether all of it is over.
    pub fn is_over(&self, elapsed: Duration) -> bool {
        elapsed >= self.duration
    }

    /// The cells that are not dealt and have arrivals until that time; they are dealt from now on.
    pub fn deal(&self, dealt: &mut Dealt, until: Duration) -> Vec<Row> {
        let mut rows = Vec::new();
        while let Some(cells) = self.cells.get(dealt.stage) {
            let begins = self.start_of(dealt.stage);
            let over = until >= self.start_of(dealt.stage + 1);
            let last = match cells {
                None => 0,
                Some(cells) if over => cells.count(),
                Some(cells) => until.checked_sub(begins).map_or(0, |elapsed| cells.until(elapsed)),
            };
            if last > dealt.cell {
                rows.push(Row { stage: dealt.stage, first: dealt.cell + 1, last });
                dealt.cell = last;
            }
            if !over {
                break;
            }
            *dealt = Dealt { stage: dealt.stage + 1, cell: 0 };
        }
        rows
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::load::settings::{Arrive, Saturation, Spacing};

    fn plan(profile: &str, spacing: Spacing) -> Plan {
        Plan::of(&LoadSettings {
            profile: Some(profile.parse().unwrap()),
            arrivals: Arrive::Users,
            spacing,
            saturation: Saturation::Drop,
            seed: 1,
            graceful_stop: Duration::ZERO,
        })
        .unwrap()
    }

    #[test]
    fn stages_of_a_rate_are_dealt_as_their_time_comes() {
        let plan = plan("2s: 10/s, 1s: pause, 1s: 5, 2s: 4/s max 3", Spacing::Even);
        let mut dealt = Dealt::default();
        let mut until = |millis| plan.deal(&mut dealt, Duration::from_millis(millis));
        let row = |stage, first, last| Row { stage, first, last };
        assert_eq!(until(450), [row(0, 1, 4)]);
        assert_eq!(until(460), []);
        assert_eq!(until(2_500), [row(0, 5, 20)]);
        assert_eq!(until(3_900), []);
        assert_eq!(until(60_000), [row(3, 1, 8)]);
        assert_eq!(until(90_000), []);
        assert_eq!((plan.most_users(0), plan.most_users(3)), (None, Some(3)));
        let at = Duration::from_millis;
        assert_eq!(plan.target_users(at(3_500)), 5);
        assert!(plan.is_open(at(0)) && !plan.is_open(at(2_000)) && plan.is_open(at(4_000)));
        assert!(plan.is_over(at(6_000)) && !plan.is_over(at(5_999)));
    }

    #[test]
    fn what_a_stage_leaves_over_is_dealt_with_the_next_stage_of_a_rate() {
        let plan = plan("1s: 0.6/s, 1s: pause, 1s: 0.6/s, 1s: 3, 1s: 1.8/s", Spacing::Even);
        let mut dealt = Dealt::default();
        let mut until = |millis| plan.deal(&mut dealt, Duration::from_millis(millis));
        assert_eq!(until(2_600), []);
        assert_eq!(until(2_700), [Row { stage: 2, first: 1, last: 1 }]);
        assert_eq!(until(60_000), [Row { stage: 4, first: 1, last: 2 }]);
        let due = |stage: usize, cell| plan.cells(stage).unwrap().dues(cell)[0];
        let near = |due: Duration, seconds: f64| (due.as_secs_f64() - seconds).abs() < 1e-6;
        assert!(near(due(2, 1), 0.4 / 0.6) && near(due(4, 1), 0.8 / 1.8) && near(due(4, 2), 1.0));
    }

    proptest! {
        #[test]
        fn every_cell_is_dealt_once_in_order_and_in_time(
            ticks in prop::collection::vec(1..900_u64, 1..40), poisson: bool,
        ) {
            let spacing = if poisson { Spacing::Poisson } else { Spacing::Even };
            let plan = plan("1s: 0/s -> 90/s, 500ms: pause, 2s: 7/s, 1s: 33/s -> 1/s", spacing);
            let (mut dealt, mut now, mut next) = (Dealt::default(), 0, [1_u64; 4]);
            for tick in ticks.into_iter().chain([10_000]) {
                now += tick;
                for Row { stage, first, last } in plan.deal(&mut dealt, Duration::from_millis(now)) {
                    prop_assert_eq!(first, next[stage]);
                    prop_assert!(last >= first);
                    next[stage] = last + 1;
                }
                for (stage, next) in next.iter().enumerate() {
                    let Some(cells) = plan.cells(stage) else { continue };
                    if *next <= cells.count() {
                        for due in cells.dues(*next) {
                            prop_assert!(plan.start_of(stage) + due > Duration::from_millis(now));
                        }
                    }
                }
            }
            for (stage, next) in next.iter().enumerate() {
                let count = plan.cells(stage).map_or(0, Cells::count);
                prop_assert_eq!(*next - 1, count);
            }
        }
    }
}
