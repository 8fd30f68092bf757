//! What a node of this process is started for, from its start to its end.

use std::{
    fs,
    io::{self, IsTerminal},
    sync::Arc,
};

use crowd_core::{settings::env::ProcessEnvironment, telemetry::Telemetry};
use tokio::io::BufReader;

use super::{complain, new_runtime, outcome, say};
use crate::{
    control::{
        api::listen,
        boot::{self, BootFault, BootOptions, Prepared},
        capacity::once::{self, CapacityOptions},
        console,
        exit::Exit,
        logging::Logs,
        operations::Operations,
        run::{self, RunOptions},
        serving::Serving,
        signals::EndSignals,
        table::wants_colour,
    },
    node::{
        ClusterNode, Node,
        weak::{listening, weak},
    },
    report::{Colour, RunReport, json, text},
    scenario::catalog::Catalog,
    settings::NodeSettings,
};

/// What a node is started for.
pub(super) enum Work {
    Console,
    Start,
    Run(RunOptions),
    Capacity(Box<CapacityOptions>),
}

/// Starts a node and works with it.
pub(super) fn on_node(catalog: Catalog, options: BootOptions, work: Work) -> Exit {
    let runtime = match new_runtime() {
        Ok(runtime) => runtime,
        Err(exit) => return exit,
    };
    let exit = runtime.block_on(async {
        // Before anything else: process 1 never hears again of a signal it had no handler for.
        let signals = match EndSignals::listen() {
            Ok(signals) => signals,
            Err(error) => return outcome(Err(error)),
        };
        let prepared = match boot::prepare(&catalog, &options) {
            Ok(prepared) => prepared,
            Err(fault) => {
                complain(&fault);
                return fault.exit();
            }
        };
        let settings = prepared.settings.clone();
        let environment = Arc::new(ProcessEnvironment);
        // One run is of this node alone, whatever its settings say of others.
        let alone = settings.cookie.is_none() || matches!(work, Work::Run(_) | Work::Capacity(_));
        let exit = if alone {
            match Node::start(settings, catalog, environment).await {
                Ok(node) => {
                    look_at_token(node.telemetry(), &prepared.settings, &work);
                    work_with(signals, node, prepared, work).await
                }
                Err(refusal) => return BootFault::Node(refusal).say(),
            }
        } else {
            match ClusterNode::start(settings, catalog, environment).await {
                Ok(node) => {
                    look_at_token(node.node().telemetry(), &prepared.settings, &work);
                    work_with(signals, node, prepared, work).await
                }
                Err(refusal) => return BootFault::Node(refusal).say(),
            }
        };
        outcome(exit)
    });
    // A read from standard input cannot be called off, and nothing that matters runs any more.
    runtime.shutdown_background();
    exit
}

/// Tells of an API token that is too short for where the API is served.
fn look_at_token(telemetry: &Telemetry, settings: &NodeSettings, work: &Work) {
    let served = matches!(work, Work::Console | Work::Start);
    let token = settings.api_token.as_ref().filter(|_| served);
    if let Some(weak) =
        token.and_then(|token| weak("API token", token, listening(settings.api_listen)))
    {
        telemetry.emit(&weak);
    }
}

async fn work_with(
    signals: EndSignals,
    node: impl Operations,
    prepared: Prepared,
    work: Work,
) -> io::Result<Exit> {
    let Prepared { settings, logs, api_given } = prepared;
    let serving = match serving(&node, &settings, &work, api_given).await {
        Ok(serving) => serving,
        Err(exit) => {
            node.shutdown().await;
            return Ok(exit);
        }
    };
    let exit = match work {
        Work::Console if io::stdin().is_terminal() => {
            say(&format_args!("{}", reached_at(&node, serving.as_ref()).trim_start_matches(", ")));
            console::interactive(signals, node, &logs).await
        }
        Work::Console => {
            let lines = BufReader::new(tokio::io::stdin());
            console::scripted(signals, node, lines, io::stdout(), io::stderr()).await
        }
        Work::Start => start(signals, node, &settings, serving.as_ref()).await,
        Work::Run(options) => run_once(signals, node, options, &logs).await,
        Work::Capacity(options) => search_once(signals, node, *options, &logs).await,
    };
    if let Some(serving) = serving {
        serving.end().await;
    }
    exit
}

