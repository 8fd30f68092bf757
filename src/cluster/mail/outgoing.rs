//! What is on its way to one node: waiting to be sent, or sent and not yet acknowledged. Pure:
//! letters, acknowledgements and times go in; frames and receipts come out.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    time::Duration,
};

use crate::cluster::protocol::mail::Letter;

/// A frame is not filled beyond this, in bytes; a longer letter has one of its own.
pub(super) const FRAME_BYTES: usize = 256 * 1024;

/// So much may be on its way without having been acknowledged, in bytes. 1 MiB at 10 ms there and
/// back is 100 MiB/s, more than users write.
pub(super) const WINDOW_BYTES: usize = 1024 * 1024;

/// So many frames may be on their way, so that what is written one by one is sent together when the
/// other node is slow.
const WINDOW_FRAMES: usize = 32;

/// So much may wait to be sent before letters that nobody awaits are turned away, in bytes.
pub(super) const QUEUE_BYTES: usize = 4 * 1024 * 1024;

/// What a letter costs beside its bytes, so that empty ones are not free.
const OVERHEAD: usize = 64;

/// How long a frame may go unacknowledged.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// Letters to one node, each with a receipt `R` that is handed back exactly once: with the
/// acknowledgement, or when there will be none.
#[derive(Debug)]
pub(super) struct Outgoing<R> {
    /// In the order of sending, by ticket.
    queue: BTreeMap<u64, Waiting<R>>,
    queued: usize,
    /// By the number of the frame, oldest first.
    flying: BTreeMap<u64, Flight<R>>,
    in_flight: usize,
}

#[derive(Debug)]
struct Waiting<R> {
    letter: Letter,
    receipt: R,
}

#[derive(Debug)]
struct Flight<R> {
    cost: usize,
    sent: Duration,
    receipts: Vec<R>,
}

impl<R> Default for Outgoing<R> {
    fn default() -> Self {
        Self { queue: BTreeMap::new(), queued: 0, flying: BTreeMap::new(), in_flight: 0 }
    }
}

fn cost(letter: &Letter) -> usize {
    letter.message.len() + OVERHEAD
}

impl<R> Outgoing<R> {
    /// Appends a letter that somebody awaits, under a ticket higher than all before. What waits is
    /// then bounded by how many wait.
    pub(super) fn push(&mut self, ticket: u64, letter: Letter, receipt: R) {
        self.queued += cost(&letter);
        self.queue.insert(ticket, Waiting { letter, receipt });
    }

    /// Appends a letter that nobody awaits; says whether there was room.
    pub(super) fn post(&mut self, ticket: u64, letter: Letter, receipt: R) -> bool {
        // A single letter always fits into an empty queue.
        let fits = self.queue.is_empty() || self.queued + cost(&letter) <= QUEUE_BYTES;
        if fits {
            self.push(ticket, letter, receipt);
        }
        fits
    }

    /// Nobody awaits that letter any more: it is not sent if it is still here.
    pub(super) fn abandon(&mut self, ticket: u64) {
        if let Some(waiting) = self.queue.remove(&ticket) {
            self.queued -= cost(&waiting.letter);
        }
    }

    /// The letters of the next frame, if something waits and the window has room. `number` is
    /// higher than all before.
    pub(super) fn next_frame(&mut self, number: u64, now: Duration) -> Option<Vec<Letter>> {
        if self.flying.len() >= WINDOW_FRAMES {
            return None;
        }
        let mut letters = Vec::new();
        let mut receipts = Vec::new();
        let mut size = 0;
        while let Some(first) = self.queue.first_entry() {
            let more = cost(&first.get().letter);
            let window_is_full = self.in_flight > 0 && self.in_flight + size + more > WINDOW_BYTES;
            let frame_is_full = size > 0 && size + more > FRAME_BYTES;
            if window_is_full || frame_is_full {
                break;
            }
            let Waiting { letter, receipt } = first.remove();
            size += more;
            letters.push(letter);
            receipts.push(receipt);
        }
        if letters.is_empty() {
            return None;
        }
        self.queued -= size;
        self.in_flight += size;
        self.flying.insert(number, Flight { cost: size, sent: now, receipts });
        Some(letters)
    }

    /// That frame was acknowledged: its receipts in the order of its letters. None if it is not
    /// waited for.
    pub(super) fn acknowledged(&mut self, number: u64) -> Vec<R> {
        match self.flying.entry(number) {
            Entry::Occupied(flight) => {
                let flight = flight.remove();
                self.in_flight -= flight.cost;
                flight.receipts
            }
            Entry::Vacant(_) => Vec::new(),
        }
    }

    /// When the oldest frame is overdue.
    pub(super) fn deadline(&self) -> Option<Duration> {
        self.flying.first_key_value().map(|(_, flight)| flight.sent + PATIENCE)
    }

    /// Gives up frames that were not acknowledged in time.
    pub(super) fn overdue(&mut self, now: Duration) -> Vec<R> {
        let mut given_up = Vec::new();
        while self.deadline().is_some_and(|deadline| deadline <= now)
            && let Some((_, flight)) = self.flying.pop_first()
        {
            self.in_flight -= flight.cost;
            given_up.extend(flight.receipts);
        }
        given_up
    }

