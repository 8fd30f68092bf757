//! The command line of a node's binary.

use std::{ffi::OsString, io, path::PathBuf, process::ExitCode, time::Duration};

use clap::{Args, Parser, Subcommand};
use crowd_plan::{
    run_settings::{ALLOW_ERRORS, PROFILE, THRESHOLDS},
    threshold::{ThresholdFaults, Thresholds},
};
use tokio::runtime::Runtime;

use super::{
    boot::BootOptions,
    command::{self, Pair, read_pairs},
    exit::Exit,
    outputs::Outputs,
    reply::Reply,
    run::RunOptions,
    scaffold::{self, ScaffoldOptions},
    tell::{complain, say},
    view::ScenarioView,
};
use crate::{scenario::catalog::Catalog, settings::NodeSettings};

mod capacity;
mod compare;
mod profile;
mod remote;
mod report;
mod work;

use capacity::{CAPACITY_EXAMPLES, CapacityFlags};
use compare::{COMPARE_EXAMPLES, CompareFlags};
use profile::{PROFILE_EXAMPLES, ProfileFlags};
use remote::{EvalFlags, NodeAsked, Question, StatusFlags};
use report::{REPORT_EXAMPLES, ReportFlags};
use work::{Work, on_node};

const EXAMPLES: &str = "\
Examples:
  crowd                                   a node with a console
  crowd scenarios idle                    what a scenario does, and its settings
  crowd run idle --users 100 lifetime=5s  one run, a summary and an exit code
  echo 'do idle 10' | crowd               commands from a script
  crowd capacity http --max 500 --signal 'p95 < 150ms' url=http://shop:8080/
                                          how many users it supports
  crowd start                             a node without console, driven over its API
  crowd attach                            the console of that node
  crowd eval 'do idle 10'                 one command on it
  crowd status                            whether it is up
  crowd report result.json --html r.html  a page with charts of an earlier run
  crowd new checkout                      a scenario of your own

Settings of the node are read from --config FILE (or CROWD_CONFIG) and from CROWD_… variables.
Exit codes: 0 passed, 1 failed, 2 threshold failed, 3 invalid run, 4 aborted, 5 interrupted,
6 worse than the baseline, 64 bad usage or configuration.";

const RUN_EXAMPLES: &str = "\
Examples:
  crowd run idle --users 1000 --duration 30s
  crowd run chat --users 200 number_of_neighbours=10 --user-rate 50/s --json result.json
  crowd run http url=http://localhost:8080/ --stages '30s: 0 -> 50, 1m: 50, 10s: 50 -> 0'
  crowd run http url=http://localhost:8080/ requests=1 --stages '1m: 10/s -> 200/s max 500'
  crowd run http url=http://localhost:8080/ --profile load.toml saturation=block
  crowd run chat --users 200 --duration 1m --threshold 'p95(round-trip) < 150ms abort after 30s'
  crowd run chat --users 200 --duration 1m --html result.html --junit result.xml
  crowd run chat --users 20000 --api http://master:4000 --html result.html

Ctrl-C tells all users to stop; a second one kills those that do not.";

/// The load-testing runtime where every virtual user is an actor.
#[derive(Debug, Parser)]
#[command(name = "crowd", version, after_help = EXAMPLES)]
struct Line {
    #[command(flatten)]
    node: NodeFlags,
    #[command(flatten)]
    loss: LossFlags,
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
}

