//! Pure: the rates of a plan as people write them, there and back. A plan counts arrivals a second
//! as a binary fraction, which a [`Rate`] of whole nanoseconds cannot always be: so what is written
//! here is what is read here.

use crowd_core::rate::{Pace, Rate};

/// Seconds in what a rate may be per, and its name.
const UNITS: [(f64, &str); 3] = [(1.0, "s"), (60.0, "min"), (3_600.0, "h")];

/// A rate as people write it, in arrivals a second.
///
/// # Errors
/// With what would be a rate over time.
pub(super) fn read(text: &str) -> Result<f64, String> {
    if let Some(rate) = per_second(text) {
        return Ok(rate);
    }
    let rate: Rate = text.parse().map_err(|fault| format!("{fault}"))?;
    match rate.pace() {
        Pace::Timed { count, interval } => Ok(count as f64 * 1e9 / interval as f64),
        Pace::Unlimited | Pace::AtOnce(_) => Err(format!("`{text}` is no rate over time")),
    }
}

/// So many `/s`, with as many decimals as there are.
fn per_second(text: &str) -> Option<f64> {
    let (number, unit) = text.split_once('/')?;
    let number = number.trim();
    let is_plain = number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    if is_plain && unit.trim() == "s" { number.parse().ok() } else { None }
}

/// Arrivals a second as people write them: per second, minute or hour, whichever is the first to
/// need few decimals; else per second, with all of them.
pub(super) fn write(rate: f64) -> String {
    let short = |(seconds, unit): (f64, &str)| {
        let count = format!("{:.6}", rate * seconds);
        let text = format!("{}/{unit}", count.trim_end_matches('0').trim_end_matches('.'));
        (read(&text) == Ok(rate)).then_some(text)
    };
    UNITS.into_iter().find_map(short).unwrap_or_else(|| format!("{rate}/s"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn rates_are_written_as_people_would() {
        let written = |text: &str| write(read(text).unwrap());
        for text in ["10/s", "0.9/s", "10/min", "7/h", "0/s", "1234567/s", "0.000001/s"] {
            assert_eq!(written(text), text);
        }
        assert_eq!(written("every 300ms"), "200/min");
        assert_eq!(written("100 per 3s"), "2000/min");
        assert_eq!(written("every 7s"), "0.14285714285714285/s");
        assert_eq!(write(160.0 / 7.0), "22.857142857142858/s");
    }

    #[test]
    fn what_is_no_rate_over_time_is_refused() {
        for text in ["8 at once", "unlimited", "every 0s", "./s", "1e3/s", "-1/s", "10", "1.5", ""]
        {
            assert!(read(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_as_it_was(
            rate in prop_oneof![0.0..1e7_f64, (0..=u64::MAX).prop_map(f64::from_bits)],
        ) {
            prop_assume!(rate.is_finite() && rate.is_sign_positive());
            prop_assert_eq!(read(&write(rate)), Ok(rate));
        }

        #[test]
        fn whatever_a_throttle_takes_a_plan_takes(count in 1..=u64::MAX, interval in 1..=u64::MAX) {
            let rate = Rate::timed(count, interval);
            let read_back = read(&rate.to_string()).unwrap();
            prop_assert_eq!(read(&write(read_back)), Ok(read_back));
        }
    }
}
