//! Each piece of each interval is taken in once and in order, whatever becomes of the link; what is
//! not is known to the worker.

use proptest::prelude::*;

use super::super::{
    backlog::{Backlog, Kept, MOST_KEPT, MOST_UNDER_WAY, Position},
    intake::Intake,
};
use super::*;

#[derive(Debug, Clone)]
enum Step {
    /// An interval of so many pieces ends.
    Measure(usize),
    /// The worker sends what it may.
    Send,
    /// So many messages arrive.
    Arrive(usize),
    /// The worker asks how far the master is; what was sent before arrives first.
    Ask,
    /// The link breaks, with all that is on it, or after the question was answered.
    Break,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1..4_usize).prop_map(Step::Measure),
        3 => Just(Step::Send),
        3 => (0..9_usize).prop_map(Step::Arrive),
        2 => Just(Step::Ask),
        1 => Just(Step::Break),
    ]
}

fn kept(number: u64, pieces: usize) -> Kept {
    let part = Arc::new(wire::parts(&Window::default()).remove(0));
    Kept {
        number,
        origin: 0,
        since: SECOND * (number - 1) as u32,
        until: SECOND * number as u32,
        activity: Activity::default(),
        health: Box::default(),
        pieces: vec![part; pieces],
        empty: false,
    }
}

#[derive(Default)]
struct World {
    backlog: Backlog,
    /// How many pieces each interval has.
    made: Vec<usize>,
    /// What is on its way.
    link: Vec<(u64, u32, bool)>,
    intake: Intake,
    taken: Vec<(u64, u32)>,
}

impl World {
    fn send(&mut self) {
        while let Some((position, kept)) = self.backlog.next() {
            for message in kept.messages(Assignment(1), 0) {
                let Measured::Interval(interval) = message else { continue };
                self.link.push((interval.number, interval.piece, interval.health.is_some()));
            }
            self.backlog.was_sent(position);
        }
        assert!(
            self.link
                .iter()
                .map(|(number, ..)| number)
                .collect::<std::collections::BTreeSet<_>>()
                .len()
                <= MOST_UNDER_WAY
        );
    }

    fn arrive(&mut self, most: usize) {
        for (number, piece, last) in self.link.drain(..most.min(self.link.len())) {
            if self.intake.take(number, piece, last) {
                self.taken.push((number, piece));
            }
        }
    }

    fn ask(&mut self) -> (u64, Position) {
        let position = self.backlog.position();
        self.arrive(usize::MAX);
        (self.intake.complete(), position)
    }

    fn perform(&mut self, step: &Step) {
        match step {
            Step::Measure(pieces) => {
                self.made.push(*pieces);
                self.backlog.keep(|number| kept(number, *pieces));
            }
            Step::Send => self.send(),
            Step::Arrive(most) => self.arrive(*most),
            Step::Ask => {
                let (taken, position) = self.ask();
                self.backlog.was_taken(taken, position);
            }
            Step::Break => {
                self.link.clear();
                self.backlog.link_lost();
            }
        }
    }
}

proptest! {
    #[test]
    fn each_piece_is_taken_once(steps in prop::collection::vec(step(), 0..80)) {
        let mut world = World::default();
        for step in &steps {
            world.perform(step);
            // What the worker has let go of the master has.
            let let_go = world.made.len() - world.backlog.len();
            prop_assert!(let_go as u64 <= world.intake.complete());
        }
        let before = world.backlog.span();
        prop_assert_eq!(before.is_some(), !world.backlog.is_empty());
        if let Some((since, until)) = before {
            let let_go = world.made.len() - world.backlog.len();
            prop_assert_eq!((since, until), (SECOND * let_go as u32, SECOND * world.made.len() as u32));
        }
        // In the end the link holds.
        for _ in 0..=world.made.len() {
            world.send();
            world.perform(&Step::Ask);
        }
        prop_assert!(world.backlog.is_empty());
        prop_assert_eq!(world.backlog.all_sent(), Some(world.made.len() as u64));
        let all: Vec<_> = (1..).zip(&world.made).flat_map(|(number, pieces)| {
            (0..*pieces as u32).map(move |piece| (number, piece))
        }).collect();
        prop_assert_eq!(world.taken, all);
    }
}

/// An answer that was on its way when the link broke says nothing of the new link.
#[test]
fn an_answer_over_another_link_brings_nothing_back() {
    let mut world = World::default();
    for step in [Step::Measure(1), Step::Measure(2), Step::Send] {
        world.perform(&step);
    }
    let (taken, position) = world.ask();
    world.perform(&Step::Break);
    world.perform(&Step::Measure(1));
    world.send();
    world.backlog.was_taken(taken, position);
    assert_eq!((taken, world.backlog.len()), (2, 1));
    world.perform(&Step::Ask);
    assert!(world.backlog.is_empty());
    assert_eq!(world.taken, [(1, 0), (2, 0), (2, 1), (3, 0)]);
}

#[test]
fn what_is_kept_has_a_bound() {
    let mut backlog = Backlog::default();
    let mut kept_for = |reached: bool| {
        let mut count = backlog.len();
        while backlog.has_room(reached) {
            backlog.keep(|number| kept(number, 1));
            count += 1;
        }
        count
    };
    assert_eq!(
        (kept_for(true), kept_for(false), kept_for(true)),
        (MOST_UNDER_WAY, MOST_KEPT, MOST_KEPT)
    );
}
