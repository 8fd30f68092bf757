//! What a coordinator does with a group of users.

use std::{fmt, future::Future, pin::Pin};

use crowd_core::failure::Failure;

use super::event::{Event, Member};

type OnEvent = Box<dyn Fn(Event) -> Outcome + Send + Sync>;
type OnMembers<D> = Box<dyn Fn(Event, &[Member<D>]) -> Outcome + Send + Sync>;
type OnPair<D> = Box<dyn Fn(Event, &Member<D>, Option<&Member<D>>) -> Outcome + Send + Sync>;

/// What is done with a group, in one of three shapes.
///
/// An action returns `()`, `Result<(), Failure>`, or, if it has to wait for something, a boxed
/// future of such a result: `Box::pin(async move { … Ok(()) })`. It runs on a thread that also runs
/// users: one that blocks must be a future.
pub struct Action<D> {
    pub(super) shape: Shape<D>,
}

/// The three shapes.
pub(super) enum Shape<D> {
    Event(OnEvent),
    Members(OnMembers<D>),
    Pairs(OnPair<D>),
}

impl<D> Action<D> {
    /// An action that needs to know only what happened and to how many users. A coordinator all of
    /// whose actions are of this shape keeps no users, only counts.
    pub fn event<R: ActionResult>(action: impl Fn(Event) -> R + Send + Sync + 'static) -> Self {
        Self { shape: Shape::Event(Box::new(move |event| action(event).outcome())) }
    }

    /// An action on all users of the group, newest first. Called for an empty group too.
    pub fn members<R: ActionResult>(
        action: impl Fn(Event, &[Member<D>]) -> R + Send + Sync + 'static,
    ) -> Self {
        Self {
            shape: Shape::Members(Box::new(move |event, members| action(event, members).outcome())),
        }
    }

    /// An action on two users: called once for every two users of the group, the one that was added
    /// later first. Users added in the order 1, 2, 3 are met as (3, 2), (3, 1), (2, 1).
    ///
    /// A user that is alone in its group is met once, with `None`. An empty group has nobody to
    /// call the action with.
    ///
    /// A group of n users makes n(n − 1)/2 calls; therefore the shape is refused for
    /// [`Group::All`](super::Group::All).
    pub fn pairs<R: ActionResult>(
        action: impl Fn(Event, &Member<D>, Option<&Member<D>>) -> R + Send + Sync + 'static,
    ) -> Self {
        Self {
            shape: Shape::Pairs(Box::new(move |event, newer, older| {
                action(event, newer, older).outcome()
            })),
        }
    }

    /// Whether the action sees the users, so that they have to be kept until it runs.
    pub(super) fn needs_members(&self) -> bool {
        !matches!(self.shape, Shape::Event(_))
    }

    /// Whether the action sees two users at a time.
    pub(super) fn is_on_pairs(&self) -> bool {
        matches!(self.shape, Shape::Pairs(_))
    }
}

impl<D> fmt::Debug for Action<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.shape {
            Shape::Event(_) => "Event",
            Shape::Members(_) => "Members",
            Shape::Pairs(_) => "Pairs",
        })
    }
}

/// Every two members of a list once, the one nearer to the front first; a single member with
/// nobody.
pub(super) fn pairs<T>(members: &[T]) -> impl Iterator<Item = (&T, Option<&T>)> {
    let alone = match members {
        [one] => Some((one, None)),
        _ => None,
    };
    let together = members
        .iter()
        .enumerate()
        .flat_map(|(n, first)| members[n + 1..].iter().map(move |second| (first, Some(second))));
    alone.into_iter().chain(together)
}

/// What an action may return.
pub trait ActionResult {
    /// The result, or the future that will have it.
    fn outcome(self) -> Outcome;
}

/// What an action returned.
pub enum Outcome {
    /// It is done.
    Done(Result<(), Failure>),
    /// It is done when this is.
    Later(Pin<Box<dyn Future<Output = Result<(), Failure>> + Send>>),
}

impl fmt::Debug for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done(result) => f.debug_tuple("Done").field(result).finish(),
            Self::Later(_) => f.write_str("Later"),
        }
    }
}

impl ActionResult for () {
    fn outcome(self) -> Outcome {
        Outcome::Done(Ok(()))
    }
}

impl ActionResult for Result<(), Failure> {
    fn outcome(self) -> Outcome {
        Outcome::Done(self)
    }
}

impl<F> ActionResult for Pin<Box<F>>
where
    F: Future<Output = Result<(), Failure>> + Send + ?Sized + 'static,
{
    fn outcome(self) -> Outcome {
        Outcome::Later(Box::pin(self))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_newer_one_comes_first() {
        let met: Vec<_> = pairs(&[3, 2, 1]).collect();
        assert_eq!(met, [(&3, Some(&2)), (&3, Some(&1)), (&2, Some(&1))]);
    }

    #[test]
    fn one_is_alone_and_none_is_nobody() {
        assert_eq!(pairs(&[7]).collect::<Vec<_>>(), [(&7, None)]);
        assert_eq!(pairs::<u64>(&[]).count(), 0);
    }

    proptest! {
        /// Each unordered pair once, n(n − 1)/2 of them, never a user with itself.
        #[test]
        fn pairs_are_distinct(size in 2..60usize) {
            let members: Vec<usize> = (0..size).rev().collect();
            let mut met = HashSet::new();
            for (first, second) in pairs(&members) {
                let second = second.expect("two members or more are never alone");
                prop_assert!(first > second, "{} is not newer than {}", first, second);
                prop_assert!(met.insert((*first, *second)), "{} and {} met twice", first, second);
            }
            prop_assert_eq!(met.len(), size * (size - 1) / 2);
        }
    }
}
