//! One rule after the other.

use super::*;

fn me() -> Membership {
    Membership::new(id("m", 1), 3)
}

#[test]
fn a_name_is_given_away_only_when_its_bearer_is_silent() {
    let mut m = me();
    up(&mut m, 1, &id("w", 1), seconds(1));
    m.heard(LinkId(1), seconds(10));
    let newer = caller(2, &id("w", 2));
    assert_eq!(m.admit(&newer, seconds(11)).0, Err(Objection::NameTaken));
    let (verdict, commands) = m.admit(&newer, seconds(10) + DOUBT);
    assert_eq!(verdict, Ok(()));
    assert!(matches!(&commands[..], [Command::Cut { .. }, Command::Down { .. }]), "{commands:?}");
    assert_eq!(m.admit(&caller(3, &id("m", 2)), seconds(12)).0, Err(Objection::NameTaken));
    assert_eq!(m.admit(&caller(4, &id("m", 1)), seconds(12)).0, Err(Objection::Itself));
}

#[test]
fn a_name_that_lives_elsewhere_is_taken_too() {
    let mut m = me();
    up(&mut m, 1, &id("a", 1), seconds(1));
    m.told(LinkId(1), &[(id("w", 1), "w:1".into())], None, seconds(1));
    let newer = caller(2, &id("w", 2));
    assert_eq!(m.admit(&newer, seconds(2)).0, Err(Objection::NameTaken));
    assert!(m.reached_by_others(&id("w", 1), seconds(2)));
    // Old news count no more.
    assert_eq!(m.admit(&newer, seconds(2) + SILENCE).0, Ok(()));
    assert!(!m.reached_by_others(&id("w", 1), seconds(2) + SILENCE));
}

#[test]
fn a_silent_member_is_given_up_and_dialled_again() {
    let mut m = me();
    m.tick(seconds(1));
    up(&mut m, 1, &id("w", 1), seconds(1));
    let mut now = seconds(1);
    while now < seconds(1) + SILENCE {
        assert_eq!(m.tick(now), []);
        now += millis(50);
    }
    let commands = m.tick(now);
    assert!(matches!(&commands[0], Command::Cut { link: LinkId(1), .. }), "{commands:?}");
    assert!(
        matches!(&commands[1], Command::Down { why, .. } if why == "nothing was heard of it for 3s")
    );
    // Not before the old session is gone.
    assert_eq!(dials(&m.tick(now + millis(150))), 0);
    m.gone(LinkId(1), "", now);
    let commands = m.tick(now + millis(200));
    let expected = Some(id("w", 1));
    assert_eq!(commands, [Command::Dial { address: address("w:1"), expected }]);
}

#[test]
fn a_pause_of_this_node_is_nobody_elses_silence() {
    let mut m = me();
    m.tick(seconds(1));
    up(&mut m, 1, &id("w", 1), seconds(1));
    assert_eq!(m.tick(seconds(100)), []);
    let commands = m.tick(seconds(101));
    assert!(matches!(&commands[0], Command::Cut { .. }), "{commands:?}");
}

#[test]
fn a_member_that_lost_its_end_gets_a_new_link() {
    let mut m = me();
    up(&mut m, 1, &id("w", 1), seconds(1));
    let again = Newcomer { unlinked: true, ..caller(2, &id("w", 1)) };
    // It dialled before the link was made.
    assert_eq!(m.admit(&again, seconds(1)).0, Err(Objection::Linked));
    let (verdict, commands) = m.admit(&again, seconds(3));
    assert_eq!(verdict, Err(Objection::Busy));
    assert!(matches!(&commands[..], [Command::Cut { .. }, Command::Down { .. }]), "{commands:?}");
    assert_eq!(m.admit(&again, seconds(3)).0, Err(Objection::Busy));
    m.gone(LinkId(1), "", seconds(3));
    assert_eq!(m.admit(&again, seconds(3)).0, Ok(()));
}

