//! HTTPS.

use std::sync::Arc;

use crowd::failure::Owner;
use hyper::Response;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::{
    ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};
use tempfile::NamedTempFile;
use tokio_rustls::TlsAcceptor;

use super::{
    run::{given, node, run, start},
    server::{Server, full, http, raw, speak_http},
};

/// A server for `localhost`, and a file with its certificate.
async fn secure() -> (Server, NamedTempFile) {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
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
    assert_eq!(over.action("connect"), (3, 0));
    assert_eq!(over.counter("bytes_received"), 300);
}

#[tokio::test]
async fn another_certificate_is_the_targets_failure_unless_any_will_do() {
    let (server, _) = secure().await;
    let (_, other) = secure().await;
    let url = format!("https://localhost:{}/", server.address.port());
    let other = other.path().to_str().unwrap();
    let going = start(1, &[("url", &url), ("ca_file", other)]).await;
    going.eventually("it is not trusted", |over| over.action("connect").1 >= 1).await;
    let over = going.stop().await;
    let (owner, reason, _) = over.failures("connect").remove(0);
    assert_eq!(owner, Owner::Target);
    assert!(reason.contains("invalid peer certificate"), "{reason}");

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
