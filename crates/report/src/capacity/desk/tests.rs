//! Searches on a run of the tests' own, in paused time.

use std::sync::Mutex;

use crowd_core::refusal::{Code, Refusal};
use crowd_measure::window::Window;

use super::*;
use crate::capacity::{
    drive::{Look, Lost, monitors},
    result::Outcome,
    settings::Given,
};

/// A run whose requests take longer than a second as soon as there are more than so many users.
#[derive(Clone)]
struct Run {
    capacity: u64,
    inside: Arc<Mutex<Inside>>,
}

struct Inside {
    look: Look,
    sum: Window,
    ended: bool,
    changes: u32,
}

impl Run {
    fn new(capacity: u64) -> Self {
        let look = Look { on: true, ..Look::default() };
        let inside = Inside { look, sum: Window::default(), ended: false, changes: 0 };
        Self { capacity, inside: Arc::new(Mutex::new(inside)) }
    }

    fn with<T>(&self, look: impl FnOnce(&mut Inside) -> T) -> T {
        look(&mut self.inside.lock().unwrap())
    }
}

impl Target for Run {
    async fn look(&self) -> Result<Look, Refusal> {
        Ok(self.with(|inside| inside.look.clone()))
    }

    async fn measured(&self) -> Option<Window> {
        Some(self.with(|inside| {
            let users = inside.look.running;
            let slow = users > self.capacity;
            inside.sum.span += Duration::from_secs(1);
            if users > 0 {
                let action = inside.sum.action(&"request".into());
                for _ in 0..20 {
                    let time = Duration::from_millis(if slow { 1_100 } else { 700 });
                    action.service.record(time);
                    action.response.record(time);
                }
                action.failed += 1;
            }
            inside.sum.clone()
        }))
    }

    async fn add(&self, users: u64) -> Result<(), Refusal> {
        self.with(|inside| {
            inside.look.running += users;
            inside.changes += 1;
        });
        Ok(())
    }

    async fn remove(&self, users: u64) -> Result<u64, Refusal> {
        // They take until the next look to go.
        self.with(|inside| {
            inside.look.running -= users;
            inside.look.removed += users;
        });
        Ok(users)
    }

    async fn begun(&self) -> Option<u64> {
        None
    }

    async fn set_load(&self, _: f64) -> Result<(), Refusal> {
        Err(Refusal::new(Code::InvalidStatus, "there is no rate here"))
    }

    async fn end(&self) {
        self.with(|inside| inside.ended = true);
    }
}

fn begin(desk: &Desk, run: &Run, pairs: &[(&str, &str)]) -> Result<(), SearchError> {
    let mut given = Given::default();
    given.pair("signal", "p95(request) < 1s");
    // One request in twenty fails here, whatever the load is.
    given.pair("allow_errors", "true");
    pairs.iter().for_each(|(name, text)| given.pair(name, text));
    let settings = given.settings().unwrap();
    let monitors = monitors(&settings).unwrap();
    desk.take()?.begin(run.clone(), settings, monitors)
}

#[tokio::test(start_paused = true)]
async fn a_search_finds_what_the_run_supports_and_ends_it() {
    let (desk, run) = (Desk::default(), Run::new(40));
    assert_eq!(desk.status().state, SearchState::Stopped);
    begin(&desk, &run, &[]).unwrap();
    assert_eq!(desk.status().state, SearchState::Running);
    let status = desk.done().await;
    assert_eq!(status.state, SearchState::Done);
    let result = status.result.unwrap();
    let interval = result.interval.unwrap();
    assert!(interval.low <= 41.0 && interval.high >= 40.0, "{interval:?}");
    assert_eq!(result.limiting.unwrap().signal, "p95(request) < 1s");
    assert!(result.curve.iter().any(|point| point.p95_ms > 1_000.0), "{:?}", result.curve);
    assert!(result.curve.iter().all(|point| point.count > 0));
    assert!(status.errors > 10 && status.stop >= status.start && status.start.is_some());
    assert!(run.with(|inside| inside.ended));
}

