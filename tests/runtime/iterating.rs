//! Think time, pacing, choices and rows of data in a user's life.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use crowd::{feed::Order, measure::window::Window, prelude::*, scenario::catalog::Catalog};

use crate::support::{counts, eventually, given, node};

#[derive(Debug, Clone, Copy, PartialEq, SettingValue)]
enum Step {
    Browse,
    Buy,
}

#[derive(Clone, Settings)]
struct ShopSettings {
    /// How many iterations each user has.
    #[setting(default = 3)]
    iterations: u64,
    /// How often.
    #[setting(default = "none")]
    pacing: Pacing,
    /// How long users think.
    #[setting(default = "none")]
    think_time: ThinkTime,
    /// What they do.
    #[setting(default = "browse:3,buy:1")]
    steps: Weighted<Step>,
    /// In which order they get rows.
    #[setting(default = Order::Sequential)]
    order: Order,
}

/// Users that iterate, and write down what they did.
struct Shop {
    accounts: Feed,
}

/// What each user did: the milliseconds at which its iterations began, what it chose, and which row
/// it had. One process per test.
type Diary = BTreeMap<u64, Vec<(u128, Step, Option<u64>)>>;

static DIARY: Mutex<Diary> = Mutex::new(BTreeMap::new());

fn diary() -> Diary {
    std::mem::take(&mut *DIARY.lock().unwrap_or_else(PoisonError::into_inner))
}

const ACCOUNTS: &str = "user,password\nann,a\nbob,b\ncid,c\ndan,d\n";

impl Scenario for Shop {
    const NAME: &'static str = "shop";
    type Settings = ShopSettings;
    type Message = ();

    async fn init(run: &Run<Self>) -> Result<Self, Failure> {
        let feeder = Feeder::csv_text(ACCOUNTS).order(run.settings().order);
        Ok(Self { accounts: run.start_feeder("accounts", feeder).await? })
    }

    async fn start(&self, user: User<Self>) -> Result<(), Failure> {
        let settings = user.settings();
        let began = tokio::time::Instant::now();
        let mut iterations = user.iterations(settings.pacing);
        while let Some(iteration) = iterations.next().await {
            if iteration.index() == settings.iterations {
                break;
            }
            let row = user.feed(&self.accounts).await?;
            let step = *user.pick(&settings.steps);
            user.think(settings.think_time).await?;
            let at = iteration.began().duration_since(began).as_millis();
            let mut diary = DIARY.lock().unwrap_or_else(PoisonError::into_inner);
            diary.entry(user.id().0).or_default().push((at, step, row.map(|row| row.index())));
        }
        Ok(())
    }
}

async fn run(users: u64, settings: &[(&str, &str)]) -> (Diary, Window) {
    let node = node(Catalog::new().with::<Shop>()).await;
    node.start_run("shop", users, given(settings)).await.unwrap();
    eventually("all users end", || async {
        let counts = counts(&node).await;
        (counts.finished + counts.failed == users).then_some(())
    })
    .await;
    let window = node.measure().await.unwrap().snapshot().total;
    node.shutdown().await;
    (diary(), window)
}

fn began(diary: &Diary, user: u64) -> Vec<u128> {
    diary[&user].iter().map(|(at, ..)| *at).collect()
}

#[tokio::test(start_paused = true)]
async fn a_cycle_is_filled_up_and_an_overrun_is_not_caught_up() {
    let (quick, _) = run(1, &[("pacing", "every 200ms"), ("think_time", "50ms")]).await;
    assert_eq!(began(&quick, 1), [0, 200, 400]);
    let (slow, _) = run(1, &[("pacing", "every 200ms"), ("think_time", "300ms")]).await;
    assert_eq!(began(&slow, 1), [0, 300, 600]);
    let (throughput, _) = run(1, &[("pacing", "4/s"), ("think_time", "50ms")]).await;
    assert_eq!(began(&throughput, 1), [0, 250, 500]);
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_the_end_of_a_cycle_is_told_to_stop() {
    let node = node(Catalog::new().with::<Shop>()).await;
    node.start_run("shop", 1, given(&[("pacing", "every 1h")])).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let began = tokio::time::Instant::now();
    node.remove(1, false).await.unwrap();
    eventually("the user leaves", || async { (counts(&node).await.removed == 1).then_some(()) })
        .await;
    assert!(began.elapsed() < Duration::from_secs(60));
    assert_eq!(diary()[&1].len(), 1);
    node.shutdown().await;
}

/// The same seed, the same choices and the same think times; another, others.
#[tokio::test(start_paused = true)]
async fn a_run_with_the_same_seed_is_the_same_run() {
    let settings = |seed: &'static str| {
        [("seed", seed), ("iterations", "20"), ("think_time", "100ms..900ms"), ("order", "random")]
    };
    let (first, _) = run(8, &settings("7")).await;
    let (again, _) = run(8, &settings("7")).await;
    assert_eq!(first, again);
    let (other, _) = run(8, &settings("8")).await;
    assert_ne!(first, other);
    assert_ne!(first[&1], first[&2]);
    let bought = first.values().flatten().filter(|(_, step, _)| *step == Step::Buy).count();
    // A quarter of 160 is 40; the standard deviation is 5.5.
    assert!((24..=56).contains(&bought), "{bought}");
}

#[tokio::test(start_paused = true)]
async fn rows_are_given_in_the_order_that_was_asked_for() {
    let rows = |diary: &Diary| -> Vec<Option<u64>> {
        let mut rows: Vec<_> = diary.values().flatten().map(|(.., row)| *row).collect();
        rows.sort_unstable();
        rows
    };
    let (sequential, _) = run(2, &[("think_time", "1s")]).await;
    assert_eq!(rows(&sequential), [None, None, Some(0), Some(1), Some(2), Some(3)]);
    let (circular, _) = run(2, &[("think_time", "1s"), ("order", "circular")]).await;
    let turns = [0, 0, 1, 1, 2, 3].map(Some);
    assert_eq!(rows(&circular), turns);
    let (unique, window) = run(5, &[("order", "unique")]).await;
    for user in 1..=4 {
        assert!(unique[&user].iter().all(|(.., row)| *row == Some(user - 1)), "{unique:?}");
    }
    assert_eq!(unique.len(), 4);
    let reasons: Vec<_> = window.failures.keys().map(|key| key.reason.to_string()).collect();
    assert_eq!(reasons.len(), 1, "{reasons:?}");
    assert!(reasons[0].contains("has # rows, and there are more users"), "{reasons:?}");
}
