//! Who is a member of the cluster.

use std::{
    fmt,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};

/// A node in one of its lives: a process that is started again under its old name is another
/// member.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct MemberId {
    /// Its name, unique among the living.
    pub(crate) name: Arc<str>,
    /// Drawn at random when its process began.
    pub(crate) incarnation: u64,
}

impl MemberId {
    pub(crate) fn new(name: impl Into<Arc<str>>, incarnation: u64) -> Self {
        Self { name: name.into(), incarnation }
    }

    /// Whether this one lives in place of that one: of one name only one lives.
    pub(crate) fn replaces(&self, other: &Self) -> bool {
        self.name == other.name && self.incarnation != other.incarnation
    }
}

/// The name alone: nobody but the nodes themselves needs the rest.
impl fmt::Display for MemberId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// What another node is known by while it is connected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Member {
    /// Who.
    pub(crate) id: MemberId,
    /// Where others reach it: `host:port`.
    pub(crate) address: String,
    /// The version of crowd it runs.
    pub(crate) version: String,
    /// What its calendar said when [`super::mesh::Mesh::now`] was 0 there, in nanoseconds since
    /// 1970.
    pub(crate) since: u64,
}

/// What this host's calendar says, in nanoseconds since 1970.
pub(crate) fn calendar() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or_default()
}
