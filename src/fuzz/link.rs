//! What strangers and other nodes say on a connection.

use super::targets;
use crate::cluster::link::fuzzed;

const NONCE: &str =
    "crowd-link/1 00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n";

fn handshakes() -> Vec<String> {
    let hello = r#"{"hello":{"protocol":1,"version":"0.1.0","name":"b","incarnation":7,"since":1,"advertise":"[::1]:4370","port":4370,"scenarios":{"chat":"1"},"master":{"name":"m","incarnation":3}}}"#;
    vec![
        format!("{NONCE}{hello}\n{{\"proof\":\"{}\"}}\n\"agreed\"\n", "00".repeat(32)),
        format!("{NONCE}{{\"refused\":{{\"because\":\"name\",\"why\":\"taken\"}}}}\n"),
        "crowd-link/2 00\n".to_owned(),
        "\u{16}\u{3}\u{1}".to_owned(),
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
    ]
}

const HELLOS: [&str; 3] = [
    r#"{"protocol":1,"version":"0.1.0","name":"b","incarnation":7,"port":4370,"scenarios":{"chat":"1"}}"#,
    r#"{"name":"b","master":{"name":"m","incarnation":3},"unlinked":{"name":"a","incarnation":1}}"#,
    r#"{"because":"name","why":"taken \u001b[2J","by":{"name":"m","incarnation":3}}"#,
];

targets! {
    /// The first words of a connection, whoever dialled.
    handshake(fuzzed::meet, handshakes());
    /// What a node says of itself.
    hello(fuzzed::compare, HELLOS);
    /// The packets of a link.
    packet(fuzzed::open, fuzzed::packets());
}
