//! The request: its bytes are made once, and every sending sends the same.

use crate::{header_list::HeaderList, target::Target};

/// The methods that may be repeated, RFC 9110, section 9.2.2.
const IDEMPOTENT: [&str; 5] = ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"];

/// A request, ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request {
    /// Head and body.
    pub(crate) bytes: Vec<u8>,
    /// Whether the answer has no body whatever its headers say.
    pub(crate) head_only: bool,
    /// Whether sending it twice does what sending it once does.
    pub(crate) idempotent: bool,
}

impl Request {
    /// The request to `target`. `Host` and `User-Agent` are added unless `headers` has them, and
    /// the length of the body where there is one, or could be one.
    pub(crate) fn new(
        method: &str,
        target: &Target,
        headers: &HeaderList,
        body: Option<&str>,
    ) -> Self {
        let has = |wanted: &str| headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(wanted));
        let mut head = format!("{method} {} HTTP/1.1\r\n", target.path);
        let mut add = |name: &str, value: &str| {
            head.push_str(name);
            head.push_str(": ");
            head.push_str(value);
            head.push_str("\r\n");
        };
        if !has("host") {
            add("Host", &target.authority);
        }
        if !has("user-agent") {
            add("User-Agent", "crowd");
        }
        for (name, value) in headers {
            add(name, value);
        }
        if body.is_some() || ["POST", "PUT", "PATCH"].contains(&method) {
            add("Content-Length", &body.map_or(0, str::len).to_string());
        }
        head.push_str("\r\n");
        let mut bytes = head.into_bytes();
        bytes.extend_from_slice(body.unwrap_or_default().as_bytes());
        Self { bytes, head_only: method == "HEAD", idempotent: IDEMPOTENT.contains(&method) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(method: &str, headers: &[(&str, &str)], body: Option<&str>) -> String {
        let target = Target::parse("http://a.example:81/x?y").unwrap();
        let headers: HeaderList =
            headers.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        String::from_utf8(Request::new(method, &target, &headers, body).bytes).unwrap()
    }

    #[test]
    fn what_must_be_there_is_added() {
        assert_eq!(
            text("GET", &[], None),
            "GET /x?y HTTP/1.1\r\nHost: a.example:81\r\nUser-Agent: crowd\r\n\r\n"
        );
        assert_eq!(
            text(
                "POST",
                &[("host", "b"), ("USER-AGENT", "me"), ("A", "1"), ("A", "2")],
                Some("hé")
            ),
            "POST /x?y HTTP/1.1\r\nhost: b\r\nUSER-AGENT: me\r\nA: 1\r\nA: 2\r\n\
             Content-Length: 3\r\n\r\nhé"
        );
    }

    #[test]
    fn a_method_that_has_a_body_says_when_it_is_empty() {
        assert!(text("PUT", &[], None).contains("Content-Length: 0\r\n"));
        assert!(!text("DELETE", &[], None).contains("Content-Length"));
    }
}
