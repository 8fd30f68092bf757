//! Pure: how long a worker may run users without hearing from the master, and when the master may
//! start a lost worker's users elsewhere. Together the two rules keep one id from living twice.
//!
//! The rules, with `n` the number of members and *majority* `n / 2 + 1`. Members are the master, all
//! that it reaches, and those that it has lost and that may still be somewhere: a worker that is cut
//! off may reach them.
//!
//! - A worker holds a lease that ends [`LEASE`] after it *sent* the beat that the master answered
//!   last. Until then it runs its users, whatever happens.
//! - When the lease ends, it kills them, unless it has reason to believe that the master itself is
//!   dead: it reaches a majority of the members (itself among them), and none of those it reaches
//!   reaches the master. Then it keeps them until the master timeout, and ends them cleanly. It
//!   believes nothing that it may have seen before it was frozen: it must have been awake for
//!   [`SILENCE`]. That the master's address refuses connections proves nothing: a firewall between
//!   the two can answer so for a master that lives.
//! - What it has believed until it is linked to the master again it believes for [`RELINK`] more: so
//!   long the master has to answer it.
//! - The master starts users of a lost worker elsewhere when it knows that the worker has killed
//!   them: [`LEASE`] and [`MARGIN`] after it *answered* that worker's last beat. If the workers
//!   lost together are a majority, they may believe the master dead; it then waits until their
//!   master timeout and their clean end must be over as well. If so many of the others are back that
//!   the rest is no majority any more, the rest learns of it within [`SILENCE`]: it hears the
//!   others say that they reach the master, or hears nothing of them. The master waits for that
//!   too.
//!
//! Clocks need not agree, but must run at the same speed, to one part in [`DRIFT`]: so the master
//! waits an eighth longer than what the worker's clock is to show.

use std::time::Duration;

/// How often nodes tell that they are there.
pub(crate) const BEAT: Duration = Duration::from_millis(500);

/// A member that is not heard of for so long is taken for gone.
pub(crate) const SILENCE: Duration = Duration::from_secs(3);

/// How long after its last answered beat a worker may run users.
pub(crate) const LEASE: Duration = Duration::from_secs(4);

/// What the master waits beyond the lease: clocks run at different speeds.
pub(crate) const MARGIN: Duration = Duration::from_millis(500);

/// Clocks run at the same speed to one part in so many.
const DRIFT: u32 = 8;
const _: () = assert!(MARGIN.as_nanos() * DRIFT as u128 == LEASE.as_nanos());

/// How long a worker that has believed the master dead, and is linked to it again, keeps its users
/// without an answer.
pub(crate) const RELINK: Duration = Duration::from_millis(1_500);

/// The longest that users take to go once they are told to: the grace before the kill, and a
/// moment to end.
pub(crate) const CLEAN_END: Duration = Duration::from_millis(2_500);

/// How many of so many members are a majority.
pub(crate) fn majority(members: u64) -> u64 {
    members / 2 + 1
}

/// What a worker does about its users while the master is away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hold {
    /// The lease holds.
    Keep,
    /// The lease is over, but the master seems dead: keep the users until the master timeout.
    Orphaned,
    /// The lease is over: kill the users now.
    Fence,
    /// The master timeout is over: end the users cleanly, write what was measured, end the process.
    GiveUp,
}

/// What a worker knows when it decides.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sight {
    /// Since it sent the beat that was answered last.
    pub(crate) since_renewed: Duration,
    /// How many members there were when the master last said so.
    pub(crate) members: u64,
    /// How many it reaches of those that have known the master, itself among them, the master not:
    /// who never met it is no member that it knows of.
    pub(crate) reached: u64,
    /// Whether one of those reaches the master.
    pub(crate) master_is_seen: bool,
    /// Since when it is linked to the master, if it is.
    pub(crate) linked: Option<Duration>,
    /// Whether it has believed the master dead until now.
    pub(crate) orphaned: bool,
    /// How long it has looked at all this without a pause.
    pub(crate) awake: Duration,
    /// `CROWD_MASTER_TIMEOUT`.
    pub(crate) master_timeout: Duration,
}

/// The worker's rule.
pub(crate) fn hold(sight: &Sight) -> Hold {
    if sight.since_renewed < LEASE {
        return Hold::Keep;
    }
    let dead = match sight.linked {
        Some(linked) => sight.orphaned && linked < RELINK,
        None => sight.reached >= majority(sight.members) && !sight.master_is_seen,
    };
    match dead && sight.awake >= SILENCE {
        false => Hold::Fence,
        true if sight.since_renewed < sight.master_timeout => Hold::Orphaned,
        true => Hold::GiveUp,
    }
}

