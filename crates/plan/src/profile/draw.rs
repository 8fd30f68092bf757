//! Pure: a profile as a picture of characters.

use std::{fmt::Write as _, time::Duration};

use super::plan::Profile;

/// Rows of the picture.
const ROWS: usize = 10;

/// The narrowest picture.
const LEAST_WIDTH: usize = 40;

/// Blocks that are filled from below, by eighths.
const EIGHTHS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Draws what a profile asks for over its time, at most `width` characters wide: a picture of users
/// and one of arrivals, where it asks for them, and a line on each stage.
pub fn draw(profile: &Profile, width: usize) -> String {
    let mut text = String::new();
    let users = |at| profile.target_users(at) as f64;
    let rate = |at| profile.target_rate(at);
    let peaks = [
        ("users", profile.peak_target_users() as f64),
        ("arrivals per second", profile.peak_rate()),
    ];
    let curves: [&dyn Fn(Duration) -> f64; 2] = [&users, &rate];
    for ((what, peak), curve) in peaks.into_iter().zip(curves) {
        if peak > 0.0 {
            panel(&mut text, profile, width.max(LEAST_WIDTH), what, peak, curve);
        }
    }
    stages(&mut text, profile);
    text
}

fn panel(
    text: &mut String,
    profile: &Profile,
    width: usize,
    what: &str,
    peak: f64,
    curve: &dyn Fn(Duration) -> f64,
) {
    let label = number(peak);
    let columns = width - label.chars().count() - 2;
    let total = profile.duration();
    // The middle of each column's time stands for it.
    let at = |column: usize| total.mul_f64((column as f64 + 0.5) / columns as f64);
    let heights: Vec<usize> = (0..columns)
        .map(|column| (curve(at(column)) / peak * (ROWS * 8) as f64).round() as usize)
        .collect();
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{what}");
    for row in (0..ROWS).rev() {
        let filled = |height: &usize| EIGHTHS[height.saturating_sub(row * 8).min(8)];
        let line: String = heights.iter().map(filled).collect();
        let name = if row + 1 == ROWS { &label } else { "" };
        let _ = writeln!(text, "{name:>pad$} │{}", line.trim_end(), pad = label.chars().count());
    }
    let borders: Vec<usize> = (1..profile.stages().len())
        .map(|stage| profile.start_of(stage).as_secs_f64() / total.as_secs_f64())
        .map(|part| ((part * columns as f64) as usize).min(columns - 1))
        .collect();
    let axis: String =
        (0..columns).map(|column| if borders.contains(&column) { '┬' } else { '─' }).collect();
    let _ = writeln!(text, "{:>pad$} └{axis}", "0", pad = label.chars().count());
    let end = humantime::format_duration(total).to_string();
    let _ = writeln!(text, "{:>width$}\n", end, width = width);
}

fn stages(text: &mut String, profile: &Profile) {
    for (number, stage) in profile.stages().iter().enumerate() {
        let start = humantime::format_duration(profile.start_of(number));
        let _ = writeln!(text, "stage {} at {start}, for {stage}", number + 1);
    }
    let total = humantime::format_duration(profile.duration());
    let _ = write!(text, "{total} in all");
    if profile.arrivals() > 0 {
        let _ = write!(text, ", {} arrivals", profile.arrivals());
    }
}

/// A number for an axis: whole if it is, else with a tenth.
fn number(value: f64) -> String {
    if value.fract() == 0.0 { format!("{value:.0}") } else { format!("{value:.1}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ramp_a_hold_and_a_rate() {
        let profile: Profile =
            "10s: 0 -> 100, 20s: 100, 10s: pause, 20s: 10/s -> 50/s".parse().unwrap();
        insta::assert_snapshot!(draw(&profile, 60), @r"
        users
        100 │        ▂██████████████████
            │       ▂███████████████████
            │      ▁████████████████████
            │      █████████████████████
            │     ██████████████████████
            │    ▇██████████████████████
            │   ▆███████████████████████
            │  ▆████████████████████████
            │ ▅█████████████████████████
            │▄██████████████████████████
          0 └─────────┬─────────────────┬────────┬──────────────────
                                                                  1m

        arrivals per second
        50 │                                                      ▃▆
           │                                                   ▁▄▇██
           │                                                 ▂▅█████
           │                                               ▃▆███████
           │                                            ▁▄▇█████████
           │                                          ▂▅████████████
           │                                        ▃▆██████████████
           │                                     ▁▄▇████████████████
           │                                     ███████████████████
           │                                     ███████████████████
         0 └─────────┬──────────────────┬────────┬──────────────────
                                                                  1m

        stage 1 at 0s, for 10s: 0 -> 100
        stage 2 at 10s, for 20s: 100
        stage 3 at 30s, for 10s: pause
        stage 4 at 40s, for 20s: 10/s -> 50/s
        1m in all, 600 arrivals
        ");
    }

    #[test]
    fn a_narrow_terminal_and_a_tiny_rate() {
        let profile: Profile = "1h: 3 per 10s".parse().unwrap();
        insta::assert_snapshot!(draw(&profile, 5), @r"
        arrivals per second
        0.3 │███████████████████████████████████
            │███████████████████████████████████
            │███████████████████████████████████
            │███████████████████████████████████
            │███████████████████████████████████
            │███████████████████████████████████
            │███████████████████████████████████
            │███████████████████████████████████
            │███████████████████████████████████
            │███████████████████████████████████
          0 └───────────────────────────────────
                                              1h

        stage 1 at 0s, for 1h: 0.3/s
        1h in all, 1080 arrivals
        ");
    }
}
