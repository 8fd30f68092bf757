//! Where requests go.

use std::{collections::HashMap, net::SocketAddr};

use crowd::{failure::Failure, settings::masking::without_secrets_of_url};
use hyper::{Uri, http::uri::PathAndQuery};

/// A checked URL, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    /// Whether to speak TLS.
    pub(crate) tls: bool,
    /// The host's name or address, an IPv6 address without its brackets.
    pub(crate) host: String,
    /// The port.
    pub(crate) port: u16,
    /// What the `Host` header says.
    pub(crate) authority: String,
    /// What the request line says.
    pub(crate) path: PathAndQuery,
}

impl Target {
    /// The target from a URL.
    ///
    /// # Errors
    /// If it is no `http://` or `https://` URL with a host.
    pub(crate) fn parse(url: &str) -> Result<Self, String> {
        let wrong = |why: &str| {
            let url = without_secrets_of_url(url);
            format!("'{url}' {why}; write http://HOST[:PORT]/PATH or https://HOST[:PORT]/PATH")
        };
        let authority = url.split_once("://").map_or("", |(_, rest)| rest).split(['/', '?', '#']);
        if authority.take(1).any(|authority| !authority.is_ascii()) {
            let why = "has a host with letters that are not ASCII; write it in ASCII, as xn--…";
            return Err(wrong(why));
        }
        let encoded = percent_encoded(url.trim());
        let uri: Uri = encoded.parse().map_err(|error| wrong(&format!("is no URL ({error})")))?;
        let tls = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(wrong("is neither http:// nor https://")),
        };
        let authority = uri.authority().ok_or_else(|| wrong("names no host"))?;
        if authority.as_str().contains('@') {
            let why = "names a user; give an Authorization header instead";
            return Err(wrong(why));
        }
        let host = authority.host();
        if host.is_empty() {
            return Err(wrong("names no host"));
        }
        let port_text = authority.as_str().strip_prefix(host).unwrap_or_default();
        let port = match authority.port_u16() {
            Some(0) => return Err(wrong("has port 0")),
            Some(port) => port,
            None if port_text.is_empty() => [80, 443][usize::from(tls)],
            None => return Err(wrong("has a port that is no port number")),
        };
        Ok(Self {
            tls,
            host: host.trim_matches(['[', ']']).to_owned(),
            port,
            authority: authority.as_str().to_owned(),
            path: uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/")),
        })
    }

    /// The URL in full, as it is read back.
    pub(crate) fn url(&self) -> String {
        let scheme = if self.tls { "https" } else { "http" };
        format!("{scheme}://{}{}", self.authority, self.path)
    }

    /// The URL as it may be shown: without the values of its query.
    pub(crate) fn shown(&self) -> String {
        without_secrets_of_url(&self.url()).into_owned()
    }

    /// The addresses of the host, asked once for all users.
    ///
    /// # Errors
    /// If the name is not known.
    pub(crate) async fn resolve(&self) -> Result<Vec<SocketAddr>, Failure> {
        let addresses: Vec<_> = tokio::net::lookup_host((self.host.as_str(), self.port))
            .await
            .map_err(|error| {
                Failure::target(format!("the host '{}' is not known: {error}", self.host))
            })?
            .collect();
        if addresses.is_empty() {
            return Err(Failure::target(format!("the host '{}' has no address", self.host)));
        }
        Ok(addresses)
    }
}

/// URLs with names that may be shown. Those that differ in what is not shown are numbered.
pub(crate) fn named(urls: Vec<Target>) -> Vec<(String, Target)> {
    let mut seen = HashMap::<String, usize>::new();
    let name = |url: Target| {
        let shown = url.shown();
        let number = seen.entry(shown.clone()).and_modify(|number| *number += 1).or_insert(1);
        let name = if *number == 1 { shown } else { format!("{shown} ({number})") };
        (name, url)
    };
    urls.into_iter().map(name).collect()
}

/// The same with what is not ASCII written as its bytes in UTF-8 (RFC 3987, section 3.1), as browsers
/// send it; what is encoded already stays.
pub(crate) fn percent_encoded(url: &str) -> String {
    url.chars().fold(String::with_capacity(url.len()), |mut encoded, character| {
        if character.is_ascii() {
            encoded.push(character);
        } else {
            let mut buffer = [0; 4];
            for byte in character.encode_utf8(&mut buffer).bytes() {
                encoded.push('%');
                encoded.extend(
                    [byte >> 4, byte & 15].map(|digit| char::from(HEX[usize::from(digit)])),
                );
            }
        }
        encoded
    })
}

