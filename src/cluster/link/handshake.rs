//! How two nodes meet: over any stream, before anything else sees it.
//!
//! ```text
//! dialler                                  acceptor
//! crowd-link/2 <nonce>            ->
//!                                 <-       crowd-link/2 <nonce>
//! {hello} <proof>                 ->
//!                                 <-       {hello} <proof>      or {refusal} <proof>
//! "agreed" or a refusal           ->
//! ```
//!
//! The dialler proves itself first: a stranger who dials learns nothing but a nonce. A stranger who is
//! dialled learns a proof, and what the node says of itself. An acceptor that refuses a dialler who
//! has proven itself proves that it may: what anybody else says counts for nothing, and its words are told
//! as a quotation (see [`doubted`]). That a cookie is wrong cannot be proven.
//!
//! All proofs hold for the one channel that both speak over, see [`Channel`].

use std::{io, time::Duration};

use crowd_core::{printable, settings::secret::Secret};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncWrite};

use super::{
    hello::{self, Because, Hello, No},
    lines::{LONGEST, Lines},
    proof::{Channel, Nonce, Role, Token, Transcript, hex, unhex},
};

/// The first word of a connection, and the version of these words.
const MAGIC: &str = "crowd-link/";
const VERSION: &str = "2";

/// How long a dialler that has proven itself waits for the other's proof: less than a handshake may
/// take.
const ANSWER: Duration = Duration::from_secs(4);

/// How long the proof of a refusal is waited for.
const AFTERWORD: Duration = Duration::from_secs(1);

/// The longest first line.
const LONGEST_FIRST: usize = 128;

/// This node's side of a handshake.
pub(super) trait Party {
    /// What this node says of itself now.
    fn hello(&self) -> Hello;

    /// Whether a node that has proven itself and fits may be linked; its place is kept then.
    fn admit(&mut self, hello: &Hello) -> Result<(), No>;

    /// The other side has agreed. Whether its place was kept.
    fn agreed(&mut self) -> bool;
}

/// Two nodes have agreed.
#[derive(Debug)]
pub(super) struct Met<S> {
    pub(super) stream: S,
    /// What came already after the handshake.
    pub(super) rest: Vec<u8>,
    pub(super) hello: Hello,
    /// Marks what this node sends.
    pub(super) sent: Token,
    /// Marks what this node receives.
    pub(super) received: Token,
}

/// Why two nodes have not agreed.
#[derive(Debug)]
pub(super) enum Fault {
    /// One of them did not want it; whether it was this one, whether the other has proven that it
    /// knows the cookie, and what it said of itself, if it has proven that.
    Refused { no: No, by_us: bool, proven: bool, hello: Option<Box<Hello>> },
    /// The connection broke.
    Broken(io::Error),
    /// The connection broke, or nothing came, when this node had proven itself to whoever is there.
    Mute(io::Error),
    /// Whatever is there does not speak these words.
    Stranger(String),
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::Broken(error)
    }
}

/// A line after the first.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Word {
    Hello(Box<Hello>),
    Proof(String),
    Agreed,
    Refused(No),
}

/// Meets the node that dialled.
pub(super) async fn accept<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    channel: &Channel,
    cookie: &Secret,
    party: &mut impl Party,
) -> Result<Met<S>, Fault> {
    let mut lines = Lines::new(stream);
    let theirs = first(&mut lines).await?;
    let ours = nonce();
    lines.send(introduction(&ours).as_bytes()).await?;
    let mut transcript = Transcript::new(cookie, channel, &theirs, &ours);
    let hello = match proven(&mut lines, channel, &mut transcript, Role::Dialler).await {
        Err(Proving::Wrong) => return refuse(lines, wrong_proof(channel), None, None).await,
        Err(Proving::Fault(fault)) => return Err(fault),
        Ok(hello) => hello,
    };
    let me = party.hello();
    let verdict = match hello::difference(&me, &hello) {
        Some(why) => Err(No::new(Because::Unlike, why)),
        None => party.admit(&hello),
    };
    if let Err(no) = verdict {
        let no = No { by: Some(me.id()), ..no };
        return refuse(lines, no, Some(hello), Some(transcript)).await;
    }
    let words = signed(&party.hello(), &mut transcript, Role::Acceptor)?;
    lines.send(&words).await?;
    match word(&mut lines).await? {
        (Word::Agreed, _) if party.agreed() => {}
        (Word::Agreed, _) => {
            let no = No::new(Because::Busy, "both dialled each other");
            return Err(refused(no, true, Some(hello)));
        }
        (Word::Refused(no), _) => return Err(refused(no, false, Some(hello))),
        _ => return Err(nonsense("neither yes nor no")),
    }
    let (sent, received) = transcript.tokens(Role::Acceptor);
    let (stream, rest) = lines.into_parts();
    Ok(Met { stream, rest, hello, sent, received })
}

