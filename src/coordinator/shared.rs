//! Coordinators whose users are on many nodes, as one node sees them: adds go to the master, which
//! gathers the groups; what is complete comes back, to the one node that runs its actions.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use crowd_core::panic::panic_text;
use crowd_core::{
    codec::{self, CodecError},
    refusal::Refusal,
    telemetry::event::CoordinatorAdd,
    user_id::UserId,
};
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};

use super::{
    AddError, CoordinatorData,
    batch::Batch,
    event::{Event, Member},
    instance::{Instance, Job},
    plan::{Group, Item, Timeout},
};

/// What of a plan the master knows; nodes whose plans agree in it gather users together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Shape {
    /// In the order of their turns.
    pub(crate) items: Vec<ItemShape>,
    /// How long nobody has to be added; `None`: for ever.
    pub(crate) timeout: Option<Duration>,
    /// The type of the data, by name.
    pub(crate) data: String,
}

/// What of an item the master knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ItemShape {
    /// Where it was in the plan as given, from 1.
    pub(crate) number: usize,
    /// The group.
    pub(crate) group: Group,
    /// Whether its actions see who is in the group.
    pub(crate) keeps: bool,
}

impl Shape {
    pub(super) fn of<D>(items: &[Item<D>], timeout: Timeout) -> Self {
        let items = items.iter().map(|item| ItemShape {
            number: item.number,
            group: item.group,
            keeps: item.keeps_members(),
        });
        Self {
            items: items.collect(),
            timeout: match timeout {
                Timeout::After(timeout) => Some(timeout),
                Timeout::Never => None,
            },
            data: std::any::type_name::<D>().to_owned(),
        }
    }

    fn keeps(&self) -> bool {
        self.items.iter().any(|item| item.keeps)
    }
}

/// The way to the master. What is asked is asked when the call returns; only the answer is awaited.
pub(crate) trait Bureau: Send + Sync + 'static {
    /// Has this node take part in a coordinator, made if there is none of that name: its number.
    fn start(
        self: Arc<Self>,
        name: &str,
        shape: Shape,
        site: Arc<dyn Site>,
    ) -> BoxFuture<'static, Result<u64, Refusal>>;

    /// Adds a user; says whether there was room.
    fn add(&self, coordinator: u64, user: UserId, data: Vec<u8>) -> bool;

    /// Resets; answered when the actions are over.
    fn reset(self: Arc<Self>, coordinator: u64) -> BoxFuture<'static, Result<(), Refusal>>;

    /// Stops; answered when the actions are over.
    fn stop(self: Arc<Self>, coordinator: u64) -> BoxFuture<'static, Result<(), Refusal>>;

    /// The actions on that batch are over; so many faults there have been here so far.
    fn done(&self, coordinator: u64, batch: u64, faults: u64, last_fault: Option<String>);

    /// This node takes part in that coordinator no more.
    fn left(&self, coordinator: u64);
}

/// Where actions are run: a coordinator on this node.
pub(crate) trait Site: Send + Sync {
    /// Runs the actions of an item, after all that came before.
    fn run(self: Arc<Self>, work: Work);
    /// There will be no more, and no more users are taken.
    fn end(&self);
}

/// A group that this node is to run actions on.
#[derive(Debug)]
pub(crate) struct Work {
    pub(crate) coordinator: u64,
    pub(crate) batch: u64,
    pub(crate) item: usize,
    pub(crate) event: Event,
    pub(crate) size: Option<u64>,
    /// Oldest first; none if no action of the item wants to know.
    pub(crate) members: Vec<Member<Vec<u8>>>,
}

/// What makes an instance one of many.
pub(super) struct Shared {
    pub(super) bureau: Arc<dyn Bureau>,
    pub(super) shape: Shape,
    /// The master's number for it, once it has answered.
    pub(super) id: OnceLock<u64>,
    pub(super) adds: AtomicU64,
}

impl Shared {
    pub(super) fn new(bureau: Arc<dyn Bureau>, shape: Shape) -> Self {
        Self { bureau, shape, id: OnceLock::new(), adds: AtomicU64::new(0) }
    }

    /// The master's number for it. No coordinator is 0.
    pub(super) fn id(&self) -> u64 {
        self.id.get().copied().unwrap_or_default()
    }
}

impl<D: CoordinatorData> Instance<D> {
    /// Adds a user to the groups that the master gathers.
    pub(super) fn add_there(
        &self,
        shared: &Shared,
        user: UserId,
        data: &D,
    ) -> Result<(), AddError> {
        let name = &self.core.name;
        if !self.is_open() {
            return Err(AddError::Stopped(name.to_string()));
        }
        let data = if shared.shape.keeps() {
            codec::encode(data).map_err(|error| match error {
                CodecError::TooLong(_) => AddError::TooLong(name.to_string()),
                _ => AddError::Unsendable(name.to_string()),
            })?
        } else {
            Vec::new()
        };
        if data.len() > LONGEST {
            return Err(AddError::TooLong(name.to_string()));
        }
        if !shared.bureau.add(shared.id(), user, data) {
            return Err(AddError::Behind(name.to_string()));
        }
        shared.adds.fetch_add(1, Ordering::Relaxed);
        self.core.telemetry.emit_with(1, || CoordinatorAdd { name: name.clone(), user });
        Ok(())
    }

    /// The group with its data as the actions see it.
    fn read(&self, work: Work) -> Result<Batch<D>, String> {
        let Work { item, event, size, members, .. } = work;
        let read = |member: Member<Vec<u8>>| {
            let data = catch_unwind(AssertUnwindSafe(|| codec::decode::<D>(&member.data)))
                .map_err(|panic| panic_text(&*panic))?
                .map_err(|error| error.to_string())?;
            Ok(Member { user: member.user, data })
        };
        let members = members.into_iter().map(read).collect::<Result<_, String>>()?;
        Ok(Batch { item, event, size, members })
    }
}

/// The longest data of a user, in bytes.
pub(crate) const LONGEST: usize = codec::MOST_BYTES - 4096;

impl<D: CoordinatorData> Site for Instance<D> {
    fn run(self: Arc<Self>, work: Work) {
        let Some(shared) = &self.shared else { return };
        let bureau = shared.bureau.clone();
        let (coordinator, batch) = (work.coordinator, work.batch);
        let number = self.core.items.get(work.item).map_or(0, |(number, _)| *number);
        let mut jobs = Vec::new();
        match self.read(work) {
            Ok(batch) => jobs.push(Job::Run(batch)),
            Err(why) => {
                self.core.fault(number, format!("the data of a member cannot be read: {why}"));
            }
        }
        let site = self.clone();
        jobs.push(Job::Tell(Box::new(move || {
            let core = &site.core;
            let faults = core.faults.load(Ordering::Relaxed);
            bureau.done(coordinator, batch, faults, core.last_fault());
        })));
        if !self.enqueue(jobs) {
            // What was to be done is done elsewhere.
            shared.bureau.left(coordinator);
        }
    }

    fn end(&self) {
        self.begin_end();
    }
}
