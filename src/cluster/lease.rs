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
//!   dead: the master's host refuses connections, so no process is there; or it reaches a majority
//!   of the members (itself among them), and none of those it reaches reaches the master. Then it
//!   keeps them until the master timeout, and ends them cleanly. It believes nothing that it may
//!   have seen before it was frozen: it must have been awake for [`SILENCE`].
//! - The master starts users of a lost worker elsewhere when it knows that the worker has killed
//!   them: [`LEASE`] and [`MARGIN`] after it *answered* that worker's last beat. If the workers
//!   lost together are a majority, they may believe the master dead; it then waits for the master
//!   timeout as well.
//!
//! Clocks need not agree, but must run at the same speed, to [`MARGIN`] in [`LEASE`].

use std::time::Duration;

/// How often nodes tell that they are there.
pub(crate) const BEAT: Duration = Duration::from_millis(500);

/// A member that is not heard of for so long is taken for gone.
pub(crate) const SILENCE: Duration = Duration::from_secs(3);

/// How long after its last answered beat a worker may run users.
pub(crate) const LEASE: Duration = Duration::from_secs(4);

/// What the master waits beyond the lease: clocks run at different speeds, and users that are
/// killed need a moment to end.
pub(crate) const MARGIN: Duration = Duration::from_millis(500);

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
    /// How many it reaches, itself among them, the master not.
    pub(crate) reached: u64,
    /// Whether one of those reaches the master.
    pub(crate) master_is_seen: bool,
    /// Whether the master's host refuses connections to its port.
    pub(crate) master_refuses: bool,
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
    let agreed = sight.reached >= majority(sight.members) && !sight.master_is_seen;
    let believed_dead = sight.awake >= SILENCE && (sight.master_refuses || agreed);
    match believed_dead {
        false => Hold::Fence,
        true if sight.since_renewed < sight.master_timeout => Hold::Orphaned,
        true => Hold::GiveUp,
    }
}

/// The master's rule: how long after it answered the last beat of a lost worker it may start the
/// worker's users elsewhere, if so many workers are lost of so many members.
pub(crate) fn replace_after(members: u64, lost: u64, master_timeout: Duration) -> Duration {
    let fenced = LEASE + MARGIN;
    let gave_up = master_timeout.max(LEASE) + CLEAN_END + MARGIN;
    if lost >= majority(members) { fenced.max(gave_up) } else { fenced }
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
            timeout in 1..60_000_u64,
            late in 0..500_u64,
        ) {
            let master_timeout = Duration::from_millis(timeout);
            let after = replace_after(members, lost, master_timeout);
            let sight = Sight {
                since_renewed: after + Duration::from_millis(late),
                members,
                reached,
                master_is_seen: seen,
                // A living master's host does not refuse.
                master_refuses: false,
                awake: Duration::from_millis(awake),
                master_timeout,
            };
            prop_assert!(matches!(hold(&sight), Hold::Fence | Hold::GiveUp));
            // Those that end cleanly have had the time for it.
            let before = Sight { since_renewed: after - CLEAN_END, ..sight };
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
            master_refuses: false,
            awake: Duration::from_secs(60),
            master_timeout: Duration::from_secs(30),
        };
        assert_eq!(hold(&sight), Hold::Keep);
        sight.since_renewed = Duration::from_secs(5);
        assert_eq!(hold(&sight), Hold::Orphaned);
        assert_eq!(hold(&Sight { master_is_seen: true, ..sight }), Hold::Fence);
        assert_eq!(hold(&Sight { reached: 2, ..sight }), Hold::Fence);
        assert_eq!(hold(&Sight { awake: Duration::from_secs(1), ..sight }), Hold::Fence);
        assert_eq!(hold(&Sight { reached: 1, master_refuses: true, ..sight }), Hold::Orphaned);
        sight.since_renewed = Duration::from_secs(30);
        assert_eq!(hold(&sight), Hold::GiveUp);
    }
}
