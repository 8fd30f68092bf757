//! Axes: where values stand on them, and the few round values that are written beside them.

/// A mark on an axis: where, as a share of it, and what is written there.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tick {
    pub(super) at: f64,
    pub(super) label: String,
}

/// A vertical axis.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Scale {
    kind: Kind,
    pub(super) ticks: Vec<Tick>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Linear { top: f64 },
    Log { low: f64, high: f64 },
}

/// A linear axis has so many steps at most.
const STEPS: f64 = 4.0;

/// Marks of a logarithmic axis are so far apart at least, as a share of it.
const APART: f64 = 0.16;

/// Times that differ by more than this factor need a logarithmic axis.
const WIDE: f64 = 25.0;

impl Scale {
    /// From 0 to `most` of something, in steps of one at least if there are no parts of it.
    pub(super) fn counts(most: f64, whole: bool) -> Self {
        let most = most.clamp(0.0, 1e18);
        let mut step = nice((most / STEPS).max(1e-6));
        if whole || most == 0.0 {
            step = step.max(1.0);
        }
        Self::linear(most, step, si)
    }

    /// Times in milliseconds, all of them positive, on an axis that shows the shortest and the
    /// longest.
    pub(super) fn times(shortest: f64, longest: f64) -> Self {
        let longest = longest.clamp(0.001, 1e13);
        let shortest = shortest.clamp(0.001, longest);
        if longest / shortest > WIDE {
            return Self::log(shortest, longest);
        }
        let (unit, _) = unit_of(longest);
        Self::linear(longest, nice(longest / unit / STEPS) * unit, time)
    }

    /// Times in milliseconds on a logarithmic axis.
    pub(super) fn log(shortest: f64, longest: f64) -> Self {
        let all: Vec<(f64, bool)> = landmarks().collect();
        let below = all.iter().map(|(at, _)| *at).filter(|at| *at <= shortest * 1.000_001);
        let above = all.iter().map(|(at, _)| *at).find(|at| *at >= longest * 0.999_999);
        let low = below.fold(0.001, f64::max);
        let high = above.unwrap_or(longest).max(low * 2.0);
        let kind = Kind::Log { low, high };
        let mut taken: Vec<f64> = Vec::new();
        for round in [true, false] {
            for (at, _) in
                all.iter().filter(|(at, main)| *main == round && (low..=high).contains(at))
            {
                let share = kind.share(*at);
                if taken.iter().all(|other| (kind.share(*other) - share).abs() >= APART) {
                    taken.push(*at);
                }
            }
        }
        taken.sort_by(f64::total_cmp);
        let ticks = taken.into_iter().map(|at| Tick { at: kind.share(at), label: time(at) });
        Self { kind, ticks: ticks.collect() }
    }

    fn linear(most: f64, step: f64, label: impl Fn(f64) -> String) -> Self {
        let steps = (most / step - 1e-9).ceil().clamp(1.0, STEPS + 1.0);
        let top = step * steps;
        let ticks = (0..=steps as u32).map(|n| {
            let value = step * f64::from(n);
            Tick { at: value / top, label: label(value) }
        });
        Self { kind: Kind::Linear { top }, ticks: ticks.collect() }
    }

    /// Where a value stands: 0 at the bottom, 1 at the top.
    pub(super) fn share(&self, value: f64) -> f64 {
        self.kind.share(value)
    }

    pub(super) fn is_log(&self) -> bool {
        matches!(self.kind, Kind::Log { .. })
    }

    /// The values at the bottom and at the top.
    pub(super) fn ends(&self) -> (f64, f64) {
        match self.kind {
            Kind::Linear { top } => (0.0, top),
            Kind::Log { low, high } => (low, high),
        }
    }
}

impl Kind {
    fn share(self, value: f64) -> f64 {
        let share = match self {
            Self::Linear { top } => value / top,
            Self::Log { low, high } => (value.max(low) / low).ln() / (high / low).ln(),
        };
        share.clamp(0.0, 1.0)
    }
}

/// The smallest of 1, 2 and 5 times a power of ten that is not below `value`.
fn nice(value: f64) -> f64 {
    let power = 10f64.powf(value.log10().floor());
    let factor = value / power;
    let round = [1.0, 2.0, 5.0].into_iter().find(|round| factor <= round * 1.000_001);
    round.unwrap_or(10.0) * power
}

const SECOND: f64 = 1e3;
const MINUTE: f64 = 60.0 * SECOND;
const HOUR: f64 = 60.0 * MINUTE;
const DAY: f64 = 24.0 * HOUR;

