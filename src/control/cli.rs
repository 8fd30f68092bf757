//! The command line of a node's binary.

use std::{
    ffi::OsString,
    fmt,
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

use clap::{Args, Parser, Subcommand};
use tokio::runtime::Runtime;

use super::{
    boot::BootOptions,
    command::{self, Pair},
    exit::Exit,
    reply::Reply,
    run::RunOptions,
    scaffold::{self, ScaffoldOptions},
    view::ScenarioView,
};
use crate::{scenario::catalog::Catalog, settings::NodeSettings};

mod profile;
mod remote;
mod work;

use profile::{PROFILE_EXAMPLES, ProfileFlags};
use remote::{EvalFlags, NodeAsked, Question, StatusFlags};
use work::{Work, on_node};

const EXAMPLES: &str = "\
Examples:
  crowd                                   a node with a console
  crowd scenarios idle                    what a scenario does, and its settings
  crowd run idle --users 100 lifetime=5s  one run, a summary and an exit code
  echo 'do idle 10' | crowd               commands from a script
  crowd start                             a node without console, driven over its API
  crowd attach                            the console of that node
  crowd eval 'do idle 10'                 one command on it
  crowd status                            whether it is up
  crowd new checkout                      a scenario of your own

Settings of the node are read from --config FILE (or CROWD_CONFIG) and from CROWD_… variables.
Exit codes: 0 passed, 1 failed, 2 threshold failed, 3 invalid run, 4 aborted, 5 interrupted,
6 worse than the baseline, 64 bad usage or configuration.";

const RUN_EXAMPLES: &str = "\
Examples:
  crowd run idle --users 1000 --duration 30s
  crowd run chat --users 200 number_of_neighbours=10 --user-rate 50/s --json result.json

Ctrl-C tells all users to stop; a second one kills those that do not.";

/// The load-testing runtime where every virtual user is an actor.
#[derive(Debug, Parser)]
#[command(name = "crowd", version, after_help = EXAMPLES, disable_help_subcommand = true)]
struct Line {
    #[command(flatten)]
    node: NodeFlags,
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, Args)]
struct NodeFlags {
    /// File with the node's settings (TOML); without it, the one CROWD_CONFIG names.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// What is logged: a level, or levels by target as in `warn,crowd=debug`.
    #[arg(long, global = true, value_name = "FILTER")]
    log: Option<String>,
    /// What this node, as the master, does about users of a node that is lost: `replace`, `ignore`
    /// or `stop`.
    #[arg(long, global = true, value_name = "WHAT")]
    on_node_loss: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// A node with an interactive console; reads commands line by line if standard input is no
    /// terminal (this is what happens without a verb).
    Console,
    /// A node in the foreground without console; SIGTERM or Ctrl-C ends it.
    Start,
    /// One run on a node of its own, with a summary and an exit code.
    #[command(after_help = RUN_EXAMPLES)]
    Run(RunFlags),
    /// The scenarios compiled in; for one, its documentation and settings.
    Scenarios {
        /// The scenario to describe.
        name: Option<String>,
    },
    /// Draws a load profile: what it asks for over time, and its stages.
    #[command(after_help = PROFILE_EXAMPLES)]
    Profile(ProfileFlags),
    /// The console of a running node; leaving it leaves the node and its run alone.
    Attach(NodeAsked),
    /// One console command on a running node; the exit code says whether it worked.
    Eval(EvalFlags),
    /// Whether a node is up, and how its run stands: what a health check calls.
    Status(StatusFlags),
    /// Writes a crate with a scenario of your own, its test and its binary.
    New(NewFlags),
}

#[derive(Debug, Args)]
struct RunFlags {
    /// The scenario.
    scenario: String,
    /// How many users.
    #[arg(long, value_name = "N", value_parser = users, allow_negative_numbers = true)]
    users: u64,
    /// Settings of the scenario.
    #[arg(value_name = "KEY=VALUE", value_parser = pair)]
    settings: Vec<Pair>,
    /// How fast users are admitted: `50/s`, `1200/min`, `unlimited`.
    #[arg(long, value_name = "RATE")]
    user_rate: Option<String>,
    /// Stops the run after so long; without it, the run ends when all users have ended.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    duration: Option<Duration>,
    /// Writes the result to a file, as one JSON document.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct NewFlags {
    /// Name of the crate and of its scenario: lower-case letters, digits and dashes.
    name: String,
    /// Folder to put the crate into.
    #[arg(long, value_name = "DIR", default_value = ".")]
    path: PathBuf,
    /// Take crowd from this folder (a checkout of its repository) and not from a registry.
    #[arg(long, value_name = "PATH")]
    crowd: Option<PathBuf>,
}

