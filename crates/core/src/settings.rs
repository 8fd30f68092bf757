//! Settings: types of values, secrets among them, declarations, and where values come from.

use crate::refusal::Refusal;

mod builder;
mod declaration;
mod declarations;
pub mod env;
mod fault;
pub mod masking;
mod node_address;
mod resolve;
mod secrecy;
pub mod secret;
mod update;
pub mod value;
mod values;

pub use crowd_derive::{SettingValue, Settings};

pub use builder::DeclarationBuilder;
pub use declaration::{Check, Declaration, Update};
pub use declarations::{Declarations, RUNTIME};
pub use env::{Environment, ProcessEnvironment};
pub use fault::{Fault, FaultKind, Faults};
pub use node_address::NodeAddress;
pub use resolve::resolve;
pub use secrecy::{Secrecy, SecretParts};
pub use secret::Secret;
pub use update::{Change, update};
pub use value::{SettingValue, Shape, not_one_of};
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
