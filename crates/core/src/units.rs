//! Numbers as people read them.

use std::time::Duration;

/// A duration in milliseconds, without the unit: about three digits, never more than seven
/// characters.
pub fn ms(millis: f64) -> String {
    match millis {
        m if !m.is_finite() => "-".to_owned(),
        0.0 => "0".to_owned(),
        m if m < 0.0995 => format!("{m:.3}"),
        m if m < 9.995 => format!("{m:.2}"),
        m if m < 99.95 => format!("{m:.1}"),
        m if m < 1e6 => format!("{m:.0}"),
        m => format!("{:.0}k", m / 1e3),
    }
}

/// A number of things, exactly: `1,234,567`.
pub fn exact(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number of things and what they are: `1 user`, `2,000 users`.
pub fn plural(count: u64, noun: &str) -> String {
    format!("{} {noun}{}", exact(count), if count == 1 { "" } else { "s" })
}

/// A number of things in a column: exactly up to 99,999, then to three digits, as `1.23M`.
pub fn count(count: u64) -> String {
    if count < 100_000 { exact(count) } else { short(count as f64) }
}

/// So many per second, without the unit.
pub fn rate(rate: f64) -> String {
    match rate {
        r if !r.is_finite() => "-".to_owned(),
        0.0 => "0".to_owned(),
        r if r < 9.995 => format!("{r:.2}"),
        r if r < 99.95 => format!("{r:.1}"),
        r if r < 99_999.5 => exact(r.round() as u64),
        r => short(r),
    }
}

/// Any number, to about four digits: a gauge.
pub fn number(number: f64) -> String {
    let size = number.abs();
    if size >= 100_000.0 {
        return format!("{}{}", if number < 0.0 { "-" } else { "" }, short(size));
    }
    if number.fract() == 0.0 || size >= 1_000.0 {
        return format!("{number:.0}");
    }
    let text = format!("{number:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A share of one as a percentage: whole from 10 % on, and never 0 % or 100 % unless it is.
pub fn percent(share: f64) -> String {
    let percent = share * 100.0;
    match percent {
        p if !p.is_finite() => "-".to_owned(),
        p if p == 0.0 || p == 100.0 => format!("{p:.0}%"),
        p if p < 0.1 => "<0.1%".to_owned(),
        p if p < 9.95 => format!("{p:.1}%"),
        p if p < 99.0 => format!("{p:.0}%"),
        p if p < 99.9 => format!("{p:.1}%"),
        p if p < 100.0 => ">99.9%".to_owned(),
        p => format!("{p:.0}%"),
    }
}

/// Bytes, to three digits.
pub fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut size = bytes as f64;
    let mut unit = 0;
    while size >= 999.5 && unit + 1 < UNITS.len() {
        size /= 1_024.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} B") } else { format!("{} {}", three(size), UNITS[unit]) }
}

/// How long something took, with its units: `3.20 s`, `1m 05s`, `2h 03m`.
pub fn span(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    if seconds < 0.9995 {
        return format!("{} ms", ms(seconds * 1e3));
    }
    if seconds < 59.95 {
        return format!("{} s", three(seconds));
    }
    let whole = seconds.round() as u64;
    match (whole / 3_600, whole / 60 % 60, whole % 60) {
        (0, minutes, seconds) => format!("{minutes}m {seconds:02}s"),
        (hours, minutes, _) => format!("{hours}h {minutes:02}m"),
    }
}

/// A duration as a clock shows it: `01:05`, `2:03:04`.
pub fn clock(duration: Duration) -> String {
    let whole = duration.as_secs();
    match (whole / 3_600, whole / 60 % 60, whole % 60) {
        (0, minutes, seconds) => format!("{minutes:02}:{seconds:02}"),
        (hours, minutes, seconds) => format!("{hours}:{minutes:02}:{seconds:02}"),
    }
}

/// Three digits and a letter for the thousands.
fn short(number: f64) -> String {
    const UNITS: [&str; 7] = ["", "k", "M", "G", "T", "P", "E"];
    if number >= 1e21 {
        return format!("{number:.1e}");
    }
    let mut size = number;
    let mut unit = 0;
    while size >= 999.5 && unit + 1 < UNITS.len() {
        size /= 1e3;
        unit += 1;
    }
    format!("{}{}", three(size), UNITS[unit])
}

fn three(size: f64) -> String {
    match size {
        s if s < 9.995 => format!("{s:.2}"),
        s if s < 99.95 => format!("{s:.1}"),
        s => format!("{s:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn milliseconds_keep_about_three_digits() {
        let shown: Vec<_> =
            [0.0, 0.005, 0.0996, 1.234, 9.996, 45.67, 99.96, 1_234.4, 999_999.0, 3_600_000.0]
                .map(ms)
                .to_vec();
        assert_eq!(
            shown,
            ["0", "0.005", "0.10", "1.23", "10.0", "45.7", "100", "1234", "999999", "3600k"]
        );
    }

    #[test]
    fn counts_are_exact_as_long_as_they_fit() {
        let shown = [0, 999, 1_000, 99_999, 100_000, 1_234_567, 999_999_999, u64::MAX].map(count);
        assert_eq!(shown, ["0", "999", "1,000", "99,999", "100k", "1.23M", "1.00G", "18.4E"]);
        assert_eq!(exact(1_234_567), "1,234,567");
    }

    #[test]
    fn rates_and_gauges_keep_the_digits_that_matter() {
        assert_eq!(
            [0.0, 0.166, 16.66, 1_666.6, 123_456.7].map(rate),
            ["0", "0.17", "16.7", "1,667", "123k"]
        );
        assert_eq!(
            [0.0, -1.5, 12.0, 0.12345, 1_234.56, -2_500_000.0, 1e300].map(number),
            ["0", "-1.5", "12", "0.123", "1235", "-2.50M", "1.0e300"]
        );
    }

    #[test]
    fn hardly_any_is_not_none_and_nearly_all_is_not_all() {
        assert_eq!(
            [0.0, 0.0001, 0.05, 0.5, 0.995, 0.9999, 1.0].map(percent),
            ["0%", "<0.1%", "5.0%", "50%", "99.5%", ">99.9%", "100%"]
        );
    }

    #[test]
    fn durations_have_the_unit_that_fits() {
        let shown = [0.0005, 0.25, 3.2, 59.9, 59.96, 65.0, 7_384.0]
            .map(|seconds| span(Duration::from_secs_f64(seconds)));
        assert_eq!(shown, ["0.50 ms", "250 ms", "3.20 s", "59.9 s", "1m 00s", "1m 05s", "2h 03m"]);
        assert_eq!(clock(Duration::from_secs(65)), "01:05");
        assert_eq!(clock(Duration::from_secs(7_384)), "2:03:04");
    }

    #[test]
    fn bytes_are_powers_of_two() {
        assert_eq!(
            [0, 999, 1_000, 1 << 20, 1_536 << 20].map(bytes),
            ["0 B", "999 B", "0.98 KiB", "1.00 MiB", "1.50 GiB"]
        );
    }
}
