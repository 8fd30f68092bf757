//! The `idle` scenario.
