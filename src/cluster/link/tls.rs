//! Mutual TLS between nodes.
//!
//! Both sides show a certificate, and both check that the other's was signed by the authority in
//! `tls_ca`. The name in a certificate is not looked at: nodes live at whatever address they are
//! given, and whoever holds a certificate of that authority is a node. So let an authority sign
//! nodes only. A certificate that restricts its use must allow both client and server.
//!
//! TLS 1.3 and nothing older: what is exported from it is of one channel whatever the two sides say,
//! see [`Channel`].

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use crowd_core::refusal::{Code, Refusal};
use rustls::{
    ClientConfig, DigitallySignedStruct, RootCertStore, ServerConfig, SignatureScheme,
    client::{
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_cert_signed_by_trust_anchor,
    },
    crypto::{CryptoProvider, aws_lc_rs, verify_tls13_signature},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject},
    server::{ParsedCertificate, WebPkiClientVerifier},
    version::TLS13,
};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsConnector, TlsStream};

use super::proof::Channel;

/// What a channel's binding is exported under (RFC 9266).
const EXPORTED: &[u8] = b"EXPORTER-Channel-Binding";

/// The files of a node's certificate, all PEM.
#[derive(Debug, Clone)]
pub(crate) struct TlsFiles {
    /// The certificate, and those between it and the authority.
    pub(crate) cert: PathBuf,
    /// Its private key.
    pub(crate) key: PathBuf,
    /// The authority that all nodes' certificates are signed by.
    pub(crate) ca: PathBuf,
}

/// Encrypts connections.
#[derive(Clone)]
pub(super) struct Tls {
    acceptor: TlsAcceptor,
    connector: TlsConnector,
    name: ServerName<'static>,
}

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// If one of them cannot be used; the sentence names its setting.
    pub(super) fn new(files: &TlsFiles) -> Result<Self, Refusal> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let roots = Arc::new(roots(&files.ca)?);
        let chain = certificates("tls_cert", &files.cert)?;
        let key = PrivateKeyDer::from_pem_file(&files.key)
            .map_err(|error| wrong("tls_key", &files.key, &error))?;
        let unfit = |error: &dyn std::fmt::Display| {
            wrong("tls_cert", &files.cert, &of_this_node(&error.to_string()))
        };
        let clients = WebPkiClientVerifier::builder_with_provider(roots.clone(), provider.clone())
            .build()
            .map_err(|error| wrong("tls_ca", &files.ca, &error))?;
        let server = ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&[&TLS13])
            .map_err(|error| unfit(&error))?
            .with_client_cert_verifier(clients)
            .with_single_cert(chain.clone(), key.clone_key())
            .map_err(|error| unfit(&error))?;
        let client = ClientConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&[&TLS13])
            .map_err(|error| unfit(&error))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Signed { roots, provider }))
            .with_client_auth_cert(chain, key)
            .map_err(|error| unfit(&error))?;
        let name = ServerName::try_from("crowd").map_err(|error| unfit(&error))?;
        Ok(Self {
            acceptor: TlsAcceptor::from(Arc::new(server)),
            connector: TlsConnector::from(Arc::new(client)),
            name,
        })
    }

    /// Encrypts a connection that was accepted.
    pub(super) async fn accept(
        &self,
        stream: TcpStream,
    ) -> io::Result<(TlsStream<TcpStream>, Channel)> {
        bound(TlsStream::Server(self.acceptor.accept(stream).await?))
    }

    /// Encrypts a connection that was dialled.
    pub(super) async fn connect(
        &self,
        stream: TcpStream,
    ) -> io::Result<(TlsStream<TcpStream>, Channel)> {
        bound(TlsStream::Client(self.connector.connect(self.name.clone(), stream).await?))
    }
}

/// The channel, and what tells it from all others.
fn bound(stream: TlsStream<TcpStream>) -> io::Result<(TlsStream<TcpStream>, Channel)> {
    let exported = match &stream {
        TlsStream::Client(stream) => {
            stream.get_ref().1.export_keying_material([0; 32], EXPORTED, Some(&[]))
        }
        TlsStream::Server(stream) => {
            stream.get_ref().1.export_keying_material([0; 32], EXPORTED, Some(&[]))
        }
    };
    let exported = exported.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
    Ok((stream, Channel::Tls(exported)))
}

/// What is missing in a certificate that older `openssl x509 -req` signs without more.
const VERSION_1: &str = "certificate is of version 1: sign it with an extension file, say \
                         `basicConstraints=CA:FALSE` (`openssl x509 -req … -extfile`)";

/// How such a certificate is called below.
const UNSUPPORTED_VERSION: &str = "UnsupportedCertVersion";

/// What is wrong with this node's own certificate, which to those below is always the other's.
fn of_this_node(said: &str) -> String {
    if said.contains(UNSUPPORTED_VERSION) {
        return format!("this node's {VERSION_1}");
    }
    said.replacen("invalid peer certificate", "this node's certificate is not valid", 1)
}

/// What a fault of a TLS handshake means, in words of this node.
pub(super) fn explain(error: &io::Error) -> String {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match tls {
        Some(rustls::Error::InvalidMessage(_)) => {
            "it does not speak TLS, and this node does: set tls_cert, tls_key and tls_ca on both or \
             on neither"
                .into()
        }
        Some(rustls::Error::AlertReceived(alert)) => {
            format!("it refuses this node's certificate ({alert:?})")
        }
        Some(rustls::Error::NoCertificatesPresented) => "it shows no certificate".into(),
        Some(other) if other.to_string().contains(UNSUPPORTED_VERSION) => {
            format!("its certificate cannot be accepted: its {VERSION_1}")
        }
        Some(other) => format!("its certificate cannot be accepted: {other}"),
        None => format!("the TLS handshake broke off ({error}): perhaps it does not speak TLS"),
    }
}

/// Whether TLS itself found fault, and not the connection below.
pub(super) fn at_fault(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<rustls::Error>())
}

fn roots(file: &Path) -> Result<RootCertStore, Refusal> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates("tls_ca", file)? {
        roots.add(certificate).map_err(|error| wrong("tls_ca", file, &error))?;
    }
    Ok(roots)
}

fn certificates(setting: &str, file: &Path) -> Result<Vec<CertificateDer<'static>>, Refusal> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_file_iter(file).and_then(Iterator::collect);
    let found = found.map_err(|error| wrong(setting, file, &error))?;
    if found.is_empty() {
        return Err(wrong(setting, file, &"it holds no certificate"));
    }
    Ok(found)
}

fn wrong(setting: &str, file: &Path, why: &dyn std::fmt::Display) -> Refusal {
    let message = format!("{setting} = `{}` cannot be used: {why}", file.display());
    Refusal::new(Code::Unavailable, message)
}

/// Trusts whatever the authority has signed, under any name.
#[derive(Debug)]
struct Signed {
    roots: Arc<RootCertStore>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Signed {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        verify_server_cert_signed_by_trust_anchor(
            &ParsedCertificate::try_from(end_entity)?,
            &self.roots,
            intermediates,
            now,
            self.provider.signature_verification_algorithms.all,
        )?;
        Ok(ServerCertVerified::assertion())
    }

    /// Never asked: see [`TLS13`] above.
    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::PeerIncompatible::Tls12NotOfferedOrEnabled.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
