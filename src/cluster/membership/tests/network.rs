//! Several nodes, whose handshakes, closings and deaths come in any order: in the end every two
//! have exactly one link, and both know the same one.

use proptest::prelude::*;

use super::*;

struct Connection {
    link: LinkId,
    ends: [End; 2],
    at: NodeAddress,
    expected: Option<MemberId>,
    stage: Stage,
}

/// The dialler's or the acceptor's.
struct End {
    node: usize,
    life: u64,
    closed: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The acceptor is to hear the dialler's hello.
    Hello,
    /// The dialler is to hear the acceptor's.
    Answer,
    /// The acceptor is to hear that the dialler agrees.
    Agreed,
    /// Messages pass soon, at the dialler first or last.
    Settling,
    Open,
    Closed,
}

struct World {
    nodes: Vec<Membership>,
    connections: Vec<Connection>,
    now: Duration,
    next: u64,
}

#[derive(Debug, Clone)]
enum Step {
    /// Something that is under way arrives.
    Advance(usize),
    Pass(u64),
    /// A node dies and is there again.
    Restart(usize),
    /// A connection breaks.
    Break(usize),
}

impl World {
    fn new(count: usize) -> Self {
        let mut world =
            Self { nodes: Vec::new(), connections: Vec::new(), now: seconds(1), next: 0 };
        for node in 0..count {
            let born = world.born(node, 0);
            world.nodes.push(born);
        }
        world
    }

    fn born(&self, node: usize, life: u64) -> Membership {
        let me = id(&format!("n{node}"), life);
        let mut membership = Membership::new(me, 77 * node as u64 + life);
        // All know the first, which knows the second.
        let seed = usize::from(node == 0);
        membership.join(&address(&format!("n{seed}:1")), self.now);
        membership
    }

    fn perform(&mut self, node: usize, commands: Vec<Command>) {
        for command in commands {
            match command {
                Command::Dial { address, expected } => {
                    self.next += 1;
                    let name = address.host().to_owned();
                    let to = name[1..].parse::<usize>().unwrap();
                    let end = |node: usize| End {
                        node,
                        life: self.nodes[node].me.incarnation,
                        closed: false,
                    };
                    self.connections.push(Connection {
                        link: LinkId(self.next),
                        ends: [end(node), end(to)],
                        at: address,
                        expected,
                        stage: Stage::Hello,
                    });
                }
                Command::Cut { link, .. } => {
                    let cut = self.connections.iter().position(|other| other.link == link);
                    if let Some(cut) = cut {
                        self.close(cut);
                    }
                }
                _ => {}
            }
        }
    }

    /// Both ends will notice.
    fn close(&mut self, index: usize) {
        let connection = &mut self.connections[index];
        if matches!(connection.stage, Stage::Hello | Stage::Answer) {
            let Connection { link, at, .. } = connection;
            let (link, at) = (*link, at.clone());
            let [dialler, acceptor] = [0, 1].map(|end| self.living(index, end));
            if let Some(node) = dialler {
                let broken = DialFault::Unreachable("broken".into());
                self.nodes[node].dial_failed(&at, &broken, self.now);
            }
            if let Some(node) = acceptor {
                self.nodes[node].abandoned(link);
            }
        }
        let connection = &mut self.connections[index];
        if connection.stage == Stage::Agreed {
            // The acceptor has nothing but a place to forget.
            if let Some(node) = self.living(index, 1) {
                let link = self.connections[index].link;
                self.nodes[node].abandoned(link);
            }
        }
        let connection = &mut self.connections[index];
        connection.stage = Stage::Closed;
    }

    /// The node at that end, unless it has died since.
    fn living(&self, index: usize, end: usize) -> Option<usize> {
        let End { node, life, .. } = self.connections[index].ends[end];
        (self.nodes[node].me.incarnation == life).then_some(node)
    }

