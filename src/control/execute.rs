//! Carries commands out.

use std::time::Duration;

use crowd_core::refusal::{Code, Refusal};
use tokio::time::Instant;

use super::{
    capacity,
    command::{Command, CoordinatorCommand, ThrottleCommand, help, parse_line},
    operations::{Operations, RunEnd},
    reply::Reply,
    view::{Dealt, ScenarioView},
};
use crate::{
    node::{RunState, Status},
    report::RunReport,
};

/// How often `wait` looks.
const WAIT_LOOK: Duration = Duration::from_millis(50);

/// Carries out one command.
///
/// # Errors
/// Whatever the node refuses; `bad-nodes` and `unavailable` for what only a cluster can do.
pub async fn execute(node: &impl Operations, command: Command) -> Result<Reply, Refusal> {
    match node.relay(&command).await {
        Some(answer) => answer,
        None => execute_here(node, command).await,
    }
}

/// Carries out a command that another node has taken here: its text for people and its JSON for
/// programs.
pub(crate) async fn relayed(
    node: &impl Operations,
    line: &str,
) -> Result<(String, String), Refusal> {
    let Some(command) = parse_line(line)? else {
        return Err(Refusal::new(Code::BadUsage, "an empty line is no command"));
    };
    let reply = execute_here(node, command).await?;
    let json = serde_json::to_string(&reply)
        .map_err(|fault| Refusal::new(Code::Unavailable, format!("no answer: {fault}")))?;
    Ok((reply.to_string(), json))
}

/// Carries out one command, which is this node's part.
pub(crate) async fn execute_here(
    node: &impl Operations,
    command: Command,
) -> Result<Reply, Refusal> {
    Ok(match command {
        Command::Do { scenario, users, settings } => {
            let dealt = node.start_run(&scenario, users, settings).await?;
            let Dealt { users, shares, notes } = dealt;
            Reply::Started { scenario, users, shares, notes }
        }
        Command::Add { count, nodes } => {
            check_nodes(node, &nodes).await?;
            Reply::Added(node.add(count, &nodes).await?)
        }
        Command::AddRange { first, last } => {
            Reply::Added(node.add_range(first, last).await?.into())
        }
        Command::Remove { count, force, nodes } => {
            check_nodes(node, &nodes).await?;
            let chosen = node.remove(count, force, &nodes).await?;
            Reply::Removed { asked: count, force, chosen }
        }
        Command::Stop => {
            node.stop().await?;
            Reply::Stopped(node.status().await?)
        }
        Command::StopGracefully => {
            node.stop_gracefully().await?;
            Reply::Stopped(node.status().await?)
        }
        Command::Reset => {
            node.reset().await?;
            node.desk().forget();
            Reply::Reset
        }
        Command::Set { settings, nodes } => {
            check_nodes(node, &nodes).await?;
            Reply::Set(node.set(settings, &nodes).await?)
        }
        Command::Status => Reply::Status(node.overview().await?),
        Command::Settings => {
            Reply::Settings(node.settings().await?.into_iter().map(Into::into).collect())
        }
        Command::Scenarios { name: None } => {
            let rate = node.user_rate();
            let views = node.catalog().iter().map(|all| ScenarioView::of(&**all, &rate));
            Reply::Scenarios(views.collect())
        }
        Command::Scenarios { name: Some(name) } => {
            Reply::Scenario(ScenarioView::of(&*node.catalog().get(&name)?, &node.user_rate()))
        }
        Command::Nodes => Reply::Nodes(node.nodes().await?),
        Command::Join { address } => {
            let name = node.join(&address).await?;
            Reply::Done(format!("connected to node `{name}` at {address}"))
        }
        Command::Drain { node: name } => {
            check_nodes(node, std::slice::from_ref(&name)).await?;
            let users = node.drain(&name).await?;
            Reply::Done(format!("node `{name}` gets no more users; {} moved", are(users)))
        }
        Command::Throttle(command) => throttle(node, command).await?,
        Command::Coordinator(command) => coordinator(node, command).await?,
        Command::Capacity(command) => capacity::execute(node, command).await?,
        Command::Users { limit } => Reply::Users {
            listed: node.users(limit).await?,
            running: node.status().await?.users.running,
        },
        Command::User { id } => Reply::User(node.user(id).await?),
        Command::Metrics { name } => Reply::Metrics(node.metrics(name.as_deref()).await?),
        Command::Report => Reply::Report(Box::new(report(node).await?)),
        Command::Wait { limit } => wait(node, limit).await?,
        Command::Help { verb } => Reply::Help(help(verb)),
        Command::Quit => Reply::Quit,
    })
}

/// Whether a run is on: it has begun and has not ended.
pub fn is_on(state: RunState) -> bool {
    matches!(state, RunState::Starting | RunState::Running | RunState::Terminating)
}

