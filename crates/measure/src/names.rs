//! A table of named cells that finds a name without allocating and never grows without bound.

use std::sync::Arc;

use rustc_hash::FxHashMap;

/// What names beyond the bound are counted under.
pub const OTHER_NAMES: &str = "(other)";

/// What reasons beyond the bound are counted under.
pub const OTHER_REASONS: &str = "(other reasons)";

/// How many actions, counters, gauges and checks are kept apart: so many of each.
pub const MAX_NAMES: usize = 1_000;

/// How many reasons are kept apart for each source of failures.
pub const MAX_REASONS: usize = 200;

/// How many characters of a name or a reason are kept.
pub const MAX_TEXT: usize = 300;

/// The part of a name or reason that is kept.
pub fn clip(text: &str) -> &str {
    // No text of so few bytes has more characters; most never get past here.
    if text.len() <= MAX_TEXT {
        return text;
    }
    match text.char_indices().nth(MAX_TEXT) {
        Some((end, _)) => &text[..end],
        None => text,
    }
}

/// Cells by name. Names stay once they are known, so that a recycled table allocates nothing.
#[derive(Debug)]
pub struct Named<V> {
    index: FxHashMap<Arc<str>, usize>,
    cells: Vec<(Arc<str>, V)>,
}

impl<V> Default for Named<V> {
    fn default() -> Self {
        Self { index: FxHashMap::default(), cells: Vec::new() }
    }
}

impl<V: Default> Named<V> {
    /// The cell of `name`. A new name takes one from `room`; without room it is the cell `other`.
    pub fn cell(&mut self, name: &str, room: &mut usize, other: &str) -> &mut V {
        let name = clip(name);
        let at = match self.index.get(name) {
            Some(&at) => at,
            None if *room > 0 => {
                *room -= 1;
                self.insert(name)
            }
            None => match self.index.get(other) {
                Some(&at) => at,
                None => self.insert(other),
            },
        };
        &mut self.cells[at].1
    }

    /// The cells in the order in which their names were first used.
    pub fn cells(&mut self) -> impl Iterator<Item = (&Arc<str>, &mut V)> {
        self.cells.iter_mut().map(|(name, cell)| (&*name, cell))
    }

    #[cold]
    fn insert(&mut self, name: &str) -> usize {
        let name: Arc<str> = name.into();
        let at = self.cells.len();
        self.cells.push((name.clone(), V::default()));
        self.index.insert(name, at);
        at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_without_room_share_one_cell() {
        let mut named = Named::<u64>::default();
        let mut room = 2;
        for name in ["a", "b", "c", "d", "a"] {
            *named.cell(name, &mut room, OTHER_NAMES) += 1;
        }
        let cells: Vec<_> = named.cells().map(|(name, count)| (name.to_string(), *count)).collect();
        assert_eq!(cells, [("a".into(), 2), ("b".into(), 1), ("(other)".into(), 2)]);
        assert_eq!(room, 0);
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        let long = "ü".repeat(MAX_TEXT + 7);
        assert_eq!(clip(&long).chars().count(), MAX_TEXT);
        let short = "ü".repeat(MAX_TEXT);
        assert_eq!(clip(&short), short);
    }
}
