//! The messaging server, as clients meet it.

mod client;
mod connecting;
mod leaving;
mod nonsense;
mod routing;
