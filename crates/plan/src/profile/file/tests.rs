use super::*;

const STAGES: &str = r#"
[[stages]]
duration = "10s"
users = { from = 0, to = 100, curve = "quadratic" }

[[stages]]
duration = "1m"
rate = "50/s"
max_users = 200

[[stages]]
duration = "1m"
rate = { from = "10/s", to = "1200/min" }

[[stages]]
duration = "5s"
pause = true
"#;

fn told(text: &str, format: Format) -> String {
    Profile::read(text, format).map_or_else(|faults| faults.to_string(), |all| all.to_string())
}

#[test]
fn toml_and_json_say_the_same() {
    let line = "10s: 0 -> 100 quadratic, 1m: 50/s max 200, 1m: 10/s -> 20/s, 5s: pause";
    assert_eq!(told(STAGES, Format::Toml), line);
    let json = r#"{"stages": [
        {"duration": "10s", "users": {"from": 0, "to": 100, "curve": "quadratic"}},
        {"duration": "1m", "rate": "50/s", "max_users": 200},
        {"duration": "1m", "rate": {"from": "10/s", "to": "1200/min"}},
        {"duration": "5s", "pause": true}]}"#;
    assert_eq!(told(json, Format::Json), line);
}

#[test]
fn a_byte_order_mark_is_no_part_of_a_file() {
    let line = "3s: 20/min";
    let toml = "\u{feff}[[stages]]\nduration = \"3s\"\nrate = \"20/min\"";
    assert_eq!(told(toml, Format::Toml), line);
    let json = "\u{feff}{\"stages\": [{\"duration\": \"3s\", \"rate\": \"20/min\"}]}";
    assert_eq!(told(json, Format::Json), line);
}

#[test]
fn a_stage_may_go_in_steps_or_have_a_spike() {
    let text = r#"
[[stages]]
duration = "30s"
rate = { from = "10/s", to = "30/s" }
steps = 3
[[stages]]
duration = "1m"
users = { from = 5, to = 50 }
spike = { at = "20s", lasts = "5s" }
"#;
    let line = "10s: 10/s, 10s: 20/s, 10s: 30/s, 20s: 5, 5s: 50, 35s: 5";
    assert_eq!(told(text, Format::Toml), line);
}

#[test]
fn a_shape_is_written_out() {
    let spike = "[shape]\nkind = \"spike\"\nmetric = \"rate\"\nbaseline = \"5/s\"\n\
                 peak = \"50/s\"\nramp_up = \"10s\"\nhold = \"20s\"\nramp_down = \"5s\"";
    assert_eq!(told(spike, Format::Toml), "10s: 5/s -> 50/s, 20s: 50/s, 5s: 50/s -> 5/s");
    let stairs =
        r#"{"shape": {"kind": "stairs", "start": 1, "step": 1.5, "steps": 3, "each": "1s"}}"#;
    assert_eq!(told(stairs, Format::Json), "1s: 1, 1s: 3, 1s: 4");
    let rates = "[shape]\nkind = \"stairs\"\nmetric = \"rate\"\nstart = 0\nstep = \"1.5/min\"\n\
                 steps = 3\neach = \"1s\"";
    assert_eq!(told(rates, Format::Toml), "1s: 0/s, 1s: 0.025/s, 1s: 0.05/s");
    let down = rates.replace("start = 0", "start = \"3/min\"").replace("1.5/min", "-1.5/min");
    assert_eq!(told(&down, Format::Toml), "1s: 0.05/s, 1s: 0.025/s, 1s: 0/s");
}