/// What is only of use to a node that others may join.
#[derive(Debug, Default, Args)]
struct LossFlags {
    /// What this node, as the master, does about users of a node that is lost: `replace`, `ignore`
    /// or `stop`.
    #[arg(long, value_name = "WHAT")]
    on_node_loss: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// A node with an interactive console; reads commands line by line if standard input is no
    /// terminal (this is what happens without a verb).
    Console(LossFlags),
    /// A node in the foreground without console; SIGTERM or Ctrl-C ends it.
    Start(LossFlags),
    /// One run on a node of its own, or by a running node and its cluster, with a summary and an exit
    /// code.
    #[command(after_help = RUN_EXAMPLES)]
    Run(RunFlags),
    /// Searches how many users (or which rate) the target supports.
    #[command(after_help = CAPACITY_EXAMPLES)]
    Capacity(Box<CapacityFlags>),
    /// The scenarios compiled in; for one, its documentation and settings.
    Scenarios {
        /// The scenario to describe.
        name: Option<String>,
    },
    /// Draws a load profile: what it asks for over time, and its stages.
    #[command(after_help = PROFILE_EXAMPLES)]
    Profile(ProfileFlags),
    /// Compares runs: what got better or worse, and whether that is noise.
    #[command(after_help = COMPARE_EXAMPLES)]
    Compare(CompareFlags),
    /// The outputs of a run: of the last one of a running node, or made from a JSON document.
    #[command(after_help = REPORT_EXAMPLES)]
    Report(ReportFlags),
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
    /// How many users; without it, a profile says how many there are.
    #[arg(long, value_name = "N", value_parser = users, allow_negative_numbers = true)]
    users: Option<u64>,
    /// Settings of the scenario and of the run; `crowd scenarios NAME` lists them.
    #[arg(value_name = "KEY=VALUE")]
    settings: Vec<String>,
    /// How fast users are admitted: `50/s`, `1200/min`, `unlimited`.
    #[arg(long, value_name = "RATE")]
    user_rate: Option<String>,
    /// Stops the run after so long; without it, the run ends when all users have ended.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    duration: Option<Duration>,
    /// A load profile to follow, from a file: TOML, or JSON if its name ends so.
    #[arg(long, value_name = "FILE", conflicts_with = "stages")]
    profile: Option<PathBuf>,
    /// A load profile to follow, its stages on one line: `10s: 0 -> 100, 1m: 100, 1m: 50/s`.
    #[arg(long, value_name = "STAGES")]
    stages: Option<String>,
    /// What the run has to keep to, as `p95(login) < 150ms`; may be given more than once. A run that
    /// does not ends with exit code 2.
    #[arg(long, value_name = "EXPR", allow_hyphen_values = true)]
    threshold: Vec<String>,
    /// Accept errors, however many. Without it, and without a threshold that speaks of errors,
    /// `error_rate < 1%` holds for each action.
    #[arg(long)]
    allow_errors: bool,
    #[command(flatten)]
    outputs: Outputs,
    /// The node with this API, http://HOST:PORT, makes the run with all nodes of its cluster, instead
    /// of a node of its own. The token is CROWD_API_TOKEN, or stands in the file
    /// CROWD_API_TOKEN_FILE names.
    #[arg(long, value_name = "URL")]
    api: Option<String>,
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
    let arguments: Vec<_> = arguments.into_iter().collect();
    let open = arguments.last().is_some_and(|last| last == "--");
    let Line { node, loss, verb } = match Line::try_parse_from(arguments) {
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
        on_node_loss: loss.on_node_loss,
        log_unless_told: None,
    };
    match verb {
        Some(Verb::Scenarios { name }) => scenarios(&catalog, name.as_deref()),
        Some(Verb::New(flags)) => new(flags),
        Some(Verb::Profile(flags)) => profile::draw_it(&flags),
        Some(Verb::Compare(flags)) => compare::compare_them(flags, open),
        Some(Verb::Report(flags)) => report::make(&catalog, &boot, &flags),
        Some(Verb::Attach(node)) => remote::ask(&catalog, &boot, Question::Attach(node)),
        Some(Verb::Eval(flags)) => remote::ask(&catalog, &boot, Question::Eval(flags)),
        Some(Verb::Status(flags)) => remote::ask(&catalog, &boot, Question::Status(flags)),
        Some(Verb::Run(mut flags)) => {
            let api = flags.api.take();
            match (flags.checked(), api) {
                (Ok(options), Some(api)) => remote::run(&catalog, &boot, api, options),
                (Ok(options), None) => {
                    // Its summary says what the run went through; only what goes wrong is news.
                    boot.log_unless_told = Some("warn");
                    on_node(catalog, boot, Work::Run(options))
                }
                (Err(fault), _) => {
                    complain(&fault);
                    Exit::BadUsage
                }
            }
        }
        Some(Verb::Capacity(flags)) => {
            let api = flags.api.clone();
            match (flags.checked(), api) {
                (Ok(options), Some(api)) => remote::search(&catalog, &boot, api, options),
                (Ok(options), None) => {
                    boot.log_unless_told = Some("warn");
                    on_node(catalog, boot, Work::Capacity(Box::new(options)))
                }
                (Err(faults), _) => {
                    complain(&faults);
                    Exit::BadUsage
                }
            }
        }
        Some(Verb::Start(loss)) => {
            boot.on_node_loss = loss.on_node_loss.or(boot.on_node_loss);
            on_node(catalog, boot, Work::Start)
        }
        None | Some(Verb::Console(_)) => {
            if let Some(Verb::Console(LossFlags { on_node_loss: Some(what) })) = verb {
                boot.on_node_loss = Some(what);
            }
            // Whoever types is told by the answers; what happens besides is news.
            boot.log_unless_told = Some("info,crowd::answered=warn");
            on_node(catalog, boot, Work::Console)
        }
    }
}

