//! Pure: where in its life a search is: stopped, running, done, and never back. States, texts and
//! rules are those of the Mattermost coordinator.

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// Where in its life a search is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum SearchState {
    /// It has not begun.
    #[default]
    Stopped,
    /// It goes on.
    Running,
    /// It is over.
    Done,
}

/// Why nothing was done with a search.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SearchError {
    /// It does not go on.
    #[error("coordinator is not running")]
    NotRunning,
    /// It goes on already.
    #[error("coordinator has not stopped")]
    NotStopped,
    /// It is over.
    #[error("coordinator is already done")]
    AlreadyDone,
    /// There is no state of that name.
    #[error("unknown state")]
    InvalidState,
}

impl fmt::Display for SearchState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stopped => "stopped",
            Self::Running => "running",
            Self::Done => "done",
        })
    }
}

impl FromStr for SearchState {
    type Err = SearchError;

    fn from_str(text: &str) -> Result<Self, SearchError> {
        [Self::Stopped, Self::Running, Self::Done]
            .into_iter()
            .find(|state| state.to_string().eq_ignore_ascii_case(text))
            .ok_or(SearchError::InvalidState)
    }
}

impl Serialize for SearchState {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for SearchState {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// The life of one search. Times are those of the calendar, since 1970.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Lifecycle {
    state: SearchState,
    start: Option<Duration>,
    stop: Option<Duration>,
}

impl Lifecycle {
    /// Where in it the search is.
    pub fn state(&self) -> SearchState {
        self.state
    }

    /// When it began.
    pub fn start(&self) -> Option<Duration> {
        self.start
    }

    /// When it was over.
    pub fn stop(&self) -> Option<Duration> {
        self.stop
    }

    /// It begins.
    ///
    /// # Errors
    /// If it has begun before.
    pub fn run(&mut self, now: Duration) -> Result<(), SearchError> {
        match self.state {
            SearchState::Stopped => {
                self.state = SearchState::Running;
                self.start = Some(now);
                Ok(())
            }
            SearchState::Running => Err(SearchError::NotStopped),
            SearchState::Done => Err(SearchError::AlreadyDone),
        }
    }

    /// It is over.
    ///
    /// # Errors
    /// If it does not go on.
    pub fn end(&mut self, now: Duration) -> Result<(), SearchError> {
        if self.state != SearchState::Running {
            return Err(SearchError::NotRunning);
        }
        self.state = SearchState::Done;
        self.stop = Some(now);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_search_begins_once_and_ends_once() {
        let mut life = Lifecycle::default();
        assert_eq!(life.state(), SearchState::Stopped);
        assert_eq!(life.end(SECOND), Err(SearchError::NotRunning));
        assert_eq!(life.run(SECOND), Ok(()));
        assert_eq!(life.state(), SearchState::Running);
        assert_eq!(life.run(SECOND), Err(SearchError::NotStopped));
        assert_eq!(life.end(SECOND * 2), Ok(()));
        assert_eq!(life.state(), SearchState::Done);
        assert_eq!(life.run(SECOND), Err(SearchError::AlreadyDone));
        assert_eq!(life.end(SECOND), Err(SearchError::NotRunning));
        assert!(life.stop() > life.start());
    }

    #[test]
    fn the_texts_of_errors_are_relied_on() {
        for (error, text) in [
            (SearchError::NotRunning, "coordinator is not running"),
            (SearchError::NotStopped, "coordinator has not stopped"),
            (SearchError::AlreadyDone, "coordinator is already done"),
            (SearchError::InvalidState, "unknown state"),
        ] {
            assert_eq!(error.to_string(), text);
        }
    }

    #[test]
    fn states_go_through_json_and_back_in_any_case() {
        for (state, text) in [
            (SearchState::Stopped, "\"stopped\""),
            (SearchState::Running, "\"running\""),
            (SearchState::Done, "\"done\""),
        ] {
            assert_eq!(serde_json::to_string(&state).unwrap(), text);
            assert_eq!(serde_json::from_str::<SearchState>(text).unwrap(), state);
            let loud = text.to_uppercase();
            assert_eq!(serde_json::from_str::<SearchState>(&loud).unwrap(), state);
        }
        let fault = serde_json::from_str::<SearchState>("\"paused\"").unwrap_err();
        assert!(fault.to_string().starts_with("unknown state"), "{fault}");
        assert_eq!("".parse::<SearchState>(), Err(SearchError::InvalidState));
    }
}
