//! Pure: load that follows a plan. A profile is a row of stages; what it asks for at any time is a
//! function of that time alone, the same on every node.

pub mod arrivals;
pub mod curve;
mod draw;
pub mod file;
pub mod phase;
pub mod plan;
mod rate;
pub mod shape;
pub mod stage;
mod text;

pub use curve::Curve;
pub use draw::draw;
pub use file::Format;
pub use phase::Phase;
pub use plan::{Position, Profile, ProfileFaults};
pub use shape::{Metric, Shape};
pub use stage::{Load, Span, Stage};

use crowd_core::settings::value::SettingValue;

/// The one-line form.
impl SettingValue for Profile {
    fn type_name() -> String {
        "load profile".into()
    }

    fn parse(text: &str) -> Result<Self, String> {
        text.parse().map_err(|faults: ProfileFaults| faults.0.join("; "))
    }

    fn render(&self) -> String {
        self.to_string()
    }
}
