//! Secrets that are too short for where they are used.

use std::net::SocketAddr;

use crowd_core::{settings::Secret, telemetry::event::WeakSecret};

/// A secret with fewer bytes than this can be found by trying.
const ENOUGH: usize = 16;

/// What is to be told of that secret of a node that listens there, if anything. On loopback whoever
/// could try is on this machine.
pub(crate) fn weak(what: &'static str, secret: &Secret, listens: SocketAddr) -> Option<WeakSecret> {
    let short = secret.expose().len() < ENOUGH;
    let exposed = !listens.ip().to_canonical().is_loopback();
    (short && exposed).then_some(WeakSecret { what, listens })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_secret_is_told_of_where_others_can_try() {
        let told = |secret: &str, listens: &str| {
            weak("cookie", &Secret::new(secret), listens.parse().unwrap()).is_some()
        };
        assert!(told("fifteen-letters", "0.0.0.0:4370"));
        assert!(told("fifteen-letters", "[2001:db8::1]:4370"));
        assert!(!told("sixteen-letters!", "0.0.0.0:4370"));
        for loopback in ["127.0.0.1:4370", "[::1]:4370", "[::ffff:127.0.0.1]:4370"] {
            assert!(!told("short", loopback), "{loopback}");
        }
    }
}