/// Times worth writing on a logarithmic axis, and whether they come before the rest.
fn landmarks() -> impl Iterator<Item = (f64, bool)> {
    let decimal =
        (-3..3i32).flat_map(|power| [1.0, 2.0, 5.0].map(|n| (n * 10f64.powi(power), n == 1.0)));
    let sixties = [SECOND, MINUTE].into_iter().flat_map(|unit| {
        [1.0, 2.0, 5.0, 10.0, 20.0, 30.0].map(|n| (n * unit, n == 1.0 || n == 10.0))
    });
    let hours = [1.0, 2.0, 5.0, 12.0].map(|n| (n * HOUR, n == 1.0));
    let days = (0..4i32)
        .flat_map(|power| [1.0, 2.0, 5.0].map(|n| (n * 10f64.powi(power) * DAY, n == 1.0)));
    decimal.chain(sixties).chain(hours).chain(days)
}

/// The unit a time is written in, and its name.
fn unit_of(millis: f64) -> (f64, &'static str) {
    match millis {
        m if m < 0.999_999 => (1e-3, "µs"),
        m if m < SECOND * 0.999_999 => (1.0, "ms"),
        m if m < MINUTE * 0.999_999 => (SECOND, "s"),
        m if m < HOUR * 0.999_999 => (MINUTE, "min"),
        m if m < DAY * 0.999_999 => (HOUR, "h"),
        _ => (DAY, "d"),
    }
}

/// A round time, in milliseconds, as it is written beside an axis.
pub(super) fn time(millis: f64) -> String {
    if millis == 0.0 {
        return "0".to_owned();
    }
    let (unit, name) = unit_of(millis);
    format!("{} {name}", short(millis / unit))
}

/// A count as it is written beside an axis: `1.5k`.
pub(super) fn si(value: f64) -> String {
    const UNITS: [&str; 7] = ["", "k", "M", "G", "T", "P", "E"];
    let mut size = value;
    let mut unit = 0;
    while size >= 999.95 && unit + 1 < UNITS.len() {
        size /= 1e3;
        unit += 1;
    }
    format!("{}{}", short(size), UNITS[unit])
}

