//! What the node knows at the end of a run, in plain fields.

pub use crowd_plan::load::Arrivals;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crowd_measure::{health::HealthSummary, series::Series, window::Window};
use crowd_plan::{
    load::tally::Tallies, profile::Profile, run_settings::PROFILE, threshold::Judged,
};

/// Everything a report is built from.
#[derive(Debug, Clone)]
pub struct ReportInput {
    /// Which run.
    pub run: RunFacts,
    /// How it came to its end.
    pub outcome: Outcome,
    /// Its users.
    pub users: UserTotals,
    /// What was measured over the whole run.
    pub measured: Window,
    /// How its thresholds stand.
    pub thresholds: Vec<Judged>,
    /// How it went over time.
    pub series: Series,
    /// The throttles there were.
    pub throttles: Vec<ThrottleRow>,
    /// The coordinators there were.
    pub coordinators: Vec<CoordinatorRow>,
    /// How the generator fared; not looked at where [`ReportInput::nodes`] say it for each node.
    pub health: HealthSummary,
    /// The nodes of a cluster and their part in the run; none for a run on a lone node.
    pub nodes: Vec<NodeRow>,
    /// When users of a node were away, and what is missing for it.
    pub gaps: Vec<GapRow>,
}

/// Which run it was.
#[derive(Debug, Clone)]
pub struct RunFacts {
    /// Unique among runs.
    pub id: String,
    /// The scenario's name.
    pub scenario: String,
    /// Its settings as texts; `None` for one without a value.
    pub settings: Vec<(String, Option<String>)>,
    /// The nodes that took part.
    pub nodes: Vec<String>,
    /// The rate users were admitted at, as people write it.
    pub user_rate: Option<String>,
    /// When it started, by the calendar.
    pub start: SystemTime,
    /// When it ended, by the calendar.
    pub end: SystemTime,
    /// How long it took, by a clock that never jumps. Rates are per second of it.
    pub duration: Duration,
    /// The load profile that it followed.
    pub profile: Option<ProfileFacts>,
}

/// The load profile of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct ProfileFacts {
    /// What it asked for.
    pub profile: Profile,
    /// When it began, since the run did; `None`: it did not.
    pub began: Option<Duration>,
    /// What became of arrivals, by stage.
    pub arrivals: Tallies,
}

impl ProfileFacts {
    /// The profile of a run with these settings, if it had one.
    pub fn of(
        settings: &[(String, Option<String>)],
        began: Option<Duration>,
        arrivals: Tallies,
    ) -> Option<Self> {
        let (_, text) = settings.iter().find(|(name, _)| name == PROFILE)?;
        let profile = text.as_deref()?.parse().ok()?;
        Some(Self { profile, began, arrivals })
    }
}

/// How a run came to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// As it should: users were done, time was up, or somebody stopped it.
    Ended,
    /// The run itself failed: `init`, or the runtime; with the reason.
    Failed(String),
    /// A threshold ended it early; with the reason.
    Aborted(String),
    /// A signal ended it early.
    Interrupted,
}

/// Users of a run; asked = waiting + running + finished + failed + removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserTotals {
    /// All that were ever added.
    pub asked: u64,
    /// Those that were admitted.
    pub started: u64,
    /// Not admitted when the run ended.
    pub waiting: u64,
    /// Still running when the run ended.
    pub running: u64,
    /// Ended by themselves.
    pub finished: u64,
    /// Ended with a failure or a panic.
    pub failed: u64,
    /// Cancelled while waiting, stopped or killed.
    pub removed: u64,
    /// The most that ran at once.
    pub peak: u64,
    /// How they ended.
    pub endings: Endings,
}

/// How users ended, by kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endings {
    /// Returned of themselves.
    pub finished: u64,
    /// Returned after they had been told to stop.
    pub stopped: u64,
    /// Returned a failure.
    pub failed: u64,
    /// Panicked.
    pub panicked: u64,
    /// Were killed.
    pub killed: u64,
    /// Were cancelled before they started.
    pub cancelled: u64,
}

/// A throttle over a run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ThrottleRow {
    /// Its name.
    pub name: String,
    /// The rate it had at the end, as people write it.
    pub rate: String,
    /// How often something asked to be let through.
    pub requested: u64,
    /// How often something was.
    pub granted: u64,
    /// Slots that passed because the generator was late.
    pub forfeited: u64,
    /// Requests per second.
    pub asked_per_second: f64,
    /// Grants per second.
    pub given_per_second: f64,
    /// How late the latest hundredth of the grants was, in milliseconds.
    pub lateness_p99_ms: f64,
}

/// A coordinator over a run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CoordinatorRow {
    /// Its name.
    pub name: String,
    /// Users handed to it.
    pub added: u64,
    /// Groups whose actions were run.
    pub groups: u64,
    /// How often nobody came for as long as its timeout.
    pub timeouts: u64,
    /// Actions that failed or panicked.
    pub faults: u64,
}

/// A node of a cluster, and its part in a run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NodeRow {
    /// Its name.
    pub name: String,
    /// Its users. Those that it was relieved of count where they went.
    pub users: UserTotals,
    /// The state of the run there, in a word; that of a lost node is the last one known.
    pub state: String,
    /// If it was lost.
    pub lost: Option<NodeLost>,
    /// How it fared, as far as it told; `None` for one that made no load or told nothing.
    pub health: Option<HealthSummary>,
}

/// A node was lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeLost {
    /// When that was noticed, since the start of the run.
    pub at: Duration,
    /// How, as a clause: `it was not heard of for 3s`.
    pub reason: String,
}

/// Users of a node were away: what a loss did to a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GapRow {
    /// The node that they were on.
    pub node: String,
    /// When it was lost, since the start of the run.
    pub at: Duration,
    /// How many there were.
    pub users: u64,
    /// How many of them went on where. The rest did not go on.
    pub went: Vec<(String, u64)>,
    /// Up to when all that was measured there is known, since the start of the run; `None` if none
    /// of it is.
    pub measured_until: Option<Duration>,
    /// From when to when at the latest it measured what is not known, since the start of the run;
    /// `None` if all is known.
    pub missing: Option<(Duration, Duration)>,
}
