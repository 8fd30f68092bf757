//! The result of a run: one document for programs, one page for people.
//!
//! The node assembles a [`ReportInput`]; [`RunReport::build`] makes the document of it, which is
//! written as JSON ([`json`]) and shown as text ([`text`]). [`live`] shows a run that goes on,
//! [`metrics`] what it has measured so far. All of these are pure; none can fail a run.

mod build;
mod cluster;
pub mod document;
pub mod input;
pub mod json;
pub mod live;
pub mod metrics;
mod table;
mod tables;
pub mod text;
pub mod units;
pub mod verdict;

pub use self::{document::RunReport, input::ReportInput, table::Colour, verdict::Verdict};
