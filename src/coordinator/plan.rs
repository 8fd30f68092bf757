//! What a coordinator is asked to do: which groups to gather, and what to do with them.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize, Serializer};

use super::action::Action;

/// Whose users are brought together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Those of one node: every node has a coordinator of its own, as in amoc.
    #[default]
    Node,
    /// Those of all nodes of the cluster, gathered by the master. On a node that is in no cluster
    /// it is the same as [`Scope::Node`].
    Cluster,
}

/// How many users are brought together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Group {
    /// Always this many; at least 1.
    Size(u64),
    /// A number drawn anew for each group, every number from `min` to `max` equally likely, *both
    /// ends included* (amoc never draws the upper one). `min` is at least 1, `max` is more.
    Range {
        /// The fewest.
        min: u64,
        /// The most.
        max: u64,
    },
    /// Everybody added since the last timeout or reset. Such a group is never full: it is handed
    /// over on timeout, reset and stop only.
    All,
}

impl Group {
    /// Groups of always this many users.
    pub const fn size(size: u64) -> Self {
        Self::Size(size)
    }

    /// Groups of `min` to `max` users, both included, drawn anew for each group.
    pub const fn range(min: u64, max: u64) -> Self {
        Self::Range { min, max }
    }
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Size(size) => size.fmt(f),
            Self::Range { min, max } => write!(f, "{min}..{max}"),
            Self::All => f.write_str("all"),
        }
    }
}

/// How long nobody has to be added until every item of the plan is told, with whoever waits in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Timeout {
    /// This long after the last add; more than 0. It happens once, until the next add.
    After(Duration),
    /// It does not happen.
    Never,
}

/// 30 seconds, as amoc.
impl Default for Timeout {
    fn default() -> Self {
        Self::After(Duration::from_secs(30))
    }
}

impl fmt::Display for Timeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::After(after) => humantime::format_duration(*after).fmt(f),
            Self::Never => f.write_str("never"),
        }
    }
}

/// As people write it: `30s`, `never`.
impl Serialize for Timeout {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Groups to gather, each with what to do with it. One add counts in *every* item of the plan.
///
/// ```
/// use crowd::prelude::*;
///
/// let plan = Plan::<String>::new()
///     .group(Group::size(2), [Action::pairs(|_event, newer, older| {
///         if let Some(older) = older {
///             println!("{} greets {}", newer.data, older.data);
///         }
///     })])
///     .group(Group::range(5, 10), [Action::members(|event, members| {
///         println!("{event}: {members:?}");
///     })])
///     .all([Action::event(|event| println!("{} were left", event.count()))]);
/// ```
pub struct Plan<D> {
    items: Vec<(Group, Vec<Action<D>>)>,
    scope: Scope,
}

impl<D> Plan<D> {
    /// A plan with nothing in it. A coordinator with an empty plan is allowed and does nothing.
    pub const fn new() -> Self {
        Self { items: Vec::new(), scope: Scope::Node }
    }

    /// Adds an item: a group and its actions, which run one after the other in this order.
    #[must_use]
    pub fn group<const N: usize>(mut self, group: Group, actions: [Action<D>; N]) -> Self {
        self.items.push((group, Vec::from(actions)));
        self
    }

    /// Adds an item for everybody: short for [`Plan::group`] with [`Group::All`]. Wherever it
    /// stands in the plan, its turn is after all numbered groups.
    #[must_use]
    pub fn all<const N: usize>(self, actions: [Action<D>; N]) -> Self {
        self.group(Group::All, actions)
    }

    /// Whose users are brought together; those of one node unless said otherwise.
    #[must_use]
    pub fn scope(mut self, scope: Scope) -> Self {
        self.scope = scope;
        self
    }

    pub(super) const fn is_of_the_cluster(&self) -> bool {
        matches!(self.scope, Scope::Cluster)
    }

    /// The items in the order of their turns: numbered groups as they were given, then those for
    /// everybody as they were given.
    pub(super) fn arrange(self) -> Result<Vec<Item<D>>, PlanError> {
        let items = self.items.into_iter().enumerate();
        let items = items.map(|(n, (group, actions))| Item { number: n + 1, group, actions });
        let (all, mut items): (Vec<_>, Vec<_>) = items.partition(|item| item.group == Group::All);
        items.extend(all);
        let fault = |item: &Item<D>| item.fault().map(|fault| (item.number, fault));
        match items.iter().filter_map(fault).min_by_key(|(number, _)| *number) {
            Some((item, fault)) => Err(PlanError { item, fault }),
            None => Ok(items),
        }
    }
}

/// An item of a plan.
#[derive(Debug)]
pub(super) struct Item<D> {
    /// Where it was in the plan as given, from 1.
    pub(super) number: usize,
    pub(super) group: Group,
    pub(super) actions: Vec<Action<D>>,
}

impl<D> Item<D> {
    /// Whether one of the actions sees who is in the group.
    pub(super) fn keeps_members(&self) -> bool {
        self.actions.iter().any(Action::needs_members)
    }