/// Meets the node that was dialled.
pub(super) async fn dial<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    channel: &Channel,
    cookie: &Secret,
    party: &mut impl Party,
) -> Result<Met<S>, Fault> {
    let mut lines = Lines::new(stream);
    let ours = nonce();
    lines.send(introduction(&ours).as_bytes()).await?;
    let theirs = first(&mut lines).await?;
    let mut transcript = Transcript::new(cookie, channel, &ours, &theirs);
    let me = party.hello();
    let words = signed(&me, &mut transcript, Role::Dialler)?;
    lines.send(&words).await?;
    let answer = proven(&mut lines, channel, &mut transcript, Role::Acceptor);
    let hello = match tokio::time::timeout(ANSWER, answer).await {
        Err(_) => return Err(Fault::Mute(io::ErrorKind::TimedOut.into())),
        Ok(Err(Proving::Fault(Fault::Broken(error)))) => return Err(Fault::Mute(error)),
        Ok(Err(Proving::Wrong)) => return refuse(lines, wrong_proof(channel), None, None).await,
        Ok(Err(Proving::Fault(fault))) => return Err(fault),
        Ok(Ok(hello)) => hello,
    };
    let verdict = match hello::difference(&me, &hello) {
        Some(why) => Err(No::new(Because::Unlike, why)),
        None => party.admit(&hello),
    };
    if let Err(no) = verdict {
        return refuse(lines, No { by: Some(me.id()), ..no }, Some(hello), None).await;
    }
    lines.send(&line(&Word::Agreed)?).await?;
    let (sent, received) = transcript.tokens(Role::Dialler);
    let (stream, rest) = lines.into_parts();
    Ok(Met { stream, rest, hello, sent, received })
}

/// Says no, so that the other side knows why, and says so here. An acceptor signs it.
async fn refuse<S: AsyncRead + AsyncWrite + Unpin, T>(
    lines: Lines<S>,
    no: No,
    hello: Option<Hello>,
    sign: Option<Transcript>,
) -> Result<T, Fault> {
    let mut words = line(&Word::Refused(no.clone()))?;
    if let Some(mut transcript) = sign {
        transcript.add(&words[..words.len() - 1]);
        words.extend(line(&Word::Proof(transcript.proof(Role::Acceptor)))?);
    }
    lines.part(&words).await;
    Err(refused(no, true, hello))
}

/// A refusal of or by somebody who has proven itself if it has said a hello.
fn refused(no: No, by_us: bool, hello: Option<Hello>) -> Fault {
    Fault::Refused { no, by_us, proven: hello.is_some(), hello: hello.map(Box::new) }
}

fn wrong_proof(channel: &Channel) -> No {
    let why = match channel {
        Channel::Plain => "the cookies of the two nodes differ",
        Channel::Tls(_) => {
            "the cookies of the two nodes differ, or somebody is between them and relays what they say"
        }
    };
    No::new(Because::Cookie, why)
}

/// A refusal by somebody who has proven nothing, as it is told here: nobody else's words in this
/// node's own voice.
fn doubted(no: &No, channel: &Channel) -> No {
    match no.because {
        Because::Cookie => wrong_proof(channel),
        because => {
            // So that the quotation ends where the words do.
            let words = printable::quoted(&no.why.replace('`', "'"));
            No::new(because, format!("it refuses, and does not prove that it may: {words}"))
        }
    }
}

enum Proving {
    /// The cookie is another.
    Wrong,
    Fault(Fault),
}