#[test]
fn whoever_leaves_is_not_looked_for_unless_asked_for() {
    let mut m = me();
    m.join(&address("seed:1"), seconds(0));
    m.tick(seconds(0));
    assert_eq!(m.admit(&callee(1, &id("s", 1), "seed:1"), seconds(0)).0, Ok(()));
    m.settled(LinkId(1), seconds(0));
    up(&mut m, 2, &id("w", 1), seconds(0));
    for link in [1, 2] {
        m.left(LinkId(link), seconds(1));
        m.gone(LinkId(link), "", seconds(1));
    }
    m.told_of(&id("w", 1), &address("w:1"), seconds(1));
    let commands = m.tick(seconds(2));
    assert_eq!(dials(&commands), 1, "{commands:?}");
    assert_eq!(m.views().len(), 1);
    assert_eq!(m.views()[0].standing, Standing::Lost("it left".into()));
}

#[test]
fn whoever_does_not_prove_itself_is_dialled_only_if_the_settings_name_it() {
    let mut m = me();
    m.join(&address("x:1"), seconds(0));
    m.seed(&address("seed:1"), seconds(0));
    assert_eq!(dials(&m.tick(seconds(0))), 2);
    let stranger = DialFault::Unproven("no node".into());
    let said = m.dial_failed(&address("x:1"), &stranger, seconds(1));
    let why = "no node; it is not dialled any more".to_owned();
    let words = Command::Say { address: address("x:1"), why: why.clone(), refused: true };
    assert_eq!(said, [words]);
    assert_eq!(m.dials(&address("x:1")), (1, Dial::Failed(why)));
    m.dial_failed(&address("seed:1"), &stranger, seconds(1));
    let commands = m.tick(seconds(30));
    assert_eq!(dials(&commands), 1);
    assert!(
        matches!(&commands[0], Command::Dial { address, .. } if *address == self::address("seed:1"))
    );
    // It is shown for a while, and may be asked for again.
    assert_eq!(m.views().len(), 2);
    m.join(&address("x:1"), seconds(40));
    assert_eq!(dials(&m.tick(seconds(40))), 1);
    m.dial_failed(&address("x:1"), &stranger, seconds(41));
    m.dial_failed(&address("seed:1"), &stranger, seconds(41));
    m.tick(seconds(41) + HEARSAY);
    assert_eq!(m.views().len(), 1);
    m.dial_failed(&address("seed:1"), &stranger, seconds(41) + HEARSAY);
    // Whoever only takes a proof may do so a few times.
    m.join(&address("z:1"), seconds(100));
    for dial in 1..=5 {
        assert_eq!(dials(&m.tick(seconds(100 + 10 * dial))), 2, "{dial}");
        let mute = DialFault::Mute("nothing".into());
        m.dial_failed(&address("z:1"), &mute, seconds(100 + 10 * dial));
        m.dial_failed(&address("seed:1"), &stranger, seconds(100 + 10 * dial));
    }
    assert_eq!(dials(&m.tick(seconds(190))), 1);
    m.dial_failed(&address("seed:1"), &stranger, seconds(190));
    // A refusal by a node of this cluster is no such thing.
    m.join(&address("y:1"), seconds(200));
    m.tick(seconds(200));
    let no = DialFault::Refused(Refused::Because("another version".into()));
    m.dial_failed(&address("y:1"), &no, seconds(201));
    let commands = m.tick(seconds(230));
    let again = commands.iter().any(
        |command| matches!(command, Command::Dial { address, .. } if *address == self::address("y:1")),
    );
    assert!(again, "{commands:?}");
}

#[test]
fn the_same_trouble_is_said_once_a_minute() {
    let mut m = me();
    m.join(&address("x:1"), seconds(0));
    let no = |why: &str| DialFault::Refused(Refused::Because(why.into()));
    let said = |m: &mut Membership, why: &str, at| m.dial_failed(&address("x:1"), &no(why), at);
    assert_eq!(said(&mut m, "a", seconds(0)).len(), 1);
    assert_eq!(said(&mut m, "a", seconds(59)), []);
    assert_eq!(said(&mut m, "b", seconds(59)).len(), 1);
    assert_eq!(said(&mut m, "b", seconds(119)).len(), 1);
}

#[test]
fn what_is_only_hearsay_is_forgotten() {
    let mut m = me();
    for number in 0..2 * MOST_TARGETS {
        m.told_of(&id("w", number as u64), &address(&format!("w{number}:1")), seconds(0));
    }
    assert!(m.targets.len() <= MOST_TARGETS);
    m.join(&address("seed:1"), seconds(0));
    m.tick(HEARSAY + seconds(1));
    assert_eq!(m.targets.len(), 1);
}
