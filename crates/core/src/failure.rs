//! Why a user or an action failed, and whose failure it is.

use std::{any::Any, error::Error, fmt, io};

use serde::{Deserialize, Serialize};

mod class;

use crate::{
    errors::{AddError, SendError, ThrottleStopped},
    refusal::Refusal,
};

/// Whose failure it is. A load test that cannot tell these apart measures nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Owner {
    /// The system under test refused, broke or answered wrongly.
    Target,
    /// The scenario's own code is at fault: a panic, a broken assumption.
    Scenario,
    /// The machine that makes the load ran out of something: descriptors, ports, memory.
    Generator,
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Target => "target",
            Self::Scenario => "scenario",
            Self::Generator => "generator",
        })
    }
}

/// A failure with a reason and an owner.
///
/// Any [`std::error::Error`] becomes one with `?`. The owner is then the generator if somewhere in
/// the chain of sources is an I/O error that says this machine ran out of descriptors, ports,
/// buffers or memory, or if another node was lost with a message; the scenario if the runtime refused it something (a throttle that was
/// stopped, a user that is gone); otherwise it is the target. Say [`Failure::scenario`] where the
/// scenario itself is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    owner: Owner,
    reason: String,
    /// One case of it, with what the reason leaves out.
    #[serde(default)]
    example: Option<Box<str>>,
    /// Not a failure at all: the user gave up what it did because it was told to stop.
    stopped: bool,
}

/// The user was told to stop while it waited for something. `?` hands it on, and the runtime then
/// counts the user as stopped, not as failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("told to stop")]
pub struct Stopped;

impl Failure {
    /// A failure of the system under test.
    pub fn target(reason: impl Into<String>) -> Self {
        Self::of(Owner::Target, reason.into())
    }

    /// A failure of the scenario's own code.
    pub fn scenario(reason: impl Into<String>) -> Self {
        Self::of(Owner::Scenario, reason.into())
    }

    /// A failure of the machine that makes the load.
    pub fn generator(reason: impl Into<String>) -> Self {
        Self::of(Owner::Generator, reason.into())
    }

    fn of(owner: Owner, text: String) -> Self {
        match class::of(&text) {
            Some(reason) => Self { owner, reason, example: Some(text.into()), stopped: false },
            None => Self { owner, reason: text, example: None, stopped: false },
        }
    }

    /// The same with an example: what happened this time, with the ids, addresses and times that the
    /// reason leaves out. Of failures that are counted together one example is kept.
    #[must_use]
    pub fn with_example(mut self, example: impl Into<String>) -> Self {
        let example = example.into();
        self.example = (example != self.reason).then(|| example.into());
        self
    }

    /// What happened this time.
    pub fn example(&self) -> Option<&str> {
        self.example.as_deref()
    }

    /// Whether this only says that the user was told to stop.
    pub fn is_stop(&self) -> bool {
        self.stopped
    }

    /// Whose failure it is.
    pub fn owner(&self) -> Owner {
        self.owner
    }

    /// What went wrong, as a class: equal reasons are counted together. Addresses, ids and times in the
    /// text that it was made of stand as `#`; the text itself is the example then.
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // To a person all of it is told.
        f.write_str(self.example().unwrap_or(&self.reason))
    }
}

impl<E: Error + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        let any = &error as &dyn Any;
        let of_the_nodes =
            any.downcast_ref::<SendError>().is_some_and(|error| error.is_of_the_nodes());
        let owner = if of_the_nodes || generator_is_at_fault(&error) {
            Owner::Generator
        } else if says_the_runtime(any) {
            Owner::Scenario
        } else {
            Owner::Target
        };
        let stopped = any.is::<Stopped>();
        Self { stopped, ..Self::of(owner, chain(&error)) }
    }
}

/// Whether the runtime refused something: a name that nobody started, a user that is gone. The
/// target has no part in it.
fn says_the_runtime(error: &dyn Any) -> bool {
    error.is::<Refusal>()
        || error.is::<ThrottleStopped>()
        || error.is::<AddError>()
        || error.is::<SendError>()
}

/// The messages of an error and its sources, without saying the same words twice.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let part = error.to_string();
        if !text.contains(&part) {
            text.push_str(": ");
            text.push_str(&part);
        }
        source = error.source();
    }
    text
}

/// Linux numbers of the errors that mean "this machine has no more of it": EMFILE, ENFILE,
/// EADDRNOTAVAIL (no free local port), ENOBUFS, ENOMEM.
const OUT_OF_RESOURCES: [i32; 5] = [24, 23, 99, 105, 12];

fn generator_is_at_fault(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(io) = error.downcast_ref::<io::Error>()
            && io.raw_os_error().is_some_and(|code| OUT_OF_RESOURCES.contains(&code))
        {
            return true;
        }
        next = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn running_out_of_descriptors_is_the_generators_failure() {
        let failure = Failure::from(io::Error::from_raw_os_error(24));
        assert_eq!(failure.owner(), Owner::Generator);
    }

    #[test]
    fn what_the_runtime_refuses_is_the_scenarios_failure() {
        let gone = SendError::NoSuchUser(crate::user_id::UserId(7));
        assert_eq!(Failure::from(gone).owner(), Owner::Scenario);
        let lost = SendError::Lost(crate::user_id::UserId(7));
        assert_eq!(Failure::from(lost).owner(), Owner::Generator);
    }

    #[test]
    fn giving_up_because_of_a_stop_is_no_failure() {
        assert!(Failure::from(Stopped).is_stop());
        assert!(!Failure::target("told to stop").is_stop());
    }

    #[test]
    fn a_refused_connection_is_the_targets_failure() {
        let failure = Failure::from(io::Error::from(io::ErrorKind::ConnectionRefused));
        assert_eq!(failure.owner(), Owner::Target);
        assert_eq!(failure.reason(), "connection refused");
    }
}
