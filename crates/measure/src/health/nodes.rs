//! The generator's health where it is several nodes.

use super::{GeneratorVerdict, HealthSummary, judge};

impl HealthSummary {
    /// One summary of several: the worst of each number, but the sums of what is counted.
    /// Whether the nodes kept up is for [`judge_nodes`] to say.
    pub fn worst(nodes: &[Self]) -> Self {
        let mut worst = Self::default();
        for node in nodes {
            worst.samples = worst.samples.saturating_add(node.samples);
            if worst.cores == 0.0 || node.cpu_max > worst.cpu_max {
                worst.cores = node.cores;
            }
            worst.cpu_mean = worst.cpu_mean.max(node.cpu_mean);
            worst.cpu_max = worst.cpu_max.max(node.cpu_max);
            worst.cpu_busy_samples = worst.cpu_busy_samples.saturating_add(node.cpu_busy_samples);
            if node.memory_max > worst.memory_max {
                (worst.memory_max, worst.memory_limit) = (node.memory_max, node.memory_limit);
            }
            if node.descriptors_max > worst.descriptors_max {
                worst.descriptors_max = node.descriptors_max;
                worst.descriptors_limit = node.descriptors_limit;
            }
            worst.loop_lag_p50 = worst.loop_lag_p50.max(node.loop_lag_p50);
            worst.loop_lag_p99 = worst.loop_lag_p99.max(node.loop_lag_p99);
            worst.loop_lag_max = worst.loop_lag_max.max(node.loop_lag_max);
            worst.admission_lag_p99 = worst.admission_lag_p99.max(node.admission_lag_p99);
            worst.schedule_lag_p99 = worst.schedule_lag_p99.max(node.schedule_lag_p99);
            worst.schedule_lag_max = worst.schedule_lag_max.max(node.schedule_lag_max);
            worst.arrivals_due = worst.arrivals_due.saturating_add(node.arrivals_due);
            worst.arrivals_dropped = worst.arrivals_dropped.saturating_add(node.arrivals_dropped);
            worst.arrivals_lost = worst.arrivals_lost.saturating_add(node.arrivals_lost);
            worst.slots_granted = worst.slots_granted.saturating_add(node.slots_granted);
            worst.slots_forfeited = worst.slots_forfeited.saturating_add(node.slots_forfeited);
            worst.attempts = worst.attempts.saturating_add(node.attempts);
            worst.own_failures = worst.own_failures.saturating_add(node.own_failures);
            worst.stalls.merge(&node.stalls);
            for spell in &node.spells {
                match worst.spells.iter_mut().find(|known| known.cause == spell.cause) {
                    Some(known) => known.merge(spell),
                    None => worst.spells.push(spell.clone()),
                }
            }
        }
        worst.spells.sort_by_key(|spell| spell.cause);
        worst
    }
}

/// Judges each node; the verdict is that on the worst, and each reason names its node.
pub fn judge_nodes<'a>(
    nodes: impl IntoIterator<Item = (&'a str, &'a HealthSummary)>,
) -> GeneratorVerdict {
    let mut judged: Vec<_> =
        nodes.into_iter().map(|(name, health)| (name, judge(health))).collect();
    // Stable: equally bad ones stay in the order they were given in.
    judged.sort_by_key(|(_, node)| std::cmp::Reverse(node.verdict));
    GeneratorVerdict {
        verdict: judged.first().map_or_else(Default::default, |(_, node)| node.verdict),
        reasons: judged
            .into_iter()
            .flat_map(|(name, node)| {
                node.reasons.into_iter().map(move |reason| format!("{name}: {reason}"))
            })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::health::Trust;

    fn late(millis: u64) -> HealthSummary {
        HealthSummary {
            loop_lag_p99: Duration::from_millis(millis),
            cpu_max: millis as f64 / 1e3,
            cores: millis as f64,
            slots_granted: 10,
            ..HealthSummary::default()
        }
    }

    #[test]
    fn the_worst_node_decides_and_is_named_first() {
        let (a, b, c) = (late(60), late(1), late(600));
        let verdict = judge_nodes([("a", &a), ("b", &b), ("c", &c)]);
        assert_eq!(verdict.verdict, Trust::Invalid);
        let starts: Vec<_> = verdict.reasons.iter().map(|reason| &reason[..22]).collect();
        assert_eq!(starts, ["c: the event loop was ", "a: the event loop was "]);
        assert_eq!(judge_nodes([("b", &b)]), GeneratorVerdict::default());
        assert_eq!(judge_nodes([]), GeneratorVerdict::default());
    }

    #[test]
    fn of_several_nodes_the_worst_is_shown_and_counts_are_added() {
        let worst = HealthSummary::worst(&[late(60), late(600), late(1)]);
        assert_eq!((worst.loop_lag_p99, worst.cores), (Duration::from_millis(600), 600.0));
        assert_eq!(worst.slots_granted, 30);
        assert_eq!(HealthSummary::worst(&[]), HealthSummary::default());
        assert_eq!(HealthSummary::worst(&[late(5)]), late(5));
    }
}
