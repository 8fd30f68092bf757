//! The verdict on a run so far, with a sentence for each reason.

use std::{cmp::Reverse, time::Duration};

use super::{
    ADMISSION_LAG_DEGRADED, ADMISSION_LAG_INVALID, CPU_BUSY, CPU_BUSY_SAMPLES_MIN,
    CPU_BUSY_SHARE_DEGRADED, Cores, DESCRIPTORS_DEGRADED, DROPPED_DEGRADED, FORFEITED_DEGRADED,
    FORFEITED_INVALID, FORFEITED_MIN, GeneratorVerdict, HealthSummary, IN_A_ROW, LOOP_LAG_DEGRADED,
    LOOP_LAG_INVALID, MEMORY_DEGRADED, OVERDUE_DEGRADED, OVERDUE_INVALID, OWN_FAILURES_DEGRADED,
    OWN_FAILURES_INVALID, SCHEDULE_DEGRADED, SCHEDULE_INVALID, STALL_DEGRADED, STALLED_DEGRADED,
    STALLED_INVALID, Trust,
    spell::{Blame, Cause, Spell},
};

/// Judges the generator by a whole run, and by the worst three seconds in a row of it. Each reason
/// names the number, the limit, from when to when it was so, and what to do about it.
pub fn judge(health: &HealthSummary) -> GeneratorVerdict {
    let judges = [
        slots,
        lost,
        loop_lag,
        schedule,
        admission,
        own_failures,
        dropped,
        cpu,
        descriptors,
        memory,
        stalls,
    ];
    let mut found: Vec<_> = judges.iter().filter_map(|judge| judge(health)).collect();
    // Stable: equally bad ones stay in the order above.
    found.sort_by_key(|(trust, _)| Reverse(*trust));
    GeneratorVerdict {
        verdict: found.first().map_or(Trust::Valid, |(trust, _)| *trust),
        reasons: found.into_iter().map(|(_, reason)| reason).collect(),
    }
}

type Found = Option<(Trust, String)>;

/// What the worst seconds in a row say, if that is worse than what the whole run says.
fn worse_spell(health: &HealthSummary, cause: Cause, whole: Trust) -> Option<(Trust, &Spell)> {
    let spell = health.spell(cause)?;
    (spell.verdict > whole).then_some((spell.verdict, spell))
}

fn trust_of<T>(grade: &Option<(Trust, T)>) -> Trust {
    grade.as_ref().map_or(Trust::Valid, |(trust, _)| *trust)
}

/// From when to when, if that is known.
fn when(health: &HealthSummary, cause: Cause) -> String {
    health.spell(cause).map(Spell::when).unwrap_or_default()
}

/// The limit that a grade broke.
fn limit_of<T>(trust: Trust, degraded: T, invalid: T) -> T {
    if trust == Trust::Invalid { invalid } else { degraded }
}

fn slots(health: &HealthSummary) -> Found {
    let remedy = "lower the rate or spread it over more nodes";
    let what = "throttle slots";
    let numbers = (health.slots_forfeited, health.slots_granted + health.slots_forfeited);
    missed(health, Cause::Slots, numbers, what, "forfeited because the generator was late", remedy)
}

fn lost(health: &HealthSummary) -> Found {
    let remedy = "lower the rate or add nodes";
    let numbers = (health.arrivals_lost, health.arrivals_due);
    let why = "dropped because the generator was late or a node was lost";
    missed(health, Cause::Lost, numbers, "arrivals", why, remedy)
}

/// What the generator had to do and did not: over the whole run, or else in some seconds of it.
fn missed(
    health: &HealthSummary,
    cause: Cause,
    (missed, of): (u64, u64),
    what: &str,
    why: &str,
    remedy: &str,
) -> Found {
    let share = share(missed, of);
    let whole = (missed >= FORFEITED_MIN)
        .then(|| grade(share, FORFEITED_DEGRADED, FORFEITED_INVALID))
        .flatten();
    let when = when(health, cause);
    if let Some((trust, spell)) = worse_spell(health, cause, trust_of(&whole)) {
        return Some((
            trust,
            format!(
                "up to {} of the {what} in a second were {why}, above the limit of {} for {IN_A_ROW} \
                 seconds in a row{when}: {remedy}",
                percent(spell.worst),
                percent(limit_of(trust, FORFEITED_DEGRADED, FORFEITED_INVALID)),
            ),
        ));
    }
    let (trust, limit) = whole?;
    Some((
        trust,
        format!(
            "{missed} of {of} {what} ({}) were {why}, above the limit of {}{when}: {remedy}",
            percent(share),
            percent(limit),
        ),
    ))
}

