use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

use super::*;

struct Node {
    hello: Hello,
    verdict: Result<(), No>,
    kept: bool,
}

fn node(name: &str) -> Node {
    let hello = Hello { name: name.into(), incarnation: 7, ..hello::of_this_build() };
    Node { hello, verdict: Ok(()), kept: true }
}

impl Party for Node {
    fn hello(&self) -> Hello {
        self.hello.clone()
    }

    fn admit(&mut self, _: &Hello) -> Result<(), No> {
        self.verdict.clone()
    }

    fn agreed(&mut self) -> bool {
        self.kept
    }
}

type Outcome = Result<Met<DuplexStream>, Fault>;

async fn meet(mut dialler: Node, mut acceptor: Node, cookies: [&str; 2]) -> (Outcome, Outcome) {
    let (near, far) = duplex(1024);
    let [ours, theirs] = cookies.map(Secret::new);
    let channel = Channel::Plain;
    tokio::join!(
        dial(near, &channel, &ours, &mut dialler),
        accept(far, &channel, &theirs, &mut acceptor)
    )
}

#[tokio::test]
async fn a_refusal_counts_if_whoever_refuses_has_proven_itself() {
    let proven = |outcome: Outcome| match outcome.unwrap_err() {
        Fault::Refused { no, proven, .. } => (no.because, proven),
        other => panic!("{other:?}"),
    };
    let busy = || Node { verdict: Err(No::new(Because::Busy, "busy")), ..node("b") };
    let (dialler, acceptor) = meet(node("a"), busy(), SAME).await;
    assert_eq!((proven(dialler), proven(acceptor)), ((Because::Busy, true), (Because::Busy, true)));
    let (dialler, acceptor) = meet(node("a"), busy(), ["swordfish", "catfish"]).await;
    assert_eq!(
        (proven(dialler), proven(acceptor)),
        ((Because::Cookie, false), (Because::Cookie, false))
    );
    // Says so without a proof, or with another one.
    let no = String::from_utf8(line(&Word::Refused(No::new(Because::Busy, "busy"))).unwrap());
    let forged = String::from_utf8(line(&Word::Proof("00".repeat(32))).unwrap()).unwrap();
    for proof in ["", &forged] {
        let (near, mut far) = duplex(4096);
        let words = format!("{}{}{proof}", introduction(&[1; 32]), no.as_ref().unwrap());
        far.write_all(words.as_bytes()).await.unwrap();
        far.shutdown().await.unwrap();
        let cookie = Secret::new("swordfish");
        let told = dial(near, &Channel::Plain, &cookie, &mut node("a")).await;
        assert_eq!(proven(told), (Because::Busy, false));
    }
}

/// Both know the cookie; what is between them has a channel to each.
#[tokio::test]
async fn a_handshake_over_two_channels_is_refused() {
    let (near, far) = duplex(1024);
    let cookie = Secret::new("swordfish");
    let [ours, theirs] = [1, 2].map(|byte| Channel::Tls([byte; 32]));
    let (mut a, mut b) = (node("a"), node("b"));
    let (dialler, acceptor) =
        tokio::join!(dial(near, &ours, &cookie, &mut a), accept(far, &theirs, &cookie, &mut b));
    for outcome in [dialler, acceptor] {
        let (no, _) = refusal(outcome);
        assert!(no.why.contains("somebody is between them"), "{no:?}");
    }
}

fn refusal(outcome: Outcome) -> (No, bool) {
    match outcome.unwrap_err() {
        Fault::Refused { no, by_us, .. } => (no, by_us),
        other => panic!("{other:?}"),
    }
}

const SAME: [&str; 2] = ["swordfish", "swordfish"];

#[tokio::test]
async fn both_learn_who_the_other_is_and_agree_on_tokens() {
    let (dialler, acceptor) = meet(node("a"), node("b"), SAME).await;
    let (mut dialler, mut acceptor) = (dialler.unwrap(), acceptor.unwrap());
    assert_eq!((&*dialler.hello.name, &*acceptor.hello.name), ("b", "a"));
    assert_eq!((dialler.sent, dialler.received), (acceptor.received, acceptor.sent));
    dialler.stream.write_all(b"on").await.unwrap();
    let mut two = [0; 2];
    acceptor.stream.read_exact(&mut two).await.unwrap();
    assert_eq!((&two, acceptor.rest.len()), (b"on", 0));
}