    fn fault(&self) -> Option<Fault> {
        match self.group {
            Group::Size(0) => Some(Fault::EmptyGroup),
            Group::Range { min, max } if min == 0 || max <= min => Some(Fault::Range { min, max }),
            Group::All if self.actions.iter().any(Action::is_on_pairs) => Some(Fault::PairsOfAll),
            _ => None,
        }
    }
}

/// A plan that makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("item {item} of the plan: {fault}")]
pub(super) struct PlanError {
    item: usize,
    fault: Fault,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum Fault {
    #[error("a group of 0 users never comes together; the size is 1 or more")]
    EmptyGroup,
    #[error("the range {min}..{max} is not usable; min is 1 or more, max is more than min")]
    Range { min: u64, max: u64 },
    #[error(
        "an action on pairs cannot be for `all`, since n users are n(n - 1)/2 calls; \
         use `members`, or a group with a size"
    )]
    PairsOfAll,
}

impl<D> Default for Plan<D> {
    fn default() -> Self {
        Self::new()
    }
}

impl<D> fmt::Debug for Plan<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.items.iter().map(|(group, actions)| (group, actions))).finish()
    }
}

/// A plan of one item with one action.
impl<D> From<(Group, Action<D>)> for Plan<D> {
    fn from((group, action): (Group, Action<D>)) -> Self {
        Self::new().group(group, [action])
    }
}

/// A plan whose items are made while the scenario runs.
impl<D> FromIterator<(Group, Vec<Action<D>>)> for Plan<D> {
    fn from_iter<I: IntoIterator<Item = (Group, Vec<Action<D>>)>>(items: I) -> Self {
        Self { items: items.into_iter().collect(), scope: Scope::Node }
    }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;
    use proptest::prelude::*;

    use super::*;

    fn event() -> Action<()> {
        Action::event(|_| ())
    }

    fn pairs() -> Action<()> {
        Action::pairs(|_, _, _| ())
    }

    #[test]
    fn three_spellings_are_one_plan() {
        let size = Group::size(2);
        let one = format!("{:?}", Plan::from((size, event())));
        assert_eq!(one, "{Size(2): [Event]}");
        assert_eq!(format!("{:?}", Plan::new().group(size, [event()])), one);
        assert_eq!(format!("{:?}", Plan::from_iter([(size, vec![event()])])), one);
    }

    #[test]
    fn nothing_to_do_is_a_plan() {
        assert!(Plan::<()>::new().arrange().is_ok_and(|items| items.is_empty()));
        assert!(Plan::<()>::new().group(Group::size(1), []).arrange().is_ok());
    }

    #[test]
    fn a_refused_plan_names_the_item_and_what_is_right() {
        let told = |plan: Plan<()>| plan.arrange().map(|_| ()).unwrap_err().to_string();
        let two = Group::size(2);
        assert_snapshot!(told(Plan::new().all([]).group(Group::size(0), [event()])),
            @"item 2 of the plan: a group of 0 users never comes together; the size is 1 or more");
        assert_snapshot!(told(Plan::new().group(Group::range(5, 5), [event()])),
            @"item 1 of the plan: the range 5..5 is not usable; min is 1 or more, max is more than min");
        assert_snapshot!(told(Plan::new().group(two, []).group(Group::range(0, 5), [])),
            @"item 2 of the plan: the range 0..5 is not usable; min is 1 or more, max is more than min");
        assert_snapshot!(told(Plan::new().group(two, [pairs()]).all([event(), pairs()])),
            @"item 2 of the plan: an action on pairs cannot be for `all`, since n users are n(n - 1)/2 calls; use `members`, or a group with a size");
    }

    #[test]
    fn times_read_as_people_write_them() {
        assert_eq!(Timeout::default().to_string(), "30s");
        assert_eq!(Timeout::Never.to_string(), "never");
    }

    proptest! {
        /// Everybody's turn is last; apart from that the order is the given one.
        #[test]
        fn all_comes_last(sizes in prop::collection::vec(prop::option::of(1..9u64), 0..12)) {
            let groups = sizes.iter().map(|size| size.map_or(Group::All, Group::Size));
            let plan: Plan<()> = groups.clone().map(|group| (group, vec![event()])).collect();
            let items = plan.arrange().unwrap();
            let given: Vec<Group> = groups.collect();
            prop_assert!(items.is_sorted_by_key(|item| (item.group == Group::All, item.number)));
            prop_assert_eq!(items.len(), given.len());
            for item in items {
                prop_assert_eq!(item.group, given[item.number - 1]);
            }
        }
    }
}
