//! Load profiles, run by a node: who is started when, and what is told of it.
//!
//! Where the behaviour of `LoadStage` and of open arrivals that others have is tested:
//!
//! | behaviour | where |
//! |---|---|
//! | curves: linear, quadratic, exponential, clamped | `profile::curve` |
//! | every field there and back, as a line and as a file | `profile::text`, `profile::file` |
//! | 50/s for 1 s; a ramp's second half above its first | here, exact |
//! | RATE after PAUSE or VU without a burst; PAUSE starts nobody | here |
//! | users held, replaced, and ramped down to exactly so many | here |
//! | nobody is left at the end or after `stop` | here |
//! | runs have ids of their own | here |
//! | malformed stages, phases and shapes, each told | `profile::text`, `profile::phase`, `profile::plan`, `profile::file`; all at once and before `init`: here |
//! | more users than the machine allows are refused by the peak | here |
//! | a slow target's p99; dropped at the cap, none without one | here |
//! | counts equal the integral for constant, ramp, step and spike | here, `profile::arrivals`, `load::plan`; over nodes: `master::core::tests::profiles`, `tests/node/cluster/profiles.rs` |
//! | an error of a user's code never stops the plan | here |
//! | nothing at 0, one at 1/rate; fractions accumulate | `profile::arrivals`, `load::desk`, here |
//! | drop and block with one slot; never more at once than the cap | `load::desk`, here |
//! | a cap of 0 is no cap | here |
//! | pacing, feeders, weights, captures | `iterating`, `iterate`, `feed` |
//! | thresholds and their grace | `threshold`, `tests/node/thresholds.rs` |
//! | exit codes, documents | `tests/report_*.rs`, `tests/node` |