/// Three digits, without zeros at the end.
fn short(value: f64) -> String {
    let digits = if value >= 100.0 {
        0
    } else if value >= 10.0 {
        1
    } else if value >= 0.01 || value == 0.0 {
        2
    } else {
        6
    };
    let text = format!("{value:.digits$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

/// The marks of a horizontal axis of time from 0 to `total` milliseconds: seven at most.
pub(super) fn time_ticks(total: f64) -> Vec<Tick> {
    const ROUND: [f64; 25] = [
        1.0,
        2.0,
        5.0,
        10.0,
        20.0,
        50.0,
        100.0,
        200.0,
        500.0,
        SECOND,
        2.0 * SECOND,
        5.0 * SECOND,
        10.0 * SECOND,
        15.0 * SECOND,
        30.0 * SECOND,
        MINUTE,
        2.0 * MINUTE,
        5.0 * MINUTE,
        10.0 * MINUTE,
        15.0 * MINUTE,
        30.0 * MINUTE,
        HOUR,
        3.0 * HOUR,
        6.0 * HOUR,
        12.0 * HOUR,
    ];
    let fits = |step: &f64| total / step <= 6.0;
    let step = ROUND.into_iter().find(fits);
    let step = step.unwrap_or_else(|| nice((total / 6.0 / DAY).max(1.0)) * DAY);
    let count = (total / step + 1e-9).floor() as u32;
    (0..=count)
        .map(|n| {
            let at = step * f64::from(n);
            Tick { at: (at / total).min(1.0), label: moment(at) }
        })
        .collect()
}

/// A moment of a run: `1m30`, `2h`, `1d 12h`.
pub(super) fn moment(millis: f64) -> String {
    if millis <= 0.0 {
        return "0".to_owned();
    }
    if millis < SECOND {
        return format!("{millis:.0}ms");
    }
    let whole = (millis / SECOND).floor() as u64;
    let (days, hours, minutes, seconds) =
        (whole / 86_400, whole / 3_600 % 24, whole / 60 % 60, whole % 60);
    match (days, hours, minutes, seconds) {
        (0, 0, 0, _) => format!("{}s", short(millis / SECOND)),
        (0, 0, minutes, 0) => format!("{minutes}m"),
        (0, 0, minutes, seconds) => format!("{minutes}m{seconds:02}"),
        (0, hours, 0, _) => format!("{hours}h"),
        (0, hours, minutes, _) => format!("{hours}h{minutes:02}"),
        (days, 0, _, _) => format!("{days}d"),
        (days, hours, _, _) => format!("{days}d {hours}h"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn labels(ticks: &[Tick]) -> Vec<&str> {
        ticks.iter().map(|tick| tick.label.as_str()).collect()
    }

    #[test]
    fn counts_have_round_steps() {
        assert_eq!(labels(&Scale::counts(0.0, true).ticks), ["0", "1"]);
        assert_eq!(labels(&Scale::counts(1.0, true).ticks), ["0", "1"]);
        assert_eq!(labels(&Scale::counts(7.0, true).ticks), ["0", "2", "4", "6", "8"]);
        assert_eq!(labels(&Scale::counts(0.3, false).ticks), ["0", "0.1", "0.2", "0.3"]);
        assert_eq!(labels(&Scale::counts(1_700.0, false).ticks), ["0", "500", "1k", "1.5k", "2k"]);
        assert_eq!(labels(&Scale::counts(2.1e6, false).ticks), ["0", "1M", "2M", "3M"]);
    }

    #[test]
    fn times_have_the_unit_that_fits() {
        assert_eq!(
            labels(&Scale::times(0.3, 0.8).ticks),
            ["0", "200 µs", "400 µs", "600 µs", "800 µs"]
        );
        assert_eq!(
            labels(&Scale::times(20.0, 170.0).ticks),
            ["0", "50 ms", "100 ms", "150 ms", "200 ms"]
        );
        assert_eq!(
            labels(&Scale::times(900.0, 1_900.0).ticks),
            ["0", "500 ms", "1 s", "1.5 s", "2 s"]
        );
        assert_eq!(
            labels(&Scale::times(0.4, 12_000.0).ticks),
            ["1 ms", "10 ms", "100 ms", "1 s", "10 s"]
        );
        assert_eq!(
            labels(&Scale::log(1_000.0, 2e6).ticks),
            ["1 s", "10 s", "1 min", "10 min", "1 h"]
        );
        assert_eq!(labels(&Scale::log(1.0, 1.5).ticks), ["1 ms", "2 ms"]);
    }

    #[test]
    fn time_is_written_as_people_say_it() {
        assert_eq!(labels(&time_ticks(1_000.0)), ["0", "200ms", "400ms", "600ms", "800ms", "1s"]);
        assert_eq!(labels(&time_ticks(1_700.0)), ["0", "500ms", "1s", "1.5s"]);
        assert_eq!(labels(&time_ticks(61_000.0)), ["0", "15s", "30s", "45s", "1m"]);
        assert_eq!(labels(&time_ticks(4.0 * MINUTE)), ["0", "1m", "2m", "3m", "4m"]);
        assert_eq!(labels(&time_ticks(8.0 * HOUR)), ["0", "3h", "6h"]);
        assert_eq!(labels(&time_ticks(2.0 * DAY)), ["0", "12h", "1d", "1d 12h", "2d"]);
        assert_eq!(labels(&time_ticks(30.0 * DAY)), ["0", "5d", "10d", "15d", "20d", "25d", "30d"]);
        assert_eq!(moment(90_000.0), "1m30");
    }

    proptest! {
        #[test]
        fn labels_are_few_distinct_and_apart(shortest in 0.0..1e9f64, factor in 1.0..1e8f64, total in 0.001..1e13f64) {
            let axes = [
                Scale::times(shortest, shortest * factor).ticks,
                Scale::log(shortest.max(0.001), (shortest * factor).max(0.001)).ticks,
                Scale::counts(shortest * factor, false).ticks,
                Scale::counts(shortest, true).ticks,
            ];
            for ticks in axes {
                prop_assert!((1..=7).contains(&ticks.len()), "{ticks:?}");
                prop_assert!(ticks.windows(2).all(|two| two[1].at - two[0].at >= 0.15), "{ticks:?}");
                prop_assert!(ticks.windows(2).all(|two| two[0].label != two[1].label), "{ticks:?}");
            }
            let ticks = time_ticks(total);
            prop_assert!((1..=7).contains(&ticks.len()), "{ticks:?}");
            prop_assert!(ticks.windows(2).all(|two| two[1].at - two[0].at >= 0.08), "{ticks:?}");
        }
    }
}
