//! How long to wait before trying to connect again.

use std::time::Duration;

/// The wait after the first failure.
const FIRST: Duration = Duration::from_secs(1);
/// The longest wait.
const LONGEST: Duration = Duration::from_secs(30);

/// The wait after `failures` failures in a row, the first being 1. It doubles up to half a minute;
/// `luck`, between 0 and 1, takes up to half of it off, so that users who failed together do not
/// come back together.
pub(crate) fn delay(failures: u32, luck: f64) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    let whole = FIRST.saturating_mul(1 << doublings).min(LONGEST);
    whole.mul_f64(1.0 - luck.clamp(0.0, 1.0) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_doubles_up_to_half_a_minute() {
        let seconds: Vec<_> = (1..8).map(|failures| delay(failures, 0.0).as_secs()).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 30, 30]);
        assert_eq!(delay(u32::MAX, 0.0), LONGEST);
    }

    #[test]
    fn luck_takes_up_to_half_off() {
        assert_eq!(delay(1, 1.0), Duration::from_millis(500));
        assert_eq!(delay(2, 0.5), Duration::from_millis(1500));
    }
}
