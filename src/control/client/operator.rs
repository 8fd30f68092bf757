//! A node elsewhere as what a console works with.

use std::{future, time::Duration};

use crowd_core::printable::is_printable;
use serde_json::Value;
use tokio::time::timeout;

use super::Client;
use crate::control::{
    command::Command,
    console::{completion::Known, operator::Operator},
};

/// How long completion may keep the prompt away to learn names.
const LEARNING: Duration = Duration::from_secs(1);

/// The node a client asks.
#[derive(Debug, Clone)]
pub(in crate::control) struct Remote(pub(super) Client);

impl Remote {
    /// What a command tells programs; nothing if it is refused (without a run, say); `None`
    /// without a node.
    async fn data(&self, command: &str) -> Option<Value> {
        let answer = self.0.command(command).await.ok()?;
        let outcome = self.0.outcome(&answer).ok()?;
        Some(outcome.map_or(Value::Null, |done| done.into_data()))
    }
}

impl Operator for Remote {
    async fn carry_out(&self, command: Command) -> Result<String, String> {
        let Self(client) = self;
        let told = client.command(&command.to_string()).await.and_then(|all| client.outcome(&all));
        match told {
            Ok(Ok(done)) => Ok(done.text),
            Ok(Err(refused)) => Err(refused.to_string()),
            Err(fault) => Err(format!("{fault}; the next command tries again")),
        }
    }

    async fn known(&self) -> Option<Known> {
        let all = async {
            tokio::join!(
                self.data("scenarios"),
                self.data("settings"),
                self.data("throttle list"),
                self.data("coordinator list"),
                self.data("nodes"),
            )
        };
        let (scenarios, settings, throttles, coordinators, nodes) =
            timeout(LEARNING, all).await.ok()?;
        let scenarios = scenarios?;
        let declared = items(&scenarios).flat_map(|scenario| items(&scenario["settings"]));
        let secrets =
            declared.filter(|setting| setting["secret"] == true).filter_map(name).collect();
        let scenarios = items(&scenarios)
            .filter_map(|scenario| Some((name(scenario)?, names(&scenario["settings"]))));
        let settings = settings?;
        let changeable = items(&settings).filter(|setting| setting["changes"] == true);
        Some(Known {
            scenarios: scenarios.collect(),
            changeable: changeable.filter_map(name).collect(),
            secrets,
            throttles: names(&throttles?),
            coordinators: names(&coordinators?),
            nodes: names(&nodes?),
        })
    }

    /// Never: a node that is gone may come back.
    async fn broken(&self) {
        future::pending().await
    }
}

fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

/// A name that is offered for completion: none that would drive a terminal.
fn name(item: &Value) -> Option<String> {
    let name = item["name"].as_str()?;
    name.chars().all(is_printable).then(|| name.to_owned())
}

fn names(list: &Value) -> Vec<String> {
    items(list).filter_map(name).collect()
}
