//! What a node offers to people: verbs, a console, a command line.
//!
//! A line becomes a [`command::Command`], [`execute::execute`] carries it out on anything that has
//! [`operations::Operations`], and a [`reply::Reply`] or a refusal is the answer.

pub mod api;
mod boot;
mod capacity;
pub mod cli;
pub mod client;
mod cluster_operations;
mod cluster_view;
pub mod command;
pub mod console;
pub mod execute;
pub mod exit;
#[cfg(test)]
mod fake;
pub mod logging;
mod node_operations;
pub mod operations;
mod outputs;
pub mod reply;
pub mod run;
pub mod scaffold;
mod serving;
mod signals;
mod table;
mod tell;
pub mod view;
