use proptest::prelude::*;

use super::*;

/// A generator that has plenty of everything.
fn well() -> HealthSummary {
    HealthSummary {
        samples: 60,
        cores: 2.0,
        cpu_mean: 0.4,
        cpu_max: 0.7,
        memory_max: 100 << 20,
        memory_limit: 8 << 30,
        descriptors_max: 100,
        descriptors_limit: 1_024,
        loop_lag_p99: Duration::from_millis(2),
        slots_granted: 60_000,
        attempts: 60_000,
        ..HealthSummary::default()
    }
}

fn only_reason(health: &HealthSummary) -> (Trust, String) {
    let verdict = judge(health);
    assert_eq!(verdict.reasons.len(), 1, "{verdict:?}");
    (verdict.verdict, verdict.reasons[0].clone())
}

#[test]
fn plenty_of_everything_is_valid() {
    assert_eq!(judge(&well()), GeneratorVerdict::default());
    assert_eq!(judge(&HealthSummary::default()), GeneratorVerdict::default());
}

#[test]
fn a_machine_at_full_load_is_degraded_and_not_invalid() {
    let health = HealthSummary { cpu_mean: 1.0, cpu_max: 1.0, cpu_busy_samples: 60, ..well() };
    let (trust, reason) = only_reason(&health);
    assert_eq!(trust, Trust::Degraded);
    insta::assert_snapshot!(reason, @"the generator used more than 90% of its 2 cores in 60 of 60 samples, above the limit of 10% of them: answers may seem slower than they are; run fewer users on this machine or add nodes");
}

#[test]
fn busy_for_a_moment_is_valid() {
    assert_eq!(
        judge(&HealthSummary { cpu_busy_samples: 2, samples: 4, ..well() }).verdict,
        Trust::Valid
    );
    assert_eq!(judge(&HealthSummary { cpu_busy_samples: 6, ..well() }).verdict, Trust::Valid);
    assert_eq!(judge(&HealthSummary { cpu_busy_samples: 7, ..well() }).verdict, Trust::Degraded);
}

#[test]
fn forfeited_slots_are_judged_by_their_share() {
    let of = |forfeited| HealthSummary {
        slots_granted: 1_000 - forfeited,
        slots_forfeited: forfeited,
        ..well()
    };
    assert_eq!(judge(&of(10)).verdict, Trust::Valid);
    assert_eq!(judge(&of(11)).verdict, Trust::Degraded);
    assert_eq!(judge(&of(50)).verdict, Trust::Degraded);
    let (trust, reason) = only_reason(&of(51));
    assert_eq!(trust, Trust::Invalid);
    insta::assert_snapshot!(reason, @"51 of 1000 throttle slots (5.1%) were forfeited because the generator was late, above the limit of 5%: lower the rate or spread it over more nodes");
}

#[test]
fn a_few_slots_prove_nothing() {
    let health = HealthSummary { slots_granted: 4, slots_forfeited: 4, ..well() };
    assert_eq!(judge(&health).verdict, Trust::Valid);
}

#[test]
fn loop_lag_spoils_the_result() {
    let late = |ms| HealthSummary { loop_lag_p99: Duration::from_millis(ms), ..well() };
    assert_eq!(judge(&late(50)).verdict, Trust::Valid);
    assert_eq!(judge(&late(51)).verdict, Trust::Degraded);
    let (trust, reason) = only_reason(&late(501));
    assert_eq!(trust, Trust::Invalid);
    insta::assert_snapshot!(reason, @"the event loop was 501 ms late for 1% of the time, above the limit of 500 ms: run fewer users on this machine, or move long computations out of the scenario's async code");
}

#[test]
fn late_users_are_named() {
    let late = |ms| HealthSummary { admission_lag_p99: Duration::from_millis(ms), ..well() };
    assert_eq!(judge(&late(500)).verdict, Trust::Valid);
    let (trust, reason) = only_reason(&late(2_500));
    assert_eq!(trust, Trust::Degraded);
    insta::assert_snapshot!(reason, @"users were admitted 2500 ms behind the user rate, above the limit of 500 ms: lower the user rate or add nodes");
    assert_eq!(judge(&late(5_001)).verdict, Trust::Invalid);
}

#[test]
fn failures_of_the_generator_are_its_own() {
    let failed = |own_failures| HealthSummary { own_failures, attempts: 10_000, ..well() };
    assert_eq!(judge(&failed(10)).verdict, Trust::Valid);
    assert_eq!(judge(&failed(11)).verdict, Trust::Degraded);
    let (trust, reason) = only_reason(&failed(2_000));
    assert_eq!(trust, Trust::Invalid);
    insta::assert_snapshot!(reason, @"2000 of 10000 attempts (20%) failed because this machine ran out of something, above the limit of 5%: see the generator's failures, and raise its limits or add nodes");
}

#[test]
fn descriptors_memory_and_stalls_degrade() {
    let health = HealthSummary {
        descriptors_max: 1_000,
        memory_max: 7_900 << 20,
        stalls: StallNumbers {
            count: 3,
            worst: Duration::from_millis(900),
            worst_name: "chat".to_owned(),
        },
        ..well()
    };
    let verdict = judge(&health);
    assert_eq!(verdict.verdict, Trust::Degraded);
    insta::assert_snapshot!(verdict.reasons.join("\n"), @r"
    1000 of 1024 file descriptors (98%) were open, above the limit of 90%: raise the limit (ulimit -n) or add nodes
    7900 of 8192 MiB of memory (96%) were in use, above the limit of 90%: run fewer users on this machine or add nodes
    `chat` ran for 900 ms without awaiting, above the limit of 250 ms (3 such in all): nobody else could run on that worker; move the computation to a blocking task
    ");
}

#[test]
fn the_worst_reason_comes_first() {
    let health = HealthSummary {
        loop_lag_p99: Duration::from_millis(100),
        admission_lag_p99: Duration::from_secs(60),
        ..well()
    };
    let verdict = judge(&health);
    assert_eq!(verdict.verdict, Trust::Invalid);
    assert!(verdict.reasons[0].starts_with("users were admitted"), "{verdict:?}");
    assert_eq!(verdict.reasons.len(), 2);
}

proptest! {
    /// Worse numbers never earn a better verdict, and a verdict below VALID always says why.
    #[test]
    fn worse_is_never_judged_better(
        lag in 0..2_000u64, more_lag in 0..2_000u64,
        forfeited in 0..200u64, more_forfeited in 0..200u64,
        busy in 0..30u64, more_busy in 0..30u64,
    ) {
        let health = |lag, forfeited, busy| HealthSummary {
            loop_lag_p99: Duration::from_millis(lag),
            slots_granted: 1_000,
            slots_forfeited: forfeited,
            cpu_busy_samples: busy,
            ..well()
        };
        let better = judge(&health(lag, forfeited, busy));
        let worse = judge(&health(lag + more_lag, forfeited + more_forfeited, busy + more_busy));
        prop_assert!(better.verdict <= worse.verdict);
        prop_assert_eq!(better.verdict == Trust::Valid, better.reasons.is_empty());
    }
}
