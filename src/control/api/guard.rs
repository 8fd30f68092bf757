//! Pure: who is let in.
//!
//! With a token, whoever shows it. Without one the API listens on loopback, and then the danger is a
//! browser on the same machine: a page from elsewhere may send it here (so `Origin` must be our
//! own), also under a name of its own that it has made point to loopback (so `Host` must be
//! loopback).

use std::net::IpAddr;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header, uri::Authority};
use crowd_core::{printable::quoted, settings::Secret};

use super::answer::Fault;

/// Lets a request in, or says why not. Whoever only asks whether the node lives or is ready
/// (`open`) needs no token.
pub(super) fn admit(
    token: Option<&Secret>,
    open: bool,
    uri: &Uri,
    headers: &HeaderMap,
) -> Result<(), Fault> {
    match token {
        Some(_) if open => Ok(()),
        Some(token) => shows(token, headers),
        None => {
            let host = own_host(uri, headers)?;
            own_origin(&host, headers)
        }
    }
}

fn shows(token: &Secret, headers: &HeaderMap) -> Result<(), Fault> {
    let refuse = |challenge, message: &str| {
        Err(Fault::new(StatusCode::UNAUTHORIZED, "unauthorized", message)
            .with_header(header::WWW_AUTHENTICATE, challenge))
    };
    let mut given = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(given), None) = (given.next(), given.next()) else {
        return refuse(
            "Bearer realm=\"crowd\"",
            "this node wants its API token: send `Authorization: Bearer TOKEN`",
        );
    };
    let bytes = given.as_bytes();
    let right = match bytes.split_at_checked(b"bearer ".len()) {
        Some((scheme, shown)) if scheme.eq_ignore_ascii_case(b"bearer ") => {
            verify_slices_are_equal(token.expose().as_bytes(), shown.trim_ascii()).is_ok()
        }
        _ => false,
    };
    if right {
        return Ok(());
    }
    refuse(
        "Bearer realm=\"crowd\", error=\"invalid_token\"",
        "this is not the API token of this node (its setting api_token)",
    )
}

fn forbidden(code: &'static str, message: impl Into<String>) -> Fault {
    Fault::new(StatusCode::FORBIDDEN, code, message)
}

/// The host that was asked for, if it is this machine.
fn own_host(uri: &Uri, headers: &HeaderMap) -> Result<String, Fault> {
    let mut hosts = headers.get_all(header::HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else {
        return Err(forbidden("forbidden-host", "a request needs one `Host`"));
    };
    let host = text(host);
    let named = host.parse().ok();
    if named.as_ref().is_some_and(is_loopback) && uri.authority().is_none_or(is_loopback) {
        return Ok(host.to_owned());
    }
    Err(forbidden(
        "forbidden-host",
        format!(
            "{} is not this machine: without a token the API answers as localhost alone",
            quoted(host)
        ),
    ))
}

fn is_loopback(authority: &Authority) -> bool {
    if authority.as_str().contains('@') {
        return false;
    }
    let host = authority.host();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || bare.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
}

/// A page that makes a request must come from here.
fn own_origin(host: &str, headers: &HeaderMap) -> Result<(), Fault> {
    let own = format!("http://{host}");
    let strange = |origin: &&HeaderValue| !text(origin).eq_ignore_ascii_case(&own);
    match headers.get_all(header::ORIGIN).iter().find(strange) {
        None => Ok(()),
        Some(origin) => Err(forbidden(
            "forbidden-origin",
            format!("pages of {} may not use this API", quoted(text(origin))),
        )),
    }
}

/// A header as text; what is no ASCII is nothing we know.
fn text(value: &HeaderValue) -> &str {
    value.to_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(all: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in all {
            headers.append(*name, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    fn code(token: Option<&str>, all: &[(&'static str, &str)]) -> &'static str {
        let token = token.map(Secret::new);
        let uri = Uri::from_static("/api/v1/command");
        match admit(token.as_ref(), false, &uri, &headers(all)) {
            Ok(()) => "",
            Err(fault) => match fault.told() {
                (401, "unauthorized", _) => "unauthorized",
                (403, "forbidden-host", _) => "forbidden-host",
                (403, "forbidden-origin", _) => "forbidden-origin",
                other => panic!("{other:?}"),
            },
        }
    }

    #[test]
    fn the_token_and_nothing_else_opens() {
        let with = |value: &str| code(Some("sesame"), &[("authorization", value)]);
        assert_eq!(with("Bearer sesame"), "");
        assert_eq!(with("bearer  sesame "), "");
        for wrong in ["", "Bearer", "Bearer ", "Bearer Sesame", "Bearer sesame2", "Basic sesame"] {
            assert_eq!(with(wrong), "unauthorized", "{wrong:?}");
        }
        assert_eq!(code(Some("sesame"), &[]), "unauthorized");
        let twice = [("authorization", "Bearer sesame"), ("authorization", "Bearer sesame")];
        assert_eq!(code(Some("sesame"), &twice), "unauthorized");
    }

    #[test]
    fn with_a_token_any_host_may_be_asked() {
        let all = [("authorization", "Bearer t"), ("host", "worker-1"), ("origin", "http://a.b")];
        assert_eq!(code(Some("t"), &all), "");
    }

    #[test]
    fn without_a_token_only_loopback_is_a_host() {
        let with = |host: &str| code(None, &[("host", host)]);
        for own in ["localhost", "LOCALHOST:4000", "127.0.0.1:4000", "127.9.9.9", "[::1]:4000"] {
            assert_eq!(with(own), "", "{own}");
        }
        for other in [
            "",
            "example.org",
            "localhost.example.org",
            "127.0.0.1.example.org:4000",
            "10.0.0.1:4000",
            "0.0.0.0:4000",
            "a@localhost",
            "localhost, example.org",
        ] {
            assert_eq!(with(other), "forbidden-host", "{other:?}");
        }
        assert_eq!(code(None, &[]), "forbidden-host");
        assert_eq!(code(None, &[("host", "localhost"), ("host", "a.b")]), "forbidden-host");
    }

    #[test]
    fn the_host_of_the_request_line_counts_too() {
        let uri = Uri::from_static("http://example.org/api/v1/status");
        assert!(admit(None, false, &uri, &headers(&[("host", "localhost")])).is_err());
    }

    #[test]
    fn without_a_token_only_our_own_pages_may_ask() {
        let with = |origin: &str| code(None, &[("host", "localhost:4000"), ("origin", origin)]);
        assert_eq!(with("http://localhost:4000"), "");
        for other in [
            "null",
            "http://example.org",
            "http://localhost",
            "http://localhost:4001",
            "https://localhost:4000",
            "http://127.0.0.1:4000",
            "",
        ] {
            assert_eq!(with(other), "forbidden-origin", "{other:?}");
        }
    }

    #[test]
    fn who_asks_for_life_needs_no_token() {
        let token = Secret::new("t");
        let uri = Uri::from_static("/api/v1/live");
        assert!(admit(Some(&token), true, &uri, &HeaderMap::new()).is_ok());
        assert!(admit(None, true, &uri, &headers(&[("host", "a.b")])).is_err());
    }
}
