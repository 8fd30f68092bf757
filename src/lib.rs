//! crowd: the load-testing runtime where every virtual user is an actor.
//!
//! A scenario author needs [`prelude`] and `docs/scenarios.md`. A node binary calls
//! [`control::cli::main`] with its [`Catalog`](scenario::catalog::Catalog). A program that embeds
//! a node drives it through [`node::Node`]:
//!
//! ```
//! use std::sync::Arc;
//!
//! use crowd::{
//!     node::Node,
//!     prelude::*,
//!     scenario::{catalog::Catalog, settings::ProcessEnvironment},
//!     settings::NodeSettings,
//!     telemetry::event::Kind,
//! };
//!
//! struct Hello;
//!
//! impl Scenario for Hello {
//!     const NAME: &'static str = "hello";
//!     type Settings = ();
//!     type Message = ();
//!
//!     async fn init(_: &Run<Self>) -> Result<Self, Failure> {
//!         Ok(Self)
//!     }
//!
//!     async fn start(&self, user: User<Self>) -> Result<(), Failure> {
//!         user.count("greetings", 1);
//!         Ok(())
//!     }
//! }
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Refusal> {
//! let catalog = Catalog::new().with::<Hello>();
//! let node = Node::start(NodeSettings::default(), catalog, Arc::new(ProcessEnvironment)).await?;
//! let _subscription = node.telemetry().subscribe(|occurrence| {
//!     if occurrence.kind == Kind::ControllerState {
//!         println!("{occurrence:?}");
//!     }
//! });
//! let rate = ("user_rate".to_owned(), "unlimited".to_owned());
//! node.start_run("hello", 10, vec![rate]).await?;
//! while node.status().await?.users.finished < 10 {
//!     tokio::time::sleep(Duration::from_millis(1)).await;
//! }
//! node.stop().await?;
//! assert_eq!(node.report(false).await.map(|report| report.exit_code), Some(0));
//! node.shutdown().await;
//! # Ok(())
//! # }
//! ```
//!
//! `ARCHITECTURE.md` draws how the modules hang together, and names what they promise.
#![cfg_attr(test, allow(clippy::unwrap_used))]
// They end the process where a stream is closed or full.
#![cfg_attr(not(test), warn(clippy::print_stdout, clippy::print_stderr))]

// So that `#[derive(Settings)]`, which names `::crowd`, works inside this crate too.
extern crate self as crowd;

mod cluster;
pub mod control;
pub mod controller;
pub mod coordinator;
pub mod feed;
#[cfg(test)]
mod fuzz;
pub mod node;
pub mod prelude;
pub mod scenario;
pub mod settings;
pub mod targets;
pub mod throttle;
pub mod user;

#[doc(hidden)]
pub use crowd_core::derive;
pub use crowd_core::{failure, moment, plain_file, random, refusal, telemetry};
pub use crowd_measure as measure;
pub use crowd_plan::{iterate, load, profile, threshold};
pub use crowd_report::{capacity, compare, report};

/// The example of the page for scenario authors compiles.
#[cfg(doctest)]
#[doc = include_str!("../docs/scenarios.md")]
struct ScenariosPage;

/// So do those of the page on iterations.
#[cfg(doctest)]
#[doc = include_str!("../docs/iterations.md")]
struct IterationsPage;

/// The example of the page on targets compiles.
#[cfg(doctest)]
#[doc = include_str!("../docs/targets.md")]
struct TargetsPage;
