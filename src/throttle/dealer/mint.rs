//! Making slots of a schedule.

use crowd_core::rate::Rate;

use super::{Block, Dealer, MILLISECOND, Plan, Slots};
use crate::throttle::schedule::Schedule;

/// Slots that are not dealt.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lot {
    pub(super) block: Block,
    /// The place of its last slot.
    pub(super) last: Slots,
}

impl Lot {
    /// Takes so many slots off its beginning.
    pub(super) fn split(&mut self, count: u64) -> Self {
        let block = self.block.split(count);
        let last = self.last.minus_whole(self.block.count);
        Self { block, last }
    }
}

/// How long the slots of one block take at the most: what a node does within a millisecond it does
/// at once anyway.
const LONGEST: u64 = MILLISECOND;

/// More slots than this in the longest block, and a block is told as slots due all at its end.
const MANY: u64 = 10_000;

impl Dealer {
    /// Forgets slots due before `earliest`, which nobody can use any more, and makes those due
    /// until `latest`. What the schedule released before `earliest` is gone, but for one slot if
    /// nobody was given it: whoever comes first after an idle time gets through at once.
    pub(super) fn mint(&mut self, now: u64, earliest: u64, latest: u64) {
        while let Some(first) = self.pool.front_mut() {
            let late = first.block.before(earliest);
            if late == 0 {
                break;
            }
            let before = first.last.minus_whole(first.block.count);
            let late = first.split(late);
            if late.last > self.dealt.0 {
                // Nobody was given any since: it is as if it had never been made, so that one slot
                // is saved up.
                self.minted = before.max(self.dealt.0);
                self.pool.clear();
            } else if first.block.count == 0 {
                self.pool.pop_front();
            }
        }
        let Plan::Timed(schedule) = &mut self.plan else { return };
        schedule.advance(now);
        let Some(due) = schedule.due(self.minted.plus(Slots::ONE)) else { return };
        if due < earliest {
            let released = schedule.at(earliest);
            let still = schedule.rate_at(earliest) == Rate::ZERO;
            let keep = if still { Slots::ZERO } else { Slots::ONE };
            let gone = released.minus(keep).minus(self.minted);
            self.minted = self.minted.plus(gone);
            if self.wanting {
                self.forfeited = self.forfeited.plus(gone);
            }
        }
        while let Some(lot) = next_lot(schedule, self.minted, earliest, latest) {
            self.minted = lot.last;
            self.pool.push_back(lot);
        }
    }
}

/// The slots after `minted` that can be told as one block and are due by `latest`.
fn next_lot(schedule: &Schedule, minted: Slots, earliest: u64, latest: u64) -> Option<Lot> {
    let nth = |count: u64| schedule.due(minted.plus_whole(count));
    let start = nth(1)?.max(earliest);
    if start > latest {
        return None;
    }
    let within = |span: u64| {
        let end = start.saturating_add(span).min(latest);
        schedule.at(end).minus(minted).whole().max(1)
    };
    let mut count = within(LONGEST);
    if count > MANY {
        // Faster than one in a hundred nanoseconds: an exact time for each is of no use.
        count = within(LONGEST / 10);
        let start = nth(count)?.max(start);
        return Some(Lot {
            block: Block { start, step: 0, count },
            last: minted.plus_whole(count),
        });
    }
    // None may be due before its time, and none much later.
    let step = loop {
        if count == 1 {
            break 0;
        }
        let last = nth(count)?;
        let (first_gap, last_gap) = (nth(2)?.saturating_sub(start), last - nth(count - 1)?);
        let step = first_gap.max(last_gap) + u64::from(count > 2);
        let span = last.saturating_sub(start);
        if step * (count - 1) <= span + span / 4 + count {
            break step;
        }
        count = count.div_ceil(2);
    };
    Some(Lot { block: Block { start, step, count }, last: minted.plus_whole(count) })
}
