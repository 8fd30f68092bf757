//! Under which names what happens to targets is measured, and how it is found again. Pure.
//!
//! They are counters and gauges like all others, so they are merged over workers and nodes as those
//! are. The kind stands before the target's name: a long name is cut at its end.

/// A counter of a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Count {
    /// How often it was picked.
    Picks,
    /// Successes reported from outside.
    Ups,
    /// Failures reported from outside.
    Downs,
    /// Health checks that it passed.
    ChecksPassed,
    /// Health checks that it failed.
    ChecksFailed,
    /// How often it went out.
    Outs,
    /// How long it was out.
    OutMs,
}

impl Count {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Picks,
        Self::Ups,
        Self::Downs,
        Self::ChecksPassed,
        Self::ChecksFailed,
        Self::Outs,
        Self::OutMs,
    ];

    const fn kind(self) -> &'static str {
        match self {
            Self::Picks => "picks",
            Self::Ups => "ups",
            Self::Downs => "downs",
            Self::ChecksPassed => "checks_passed",
            Self::ChecksFailed => "checks_failed",
            Self::Outs => "outs",
            Self::OutMs => "out_ms",
        }
    }
}

const PREFIX: &str = "target.";
const SCORE: &str = "score";

/// The names of one target's counters and of its gauge, made once.
#[derive(Debug)]
pub struct Names {
    counts: [String; 7],
    /// The gauge of its score.
    pub score: String,
}

impl Names {
    /// Those of a target.
    pub fn of(target: &str) -> Self {
        let name = |kind: &str| format!("{PREFIX}{kind}.{target}");
        Self { counts: Count::ALL.map(|count| name(count.kind())), score: name(SCORE) }
    }

    /// The name of that counter.
    pub fn count(&self, count: Count) -> &str {
        &self.counts[count as usize]
    }
}

/// Which counter of which target has this name; `None` if it is another's.
pub fn counter_of(name: &str) -> Option<(Count, &str)> {
    let (kind, target) = name.strip_prefix(PREFIX)?.split_once('.')?;
    let count = Count::ALL.into_iter().find(|count| count.kind() == kind)?;
    Some((count, target))
}

/// Of which target this gauge is the score; `None` if it is another's.
pub fn score_of(name: &str) -> Option<&str> {
    let (kind, target) = name.strip_prefix(PREFIX)?.split_once('.')?;
    (kind == SCORE).then_some(target)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_again() {
        let names = Names::of("10.0.0.1:80");
        for count in Count::ALL {
            assert_eq!(counter_of(names.count(count)), Some((count, "10.0.0.1:80")));
        }
        assert_eq!(score_of(&names.score), Some("10.0.0.1:80"));
        for other in ["bytes", "target", "target.", "target.picks", "target.shots.a", "picks.a"] {
            assert_eq!(counter_of(other), None, "{other}");
            assert_eq!(score_of(other), None, "{other}");
        }
        assert_eq!(counter_of("target.score.a"), None);
    }
}
