//! Texts of settings: what is read is written and read again as it is.

use std::{
    fmt::Debug,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use crowd_core::{
    failure::Failure,
    rate::Rate,
    settings::{
        NodeAddress, Secret, SettingValue,
        masking::{without_secrets_of_url, without_secrets_of_urls},
    },
};
use crowd_measure::window::Window;
use crowd_plan::{
    iterate::{Capture, Captures, Pacing, Template, ThinkTime, Weighted},
    load::plan::{Dealt, Plan},
    profile::{Format, Profile, draw},
    run_settings::{Arrive, LoadSettings, Saturation, Spacing},
    threshold::{
        Thresholds,
        judge::{Interval, Judge, Standing},
    },
};
use rand::{SeedableRng, rngs::ChaCha8Rng};

use super::{choose, targets, text};
use crate::{
    capacity::{prometheus::reply, settings::Given},
    control::client::ApiAddress,
};

/// A value of the type, if the text is one.
fn value<T: SettingValue>(text: &str) -> Option<T> {
    let value = T::parse(text).ok()?;
    let written = value.render();
    let again = T::parse(&written).map(|value| value.render());
    assert_eq!(again.as_ref(), Ok(&written), "{text:?}");
    Some(value)
}

/// As [`value`], and the same when it is read again.
fn same<T: SettingValue + PartialEq + Debug>(text: &str) -> Option<T> {
    let value = value::<T>(text)?;
    assert_eq!(T::parse(&value.render()).as_ref(), Ok(&value), "{text:?}");
    Some(value)
}

fn values(bytes: &[u8]) {
    let (kind, bytes) = choose(bytes);
    let text = text(bytes);
    match kind {
        0 => drop(same::<Duration>(text)),
        1 => drop(same::<Rate>(text)),
        2 => drop(same::<Vec<String>>(text)),
        3 => drop(same::<Vec<Duration>>(text)),
        4 => drop(same::<f64>(text)),
        5 => drop(same::<Option<u16>>(text)),
        6 => drop(same::<SocketAddr>(text)),
        7 => drop(same::<IpAddr>(text)),
        8 => drop(same::<NodeAddress>(text)),
        9 => drop(same::<Vec<PathBuf>>(text)),
        10 => drop(same::<i128>(text)),
        11 => drop(same::<char>(text)),
        12 => {
            if let Ok(address) = text.parse::<ApiAddress>() {
                assert_eq!(address.to_string().parse(), Ok(address));
            }
        }
        13 => {
            // What a password may be in is not there any more.
            let masked = without_secrets_of_urls(text);
            assert_eq!(without_secrets_of_urls(&masked), masked);
            let masked = without_secrets_of_url(text);
            assert_eq!(without_secrets_of_url(&masked), masked);
        }
        _ => {
            let secret = value::<Secret>(text).unwrap();
            assert_eq!(format!("{secret:?}{secret}"), "******");
        }
    }
}

fn examples(kinds: &[(u8, &str)]) -> Vec<Vec<u8>> {
    kinds.iter().map(|(kind, text)| [&[*kind], text.as_bytes()].concat()).collect()
}

fn of_values() -> Vec<Vec<u8>> {
    examples(&[
        (0, "1h 2m 3s 4ms 5us 6ns"),
        (0, "3years 2months 1w"),
        (1, "100/s"),
        (1, "6_000.5 per 5min"),
        (1, "every 20ms"),
        (1, "8 at once"),
        (2, "a\\,b, c\\\\,d"),
        (3, "1s, 2m 5s"),
        (4, "-1.5e-7"),
        (5, "65535"),
        (6, "[fe80::1%3]:80"),
        (7, "::ffff:1.2.3.4"),
        (8, "[::1]:4370"),
        (9, "/a b/c,d"),
        (12, "https://[::1]:4000/"),
        (12, "http://localhost"),
        (13, "http://me:pa@ss@host/a@b"),
    ])
}

fn thresholds(bytes: &[u8]) {
    let text = text(bytes);
    let Some(thresholds) = same::<Thresholds>(text) else {
        // Each fault points into the text.
        if let Err(faults) = text.parse::<Thresholds>() {
            let _ = faults.to_string();
        }
        return;
    };
    let profile: Profile = "1s: 5, 1s: 10/s".parse().unwrap();
    let _ = thresholds.check(Some(&profile));
    let mut judge = Judge::new(&thresholds, Some(profile));
    let mut window = Window { span: Duration::from_secs(1), ..Window::default() };
    let action = window.action(&"login".into());
    action.service.record(Duration::from_millis(20));
    action.failed = 1;
    for second in 1..=4 {
        let until = Duration::from_secs(second);
        let standing = Standing { running: second, ..Standing::default() };
        let interval = Interval { until, measured: &window, standing, on: second < 4 };
        let _ = judge.observe(&interval);
    }
    let _ = (judge.failing(), judge.judged());
}

const THRESHOLDS: [&str; 4] = [
    "p95(login) < 150ms; error_rate < 1%; p99.9(a b) <= 2s over 10s abort after 30s",
    "rate(orders) >= 120/min in stage 2; count(x) > 3; users >= 3; failed_users < 1%",
    "max < 1h; mean(\"a)b\") > 1us; check_rate(has a title) > 99.5%; dropped_rate == 0%",
    "median(login) < 1s abort",
];

fn profile(bytes: &[u8]) {
    if let Some(profile) = same::<Profile>(text(bytes)) {
        played(&profile);
    }
}

fn profile_file(bytes: &[u8]) {
    let (kind, bytes) = choose(bytes);
    let format = if kind == 0 { Format::Toml } else { Format::Json };
    if let Ok(profile) = Profile::read(text(bytes), format) {
        assert_eq!(profile.to_string().parse(), Ok(profile.clone()), "{profile}");
        played(&profile);
    }
}

/// What is done with a profile that was read.
fn played(profile: &Profile) {
    let _ = draw(profile, 80);
    let duration = profile.duration();
    let moments = [Duration::ZERO, duration / 3, duration / 2, duration, Duration::MAX];
    for moment in moments {
        assert!(profile.target_users(moment) <= profile.peak_users());
        assert!(profile.arrivals_until(moment) <= profile.arrivals());
    }
    assert_eq!(profile.arrivals_until(duration), profile.arrivals());
    for spacing in [Spacing::Even, Spacing::Poisson] {
        let settings = LoadSettings {
            profile: Some(profile.clone()),
            arrivals: Arrive::Users,
            spacing,
            saturation: Saturation::Drop,
            seed: 7,
            graceful_stop: Duration::ZERO,
        };
        let plan = Plan::of(&settings).unwrap();
        let mut dealt = Dealt::default();
        for moment in moments {
            for row in plan.deal(&mut dealt, moment) {
                let cells = plan.cells(row.stage).unwrap();
                for cell in [row.first, row.last] {
                    let _ = cells.dues(cell);
                }
            }
        }
    }
}

const PROFILES: [&str; 5] = [
    "10s: 0 -> 100 quadratic, 1m: 100, 30s: pause, 1m: 10/s -> 50/s max 20",
    "1m: 10/s -> 100/s in 5 steps, 1m: 10/s -> 100/s exponential spike 5s at 20s",
    "1ns: 1/s, 1h 5m: 7/min, 1day: every 20ms",
    "584years: 1/h",
    "1s: 1000000, 1s: 10000000/s",
];

fn profile_files() -> Vec<Vec<u8>> {
    examples(&[
        (
            0,
            "[[stages]]\nduration = \"10s\"\nusers = { from = 0, to = 100, curve = \"quadratic\" }\n\
             [[stages]]\nduration = \"1m\"\nrate = \"50/s\"\nmax_users = 200\nsteps = 3\n\
             [[stages]]\nduration = \"5s\"\npause = true\n",
        ),
        (
            0,
            "[shape]\nkind = \"spike\"\nmetric = \"rate\"\nbaseline = \"1/s\"\npeak = \"9/s\"\n\
             ramp_up = \"1s\"\nhold = \"2s\"\nramp_down = \"1s\"\nrecovery = \"9s\"\n",
        ),
        (
            1,
            "{\"stages\": [{\"duration\": \"5s\", \"rate\": {\"from\": \"1/s\", \"to\": \"9/s\"}, \
             \"spike\": {\"at\": \"1s\", \"for\": \"1s\"}}]}",
        ),
        (
            1,
            "{\"shape\": {\"kind\": \"stairs\", \"start\": 1, \"step\": 2, \"steps\": 9, \"each\": \"1s\"}}",
        ),
        (
            1,
            "{\"shape\": {\"kind\": \"ramp-hold\", \"target\": 100, \"ramp\": \"1s\", \"hold\": \"2s\"}}",
        ),
    ])
}

fn iterating(bytes: &[u8]) {
    let (kind, bytes) = choose(bytes);
    let text = text(bytes);
    match kind {
        0 => {
            if let Some(think) = same::<ThinkTime>(text) {
                let mut random = ChaCha8Rng::seed_from_u64(1);
                let _: Duration = (0..8).map(|_| think.sample(&mut random) / 8).sum();
            }
        }
        1 => {
            if let Some(pacing) = same::<Pacing>(text) {
                let _ = pacing.delay(Duration::from_secs(3));
            }
        }
        2 => {
            if let Some(weighted) = value::<Weighted<String>>(text) {
                let mut random = ChaCha8Rng::seed_from_u64(1);
                let picked = (0..8).map(|_| weighted.pick(&mut random));
                assert!(picked.into_iter().all(|item| weighted.iter().any(|(_, all)| all == item)));
            }
        }
        3 => {
            let template = value::<Template>(text).unwrap();
            let names: Vec<_> = template.names().map(str::to_owned).collect();
            let rendered = template.render(|name| names.contains(&name.to_owned()).then_some(""));
            assert!(rendered.unwrap().len() <= text.len());
        }
        // An expression, and behind a line break a body.
        kind => {
            let (expression, body) = text.split_once('\n').unwrap_or((text, ""));
            let capture = match kind {
                4 => Capture::json("a", expression),
                5 => Capture::regex("a", expression),
                _ => Ok(Capture::header("a", expression)),
            };
            if let Ok(capture) = capture {
                let headers = [(expression, body)];
                let missed = Captures::default().take(&[capture], headers, body.as_bytes()).len();
                assert!(missed <= 1);
            }
        }
    }
}

fn of_iterating() -> Vec<Vec<u8>> {
    examples(&[
        (0, "about 2s +- 500ms"),
        (0, "lognormal 1s p95 4s"),
        (0, "exponential 3s"),
        (0, "1s..2s"),
        (1, "every 10s"),
        (1, "90/min"),
        (2, "browse:6, buy:0.5, a\\,b:1"),
        (3, "/orders/{id}?q={{raw}}&{a.b-c}"),
        (4, "$.items[?@.price < 10].id\n{\"items\": [{\"price\": 3, \"id\": 7}]}"),
        (5, "id=([0-9]+)\n<a href=\"?id=17\">"),
        (6, "x-session\nabc"),
    ])
}

fn search(bytes: &[u8]) {
    let (kind, bytes) = choose(bytes);
    let mut given = Given::default();
    match kind {
        0 => given.file(text(bytes)),
        _ => {
            text(bytes).lines().filter_map(|line| line.split_once('=')).for_each(|(name, text)| {
                given.pair(name, text);
            })
        }
    }
    let pairs = given.pairs();
    let Ok(settings) = given.settings() else { return };
    // Told to another node as pairs it is the same search.
    if let Ok(pairs) = pairs {
        let mut again = Given::default();
        pairs.iter().for_each(|(name, text)| again.pair(name, text));
        assert_eq!(again.settings(), Ok(settings), "{pairs:?}");
    }
}

fn searches() -> Vec<Vec<u8>> {
    examples(&[
        (
            0,
            "strategy = \"bisect\"\nmax = 500\nprecision = \"5%\"\nsignals = [\"p95(login) < 1s\"]\n\
             prometheus = \"http://p:9090\"\n[[queries]]\nname = \"cpu\"\nquery = \"avg(load)\"\n\
             threshold = 0.85\ncomparator = \">=\"\nwarm_up = \"60s\"\nalert = false\n",
        ),
        (1, "strategy=equilibrium\nmax=500\nsignal=p95 < 1s over 10s\nsignal=error_rate < 1%"),
        (1, "prometheus=http://p:9090\nquery=5xx: sum(a > 0) >= 2.5% after 60s\nunit=rate"),
        (1, "strategy=stress\nstep=10\nsustained=3\nslope=0.5\nat_max=5m\nallow_errors=true"),
    ])
}

fn prometheus(bytes: &[u8]) {
    if let Ok(value) = reply::value(text(bytes)) {
        assert!(!value.is_nan());
    }
}

const REPLIES: [&str; 3] = [
    r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{"a":"b"},"value":[1.7e9,"12.5"]}]}}"#,
    r#"{"status":"success","data":{"resultType":"scalar","result":[1,"+Inf"]}}"#,
    r#"{"status":"error","errorType":"bad_data","error":"parse error"}"#,
];

