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

pub use crowd_core::settings::{
    Change, Check, Declaration, DeclarationBuilder, Declarations, Environment, Fault, FaultKind,
    Faults, Origin, ProcessEnvironment, RUNTIME, Secrecy, SecretParts, SettingValue, Settings,
    Shape, Update, Value, Values, not_one_of, update,
};

pub(crate) use crowd_plan::run_settings::with_rate_of_profile;
pub use crowd_plan::run_settings::{
    ALLOW_ERRORS, ARRIVALS, Arrive, GRACEFUL_STOP, ITERATION_RATE, LoadSettings, PROFILE, RATES,
    SATURATION, SEED, SPACING, Saturation, Spacing, THRESHOLDS, USER_RATE,
    check_change_of_iteration_rate, check_iteration_rate, runtime_declarations,
};

/// Whether declarations go together, and declare no name of the node or the runtime.
///
/// # Errors
/// Every fault (`parameter-overriding`), with the owners of what clashes.
pub fn check(declarations: &Declarations) -> Result<(), Faults> {
    declarations.check(&reserved())
}

/// Resolves all values: default < environment < given; see [`crowd_core::settings::resolve`].
///
/// # Errors
/// With every fault at once.
pub fn resolve(
    declarations: &Declarations,
    given: &[(String, String)],
    environment: &dyn Environment,
) -> Result<Values, Faults> {
    crowd_core::settings::resolve(declarations, given, environment, &reserved())
}

/// The names of the settings of a node and of those that the runtime declares.
fn reserved() -> Vec<&'static str> {
    crate::settings::NAMES.iter().copied().chain(crowd_plan::run_settings::NAMES).collect()
}