#[tokio::test(start_paused = true)]
async fn states_and_refusals_are_those_of_the_coordinator() {
    let (desk, run) = (Desk::default(), Run::new(40));
    assert_eq!(desk.stop().await, Err(SearchError::NotRunning));
    begin(&desk, &run, &[]).unwrap();
    assert_eq!(begin(&desk, &run, &[]), Err(SearchError::NotStopped));
    tokio::time::sleep(Duration::from_secs(120)).await;
    let running = desk.status();
    assert!(running.active_users > 0 && running.supported.is_some(), "{running:?}");
    // It goes on, and cannot be forgotten.
    desk.forget();
    let (one, other) = tokio::join!(desk.stop(), desk.stop());
    let status = one.unwrap();
    assert_eq!(status.state, SearchState::Done);
    assert!(other.is_ok(), "both told the same search");
    let result = status.result.unwrap();
    assert_eq!(result.outcome, Outcome::Stopped);
    assert!(result.supported.is_some() && result.notes[0].starts_with("stopped by hand after 2m"));
    assert_eq!(desk.stop().await, Err(SearchError::NotRunning));
    assert_eq!(begin(&desk, &run, &[]), Err(SearchError::AlreadyDone));
    desk.forget();
    assert_eq!(desk.status().state, SearchState::Stopped);
    begin(&desk, &Run::new(5), &[]).unwrap();
}

#[tokio::test(start_paused = true)]
async fn status_as_programs_read_it() {
    let (desk, run) = (Desk::default(), Run::new(40));
    let json = |desk: &Desk| serde_json::to_value(desk.status()).unwrap();
    assert_eq!(json(&desk)["state"], "stopped");
    assert!(json(&desk)["start"].is_null());
    begin(&desk, &run, &[("strategy", "equilibrium")]).unwrap();
    tokio::time::sleep(Duration::from_millis(3_500)).await;
    let running = json(&desk);
    assert_eq!(
        (&running["state"], &running["strategy"]),
        (&"running".into(), &"equilibrium".into())
    );
    // What was seen before the last action.
    assert_eq!(running["active_users"], 24);
    assert!(running["start"].as_str().unwrap().ends_with('Z') && running["stop"].is_null());
    assert_eq!(running["signals"][0]["healthy"], true);
    let statuses = (0..8).map(|_| {
        let desk = desk.clone();
        tokio::spawn(async move { desk.status().state })
    });
    for status in statuses.collect::<Vec<_>>() {
        assert_eq!(status.await.unwrap(), SearchState::Running);
    }
    desk.stop().await.unwrap();
    assert_eq!((&json(&desk)["state"], json(&desk)["stop"].is_null()), (&"done".into(), false));
}

#[tokio::test(start_paused = true)]
async fn a_lost_node_is_told_and_does_not_spoil_the_answer() {
    let (desk, run) = (Desk::default(), Run::new(40));
    begin(&desk, &run, &[]).unwrap();
    tokio::time::sleep(Duration::from_secs(100)).await;
    run.with(|inside| {
        inside.look.lost.push(Lost {
            node: "w2".to_owned(),
            users: 12,
            went: vec![("w1".to_owned(), 7), ("w3".to_owned(), 5)],
        });
    });
    let result = desk.done().await.result.unwrap();
    assert_eq!(result.outcome, Outcome::Found);
    let interval = result.interval.unwrap();
    assert!(interval.low <= 41.0 && interval.high >= 40.0, "{interval:?}");
    let told = "node w2 was lost and its 12 users moved: 7 to w1, 5 to w3";
    assert!(result.notes.iter().any(|note| note.ends_with(told)), "{:?}", result.notes);
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_run_ends_the_search() {
    let (desk, run) = (Desk::default(), Run::new(40));
    begin(&desk, &run, &[]).unwrap();
    tokio::time::sleep(Duration::from_secs(60)).await;
    run.with(|inside| inside.look.on = false);
    let result = desk.done().await.result.unwrap();
    assert_eq!(result.outcome, Outcome::Stopped);
    assert!(result.notes[0].starts_with("the run ended after 1m"), "{:?}", result.notes);
}

#[tokio::test(start_paused = true)]
async fn a_rate_that_cannot_be_set_ends_the_search() {
    let (desk, run) = (Desk::default(), Run::new(40));
    begin(&desk, &run, &[("unit", "rate"), ("start", "1")]).unwrap();
    let result = desk.done().await.result.unwrap();
    assert_eq!((result.outcome, result.supported), (Outcome::Stopped, None));
    let told = |text: &str| result.notes.iter().any(|note| note.starts_with(text));
    assert!(told("the load could not be changed: there is no rate here"), "{:?}", result.notes);
    assert!(told("there is no rate here after"), "{:?}", result.notes);
}

#[tokio::test(start_paused = true)]
async fn a_place_that_is_not_used_is_given_back() {
    let desk = Desk::default();
    drop(desk.take().unwrap());
    let place = desk.take().unwrap();
    assert_eq!(desk.take().unwrap_err(), SearchError::NotStopped);
    drop(place);
    begin(&desk, &Run::new(5), &[]).unwrap();
    desk.end().await;
    assert_eq!(desk.status().state, SearchState::Stopped);
}
