//! Measurements over the cluster: [`feed::MeasureFeed`] sends what a worker measures, once a second,
//! and [`master::MeasureMaster`] adds it up, exactly.

pub(crate) mod feed;
pub(crate) mod master;
mod quota;

#[cfg(test)]
mod tests;
