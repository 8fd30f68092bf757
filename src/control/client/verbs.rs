//! `crowd eval`, `crowd status` and `crowd attach`.

use std::{
    io::{self, IsTerminal},
    time::Duration,
};

use crowd_core::printable;
use tokio::{io::BufReader, time::timeout};

use super::{Answer, Client, ClientFault, Done, Refused, Remote};
use crate::control::{
    console,
    exit::Exit,
    tell::{complain, say},
};

/// How long a node may take to tell its status.
const STATUS: Duration = Duration::from_secs(5);

/// The codes that say that what was typed is no command.
const USAGE: [&str; 2] = ["bad-usage", "unknown-command"];

/// `crowd eval`: carries out one command and prints what it answers, as text or as it came.
pub(in crate::control) async fn eval(client: &Client, line: &str, json: bool) -> Exit {
    let told = client.command(line).await;
    tell(client, told, json)
}

/// `crowd status`: whether the node is up, and how its run stands.
pub(in crate::control) async fn status(client: &Client, json: bool) -> Exit {
    match timeout(STATUS, client.status()).await {
        Ok(told) => tell(client, told, json),
        Err(_) => {
            complain(&format_args!(
                "the node at {} does not answer within {STATUS:?}",
                client.address()
            ));
            Exit::Failed
        }
    }
}

/// `crowd attach`: the console of a node elsewhere. Leaving it leaves the node and its run alone.
///
/// # Errors
/// If the terminal cannot be used or the answers cannot be written.
pub(in crate::control) async fn attach(client: Client) -> io::Result<Exit> {
    let node = match greet(&client).await {
        Ok(node) => node,
        Err(fault) => {
            complain(&fault);
            return Ok(Exit::Failed);
        }
    };
    let welcome = format!(
        "{node} at {}: `help` lists the commands, Tab completes, Ctrl-D leaves; the run goes on.",
        client.address()
    );
    if io::stdin().is_terminal() {
        console::attached(Remote(client), &welcome).await
    } else {
        let lines = BufReader::new(tokio::io::stdin());
        console::attached_script(Remote(client), lines, io::stdout(), io::stderr()).await
    }
}

/// The name of the node, if it may be asked.
async fn greet(client: &Client) -> Result<String, String> {
    let told = timeout(STATUS, client.status()).await.map_err(|_| {
        format!("the node at {} does not answer within {STATUS:?}", client.address())
    })?;
    let outcome = told.and_then(|answer| client.outcome(&answer));
    match outcome {
        Ok(Ok(done)) => Ok(printable::line(
            done.reply["data"]["node"].as_str().unwrap_or("a node"),
            printable::WORD,
        )),
        // A node that is busy may be attached to all the same.
        Ok(Err(refused)) if refused.code == "unavailable" => Ok("a node".to_owned()),
        Ok(Err(refused)) => Err(refused.to_string()),
        Err(fault) => Err(fault.to_string()),
    }
}

/// Prints what came of it.
fn tell(client: &Client, told: Result<Answer, ClientFault>, json: bool) -> Exit {
    let outcome = match told.and_then(|answer| Ok((client.outcome(&answer)?, answer))) {
        Ok((outcome, answer)) => {
            if json {
                say(&printable::json(answer.body.trim_end()));
            }
            outcome
        }
        Err(fault) => {
            complain(&fault);
            return Exit::Failed;
        }
    };
    match outcome {
        Ok(Done { text, .. }) => {
            if !json {
                say(&text);
            }
            Exit::Passed
        }
        Err(refused) => {
            if !json {
                complain(&refused);
            }
            exit(&refused)
        }
    }
}

fn exit(refused: &Refused) -> Exit {
    if USAGE.contains(&refused.code.as_str()) { Exit::BadUsage } else { Exit::Failed }
}
