//! What a list of targets does, as the system it is modelled on has it, and beyond.

use std::{convert::Infallible, future::pending};

use super::*;

mod checking;
mod counting;
mod model;
mod picking;
mod renewing;
mod scoring;

/// Targets that nobody checks.
fn unchecked(names: &[&'static str]) -> Targets<&'static str> {
    unchecked_with(TargetOptions::default(), names)
}

fn unchecked_with(options: TargetOptions, names: &[&'static str]) -> Targets<&'static str> {
    measured(options, names, &Measure::default())
}

fn measured(
    options: TargetOptions,
    names: &[&'static str],
    measure: &Measure,
) -> Targets<&'static str> {
    let check = |_| pending::<Result<(), Infallible>>();
    let (measure, telemetry) = (measure.clone(), Telemetry::default());
    let list = names.iter().copied();
    let (targets, checking) = Targets::prepare(measure, telemetry, options, list, check).unwrap();
    drop(checking);
    targets
}

fn refused() -> Failure {
    Failure::target("connection refused")
}

impl Targets<&'static str> {
    fn next(&self) -> &'static str {
        *self.pick().unwrap()
    }

    fn nexts<const N: usize>(&self) -> [&'static str; N] {
        std::array::from_fn(|_| self.next())
    }

    fn ups(&self, name: &str, times: usize) {
        let target = self.find(name).unwrap();
        (0..times).for_each(|_| self.up(&target));
    }

    fn downs(&self, name: &str, times: usize) {
        let target = self.find(name).unwrap();
        (0..times).for_each(|_| self.down(&target, &refused()));
    }

    fn score(&self, name: &str) -> f64 {
        self.find(name).unwrap().score()
    }

    /// Names with scores, in the order of the list.
    fn scores(&self) -> Vec<(&'static str, f64)> {
        self.all().iter().map(|target| (**target, target.score())).collect()
    }
}
