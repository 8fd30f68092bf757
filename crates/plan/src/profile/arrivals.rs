//! Pure: when arrivals are due. The k-th arrival of a plan is due when the integral of its rate over
//! all stages until then reaches k: T(k) is the inverse of the integral. So the arrivals until any
//! time are as many as the integral until then has whole numbers, and none is due at the very start.
//! What a stage leaves over of an arrival is carried to the next stage of a rate, whatever is between
//! them.
//!
//! The same numbers come out on every node: it is one function of the stages and k, without any
//! state.

use std::time::Duration;

use super::stage::{Load, Span, Stage};

/// What binary fractions may be off by before an integral that is a whole number is taken for one
/// less: so much, and of a large integral such a part.
const ROUNDING: (f64, f64) = (1e-9, 1e-13);

/// The arrivals of one stage.
#[derive(Debug, Clone, Copy)]
pub struct Arrivals {
    span: Span,
    /// In nanoseconds.
    duration: u64,
    before: Before,
}

/// What was before a stage.
#[derive(Debug, Clone, Copy)]
struct Before {
    /// How many arrivals.
    whole: u64,
    /// The part of an arrival that was left over.
    part: f64,
}

impl Arrivals {
    /// The arrivals of each stage of a plan; `None` where it is not one of a rate.
    pub fn of(stages: &[Stage]) -> Vec<Option<Self>> {
        let mut before = Before { whole: 0, part: 0.0 };
        let arrivals_of = |stage: &Stage| {
            let arrivals = Self::after(before, stage)?;
            let total = arrivals.total();
            before.whole = before.whole.saturating_add(total);
            // Of all the digits of a large integral this is what matters to the stages to come.
            before.part += arrivals.integral() - total as f64;
            Some(arrivals)
        };
        stages.iter().map(arrivals_of).collect()
    }

    fn after(before: Before, stage: &Stage) -> Option<Self> {
        match stage.load {
            Load::Rate { span, .. } => {
                let duration = u64::try_from(stage.duration.as_nanos()).unwrap_or(u64::MAX);
                Some(Self { span, duration, before })
            }
            Load::Users(_) | Load::Pause => None,
        }
    }

    /// The same stage, if nothing was carried to it.
    pub fn alone(self) -> Self {
        Self { before: Before { part: 0.0, ..self.before }, ..self }
    }

    /// How many the stages before it have together.
    pub fn before(&self) -> u64 {
        self.before.whole
    }

    /// How many there are in all.
    pub fn total(&self) -> u64 {
        self.until(self.duration)
    }

    /// How many are due until this time, in nanoseconds since the stage began.
    pub fn until(&self, nanos: u64) -> u64 {
        self.grown(nanos).floor().max(0.0) as u64
    }

    /// When the arrival of that number is due, from 1, since the stage began; `None` if the stage
    /// has not so many.
    pub fn due(&self, number: u64) -> Option<Duration> {
        let is_one = (1..=self.total()).contains(&number);
        is_one.then(|| self.reaches(number as f64))
    }

    /// The integral over the whole stage: how many arrivals it would have by itself, and the part
    /// of one that would be left over.
    pub fn integral(&self) -> f64 {
        self.integral_at(self.duration)
    }

    /// What has grown until a time since the last arrival of the stages before, without what binary
    /// fractions took from it: the more arrivals a plan has had, the more that may be.
    fn grown(&self, nanos: u64) -> f64 {
        let grown = self.before.part + self.integral_at(nanos);
        grown + ROUNDING.0.max((self.before.whole as f64 + grown) * ROUNDING.1)
    }

    /// When the integral of the rate, with what was carried to the stage, reaches that much, since
    /// the stage began; its end if it never does.
    pub fn reaches(&self, integral: f64) -> Duration {
        let reached = |nanos| self.grown(nanos) >= integral;
        // The first nanosecond at which it has: found by halving, which is exact for whatever
        // curve, narrowed first by Newton's method, which is fast.
        let (mut low, mut high) = (0, self.duration);
        let mut guess = self.duration / 2;
        for _ in 0..6 {
            let rate = self.rate(guess);
            if rate <= 0.0 {
                break;
            }
            let missing = integral - self.before.part - self.integral_at(guess);
            let step = missing / rate * 1e9;
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
mod tests;
