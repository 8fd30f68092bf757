//! Who gets how many slots, and which.

use std::collections::{BTreeMap, VecDeque};

use super::{Dealer, HORIZON, STOCK_HORIZON};
use crate::{
    cluster::{member::MemberId, protocol::throttle::Grant},
    throttle::block::Block,
};

/// What one node may be dealt.
struct Want {
    node: MemberId,
    waiting: u64,
    weight: u64,
    /// It comes last: what it is dealt may come too late.
    late: bool,
    /// For those who wait.
    real: u64,
    /// For those who will.
    extra: u64,
    /// What is due before cannot be used there.
    earliest: u64,
    lag: u64,
    /// What is due after is not for it now.
    until: u64,
    blocks: Vec<Block>,
}

impl Dealer {
    pub(super) fn deal_slots(&mut self, now: u64) -> Vec<(MemberId, Grant)> {
        let tolerance = self.tolerance;
        let mut wants: Vec<Want> = Vec::new();
        for (node, account) in &mut self.accounts {
            let (real, extra) = account.lacks(now);
            if let Some(lag) = account.way()
                && real + extra > 0
            {
                wants.push(Want {
                    node: node.clone(),
                    waiting: account.waiting(now),
                    weight: account.weight(now),
                    late: account.is_late(now),
                    real,
                    extra,
                    earliest: now.saturating_add(lag).saturating_sub(tolerance / 2),
                    lag,
                    until: u64::MAX,
                    blocks: Vec::new(),
                });
            }
        }
        let earliest = wants.iter().map(|want| want.earliest).min();
        let lag = wants.iter().map(|want| want.lag).max();
        let (Some(earliest), Some(lag)) = (earliest, lag) else {
            // Whoever waits has enough, or nobody does: nothing is missed.
            self.wanting = false;
            return Vec::new();
        };
        self.mint(now, earliest, now + HORIZON + lag);

        // First those who wait, then those nodes' next, then what others may soon want.
        self.wanting = false;
        for late in [false, true] {
            let lacks = |want: &Want| if want.late == late { want.real } else { 0 };
            let shares = self.shares(&wants, u64::MAX, lacks);
            self.hand_out(&mut wants, &shares, 0, u64::MAX);
            self.wanting |= wants.iter().zip(&shares).any(|(want, share)| lacks(want) > *share);
        }
        let stock_until = now + STOCK_HORIZON + lag;
        for want in &mut wants {
            want.until = now + STOCK_HORIZON + want.lag;
            want.extra = if want.late { 0 } else { want.extra };
        }
        // Where slots are few, nobody holds one that another may come for.
        if self.slots_until(stock_until) >= 3 * self.accounts.len() as u64 {
            self.deal_stock(&mut wants, stock_until);
        }

        let grants = wants.into_iter().filter(|want| !want.blocks.is_empty());
        let grants: BTreeMap<MemberId, Vec<Block>> =
            grants.map(|want| (want.node, want.blocks)).collect();
        grants
            .into_iter()
            .filter_map(|(node, blocks)| {
                let account = self.accounts.get_mut(&node)?;
                let count = blocks.iter().map(|block| block.count).sum();
                let due = blocks.iter().map(Block::end).max().unwrap_or(now);
                account.deal(count, due, now);
                let (era, dealt) = (account.era, account.dealt);
                Some((node, Grant { era, blocks, dealt, ..Grant::default() }))
            })
            .collect()
    }

    fn deal_stock(&mut self, wants: &mut [Want], until: u64) {
        let busy = self.shares(wants, until, |want| match want.waiting {
            0 => 0,
            _ => want.extra,
        });
        self.hand_out(wants, &busy, 0, until);
        // Half of what is left is kept for whoever comes first.
        let spare = self.slots_until(until) / 2;
        let idle = self.shares_of(wants, spare, |want| match want.waiting {
            0 => want.extra,
            _ => 0,
        });
        let house = self.slots_until(until) - idle.iter().sum::<u64>();
        self.hand_out(wants, &idle, house, until);
    }

    fn slots_until(&self, until: u64) -> u64 {
        let lots = self.pool.iter().take_while(|lot| lot.block.start <= until);
        lots.fold(0, |sum, lot| sum.saturating_add(lot.block.count))
    }