impl From<Fault> for Proving {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// The other side's hello, with its proof.
async fn proven<S: AsyncRead + AsyncWrite + Unpin>(
    lines: &mut Lines<S>,
    channel: &Channel,
    transcript: &mut Transcript,
    role: Role,
) -> Result<Hello, Proving> {
    let hello = match word(lines).await? {
        (Word::Hello(hello), line) => {
            transcript.add(&line);
            hello
        }
        (Word::Refused(no), line) => {
            transcript.add(&line);
            let proof = tokio::time::timeout(AFTERWORD, word(lines)).await;
            let proven = matches!(&proof, Ok(Ok((Word::Proof(proof), _)))
                if transcript.proves(role, proof));
            let no = if proven { no } else { doubted(&no, channel) };
            return Err(Fault::Refused { no, by_us: false, proven, hello: None }.into());
        }
        _ => return Err(nonsense("no hello").into()),
    };
    match word(lines).await? {
        (Word::Proof(proof), _) if transcript.proves(role, &proof) => Ok(*hello),
        (Word::Proof(_), _) => Err(Proving::Wrong),
        _ => Err(nonsense("no proof").into()),
    }
}

fn signed(hello: &Hello, transcript: &mut Transcript, role: Role) -> Result<Vec<u8>, Fault> {
    let mut words = line(&Word::Hello(Box::new(hello.clone())))?;
    if words.len() > LONGEST {
        return Err(nonsense("this node has more scenarios than fit into a hello"));
    }
    transcript.add(&words[..words.len() - 1]);
    words.extend(line(&Word::Proof(transcript.proof(role)))?);
    Ok(words)
}

async fn word<S: AsyncRead + AsyncWrite + Unpin>(
    lines: &mut Lines<S>,
) -> Result<(Word, Vec<u8>), Fault> {
    let line = lines.next(LONGEST).await?;
    let word = serde_json::from_slice(&line)
        .map_err(|error| nonsense(&format!("a line that makes no sense ({error})")))?;
    Ok((if let Word::Refused(no) = word { Word::Refused(no.heard()) } else { word }, line))
}

fn line(word: &Word) -> Result<Vec<u8>, Fault> {
    let mut line = serde_json::to_vec(word).map_err(io::Error::from)?;
    line.push(b'\n');
    Ok(line)
}

fn introduction(nonce: &Nonce) -> String {
    format!("{MAGIC}{VERSION} {}\n", hex(nonce))
}

fn nonce() -> Nonce {
    rand::random()
}

fn nonsense(what: &str) -> Fault {
    // Whoever is there may be quoted.
    let what = printable::line(what, printable::SENTENCE);
    Fault::Stranger(format!("what is there is no node that this one understands: {what}"))
}

/// The first line, which says whether the other side is a node at all.
async fn first<S: AsyncRead + AsyncWrite + Unpin>(lines: &mut Lines<S>) -> Result<Nonce, Fault> {
    let (line, fault) = match lines.next(LONGEST_FIRST).await {
        Ok(line) => (line, None),
        Err(error) => (lines.seen().to_vec(), Some(error)),
    };
    // The first bytes of TLS: a record of a handshake, or an alert.
    if matches!(*line, [0x15 | 0x16, 0x03, ..]) {
        return Err(Fault::Stranger(
            "it speaks TLS, and this node does not: set tls_cert, tls_key and tls_ca on both or on \
             neither"
                .into(),
        ));
    }
    match fault {
        Some(error) if line.is_empty() => return Err(error.into()),
        Some(_) => return Err(nonsense("other words than a node's")),
        None => {}
    }
    let text = String::from_utf8(line).map_err(|_| nonsense("other words than a node's"))?;
    let rest = text.strip_prefix(MAGIC).ok_or_else(|| nonsense("other words than a node's"))?;
    match rest.split_once(' ') {
        Some((VERSION, nonce)) => unhex(nonce)
            .and_then(|bytes| Nonce::try_from(bytes).ok())
            .ok_or_else(|| nonsense("no nonce")),
        Some((other, _)) => Err(Fault::Stranger(format!(
            "it meets others in another way ({MAGIC}{}) than this node ({MAGIC}{VERSION}): another \
             version of crowd",
            printable::line(other, printable::WORD)
        ))),
        None => Err(nonsense("no nonce")),
    }
}

#[cfg(test)]
mod tests;
