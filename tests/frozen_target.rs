//! A target that freezes: the response time tells, the service time alone would not.
#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use crowd::{
    controller::machine::RunState,
    node::Node,
    prelude::*,
    report::{Colour, text::summary},
    scenario::catalog::Catalog,
    settings::NodeSettings,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// When the target freezes, since it was started.
const FREEZES: Duration = Duration::from_secs(20);

/// When it thaws.
const THAWS: Duration = Duration::from_secs(30);

/// Answers every byte at once, but for the time in which it answers nobody.
async fn serve(listener: TcpListener, began: Instant) {
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        tokio::spawn(async move {
            stream.set_nodelay(true).unwrap();
            let mut byte = [0];
            while stream.read_exact(&mut byte).await.is_ok() {
                let since = began.elapsed();
                if (FREEZES..THAWS).contains(&since) {
                    tokio::time::sleep(THAWS - since).await;
                }
                if stream.write_all(&byte).await.is_err() {
                    return;
                }
            }
        });
    }
}

#[derive(Clone, Settings)]
struct AskingSettings {
    /// Where the target is.
    target: String,
}

/// Users that ask and wait for the answer, each on a connection of its own.
struct Asking {
    target: SocketAddr,
}

impl Scenario for Asking {
    const NAME: &'static str = "asking";
    type Settings = AskingSettings;
    type Message = ();

    async fn init(run: &Run<Self>) -> Result<Self, Failure> {
        let target = run.settings().target.parse().map_err(|_| Failure::scenario("no address"))?;
        Ok(Self { target })
    }

    async fn start(&self, user: User<Self>) -> Result<(), Failure> {
        let mut stream = TcpStream::connect(self.target).await?;
        stream.set_nodelay(true)?;
        while let Some(_iteration) = user.next_iteration().await {
            let ask = async {
                stream.write_all(b"?").await?;
                stream.read_exact(&mut [0]).await?;
                Ok::<_, Failure>(())
            };
            user.time("ask", ask).await?;
        }
        Ok(())
    }
}

/// A minute at 100 a second, ten seconds of which nobody is answered. Ten users are stuck then, and
/// a thousand arrivals wait for them. A generator that only asks how long an answer took once it had
/// asked would see ten slow answers among six thousand, and a p99 of nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_seconds_of_silence_are_in_the_response_time_and_not_in_the_service_time() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let settings = NodeSettings::default();
    let catalog = Catalog::new().with::<Asking>();
    let environment = BTreeMap::<String, String>::new();
    let node = Node::start(settings, catalog, Arc::new(environment)).await.unwrap();
    let given = [
        ("target", &*address),
        ("profile", "60s: 100/s max 10"),
        ("saturation", "block"),
        ("arrivals", "iterations"),
    ];
    let given = given.map(|(key, value)| (key.to_owned(), value.to_owned()));
    let target = tokio::spawn(serve(listener, Instant::now()));
    node.start_run("asking", 0, given.into()).await.unwrap();
    assert_eq!(node.ended().await, RunState::Finished);
    let report = node.report(false).await.unwrap();
    node.shutdown().await;
    target.abort();

    let printed = summary(&report, Colour::Plain);
    eprintln!("{printed}");
    assert_eq!(report.arrivals.scheduled, 6_000);
    assert_eq!((report.arrivals.started, report.arrivals.dropped), (6_000, 0));
    assert!(report.users.asked <= 10, "{:?}", report.users);
    assert_eq!(report.users.failed, 0, "{:?}", report.failures);
    let ask = &report.actions["ask"];
    assert_eq!((ask.count, ask.failed), (6_000, 0));
    assert!(ask.response.p99 > 5_000.0, "{:?}", ask.response);
    assert!(ask.service.p99 < 100.0, "{:?}", ask.service);
    // The ten that were under way are seen by both.
    assert!(ask.service.max > 9_000.0, "{:?}", ask.service);

    // Both are printed: of six columns of times, the third is p99 of the service, the sixth that of
    // the response.
    let line = printed.lines().find(|line| line.trim_start().starts_with("ask ")).unwrap();
    let cells: Vec<_> = line.split_whitespace().collect();
    let milliseconds = |cell: &str| cell.replace(',', "").parse::<f64>().unwrap();
    let [service, response] = [cells[6], cells[9]].map(milliseconds);
    assert!(service < 100.0, "{line}");
    assert!(response > 5_000.0, "{line}");
}
