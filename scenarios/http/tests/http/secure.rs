//! HTTPS.

use std::sync::Arc;

use crowd::{failure::Owner, measure::Phase};
use hyper::Response;
use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair, date_time_ymd};
use rustls::{
    ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};
use tempfile::NamedTempFile;
use tokio_rustls::TlsAcceptor;

use super::{
    run::{given, node, run},
    server::{Server, full, http, raw, speak_http},
};

/// A server for `localhost`, and a file with its certificate.
async fn secure() -> (Server, NamedTempFile) {
    secure_with(certificate("localhost")).await
}

fn certificate(name: &str) -> CertificateParams {
    CertificateParams::new(vec![name.to_owned()]).unwrap()
}

/// A server with this certificate, signed by itself, and a file with it.
async fn secure_with(certificate: CertificateParams) -> (Server, NamedTempFile) {
    let signing_key = KeyPair::generate().unwrap();
    let cert = certificate.self_signed(&signing_key).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(signing_key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let answer = Arc::new(|_: &_, _: &[u8]| Response::new(full("hello")));
    let server = raw(move |stream, _| {
        let (acceptor, answer) = (acceptor.clone(), answer.clone());
        async move {
            // A client that does not trust the certificate leaves here.
            if let Ok(stream) = acceptor.accept(stream).await {
                speak_http(stream, answer).await;
            }
        }
    })
    .await;
    let file = NamedTempFile::new().unwrap();
    std::fs::write(&file, cert.pem()).unwrap();
    (server, file)
}

#[tokio::test]
async fn a_certificate_from_the_file_is_trusted() {
    let (server, file) = secure().await;
    let url = format!("https://localhost:{}/", server.address.port());
    let file = file.path().to_str().unwrap();
    let over = run(3, &[("url", &url), ("requests", "20"), ("ca_file", file)]).await;
    assert_eq!(over.action("request"), (60, 0));
    assert_eq!(over.counter("tls_handshakes_full"), 3);
    assert_eq!(over.phase("request", Phase::Tls).0, 3);
    assert_eq!(over.phase("request", Phase::Connect).0, 3);
    assert_eq!(over.counter("bytes_received"), 300);
}

#[tokio::test]
async fn another_certificate_is_the_targets_failure_unless_any_will_do() {
    let (server, _) = secure().await;
    let (_, other) = secure().await;
    let url = format!("https://localhost:{}/", server.address.port());
    let other = other.path().to_str().unwrap();
    let over = run(1, &[("url", &url), ("ca_file", other), ("requests", "1")]).await;
    let reason = "the server's certificate is signed by nobody trusted; give its authority as \
        ca_file, or insecure=true accepts any";
    assert_eq!(over.failures("request"), [(Owner::Target, reason.to_owned(), 1)]);

    let over = run(1, &[("url", &url), ("requests", "5"), ("insecure", "true")]).await;
    assert_eq!(over.action("request"), (5, 0));
}

#[tokio::test]
async fn a_file_without_certificates_fails_the_run() {
    let node = node().await;
    let empty = NamedTempFile::new().unwrap();
    for (path, why) in
        [(empty.path().to_str().unwrap(), "holds no certificate"), ("/no/such/file", "ca_file")]
    {
        let settings = given(&[("url", "https://localhost:1/"), ("ca_file", path)]);
        let refusal = node.start_run("http", 1, settings).await.unwrap_err();
        assert!(refusal.message.contains(why), "{refusal}");
        node.reset().await.unwrap();
    }
    node.shutdown().await;
}

/// Whoever names a file to a node may not read it by what is wrong with it, nor fill the node's memory.
#[tokio::test]
async fn nothing_that_a_file_of_certificates_holds_is_told() {
    let node = node().await;
    let texts = [
        "-----BEGIN canary",
        "-----BEGIN canary-----\nAAAA\n",
        "-----BEGIN CERTIFICATE-----\ncanary\n-----END CERTIFICATE-----\n",
        "-----BEGIN CERTIFICATE-----\n!canary!\n-----END CERTIFICATE-----\n",
        "canary\n",
    ];
    let canary = "canary";
    // Some libraries tell bytes as numbers.
    let numbers = canary.bytes().map(|byte| byte.to_string()).collect::<Vec<_>>().join(", ");
    for text in texts {
        let file = NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let path = file.path().to_str().unwrap();
        let settings = given(&[("url", "https://localhost:1/"), ("ca_file", path)]);
        let refusal = node.start_run("http", 1, settings).await.unwrap_err();
        let told = refusal.message.replace(path, "FILE");
        assert!(!told.contains(canary) && !told.contains(&numbers), "{text:?}: {told}");
        node.reset().await.unwrap();
    }
    let long = NamedTempFile::new().unwrap();
    long.as_file().set_len(5 * 1024 * 1024).unwrap();
    for (path, told) in
        [(long.path().to_str().unwrap(), "is too large"), ("/dev/zero", "it is no plain file")]
    {
        let settings = given(&[("url", "https://localhost:1/"), ("ca_file", path)]);
        let refusal = node.start_run("http", 1, settings).await.unwrap_err();
        assert!(refusal.message.contains(told), "{refusal}");
        node.reset().await.unwrap();
    }
    node.shutdown().await;
}

#[tokio::test]
async fn servers_with_and_without_tls_can_be_mixed() {
    let (server, file) = secure().await;
    let plain = http(|_, _| Response::new(full("hello"))).await;
    let url = format!("https://localhost:{}/", server.address.port());
    let both = format!("{url},{}", plain.url());
    let file = file.path().to_str().unwrap();
    let settings =
        [("url", both.as_str()), ("requests", "5"), ("ca_file", file), ("health_path", "/")];
    let over = run(4, &settings).await;
    assert_eq!(over.action("request"), (20, 0));
    for url in [url, plain.url()] {
        assert_eq!(over.counter(&format!("target.picks.{url}")), 2);
        assert_eq!(over.counter(&format!("target.outs.{url}")), 0);
    }
}

/// What becomes of one request to a server with this certificate, whose file is `ca_file`.
async fn trusting(certificate: CertificateParams) -> Vec<(Owner, String, u64)> {
    let (server, file) = secure_with(certificate).await;
    let url = format!("https://localhost:{}/", server.address.port());
    let file = file.path().to_str().unwrap();
    // Two, a second apart, so that a reason with the time in it would be two.
    let settings = [("url", url.as_str()), ("ca_file", file), ("requests", "3")];
    run(1, &settings).await.failures("request")
}

fn of_authority(mut certificate: CertificateParams) -> CertificateParams {
    certificate.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    certificate
}

fn expired(mut certificate: CertificateParams) -> CertificateParams {
    certificate.not_before = date_time_ymd(2020, 1, 1);
    certificate.not_after = date_time_ymd(2020, 2, 1);
    certificate
}

#[tokio::test]
async fn a_server_whose_own_certificate_says_it_is_an_authoritys_is_trusted_if_it_is_in_the_file() {
    // That is what `openssl req -x509` makes.
    assert_eq!(trusting(of_authority(certificate("localhost"))).await, []);
}

#[tokio::test]
async fn name_and_time_of_a_certificate_are_checked_though_it_is_in_the_file() {
    let expired_reason = "the server's certificate has expired; insecure=true accepts it";
    let name_reason = "the server's certificate is for another name; write that one in the URL, or \
        insecure=true accepts any";
    for (certificate, reason) in [
        (expired(certificate("localhost")), expired_reason),
        (expired(of_authority(certificate("localhost"))), expired_reason),
        (certificate("elsewhere"), name_reason),
        (of_authority(certificate("elsewhere")), name_reason),
    ] {
        assert_eq!(trusting(certificate).await, [(Owner::Target, reason.to_owned(), 3)]);
    }
}

#[tokio::test]
async fn an_authority_in_the_file_does_not_make_another_one_a_server() {
    let (server, _) = secure_with(of_authority(certificate("localhost"))).await;
    let (_, other) = secure_with(of_authority(certificate("localhost"))).await;
    let url = format!("https://localhost:{}/", server.address.port());
    let other = other.path().to_str().unwrap();
    let over = run(1, &[("url", &url), ("ca_file", other), ("requests", "1")]).await;
    assert_eq!(over.action("request"), (1, 1));
}

#[tokio::test]
async fn a_handshake_that_takes_too_long_is_told_as_such() {
    let silent = raw(|stream, _| async move {
        let _stream = stream;
        std::future::pending::<()>().await;
    })
    .await;
    let url = format!("https://localhost:{}/", silent.address.port());
    let settings = [("url", url.as_str()), ("insecure", "true"), ("timeout", "100ms")];
    let over = run(1, &[&settings[..], &[("requests", "1")]].concat()).await;
    let reason = "no TLS handshake in time".to_owned();
    assert_eq!(over.failures("request"), [(Owner::Target, reason, 1)]);
    assert_eq!(over.phase("request", Phase::Connect).0, 1);
}

#[tokio::test]
async fn a_server_without_tls_is_told_as_such() {
    let plain = http(|_, _| Response::new(full("hello"))).await;
    let url = format!("https://localhost:{}/", plain.address.port());
    let over = run(1, &[("url", &url), ("insecure", "true"), ("requests", "1")]).await;
    let reason = "the server does not speak TLS here; is it an http:// URL?";
    assert_eq!(over.failures("request"), [(Owner::Target, reason.to_owned(), 1)]);
}
