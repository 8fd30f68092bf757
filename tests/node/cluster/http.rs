//! Just enough HTTP to ask a node: one request per connection.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use serde_json::Value;

/// How long an answer may take. Every verb has a deadline of its own, well below.
const PATIENCE: Duration = Duration::from_secs(40);

/// Sends a request and reads the answer: its status and its body.
pub(crate) fn request(
    address: SocketAddr,
    method: &str,
    path: &str,
    token: Option<&str>,
    body: &str,
) -> io::Result<(u16, String)> {
    let deadline = Instant::now() + PATIENCE;
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(5))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let token = token.map_or(String::new(), |token| format!("Authorization: Bearer {token}\r\n"));
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\
         Content-Type: text/plain\r\n{token}Content-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(body.as_bytes())?;
    let mut bytes = Vec::new();
    let mut piece = [0; 16 * 1024];
    loop {
        let count = stream.read(&mut piece)?;
        bytes.extend_from_slice(&piece[..count]);
        if count == 0 {
            break;
        }
        if Instant::now() > deadline {
            return Err(io::ErrorKind::TimedOut.into());
        }
    }
    parse(&bytes).ok_or_else(|| {
        let text = String::from_utf8_lossy(&bytes);
        io::Error::new(io::ErrorKind::InvalidData, format!("not an HTTP answer: {text:?}"))
    })
}

fn parse(bytes: &[u8]) -> Option<(u16, String)> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&bytes[..end]).ok()?;
    let body = &bytes[end + 4..];
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
    let body = if chunked { dechunk(body)? } else { body.to_vec() };
    Some((status, String::from_utf8(body).ok()?))
}

/// The body that comes in chunks, each after its size in hexadecimal.
fn dechunk(mut bytes: &[u8]) -> Option<Vec<u8>> {
    let mut whole = Vec::new();
    loop {
        let end = bytes.windows(2).position(|two| two == b"\r\n")?;
        let size = std::str::from_utf8(&bytes[..end]).ok()?.split(';').next()?.trim();
        let size = usize::from_str_radix(size, 16).ok()?;
        let rest = bytes.get(end + 2..)?;
        if size == 0 {
            return Some(whole);
        }
        whole.extend_from_slice(rest.get(..size)?);
        bytes = rest.get(size + 2..)?;
    }
}

/// A line of the console, carried out by a node.
pub(crate) fn command(address: SocketAddr, token: Option<&str>, line: &str) -> io::Result<Value> {
    let (status, body) = request(address, "POST", "/api/v1/command", token, line)?;
    let refused = |why: String| io::Error::new(io::ErrorKind::InvalidData, why);
    serde_json::from_str(&body).map_err(|fault| refused(format!("{status}: {fault}: {body:?}")))
}
