//! Whether the machine allows as many open files as the users need, said before it hurts.

use crowd_core::refusal::{Code, Refusal};

/// Descriptors the node keeps for itself: sockets, the runtime, standard streams, log files.
const RESERVED: u64 = 64;

/// Refuses users whose descriptors would not fit under the limit.
///
/// # Errors
/// `insufficient-resources`, with the limit, the need, and what to do.
pub fn check(users: u64, per_user: u64, limit: u64) -> Result<(), Refusal> {
    let need = users.saturating_mul(per_user).saturating_add(RESERVED);
    if per_user == 0 || need <= limit {
        return Ok(());
    }
    let fit = limit.saturating_sub(RESERVED) / per_user;
    Err(Refusal::new(
        Code::InsufficientResources,
        format!(
            "{users} users at once need {need} open files ({per_user} each and {RESERVED} for the \
             node), and this process may open {limit}; raise the limit (`ulimit -n {need}`), ask \
             for at most {fit} users at once, or set CROWD_DESCRIPTOR_CHECK=false if they will \
             not all run at the same time"
        ),
    ))
}

/// Raises the soft limit of this process as far as the hard limit allows and returns it; `None`
/// if the system does not tell.
pub fn raise_limit() -> Option<u64> {
    match rlimit::increase_nofile_limit(u64::MAX) {
        Ok(limit) => Some(limit),
        Err(error) => {
            tracing::warn!(%error, "the limit of open files cannot be raised");
            rlimit::Resource::NOFILE.get_soft().ok()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_many_users_for_the_limit_are_refused_with_the_way_out() {
        let refusal = check(1000, 2, 1024).unwrap_err();
        assert_eq!(refusal.code, Code::InsufficientResources);
        for part in ["1000 users", "2064", "1024", "ulimit -n 2064", "at most 480"] {
            assert!(refusal.message.contains(part), "{part} is missing in: {}", refusal.message);
        }
    }

    #[test]
    fn users_that_fit_or_open_nothing_are_let_in() {
        assert_eq!(check(480, 2, 1024), Ok(()));
        assert_eq!(check(1_000_000, 0, 1024), Ok(()));
    }
}
