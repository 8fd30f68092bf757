//! Real links between real processes: `ractor_cluster` cannot have two nodes in one. This test
//! binary starts itself once for every node, see [`peer`].

mod between;
mod death;
mod hostile;
mod load;
mod meeting;
mod peer;
mod refusals;
mod secure;
mod strangers;
mod stumbling;
