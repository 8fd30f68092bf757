//! Slots and when they are due, in few bytes: what the master deals out.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

/// Slots at even distances: `count` of them, the first due at `start`, each `step` after the one
/// before. In nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Block {
    pub(crate) start: u64,
    pub(crate) step: u64,
    pub(crate) count: u64,
}

impl Block {
    /// When the slot of that index is due.
    pub(crate) fn due(&self, index: u64) -> u64 {
        self.start.saturating_add(self.step.saturating_mul(index))
    }

    /// When its last slot is due.
    pub(crate) fn end(&self) -> u64 {
        self.due(self.count.saturating_sub(1))
    }

    /// How many of its slots are due before `time`.
    pub(crate) fn before(&self, time: u64) -> u64 {
        match time.checked_sub(self.start) {
            None | Some(0) => 0,
            Some(_) if self.step == 0 => self.count,
            Some(span) => span.div_ceil(self.step).min(self.count),
        }
    }

    /// How many of its slots are due at `time`.
    pub(crate) fn due_by(&self, time: u64) -> u64 {
        self.before(time.saturating_add(1))
    }

    /// Takes so many slots off its beginning.
    pub(crate) fn split(&mut self, count: u64) -> Self {
        let count = count.min(self.count);
        let taken = Self { count, ..*self };
        self.start = self.due(count);
        self.count -= count;
        taken
    }
}

/// Blocks in the order in which they begin.
#[derive(Debug, Clone, Default)]
pub(crate) struct Blocks {
    blocks: VecDeque<Block>,
    count: u64,
}

impl Blocks {
    /// How many slots there are.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// How many blocks there are.
    pub(crate) fn len(&self) -> usize {
        self.blocks.len()
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Puts a block to its place. One without slots is none.
    pub(crate) fn insert(&mut self, block: Block) {
        if block.count == 0 {
            return;
        }
        self.count = self.count.saturating_add(block.count);
        // Almost always the last place, or close to it.
        let after = self.blocks.iter().rev().take_while(|other| other.start > block.start).count();
        self.blocks.insert(self.blocks.len() - after, block);
    }

    /// Drops slots due before `time`; how many they were.
    pub(crate) fn drop_before(&mut self, time: u64) -> u64 {
        let before = self.count;
        while let Some(first) = self.blocks.front().copied() {
            if first.start >= time {
                break;
            }
            self.take(first.before(time));
        }
        before.saturating_sub(self.count)
    }

    /// How many slots are due at `time`.
    pub(crate) fn due_by(&self, time: u64) -> u64 {
        self.blocks
            .iter()
            .take_while(|block| block.start <= time)
            .fold(0, |sum, block| sum.saturating_add(block.due_by(time)))
    }

    /// When the slot of that index is due.
    pub(crate) fn due(&self, mut index: u64) -> Option<u64> {
        for block in &self.blocks {
            if index < block.count {
                return Some(block.due(index));
            }
            index -= block.count;
        }
        None
    }

    /// Takes up to so many slots off the first block, and puts the rest back to its place.
    pub(crate) fn take(&mut self, count: u64) -> Option<Block> {
        let mut first = self.blocks.pop_front()?;
        let taken = first.split(count);
        self.count = self.count.saturating_sub(taken.count);
        if first.count > 0 {
            self.count = self.count.saturating_sub(first.count);
            // Blocks that overlap stay in order.
            if self.blocks.front().is_none_or(|next| next.start >= first.start) {
                self.count = self.count.saturating_add(first.count);
                self.blocks.push_front(first);
            } else {
                self.insert(first);
            }
        }
        Some(taken)
    }

    /// Takes up to so many slots that are due at `time` off the first block; `None` if none is.
    pub(crate) fn take_due(&mut self, count: u64, time: u64) -> Option<u64> {
        let due = self.blocks.front()?.due_by(time);
        if due == 0 {
            return None;
        }
        self.take(due.min(count)).map(|taken| taken.count)
    }
}
