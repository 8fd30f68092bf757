//! The result of a run: one document for programs, one page for people.
//!
//! The node assembles a [`ReportInput`]; [`RunReport::build`] makes the document of it, which is
//! written as JSON ([`json`]), as a page ([`html`]) and for build servers ([`junit`]), and shown as
//! text ([`text`]). [`live`] shows a run that goes on,
//! [`metrics`] what it has measured so far. All of these are pure; none can fail a run.

mod build;
mod cluster;
pub mod document;
pub mod file;
pub mod findings;
pub mod html;
pub mod input;
pub mod json;
pub mod junit;
pub mod live;
mod lower_bound;
pub mod metrics;
pub mod over_time;
pub mod table;
mod tables;
pub mod targets;
pub mod text;
pub use crowd_core::units;
pub mod verdict;

pub use self::{document::RunReport, input::ReportInput, table::Colour, verdict::Verdict};