const HEX: [u8; 16] = *b"0123456789ABCDEF";

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(url: &str) -> (bool, String, u16, String, String) {
        let Target { tls, host, port, authority, path } = Target::parse(url).unwrap();
        (tls, host, port, authority, path.to_string())
    }

    #[test]
    fn urls_are_taken_apart() {
        assert_eq!(
            parts("http://localhost"),
            (false, "localhost".into(), 80, "localhost".into(), "/".into())
        );
        assert_eq!(
            parts("https://a.example:8443/x?y=1#top"),
            (true, "a.example".into(), 8443, "a.example:8443".into(), "/x?y=1".into())
        );
        assert_eq!(
            parts("http://[::1]:8080/"),
            (false, "::1".into(), 8080, "[::1]:8080".into(), "/".into())
        );
        assert_eq!(parts("https://[::1]").2, 443);
    }

    #[test]
    fn what_is_no_url_is_refused_by_name() {
        for (bad, why) in [
            ("localhost:80", "is neither http:// nor https://"),
            ("ftp://localhost/", "is neither http:// nor https://"),
            ("/path", "is neither http:// nor https://"),
            ("", "is no URL"),
            ("http://", "is no URL"),
            ("http://host:0/", "has port 0"),
            ("http://host:99999/", "has a port that is no port number"),
            ("http://a b/", "is no URL"),
        ] {
            let fault = Target::parse(bad).unwrap_err();
            assert!(fault.starts_with(&format!("'{bad}' {why}")), "{fault}");
        }
    }

    #[test]
    fn letters_that_are_not_ascii_are_percent_encoded() {
        let target = Target::parse("http://a.example/straße/✓?größe=ü&a=%20").unwrap();
        assert_eq!(target.path, "/stra%C3%9Fe/%E2%9C%93?gr%C3%B6%C3%9Fe=%C3%BC&a=%20");
        let fault = Target::parse("http://bücher.example/").unwrap_err();
        assert!(fault.starts_with("'http://bücher.example/' has a host with letters"), "{fault}");
        assert!(fault.contains("xn--"), "{fault}");
    }

    proptest::proptest! {
        #[test]
        fn what_is_read_is_written_and_read_again(
            text in "(http|https)://[a-c0-9:.@\\[\\]/?#%é,-]{0,30}", any in "\\PC{0,30}",
        ) {
            for text in [text, any] {
                if let Ok(target) = Target::parse(&text) {
                    let written = target.url();
                    let again = Target::parse(&written).map(|again| again.url());
                    proptest::prop_assert_eq!(again, Ok(written));
                }
            }
        }

        #[test]
        fn what_is_encoded_is_ascii_and_stands_for_the_same_bytes(text in "[^%]*") {
            let encoded = percent_encoded(&text);
            proptest::prop_assert!(encoded.is_ascii());
            let (mut bytes, mut rest) = (Vec::new(), encoded.as_bytes());
            while let Some((&first, tail)) = rest.split_first() {
                rest = tail;
                let byte = match first {
                    b'%' => {
                        let (digits, after) = tail.split_at(2);
                        rest = after;
                        u8::from_str_radix(std::str::from_utf8(digits).unwrap(), 16).unwrap()
                    }
                    plain => plain,
                };
                bytes.push(byte);
            }
            proptest::prop_assert_eq!(bytes, text.as_bytes());
        }
    }

    #[test]
    fn names_are_told_apart_without_their_secrets() {
        let urls = ["http://a/?t=x", "http://b/@c", "http://a/?t=y"];
        let named = named(urls.map(|url| Target::parse(url).unwrap()).into());
        let names: Vec<_> = named.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["http://a/?t=***", "http://b/@c", "http://a/?t=*** (2)"]);
        assert_eq!(named[2].1.url(), "http://a/?t=y");
    }

    #[test]
    fn a_password_is_never_told() {
        for url in [
            "http://me:swordfish@host/",
            "http://me:sword@fish@host/",
            "http://me:sword/fish@host/",
            "http://me:sword fish@host/",
            "ftp://me:swordfish@host/",
            "me:swordfish@host/",
            "http://swordfish@host:99999/",
        ] {
            let fault = Target::parse(url).unwrap_err();
            assert!(!fault.contains("sword") && !fault.contains("fish"), "{fault}");
            assert!(fault.contains("***@host"), "{fault}");
        }
        let fault = Target::parse("http://me:swordfish@host/").unwrap_err();
        assert!(fault.contains("names a user; give an Authorization header instead"), "{fault}");
    }
}
