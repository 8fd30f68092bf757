//! What nodes and the master tell each other about coordinators whose users are on many nodes.
//!
//! A worker's part in a run has a number, its *turn*, given by the master before the worker hears
//! of the run, and named in every message after that. A message of another turn is ignored.

use std::fmt;

use crowd_core::{refusal::Refusal, user_id::UserId};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{SeqAccess, Visitor},
};

use super::{Protocol, Service};
use crate::coordinator::{Event, shared::Shape};

/// Worker to master; cast.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Requests {
    /// The worker's turn.
    pub(crate) turn: u64,
    /// Which frame of this turn it is. Answered with [`CoordinatorWork::Taken`], later if the
    /// master is behind.
    pub(crate) frame: u64,
    /// What is asked, in order.
    pub(crate) requests: Vec<Request>,
}

impl Protocol for Requests {
    const SERVICE: Service = Service::Coordinator;
    type Answer = ();
}

/// What a worker asks. A `ticket` is answered with [`CoordinatorWork::Answer`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Request {
    /// Have this node take part in the coordinator of that name; make it if there is none. The
    /// answer is its number.
    Start { ticket: u64, name: String, shape: Shape },
    /// Add a user.
    Add { coordinator: u64, user: UserId, data: Bytes },
    /// Reset; answered when the actions are over.
    Reset { coordinator: u64, ticket: u64 },
    /// Stop; answered when the actions are over.
    Stop { coordinator: u64, ticket: u64 },
    /// The actions on that batch are over. So many faults there were here so far, and the last one.
    Done { coordinator: u64, batch: u64, faults: u64, last_fault: Option<String> },
    /// This node takes part in that coordinator no more.
    Left { coordinator: u64 },
    /// The run is over here. Answered when it is over on all workers and all coordinators have
    /// been stopped.
    Finish { ticket: u64 },
}

/// Master to worker; cast.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum CoordinatorWork {
    /// Your turn in the run you will hear of next.
    Welcome { turn: u64 },
    /// That frame was taken, and all before it.
    Taken { turn: u64, frame: u64 },
    /// The answer to a request.
    Answer { turn: u64, ticket: u64, outcome: Result<u64, Refusal> },
    /// Members of a batch too large for one message; oldest first.
    Members { turn: u64, batch: u64, members: Vec<(UserId, Bytes)> },
    /// Run the actions of an item on a batch: the members told before, and these.
    Run {
        turn: u64,
        coordinator: u64,
        batch: u64,
        item: u64,
        event: Event,
        size: Option<u64>,
        members: Vec<(UserId, Bytes)>,
    },
    /// That coordinator takes no more users and has no more work.
    End { turn: u64, coordinator: u64 },
}

impl Protocol for CoordinatorWork {
    const SERVICE: Service = Service::CoordinatorWork;
    type Answer = ();
}

/// Bytes that are cheap to clone, and are written at once and not one by one.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Bytes(pub(crate) bytes::Bytes);

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_byte_buf(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Bytes;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bytes")
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Bytes, E> {
        Ok(Bytes(bytes::Bytes::copy_from_slice(bytes)))
    }

    fn visit_byte_buf<E>(self, bytes: Vec<u8>) -> Result<Bytes, E> {
        Ok(Bytes(bytes.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Bytes, A::Error> {
        let mut bytes = Vec::new();
        while let Some(byte) = items.next_element()? {
            bytes.push(byte);
        }
        Ok(Bytes(bytes.into()))
    }
}
