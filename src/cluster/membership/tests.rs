use super::*;

mod network;
mod random;
mod rules;

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

fn address(text: &str) -> NodeAddress {
    text.parse().unwrap()
}

fn id(name: &str, incarnation: u64) -> MemberId {
    MemberId::new(name, incarnation)
}

/// Somebody who dialled us.
fn caller(link: u64, who: &MemberId) -> Newcomer {
    Newcomer {
        link: LinkId(link),
        id: who.clone(),
        address: Some(address(&format!("{}:1", who.name))),
        version: "1".into(),
        dialled: None,
        unlinked: false,
    }
}

/// Somebody we dialled.
fn callee(link: u64, who: &MemberId, at: &str) -> Newcomer {
    Newcomer { dialled: Some(address(at)), ..caller(link, who) }
}

/// The member that dialled us is up.
fn up(membership: &mut Membership, link: u64, who: &MemberId, now: Duration) {
    assert_eq!(membership.admit(&caller(link, who), now).0, Ok(()));
    assert!(membership.agreed(LinkId(link), now));
    let commands = membership.settled(LinkId(link), now);
    assert_eq!(commands, [Command::Up { link: LinkId(link), id: who.clone() }]);
}

fn dials(commands: &[Command]) -> usize {
    commands.iter().filter(|command| matches!(command, Command::Dial { .. })).count()
}
