//! Whom to trust under TLS.

use std::{io::Read, path::Path, sync::Arc};

use crowd::failure::Failure;
use crowd::plain_file;
use crowd::settings::masking::without_secrets_of_url;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::{
        Resumption, WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_name,
    },
    crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
    server::ParsedCertificate,
};

use crate::sessions::TlsSessions;

/// The TLS settings all users of a run share: the certificates in `ca_file`, or else those the
/// system trusts; or, if `insecure`, any certificate. With sessions of each user's own, these are
/// what it makes its own of, and resume none.
///
/// # Errors
/// If no certificate to trust can be read.
pub(crate) fn client_config(
    ca_file: Option<&Path>,
    insecure: bool,
    sessions: TlsSessions,
) -> Result<Arc<ClientConfig>, Failure> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()?;
    let builder = match ca_file {
        _ if insecure => {
            builder.dangerous().with_custom_certificate_verifier(Arc::new(TrustAnyone(provider)))
        }
        Some(file) => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(TrustThese::read(file, provider)?)),
        None => builder.with_root_certificates(system_roots()?),
    };
    let mut config = builder.with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    if sessions != TlsSessions::Shared {
        config.resumption = Resumption::disabled();
    }
    Ok(Arc::new(config))
}

fn system_roots() -> Result<RootCertStore, Failure> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    // Some systems carry certificates that are no longer valid; the others will do.
    let (added, _) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        let why = found.errors.first().map(|error| format!(" ({error})")).unwrap_or_default();
        return Err(Failure::scenario(format!(
            "this system trusts no certificate{why}; give a ca_file, or insecure=true"
        )));
    }
    Ok(roots)
}

/// The most bytes that a file of certificates has: hundreds of authorities are a tenth of it.
const LARGEST_FILE: u64 = 4 * 1024 * 1024;

/// Trusts whom the certificates of a file have signed, and the servers whose own ones are among them.
#[derive(Debug)]
struct TrustThese {
    certificates: Vec<CertificateDer<'static>>,
    authorities: Arc<WebPkiServerVerifier>,
}

impl TrustThese {
    fn read(file: &Path, provider: Arc<CryptoProvider>) -> Result<Self, Failure> {
        let wrong = |why: String| {
            Failure::scenario({
                let file = file.to_string_lossy();
                format!("ca_file {}: {why}", without_secrets_of_url(&file))
            })
        };
        let mut text = Vec::new();
        plain_file::open(file)
            .and_then(|file| file.take(LARGEST_FILE + 1).read_to_end(&mut text))
            .map_err(|error| wrong(format!("cannot be read: {error}")))?;
        if text.len() as u64 > LARGEST_FILE {
            return Err(wrong("is too large to be a list of certificates".into()));
        }
        // What the library tells of a file that is none may be a line of it, and whoever has named the
        // file need not be somebody who may read it.
        let certificates = CertificateDer::pem_slice_iter(&text)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|_| wrong("is no text of certificates (PEM)".into()))?;
        if certificates.is_empty() {
            return Err(wrong("holds no certificate".into()));
        }
        let mut roots = RootCertStore::empty();
        for certificate in &certificates {
            let added = roots.add(certificate.clone());
            added.map_err(|_| wrong("holds something that is no certificate".into()))?;
        }
        let builder = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider);
        let authorities = builder.build().map_err(|error| wrong(error.to_string()))?;
        Ok(Self { certificates, authorities })
    }
}

impl ServerCertVerifier for TrustThese {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let authorities = &self.authorities;
        match authorities.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        ) {
            // A certificate that says it is an authority's is not taken for a server's, which is what
            // `openssl req -x509` makes, and browsers and curl take if it is trusted as it is. That is
            // found after its time was checked, and before its name is.
            Err(rustls::Error::InvalidCertificate(CertificateError::Other(_)))
                if self.certificates.iter().any(|trusted| trusted == end_entity) =>
            {
                verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
                Ok(ServerCertVerified::assertion())
            }
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.authorities.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.authorities.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.authorities.supported_verify_schemes()
    }
}

/// Takes any certificate, as `insecure` asks for; the server must still hold its key.
#[derive(Debug)]
struct TrustAnyone(Arc<CryptoProvider>);

impl ServerCertVerifier for TrustAnyone {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
