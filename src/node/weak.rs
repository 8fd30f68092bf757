//! Secrets that are too short for where they are used.

use std::net::{IpAddr, SocketAddr};

use crowd_core::{
    settings::{NodeAddress, Secret},
    telemetry::event::WeakSecret,
};

use crate::settings::NodeSettings;

/// A secret with fewer bytes than this can be found by trying.
const ENOUGH: usize = 16;

/// What is to be told of that secret of a node that does this, if anything.
pub(crate) fn weak(
    what: &'static str,
    secret: &Secret,
    exposed: Option<String>,
) -> Option<WeakSecret> {
    let exposed = exposed.filter(|_| secret.expose().len() < ENOUGH)?;
    Some(WeakSecret { what, exposed })
}

/// How other machines come to try the cookie of a node, if they do: they dial it, or are dialled and get
/// a proof.
pub(crate) fn exposed(settings: &NodeSettings, listens: SocketAddr) -> Option<String> {
    let advertised = || {
        let address = settings.advertise.as_ref().filter(|address| beyond(address))?;
        Some(format!("is to be reached at {address}"))
    };
    listening(listens).or_else(advertised).or_else(|| settings.nodes.iter().find_map(dialling))
}

/// What a node does that listens there. On loopback whoever could try is on this machine.
pub(crate) fn listening(at: SocketAddr) -> Option<String> {
    (!at.ip().to_canonical().is_loopback()).then(|| format!("listens at {at}, for other machines"))
}

/// What a node does that dials that address.
pub(crate) fn dialling(address: &NodeAddress) -> Option<String> {
    beyond(address).then(|| format!("dials {address}, and whoever is there gets a proof to try on"))
}

/// Whether that is another machine, as far as can be seen.
fn beyond(address: &NodeAddress) -> bool {
    let host = address.host();
    match host.parse::<IpAddr>() {
        Ok(ip) => !ip.to_canonical().is_loopback(),
        Err(_) => !host.eq_ignore_ascii_case("localhost"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(secret: &str, change: impl FnOnce(&mut NodeSettings), listens: &str) -> bool {
        let mut settings = NodeSettings::default();
        change(&mut settings);
        let exposed = exposed(&settings, listens.parse().unwrap());
        weak("cookie", &Secret::new(secret), exposed).is_some()
    }

    #[test]
    fn a_short_secret_is_told_of_where_others_can_try() {
        let told = |secret, listens| told(secret, |_| {}, listens);
        assert!(told("fifteen-letters", "0.0.0.0:4370"));
        assert!(told("fifteen-letters", "[2001:db8::1]:4370"));
        assert!(!told("sixteen-letters!", "0.0.0.0:4370"));
        for loopback in ["127.0.0.1:4370", "[::1]:4370", "[::ffff:127.0.0.1]:4370"] {
            assert!(!told("short", loopback), "{loopback}");
        }
    }

    #[test]
    fn a_short_cookie_is_told_of_where_others_get_a_proof() {
        let here = "127.0.0.1:4370";
        for (address, beyond) in [
            ("192.0.2.1:4370", true),
            ("worker-1:4370", true),
            ("[2001:db8::1]:4370", true),
            ("127.0.0.2:4370", false),
            ("[::1]:4370", false),
            ("localhost:4370", false),
        ] {
            let address: NodeAddress = address.parse().unwrap();
            let first: NodeAddress = here.parse().unwrap();
            let dials = |settings: &mut NodeSettings| settings.nodes = vec![first, address.clone()];
            assert_eq!(told("short", dials, here), beyond, "{address}");
            let advertises =
                |settings: &mut NodeSettings| settings.advertise = Some(address.clone());
            assert_eq!(told("short", advertises, here), beyond, "{address}");
            assert_eq!(dialling(&address).is_some(), beyond, "{address}");
        }
    }
}
