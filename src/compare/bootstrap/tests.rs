use std::time::Duration;

use super::*;

/// Times like those of a server: log-normal around `median` milliseconds.
pub(in crate::compare) fn times(count: usize, median: f64, seed: u64) -> Timing {
    let mut draws = Draws::seeded(seed);
    let mut timing = Timing::default();
    for _ in 0..count {
        timing.record(Duration::from_secs_f64(median / 1e3 * (0.5 * draws.normal()).exp()));
    }
    timing
}

fn sampled<'a>(recorded: &'a Recorded, seed: u64) -> Sampled<'a> {
    Sampled { recorded, intervals: &[], draws: Draws::seeded(seed) }
}

fn between(from: &Timing, to: &Timing, statistic: Statistic, tail: f64) -> Interval {
    let (from, to) = (Recorded::of(from), Recorded::of(to));
    change([sampled(&from, 1), sampled(&to, 2)], statistic, 4_000, tail)
}

/// The bootstrap as it is told in books.
fn plain(recorded: &Recorded, share: f64, replicates: usize) -> Vec<f64> {
    let mut draws = Draws::seeded(9);
    let n = recorded.count();
    let mut found: Vec<f64> = (0..replicates)
        .map(|_| {
            let mut drawn: Vec<f64> = (0..n)
                .map(|_| recorded.ranked((draws.uniform() * n as f64).ceil() as u64))
                .collect();
            drawn.sort_by(f64::total_cmp);
            drawn[rank(share, n) as usize - 1].ln()
        })
        .collect();
    found.sort_by(f64::total_cmp);
    found
}

#[test]
fn one_beta_number_does_what_many_draws_do() {
    let recorded = Recorded::of(&times(400, 10.0, 3));
    for share in [0.5, 0.95] {
        let plain = plain(&recorded, share, 2_000);
        let mut short =
            recorded.replicates(Statistic::Quantile(share), 20_000, &mut Draws::seeded(4));
        short.sort_by(f64::total_cmp);
        for at in [0.05, 0.25, 0.5, 0.75, 0.95] {
            let of = |sorted: &[f64]| sorted[(at * sorted.len() as f64) as usize];
            let (plain, short) = (of(&plain), of(&short));
            assert!((plain - short).abs() < 0.02, "{share} at {at}: {plain} and {short}");
        }
    }
}

#[test]
fn the_interval_of_a_mean_is_that_of_the_normal_distribution() {
    let timing = times(10_000, 10.0, 5);
    let recorded = Recorded::of(&timing);
    let (mean, deviation, _) = recorded.cumulants();
    assert!((mean - timing.mean().as_secs_f64() * 1e3).abs() < mean * 1e-3);
    let found = between(&timing, &timing, Statistic::Mean, 0.025);
    let wanted = 1.96 * 2.0_f64.sqrt() * deviation / mean;
    assert!((found.high - wanted).abs() < wanted * 0.1, "{found:?} for {wanted}");
    assert!((found.low + wanted).abs() < wanted * 0.1, "{found:?} for {wanted}");
}

#[test]
fn a_shift_is_seen_in_full() {
    let (from, to) = (times(20_000, 10.0, 1), times(20_000, 12.0, 2));
    for statistic in [Statistic::Mean, Statistic::Quantile(0.5), Statistic::Quantile(0.99)] {
        let found = between(&from, &to, statistic, 0.005);
        assert!(found.low > 0.08 && found.low < 0.2, "{statistic:?} {found:?}");
        assert!(found.high < 0.34 && found.high > 0.2, "{statistic:?} {found:?}");
    }
}

#[test]
fn tails_beyond_the_replicates_are_continued() {
    let (from, to) = (times(5_000, 10.0, 1), times(5_000, 10.0, 2));
    let ends: Vec<f64> = [0.025, 0.005, 0.000_5, 0.000_005]
        .map(|tail| between(&from, &to, Statistic::Quantile(0.95), tail).high)
        .to_vec();
    assert!(ends.is_sorted_by(|a, b| a < b), "{ends:?}");
    // As for a normal distribution: 4.42 deviations for the last, 1.96 for the first.
    let low = between(&from, &to, Statistic::Quantile(0.95), 0.025);
    let middle = (low.high + low.low) / 2.0;
    let ratio = (ends[3] - middle) / (ends[0] - middle);
    assert!(ratio > 1.9 && ratio < 2.8, "{ratio}");
}

#[test]
fn what_is_too_few_is_said() {
    let suffices = |count, statistic| Recorded::of(&times(count, 10.0, 1)).suffices(statistic);
    assert!(!suffices(49, Statistic::Quantile(0.5)) && suffices(50, Statistic::Quantile(0.5)));
    assert!(!suffices(199, Statistic::Quantile(0.95)) && suffices(200, Statistic::Quantile(0.95)));
    assert!(
        !suffices(999, Statistic::Quantile(0.99)) && suffices(1_000, Statistic::Quantile(0.99))
    );
    assert!(!suffices(0, Statistic::Mean) && suffices(200, Statistic::Mean));
    // One time of ten thousand that makes up the mean.
    let mut heavy = times(10_000, 1.0, 1);
    heavy.record(Duration::from_secs(60));
    assert!(!Recorded::of(&heavy).suffices(Statistic::Mean));
    assert!(Recorded::of(&heavy).suffices(Statistic::Quantile(0.99)));
}

#[test]
fn neighbours_that_resemble_each_other_widen_the_interval() {
    let recorded = Recorded::of(&times(60_000, 10.0, 1));
    let mut draws = Draws::seeded(3);
    let mut level = 0.0;
    let seconds: Vec<f64> = (0..600)
        .map(|_| {
            level = 0.9 * level + 0.05 * draws.normal();
            10.0 * f64::exp(level)
        })
        .collect();
    let statistic = Statistic::Quantile(0.5);
    let narrow = change([sampled(&recorded, 1), sampled(&recorded, 2)], statistic, 2_000, 0.025);
    let slow = Sampled { recorded: &recorded, intervals: &seconds, draws: Draws::seeded(1) };
    let wide = change([slow, sampled(&recorded, 2)], statistic, 2_000, 0.025);
    assert!(wide.high > narrow.high * 2.0 && wide.low < narrow.low * 2.0, "{wide:?} {narrow:?}");
}