/// Whether nobody waits, runs or may still come of what was asked for so far.
pub fn all_gone(status: &Status) -> bool {
    match status.state {
        // More may come by the plan.
        RunState::Running if status.profile.is_some() => false,
        RunState::Running => status.users.waiting + status.users.running == 0,
        state => !is_on(state),
    }
}

/// The result of a run that is over: before, its verdict would say nothing.
async fn report(node: &impl Operations) -> Result<RunReport, Refusal> {
    let refused = |message: &str| Err(Refusal::new(Code::InvalidStatus, message));
    if is_on(node.status().await?.state) {
        return refused(
            "the run goes on, and its result is made when it is over: `metrics` tells how it goes, \
             `wait` waits for its users, `stop` ends it",
        );
    }
    match node.finish_report(RunEnd::Complete).await {
        Some(report) => Ok(report),
        None => refused("there is no run to tell about"),
    }
}

/// Waits until all users are gone or the time is up.
async fn wait(node: &impl Operations, limit: Option<Duration>) -> Result<Reply, Refusal> {
    let began = Instant::now();
    loop {
        let status = node.status().await?;
        let all_gone = all_gone(&status);
        let left = limit.map(|limit| limit.saturating_sub(began.elapsed()));
        if all_gone || left == Some(Duration::ZERO) {
            return Ok(Reply::Waited { all_gone, status });
        }
        tokio::time::sleep(left.unwrap_or(WAIT_LOOK).min(WAIT_LOOK)).await;
    }
}

/// Refuses names of nodes that are not there.
async fn check_nodes(node: &impl Operations, asked: &[String]) -> Result<(), Refusal> {
    if asked.is_empty() {
        return Ok(());
    }
    let nodes = node.nodes().await?;
    let strangers: Vec<_> = asked
        .iter()
        .filter(|name| nodes.iter().all(|node| node.name != **name))
        // Of what is no name the rest may be a secret.
        .map(|name| format!("`{}`", name.split('=').next().unwrap_or_default()))
        .collect();
    if strangers.is_empty() {
        return Ok(());
    }
    let known: Vec<_> = nodes.iter().map(|node| format!("`{}`", node.name)).collect();
    let alone = if nodes.len() == 1 { "; this node is not part of a cluster" } else { "" };
    Err(Refusal::new(
        Code::BadNodes,
        format!("no such node: {} (there is: {}){alone}", strangers.join(", "), known.join(", ")),
    ))
}

fn are(users: u64) -> String {
    if users == 1 { "1 user is".to_owned() } else { format!("{users} users are") }
}

async fn throttle(node: &impl Operations, command: ThrottleCommand) -> Result<Reply, Refusal> {
    let done = |name: &str, what: &str| Reply::Done(format!("throttle `{name}` {what}"));
    Ok(match command {
        ThrottleCommand::List => Reply::Throttles(node.throttles().await),
        ThrottleCommand::Info { name } => Reply::Throttle(node.throttle(&name).await?),
        ThrottleCommand::Start { name, rate } => {
            let new = node.throttle_start(&name, &rate).await?;
            let what = if new { "is started" } else { "was running at this rate already" };
            done(&name, what)
        }
        ThrottleCommand::Rate { name, rate } => {
            node.throttle_rate(&name, &rate).await?;
            done(&name, &format!("runs at {rate} now"))
        }
        ThrottleCommand::Ramp { name, ramp } => {
            node.throttle_ramp(&name, &ramp).await?;
            done(
                &name,
                &format!(
                    "goes from {} to {} over {}",
                    ramp.from,
                    ramp.to,
                    humantime::format_duration(ramp.over)
                ),
            )
        }
        ThrottleCommand::Pause { name } => {
            node.throttle_pause(&name).await?;
            done(&name, "is paused")
        }
        ThrottleCommand::Resume { name } => {
            node.throttle_resume(&name).await?;
            done(&name, "goes on")
        }
        ThrottleCommand::Unlock { name } => {
            node.throttle_unlock(&name).await?;
            done(&name, "lets everybody through")
        }
        ThrottleCommand::Stop { name } => {
            node.throttle_stop(&name).await?;
            done(&name, "is stopped")
        }
    })
}

async fn coordinator(
    node: &impl Operations,
    command: CoordinatorCommand,
) -> Result<Reply, Refusal> {
    Ok(match command {
        CoordinatorCommand::List => Reply::Coordinators(node.coordinators().await),
        CoordinatorCommand::Reset { name } => {
            node.coordinator_reset(&name).await?;
            Reply::Done(format!("coordinator `{name}` begins anew"))
        }
        CoordinatorCommand::Stop { name } => {
            node.coordinator_stop(&name).await?;
            Reply::Done(format!("coordinator `{name}` is stopped"))
        }
    })
}

#[cfg(test)]
mod tests;
