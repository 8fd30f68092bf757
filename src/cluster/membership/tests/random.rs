//! Whatever happens to one node, in whatever order.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Event {
    Join(u8),
    ToldOf(u8, u64, u8),
    DialFailed(u8, u8),
    Call { name: u8, incarnation: u64, unlinked: bool },
    Answer { name: u8, incarnation: u64, at: u8 },
    Agreed(usize),
    Abandoned(usize),
    Settled(usize),
    Heard(usize),
    Told(usize, u8, u64),
    Closed(usize),
    Gone(usize),
    Left(usize),
    Evict(u8, u64),
    Pass(u64),
}

fn event() -> impl Strategy<Value = Event> {
    let (name, incarnation, place, link) = (0..4_u8, 0..3_u64, 0..6_u8, 0..12_usize);
    prop_oneof![
        place.clone().prop_map(Event::Join),
        (name.clone(), incarnation.clone(), place.clone())
            .prop_map(|(name, incarnation, at)| Event::ToldOf(name, incarnation, at)),
        (place.clone(), 0..8_u8).prop_map(|(at, how)| Event::DialFailed(at, how)),
        (name.clone(), incarnation.clone(), any::<bool>())
            .prop_map(|(name, incarnation, unlinked)| Event::Call { name, incarnation, unlinked }),
        (name.clone(), incarnation.clone(), place)
            .prop_map(|(name, incarnation, at)| Event::Answer { name, incarnation, at }),
        link.clone().prop_map(Event::Agreed),
        link.clone().prop_map(Event::Abandoned),
        link.clone().prop_map(Event::Settled),
        link.clone().prop_map(Event::Heard),
        (link.clone(), name.clone(), incarnation.clone())
            .prop_map(|(link, name, incarnation)| Event::Told(link, name, incarnation)),
        link.clone().prop_map(Event::Closed),
        link.clone().prop_map(Event::Gone),
        link.prop_map(Event::Left),
        (name, incarnation).prop_map(|(name, incarnation)| Event::Evict(name, incarnation)),
        (0..4_000_u64).prop_map(Event::Pass),
    ]
}

fn node(name: u8, incarnation: u64) -> MemberId {
    id(&format!("n{name}"), incarnation)
}

fn place(at: u8) -> NodeAddress {
    address(&format!("p{at}:1"))
}

struct World {
    membership: Membership,
    now: Duration,
    next: u64,
    up: BTreeMap<MemberId, (LinkId, Duration)>,
}

impl World {
    /// Links that may mean anything are those made last.
    fn link(&self, back: usize) -> LinkId {
        LinkId(self.next.saturating_sub(back as u64))
    }

    fn apply(&mut self, event: &Event) -> Result<(), TestCaseError> {
        let now = self.now;
        let m = &mut self.membership;
        let link = |back: usize| LinkId(self.next.saturating_sub(back as u64));
        let commands = match *event {
            Event::Join(at) => {
                m.join(&place(at), now);
                Vec::new()
            }
            Event::ToldOf(name, incarnation, at) => {
                m.told_of(&node(name, incarnation), &place(at), now);
                Vec::new()
            }
            Event::DialFailed(at, how) => {
                let fault = match how {
                    0 | 1 => DialFault::Unreachable("away".into()),
                    2 => DialFault::Refused(Refused::Itself),
                    3 => DialFault::Refused(Refused::Busy),
                    4 => DialFault::Refused(Refused::Linked(Some(node(1, 1)))),
                    5 => DialFault::Unproven("who is that".into()),
                    6 => DialFault::Mute("nothing".into()),
                    _ => DialFault::Refused(Refused::Because("no".into())),
                };
                m.dial_failed(&place(at), &fault, now)
            }
            Event::Call { name, incarnation, unlinked } => {
                self.next += 1;
                let who = node(name, incarnation);
                m.admit(&Newcomer { unlinked, ..caller(self.next, &who) }, now).1
            }
            Event::Answer { name, incarnation, at } => {
                self.next += 1;
                let who = node(name, incarnation);
                m.admit(&callee(self.next, &who, &place(at).to_string()), now).1
            }
            Event::Agreed(back) => {
                m.agreed(link(back), now);
                Vec::new()
            }
            Event::Abandoned(back) => {
                m.abandoned(link(back));
                Vec::new()
            }
            Event::Settled(back) => m.settled(link(back), now),
            Event::Heard(back) => {
                m.heard(link(back), now);
                if let Some(up) = self.up.values_mut().find(|(up, _)| *up == link(back)) {
                    up.1 = now;
                }
                Vec::new()
            }
            Event::Told(back, name, incarnation) => {
                m.told(link(back), &[(node(name, incarnation), "p5:1".into())], None, now);
                Vec::new()
            }
            Event::Closed(back) => m.closed(link(back), "closed", now),
            Event::Gone(back) => m.gone(link(back), "gone", now),
            Event::Left(back) => m.left(link(back), now),
            Event::Evict(name, incarnation) => m.evict(&node(name, incarnation), "no", now),
            Event::Pass(count) => {
                self.now += millis(count);
                m.tick(self.now)
            }
        };
        self.check(&commands)
    }

    fn check(&mut self, commands: &[Command]) -> Result<(), TestCaseError> {
        for command in commands {
            match command {
                Command::Up { link, id } => {
                    let namesake = self.up.keys().find(|up| up.name == id.name);
                    prop_assert_eq!(namesake, None, "a name is up at most once");
                    prop_assert!(id.name != self.membership.me.name);
                    self.up.insert(id.clone(), (*link, self.now));
                }
                Command::Down { link, id, .. } => {
                    let was = self.up.remove(id);
                    prop_assert_eq!(was.map(|(was, _)| was), Some(*link), "down what was up");
                }
                Command::Dial { expected: Some(id), .. } => {
                    prop_assert!(!self.up.contains_key(id), "a member that is up is not dialled");
                }
                _ => {}
            }
        }
        let reached: Vec<MemberId> =
            self.membership.reached().into_iter().map(|(id, _)| id).collect();
        prop_assert_eq!(reached, self.up.keys().cloned().collect::<Vec<_>>());
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// At most one member of a name is up, what goes down was up, silent ones go, and whoever is
    /// asked for is dialled again and again.
    #[test]
    fn one_node_in_any_weather(events in prop::collection::vec(event(), 0..200), dice: u64) {
        let mut world = World {
            membership: Membership::new(node(0, 0), dice),
            now: seconds(1),
            next: 0,
            up: BTreeMap::new(),
        };
        for event in &events {
            world.apply(event)?;
        }
        prop_assert!(world.link(0).0 <= 200);
        // From now on nobody is heard of, and all dials fail.
        world.membership.join(&place(9), world.now);
        let mut last = world.now;
        let end = world.now + seconds(60);
        while world.now < end {
            world.now += millis(50);
            let commands = world.membership.tick(world.now);
            world.check(&commands)?;
            for command in commands {
                match command {
                    Command::Dial { address, .. } => {
                        if address == place(9) {
                            last = world.now;
                        }
                        let fault = DialFault::Unreachable("away".into());
                        world.membership.dial_failed(&address, &fault, world.now);
                    }
                    Command::Cut { link, .. } => {
                        let commands = world.membership.gone(link, "cut", world.now);
                        world.check(&commands)?;
                    }
                    _ => {}
                }
            }
            prop_assert!(world.now < last + seconds(7), "back-off never stops");
        }
        prop_assert!(world.up.is_empty(), "the silent ones are gone: {:?}", world.up);
        prop_assert!(world.membership.peers.is_empty());
        prop_assert!(world.membership.closing.is_empty());
    }
}