#[tokio::test]
async fn who_does_not_know_the_cookie_is_refused_and_told() {
    let (dialler, acceptor) = meet(node("a"), node("b"), ["swordfish", "catfish"]).await;
    let (told, said) = (refusal(dialler), refusal(acceptor));
    assert_eq!(told.0.why, "the cookies of the two nodes differ");
    assert_eq!((told.0, told.1, said.1), (said.0, false, true));
}

#[tokio::test]
async fn a_difference_is_told_to_both() {
    let mut other = node("b");
    other.hello.protocol = 99;
    let (dialler, acceptor) = meet(node("a"), other, SAME).await;
    let (told, said) = (refusal(dialler).0, refusal(acceptor).0);
    assert!(told.why.contains("node `b` speaks protocol 99"), "{}", told.why);
    assert_eq!(told, said);
    assert_eq!(told.by, Some(node("b").hello.id()));
}

#[tokio::test]
async fn either_may_object_at_the_end() {
    let busy = || Err(No::new(Because::Busy, "busy"));
    let objecting = |name| Node { verdict: busy(), ..node(name) };
    for (dialler, acceptor) in [(objecting("a"), node("b")), (node("a"), objecting("b"))] {
        let (one, other) = meet(dialler, acceptor, SAME).await;
        assert_eq!(
            (refusal(one).0.because, refusal(other).0.because),
            (Because::Busy, Because::Busy)
        );
    }
}

/// Says these lines, and hears what there is to hear.
async fn stranger(words: &[u8]) -> (Fault, String) {
    let (mut near, far) = duplex(256 * 1024);
    let words = words.to_vec();
    let talk = async move {
        near.write_all(&words).await.unwrap();
        near.shutdown().await.unwrap();
        let mut heard = String::new();
        near.read_to_string(&mut heard).await.unwrap();
        heard
    };
    let cookie = Secret::new("swordfish");
    let mut party = node("b");
    let (fault, heard) = tokio::join!(accept(far, &Channel::Plain, &cookie, &mut party), talk);
    (fault.unwrap_err(), heard)
}

#[tokio::test]
async fn strangers_learn_nothing() {
    let introduced = introduction(&[1; 32]);
    let hello = String::from_utf8(line(&Word::Hello(Box::new(node("a").hello))).unwrap()).unwrap();
    let proof = String::from_utf8(line(&Word::Proof("00".repeat(32))).unwrap()).unwrap();
    for words in [
        "GET / HTTP/1.1\r\n\r\n".to_owned(),
        String::new(),
        "\n".into(),
        "crowd-link/2\n".into(),
        "crowd-link/2 zz\n".into(),
        "crowd-link/1 whatever\n".into(),
        "x".repeat(200_000),
        introduced.clone(),
        format!("{introduced}{{}}\n"),
        format!("{introduced}\"agreed\"\n"),
        format!("{introduced}{hello}{hello}"),
        format!("{introduced}{hello}{proof}\"agreed\"\n"),
        format!("{introduced}{}\n", "x".repeat(200_000)),
        format!("{introduced}{}{}\n", "[".repeat(30_000), "]".repeat(30_000)),
    ] {
        let (_, heard) = stranger(words.as_bytes()).await;
        for secret in ["hello", "proof\":", "scenarios"] {
            assert!(!heard.contains(secret), "{words:.80} was told {heard}");
        }
    }
    let (fault, _) = stranger(b"\x16\x03\x01\x02\x00\x01\x00").await;
    assert!(matches!(fault, Fault::Stranger(why) if why.starts_with("it speaks TLS")));
    let (fault, _) = stranger(b"crowd-link/1 x\n").await;
    assert!(matches!(fault, Fault::Stranger(why) if why.contains("crowd-link/1")));
}

#[tokio::test]
async fn a_proof_cannot_be_handed_back() {
    // An attacker who is dialled answers with the dialler's own words.
    let (near, far) = duplex(4096);
    let mirror = async move {
        let mut lines = Lines::new(far);
        for count in [1, 2] {
            for _ in 0..count {
                let mut line = lines.next(LONGEST).await.unwrap();
                line.push(b'\n');
                lines.send(&line).await.unwrap();
            }
        }
        lines.next(LONGEST).await
    };
    let cookie = Secret::new("swordfish");
    let mut party = node("a");
    let (outcome, last) = tokio::join!(dial(near, &Channel::Plain, &cookie, &mut party), mirror);
    assert_eq!(refusal(outcome).0.because, Because::Cookie);
    assert!(String::from_utf8(last.unwrap()).unwrap().contains("refused"));
}
