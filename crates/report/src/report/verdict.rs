//! What is said of a run in one word, and the exit code that says it to a program.

use std::fmt;

use crowd_measure::health::{GeneratorVerdict, Trust};
use crowd_plan::threshold::Judged;
use serde::{Deserialize, Serialize};

use super::input::{Outcome, UserTotals};

/// Why a run is [`Verdict::Interrupted`].
pub(super) const INTERRUPTED: &str = "the run was interrupted";

/// What is said of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Everything went as it should.
    Passed,
    /// The run or a user failed.
    Failed,
    /// A threshold failed.
    #[serde(rename = "threshold-failed")]
    ThresholdFailed,
    /// The generator could not keep up, so the result says nothing about the target.
    Invalid,
    /// A threshold ended the run early.
    Aborted,
    /// Somebody ended the run early.
    Interrupted,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Passed => "PASSED",
            Self::Failed | Self::ThresholdFailed => "FAILED",
            Self::Invalid => "INVALID",
            Self::Aborted => "ABORTED",
            Self::Interrupted => "INTERRUPTED",
        })
    }
}

impl Verdict {
    /// The exit code of `crowd run`.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Passed => 0,
            Self::Failed => 1,
            Self::ThresholdFailed => 2,
            Self::Invalid => 3,
            Self::Aborted => 4,
            Self::Interrupted => 5,
        }
    }
}

/// What was found of the target beside what the thresholds say.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Found {
    /// The actions of which too many failed.
    pub too_many_errors: Vec<Judged>,
    /// What is wrong whatever the thresholds say.
    pub sentences: Vec<String>,
}

/// The verdict on a run, and why it is not [`Verdict::Passed`]: a sentence for each reason.
///
/// An interrupted run is just that. Otherwise an invalid generator outweighs everything, since what
/// it measured cannot be believed; then a threshold's abort; then a failed run; then a threshold.
/// Failed users fail a run without thresholds. Where there are any, they judge, and `failed_users <= 0`
/// says that none may fail. What was found of the target whatever the thresholds say fails a run too.
pub fn conclude(
    outcome: &Outcome,
    users: &UserTotals,
    generator: &GeneratorVerdict,
    thresholds: &[Judged],
    found: &Found,
) -> (Verdict, Vec<String>) {
    let Found { too_many_errors, sentences } = found;
    let mut found = Vec::new();
    let thresholds_given = !thresholds.is_empty();
    if *outcome == Outcome::Interrupted {
        found.push((Verdict::Interrupted, INTERRUPTED.to_owned()));
    }
    if generator.verdict == Trust::Invalid {
        let why = generator.reasons.first().map_or("", String::as_str);
        found.push((Verdict::Invalid, format!("the generator could not keep up: {why}")));
    }
    match outcome {
        Outcome::Aborted(reason) => found.push((Verdict::Aborted, reason.clone())),
        Outcome::Failed(reason) => found.push((Verdict::Failed, reason.clone())),
        Outcome::Ended | Outcome::Interrupted => {}
    }
    // What ended the run is told already.
    let failed = thresholds.iter().filter(|judged| !judged.passed && !judged.aborted);
    found.extend(failed.map(|judged| (Verdict::ThresholdFailed, judged.sentence())));
    let by_default = |judged: &Judged| {
        let why = format!("{}, by default (`--allow-errors` accepts them)", judged.sentence());
        (Verdict::ThresholdFailed, why)
    };
    found.extend(too_many_errors.iter().map(by_default));
    if *outcome == Outcome::Ended {
        found.extend(sentences.iter().map(|found| (Verdict::Failed, found.clone())));
    }
    if !thresholds_given {
        found.extend(failed_users(users).map(|reason| (Verdict::Failed, reason)));
    }
    let verdict = found.first().map_or(Verdict::Passed, |(verdict, _)| *verdict);
    (verdict, found.into_iter().map(|(_, reason)| reason).collect())
}

