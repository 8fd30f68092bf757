//! Where the API of a node is.

use std::{
    fmt,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    str::FromStr,
};

use axum::http::uri::{Authority, PathAndQuery};

/// The address of an API: `http://HOST:PORT`, perhaps with a path in front of the API's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiAddress {
    authority: String,
    prefix: String,
}

impl ApiAddress {
    /// Host and port.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// What to ask for to reach this path.
    pub(super) fn path(&self, path: &str) -> String {
        format!("{}{path}", self.prefix)
    }
}

/// Where the API that listens there is reached on the same machine.
impl From<SocketAddr> for ApiAddress {
    fn from(mut address: SocketAddr) -> Self {
        if address.ip().is_unspecified() {
            address.set_ip(match address {
                SocketAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
                SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
            });
        }
        Self { authority: address.to_string(), prefix: String::new() }
    }
}

impl FromStr for ApiAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let fault = |why: &str| {
            // What stands before an `@` may be a password.
            let shown = text.rsplit_once('@').map_or(text, |(_, shown)| shown);
            Err(format!(
                "`{shown}` is no address of an API: {why}; write http://127.0.0.1:4000, say"
            ))
        };
        let rest = match text.split_once("://") {
            None => text,
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => rest,
            Some(_) => return fault("nodes speak http and nothing else"),
        };
        let (authority, path) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, ""),
        };
        if authority.contains('@') {
            return fault("no user belongs there (a token is read from the settings)");
        }
        let Ok(authority) = authority.parse::<Authority>() else {
            return fault("there is no host in it");
        };
        if authority.port_u16().is_none_or(|port| port == 0) {
            return fault("it names no port");
        }
        let prefix = path.trim_end_matches('/').to_owned();
        let plain = |prefix: &str| {
            !prefix.contains('#')
                && prefix.parse::<PathAndQuery>().is_ok_and(|path| path.query().is_none())
        };
        if !prefix.is_empty() && !plain(&prefix) {
            return fault("its path is none");
        }
        Ok(Self { authority: authority.as_str().to_owned(), prefix })
    }
}

impl fmt::Display for ApiAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}{}", self.authority, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<String, String> {
        text.parse::<ApiAddress>().map(|address| address.path("/x") + " " + address.authority())
    }

    #[test]
    fn addresses_as_people_write_them() {
        assert_eq!(read("http://worker-1:4000").unwrap(), "/x worker-1:4000");
        assert_eq!(read("HTTP://127.0.0.1:4000/").unwrap(), "/x 127.0.0.1:4000");
        assert_eq!(read("[::1]:4000").unwrap(), "/x [::1]:4000");
        assert_eq!(read("http://gate:80/crowd/one/").unwrap(), "/crowd/one/x gate:80");
    }

    #[test]
    fn what_is_none_is_told() {
        for (text, why) in [
            ("", "no host"),
            ("http://", "no host"),
            ("worker-1", "no port"),
            ("worker-1:0", "no port"),
            ("worker-1:99999", ""),
            ("https://worker-1:4000", "http and nothing else"),
            ("http://a:b@worker-1:4000", "no user"),
            ("http://worker-1:4000/a?b", "path"),
            ("http://worker-1:4000/#a", "path"),
        ] {
            let fault = read(text).unwrap_err();
            assert!(fault.contains(why), "{text}: {fault}");
            assert!(!fault.contains("a:b"), "a password was shown: {fault}");
        }
    }

    #[test]
    fn who_listens_everywhere_is_reached_on_loopback() {
        let of = |text: &str| ApiAddress::from(text.parse::<SocketAddr>().unwrap()).to_string();
        assert_eq!(of("0.0.0.0:4000"), "http://127.0.0.1:4000");
        assert_eq!(of("[::]:4000"), "http://[::1]:4000");
        assert_eq!(of("10.0.0.1:4000"), "http://10.0.0.1:4000");
    }
}
