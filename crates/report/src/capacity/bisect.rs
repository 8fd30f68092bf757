//! Pure: noisy bisection, for the least load that a stated confidence takes.
//!
//! Each window at a load answers one question: too much or not? The capacity is the load at which
//! one window in three says yes. Near the capacity such answers are
//! a matter of luck, far from it they are not, so the search keeps a `Posterior` over the
//! capacity and over how sharp the border is, asks where an answer tells most, and ends when the
//! interval is as narrow as was asked for. It never asks for more than twice what was healthy, so it
//! begins by doubling.
//!
//! That is Horstein's probabilistic bisection ("Sequential transmission using noiseless feedback",
//! 1963; Waeber, Frazier and Henderson, "Bisection search with noisy responses", 2013), with the
//! chance of a wrong answer not given but learned, as in Kontsevich and Tyler, "Bayesian adaptive
//! estimation of psychometric slope and threshold" (1999).

use std::time::Duration;

use super::{
    observation::Verdict,
    result::{Finding, Interval},
    search::{Decision, Hold, Tick},
    settings::Unit,
};

mod posterior;

use posterior::Posterior;

/// No load is asked for that is more than so many times one that was healthy.
const GROWTH: f64 = 2.0;

/// A load is asked again as long as that tells this share of what the best one would: going from one
/// to another costs the time to settle.
const STAY: f64 = 0.8;

/// So many ticks in a row have to be clear before a window is cut short.
const CLEAR_TICKS: u32 = 2;

/// How the search goes.
#[derive(Debug, Clone, PartialEq)]
pub struct BisectSettings {
    /// The first load.
    pub start: f64,
    /// The most load.
    pub max: f64,
    /// What load is counted in.
    pub unit: Unit,
    /// How narrow the interval has to be: its half as a share of the answer.
    pub precision: f64,
    /// How sure it has to be, 0 to 1.
    pub confidence: f64,
    /// How long a load settles before its first window.
    pub settle: Duration,
    /// How long a window is.
    pub window: Duration,
    /// A signal so many times beyond its limit, or within it, is clear before the window is over.
    pub clear: f64,
    /// How many windows there are at most.
    pub most_windows: u32,
    /// How long a load may take to be reached.
    pub patience: Duration,
}

/// The search so far.
#[derive(Debug, Clone, PartialEq)]
pub struct Bisect {
    settings: BisectSettings,
    posterior: Posterior,
    hold: Hold,
    /// Where the load came from: up is `true`. `None` after its first window.
    rising: Option<bool>,
    /// When the last window at this load was over.
    judged: Option<Duration>,
    /// Clear ticks in a row.
    clear: u32,
    highest_healthy: Option<f64>,
    windows: u32,
}

impl Bisect {
    /// A search that knows nothing.
    pub fn new(settings: BisectSettings) -> Self {
        let start = settings.start.min(settings.max);
        let least = match settings.unit {
            Unit::Users => 0.5,
            Unit::Rate => start / 100.0,
        };
        let posterior = Posterior::new(least, GROWTH * settings.max, settings.precision);
        Self {
            posterior,
            hold: Hold::new(start),
            rising: Some(true),
            judged: None,
            clear: 0,
            highest_healthy: None,
            windows: 0,
            settings,
        }
    }

    pub(super) fn step(&mut self, tick: &Tick) -> Decision {
        let Some(since) = self.hold.see(tick) else {
            self.judged = None;
            return match self.hold.out_of_reach(tick, self.settings.patience) {
                Some(finding) => Decision::Finish(Finding { notes: finding.notes, ..self.best() }),
                None => self.held(),
            };
        };
        let begins = self.judged.unwrap_or(since.saturating_add(self.settings.settle));
        if tick.now < begins || tick.verdict == Verdict::Unknown {
            return self.held();
        }
        if tick.now >= begins + self.settings.window || self.is_clear(tick) {
            self.judge(tick)
        } else {
            self.held()
        }
    }

