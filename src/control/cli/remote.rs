//! `crowd attach`, `crowd eval`, `crowd status`, `crowd run --api` and
//! `crowd capacity --api`: what needs no node of its own.

use std::io;

use clap::Args;
use crowd_core::settings::env;

use super::{complain, new_runtime, outcome};
use crate::{
    control::{
        boot::{self, BootOptions},
        capacity::once::{CapacityOptions, search_by},
        client::{ApiAddress, Client, There, verbs},
        exit::Exit,
        logging::Logs,
        run::{RunOptions, host::Trouble, run_by},
        table::wants_colour,
    },
    report::RunReport,
    scenario::catalog::Catalog,
    settings::NodeSettings,
};

/// Which node is asked.
#[derive(Debug, Clone, Args)]
pub(super) struct NodeAsked {
    /// The node's API, http://HOST:PORT; without it, the one CROWD_API_LISTEN names. The token is
    /// CROWD_API_TOKEN, or stands in the file CROWD_API_TOKEN_FILE names.
    #[arg(long, value_name = "URL")]
    api: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct EvalFlags {
    #[command(flatten)]
    node: NodeAsked,
    /// Print the node's answer as it comes, one JSON object.
    #[arg(long)]
    json: bool,
    /// The command, as one word or several.
    #[arg(value_name = "COMMAND", required = true, allow_negative_numbers = true)]
    command: Vec<String>,
}

#[derive(Debug, Args)]
pub(super) struct StatusFlags {
    #[command(flatten)]
    node: NodeAsked,
    /// Print the node's answer as it comes, one JSON object.
    #[arg(long)]
    json: bool,
}

/// What is asked of the node.
#[derive(Debug)]
pub(super) enum Question {
    Attach(NodeAsked),
    Eval(EvalFlags),
    Status(StatusFlags),
}

/// Asks a running node.
pub(super) fn ask(catalog: &Catalog, options: &BootOptions, question: Question) -> Exit {
    let asked = match &question {
        Question::Attach(node) => node.clone(),
        Question::Eval(flags) => flags.node.clone(),
        Question::Status(flags) => flags.node.clone(),
    };
    with_client(catalog, options, &asked, |client| answered(client, question))
}

/// Has a node make a run, and sees it to its end.
pub(super) fn run(catalog: &Catalog, options: &BootOptions, api: String, run: RunOptions) -> Exit {
    with_client(catalog, options, &NodeAsked { api: Some(api) }, |client| async move {
        let mut stdout = io::stdout();
        let colour = wants_colour(&stdout);
        run_by(There::new(client), run, &Logs::default(), &mut stdout, colour).await
    })
}

/// Has a node make a capacity search, and sees it to its end.
pub(super) fn search(
    catalog: &Catalog,
    options: &BootOptions,
    api: String,
    search: CapacityOptions,
) -> Exit {
    with_client(catalog, options, &NodeAsked { api: Some(api) }, |client| async move {
        search_by(There::new(client), search, &Logs::default(), &mut io::stdout()).await
    })
}

/// The result of the last run of a node.
///
/// # Errors
/// What is wrong, and the exit code that says so.
pub(super) fn result(
    catalog: &Catalog,
    options: &BootOptions,
    asked: &NodeAsked,
) -> Result<RunReport, Exit> {
    let mut result = None;
    let exit = with_client(catalog, options, asked, |client| async {
        match There::new(client).last_report().await {
            Ok(report) => {
                result = Some(report);
                Ok(Exit::Passed)
            }
            Err(Trouble { message, exit }) => {
                complain(&message);
                Ok(exit)
            }
        }
    });
    result.ok_or(exit)
}

/// Does something with the client of a node.
fn with_client<F: Future<Output = io::Result<Exit>>>(
    catalog: &Catalog,
    options: &BootOptions,
    asked: &NodeAsked,
    act: impl FnOnce(Client) -> F,
) -> Exit {
    let client = match client(catalog, options, asked) {
        Ok(client) => client,
        Err(fault) => {
            complain(&fault);
            return Exit::BadUsage;
        }
    };
    let runtime = match new_runtime() {
        Ok(runtime) => runtime,
        Err(exit) => return exit,
    };
    let exit = runtime.block_on(act(client));
    // A read from standard input cannot be called off, and nothing that matters runs any more.
    runtime.shutdown_background();
    outcome(exit)
}

async fn answered(client: Client, question: Question) -> io::Result<Exit> {
    match question {
        Question::Attach(_) => verbs::attach(client).await,
        Question::Eval(EvalFlags { command, json, .. }) => {
            Ok(verbs::eval(&client, &line(&command), json).await)
        }
        Question::Status(StatusFlags { json, .. }) => Ok(verbs::status(&client, json).await),
    }
}

/// The client: its node is named, or the one these settings make.
fn client(catalog: &Catalog, options: &BootOptions, asked: &NodeAsked) -> Result<Client, String> {
    let settings = NodeSettings::load(&boot::sources(catalog, options))
        .map_err(|faults| faults.to_string())?;
    let address: ApiAddress = match &asked.api {
        Some(url) => url.parse().map_err(|fault| format!("--api: {fault}"))?,
        None if settings.api_listen.port() == 0 => {
            return Err(format!(
                "api_listen = `{}` ({}) names no port: say which node with --api URL",
                settings.api_listen,
                env::variable("api_listen")
            ));
        }
        None => settings.api_listen.into(),
    };
    Ok(Client::new(address, settings.api_token))
}

/// The words of a command as one line. A single one is a line already; of several, the shell has taken
/// the quotes away that those with blanks in them need.
fn line(words: &[String]) -> String {
    match words {
        [line] => line.clone(),
        words => {
            let quoted = shlex::try_join(words.iter().map(String::as_str));
            // Only a NUL cannot be quoted, and that is refused where the command is read.
            quoted.unwrap_or_else(|_| words.join(" "))
        }
    }
}
