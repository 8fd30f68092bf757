//! Pure: which pieces of the intervals of a part are taken in: each once, and in order, however often
//! they come.

/// How far the master is with a part of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Intake {
    /// How many intervals came completely.
    complete: u64,
    /// How many pieces of the next one came.
    pieces: u32,
}

impl Intake {
    /// Whether a piece that comes is the next one, and so is to be added. `last`: it ends its interval.
    pub(super) fn take(&mut self, number: u64, piece: u32, last: bool) -> bool {
        let next = (self.complete.saturating_add(1), self.pieces);
        if (number, piece) != next {
            return false;
        }
        match last {
            true => *self = Self { complete: number, pieces: 0 },
            false => self.pieces = self.pieces.saturating_add(1),
        }
        true
    }

    /// How many intervals came completely.
    pub(super) fn complete(self) -> u64 {
        self.complete
    }
}
