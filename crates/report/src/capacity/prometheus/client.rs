//! One GET over a connection of its own, in the clear or under TLS.

use std::{fmt, sync::Arc, time::Duration};

use axum::{
    body::Bytes,
    http::{HeaderValue, Request, StatusCode, header, uri::PathAndQuery},
};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs, pki_types::ServerName};
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::TlsConnector;
use tokio_util::{either::Either, task::AbortOnDropHandle};

use super::parts;

/// How long it may take to reach the server.
const CONNECT: Duration = Duration::from_secs(10);

/// The longest answer that is read, in bytes.
const LONGEST: usize = 16 * 1024 * 1024;

/// Asks one server.
pub(super) struct Client {
    host: String,
    port: u16,
    /// What stands before every path.
    prefix: String,
    tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("host", &self.host).finish_non_exhaustive()
    }
}

impl Client {
    /// A client of the server at this URL.
    pub(super) fn new(url: &str) -> Result<Self, String> {
        let (tls, host, port, prefix) = parts(url)?;
        let tls = if tls {
            let bare = host.trim_start_matches('[').trim_end_matches(']').to_owned();
            let name = ServerName::try_from(bare).map_err(|fault| format!("`{host}`: {fault}"))?;
            Some((trusting_the_system()?, name))
        } else {
            None
        };
        Ok(Self { host, port, prefix, tls })
    }

    /// What the server answers.
    pub(super) async fn get(&self, path: &PathAndQuery) -> Result<(StatusCode, String), String> {
        let told = |fault: &dyn fmt::Display| format!("{}:{}: {fault}", self.host, self.port);
        let address = format!("{}:{}", self.host, self.port);
        let connecting = async {
            let stream = TcpStream::connect(&address).await?;
            stream.set_nodelay(true)?;
            Ok::<_, std::io::Error>(match &self.tls {
                None => Either::Left(stream),
                Some((config, name)) => {
                    let connector = TlsConnector::from(config.clone());
                    Either::Right(connector.connect(name.clone(), stream).await?)
                }
            })
        };
        let stream = match timeout(CONNECT, connecting).await {
            Ok(stream) => stream.map_err(|fault| told(&fault))?,
            Err(_) => return Err(told(&format_args!("not reached within {CONNECT:?}"))),
        };
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|fault| told(&fault))?;
        // The connection ends with the request, also if nobody waits for the answer any more.
        let _connection = AbortOnDropHandle::new(tokio::spawn(connection));
        let mut request = Request::new(Empty::<Bytes>::new());
        *request.uri_mut() =
            format!("{}{path}", self.prefix).parse().map_err(|fault| told(&fault))?;
        let host = HeaderValue::from_str(&address).map_err(|fault| told(&fault))?;
        request.headers_mut().insert(header::HOST, host);
        let accept = HeaderValue::from_static("application/json");
        request.headers_mut().insert(header::ACCEPT, accept);
        let response = sender.send_request(request).await.map_err(|fault| told(&fault))?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, LONGEST).collect().await.map_err(|fault| told(&fault))?;
        Ok((head.status, String::from_utf8_lossy(&body.to_bytes()).into_owned()))
    }
}

/// TLS that trusts the certificates the system trusts.
fn trusting_the_system() -> Result<Arc<ClientConfig>, String> {
    let mut roots = RootCertStore::empty();
    // Some systems carry certificates that are no longer valid; the others will do.
    let (added, _) =
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if added == 0 {
        return Err("there is no certificate to trust on this system".to_owned());
    }
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|fault| fault.to_string())?;
    Ok(Arc::new(builder.with_root_certificates(roots).with_no_client_auth()))
}