/// The class of a failure is of no further class.
fn failure(bytes: &[u8]) {
    let failure = Failure::target(text(bytes));
    let reason = failure.reason().to_owned();
    assert_eq!(Failure::target(reason.clone()).reason(), reason, "{:?}", text(bytes));
}

const FAILURES: [&str; 4] = [
    "no route to 10.1.2.3:8080 after 5.001s (os error 113)",
    "[fe80::1]:443 gave status 404 at 2020-02-01T00:00:00.5+02:00",
    "Session { id: 42, key: 0x7ffee3, u: 7c9e6679-7425-40de-944b-e07fc1f90ae7 } deadbeef01234567",
    "HTTP/1.1 503 for user 17: 12 ms, 3 kB",
];

targets! {
    /// Values of settings.
    settings_values(values, of_values());
    /// Thresholds, up to a verdict.
    thresholds_text(thresholds, THRESHOLDS);
    /// Profiles in one line, up to their arrivals.
    profile_line(profile, PROFILES);
    /// Profiles in files.
    profile_files_read(profile_file, profile_files());
    /// Think time, pacing, weights, templates, captures.
    iterations(iterating, of_iterating());
    /// Settings of a search.
    capacity_settings(search, searches());
    /// What a Prometheus server answers.
    prometheus_reply(prometheus, REPLIES);
    /// What kind of failure a text tells of.
    failure_classes(failure, FAILURES);
}
