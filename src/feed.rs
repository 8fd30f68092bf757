//! Feeders: rows of data for users, from a file that every node has, given over the whole cluster.
//!
//! A [`Feeder`] says where rows are and in which order they are given; started, it is a [`Feed`],
//! and users ask it for a [`Row`]. `docs/iterations.md` shows it in use.
//!
//! Who gets which row: of a random feeder the user's own random stream decides, of a unique one the
//! user's id; neither needs anybody else. Of a circular and a sequential one rows are counted off
//! by *tickets*: on a lone node by one counter, in a cluster by the master, which leases them to
//! nodes.
//!
//! Pure parts: `rows`, `csv`, `json_lines`, `order`; `dealer` (who is given which tickets, on the
//! master) and `stock` (what a node was given, and when it asks for more). Around them: `feeder`
//! (reads files), `handle` (a started feeder), `counter` (a node's tickets of a cluster), `registry`
//! (names), `follower` (a node of a cluster), `master`.

mod counter;
mod csv;
mod dealer;
mod feeder;
mod follower;
mod handle;
mod json_lines;
mod master;
mod order;
mod registry;
mod rows;
mod stock;

pub use self::{
    feeder::Feeder,
    handle::Feed,
    order::Order,
    registry::Feeders,
    rows::{FeederFaults, MOST_BYTES, MOST_ROWS, Row, RowError, Rows},
};
pub(crate) use self::{master::FeederMaster, registry::RunFeeders};

#[cfg(test)]
mod tests;
