//! Pure: when arrivals are due. The k-th arrival of a stage is due when the integral of its rate
//! reaches k: T(k) is the inverse of the integral, so that a stage has exactly as many arrivals as
//! the integral has whole numbers, and no arrival is due at its very start.
//!
//! The same numbers come out on every node: it is one function of the stage and k, without any
//! state.

use std::time::Duration;

use super::stage::{Load, Span, Stage};

/// What binary fractions may be off by before an integral that is a whole number is taken for one
/// less: so much, and of a large integral such a part.
const ROUNDING: (f64, f64) = (1e-9, 1e-13);

/// An integral, without what binary fractions took from it.
fn rounded(integral: f64) -> f64 {
    integral + ROUNDING.0.max(integral * ROUNDING.1)
}

/// The arrivals of one stage.
#[derive(Debug, Clone, Copy)]
pub struct Arrivals {
    span: Span,
    /// In nanoseconds.
    duration: u64,
}

impl Arrivals {
    /// The arrivals of a stage; `None` if it is not one of a rate.
    pub fn of(stage: &Stage) -> Option<Self> {
        match stage.load {
            Load::Rate { span, .. } => {
                let duration = u64::try_from(stage.duration.as_nanos()).unwrap_or(u64::MAX);
                Some(Self { span, duration })
            }
            Load::Users(_) | Load::Pause => None,
        }
    }

    /// How many there are in all.
    pub fn total(&self) -> u64 {
        self.until(self.duration)
    }

    /// How many are due until this time, in nanoseconds since the stage began.
    pub fn until(&self, nanos: u64) -> u64 {
        rounded(self.integral_at(nanos)).floor().max(0.0) as u64
    }

    /// When the arrival of that number is due, from 1, since the stage began; `None` if the stage
    /// has not so many.
    pub fn due(&self, number: u64) -> Option<Duration> {
        let is_one = (1..=self.total()).contains(&number);
        is_one.then(|| self.reaches(number as f64))
    }

    /// The integral over the whole stage: how many arrivals it has, and the part of one that is
    /// left over.
    pub fn integral(&self) -> f64 {
        self.integral_at(self.duration)
    }

    /// When the integral of the rate reaches that much, since the stage began; its end if it never
    /// does.
    pub fn reaches(&self, integral: f64) -> Duration {
        let reached = |nanos| rounded(self.integral_at(nanos)) >= integral;
        // The first nanosecond at which it has: found by halving, which is exact for whatever
        // curve, narrowed first by Newton's method, which is fast.
        let (mut low, mut high) = (0, self.duration);
        let mut guess = self.duration / 2;
        for _ in 0..6 {
            let rate = self.rate(guess);
            if rate <= 0.0 {
                break;
            }
            let step = (integral - self.integral_at(guess)) / rate * 1e9;
            let next = (guess as f64 + step).clamp(0.0, self.duration as f64) as u64;
            if next.abs_diff(guess) < 2 {
                break;
            }
            guess = next;
        }
        let mut width = 64;
        while width < self.duration {
            let (below, above) = (guess.saturating_sub(width), guess.saturating_add(width));
            let above = above.min(self.duration);
            if (below == 0 || !reached(below)) && reached(above) {
                (low, high) = (below, above);
                break;
            }
            width *= 16;
        }
        while low < high {
            let middle = low + (high - low) / 2;
            if reached(middle) { high = middle } else { low = middle + 1 }
        }
        Duration::from_nanos(low)
    }

    fn progress(&self, nanos: u64) -> f64 {
        if self.duration == 0 { 1.0 } else { (nanos as f64 / self.duration as f64).min(1.0) }
    }

    /// Arrivals a second at a time.
    fn rate(&self, nanos: u64) -> f64 {
        self.span.curve.value_at(self.span.from, self.span.to, self.progress(nanos))
    }

    /// The integral of the rate until a time.
    fn integral_at(&self, nanos: u64) -> f64 {
        let Span { from, to, curve } = self.span;
        let progress = self.progress(nanos);
        let seconds = self.duration as f64 / 1e9;
        seconds * (from * progress + (to - from) * curve.area(progress))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::profile::curve::Curve;

    fn arrivals(from: f64, to: f64, curve: Curve, seconds: f64) -> Arrivals {
        let duration = Duration::from_secs_f64(seconds);
        Arrivals::of(&Stage::ramp_rate(from, to, curve, duration)).unwrap()
    }

    #[test]
    fn a_constant_rate_is_evenly_spaced_and_nobody_comes_at_the_start() {
        let even = arrivals(10.0, 10.0, Curve::Linear, 3.0);
        assert_eq!(even.total(), 30);
        let due = |number| even.due(number).unwrap();
        for number in 1..=30_u32 {
            let told = Duration::from_millis(100) * number;
            assert!(due(number.into()).abs_diff(told) <= Duration::from_micros(1), "{number}");
        }
        assert_eq!((even.due(0), even.due(31)), (None, None));
    }

    #[test]
    fn a_ramp_from_nothing_to_a_hundred_has_half_of_it() {
        let ramp = arrivals(0.0, 100.0, Curve::Linear, 10.0);
        assert_eq!(ramp.total(), 500);
        // Half of the arrivals after 1/√2 of the time.
        let half = ramp.due(250).unwrap().as_secs_f64();
        assert!((half - 10.0 / 2.0_f64.sqrt()).abs() < 1e-6, "{half}");
        assert_eq!(arrivals(0.0, 90.0, Curve::Quadratic, 10.0).total(), 300);
    }

    #[test]
    fn an_odd_rate_rounds_down() {
        assert_eq!(arrivals(0.3, 0.3, Curve::Linear, 10.0).total(), 3);
        assert_eq!(arrivals(1.0 / 3.0, 1.0 / 3.0, Curve::Linear, 10.0).total(), 3);
        assert_eq!(arrivals(0.0, 0.0, Curve::Linear, 10.0).total(), 0);
    }

    fn curves() -> impl Strategy<Value = Curve> {
        prop_oneof![Just(Curve::Linear), Just(Curve::Quadratic), Just(Curve::Exponential)]
    }

    proptest! {
        /// Every arrival is due at the first moment at which the integral has reached its number.
        #[test]
        fn due_is_the_inverse_of_the_integral(
            from in 0.0..5e4, to in 0.0..5e4, curve in curves(), seconds in 0.001..4000.0,
            numbers in prop::collection::vec(any::<prop::sample::Index>(), 1..20),
        ) {
            let arrivals = arrivals(from, to, curve, seconds);
            let total = arrivals.total();
            prop_assume!(total > 0);
            for number in numbers {
                let number = number.index(total as usize) as u64 + 1;
                let due = arrivals.due(number).unwrap().as_nanos() as u64;
                prop_assert!(arrivals.until(due) >= number);
                prop_assert!(due == 0 || arrivals.until(due - 1) < number);
            }
            prop_assert_eq!(arrivals.due(total + 1), None);
        }
    }
}