    /// Whether it makes no sense to wait for the end of the window. What is left in the signals of
    /// the load before speaks for the other answer, so it does not have to be waited out.
    fn is_clear(&mut self, tick: &Tick) -> bool {
        let clear = match (self.rising, tick.verdict, tick.excess) {
            (Some(true), Verdict::Alert, Some(excess)) => excess >= self.settings.clear,
            (Some(false), Verdict::Healthy, Some(excess)) => excess <= 1.0 / self.settings.clear,
            _ => false,
        };
        self.clear = if clear { self.clear + 1 } else { 0 };
        self.clear >= CLEAR_TICKS
    }

    fn judge(&mut self, tick: &Tick) -> Decision {
        let load = self.hold.load();
        let alert = tick.verdict == Verdict::Alert;
        self.posterior.learn(load, alert);
        self.windows += 1;
        self.judged = Some(tick.now);
        self.rising = None;
        self.clear = 0;
        if !alert {
            self.highest_healthy =
                Some(self.highest_healthy.map_or(load, |highest| highest.max(load)));
        }
        if let Some(finding) = self.answer() {
            return Decision::Finish(finding);
        }
        let next = self.next();
        if next != load {
            self.hold = Hold::new(next);
            self.rising = Some(next > load);
            self.judged = None;
        }
        self.held()
    }

    fn held(&self) -> Decision {
        Decision::Hold(self.hold.load())
    }

    /// The answer, if it is good enough.
    fn answer(&self) -> Option<Finding> {
        let BisectSettings { max, unit, confidence, precision, most_windows, .. } = self.settings;
        if self.posterior.above(max) >= confidence {
            return Some(Finding::not_limited(max));
        }
        let best = self.best();
        let interval = best.interval.as_ref()?;
        // Users are whole; half of one cannot be told apart.
        let finest = if unit == Unit::Users { 1.0 } else { 0.0 };
        let middle = self.posterior.quantile(0.5);
        if interval.high - interval.low <= (2.0 * precision * middle).max(finest) {
            return Some(Finding { outcome: super::Outcome::Found, ..best });
        }
        (self.windows >= most_windows).then(|| Finding {
            outcome: super::Outcome::Found,
            notes: vec![format!(
                "after {most_windows} windows the interval is still wider than ± {}%",
                precision * 100.0
            )],
            ..best
        })
    }

    /// The load where an answer tells most, as far up as one may go.
    fn next(&self) -> f64 {
        let BisectSettings { start, max, unit, .. } = self.settings;
        let reach = self.highest_healthy.map_or(start, |healthy| healthy * GROWTH).min(max);
        if self.posterior.quantile(0.5) >= reach {
            return reach;
        }
        let fit = |load: f64| match unit {
            Unit::Users => load.round().clamp(1.0, reach),
            Unit::Rate => load.min(reach),
        };
        let candidates = [0.1, 0.3, 0.5, 0.7, 0.9].map(|share| fit(self.posterior.quantile(share)));
        let told = |load: &f64| self.posterior.tells(*load);
        let best = candidates.into_iter().map(|load| (told(&load), load));
        let (most, best) =
            best.max_by(|one, other| one.0.total_cmp(&other.0)).unwrap_or((0.0, reach));
        let here = self.hold.load();
        let stays = self.highest_healthy.is_some() && told(&here) >= STAY * most;
        if stays { here } else { best }
    }

    /// What is known so far.
    pub(super) fn best(&self) -> Finding {
        if self.windows == 0 {
            return Finding::default();
        }
        let confidence = self.settings.confidence;
        let tail = (1.0 - confidence) / 2.0;
        let whole = |load: f64| if self.settings.unit == Unit::Users { load.floor() } else { load };
        let [low, middle, high] =
            [tail, 0.5, 1.0 - tail].map(|share| self.posterior.quantile(share));
        let interval = Interval {
            low,
            high,
            confidence: Some(confidence),
            method: "credible interval of the load at which one window in three alerts".into(),
        };
        Finding { supported: Some(whole(middle)), interval: Some(interval), ..Finding::default() }
    }

    /// Whether what is measured now belongs to the load that is held.
    pub(super) fn is_settled(&self, now: Duration) -> bool {
        self.hold.since().is_some_and(|since| now > since.saturating_add(self.settings.settle))
    }
}
