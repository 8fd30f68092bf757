//! What the nodes of the benchmark run.

use std::{
    fs,
    path::PathBuf,
    sync::{Mutex, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use crowd::{prelude::*, scenario::catalog::Catalog};
use tokio::time::Instant;

pub(crate) fn catalog() -> Catalog {
    Catalog::new().with::<Idle>().with::<Pace>().with::<Talk>().with::<Many>()
}

/// Users that only wait.
struct Idle;

impl Scenario for Idle {
    const NAME: &'static str = "idle";
    type Settings = ();
    type Message = ();

    async fn init(_: &Run<Self>) -> Result<Self, Failure> {
        Ok(Self)
    }

    async fn start(&self, user: User<Self>) -> Result<(), Failure> {
        user.stopped().await;
        Ok(())
    }
}

/// Users that ask one throttle, all the time or now and then, and note when they were let through.
struct Pace {
    releases: Mutex<Vec<u64>>,
}

#[derive(Settings, Debug, Clone)]
struct PaceSettings {
    /// The rate of the throttle.
    rate: Rate,
    /// How long a user rests between two times it asks.
    #[setting(default = "0s")]
    rest: Duration,
}

impl Scenario for Pace {
    const NAME: &'static str = "pace";
    type Settings = PaceSettings;
    type Message = ();

    async fn init(run: &Run<Self>) -> Result<Self, Failure> {
        run.start_throttle("pace", run.settings().rate).await?;
        Ok(Self { releases: Mutex::default() })
    }

    async fn start(&self, user: User<Self>) -> Result<(), Failure> {
        let throttle = user.throttle("pace")?;
        let rest = user.settings().rest;
        loop {
            if !rest.is_zero() {
                user.sleep(rest.mul_f64(0.5 + rand::random::<f64>())).await?;
            }
            drop(user.time("wait", user.wait(&throttle)).await?);
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            let now = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
            self.releases.lock().unwrap_or_else(PoisonError::into_inner).push(now);
        }
    }

    async fn terminate(&self, run: &Run<Self>) {
        let releases = self.releases.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes: Vec<u8> = releases.iter().flat_map(|time| time.to_le_bytes()).collect();
        let directory = PathBuf::from(std::env::var_os("BENCH_DIRECTORY").unwrap_or_default());
        if let Err(error) = fs::write(directory.join(format!("{}.times", run.node())), bytes) {
            eprintln!("the times of {} are lost: {error}", run.node());
        }
    }
}

/// Users that write to a user of another node, and answer.
struct Talk;

#[derive(Settings, Debug, Clone)]
struct TalkSettings {
    /// How far apart in number partners are.
    apart: u64,
    /// Whether they wait for the other's answer before they write again.
    #[setting(default = true)]
    answers: bool,
}

#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
enum Word {
    Ping,
    Pong,
}

impl Scenario for Talk {
    const NAME: &'static str = "talk";
    type Settings = TalkSettings;
    type Message = Word;

    async fn init(_: &Run<Self>) -> Result<Self, Failure> {
        Ok(Self)
    }

    async fn start(&self, user: User<Self>) -> Result<(), Failure> {
        let settings = user.settings();
        let (id, apart) = (user.id().0, settings.apart);
        // Those of the first node speak, those of the second answer.
        if id > apart {
            while let Some(mail) = user.receive().await {
                if let (Word::Ping, Some(from), true) = (mail.message, mail.from, settings.answers)
                {
                    user.post(from, Word::Pong)?;
                }
            }
            return Ok(());
        }
        let partner = UserId(id + apart);
        user.sleep(Duration::from_secs(2)).await?;
        while !user.is_stopping() {
            if settings.answers {
                user.time("round trip", async {
                    user.send(partner, Word::Ping).await?;
                    user.receive().await.ok_or(Stopped)?;
                    Ok::<_, Failure>(())
                })
                .await?;
            } else {
                user.time("send", async { user.send(partner, Word::Ping).await }).await?;
            }
        }
        Ok(())
    }
}

/// Users that time fifty different actions.
struct Many;

impl Scenario for Many {
    const NAME: &'static str = "many";
    type Settings = ();
    type Message = ();

    async fn init(_: &Run<Self>) -> Result<Self, Failure> {
        Ok(Self)
    }

    async fn start(&self, user: User<Self>) -> Result<(), Failure> {
        let action = format!("action-{:02}", user.id().0 % 50);
        loop {
            let due = Instant::now() - Duration::from_micros(rand::random_range(100..50_000));
            user.time_since(due, &action, async { Ok::<_, Failure>(()) }).await?;
            user.sleep(Duration::from_millis(50)).await?;
        }
    }
}