fn loop_lag(health: &HealthSummary) -> Found {
    let whole = grade(health.loop_lag_p99, LOOP_LAG_DEGRADED, LOOP_LAG_INVALID);
    let when = when(health, Cause::EventLoop);
    let blame = health.spell(Cause::EventLoop).and_then(|spell| spell.blame.as_ref());
    let (why, remedy) = match blame {
        Some(Blame::UserCode { name, worst }) => (
            format!("; meanwhile `{name}` ran for up to {} without awaiting", millis(*worst)),
            "move long computations out of the scenario's async code, to a blocking task",
        ),
        Some(Blame::Machine) => (
            "; the whole process stood still meanwhile".to_owned(),
            "end other programs on this machine, or give it more cores",
        ),
        Some(Blame::Load) => {
            ("; it had too much to do".to_owned(), "run fewer users on this machine, or add nodes")
        }
        None => (
            String::new(),
            "run fewer users on this machine, or move long computations out of the scenario's async \
             code",
        ),
    };
    if let Some((trust, spell)) = worse_spell(health, Cause::EventLoop, trust_of(&whole)) {
        return Some((
            trust,
            format!(
                "the event loop was more than {} late for up to {} of a second, above the limit of {} \
                 for {IN_A_ROW} seconds in a row{when}{why}: {remedy}",
                millis(LOOP_LAG_DEGRADED),
                percent(spell.worst),
                percent(limit_of(trust, OVERDUE_DEGRADED, OVERDUE_INVALID)),
            ),
        ));
    }
    let (trust, limit) = whole?;
    Some((
        trust,
        format!(
            "the event loop was {} late for 1% of the time, above the limit of {}{when}{why}: {remedy}",
            millis(health.loop_lag_p99),
            millis(limit),
        ),
    ))
}

/// Late in many seconds of a run, or in some in a row.
fn schedule(health: &HealthSummary) -> Found {
    let spell = health.spell(Cause::Schedule)?;
    let often = spell.seconds >= CPU_BUSY_SAMPLES_MIN
        && share(spell.seconds, health.samples) > CPU_BUSY_SHARE_DEGRADED;
    let trust = if often { spell.verdict.max(Trust::Degraded) } else { spell.verdict };
    (trust > Trust::Valid).then(|| {
        (
            trust,
            format!(
                "the latest hundredth of the arrivals in a second began {} late, above the limit of {}{}: \
                 lower the rate or add nodes",
                millis(Duration::try_from_secs_f64(spell.worst).unwrap_or_default()),
                millis(limit_of(trust, SCHEDULE_DEGRADED, SCHEDULE_INVALID)),
                spell.when(),
            ),
        )
    })
}

fn admission(health: &HealthSummary) -> Found {
    let (trust, limit) =
        grade(health.admission_lag_p99, ADMISSION_LAG_DEGRADED, ADMISSION_LAG_INVALID)?;
    Some((
        trust,
        format!(
            "users were admitted {} behind the user rate, above the limit of {}{}: lower the user \
             rate or add nodes",
            millis(health.admission_lag_p99),
            millis(limit),
            when(health, Cause::Admission),
        ),
    ))
}

fn own_failures(health: &HealthSummary) -> Found {
    let (failed, of) = (health.own_failures, health.attempts.max(health.own_failures));
    let share = share(failed, of);
    let whole = grade(share, OWN_FAILURES_DEGRADED, OWN_FAILURES_INVALID);
    let remedy = "see the generator's failures, and raise its limits or add nodes";
    let why = "failed because this machine ran out of something";
    let when = when(health, Cause::OwnFailures);
    if let Some((trust, spell)) = worse_spell(health, Cause::OwnFailures, trust_of(&whole)) {
        return Some((
            trust,
            format!(
                "up to {} of the attempts in a second {why}, above the limit of {} for {IN_A_ROW} \
                 seconds in a row{when}: {remedy}",
                percent(spell.worst),
                percent(limit_of(trust, OWN_FAILURES_DEGRADED, OWN_FAILURES_INVALID)),
            ),
        ));
    }
    let (trust, limit) = whole?;
    Some((
        trust,
        format!(
            "{failed} of {of} attempts ({}) {why}, above the limit of {}{when}: {remedy}",
            percent(share),
            percent(limit),
        ),
    ))
}