async fn run_once(
    signals: EndSignals,
    node: impl Operations,
    options: RunOptions,
    logs: &Logs,
) -> io::Result<Exit> {
    let mut stdout = io::stdout();
    let colour = wants_colour(&stdout);
    run::run(signals, node, options, logs, &mut stdout, colour).await
}

async fn search_once(
    signals: EndSignals,
    node: impl Operations,
    options: CapacityOptions,
    logs: &Logs,
) -> io::Result<Exit> {
    once::search(signals, node, options, logs, &mut io::stdout()).await
}

/// Begins to serve the node's API, except for a single run. A console can do without, if nobody
/// asked for the address that cannot be had.
async fn serving(
    node: &impl Operations,
    settings: &NodeSettings,
    work: &Work,
    given: bool,
) -> Result<Option<Serving>, Exit> {
    let bound = match work {
        Work::Run(_) | Work::Capacity(_) => return Ok(None),
        Work::Console | Work::Start => listen::bind(settings.api_listen, given).await,
    };
    let fault = match bound {
        Ok(listener) => {
            let asked = node.clone();
            match Serving::begin(listener, node, settings, move || asked.ready()) {
                Ok(serving) => return Ok(Some(serving)),
                Err(error) => error.to_string(),
            }
        }
        Err(fault) => fault.to_string(),
    };
    match work {
        Work::Console if !given => {
            complain(&format_args!("without a control API: {fault}"));
            Ok(None)
        }
        _ => {
            complain(&fault);
            Err(Exit::BadUsage)
        }
    }
}

/// Where other nodes and clients reach this one, to be put behind something.
fn reached_at(node: &impl Operations, serving: Option<&Serving>) -> String {
    let cluster = node.cluster_address().map(|address| format!(", cluster {address}"));
    let api = serving.map(|serving| format!(", api {}", serving.address()));
    [cluster, api].into_iter().flatten().collect()
}

/// `crowd start`: waits for a signal, then ends the run and the node.
async fn start(
    mut signals: EndSignals,
    node: impl Operations,
    settings: &NodeSettings,
    serving: Option<&Serving>,
) -> io::Result<Exit> {
    let name = &settings.node_name;
    say(&format_args!("crowd node {name} is ready{}", reached_at(&node, serving)));
    let exit = tokio::select! {
        _ = signals.next() => Exit::Passed,
        () = node.broken() => Exit::Failed,
    };
    if exit == Exit::Passed {
        tracing::info!("asked to end: users are told to stop, or handed over");
    }
    if let Some(serving) = serving {
        serving.leave();
    }
    if let Some(words) = node.last_words().await {
        let colour = if wants_colour(&io::stdout()) { Colour::Ansi } else { Colour::Plain };
        say(&text::summary(&words, colour).trim_end());
        keep(settings, &words);
    }
    tokio::select! {
        () = node.shutdown() => Ok(exit),
        _ = signals.next() => Ok(Exit::Interrupted),
    }
}

/// Writes a document into the directory that keeps runs, if there is one.
fn keep(settings: &NodeSettings, report: &RunReport) {
    let Some(directory) = &settings.data_dir else { return };
    let path = directory.join(format!("{}-orphaned.json", settings.node_name));
    // Where there is no folder, the document says so.
    let _ = fs::create_dir_all(directory);
    match json::write(report, &path) {
        Ok(()) => say(&format_args!("written to {}", path.display())),
        Err(fault) => complain(&fault),
    }
}