fn failed_users(users: &UserTotals) -> Option<String> {
    let (failed, panicked) = (users.endings.failed, users.endings.panicked);
    let count = |n: u64| if n == 1 { "1 user".to_owned() } else { format!("{n} users") };
    match (failed.max(users.failed.saturating_sub(panicked)), panicked) {
        (0, 0) => None,
        (failed, 0) => Some(format!("{} failed", count(failed))),
        (0, panicked) => Some(format!("{} panicked", count(panicked))),
        (failed, panicked) => Some(format!("{} failed and {panicked} panicked", count(failed))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::input::Endings;

    fn users(failed: u64, panicked: u64) -> UserTotals {
        UserTotals {
            failed: failed + panicked,
            endings: Endings { failed, panicked, ..Endings::default() },
            ..UserTotals::default()
        }
    }

    fn generator(verdict: Trust) -> GeneratorVerdict {
        let reasons = if verdict == Trust::Valid { vec![] } else { vec!["too late".to_owned()] };
        GeneratorVerdict { verdict, reasons }
    }

    fn code(outcome: Outcome, users: UserTotals, trust: Trust) -> u8 {
        conclude(&outcome, &users, &generator(trust), &[], &Found::default()).0.exit_code()
    }

    #[test]
    fn the_worst_that_happened_decides() {
        let init = || Outcome::Failed("init failed".to_owned());
        let aborted = || Outcome::Aborted("p95 over 1 s".to_owned());
        assert_eq!(code(Outcome::Ended, users(0, 0), Trust::Valid), 0);
        assert_eq!(code(Outcome::Ended, users(0, 0), Trust::Degraded), 0);
        assert_eq!(code(Outcome::Ended, users(1, 0), Trust::Valid), 1);
        assert_eq!(code(Outcome::Ended, users(0, 1), Trust::Degraded), 1);
        assert_eq!(code(init(), users(0, 0), Trust::Valid), 1);
        assert_eq!(code(Outcome::Ended, users(3, 0), Trust::Invalid), 3);
        assert_eq!(code(init(), users(0, 0), Trust::Invalid), 3);
        assert_eq!(code(aborted(), users(3, 0), Trust::Valid), 4);
        assert_eq!(code(aborted(), users(0, 0), Trust::Invalid), 3);
        assert_eq!(code(Outcome::Interrupted, users(3, 0), Trust::Invalid), 5);
    }

    #[test]
    fn thresholds_judge_where_there_are_any() {
        let code = |outcome, failed, trust, held: &[bool]| {
            let judged = |passed: &bool| Judged {
                expression: "p95(login) < 150ms".to_owned(),
                actual: Some(182.0),
                text: "182 ms".to_owned(),
                passed: *passed,
                aborted: false,
                at: None,
            };
            let thresholds: Vec<_> = held.iter().map(judged).collect();
            conclude(&outcome, &users(failed, 0), &generator(trust), &thresholds, &Found::default())
        };
        let broke = || Outcome::Failed("the runtime broke".to_owned());
        let aborted = || Outcome::Aborted("too slow".to_owned());
        let code_of = |told: (Verdict, Vec<String>)| told.0.exit_code();
        assert_eq!(code_of(code(Outcome::Ended, 3, Trust::Valid, &[true])), 0);
        assert_eq!(code_of(code(broke(), 0, Trust::Valid, &[false])), 1);
        assert_eq!(code_of(code(Outcome::Ended, 0, Trust::Invalid, &[true])), 3);
        assert_eq!(code_of(code(Outcome::Ended, 0, Trust::Invalid, &[false])), 3);
        assert_eq!(code_of(code(aborted(), 0, Trust::Valid, &[false])), 4);
        assert_eq!(code_of(code(Outcome::Interrupted, 0, Trust::Valid, &[false])), 5);
        let (verdict, reasons) = code(Outcome::Ended, 3, Trust::Valid, &[true, false]);
        assert_eq!(verdict.exit_code(), 2);
        assert_eq!(reasons, ["threshold `p95(login) < 150ms` failed: it was 182 ms"]);
    }

    #[test]
    fn every_reason_is_told_the_deciding_one_first() {
        let (_, reasons) = conclude(
            &Outcome::Interrupted,
            &users(2, 1),
            &generator(Trust::Invalid),
            &[],
            &Found::default(),
        );
        assert_eq!(
            reasons,
            [
                "the run was interrupted",
                "the generator could not keep up: too late",
                "2 users failed and 1 panicked"
            ]
        );
    }
}
