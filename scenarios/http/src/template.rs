//! The request, built once and copied for each sending.

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Method, Request, Uri,
    header::{CONTENT_LENGTH, HOST, HeaderMap, HeaderValue, USER_AGENT},
};

use crate::target::Target;

/// The body of a request.
pub(crate) type Payload = Full<Bytes>;

/// The request to `target`. `Host` and `User-Agent` are added unless `headers` has them; the length
/// of a body is added when it is sent, but where there could be one and is none, that is said here.
///
/// # Errors
/// If the target's host cannot be a header.
pub(crate) fn request(
    method: Method,
    target: &Target,
    mut headers: HeaderMap,
    body: Option<&str>,
) -> Result<Request<Payload>, String> {
    if !headers.contains_key(HOST) {
        let host = HeaderValue::try_from(&target.authority)
            .map_err(|_| format!("'{}' cannot be a Host header", target.authority))?;
        headers.insert(HOST, host);
    }
    headers.entry(USER_AGENT).or_insert(HeaderValue::from_static("crowd"));
    let body = Bytes::from(body.unwrap_or_default().to_owned());
    if body.is_empty() && [Method::POST, Method::PUT, Method::PATCH].contains(&method) {
        headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    }
    let mut request = Request::new(Full::new(body));
    *request.method_mut() = method;
    *request.uri_mut() = Uri::from(target.path.clone());
    *request.headers_mut() = headers;
    Ok(request)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_and_agent_are_added_unless_given() {
        let target = Target::parse("http://a.example:81/x?y").unwrap();
        let plain = request(Method::GET, &target, HeaderMap::new(), None).unwrap();
        assert_eq!(plain.headers()[HOST], "a.example:81");
        assert_eq!(plain.headers()[USER_AGENT], "crowd");
        assert_eq!(plain.headers().len(), 2);
        assert_eq!(plain.uri(), "/x?y");

        let given = HeaderMap::from_iter([
            (HOST, HeaderValue::from_static("b.example")),
            (USER_AGENT, HeaderValue::from_static("me")),
        ]);
        let own = request(Method::POST, &target, given.clone(), Some("hi")).unwrap();
        assert_eq!(own.headers(), &given);
        assert_eq!(own.method(), Method::POST);
    }

    #[test]
    fn a_method_that_has_a_body_says_when_it_is_empty() {
        let target = Target::parse("http://a.example/").unwrap();
        let headers = |method| request(method, &target, HeaderMap::new(), None).unwrap();
        assert_eq!(headers(Method::PUT).headers()[CONTENT_LENGTH], "0");
        assert!(!headers(Method::DELETE).headers().contains_key(CONTENT_LENGTH));
    }
}
