//! What a coordinator's actions and events were, in order, as lines.

use std::{
    fmt::Debug,
    mem,
    sync::{Arc, Mutex},
    time::Duration,
};

use crowd::{
    coordinator::{Action, Coordinator, Coordinators, Event},
    telemetry::{Subscription, Telemetry},
    user::UserId,
};

#[derive(Debug, Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    pub(crate) fn push(&self, line: impl Into<String>) {
        self.0.lock().unwrap().push(line.into());
    }

    /// The lines since the last time.
    pub(crate) fn take(&self) -> Vec<String> {
        mem::take(&mut self.0.lock().unwrap())
    }

    /// The lines since the last time, as one text.
    pub(crate) fn text(&self) -> String {
        self.take().join("\n")
    }

    /// An action that logs the event.
    pub(crate) fn event(&self, label: &'static str) -> Action<u64> {
        let log = self.clone();
        Action::event(move |event| log.push(format!("{label}: {event}")))
    }

    /// An action that logs the event and the users, in the order it gets them.
    pub(crate) fn members(&self, label: &'static str) -> Action<u64> {
        let log = self.clone();
        Action::members(move |event, members| {
            for member in members {
                assert_eq!(member.user.0 * 10, member.data, "each user comes with its own data");
            }
            let users: Vec<_> = members.iter().map(|member| member.user.0).collect();
            log.push(format!("{label}: {event} {users:?}"));
        })
    }

    /// An action that logs the pairs.
    pub(crate) fn pairs(&self, label: &'static str) -> Action<u64> {
        let log = self.clone();
        Action::pairs(move |event, newer, older| {
            let older = older.map_or("nobody".to_owned(), |older| older.user.to_string());
            log.push(format!("{label}: {} {}-{older}", event.name(), newer.user));
        })
    }

    /// An action that logs the event, and again `after` that.
    pub(crate) fn slow(&self, label: &'static str, after: Duration) -> Action<u64> {
        let log = self.clone();
        Action::event(move |event: Event| {
            let log = log.clone();
            Box::pin(async move {
                log.push(format!("{label}: {event} begins"));
                tokio::time::sleep(after).await;
                log.push(format!("{label}: {event} ends"));
                Ok(())
            })
        })
    }
}

/// A node's coordinators, with the names of their events but `execute`, in order.
pub(crate) async fn coordinators() -> (Coordinators, Telemetry, Log, Subscription) {
    let telemetry = Telemetry::default();
    let log = Log::default();
    let names = log.clone();
    let subscription = telemetry.subscribe(move |occurrence| {
        let name = occurrence.kind.name();
        if let Some(what) = name.strip_prefix("crowd.coordinator.")
            && what != "execute"
        {
            names.push(what);
        }
    });
    let coordinators = Coordinators::spawn(telemetry.clone()).await.unwrap();
    (coordinators, telemetry, log, subscription)
}

/// Adds users, each with ten times its id.
pub(crate) fn add(coordinator: &Coordinator<u64>, users: impl IntoIterator<Item = u64>) {
    for user in users {
        coordinator.add(UserId(user), user * 10).unwrap();
    }
}

/// Waits until `check` holds, with patience; the clock may be paused.
pub(crate) async fn eventually(what: impl Debug, check: impl Fn() -> bool) {
    for _ in 0..2_000 {
        if check() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("never: {what:?}");
}