/// A limit that somebody set is no fault of the generator, but the load was another.
fn dropped(health: &HealthSummary) -> Found {
    let (dropped, of) = (health.arrivals_dropped, health.arrivals_due);
    let share = share(dropped, of);
    let spell = health.spell(Cause::Dropped);
    let in_a_row = spell.is_some_and(|spell| spell.verdict > Trust::Valid);
    ((share > DROPPED_DEGRADED && dropped >= FORFEITED_MIN) || in_a_row).then(|| {
        (
            Trust::Degraded,
            format!(
                "{dropped} of {of} arrivals ({}) were dropped for lack of users, above the limit of \
                 {}{}: raise `max` of the stage, or ask for less",
                percent(share),
                percent(DROPPED_DEGRADED),
                when(health, Cause::Dropped),
            ),
        )
    })
}

fn cpu(health: &HealthSummary) -> Found {
    let busy = health.cpu_busy_samples;
    if busy < CPU_BUSY_SAMPLES_MIN || share(busy, health.samples) <= CPU_BUSY_SHARE_DEGRADED {
        return None;
    }
    Some((
        Trust::Degraded,
        format!(
            "the generator used more than {} of its {} in {busy} of {} samples, above the limit of \
             {} of them{}: answers may seem slower than they are; run fewer users on this machine or \
             add nodes",
            percent(CPU_BUSY),
            Cores(health.cores),
            health.samples,
            percent(CPU_BUSY_SHARE_DEGRADED),
            when(health, Cause::Cpu),
        ),
    ))
}

fn descriptors(health: &HealthSummary) -> Found {
    let share = share(health.descriptors_max, health.descriptors_limit);
    (share > DESCRIPTORS_DEGRADED).then(|| {
        (
            Trust::Degraded,
            format!(
                "{} of {} file descriptors ({}) were open, above the limit of {}{}: raise the limit \
                 (ulimit -n) or add nodes",
                health.descriptors_max,
                health.descriptors_limit,
                percent(share),
                percent(DESCRIPTORS_DEGRADED),
                when(health, Cause::Descriptors),
            ),
        )
    })
}

fn memory(health: &HealthSummary) -> Found {
    let share = share(health.memory_max, health.memory_limit);
    (share > MEMORY_DEGRADED).then(|| {
        (
            Trust::Degraded,
            format!(
                "{} of {} MiB of memory ({}) were in use, above the limit of {}{}: run fewer users on \
                 this machine or add nodes",
                health.memory_max >> 20,
                health.memory_limit >> 20,
                percent(share),
                percent(MEMORY_DEGRADED),
                when(health, Cause::Memory),
            ),
        )
    })
}

fn stalls(health: &HealthSummary) -> Found {
    let stalls = &health.stalls;
    let whole = (stalls.worst > STALL_DEGRADED).then_some((Trust::Degraded, ()));
    let remedy = "nobody else could run on that worker; move the computation to a blocking task";
    let when = when(health, Cause::UserCode);
    if let Some((trust, spell)) = worse_spell(health, Cause::UserCode, trust_of(&whole)) {
        let whose = match stalls.worst_name.as_str() {
            "" => "user code".to_owned(),
            name => format!("`{name}`"),
        };
        return Some((
            trust,
            format!(
                "{whose} held up {} of the workers' time without awaiting, above the limit of {} for \
                 {IN_A_ROW} seconds in a row{when}: {remedy}",
                percent(spell.worst),
                percent(limit_of(trust, STALLED_DEGRADED, STALLED_INVALID)),
            ),
        ));
    }
    let (trust, ()) = whole?;
    Some((
        trust,
        format!(
            "`{}` ran for {} without awaiting, above the limit of {} ({} such in all){when}: {remedy}",
            stalls.worst_name,
            millis(stalls.worst),
            millis(STALL_DEGRADED),
            stalls.count,
        ),
    ))
}

/// The worse grade that a value has earned, with the limit it broke.
fn grade<T: PartialOrd>(value: T, degraded: T, invalid: T) -> Option<(Trust, T)> {
    if value > invalid {
        Some((Trust::Invalid, invalid))
    } else if value > degraded {
        Some((Trust::Degraded, degraded))
    } else {
        None
    }
}

fn share(part: u64, of: u64) -> f64 {
    if of == 0 { 0.0 } else { part as f64 / of as f64 }
}

fn percent(share: f64) -> String {
    let percent = share * 100.0;
    // Whole percents where they say enough.
    if percent >= 10.0 || percent.fract().abs() < 0.005 {
        format!("{percent:.0}%")
    } else {
        format!("{percent:.1}%")
    }
}

fn millis(duration: Duration) -> String {
    format!("{:.0} ms", duration.as_secs_f64() * 1e3)
}
