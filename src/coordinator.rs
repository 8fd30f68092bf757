//! Coordinators.
use std::{marker::PhantomData, time::Duration};

use serde::{Serialize, de::DeserializeOwned};

use crate::{failure::Failure, refusal::Refusal, telemetry::Telemetry, user::UserId};

/// What users hand to a coordinator.
pub trait CoordinatorData: Serialize + DeserializeOwned + Clone + Send + Sync + 'static {}
impl<T: Serialize + DeserializeOwned + Clone + Send + Sync + 'static> CoordinatorData for T {}
/// How long without an add.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timeout {
    /// After.
    After(Duration),
    /// Never.
    Never,
}
/// Event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event;
/// Group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Group;
/// Action.
#[derive(Debug)]
pub struct Action<D>(PhantomData<D>);
/// Plan.
#[derive(Debug)]
pub struct Plan<D>(PhantomData<D>);
/// A user with what it handed over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member<D> {
    /// The user.
    pub user: UserId,
    /// Its data.
    pub data: D,
}
/// What is known of a coordinator.
#[derive(Debug, Clone)]
pub struct CoordinatorInfo;
/// All coordinators of a node.
#[derive(Debug, Clone)]
pub struct Coordinators;
#[expect(clippy::unused_async, missing_docs, reason = "skeleton")]
impl Coordinators {
    pub async fn spawn(_: Telemetry) -> Result<Self, Failure> {
        unimplemented!()
    }
    pub async fn start<D: CoordinatorData>(
        &self,
        _: &str,
        _: Plan<D>,
        _: Timeout,
    ) -> Result<Coordinator<D>, Refusal> {
        unimplemented!()
    }
    pub fn get<D: CoordinatorData>(&self, _: &str) -> Result<Coordinator<D>, Refusal> {
        unimplemented!()
    }
    pub async fn reset(&self, _: &str) -> Result<(), Refusal> {
        unimplemented!()
    }
    pub async fn stop(&self, _: &str) -> Result<(), Refusal> {
        unimplemented!()
    }
    pub fn list(&self) -> Vec<CoordinatorInfo> {
        unimplemented!()
    }
    pub async fn shutdown(&self) {
        unimplemented!()
    }
}
/// One coordinator.
#[derive(Debug, Clone)]
pub struct Coordinator<D>(PhantomData<D>);
