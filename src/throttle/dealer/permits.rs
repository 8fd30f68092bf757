//! Dealing permits: how many may be in flight on each node.

use super::{
    Dealer, MILLISECOND,
    share::{Party, share},
};
use crate::cluster::{member::MemberId, protocol::throttle::Grant};

/// How often permits are asked back from nodes that have more than their share.
const BALANCE: u64 = 20 * MILLISECOND;

impl Dealer {
    /// Gives free permits to those that lack them; asks them back where there are too many.
    pub(super) fn deal_permits(&mut self, limit: u64, now: u64) -> Vec<(MemberId, Grant)> {
        let out = self.accounts.values().fold(0, |sum: u64, a| sum.saturating_add(a.holds()));
        if !self.paused && out < limit {
            let mut parties: Vec<Party> = self
                .accounts
                .values()
                .map(|account| Party {
                    cap: account.lacks_permits(now),
                    weight: account.waiting(now),
                    credit: account.credit,
                })
                .collect();
            let shares = share(limit - out, &mut parties);
            for ((account, party), given) in self.accounts.values_mut().zip(parties).zip(shares) {
                account.credit = party.credit;
                // What was wanted back may stay now.
                account.recall = account.recall.saturating_sub(given);
                account.permits += given;
                if given > 0 {
                    // Whoever gets one is to have the use of it.
                    self.recalled_at = now;
                }
            }
        }
        self.recall(limit, now);
        self.accounts
            .iter_mut()
            .filter(|(_, account)| account.knows)
            .filter(|(_, account)| account.told != (account.permits, account.cap()))
            .map(|(node, account)| {
                account.told = (account.permits, account.cap());
                let (era, dealt, permits, cap) =
                    (account.era, account.dealt, account.permits, account.cap());
                (node.clone(), Grant { era, dealt, permits, cap, ..Grant::default() })
            })
            .collect()
    }

    /// Tells permits again to those that may not have heard.
    pub(crate) fn repeat_permits(&mut self) {
        for account in self.accounts.values_mut() {
            account.told = (u64::MAX, 0);
        }
    }

    fn recall(&mut self, limit: u64, now: u64) {
        let usable = |dealer: &Self| {
            dealer.accounts.values().fold(0, |sum: u64, a| sum.saturating_add(a.cap()))
        };
        let over = usable(self).saturating_sub(limit);
        if over > 0 {
            self.ask_back(over);
            return;
        }
        let lacking: u64 = self
            .accounts
            .values()
            .fold(0, |sum: u64, account| sum.saturating_add(account.lacks_permits(now)));
        let pending = self.accounts.values().any(|account| account.recall > 0);
        if lacking == 0 {
            // Nobody needs them back.
            let out = self.accounts.values().fold(0, |sum: u64, a| sum.saturating_add(a.holds()));
            if out <= limit {
                self.accounts.values_mut().for_each(|account| account.recall = 0);
            }
            return;
        }
        if pending || self.paused || now.saturating_sub(self.recalled_at) < BALANCE {
            return;
        }
        self.recalled_at = now;
        let all: u128 = self.accounts.values().map(|a| u128::from(a.could_use(now))).sum();
        let fair = |could_use: u64| u128::from(limit) * u128::from(could_use);
        // Compared without division: `holds ÷ limit` with `could use ÷ all`.
        let needed: u128 = self
            .accounts
            .values()
            .filter(|account| account.lacks_permits(now) > 0)
            .map(|account| {
                let share = fair(account.could_use(now)).div_ceil(all.max(1));
                share.saturating_sub(u128::from(account.holds()))
            })
            .sum();
        let mut needed = u64::try_from(needed).unwrap_or(u64::MAX).min(lacking);
        for account in self.accounts.values_mut() {
            let floor = fair(account.could_use(now)) / all.max(1);
            let more = u128::from(account.holds()).saturating_sub(floor);
            let back = needed.min(u64::try_from(more).unwrap_or(u64::MAX));
            account.recall += back;
            needed -= back;
        }
    }

    /// Asks for so many back, most from whoever may use most.
    fn ask_back(&mut self, mut over: u64) {
        let all: u128 = self.accounts.values().map(|account| u128::from(account.cap())).sum();
        let before = over;
        for account in self.accounts.values_mut() {
            let cap = account.cap();
            let part = (u128::from(before) * u128::from(cap)).div_ceil(all.max(1));
            let back = u64::try_from(part).unwrap_or(u64::MAX).min(over).min(cap);
            account.recall += back;
            over -= back;
        }
    }
}
