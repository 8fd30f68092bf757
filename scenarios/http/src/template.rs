//! The request, built once and copied for each sending.

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Method, Request, Uri,
    header::{HOST, HeaderMap, HeaderValue, USER_AGENT},
    http::uri::PathAndQuery,
};

use crate::target::Target;

/// The body of a request.
pub(crate) type Payload = Full<Bytes>;

/// All that a request consists of.
#[derive(Debug, Clone)]
pub(crate) struct Template {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
}

impl Template {
    /// The request to `target`. `Host` and `User-Agent` are added unless `headers` has them.
    ///
    /// # Errors
    /// If the target's host cannot be a header.
    pub(crate) fn new(
        method: Method,
        target: &Target,
        mut headers: HeaderMap,
        body: Option<String>,
    ) -> Result<Self, String> {
        if !headers.contains_key(HOST) {
            let host = HeaderValue::try_from(&target.authority)
                .map_err(|_| format!("'{}' cannot be a Host header", target.authority))?;
            headers.insert(HOST, host);
        }
        headers.entry(USER_AGENT).or_insert(HeaderValue::from_static("crowd"));
        let body = body.map(Bytes::from).unwrap_or_default();
        Ok(Self { method, uri: Uri::from(target.path.clone()), headers, body })
    }

    /// A copy that shares no reference counts with the original, the body aside: users on different
    /// cores would slow each other down by counting in the same place.
    pub(crate) fn unshared(&self) -> Self {
        let path = self.uri.path_and_query().map(PathAndQuery::as_str).unwrap_or_default();
        let mut headers = HeaderMap::with_capacity(self.headers.keys_len());
        for (name, value) in &self.headers {
            // What was a value once is one again; the shared one would do as well.
            let own = HeaderValue::from_bytes(value.as_bytes()).unwrap_or_else(|_| value.clone());
            headers.append(name.clone(), own);
        }
        Self {
            method: self.method.clone(),
            uri: Uri::try_from(path).unwrap_or_else(|_| self.uri.clone()),
            headers,
            body: self.body.clone(),
        }
    }

    /// The request, ready to be sent.
    pub(crate) fn request(&self) -> Request<Payload> {
        let mut request = Request::new(Full::new(self.body.clone()));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = self.headers.clone();
        request
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_and_agent_are_added_unless_given() {
        let target = Target::parse("http://a.example:81/x?y").unwrap();
        let plain = Template::new(Method::GET, &target, HeaderMap::new(), None).unwrap().request();
        assert_eq!(plain.headers()[HOST], "a.example:81");
        assert_eq!(plain.headers()[USER_AGENT], "crowd");
        assert_eq!(plain.uri(), "/x?y");

        let given = HeaderMap::from_iter([(HOST, HeaderValue::from_static("b.example"))]);
        let own = Template::new(Method::POST, &target, given, Some("hi".into())).unwrap();
        let request = own.unshared().request();
        assert_eq!(request.headers()[HOST], "b.example");
        assert_eq!(request.method(), Method::POST);
        assert_eq!(request.uri(), "/x?y");
    }
}
