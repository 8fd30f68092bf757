//! Pure: what was said lately, so that it is not said all the time.

use std::{collections::HashMap, time::Duration};

/// The same is said again after so long.
const REPEAT: Duration = Duration::from_secs(60);

/// So many different things are remembered; beyond that nothing new is said for a while.
const MOST: usize = 256;

/// What was said, about whom, and when.
#[derive(Debug, Default)]
pub(super) struct Said {
    at: HashMap<(String, String), Duration>,
}

impl Said {
    /// Whether this is to be said now.
    pub(super) fn is_news(&mut self, whom: &str, what: &str, now: Duration) -> bool {
        let key = (whom.to_owned(), what.to_owned());
        self.at.retain(|_, at| now < *at + REPEAT);
        if self.at.contains_key(&key) || self.at.len() >= MOST {
            return false;
        }
        self.at.insert(key, now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_is_said_once_a_minute_and_never_too_much() {
        let mut said = Said::default();
        let second = Duration::from_secs;
        assert!(said.is_news("a", "no", second(0)));
        assert!(!said.is_news("a", "no", second(59)));
        assert!(said.is_news("a", "yes", second(59)));
        assert!(said.is_news("b", "no", second(59)));
        assert!(said.is_news("a", "no", second(60)));
        for number in 0..1_000 {
            said.is_news("a", &number.to_string(), second(60));
        }
        assert!(said.at.len() <= MOST);
        assert!(said.is_news("c", "no", second(200)));
    }
}
