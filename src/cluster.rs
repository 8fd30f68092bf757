//! Many nodes as one: who is there, who commands, and what they tell each other.
//!
//! The parts, from the bottom: `link` makes authenticated connections and hands them to
//! `ractor_cluster`; [`mesh`] is what everybody above sees of it (members, ordered messages, calls
//! with a deadline); `master` deals users to workers and merges what they tell; `worker` carries
//! out what the master says, under a lease. Pure: `membership`, `clock`, `lease`, `run`.

pub(crate) mod clock;
pub(crate) mod coordinator;
pub(crate) mod ids;
pub(crate) mod leadership;
pub(crate) mod lease;
pub(crate) mod link;
pub(crate) mod mail;
pub(crate) mod master;
pub(crate) mod measure;
pub(crate) mod member;
pub(crate) mod membership;
pub(crate) mod mesh;
pub(crate) mod packed;
pub(crate) mod parts;
pub(crate) mod protocol;
pub(crate) mod run;
pub(crate) mod worker;

pub(crate) use crowd_core::codec;
