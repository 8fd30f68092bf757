//! The `idle` scenario: users that only wait. It shows what users cost, and how many of them a
//! machine carries.

use crowd::prelude::*;

/// The counter of users that have waited to their end.
pub const WAITED: &str = "waited";

/// The settings of the `idle` scenario.
#[derive(Debug, Clone, Settings)]
pub struct IdleSettings {
    /// How long a user lives; without it, it waits until it is told to stop.
    pub lifetime: Option<Duration>,
}

/// The scenario.
#[derive(Debug)]
pub struct Idle;

impl Scenario for Idle {
    const NAME: &'static str = "idle";
    const ABOUT: &'static str =
        "Each user waits until it is told to stop, or until its lifetime is over. Counter: waited.";
    type Settings = IdleSettings;
    type Message = ();

    async fn init(_run: &Run<Self>) -> Result<Self, Failure> {
        Ok(Self)
    }

    async fn start(&self, user: User<Self>) -> Result<(), Failure> {
        // A million users wait here: what the settings are is not kept, and the timer, which
        // would make each of them larger, is boxed.
        let lifetime = user.settings().lifetime;
        match lifetime {
            None => user.retired().await,
            // A stop is as good an end as any.
            Some(lifetime) => drop(Box::pin(user.sleep(lifetime)).await),
        }
        user.count(WAITED, 1);
        Ok(())
    }
}