/// The master's rule: how long after it answered the last beat of a lost worker it may start the
/// worker's users elsewhere, if so many workers are lost of so many members.
pub(crate) fn replace_after(members: u64, lost: u64, master_timeout: Duration) -> Duration {
    if lost >= majority(members) { given_up_after(master_timeout) } else { LEASE + MARGIN }
}

/// How long after so many were lost last that they could agree it may do so, if they cannot any
/// more.
pub(crate) fn replace_after_doubt() -> Duration {
    // What is believed is looked at ten times a second, and acted on for `MARGIN`.
    let theirs = SILENCE + RELINK + MARGIN + Duration::from_millis(100);
    theirs + theirs / DRIFT
}

/// When a worker that believed the master dead has ended its users for certain, since the master
/// answered its last beat.
pub(crate) fn given_up_after(master_timeout: Duration) -> Duration {
    let theirs = master_timeout.max(LEASE) + CLEAN_END;
    theirs.saturating_add(theirs / DRIFT)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whatever a lost worker sees, it has no users any more when the master starts them
        /// elsewhere; `late` is the time from the sending of its last beat to the answer.
        #[test]
        fn no_id_lives_twice(
            (members, lost, reached, awake) in (2..12_u64).prop_flat_map(|members| {
                (Just(members), 1..members, 0..6_000_u64).prop_flat_map(|(members, lost, awake)| {
                    // The lost reach at most each other; but who has just been thawed may see what
                    // was before.
                    let most = if awake < 3_000 { members } else { lost };
                    (Just(members), Just(lost), 1..=most, Just(awake))
                })
            }),
            seen: bool,
            linked: bool,
            orphaned: bool,
            timeout in 1..60_000_u64,
            late in 0..500_u64,
            // Its clock against the master's.
            speed in 8.0 / 9.0..9.0 / 8.0_f64,
        ) {
            let master_timeout = Duration::from_millis(timeout);
            let after = replace_after(members, lost, master_timeout);
            // To the nanosecond, at the edge.
            let on_its_clock = |time: Duration| time.mul_f64(speed) + Duration::from_nanos(2);
            let sight = Sight {
                since_renewed: on_its_clock(after + Duration::from_millis(late)),
                members,
                reached,
                master_is_seen: seen,
                linked: linked.then_some(RELINK),
                orphaned,
                awake: Duration::from_millis(awake),
                master_timeout,
            };
            prop_assert!(matches!(hold(&sight), Hold::Fence | Hold::GiveUp));
            // Those that end cleanly have had the time for it.
            let before = Sight { since_renewed: on_its_clock(after) - CLEAN_END, ..sight };
            let gone = matches!(hold(&before), Hold::Fence | Hold::GiveUp);
            prop_assert!(gone || lost < majority(members));
        }
    }

    #[test]
    fn a_dead_master_is_survived_for_the_timeout() {
        let mut sight = Sight {
            since_renewed: Duration::from_secs(3),
            members: 4,
            reached: 3,
            master_is_seen: false,
            linked: None,
            orphaned: false,
            awake: Duration::from_secs(60),
            master_timeout: Duration::from_secs(30),
        };
        assert_eq!(hold(&sight), Hold::Keep);
        sight.since_renewed = Duration::from_secs(5);
        assert_eq!(hold(&sight), Hold::Orphaned);
        assert_eq!(hold(&Sight { master_is_seen: true, ..sight }), Hold::Fence);
        assert_eq!(hold(&Sight { reached: 2, ..sight }), Hold::Fence);
        assert_eq!(hold(&Sight { awake: Duration::from_secs(1), ..sight }), Hold::Fence);
        let linked = Sight { linked: Some(Duration::from_secs(1)), ..sight };
        assert_eq!(hold(&linked), Hold::Fence, "it was not believed dead");
        let mut linked = Sight { orphaned: true, master_is_seen: true, ..linked };
        assert_eq!(hold(&linked), Hold::Orphaned, "an answer may come");
        linked.linked = Some(RELINK);
        assert_eq!(hold(&linked), Hold::Fence);
        sight.since_renewed = Duration::from_secs(30);
        assert_eq!(hold(&sight), Hold::GiveUp);
    }
}
