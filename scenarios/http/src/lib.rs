//! The `http` scenario.
