//! Under TLS both sides show a certificate of one authority.

use std::{
    fs,
    io::{BufRead, BufReader},
    net::TcpStream,
    path::PathBuf,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use serde_json::json;
use tempfile::TempDir;

use super::{
    super::tls::{self, Tls, TlsFiles},
    peer::{Config, PATIENCE},
};

/// An authority, and the directory its certificates lie in.
pub(super) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    directory: TempDir,
}

impl Authority {
    pub(super) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("ca"), params.self_signed(&key).unwrap().pem()).unwrap();
        Self { issuer: Issuer::new(params, key), directory }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The files of a node that nobody else's certificate names.
    pub(super) fn files(&self, name: &str) -> [PathBuf; 3] {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![format!("{name}.example")]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let files = [self.file(&format!("{name}.cert")), self.file(&format!("{name}.key"))];
        fs::write(&files[0], certificate.pem()).unwrap();
        fs::write(&files[1], key.serialize_pem()).unwrap();
        let [cert, key] = files;
        [cert, key, self.file("ca")]
    }

    pub(super) fn config(&self, name: &str) -> Config {
        Config { tls: Some(self.files(name)), ..Config::new(name) }
    }
}

#[test]
fn nodes_of_one_authority_link_whatever_their_names() {
    let authority = Authority::new();
    let mut a = authority.config("a").start();
    let mut b = authority.config("b").seed(&a).start();
    let mut c = authority.config("c").seed(&b).start();
    a.reaches(vec!["b", "c"], PATIENCE);
    b.reaches(vec!["a", "c"], PATIENCE);
    c.reaches(vec!["a", "b"], PATIENCE);
    let answer = a.ask(&json!({"call": 1, "size": 500_000, "to": "c"}), "answer");
    assert_eq!(answer, json!({"Ok": 500_001}));
    let config = c.kill();
    a.goes_down(0, "c", Duration::from_secs(1));
    config.start().reaches(vec!["a", "b"], PATIENCE);
}

#[test]
fn silent_clients_keep_nobody_from_joining() {
    let authority = Authority::new();
    let mut a = authority.config("a").start();
    let _silent: Vec<TcpStream> =
        (0..300).map(|_| TcpStream::connect(&a.address).unwrap()).collect();
    let began = Instant::now();
    let _b = authority.config("b").seed(&a).start();
    a.reaches(vec!["b"], PATIENCE);
    assert!(began.elapsed() < Duration::from_secs(4), "it waited for the silent ones");
}

#[test]
fn without_a_certificate_of_the_authority_nobody_links() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let mut a = ours.config("a").start();
    let stranger = theirs.config("x").seed(&a).start();
    stranger.refuses(0, "certificate");
    a.refuses(0, "certificate");
    // Signed by the right one, but believing in another.
    let mut wary = ours.config("y");
    wary.tls.as_mut().unwrap()[2] = theirs.file("ca");
    let wary = wary.seed(&a).start();
    wary.refuses(0, "its certificate cannot be accepted");
    let plain = Config::new("z").seed(&a).start();
    plain.refuses(0, "it speaks TLS, and this node does not");
    a.refuses(0, "it does not speak TLS, and this node does");
    a.reaches(vec![], Duration::ZERO);
}

#[test]
fn a_plain_node_says_that_it_is_one() {
    let authority = Authority::new();
    let a = Config::new("a").start();
    let b = authority.config("b").seed(&a).start();
    a.refuses(0, "it speaks TLS, and this node does not");
    b.refuses(0, "TLS");
}

/// What a person reaches for makes a certificate that TLS does not take.
#[tokio::test]
async fn a_certificate_of_version_1_is_called_one() {
    let authority = Authority::new();
    let [cert, key, ca] = authority.files("good");
    let folder = authority.directory.path();
    // Newer versions of openssl do not make it any more. Its key is beside it.
    let old = folder.join("old");
    fs::write(&old, include_str!("version_1.pem")).unwrap();
    let words = "certificate is of version 1: sign it with an extension file, say \
                 `basicConstraints=CA:FALSE`";
    // This node's own.
    let files = TlsFiles { cert: old.clone(), key: old, ca: ca.clone() };
    let refusal = Tls::new(&files).err().unwrap().message;
    assert!(refusal.contains(&format!("cannot be used: this node's {words}")), "{refusal}");
    assert!(!refusal.contains("peer"), "{refusal}");
    // Another's, who does not mind.
    let here = Tls::new(&TlsFiles { cert, key, ca }).unwrap();
    let mut server = Command::new("openssl")
        .args(["s_server", "-tls1_3", "-accept", "127.0.0.1:0", "-cert", "old", "-key", "old"])
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // Held open, as its input is: it ends with either.
    let output = BufReader::new(server.stdout.take().unwrap());
    let mut lines = output.lines().map_while(Result::ok);
    let address = lines.find_map(|line| Some(line.strip_prefix("ACCEPT ")?.to_owned()));
    let stream = tokio::net::TcpStream::connect(address.unwrap()).await.unwrap();
    let fault = here.connect(stream).await.err().unwrap();
    server.kill().unwrap();
    server.wait().unwrap();
    assert!(tls::explain(&fault).contains(&format!("accepted: its {words}")), "{fault}");
}