fn pair(text: &str) -> Result<Pair, String> {
    command::pair(text).map_err(|refusal| refusal.message)
}

fn users(text: &str) -> Result<u64, String> {
    command::users(text).map_err(|refusal| refusal.message)
}

fn duration(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(time) if time.is_zero() => Err("no time at all: write `30s`, say".to_owned()),
        Ok(time) => Ok(time),
        Err(fault) => Err(format!("{fault}: write `30s` or `1m 30s`, say")),
    }
}

/// The whole binary: reads the command line, does what it says, answers with the exit code. A
/// person with scenarios of their own calls it with their own catalog.
pub fn main(catalog: Catalog) -> ExitCode {
    ExitCode::from(main_with(catalog, std::env::args_os()))
}

/// As [`main`], with these arguments; the first is the name of the binary.
fn main_with(catalog: Catalog, arguments: impl IntoIterator<Item = OsString>) -> Exit {
    let Line { node, verb } = match Line::try_parse_from(arguments) {
        Ok(line) => line,
        Err(message) => {
            // A closed terminal is no reason for another exit code.
            let _ = message.print();
            return if message.use_stderr() { Exit::BadUsage } else { Exit::Passed };
        }
    };
    let mut boot = BootOptions {
        config: node.config,
        log: node.log,
        on_node_loss: node.on_node_loss,
        log_unless_told: None,
    };
    match verb {
        Some(Verb::Scenarios { name }) => scenarios(&catalog, name.as_deref()),
        Some(Verb::New(flags)) => new(flags),
        Some(Verb::Profile(flags)) => profile::draw_it(&flags),
        Some(Verb::Attach(node)) => remote::ask(&catalog, &boot, Question::Attach(node)),
        Some(Verb::Eval(flags)) => remote::ask(&catalog, &boot, Question::Eval(flags)),
        Some(Verb::Status(flags)) => remote::ask(&catalog, &boot, Question::Status(flags)),
        Some(Verb::Run(flags)) => match flags.checked() {
            Ok(options) => {
                // Its summary says what the run went through; only what goes wrong is news.
                boot.log_unless_told = Some("warn");
                on_node(catalog, boot, Work::Run(options))
            }
            Err(fault) => {
                eprintln!("{fault}");
                Exit::BadUsage
            }
        },
        Some(Verb::Start) => on_node(catalog, boot, Work::Start),
        None | Some(Verb::Console) => on_node(catalog, boot, Work::Console),
    }
}

impl RunFlags {
    fn checked(self) -> Result<RunOptions, String> {
        let Self { scenario, users, mut settings, user_rate, duration, json } = self;
        if let Some(rate) = user_rate {
            settings.push(("user_rate".to_owned(), rate));
        }
        for (at, (key, _)) in settings.iter().enumerate() {
            if settings[..at].iter().any(|(other, _)| other == key) {
                return Err(format!("`{key}` is given twice"));
            }
        }
        Ok(RunOptions { scenario, users, settings, duration, json })
    }
}

fn scenarios(catalog: &Catalog, name: Option<&str>) -> Exit {
    let rate = NodeSettings::default().user_rate;
    let reply = match name {
        None => {
            Reply::Scenarios(catalog.iter().map(|all| ScenarioView::of(&**all, &rate)).collect())
        }
        Some(name) => match catalog.get(name) {
            Ok(scenario) => Reply::Scenario(ScenarioView::of(&*scenario, &rate)),
            Err(refusal) => {
                eprintln!("{refusal}");
                return Exit::of_refusal(&refusal);
            }
        },
    };
    say(&reply);
    Exit::Passed
}

fn new(flags: NewFlags) -> Exit {
    let NewFlags { name, path, crowd } = flags;
    match scaffold::write(&ScaffoldOptions { name, folder: path, crowd }) {
        Ok(next_steps) => {
            say(&next_steps);
            Exit::Passed
        }
        Err(fault) => {
            eprintln!("{fault}");
            fault.exit()
        }
    }
}

/// Prints a text. Whoever closes the pipe early wants no more of it.
fn say(text: &dyn fmt::Display) {
    let _ = writeln!(io::stdout(), "{text}");
}

fn new_runtime() -> Result<Runtime, Exit> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|error| {
        eprintln!("the runtime cannot be started: {error}");
        Exit::Failed
    })
}

fn outcome(exit: io::Result<Exit>) -> Exit {
    exit.unwrap_or_else(|error| {
        eprintln!("{error}");
        Exit::Failed
    })
}
