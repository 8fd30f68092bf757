//! What comes over a connection, for the fuzzers.

use std::cell::RefCell;

use crowd_core::{codec, settings::secret::Secret};
use ractor::BytesConvertable;
use tokio::{io, runtime};

use super::{
    gateway::{Packet, Tag},
    handshake::{self, Party},
    hello::{self, Hello, No},
    proof::Channel,
};
use crate::cluster::member::MemberId;

/// A node that links with everybody who fits.
struct Anybody;

impl Party for Anybody {
    fn hello(&self) -> Hello {
        Hello { name: "here".into(), ..hello::of_this_build() }
    }

    fn admit(&mut self, _: &Hello) -> Result<(), No> {
        Ok(())
    }

    fn agreed(&mut self) -> bool {
        true
    }
}

/// Somebody says that to a node which it has dialled, or which has dialled it.
pub(crate) fn meet(said: &[u8]) {
    thread_local! {
        // Time is not waited for, it passes.
        static RUNTIME: RefCell<runtime::Runtime> = RefCell::new(
            runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap(),
        );
    }
    let cookie = Secret::new("a cookie of the cluster");
    RUNTIME.with_borrow_mut(|runtime| {
        runtime.block_on(async {
            let stream = || io::join(said, io::sink());
            for channel in [Channel::Plain, Channel::Tls([7; 32])] {
                let accepted = handshake::accept(stream(), &channel, &cookie, &mut Anybody).await;
                let dialled = handshake::dial(stream(), &channel, &cookie, &mut Anybody).await;
                for fault in [accepted.err(), dialled.err()] {
                    // Without the cookie nobody gets further.
                    let _ = format!("{:?}", fault.unwrap());
                }
            }
        });
    });
}

/// Somebody who has proven itself says who it is.
pub(crate) fn compare(said: &[u8]) {
    if let Ok(hello) = serde_json::from_slice::<Hello>(said) {
        let us = Anybody.hello();
        let one = hello::difference(&us, &hello);
        let other = hello::difference(&hello, &us);
        assert_eq!(one.is_none(), other.is_none());
        let same = serde_json::from_slice::<Hello>(&serde_json::to_vec(&hello).unwrap()).unwrap();
        assert_eq!(same, hello);
    }
    if let Ok(no) = serde_json::from_slice::<No>(said) {
        assert!(!no.heard().why.contains(char::is_control));
    }
}

/// A packet from whoever is linked.
pub(crate) fn open(bytes: &[u8]) {
    let Some((body, token, tag)) = Packet::from_bytes(bytes.to_vec()).open() else { return };
    // As the packets are written, field by field.
    let _ = codec::decode::<MemberId>(&body);
    let _ = codec::decode::<(Vec<(MemberId, String)>, Option<MemberId>)>(&body);
    let _ = codec::decode::<(u64, u64, u64)>(&body);
    assert_eq!(Packet::new(body, &token, tag).into_bytes(), bytes);
}

/// A greeting and a beat, as packets.
pub(crate) fn packets() -> Vec<Vec<u8>> {
    let member = MemberId::new("one", 7);
    let beat = (vec![(member.clone(), "[::1]:4370".to_owned())], Some(member.clone()));
    [
        (codec::encode(&member).unwrap(), Tag::Greeting),
        (codec::encode(&beat).unwrap(), Tag::Beat),
        (codec::encode(&(1_u64, 2_u64, 3_u64)).unwrap(), Tag::Echo),
    ]
    .map(|(body, tag)| Packet::new(body, &[7; 16], tag).into_bytes())
    .into()
}
