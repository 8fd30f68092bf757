//! Measurements over the cluster: [`feed::MeasureFeed`] sends what a worker measures, once a second,
//! and [`master::MeasureMaster`] adds it up, exactly. What a worker measured while it was cut off it
//! hands in when it is back: [`backlog`] and [`owed`] keep it until the master has it, and [`intake`]
//! takes each piece once.

mod backlog;
pub(crate) mod feed;
mod intake;
pub(crate) mod master;
mod owed;
mod quota;

#[cfg(test)]
mod tests;
