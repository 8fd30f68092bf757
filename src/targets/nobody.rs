//! The answer when no target can be picked. Pure.

use std::fmt;

/// How many targets are named.
const MOST_NAMED: usize = 3;

/// No target can be picked: none is listed, or the score of each is below 0.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct NobodyLeft {
    /// The targets, in the order of the list, each with its last failure if it had any.
    pub targets: Vec<(String, Option<String>)>,
}

impl fmt::Display for NobodyLeft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.targets.len();
        match count {
            0 => return f.write_str("no target is listed"),
            1 => f.write_str("the only target is out")?,
            _ => write!(f, "all {count} targets are out")?,
        }
        for (at, (name, error)) in self.targets.iter().take(MOST_NAMED).enumerate() {
            f.write_str(if at == 0 { ": " } else { "; " })?;
            match error {
                Some(error) => write!(f, "{name}: {error}")?,
                None => write!(f, "{name}: not checked yet")?,
            }
        }
        match count.saturating_sub(MOST_NAMED) {
            0 => Ok(()),
            1 => f.write_str("; and another"),
            rest => write!(f, "; and {rest} others"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_names_the_targets_and_their_last_failures() {
        let left = |count: usize| {
            let target = |n| (format!("host-{n}:80"), (n != 1).then(|| "refused".to_owned()));
            NobodyLeft { targets: (0..count).map(target).collect() }.to_string()
        };
        insta::assert_snapshot!([0, 1, 2, 4, 9].map(left).join("\n"), @r"
        no target is listed
        the only target is out: host-0:80: refused
        all 2 targets are out: host-0:80: refused; host-1:80: not checked yet
        all 4 targets are out: host-0:80: refused; host-1:80: not checked yet; host-2:80: refused; and another
        all 9 targets are out: host-0:80: refused; host-1:80: not checked yet; host-2:80: refused; and 6 others
        ");
    }
}
