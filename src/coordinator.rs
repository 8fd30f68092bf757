//! Coordinators bring users together: users are added, and whenever enough of them wait, the
//! actions of a plan run on the group.
//!
//! ```
//! use crowd::prelude::*;
//!
//! # async fn init<S: Scenario>(run: &Run<S>) -> Result<(), Failure> {
//! let plan = Plan::<String>::new()
//!     .group(Group::size(2), [Action::pairs(|_event, newer, older| {
//!         if let Some(older) = older {
//!             println!("{} meets {}", newer.data, older.data);
//!         }
//!     })])
//!     .all([Action::event(|event| println!("{event}"))]);
//! run.start_coordinator("pairs", plan, Timeout::default()).await?;
//! # Ok(())
//! # }
//! # async fn start<S: Scenario>(user: User<S>) -> Result<(), Failure> {
//! // Later, in a user:
//! user.coordinator::<String>("pairs")?.add(user.id(), format!("user {}", user.id()))?;
//! # Ok(())
//! # }
//! ```
//!
//! All actions of a coordinator run one after the other, in the order in which the adds completed
//! their groups; of one add, in the order of the plan's items, [`Group::All`] last. An action that
//! fails or panics is told as a `crowd.coordinator.fault` and harms nothing else. An action may take
//! as long as it likes: it delays the later events of its own coordinator, and none is lost.
//! A plan of [`Scope::Cluster`] gathers the users of all nodes, and is ordered on each node only.
//! `docs/coordinators.md` has the whole of it.

use std::{fmt, sync::Arc};

use crowd_core::{refusal::Refusal, user_id::UserId};
use serde::{Serialize, de::DeserializeOwned};

mod action;
pub(crate) mod batch;
mod core;
mod event;
mod info;
mod instance;
mod plan;
mod registry;
pub(crate) mod shared;
mod supervisor;
mod worker;

pub use crowd_core::errors::AddError;

use instance::{AnyInstance, Instance};

pub use self::{
    action::{Action, ActionResult, Outcome},
    event::{Event, EventCounts, Member},
    info::{CoordinatorInfo, CoordinatorState, ItemInfo},
    plan::{Group, Plan, Scope, Timeout},
    registry::Coordinators,
};

/// What users hand to a coordinator. Any owned serde type that can be cloned will do; it is cloned
/// if more than one item of the plan keeps it.
pub trait CoordinatorData: Serialize + DeserializeOwned + Clone + Send + Sync + 'static {}

impl<T: Serialize + DeserializeOwned + Clone + Send + Sync + 'static> CoordinatorData for T {}

/// A coordinator that was started. Cheap to clone; all clones are one.
pub struct Coordinator<D> {
    instance: Arc<Instance<D>>,
}

impl<D> Clone for Coordinator<D> {
    fn clone(&self) -> Self {
        Self { instance: self.instance.clone() }
    }
}

impl<D> fmt::Debug for Coordinator<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Coordinator")
            .field("name", &self.instance.core.name)
            .finish_non_exhaustive()
    }
}

impl<D: CoordinatorData> Coordinator<D> {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.instance.core.name
    }

    /// Adds a user: it is counted in every item of the plan. Does not wait for actions.
    ///
    /// The same user may be added again, and then counts again.
    ///
    /// # Errors
    /// If the coordinator has been stopped, or has died. One of the whole cluster also refuses if the
    /// master is too far behind with what it was sent, or if the data cannot be sent there. The user
    /// is then in no group.
    pub fn add(&self, user: UserId, data: D) -> Result<(), AddError> {
        self.instance.add(user, data)
    }

    /// Gives every item a reset event with whoever waits in it, and begins anew. Answers when the
    /// actions of this and of all events before are over; but at once in an action of this very
    /// coordinator, which cannot wait for itself.
    ///
    /// # Errors
    /// `no-coordinator` if it has been stopped or has died; for one of the whole cluster
    /// `unavailable` if the master is gone.
    pub async fn reset(&self) -> Result<(), Refusal> {
        self.any().reset_and_wait().await
    }

    /// Gives every item a stop event with whoever waits in it, and takes no more users. Answers
    /// when the actions of this and of all events before are over; but at once in an action of this
    /// very coordinator, which cannot wait for itself.
    ///
    /// # Errors
    /// `no-coordinator` if it has been stopped already or has died; for one of the whole cluster
    /// `unavailable` if the master is gone.
    pub async fn stop(&self) -> Result<(), Refusal> {
        self.any().stop_and_wait().await
    }

    /// What is known of it; `None` once it has ended. Of one of the whole cluster a node knows only
    /// its own adds and faults; the master knows the rest.
    pub fn info(&self) -> Option<CoordinatorInfo> {
        self.instance.info()
    }

    fn any(&self) -> &dyn AnyInstance {
        &*self.instance
    }
}