    fn advance(&mut self, index: usize) {
        let now = self.now;
        let (link, at, stage) = {
            let connection = &self.connections[index];
            (connection.link, connection.at.clone(), connection.stage)
        };
        let [dialler, acceptor] = [0, 1].map(|end| self.living(index, end));
        let (Some(dialler), Some(acceptor)) = (dialler, acceptor) else {
            if stage != Stage::Closed {
                self.close(index);
            }
            return self.close_one(index);
        };
        match stage {
            Stage::Hello => {
                let me = self.nodes[acceptor].me.clone();
                let from = self.nodes[dialler].me.clone();
                let unlinked = self.connections[index].expected.as_ref() == Some(&me);
                let newcomer = Newcomer { unlinked, ..caller(link.0, &from) };
                let (verdict, commands) = self.nodes[acceptor].admit(&newcomer, now);
                self.perform(acceptor, commands);
                match verdict {
                    Ok(()) => self.connections[index].stage = Stage::Answer,
                    Err(objection) => {
                        self.nodes[dialler].dial_failed(&at, &fault(&objection, &me), now);
                        self.connections.remove(index);
                    }
                }
            }
            Stage::Answer => {
                let from = self.nodes[acceptor].me.clone();
                let newcomer = callee(link.0, &from, &at.to_string());
                let (verdict, commands) = self.nodes[dialler].admit(&newcomer, now);
                self.perform(dialler, commands);
                match verdict {
                    Ok(()) => self.connections[index].stage = Stage::Agreed,
                    Err(objection) => {
                        self.nodes[dialler].dial_failed(&at, &fault(&objection, &from), now);
                        self.nodes[acceptor].abandoned(link);
                        self.connections.remove(index);
                    }
                }
            }
            Stage::Agreed => {
                let agreed = self.nodes[acceptor].agreed(link, now);
                if agreed {
                    self.connections[index].stage = Stage::Settling;
                } else {
                    self.close(index);
                }
            }
            Stage::Settling => {
                for node in [dialler, acceptor] {
                    let commands = self.nodes[node].settled(link, now);
                    self.perform(node, commands);
                }
                self.connections[index].stage = Stage::Open;
            }
            Stage::Open => {
                for (node, other) in [(dialler, acceptor), (acceptor, dialler)] {
                    let reached = self.nodes[other].reached();
                    self.nodes[node].heard(link, now);
                    self.nodes[node].told(link, &reached, None, now);
                }
            }
            Stage::Closed => self.close_one(index),
        }
    }

    /// One end notices that the connection is closed.
    fn close_one(&mut self, index: usize) {
        let link = self.connections[index].link;
        let open = self.connections[index].ends.iter().position(|end| !end.closed);
        let Some(end) = open else {
            self.connections.remove(index);
            return;
        };
        self.connections[index].ends[end].closed = true;
        if let Some(node) = self.living(index, end) {
            let commands = self.nodes[node].gone(link, "closed", self.now);
            self.perform(node, commands);
        }
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Advance(which) if !self.connections.is_empty() => {
                self.advance(which % self.connections.len());
            }
            Step::Break(which) if !self.connections.is_empty() => {
                self.close(which % self.connections.len());
            }
            Step::Advance(_) | Step::Break(_) => {}
            Step::Pass(count) => {
                self.now += millis(count);
                for node in 0..self.nodes.len() {
                    let commands = self.nodes[node].tick(self.now);
                    self.perform(node, commands);
                }
            }
            Step::Restart(node) => {
                let node = node % self.nodes.len();
                self.nodes[node] = self.born(node, self.nodes[node].me.incarnation + 1);
            }
        }
    }

    /// Everything that is under way arrives within 50 ms.
    fn calm(&mut self, seconds: u64) {
        for _ in 0..seconds * 20 {
            self.step(&Step::Pass(50));
            for _ in 0..6 {
                for link in
                    self.connections.iter().map(|connection| connection.link).collect::<Vec<_>>()
                {
                    if let Some(index) =
                        self.connections.iter().position(|other| other.link == link)
                    {
                        self.advance(index);
                    }
                }
            }
        }
    }
}

fn fault(objection: &Objection, by: &MemberId) -> DialFault {
    DialFault::Refused(match objection {
        Objection::Itself => Refused::Itself,
        Objection::Linked => Refused::Linked(Some(by.clone())),
        Objection::Busy => Refused::Busy,
        Objection::NameTaken => Refused::Because("the name is taken".into()),
    })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => any::<usize>().prop_map(Step::Advance),
        3 => (0..400_u64).prop_map(Step::Pass),
        1 => any::<usize>().prop_map(Step::Restart),
        1 => any::<usize>().prop_map(Step::Break),
    ]
}

fn meshed(world: &World) -> Result<(), TestCaseError> {
    for (one, node) in world.nodes.iter().enumerate() {
        for other in world.nodes.iter().skip(one + 1) {
            let there = node.peers.get(&other.me).map(|peer| (peer.link, peer.phase));
            let back = other.peers.get(&node.me).map(|peer| (peer.link, peer.phase));
            prop_assert_eq!(there, back, "{} and {}", node.me, other.me);
            prop_assert_eq!(there.map(|(_, phase)| phase), Some(Phase::Up));
        }
        prop_assert_eq!(node.peers.len(), world.nodes.len() - 1);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn every_two_nodes_end_up_with_one_link(
        count in 2..5_usize,
        steps in prop::collection::vec(step(), 0..300),
    ) {
        let mut world = World::new(count);
        for step in &steps {
            world.step(step);
        }
        world.calm(20);
        meshed(&world)?;
        // And it lasts.
        let links = world.connections.iter().map(|other| other.link).collect::<Vec<_>>();
        world.calm(5);
        let later = world.connections.iter().map(|other| other.link).collect::<Vec<_>>();
        prop_assert_eq!(links, later);
    }
}

#[test]
fn two_that_dial_each_other_at_one_moment_are_linked_at_once() {
    let mut world = World::new(2);
    world.step(&Step::Pass(0));
    assert_eq!(world.connections.len(), 2);
    world.calm(1);
    meshed(&world).unwrap();
}
