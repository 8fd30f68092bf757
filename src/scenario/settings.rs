//! A scenario's declared settings: what they are, where their values come from, how they change.
//!
//! ```
//! use std::collections::BTreeMap;
//! use crowd::prelude::*;
//! use crowd::scenario::settings::{SettingValue, Settings as _, resolve};
//!
//! #[derive(SettingValue, Debug, Clone, PartialEq)]
//! enum Mode {
//!     Polite,
//!     Rude,
//! }
//!
//! /// Shared by several scenarios: their settings stand beside those of the scenario.
//! #[derive(Settings, Debug, Clone)]
//! struct Target {
//!     /// The server's host.
//!     #[setting(default = "localhost")]
//!     host: String,
//!     /// The server's port.
//!     #[setting(default = 80, check = unprivileged)]
//!     port: u16,
//! }
//!
//! fn unprivileged(port: u16) -> Result<u16, String> {
//!     if port == 80 || port > 1023 { Ok(port) } else { Err("not above 1023".into()) }
//! }
//!
//! #[derive(Settings, Debug, Clone)]
//! struct Greeting {
//!     #[setting(group, override(host(default = "example.org")))]
//!     target: Target,
//!     /// How long a user waits between greetings.
//!     #[setting(default = "1m30s", update = free)]
//!     pause: Duration,
//!     /// How to greet.
//!     mode: Mode,
//!     /// A second line.
//!     second: Option<String>,
//! }
//!
//! let given = [("mode".to_owned(), "rude".to_owned())];
//! let environment = BTreeMap::from([("CROWD_PORT".to_owned(), "8080".to_owned())]);
//! let values = resolve(&Greeting::declarations(), &given, &environment)?;
//! let greeting = Greeting::from_values(&values)?;
//! assert_eq!(greeting.target.host, "example.org");
//! assert_eq!(greeting.target.port, 8080);
//! assert_eq!(greeting.mode, Mode::Rude);
//! assert_eq!(greeting.second, None);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use crate::refusal::Refusal;

mod builder;
mod declaration;
mod declarations;
mod fault;
mod resolve;
mod runtime;
mod secrecy;
mod update;
mod values;

pub use crowd_derive::{SettingValue, Settings};

pub use crate::settings::{
    env::{Environment, ProcessEnvironment},
    value::{SettingValue, Shape, not_one_of},
};
pub use builder::DeclarationBuilder;
pub use declaration::{Check, Declaration, Update};
pub use declarations::{Declarations, RUNTIME};
pub use fault::{Fault, FaultKind, Faults};
pub use resolve::resolve;
pub(crate) use runtime::DEFAULT_GRACEFUL_STOP;
pub use runtime::{
    ALLOW_ERRORS, ARRIVALS, Arrive, GRACEFUL_STOP, ITERATION_RATE, LoadSettings, PROFILE, RATES,
    SATURATION, SEED, SPACING, Saturation, Spacing, THRESHOLDS, USER_RATE,
    check_change_of_iteration_rate, check_iteration_rate, runtime_declarations,
};
pub use secrecy::{Secrecy, SecretParts};
pub use update::{Change, update};
pub use values::{Origin, Value, Values};

/// Settings of a scenario, declared once by a struct with `#[derive(Settings)]`.
pub trait Settings: Clone + Send + Sync + 'static {
    /// What is declared.
    fn declarations() -> Declarations;

    /// The typed settings from checked values.
    ///
    /// # Errors
    /// If a value is missing or is not of its type: the values were not resolved from these
    /// declarations.
    fn from_values(values: &Values) -> Result<Self, Refusal>;
}

/// No settings.
impl Settings for () {
    fn declarations() -> Declarations {
        Declarations::default()
    }

    fn from_values(_: &Values) -> Result<Self, Refusal> {
        Ok(())
    }
}
