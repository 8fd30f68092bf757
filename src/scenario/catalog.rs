//! The scenarios compiled into a node, by name.

use std::{collections::BTreeMap, sync::Arc};

use crowd_core::{
    refusal::{Code, Refusal},
    suggestion::did_you_mean,
};

use super::{
    Scenario,
    erased::{Entry, Registered},
};

/// The scenarios a node knows. The node's `main` names each of them: that list is the one place
/// where a reader learns what the binary can do.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    scenarios: BTreeMap<&'static str, Arc<dyn Registered>>,
}

impl Catalog {
    /// A catalog of nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a scenario; one of the same name is replaced.
    #[must_use]
    pub fn with<S: Scenario>(mut self) -> Self {
        self.scenarios.insert(S::NAME, Arc::new(Entry::<S>::new()));
        self
    }

    /// The scenario of that name.
    ///
    /// # Errors
    /// `no-such-scenario`, naming those there are and the one perhaps meant.
    pub fn get(&self, name: &str) -> Result<Arc<dyn Registered>, Refusal> {
        self.scenarios.get(name).cloned().ok_or_else(|| {
            let known: Vec<_> = self.names().collect();
            let near = did_you_mean(name, known.iter().copied());
            Refusal::new(
                Code::NoSuchScenario,
                format!(
                    "no scenario `{name}` is compiled in (there are: {}){near}",
                    known.join(", ")
                ),
            )
        })
    }

    /// The names, in order.
    pub fn names(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.scenarios.keys().copied()
    }

    /// The scenarios, in order of their names.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<dyn Registered>> + '_ {
        self.scenarios.values()
    }
}
