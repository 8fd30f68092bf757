//! Where a node listens for others: a host, by name or address, and a port.

use std::{fmt, str::FromStr};

use super::value::SettingValue;

/// `host:port`. The host is a name or an IP address (IPv6 in brackets); a name is looked up when
/// it is dialled, because it may not exist yet when the settings are read.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeAddress {
    host: String,
    port: u16,
}

impl NodeAddress {
    /// The host, without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl FromStr for NodeAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let fault = || "not an address such as `worker-1:4370` or `[::1]:4370`".to_owned();
        let (host, port) = text.trim().rsplit_once(':').ok_or_else(fault)?;
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let host = match bare {
            Some(address) => {
                address.parse::<std::net::Ipv6Addr>().map_err(|_| fault())?;
                address
            }
            None => host,
        };
        let named = |letter: char| letter.is_ascii_alphanumeric() || "-._".contains(letter);
        let port = port.parse().ok().filter(|port| *port > 0).ok_or_else(fault)?;
        if host.is_empty() || bare.is_none() && !host.chars().all(named) {
            return Err(fault());
        }
        Ok(Self { host: host.to_owned(), port })
    }
}

impl fmt::Display for NodeAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

impl SettingValue for NodeAddress {
    fn type_name() -> String {
        "host:port".into()
    }

    fn parse(text: &str) -> Result<Self, String> {
        text.parse()
    }

    fn render(&self) -> String {
        self.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses_come_back_as_written() {
        for text in ["worker-1:4370", "10.0.0.1:1", "[::1]:65535", "a_b.example.com:80"] {
            assert_eq!(text.parse::<NodeAddress>().unwrap().to_string(), text);
        }
        assert_eq!("[::1]:1".parse::<NodeAddress>().unwrap().host(), "::1");
    }

    #[test]
    fn everything_else_is_refused() {
        for text in [
            "",
            "worker",
            ":1",
            "worker:",
            "worker:0",
            "worker:65536",
            "::1:80",
            "[worker]:1",
            "a b:1",
            "http://worker:1",
        ] {
            assert!(text.parse::<NodeAddress>().is_err(), "{text}");
        }
    }
}
