//! Proofs that a node knows the cookie, which never travels itself.
//!
//! Both nodes draw a nonce; each signs both nonces, the channel they speak over and all that was
//! said with the cookie (HMAC-SHA256), under a label of its own role, so that nobody can hand a
//! proof back to who made it. From the same come the tokens that mark the messages of a link.
//!
//! Under TLS the channel is what both ends, and nobody else, export from its secrets: whoever stands
//! between two nodes has two channels, and a proof for one is none for the other. Without TLS there is
//! nothing to sign, and whoever is on the path may relay a handshake and all that follows.
//!
//! Whoever is dialled can try cookies against the proof at leisure, and so can whoever listens to a
//! handshake without TLS: a cookie must be long.

use aws_lc_rs::hmac;
use crowd_core::settings::secret::Secret;

/// A number that was never used before.
pub(super) type Nonce = [u8; 32];

/// Marks the messages of one link in one direction.
pub(super) type Token = [u8; 16];

/// Who made the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Dialler,
    Acceptor,
}

/// What a handshake is spoken over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Channel {
    /// Anybody may be between the two ends.
    Plain,
    /// A channel of TLS, by what only its two ends can export from it (RFC 9266).
    Tls([u8; 32]),
}

impl Channel {
    fn binding(&self) -> Vec<u8> {
        match self {
            Self::Plain => b"plain".to_vec(),
            Self::Tls(exported) => [b"tls-exporter:", exported.as_slice()].concat(),
        }
    }
}

impl Role {
    fn other(self) -> Self {
        match self {
            Self::Dialler => Self::Acceptor,
            Self::Acceptor => Self::Dialler,
        }
    }

    fn label(self) -> &'static str {
        match self {
            Self::Dialler => "dialler",
            Self::Acceptor => "acceptor",
        }
    }
}

/// What was said in one handshake so far.
pub(super) struct Transcript {
    key: hmac::Key,
    said: Vec<u8>,
}

impl Transcript {
    pub(super) fn new(
        cookie: &Secret,
        channel: &Channel,
        dialler: &Nonce,
        acceptor: &Nonce,
    ) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, cookie.expose().as_bytes());
        let mut transcript = Self { key, said: [*dialler, *acceptor].concat() };
        transcript.add(&channel.binding());
        transcript
    }

    /// Takes a line in, with its length, so that two lines are not one.
    pub(super) fn add(&mut self, line: &[u8]) {
        self.said.extend((line.len() as u64).to_be_bytes());
        self.said.extend(line);
    }

    /// The proof of the node in that role, for all that was said.
    pub(super) fn proof(&self, role: Role) -> String {
        hex(self.sign("proof", role).as_ref())
    }

    /// Whether that is the proof of the node in that role. Takes the same time for all wrong ones.
    pub(super) fn proves(&self, role: Role, proof: &str) -> bool {
        let context = self.context("proof", role);
        unhex(proof).is_some_and(|tag| hmac::verify(&self.key, &context, &tag).is_ok())
    }

    /// The tokens of the link: for what the node in that role sends, and for what it receives.
    pub(super) fn tokens(&self, role: Role) -> (Token, Token) {
        (self.token(role), self.token(role.other()))
    }

    fn token(&self, sender: Role) -> Token {
        let tag = self.sign("token", sender);
        let mut token = Token::default();
        token.iter_mut().zip(tag.as_ref()).for_each(|(to, from)| *to = *from);
        token
    }

    fn sign(&self, what: &str, role: Role) -> hmac::Tag {
        hmac::sign(&self.key, &self.context(what, role))
    }

    fn context(&self, what: &str, role: Role) -> Vec<u8> {
        let mut context = format!("crowd link {what} {}\n", role.label()).into_bytes();
        context.extend(&self.said);
        context
    }
}

/// The cookie that the sessions below use: all nodes derive the same, and the real one cannot be
/// found from it.
pub(super) fn session_cookie(cookie: &Secret) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, cookie.expose().as_bytes());
    hex(hmac::sign(&key, b"crowd session cookie").as_ref())
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(super) fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.is_ascii() || !text.len().is_multiple_of(2) {
        return None;
    }
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn transcript(cookie: &str, nonces: [u8; 2], lines: &[&str]) -> Transcript {
        over(&Channel::Plain, cookie, nonces, lines)
    }

    fn over(channel: &Channel, cookie: &str, nonces: [u8; 2], lines: &[&str]) -> Transcript {
        let [dialler, acceptor] = nonces.map(|byte| [byte; 32]);
        let mut transcript = Transcript::new(&Secret::new(cookie), channel, &dialler, &acceptor);
        lines.iter().for_each(|line| transcript.add(line.as_bytes()));
        transcript
    }

    #[test]
    fn a_proof_holds_for_one_cookie_one_handshake_and_one_role() {
        let here = transcript("swordfish", [1, 2], &["ab", "c"]);
        let proof = here.proof(Role::Dialler);
        assert!(here.proves(Role::Dialler, &proof));
        assert!(!here.proves(Role::Acceptor, &proof));
        for other in [
            transcript("catfish", [1, 2], &["ab", "c"]),
            transcript("swordfish", [2, 1], &["ab", "c"]),
            transcript("swordfish", [1, 2], &["a", "bc"]),
            transcript("swordfish", [1, 2], &["ab"]),
        ] {
            assert!(!other.proves(Role::Dialler, &proof));
        }
        for wrong in ["", "zz", "abc", "é", &proof[2..]] {
            assert!(!here.proves(Role::Dialler, wrong), "{wrong}");
        }
    }

    #[test]
    fn a_proof_holds_for_one_channel() {
        let on = |channel| over(&channel, "swordfish", [1, 2], &["ab"]);
        let here = on(Channel::Tls([1; 32]));
        assert!(on(Channel::Tls([1; 32])).proves(Role::Dialler, &here.proof(Role::Dialler)));
        for other in [Channel::Tls([2; 32]), Channel::Plain] {
            assert!(!on(other).proves(Role::Dialler, &here.proof(Role::Dialler)));
            assert_ne!(on(other).tokens(Role::Dialler), here.tokens(Role::Dialler));
        }
    }

    #[test]
    fn both_ends_agree_on_the_tokens() {
        let here = transcript("swordfish", [1, 2], &["ab"]);
        let (sent, received) = here.tokens(Role::Dialler);
        assert_eq!(here.tokens(Role::Acceptor), (received, sent));
        assert_ne!(sent, received);
        assert_ne!(session_cookie(&Secret::new("a")), session_cookie(&Secret::new("b")));
    }
}
