//! A server of known capacity, in virtual time: what searches find is held against what is true.
//!
//! A queue before `workers` workers serves closed users, each of whom thinks, asks, waits for the
//! answer and thinks again. Its capacity is the number of users at which the p95 of its response
//! times crosses a limit, told by long simulations at fixed numbers of users.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
    time::Duration,
};

use rand::{RngExt, SeedableRng, rngs::StdRng};

use super::{
    observation::{Measured, Observation, Signal, SignalKind},
    result::{CapacityResult, Outcome},
    search::{Command, Search},
    settings::Given,
};

/// Microseconds since the beginning.
type Time = u64;

const SECOND: Time = 1_000_000;

/// What a server is like.
#[derive(Debug, Clone, Copy)]
struct Shape {
    workers: usize,
    /// How long a request is served, on average.
    service: Time,
    /// By how much that varies, as a share of it.
    jitter: f64,
    /// How long a user thinks, on average.
    think: Time,
    /// The p95 that is too much.
    limit: Time,
}

const FIXED: Shape = Shape {
    workers: 8,
    service: SECOND * 2 / 5,
    jitter: 0.0,
    think: 4 * SECOND,
    limit: SECOND * 4 / 5,
};

const JITTERED: Shape = Shape { jitter: 0.8, ..FIXED };

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    /// A user has thought.
    Asks,
    /// A request that was asked at this time is answered.
    Answered(Time),
}

struct Server {
    shape: Shape,
    luck: StdRng,
    now: Time,
    events: BinaryHeap<Reverse<(Time, u64, Event)>>,
    /// So that events at the same time have an order.
    number: u64,
    queue: VecDeque<Time>,
    busy: usize,
    users: u64,
    /// Users that leave instead of asking again.
    leaving: u64,
    /// The response times of each of the last seconds, the newest last.
    seconds: VecDeque<Vec<Time>>,
}

impl Server {
    fn new(shape: Shape, seed: u64) -> Self {
        Self {
            shape,
            luck: StdRng::seed_from_u64(seed),
            now: 0,
            events: BinaryHeap::new(),
            number: 0,
            queue: VecDeque::new(),
            busy: 0,
            users: 0,
            leaving: 0,
            seconds: VecDeque::new(),
        }
    }

    fn at(&mut self, time: Time, event: Event) {
        self.number += 1;
        self.events.push(Reverse((time, self.number, event)));
    }

    fn set_users(&mut self, users: u64) {
        while self.users < users {
            self.users += 1;
            if self.leaving > 0 {
                self.leaving -= 1;
            } else {
                self.think();
            }
        }
        self.leaving += self.users.saturating_sub(users);
        self.users = users;
    }

    fn think(&mut self) {
        let even: f64 = self.luck.random_range(1e-9..1.0);
        let time = (-even.ln() * self.shape.think as f64) as Time;
        self.at(self.now + time, Event::Asks);
    }

    fn serve(&mut self, asked: Time) {
        let spread = self.luck.random_range(-1.0..1.0) * self.shape.jitter;
        let time = (self.shape.service as f64 * (1.0 + spread)) as Time;
        self.busy += 1;
        self.at(self.now + time, Event::Answered(asked));
    }

    /// A second goes by.
    fn second(&mut self) {
        let end = self.now + SECOND;
        let mut times = Vec::new();
        while let Some(&Reverse((time, _, event))) = self.events.peek()
            && time <= end
        {
            self.events.pop();
            self.now = time;
            match event {
                Event::Asks if self.leaving > 0 => self.leaving -= 1,
                Event::Asks if self.busy < self.shape.workers => self.serve(time),
                Event::Asks => self.queue.push_back(time),
                Event::Answered(asked) => {
                    times.push(time - asked);
                    self.busy -= 1;
                    if let Some(next) = self.queue.pop_front() {
                        self.serve(next);
                    }
                    self.think();
                }
            }
        }
        self.now = end;
        self.seconds.push_back(times);
    }

    /// The p95 of the response times of the last seconds; older ones are forgotten.
    fn p95(&mut self, seconds: usize) -> Option<Time> {
        while self.seconds.len() > seconds {
            self.seconds.pop_front();
        }
        let mut all: Vec<_> = self.seconds.iter().flatten().copied().collect();
        let at = (all.len() * 95).div_ceil(100).checked_sub(1)?;
        Some(*all.select_nth_unstable(at).1)
    }
}

/// The number of users at which the p95 crosses the limit, found by bisection of simulations of
/// 6,000 seconds each.
const CAPACITIES: [(Shape, f64); 2] = [(FIXED, 81.6), (JITTERED, 72.8)];