#[test]
fn what_is_wrong_is_told() {
    let told_all: Vec<_> = [
        "",
        "[[stages]]\nduration = \"10s\"",
        "[[stages]]\nduration = \"10s\"\nusers = 5\nmax_users = 3\n[[stages]]\nduration = \"x\"\nusers = 1",
        "[[stages]]\nduration = \"10s\"\nuser = 5",
        "[shape]\nkind = \"stairs\"\nstart = 1\nstep = 1\nsteps = 3\neach = \"0s\"",
        "[[stages]]\nduration = \"10s\"\nusers = 5\n[shape]\nkind = \"ramp-hold\"\ntarget = 1\nramp = \"1s\"\nhold = \"1s\"",
        "stages = 5 5",
        "stages = 5",
        "[[stages]]\nduration = \"1s\"\nrate = 10\n[[stages]]\nduration = \"1s\"\nrate = { from = 0, to = \"20\" }",
    ]
    .into_iter()
    .map(|text| told(text, Format::Toml))
    .collect();
    insta::assert_snapshot!(told_all.join("\n--\n"), @r"
    there are no `stages`, and no `shape`
    --
    stage 1: give one of `users`, `rate` and `pause = true`
    --
    stage 1: `max_users` is for a rate; users are limited already
    stage 2: duration: `x` is no time: expected number at 0
    --
    stage 1: give one of `users`, `rate` and `pause = true`
    stage 1: `user` is none of the fields `duration`, `users`, `rate`, `max_users`, `steps`, `spike`, `pause`; did you mean `users`?
    --
    the shape takes no time
    --
    give `stages` or a `shape`, not both
    --
    TOML parse error at line 1, column 10
      |
    1 | stages = 5 5
      |          ^^^
    string values must be quoted, expected literal string
    --
    `stages` is no list of stages
    --
    stage 1: rate: `10` is no rate: write 10/s or 10/min
    stage 2: rate: to: `20` is no rate: write 20/s or 20/min
    ");
}

#[test]
fn every_fault_of_every_stage_is_told_at_once() {
    let text = r#"
stage = 3
[[stages]]
duration = 30
users = "many"
steps = -1
colour = "red"
[[stages]]
rate = { from = "1/parsec", too = "2/s", curve = "cubic" }
max_users = 2.5
spike = { at = "soon" }
[[stages]]
duration = "0s"
users = 2.5
[[stages]]
duration = "3s"
pause = "yes"
[[stages]]
duration = "10s"
users = { from = 1, to = 2 }
rate = "2/s"
steps = 2
spike = { at = "1s", lasts = "1s" }
"#;
    insta::assert_snapshot!(told(text, Format::Toml), @r#"
    `stage` is none of the fields `stages`, `shape`; did you mean `stages`?
    stage 1: duration: `30` is no time: write one such as "30s"
    stage 1: users: `many` is no number
    stage 1: steps: `-1` is no whole number from 0
    stage 1: `colour` is none of the fields `duration`, `users`, `rate`, `max_users`, `steps`, `spike`, `pause`
    stage 2: `duration` is missing
    stage 2: rate: from: `1/parsec` is not a rate: `parsec` is not an interval such as s, min, 5s or 20ms; write 100/s, 6000/min, 100 per 5s, every 20ms, 8 at once, unlimited or 0
    stage 2: rate: `to` is missing
    stage 2: rate: curve: no curve `cubic`: linear, quadratic or exponential
    stage 2: rate: `too` is none of the fields `from`, `to`, `curve`; did you mean `to`?
    stage 2: max_users: `2.5` is no whole number from 0
    stage 2: spike: at: `soon` is no time: expected number at 0
    stage 2: spike: `lasts` is missing
    stage 3: it takes no time; give it a duration such as `30s`
    stage 3: 2.5 users make no sense: write 3
    stage 4: pause: `yes` is neither true nor false
    stage 5: give one of `users`, `rate` and `pause = true`
    stage 5: give `steps` or a `spike`, not both
    "#);
    let shape = r#"{"shape": {"kind": "spike", "metric": "rate", "baseline": 5, "peak": "9", "ramp_up": 3,
        "hold": "1 parsec", "recover": "3s"}}"#;
    insta::assert_snapshot!(told(shape, Format::Json), @r#"
    shape: baseline: `5` is no rate: write 5/s or 5/min
    shape: peak: `9` is no rate: write 9/s or 9/min
    shape: ramp_up: `3` is no time: write one such as "30s"
    shape: hold: `1 parsec` is no time: unknown time unit "parsec", supported units: ns, us/µs, ms, sec, min, hours, days, weeks, months, years (and few variations)
    shape: `ramp_down` is missing
    shape: `recover` is none of the fields `kind`, `metric`, `baseline`, `peak`, `ramp_up`, `hold`, `ramp_down`, `recovery`; did you mean `recovery`?
    "#);
    let none = r#"{"shape": {"kind": "circle", "metric": "apples"}}"#;
    insta::assert_snapshot!(told(none, Format::Json), @r"
    shape: metric: `apples` is no metric: users or rate
    shape: no kind `circle`: spike, stairs or ramp-hold
    ");
    let many = r#"{"shape": {"kind": "stairs", "start": 0, "step": -1, "steps": 4000000000, "each": "1s"}}"#;
    insta::assert_snapshot!(told(many, Format::Json), @"shape: 4000000000 steps are too many; 1000 are the most");
}
