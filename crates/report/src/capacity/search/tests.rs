//! Searches tick by tick.

use super::*;
use crate::capacity::{
    observation::{Measured, Signal, SignalKind},
    result::Interval,
    settings::Given,
};

mod bisecting;
mod ends;
mod loop_trace;
mod stressing;

/// A search that is set up so, with a second a tick.
struct Scene {
    search: Search,
    now: Duration,
    active: u64,
    rate: f64,
}

impl Scene {
    fn new(pairs: &[(&str, &str)]) -> Self {
        let mut given = Given::default();
        for (name, text) in pairs {
            given.pair(name, text);
        }
        let search = Search::new(given.settings().unwrap());
        Self { search, now: Duration::ZERO, active: 0, rate: 0.0 }
    }

    fn observation(&self, healthy: Option<bool>) -> Observation {
        let measured = Measured { span: Duration::from_secs(1), count: 100, ..Measured::default() };
        Observation {
            active: Some(self.active),
            signals: vec![signal("latency", SignalKind::Latency, healthy)],
            measured,
            ..Observation::default()
        }
    }

    /// One tick, whose commands are carried out at once.
    fn show(&mut self, observation: &Observation) -> Option<Box<CapacityResult>> {
        let commands = self.search.step(observation, self.now);
        self.now += Duration::from_secs(1);
        let mut result = None;
        for command in commands {
            match command {
                Command::Add(users) => self.active += users,
                Command::Remove(users) => self.active -= users,
                Command::SetRate(rate) => self.rate = rate,
                Command::Finish(found) => result = Some(found),
            }
        }
        result
    }

    /// Ticks until it is over: a load above the capacity alerts.
    fn run(&mut self, capacity: f64, ticks: u64) -> Box<CapacityResult> {
        for _ in 0..ticks {
            let load = self.rate.max(self.active as f64);
            if let Some(result) = self.show(&self.observation(Some(load <= capacity))) {
                return result;
            }
        }
        panic!("not over after {ticks} ticks, at {} users and {}/s", self.active, self.rate);
    }
}

fn signal(name: &str, kind: SignalKind, healthy: Option<bool>) -> Signal {
    let value = healthy.map(|healthy| if healthy { 80.0 } else { 120.0 });
    Signal { name: name.to_owned(), kind, value, limit: 100.0, healthy }
}
