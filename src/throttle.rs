//! Throttles.
use std::time::Duration;

use tokio::time::Instant;

use crate::{failure::Failure, refusal::Refusal, telemetry::Telemetry};

/// A rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate;
impl std::str::FromStr for Rate {
    type Err = String;
    fn from_str(_: &str) -> Result<Self, String> {
        unimplemented!()
    }
}
impl std::fmt::Display for Rate {
    fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        unimplemented!()
    }
}
/// A gradual change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ramp;
/// Whether `start` started it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Started {
    /// New.
    New,
    /// It ran already at this rate.
    Already,
}
/// What is known of a throttle.
#[derive(Debug, Clone)]
pub struct ThrottleInfo;
/// Let through.
#[derive(Debug)]
pub struct Permit;
impl Permit {
    /// When the slot was due.
    pub fn due(&self) -> Instant {
        unimplemented!()
    }
}
/// Why a wait ended without a permit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("throttle `{0}` was stopped")]
pub struct ThrottleStopped(pub String);
/// All throttles of a node.
#[derive(Debug, Clone)]
pub struct Throttles;
#[expect(clippy::unused_async, missing_docs, reason = "skeleton")]
impl Throttles {
    pub async fn spawn(_: Telemetry) -> Result<Self, Failure> {
        unimplemented!()
    }
    pub async fn start(&self, _: &str, _: Rate) -> Result<Started, Refusal> {
        unimplemented!()
    }
    pub fn get(&self, _: &str) -> Result<Throttle, Refusal> {
        unimplemented!()
    }
    pub async fn change_rate(&self, _: &str, _: Rate) -> Result<(), Refusal> {
        unimplemented!()
    }
    pub async fn ramp(&self, _: &str, _: Ramp) -> Result<(), Refusal> {
        unimplemented!()
    }
    pub async fn pause(&self, _: &str) -> Result<(), Refusal> {
        unimplemented!()
    }
    pub async fn resume(&self, _: &str) -> Result<(), Refusal> {
        unimplemented!()
    }
    pub async fn unlock(&self, _: &str) -> Result<(), Refusal> {
        unimplemented!()
    }
    pub async fn stop(&self, _: &str) -> Result<(), Refusal> {
        unimplemented!()
    }
    pub async fn info(&self, _: &str) -> Result<ThrottleInfo, Refusal> {
        unimplemented!()
    }
    pub async fn list(&self) -> Vec<ThrottleInfo> {
        unimplemented!()
    }
    pub async fn shutdown(&self) -> Vec<ThrottleInfo> {
        unimplemented!()
    }
}
/// One throttle.
#[derive(Debug, Clone)]
pub struct Throttle;
#[expect(clippy::unused_async, missing_docs, reason = "skeleton")]
impl Throttle {
    pub async fn wait(&self) -> Result<Permit, ThrottleStopped> {
        unimplemented!()
    }
    pub async fn take(&self, _max: u64) -> Result<u64, ThrottleStopped> {
        unimplemented!()
    }
    pub fn wait_limit(&self) -> Duration {
        unimplemented!()
    }
}