    fn shares(&mut self, wants: &[Want], until: u64, cap: impl Fn(&Want) -> u64) -> Vec<u64> {
        let slots = self.slots_until(until);
        self.shares_of(wants, slots, cap)
    }

    /// Shares of so many slots by weight, none more than its cap.
    fn shares_of(&mut self, wants: &[Want], slots: u64, cap: impl Fn(&Want) -> u64) -> Vec<u64> {
        let mut parties: Vec<Party> = wants
            .iter()
            .map(|want| Party {
                cap: cap(want),
                weight: want.weight,
                credit: self.accounts.get(&want.node).map_or(0, |account| account.credit),
            })
            .collect();
        let shares = share(slots, &mut parties);
        for (want, party) in wants.iter().zip(parties) {
            if let Some(account) = self.accounts.get_mut(&want.node) {
                account.credit = party.credit;
            }
        }
        shares
    }

    /// Deals slots due until then, by shares, so that everybody's are spread over all of the time;
    /// `house` of them are left.
    fn hand_out(&mut self, wants: &mut [Want], shares: &[u64], house: u64, until: u64) {
        let mut left: Vec<u64> = shares.iter().copied().chain([house]).collect();
        let weights: Vec<i128> = left.iter().map(|share| i128::from(*share)).collect();
        let mut turns = vec![0_i128; left.len()];
        let of_house = shares.len();
        let mut kept = VecDeque::with_capacity(self.pool.len());
        while let Some(mut lot) = self.pool.pop_front() {
            if left[..of_house].iter().all(|left| *left == 0) || lot.block.start > until {
                self.pool.push_front(lot);
                break;
            }
            let can = |who: usize| {
                let within = |want: &Want| (want.earliest..=want.until).contains(&lot.block.start);
                left[who] > 0 && wants.get(who).is_none_or(within)
            };
            let able: Vec<usize> = (0..left.len()).filter(|who| can(*who)).collect();
            let all: i128 = able.iter().map(|who| weights[*who]).sum();
            able.iter().for_each(|who| turns[*who] += weights[*who]);
            let Some(&next) = able.iter().rev().max_by_key(|who| turns[**who]) else {
                kept.push_back(lot);
                continue;
            };
            turns[next] -= all;
            let taken = lot.split(left[next]);
            left[next] -= taken.block.count;
            match wants.get_mut(next) {
                Some(want) => {
                    want.blocks.push(taken.block);
                    self.dealt.0 = self.dealt.0.max(taken.last);
                    self.dealt.1 = self.dealt.1.max(taken.block.end());
                }
                None => kept.push_back(taken),
            }
            if lot.block.count > 0 {
                self.pool.push_front(lot);
            }
        }
        kept.append(&mut self.pool);
        self.pool = kept;
    }
}

/// Somebody among whom something is shared.
pub(super) struct Party {
    /// Takes no more.
    pub(super) cap: u64,
    pub(super) weight: u64,
    /// What it is owed by earlier shares, where whole ones did not come out even.
    pub(super) credit: i128,
}

/// Shares so many whole things by weight, none more than its cap, all of them if anybody takes
/// them.
pub(super) fn share(mut things: u64, parties: &mut [Party]) -> Vec<u64> {
    let mut shares = vec![0_u64; parties.len()];
    loop {
        let open: Vec<usize> =
            (0..parties.len()).filter(|at| shares[*at] < parties[*at].cap).collect();
        let weight: u128 = open.iter().map(|at| u128::from(parties[*at].weight)).sum();
        if things == 0 || weight == 0 {
            return shares;
        }
        let mut given = 0;
        for &at in &open {
            let part = u128::from(things) * u128::from(parties[at].weight) / weight;
            let part = u64::try_from(part).unwrap_or(u64::MAX).min(parties[at].cap - shares[at]);
            shares[at] += part;
            given += part;
        }
        things -= given;
        if given > 0 {
            continue;
        }
        // Less than one for everybody: in turns, which go on with the next share.
        for &at in &open {
            parties[at].credit += i128::from(parties[at].weight);
        }
        let Some(&next) = open.iter().max_by_key(|at| parties[**at].credit) else { return shares };
        parties[next].credit -= i128::try_from(weight).unwrap_or(i128::MAX);
        shares[next] += 1;
        things -= 1;
    }
}