    /// Gives up everything, oldest first.
    pub(super) fn give_up(self) -> impl Iterator<Item = R> {
        let flying = self.flying.into_values().flat_map(|flight| flight.receipts);
        flying.chain(self.queue.into_values().map(|waiting| waiting.receipt))
    }

    /// Whether nothing waits and nothing is on its way.
    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty() && self.flying.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crowd_core::user_id::UserId;

    fn letter(number: u64, size: usize) -> Letter {
        Letter { from: None, to: UserId(number), message: vec![0; size] }
    }

    #[derive(Debug, Clone)]
    enum Step {
        Push(usize),
        Post(usize),
        Abandon(u64),
        Frame,
        Ack(usize),
        Wait(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        let size = prop_oneof![0..100_usize, 50_000..300_000_usize, Just(1_000_000)];
        prop_oneof![
            size.clone().prop_map(Step::Push),
            size.prop_map(Step::Post),
            (0..60_u64).prop_map(Step::Abandon),
            Just(Step::Frame),
            Just(Step::Frame),
            (0..4_usize).prop_map(Step::Ack),
            (0..4_u64).prop_map(Step::Wait),
        ]
    }

    proptest! {
        /// Letters leave in the order in which they came; each receipt comes back once; no more
        /// is on its way than the window holds, and no more waits unawaited than the queue does.
        #[test]
        fn every_letter_is_accounted_for(steps in prop::collection::vec(step(), 0..120)) {
            let mut outgoing = Outgoing::<u64>::default();
            let (mut ticket, mut frame, mut now) = (0, 0, Duration::ZERO);
            let mut waiting = BTreeSet::new();
            let mut flying: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
            let mut last_sent = None;
            for step in steps {
                match step {
                    Step::Push(size) => {
                        ticket += 1;
                        outgoing.push(ticket, letter(ticket, size), ticket);
                        waiting.insert(ticket);
                    }
                    Step::Post(size) => {
                        ticket += 1;
                        let before = outgoing.queued;
                        if outgoing.post(ticket, letter(ticket, size), ticket) {
                            waiting.insert(ticket);
                            prop_assert!(before == 0 || outgoing.queued <= QUEUE_BYTES);
                        } else {
                            prop_assert!(outgoing.queued + size + OVERHEAD > QUEUE_BYTES);
                        }
                    }
                    Step::Abandon(ticket) => {
                        outgoing.abandon(ticket);
                        waiting.remove(&ticket);
                    }
                    Step::Frame => {
                        frame += 1;
                        let before = outgoing.in_flight;
                        if let Some(letters) = outgoing.next_frame(frame, now) {
                            let size: usize = letters.iter().map(cost).sum();
                            prop_assert!(letters.len() == 1 || size <= FRAME_BYTES);
                            prop_assert!(before == 0 || before + size <= WINDOW_BYTES);
                            for letter in &letters {
                                prop_assert!(last_sent < Some(letter.to.0), "out of order");
                                last_sent = Some(letter.to.0);
                                prop_assert!(waiting.remove(&letter.to.0));
                            }
                            let numbers = letters.iter().map(|letter| letter.to.0).collect();
                            flying.insert(frame, numbers);
                        } else {
                            prop_assert!(waiting.is_empty() || before > 0, "nothing moves");
                        }
                    }
                    Step::Ack(nth) => {
                        if let Some(number) = flying.keys().nth(nth).copied() {
                            let receipts = outgoing.acknowledged(number);
                            prop_assert_eq!(Some(receipts), flying.remove(&number));
                            prop_assert!(outgoing.acknowledged(number).is_empty());
                        }
                    }
                    Step::Wait(seconds) => {
                        now += Duration::from_secs(seconds);
                        for receipt in outgoing.overdue(now) {
                            let found = flying.values_mut().find(|all| all.first() == Some(&receipt));
                            let found = found.map(|all| all.remove(0));
                            prop_assert_eq!(found, Some(receipt));
                        }
                        flying.retain(|_, receipts| !receipts.is_empty());
                    }
                }
            }
            let left: Vec<u64> = flying.into_values().flatten().chain(waiting).collect();
            prop_assert_eq!(outgoing.is_empty(), left.is_empty());
            prop_assert_eq!(outgoing.give_up().collect::<Vec<_>>(), left);
        }
    }

    #[test]
    fn what_is_overdue_makes_room() {
        let mut outgoing = Outgoing::<u64>::default();
        for ticket in 0..20 {
            outgoing.push(ticket, letter(ticket, 200_000), ticket);
        }
        let mut frames = 0;
        while outgoing.next_frame(frames, Duration::ZERO).is_some() {
            frames += 1;
        }
        assert_eq!(frames, 5, "a window of 1 MiB holds five of 200 kB");
        assert_eq!(outgoing.deadline(), Some(PATIENCE));
        assert_eq!(outgoing.overdue(PATIENCE), [0, 1, 2, 3, 4]);
        assert!(outgoing.next_frame(frames, PATIENCE).is_some());
    }
}
