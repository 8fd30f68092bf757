//! Who carries out what is typed: the node of this process, or one elsewhere.

use std::future::Future;

use crowd_core::settings::Update;

use super::completion::Known;
use crate::control::{
    command::Command, execute::execute, operations::Operations, view::ScenarioView,
};

/// What a console needs of a node.
pub(in crate::control) trait Operator: Clone + Send + Sync + 'static {
    /// Carries out a command: the answer, or why there is none. Dropping it ends a `wait`.
    fn carry_out(&self, command: Command) -> impl Future<Output = Result<String, String>> + Send;

    /// The names there are just now; `None` if they cannot be learnt.
    fn known(&self) -> impl Future<Output = Option<Known>> + Send;

    /// Resolves when nothing will ever be carried out any more.
    fn broken(&self) -> impl Future<Output = ()> + Send;
}

/// The node of this process.
#[derive(Debug, Clone)]
pub(super) struct Local<N>(pub(super) N);

impl<N: Operations> Operator for Local<N> {
    async fn carry_out(&self, command: Command) -> Result<String, String> {
        let outcome = execute(&self.0, command).await;
        outcome.map(|reply| reply.to_string()).map_err(|refusal| refusal.to_string())
    }

    async fn known(&self) -> Option<Known> {
        let node = &self.0;
        let mut fresh = Known::default();
        for scenario in node.catalog().iter() {
            let view = ScenarioView::of(&**scenario, "unlimited");
            let secret = view.settings.iter().filter(|setting| setting.secret);
            fresh.secrets.extend(secret.map(|setting| setting.name.clone()));
            let settings = view.settings.into_iter().map(|setting| setting.name).collect();
            fresh.scenarios.push((view.name, settings));
        }
        let settings = node.settings().await.unwrap_or_default();
        fresh.changeable = settings
            .into_iter()
            .filter(|setting| setting.declaration.update != Update::ReadOnly)
            .map(|setting| setting.declaration.name)
            .collect();
        fresh.throttles = node.throttles().await.into_iter().map(|all| all.name).collect();
        fresh.coordinators = node.coordinators().await.into_iter().map(|all| all.name).collect();
        let nodes = node.nodes().await.unwrap_or_default();
        fresh.nodes = nodes.into_iter().map(|node| node.name).collect();
        Some(fresh)
    }

    async fn broken(&self) {
        self.0.broken().await;
    }
}