impl RunFlags {
    /// Everything that is wrong is told at once.
    fn checked(self) -> Result<RunOptions, String> {
        let Self {
            scenario,
            users,
            settings,
            user_rate,
            duration,
            profile,
            stages,
            threshold,
            allow_errors,
            outputs,
            api: _,
        } = self;
        let (mut settings, mut faults) = read_pairs(&settings, &[]);
        let planned =
            profile.is_some() || stages.is_some() || settings.iter().any(|(key, _)| key == PROFILE);
        match users {
            Some(_) if planned => faults.push(
                "--users says how many users there are, and so does the load profile: \
                 give one of them"
                    .to_owned(),
            ),
            None if !planned => faults.push(
                "how many users? Give --users N, or a load profile: \
                 --stages '1m: 0 -> 50', or --profile FILE"
                    .to_owned(),
            ),
            _ => {}
        }
        if profile.is_some() || stages.is_some() {
            match profile::read(profile.as_deref(), stages.as_deref()) {
                Ok(followed) => settings.push((PROFILE.to_owned(), followed.to_string())),
                Err(wrong) => faults.push(wrong.to_string()),
            }
        }
        let users = users.unwrap_or(0);
        if let Some(rate) = user_rate {
            settings.push(("user_rate".to_owned(), rate));
        }
        if allow_errors {
            settings.push((ALLOW_ERRORS.to_owned(), true.to_string()));
        }
        for (at, (key, _)) in settings.iter().enumerate() {
            if settings[..at].iter().any(|(other, _)| other == key) {
                faults.push(format!("`{key}` is given twice"));
            }
        }
        faults.extend(add_thresholds(&mut settings, &threshold).err());
        faults.extend(outputs.faults());
        if !faults.is_empty() {
            return Err(faults.join("\n"));
        }
        Ok(RunOptions { scenario, users, settings, duration, outputs })
    }
}

/// Adds thresholds to those among the settings.
fn add_thresholds(settings: &mut Vec<Pair>, more: &[String]) -> Result<(), String> {
    let given = settings.iter().position(|(key, _)| key == THRESHOLDS);
    // Elsewhere an empty setting is none.
    let given_text = given.map(|at| settings[at].1.clone()).filter(|text| !text.is_empty());
    let (mut all, mut faults) = (Vec::new(), Vec::new());
    for text in given_text.iter().chain(more) {
        match text.parse::<Thresholds>() {
            Ok(read) => all.extend_from_slice(read.all()),
            Err(found) => faults.extend(found.0),
        }
    }
    if !faults.is_empty() {
        let what = if more.is_empty() { "thresholds=…" } else { "--threshold" };
        return Err(format!("{what} cannot be read:\n{}", ThresholdFaults(faults)));
    }
    if let Some(all) = Thresholds::new(all) {
        let all = all.to_string();
        match given {
            Some(at) => settings[at].1 = all,
            None => settings.push((THRESHOLDS.to_owned(), all)),
        }
    }
    Ok(())
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
                complain(&refusal);
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
            complain(&fault);
            fault.exit()
        }
    }
}

fn new_runtime() -> Result<Runtime, Exit> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|error| {
        complain(&format_args!("the runtime cannot be started: {error}"));
        Exit::Failed
    })
}

fn outcome(exit: io::Result<Exit>) -> Exit {
    exit.unwrap_or_else(|error| {
        complain(&error);
        Exit::Failed
    })
}