/// The p95 over a long time at a fixed number of users.
fn long_p95(shape: Shape, users: u64) -> Time {
    const SECONDS: usize = 2_000;
    let mut server = Server::new(shape, 99);
    server.set_users(users);
    (0..60).for_each(|_| server.second());
    server.seconds.clear();
    (0..SECONDS).for_each(|_| server.second());
    server.p95(SECONDS).unwrap()
}

/// One search; the window is what the signal looks back.
fn search(shape: Shape, seed: u64, pairs: &[(&str, &str)]) -> CapacityResult {
    let mut given = Given::default();
    for (name, text) in pairs {
        given.pair(name, text);
    }
    let settings = given.settings().unwrap();
    let window = settings.window.as_secs() as usize;
    let mut search = Search::new(settings);
    let mut server = Server::new(shape, seed);
    for second in 0..20_000 {
        let value = server.p95(window).map(|time| time as f64 / 1e3);
        let limit = shape.limit as f64 / 1e3;
        let signal = Signal {
            name: "p95 < 800ms".to_owned(),
            kind: SignalKind::Latency,
            value,
            limit,
            healthy: value.map(|value| value < limit),
        };
        let observation = Observation {
            active: Some(server.users),
            signals: vec![signal],
            measured: Measured { span: Duration::from_secs(1), ..Measured::default() },
            ..Observation::default()
        };
        for command in search.step(&observation, Duration::from_secs(second)) {
            match command {
                Command::Add(users) => server.set_users(server.users + users),
                Command::Remove(users) => server.set_users(server.users - users),
                Command::SetRate(_) => unreachable!("these are users"),
                Command::Finish(result) => return *result,
            }
        }
        server.second();
    }
    panic!("no answer from seed {seed}");
}

/// Twenty seeded searches: how many intervals cover the truth, and the load-seconds of all.
fn twenty(pairs: &[(&str, &str)]) -> (usize, f64) {
    let mut covered = 0;
    let mut spent = 0.0;
    for seed in 0..20 {
        let (shape, truth) = CAPACITIES[seed % 2];
        let result = search(shape, seed as u64, pairs);
        assert_eq!(result.outcome, Outcome::Found);
        let interval = result.interval.unwrap();
        let covers = (interval.low..=interval.high).contains(&truth);
        println!(
            "seed {seed}: {:?} in {:.1} to {:.1}, truth {truth:.1}, {covers}, {:.0} s, {:.0}",
            result.supported, interval.low, interval.high, result.seconds, result.load_seconds
        );
        covered += usize::from(covers);
        spent += result.load_seconds;
    }
    (covered, spent)
}

#[test]
fn the_server_obeys_the_laws_of_queues() {
    for shape in [FIXED, JITTERED] {
        let mut server = Server::new(shape, 1);
        server.set_users(200);
        (0..1_000).for_each(|_| server.second());
        // Utilisation law: so many workers cannot serve more than this.
        let served: usize = server.seconds.iter().skip(500).map(Vec::len).sum();
        let most = shape.workers as f64 * SECOND as f64 / shape.service as f64;
        let rate = served as f64 / 500.0;
        assert!((rate / most - 1.0).abs() < 0.02, "{rate} of {most}");
        // Response time law: R = N / X − Z.
        let times: Vec<_> = server.seconds.iter().skip(500).flatten().copied().collect();
        let mean = times.iter().sum::<Time>() as f64 / times.len() as f64 / SECOND as f64;
        let expected = 200.0 / rate - shape.think as f64 / SECOND as f64;
        assert!((mean / expected - 1.0).abs() < 0.05, "{mean} s is not {expected} s");
    }
}

#[test]
fn the_capacities_are_what_long_simulations_say() {
    for (shape, capacity) in CAPACITIES {
        let [below, above] = [0.96, 1.04].map(|share| (capacity * share) as u64);
        assert!(long_p95(shape, below) < shape.limit, "{below} are too many");
        assert!(long_p95(shape, above) > shape.limit, "{above} are supported");
    }
}

#[test]
fn bisect_covers_the_truth_for_a_third_of_the_load_of_equilibrium() {
    let (equilibrium, much) = twenty(&[("strategy", "equilibrium"), ("max", "400")]);
    let (bisect, little) = twenty(&[("strategy", "bisect"), ("max", "400")]);
    println!("equilibrium {equilibrium}, bisect {bisect}, {:.3} of the load", little / much);
    assert!(equilibrium >= 18, "{equilibrium} of 20");
    assert!(bisect >= 18, "{bisect} of 20");
    assert!(little <= much / 3.0, "{little:.0} of {much:.0} load-seconds");
}
