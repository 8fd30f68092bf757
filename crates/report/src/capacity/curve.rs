//! Pure: what was measured at which load.

use std::{collections::BTreeMap, time::Duration};

use crowd_measure::timing::Timing;
use serde::{Deserialize, Serialize};

use super::observation::{Measured, Verdict};

/// How many points a curve has at most; one more and neighbouring loads become one point.
pub const MOST_POINTS: usize = 200;

/// One point of a curve: what was measured at a load, over all the time it was held.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct CurvePoint {
    /// The load: users, or iterations a second. The mean, where neighbouring loads became one point.
    pub load: f64,
    /// How many observations were made at it.
    pub samples: u64,
    /// How many of them said that the load is too much.
    pub alerts: u64,
    /// How long it was held, in seconds.
    pub seconds: f64,
    /// How many requests ended.
    pub count: u64,
    /// How many of them a second.
    pub rate: f64,
    /// The share of them that failed, 0 to 1.
    pub error_rate: f64,
    /// Response time that half did not exceed, in milliseconds.
    pub p50_ms: f64,
    /// Response time that 95 % did not exceed, in milliseconds.
    pub p95_ms: f64,
    /// Response time that 99 % did not exceed, in milliseconds.
    pub p99_ms: f64,
}

/// Measurements by load, in bounded memory: loads are put into steps that grow twice as wide
/// whenever there are too many of them. Distributions are added, never averaged.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Curve {
    steps: BTreeMap<u64, Step>,
    /// How wide a step is, as a power of two.
    doublings: u32,
}

#[derive(Debug, Clone, Default, PartialEq)]
struct Step {
    /// The sum of the loads of all samples.
    loads: f64,
    samples: u64,
    alerts: u64,
    span: Duration,
    count: u64,
    failed: u64,
    response: Timing,
}

impl Curve {
    /// Adds what was measured at a load.
    pub fn add(&mut self, load: f64, measured: &Measured, verdict: Verdict) {
        let step = self.steps.entry(load.round().max(0.0) as u64 >> self.doublings).or_default();
        step.loads += load;
        step.samples += 1;
        step.alerts += u64::from(verdict == Verdict::Alert);
        step.span += measured.span;
        step.count += measured.count;
        step.failed += measured.failed;
        step.response.merge(&measured.response);
        while self.steps.len() > MOST_POINTS {
            self.halve();
        }
    }

    fn halve(&mut self) {
        self.doublings += 1;
        for (at, step) in std::mem::take(&mut self.steps) {
            let wider = self.steps.entry(at >> 1).or_default();
            wider.loads += step.loads;
            wider.samples += step.samples;
            wider.alerts += step.alerts;
            wider.span += step.span;
            wider.count += step.count;
            wider.failed += step.failed;
            wider.response.merge(&step.response);
        }
    }

    /// The points, the lowest load first.
    pub fn points(&self) -> Vec<CurvePoint> {
        self.steps.values().map(Step::point).collect()
    }
}

impl Step {
    fn point(&self) -> CurvePoint {
        let [p50_ms, p95_ms, p99_ms] =
            self.response.quantiles([0.5, 0.95, 0.99]).map(|time| time.as_secs_f64() * 1e3);
        let seconds = self.span.as_secs_f64();
        let share = |part: f64, whole: f64| if whole > 0.0 { part / whole } else { 0.0 };
        CurvePoint {
            load: share(self.loads, self.samples as f64),
            samples: self.samples,
            alerts: self.alerts,
            seconds,
            count: self.count,
            rate: share(self.count as f64, seconds),
            error_rate: share(self.failed as f64, self.count as f64),
            p50_ms,
            p95_ms,
            p99_ms,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(millis: u64, failed: u64) -> Measured {
        let mut response = Timing::default();
        response.record(Duration::from_millis(millis));
        response.record(Duration::from_millis(millis));
        Measured { span: Duration::from_secs(1), count: 2, failed, response }
    }

    #[test]
    fn all_that_was_measured_at_a_load_is_one_point() {
        let mut curve = Curve::default();
        curve.add(8.0, &second(100, 0), Verdict::Healthy);
        curve.add(8.0, &second(300, 1), Verdict::Alert);
        curve.add(16.0, &second(400, 2), Verdict::Alert);
        let points = curve.points();
        assert_eq!(points.len(), 2);
        let CurvePoint { load, samples, alerts, count, rate, error_rate, p50_ms, p99_ms, .. } =
            points[0];
        assert_eq!((load, samples, alerts, count, rate), (8.0, 2, 1, 4, 2.0));
        assert_eq!((error_rate, p50_ms.round(), p99_ms.round()), (0.25, 100.0, 300.0));
    }

    #[test]
    fn many_loads_stay_a_bounded_number_of_points_and_nothing_is_lost() {
        let mut curve = Curve::default();
        for load in 0..5_000_u32 {
            curve.add(f64::from(load), &second(10, 0), Verdict::Healthy);
        }
        let points = curve.points();
        assert!(points.len() <= MOST_POINTS, "{}", points.len());
        assert_eq!(points.iter().map(|point| point.count).sum::<u64>(), 10_000);
        assert!(points.windows(2).all(|two| two[0].load < two[1].load));
    }
}