use std::{
    collections::BTreeSet,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crowd::{
    controller::machine::RunState,
    node::Node,
    prelude::*,
    refusal::Code,
    report::{Colour, RunReport, document::ActionReport, input::Arrivals, text::summary},
    scenario::catalog::Catalog,
};
use tokio::time::{Instant, sleep};

use crate::support::{code, counts, eventually, given, node, state};

/// How often the number of users is brought to the plan's, and a little.
const TICK: u64 = 110;

#[derive(Clone, Settings)]
struct ProbeSettings {
    /// How long an iteration takes.
    #[setting(default = "10ms")]
    takes: Duration,
    /// After how many iterations a user ends by itself; 0: it does not.
    #[setting(default = 0)]
    iterations: u64,
    /// Whether users have no iterations, and leave only when they are told to stop.
    #[setting(default = false)]
    stubborn: bool,
    /// Whether all they do fails.
    #[setting(default = false)]
    fails: bool,
}

/// Users that iterate, and write down when.
struct Probe;

/// What was written down, in milliseconds since `init` ended, which is when the plan begins.
#[derive(Debug, Default)]
struct Diary {
    zero: Option<Instant>,
    inits: u64,
    terminates: u64,
    /// When each user began and ended, in the order of their beginnings.
    lives: Vec<(u64, u64, Option<u64>)>,
    /// When each iteration was due, began and ended.
    rounds: Vec<(Option<u64>, u64, Option<u64>)>,
    /// How many lived from when on.
    living: Vec<(u64, u64)>,
}

/// One process per test.
static DIARY: Mutex<Option<Diary>> = Mutex::new(None);

fn open() -> MutexGuard<'static, Option<Diary>> {
    DIARY.lock().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(line: impl FnOnce(&mut Diary) -> T) -> T {
    line(open().get_or_insert_default())
}

/// What was written, and an empty one from now on.
fn diary() -> Diary {
    open().take().unwrap_or_default()
}

impl Diary {
    fn at(&self, moment: Instant) -> u64 {
        let zero = self.zero.unwrap_or(moment);
        u64::try_from(moment.saturating_duration_since(zero).as_millis()).unwrap()
    }

    fn lives_now(&mut self, now: u64, change: i64) {
        let last = self.living.last().map_or(0, |(_, count)| *count);
        self.living.push((now, last.checked_add_signed(change).unwrap()));
    }

    /// How many lived at that time.
    fn lived_at(&self, time: u64) -> u64 {
        let until = self.living.iter().take_while(|(at, _)| *at <= time);
        until.last().map_or(0, |(_, count)| *count)
    }

    /// The fewest and the most that lived at a time from then to then.
    fn lived_within(&self, from: u64, to: u64) -> (u64, u64) {
        let inside = self.living.iter().filter(|(at, _)| (from..to).contains(at));
        let counts = || [self.lived_at(from)].into_iter().chain(inside.clone().map(|(_, n)| *n));
        (counts().min().unwrap(), counts().max().unwrap())
    }

    /// The most that ever lived at once.
    fn most(&self) -> u64 {
        self.living.iter().map(|(_, count)| *count).max().unwrap_or(0)
    }

    /// How many iterations began from then to then.
    fn begun_within(&self, from: u64, to: u64) -> usize {
        self.rounds.iter().filter(|(_, began, _)| (from..to).contains(began)).count()
    }

    /// How many users began from then to then.
    fn started_within(&self, from: u64, to: u64) -> usize {
        self.lives.iter().filter(|(_, began, _)| (from..to).contains(began)).count()
    }
}

/// A life that goes on until this is dropped.
struct Alive(usize);

impl Drop for Alive {
    fn drop(&mut self) {
        write(|diary| {
            let now = diary.at(Instant::now());
            diary.lives[self.0].2 = Some(now);
            diary.lives_now(now, -1);
        });
    }
}

impl Scenario for Probe {
    const NAME: &'static str = "probe";
    type Settings = ProbeSettings;
    type Message = ();

    async fn init(_: &Run<Self>) -> Result<Self, Failure> {
        write(|diary| {
            diary.zero = Some(Instant::now());
            diary.inits += 1;
        });
        Ok(Self)
    }

    async fn start(&self, user: User<Self>) -> Result<(), Failure> {
        let _alive = Alive(write(|diary| {
            let now = diary.at(Instant::now());
            diary.lives.push((user.id().0, now, None));
            diary.lives_now(now, 1);
            diary.lives.len() - 1
        }));
        let settings = ProbeSettings::clone(&user.settings());
        let ProbeSettings { takes, iterations: most, fails, .. } = settings;
        if settings.stubborn {
            user.stopped().await;
            return Ok(());
        }
        while let Some(iteration) = user.next_iteration().await {
            let at = write(|diary| {
                let due = iteration.due().map(|due| diary.at(due));
                diary.rounds.push((due, diary.at(iteration.began()), None));
                diary.rounds.len() - 1
            });
            // Not the user's own sleep, which a stop would end.
            let work = async {
                sleep(takes).await;
                if fails { Err(Failure::target("it is closed")) } else { Ok(()) }
            };
            user.time("work", work).await?;
            write(|diary| diary.rounds[at].2 = Some(diary.at(Instant::now())));
            if iteration.index() + 1 == most {
                break;
            }
        }
        Ok(())
    }

    async fn terminate(&self, _: &Run<Self>) {
        write(|diary| diary.terminates += 1);
    }
}

async fn probe() -> Node {
    node(Catalog::new().with::<Probe>()).await
}

async fn begin(node: &Node, settings: &[(&str, &str)]) {
    node.start_run("probe", 0, given(settings)).await.unwrap();
}

/// A run that ends by itself, and what holds for all of them.
async fn follow(profile: &str, settings: &[(&str, &str)]) -> (Diary, RunReport) {
    let node = probe().await;
    let mut all = vec![("profile", profile)];
    all.extend(settings);
    begin(&node, &all).await;
    assert_eq!(node.ended().await, RunState::Finished);
    let over = ended(&node).await;
    node.shutdown().await;
    over
}

/// What is left of a run that is over: nobody, and every arrival accounted for.
async fn ended(node: &Node) -> (Diary, RunReport) {
    let report = node.report(false).await.unwrap();
    let (diary, users) = (diary(), counts(node).await);
    assert_eq!((users.running, users.waiting), (0, 0), "{users:?}");
    assert_eq!(users.asked, users.finished + users.failed + users.removed, "{users:?}");
    assert_eq!(diary.living.last().map_or(0, |(_, count)| *count), 0, "somebody is left");
    assert_eq!((diary.inits, diary.terminates), (1, 1));
    let Arrivals { scheduled, started, dropped, .. } = report.arrivals;
    assert_eq!(scheduled, started + dropped, "{:?}", report.arrivals);
    (diary, report)
}

fn work(report: &RunReport) -> &ActionReport {
    &report.actions["work"]
}

fn took(report: &RunReport) -> u64 {
    report.run.duration_ms as u64
}

const fn all_begun(arrivals: u64) -> Arrivals {
    Arrivals {
        scheduled: arrivals,
        started: arrivals,
        dropped: 0,
        dropped_for_users: 0,
        dropped_for_nodes: 0,
        dropped_by_end: 0,
    }
}

#[tokio::test(start_paused = true)]
async fn a_number_of_users_is_held_and_those_that_end_are_replaced() {
    let (diary, report) = follow("3s: 6", &[("takes", "30ms"), ("iterations", "10")]).await;
    assert_eq!(diary.most(), 6);
    // Whoever ended is replaced at the next tick: lives take 300 ms and begin all at a tick.
    for time in (15..3_000).step_by(100).filter(|time| time % 400 < 290) {
        assert_eq!(diary.lived_at(time), 6, "at {time} ms: {:?}", diary.living);
    }
    assert!(diary.lives.len() >= 6 * 7, "{}", diary.lives.len());
    assert_eq!(report.users.peak, 6);
    assert_eq!(report.users.finished, report.users.asked);
    assert_eq!(report.arrivals, Arrivals::default());
    assert!(took(&report) < 3_000 + TICK + 30, "{}", took(&report));
    assert_eq!(report.run.stages.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn users_that_do_not_end_are_not_exchanged() {
    let (diary, report) = follow("2s: 4, 2s: 4", &[("takes", "30ms")]).await;
    assert_eq!(diary.lives.len(), 4);
    assert_eq!(diary.lived_within(1, 4_000), (4, 4));
    assert_eq!(report.users.finished, 4);
}

#[tokio::test(start_paused = true)]
async fn a_ramp_down_ends_at_exactly_the_number_and_cuts_no_iteration() {
    let (diary, report) = follow("1s: 6, 1s: 6 -> 2, 2s: 2", &[("takes", "130ms")]).await;
    assert_eq!(diary.lived_within(1, 1_000), (6, 6));
    assert_eq!(diary.lived_within(2_000 + TICK + 130, 4_000), (2, 2));
    assert_eq!(diary.lived_within(1, 4_000).0, 2, "never below its target: {:?}", diary.living);
    assert_eq!(diary.lives.len(), 6, "nobody was started meanwhile");
    // The newest leave first.
    let left: BTreeSet<_> = diary
        .lives
        .iter()
        .filter(|(.., ended)| ended.unwrap() < 4_000)
        .map(|(id, ..)| *id)
        .collect();
    assert_eq!(left, BTreeSet::from([3, 4, 5, 6]));
    for (_, began, ended) in &diary.rounds {
        assert_eq!(ended.map(|ended| ended - began), Some(130), "an iteration was cut");
    }
    // Whoever leaves at a boundary has ended by itself.
    assert_eq!((report.users.finished, report.users.removed), (6, 0));
}

/// Never above the target, but for who is at an iteration, nor below it, along a whole ramp.
#[tokio::test(start_paused = true)]
async fn a_ramp_up_and_down_is_followed() {
    let (diary, _) = follow("2s: 0 -> 20, 2s: 20 -> 0", &[("takes", "10ms")]).await;
    for time in (150..2_000).step_by(50) {
        let (least, most) = ((time - TICK) / 100, (time + 50) / 100);
        let lived = diary.lived_at(time);
        assert!((least..=most).contains(&lived), "{lived} at {time} ms");
    }
    for time in (2_150..4_000).step_by(50) {
        let (least, most) = ((4_000 - time) / 100, (4_000 - time + TICK + 60) / 100);
        let lived = diary.lived_at(time);
        assert!((least..=most).contains(&lived), "{lived} at {time} ms");
    }
    assert_eq!(diary.most(), 20);
}

#[tokio::test(start_paused = true)]
async fn who_does_not_leave_in_time_is_told_to_stop() {
    let settings = [("stubborn", "true"), ("graceful_stop", "300ms")];
    let (diary, report) = follow("1s: 3, 1s: 1", &settings).await;
    assert_eq!(diary.lives.len(), 3);
    for (user, _, ended) in &diary.lives {
        // At the end of the plan nothing of the last one is under way that it might finish.
        let told = if *user == 1 { 2_000 } else { 1_300 };
        assert!((told..told + TICK).contains(&ended.unwrap()), "{user}: {ended:?}, not {told}");
    }
    assert_eq!((report.users.removed, report.users.finished), (3, 0));
}

#[tokio::test(start_paused = true)]
async fn users_that_may_take_for_ever_to_end_end_when_they_like() {
    let settings = [("takes", "400ms"), ("graceful_stop", "300000000000y")];
    let (_, report) = follow("1s: 3", &settings).await;
    assert_eq!((report.users.removed, report.users.finished), (0, 3));
}

#[tokio::test(start_paused = true)]
async fn ten_stages_of_nine_tenths_of_an_arrival_are_nine_arrivals() {
    let stages = ["1s: 0.9/s"; 10].join(", ");
    let (diary, report) = follow(&stages, &[("iterations", "1")]).await;
    assert_eq!(report.arrivals, all_begun(9));
    for (number, (due, ..)) in (1..).zip(&diary.rounds) {
        assert!(due.unwrap().abs_diff(10_000 * number / 9) <= 1, "{number}: {due:?}");
    }
    let of_stages: Vec<_> = report
        .run
        .stages
        .iter()
        .map(|stage| stage.arrivals.map_or(0, |all| all.scheduled))
        .collect();
    assert_eq!(of_stages, [0, 1, 1, 1, 1, 1, 1, 1, 1, 1]);
}

#[tokio::test(start_paused = true)]
async fn nobody_begins_in_a_pause() {
    let (diary, report) = follow("500ms: pause, 500ms: 40/s, 500ms: pause, 500ms: 4", &[]).await;
    assert_eq!((diary.begun_within(0, 501), diary.begun_within(501, 1_003)), (0, 20));
    assert_eq!((diary.begun_within(1_003, 1_500), diary.started_within(1_003, 1_500)), (0, 0));
    assert_eq!(diary.started_within(1_500, 2_000), 4);
    assert_eq!(report.arrivals, all_begun(20));
}

#[tokio::test(start_paused = true)]
async fn fifty_a_second_for_a_second_are_fifty() {
    let (diary, report) = follow("1s: 50/s", &[]).await;
    let due: Vec<_> = diary.rounds.iter().map(|(due, ..)| due.unwrap()).collect();
    assert_eq!(due.len(), 50);
    for (number, due) in (1..).zip(&due) {
        assert!(due.abs_diff(20 * number) <= 1, "{number} is due at {due}");
    }
    for (due, began, _) in &diary.rounds {
        // A sleep has no finer grain than a millisecond.
        assert!(began - due.unwrap() <= 2, "{began} {due:?}");
    }
    assert_eq!(report.arrivals, all_begun(50));
    assert_eq!((report.users.asked, report.users.finished), (50, 50));
    assert_eq!(work(&report).count, 50);
    assert!(took(&report) <= 1_000 + TICK, "{}", took(&report));
    assert_eq!(report.run.stages[0].arrivals, Some(all_begun(50)));
}

#[tokio::test(start_paused = true)]
async fn a_rate_after_a_pause_or_users_begins_without_a_burst() {
    for (profile, begins) in [("1s: 40/s, 2s: pause, 1s: 10/s", 3_000), ("2s: 5, 1s: 10/s", 2_000)]
    {
        let (diary, report) = follow(profile, &[("takes", "5ms")]).await;
        let arrived = |from, to| {
            let dues = diary.rounds.iter().filter_map(|(due, ..)| *due);
            dues.filter(|due| (begins + from..begins + to).contains(due)).count()
        };
        assert_eq!((arrived(0, 99), arrived(0, 150), arrived(0, 1_010)), (0, 1, 10), "{profile}");
        let started = diary.started_within(begins, begins + 150);
        assert_eq!(started, 1, "{profile}");
        assert_eq!(report.arrivals.dropped, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_rising_rate_has_more_in_its_second_half() {
    let (diary, report) = follow("2s: 0/s -> 40/s", &[]).await;
    assert_eq!(report.arrivals, all_begun(40));
    // Ten are due until exactly the half.
    let halves = (diary.begun_within(0, 1_003), diary.begun_within(1_003, 2_010));
    assert_eq!(halves, (10, 30));
}

#[tokio::test(start_paused = true)]
async fn steps_and_spikes_are_exact() {
    let (diary, report) = follow("1s: 10/s -> 50/s in 5 steps", &[]).await;
    assert_eq!(report.arrivals, all_begun(2 + 4 + 6 + 8 + 10));
    assert_eq!((diary.begun_within(0, 203), diary.begun_within(803, 1_010)), (2, 10));
    let (diary, report) = follow("1s: 10/s -> 100/s spike 200ms at 400ms", &[]).await;
    assert_eq!(report.arrivals, all_begun(4 + 20 + 4));
    assert_eq!((diary.begun_within(0, 403), diary.begun_within(403, 603)), (4, 20));
}

#[tokio::test(start_paused = true)]
async fn users_that_fail_do_not_stop_the_plan() {
    let (_, report) = follow("500ms: 4, 1s: 30/s max 3", &[("fails", "true")]).await;
    assert_eq!(report.arrivals, all_begun(30));
    let work = work(&report);
    assert_eq!(work.count, work.failed);
    // Those that fail at once are replaced, four at each tick.
    assert_eq!((report.users.failed, report.users.finished), (30 + 5 * 4, 0));
}

#[tokio::test(start_paused = true)]
async fn stages_of_both_kinds_follow_each_other() {
    let profile = "1s: 3, 1s: 20/s -> 60/s, 500ms: pause, 1s: 2, 1s: 17/s quadratic";
    assert!(profile.parse::<crowd::profile::Profile>().is_err(), "a hold has no curve");
    let profile = "1s: 3, 1s: 20/s -> 60/s, 500ms: pause, 1s: 2, 1s: 17/s -> 5/s quadratic";
    let (diary, report) = follow(profile, &[("takes", "20ms")]).await;
    // 40 and 13: what is left of the one is not carried into the other.
    assert_eq!(report.arrivals, all_begun(53));
    assert_eq!(diary.lives.len(), 3 + 40 + 2 + 13);
    let stages: Vec<_> = report.run.stages.iter().map(|stage| stage.arrivals).collect();
    assert_eq!(stages, [None, Some(all_begun(40)), None, None, Some(all_begun(13))]);
}

#[tokio::test(start_paused = true)]
async fn beyond_the_cap_arrivals_are_dropped_and_the_run_ends_on_time() {
    for arrivals in ["users", "iterations"] {
        let settings = [("takes", "195ms"), ("arrivals", arrivals)];
        let (diary, report) = follow("1s: 50/s max 1", &settings).await;
        let Arrivals { scheduled, started, dropped, dropped_for_users, .. } = report.arrivals;
        assert_eq!((scheduled, dropped), (50, dropped_for_users));
        // One each 200 ms, the first after 20.
        assert_eq!(started, 5, "{arrivals}: {:?}", diary.rounds);
        assert_eq!(diary.most(), 1);
        assert!(took(&report) <= 1_000 + 195 + TICK, "{}", took(&report));
        assert!(work(&report).service.p99 >= 195.0);
        assert!(work(&report).response.max < 199.0, "who is not dropped did not wait");
        let told = summary(&report, Colour::Plain);
        assert!(told.contains("dropped 45 (90%)"), "{told}");
    }
}

/// Twenty a second for two users that take 300 ms each: the last one waits for two seconds.
#[tokio::test(start_paused = true)]
async fn blocked_arrivals_wait_and_their_response_time_says_so() {
    for arrivals in ["users", "iterations"] {
        let settings = [("takes", "300ms"), ("arrivals", arrivals), ("saturation", "block")];
        let (diary, report) = follow("1s: 20/s max 2", &settings).await;
        assert_eq!(report.arrivals, all_begun(20), "{arrivals}");
        assert_eq!(diary.most(), 2, "{arrivals}");
        let work = work(&report);
        assert_eq!(work.count, 20);
        assert!((300.0..310.0).contains(&work.service.max), "{arrivals}: {:?}", work.service);
        assert!((2_000.0..2_200.0).contains(&work.response.max), "{arrivals}: {:?}", work.response);
        assert!(work.response.p50 > 1_000.0, "{arrivals}: {:?}", work.response);
        // First come, first served.
        let dues: Vec<_> = diary.rounds.iter().map(|(due, ..)| due.unwrap()).collect();
        assert!(dues.is_sorted(), "{arrivals}: {dues:?}");
        if arrivals == "iterations" {
            assert_eq!(diary.lives.len(), 2, "users are kept as long as there is work");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_cap_of_nothing_is_no_cap() {
    for profile in ["1s: 40/s", "1s: 40/s max 0"] {
        let (diary, report) = follow(profile, &[("takes", "3s")]).await;
        assert_eq!(report.arrivals, all_begun(40));
        assert_eq!(diary.most(), 40);
        assert!(work(&report).response.max < 3_010.0);
    }
}

#[tokio::test(start_paused = true)]
async fn kept_users_take_one_arrival_after_the_other() {
    let settings = [("arrivals", "iterations"), ("takes", "25ms")];
    let (diary, report) = follow("2s: 100/s max 8, 1s: 100/s", &settings).await;
    assert_eq!(report.arrivals, all_begun(300));
    assert_eq!(diary.rounds.len(), 300);
    // 25 ms at 100 a second: two or three at a time.
    assert!(diary.lives.len() <= 4, "{:?}", diary.lives);
    assert_eq!(report.users.asked, diary.lives.len() as u64);
    assert_eq!(report.users.removed, 0);
}

#[tokio::test(start_paused = true)]
async fn kept_users_leave_when_a_pause_comes() {
    let (diary, report) =
        follow("1s: 40/s, 1s: pause, 1s: 40/s", &[("arrivals", "iterations")]).await;
    assert_eq!(report.arrivals, all_begun(80));
    assert_eq!(diary.lived_within(1_000 + TICK, 2_000), (0, 0), "{:?}", diary.living);
}

/// Users that die with their first arrival are replaced, and cost no arrival.
#[tokio::test(start_paused = true)]
async fn kept_users_that_end_are_replaced() {
    let settings = [("arrivals", "iterations"), ("iterations", "3"), ("saturation", "block")];
    let (diary, report) = follow("1s: 60/s max 2", &settings).await;
    assert_eq!(report.arrivals, all_begun(60));
    assert_eq!((diary.lives.len(), diary.most()), (20, diary.most().min(2)));
}

#[tokio::test(start_paused = true)]
async fn random_arrivals_are_those_of_the_seed() {
    let dues = async |seed| {
        let (diary, report) = follow("5s: 20/s", &[("spacing", "poisson"), ("seed", seed)]).await;
        let dues: Vec<_> = diary.rounds.iter().map(|(due, ..)| due.unwrap()).collect();
        assert_eq!(report.arrivals, all_begun(dues.len() as u64));
        dues
    };
    let (first, again, other) = (dues("1").await, dues("1").await, dues("2").await);
    assert_eq!(first, again);
    assert_ne!(first.len(), other.len());
    assert_ne!(first, other);
    // A mean of 100 and a standard deviation of ten.
    assert!((60..140).contains(&first.len()), "{}", first.len());
}

#[tokio::test(start_paused = true)]
async fn users_are_not_asked_for_beside_a_profile() {
    let node = probe().await;
    let refused = node.start_run("probe", 3, given(&[("profile", "1s: 50/s")])).await;
    assert_eq!(code(refused), Code::InvalidRange);
    assert_eq!((node.state(), diary().inits), (RunState::Idle, 0));
    begin(&node, &[("profile", "1s: 50/s")]).await;
    let refused = [
        code(node.add(1).await),
        code(node.add_range(1_000, 1_001).await),
        code(node.remove(1, false).await),
        code(node.remove(1, true).await),
    ];
    assert_eq!(refused, [Code::InvalidStatus; 4]);
    assert_eq!(node.ended().await, RunState::Finished);
    let (diary, report) = ended(&node).await;
    assert_eq!(report.arrivals, all_begun(50));
    assert_eq!(diary.lives.len(), 50);
    // Another run is another run.
    node.reset().await.unwrap();
    begin(&node, &[("profile", "1s: 20/s")]).await;
    assert_eq!(node.ended().await, RunState::Finished);
    let (_, other) = ended(&node).await;
    assert_eq!(other.arrivals, all_begun(20));
    assert_ne!(report.run.id, other.run.id);
    node.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_stop_leaves_nobody_and_accounts_for_every_arrival() {
    for arrivals in ["users", "iterations"] {
        let node = probe().await;
        let settings = [
            ("profile", "10s: 50/s max 5, 10s: 3"),
            ("takes", "990ms"),
            ("saturation", "block"),
            ("arrivals", arrivals),
        ];
        begin(&node, &settings).await;
        sleep(Duration::from_millis(2_015)).await;
        node.stop().await.unwrap();
        assert_eq!(node.ended().await, RunState::Finished);
        let (diary, report) = ended(&node).await;
        let Arrivals { scheduled, started, dropped, dropped_by_end, .. } = report.arrivals;
        assert_eq!((scheduled, dropped), (100, dropped_by_end), "{arrivals}");
        assert_eq!(started, diary.rounds.len() as u64, "{arrivals}");
        assert!((10..=15).contains(&started), "{arrivals}: {started}");
        node.shutdown().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_stop_between_ticks_of_a_ramp_of_users_leaves_nobody() {
    let node = probe().await;
    begin(&node, &[("profile", "10s: 0 -> 100"), ("takes", "1h")]).await;
    sleep(Duration::from_millis(1_234)).await;
    let running = counts(&node).await.running;
    assert_eq!(running, 12);
    node.stop().await.unwrap();
    assert_eq!(node.ended().await, RunState::Finished);
    let (_, report) = ended(&node).await;
    // They sleep on, and are killed.
    assert_eq!((report.users.asked, report.users.removed), (12, 12));
    node.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn everything_that_is_wrong_is_told_before_anything_starts() {
    let node = probe().await;
    let wrong = "0s: 3, 5s: five, 1s: 2/s max many, 5s: 1 -> 2/s, 1s: 20000000/s, 10: 5";
    let given = given(&[("profile", wrong), ("saturation", "wait"), ("takes", "soon")]);
    let refusal = node.start_run("probe", 0, given).await.unwrap_err();
    for told in [
        "stage 1: it takes no time",
        "stage 2: `five` is neither a number of users nor a rate",
        "stage 3: `many` is no number of users",
        "stage 4: one end counts users and the other arrivals",
        "stage 5: 20000000 arrivals a second are too many",
        "stage 6: `10` is no time",
        "saturation",
        "takes",
    ] {
        assert!(refusal.message.contains(told), "{told} is not in: {}", refusal.message);
    }
    assert_eq!((node.state(), diary().inits), (RunState::Idle, 0));
    node.shutdown().await;
}

/// Users that need more files than any machine has.
struct Hoarder;

impl Scenario for Hoarder {
    const NAME: &'static str = "hoarder";
    type Settings = ();
    type Message = ();
    const DESCRIPTORS_PER_USER: u64 = 1 << 50;

    async fn init(_: &Run<Self>) -> Result<Self, Failure> {
        write(|diary| diary.inits += 1);
        Ok(Self)
    }

    async fn start(&self, _: User<Self>) -> Result<(), Failure> {
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn the_peak_of_a_profile_has_to_fit_the_machine() {
    let node = node(Catalog::new().with::<Hoarder>()).await;
    for profile in ["1s: 0, 1s: 0 -> 3, 1s: 0", "1s: 1/s max 2", "1s: 0, 1s: 0/s -> 1/s max 1"] {
        let refused = node.start_run("hoarder", 0, given(&[("profile", profile)])).await;
        assert_eq!(code(refused), Code::InsufficientResources, "{profile}");
    }
    assert_eq!((node.state(), diary().inits), (RunState::Idle, 0));
    node.start_run("hoarder", 0, given(&[("profile", "1s: 0")])).await.unwrap();
    state(&node, RunState::Finished).await;
    node.shutdown().await;
}

/// What a person is told while it goes on.
#[tokio::test(start_paused = true)]
async fn the_status_says_how_far_a_profile_is() {
    let node = probe().await;
    begin(&node, &[("profile", "1s: 3, 2s: 20/s max 7")]).await;
    let status = async || node.status().await.unwrap().profile.unwrap();
    sleep(Duration::from_millis(500)).await;
    let first = status().await;
    assert_eq!((first.stage, first.stages, first.target_users), (1, 2, 3));
    sleep(Duration::from_millis(1_510)).await;
    let second = status().await;
    assert_eq!((second.stage, second.target_users, second.target_rate), (2, 0, 20.0));
    assert_eq!((second.arrivals.scheduled, second.arrivals.started), (20, 20));
    assert_eq!((&*second.now, second.duration), ("2s: 20/s max 7", Duration::from_secs(3)));
    eventually("it ends", || async { (node.state() == RunState::Finished).then_some(()) }).await;
    ended(&node).await;
    node.shutdown().await;
}
