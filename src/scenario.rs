//! What a person writes: a scenario.

use std::future::Future;

use crowd_core::failure::Failure;
use serde::{Serialize, de::DeserializeOwned};

use crate::user::User;

pub mod catalog;
pub mod erased;
mod iteration_rate;
pub mod run;
pub mod settings;

pub use run::Run;
use settings::Settings;

/// What users of a scenario send to each other. Any owned serde type will do; `()` if they send
/// nothing.
pub trait Message: Serialize + DeserializeOwned + Send + 'static {}

impl<T: Serialize + DeserializeOwned + Send + 'static> Message for T {}

/// A load-testing scenario: what one virtual user does, and what all of them share.
///
/// The value itself is what all users of a run on one node share: [`Scenario::init`] makes it once,
/// every [`Scenario::start`] borrows it, [`Scenario::terminate`] sees it last.
///
/// ```
/// use crowd::prelude::*;
///
/// struct Hello;
///
/// impl Scenario for Hello {
///     const NAME: &'static str = "hello";
///     type Settings = ();
///     type Message = ();
///
///     async fn init(_run: &Run<Self>) -> Result<Self, Failure> {
///         Ok(Self)
///     }
///
///     async fn start(&self, user: User<Self>) -> Result<(), Failure> {
///         user.count("greetings", 1);
///         user.sleep(Duration::from_secs(1)).await?;
///         Ok(())
///     }
/// }
/// ```
pub trait Scenario: Sized + Send + Sync + 'static {
    /// The name people type: lower-case letters, digits, `-` and `_`.
    const NAME: &'static str;

    /// What it does, in a sentence or a few; the first line stands in lists.
    const ABOUT: &'static str = "";

    /// The settings, declared by a struct with `#[derive(Settings)]`; `()` for none.
    type Settings: Settings;

    /// What users send to each other; `()` for nothing.
    type Message: Message;

    /// How many file descriptors one user holds open; the node says before the run if its limit
    /// is too low for the users asked for. 0 if users open none.
    const DESCRIPTORS_PER_USER: u64 = 0;

    /// The declared settings. Override it to replace declarations of a shared group, as in
    /// `Self::Settings::declarations().replace(…)`.
    fn declarations() -> settings::Declarations {
        Self::Settings::declarations()
    }

    /// Runs once per run and node, before any user. Start throttles and coordinators here.
    ///
    /// # Errors
    /// Whatever it returns fails the run; no user starts, and `terminate` is not called.
    fn init(run: &Run<Self>) -> impl Future<Output = Result<Self, Failure>> + Send;

    /// Runs once per user, as that user.
    ///
    /// # Errors
    /// A failure ends this user alone; it is counted by owner and reason.
    fn start(&self, user: User<Self>) -> impl Future<Output = Result<(), Failure>> + Send;

    /// Runs once per run and node after all users are gone, whatever happened to them.
    fn terminate(&self, run: &Run<Self>) -> impl Future<Output = ()> + Send {
        let _ = run;
        async {}
    }

    /// Runs after the setting `name`, declared with `update = hook`, has got a new value; settings
    /// changed together are told one after the other, in the order of their declaration.
    ///
    /// # Errors
    /// A failure is told to whoever changed the setting; the new value stays.
    fn updated(
        &self,
        run: &Run<Self>,
        name: &str,
    ) -> impl Future<Output = Result<(), Failure>> + Send {
        let _ = (run, name);
        async { Ok(()) }
    }
}
