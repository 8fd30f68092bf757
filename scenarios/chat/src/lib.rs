//! The `chat` scenario.
