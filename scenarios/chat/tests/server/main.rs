//! The messaging server, as clients meet it.
#![expect(clippy::unwrap_used, reason = "a test may fail")]

mod client;
mod connecting;
mod leaving;
mod nonsense;
mod routing;
