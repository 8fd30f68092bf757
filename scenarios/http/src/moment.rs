//! Moments that settings say.

use std::time::Duration;

use tokio::time::Instant;

/// Longer than any run lasts, and short enough for any clock.
const FOREVER: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);

/// So long after `moment`: a time too long for the clock is as good as never.
pub(crate) fn after(moment: Instant, duration: Duration) -> Instant {
    moment + duration.min(FOREVER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_duration_is_too_long() {
        let now = Instant::now();
        assert_eq!(after(now, Duration::from_secs(5)), now + Duration::from_secs(5));
        assert!(after(now, Duration::MAX) >= now + FOREVER);
    }
}
