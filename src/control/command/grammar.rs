//! From a line to a [`Command`].
//!
//! `shlex` makes words of the line, `clap` fits them to a verb's arguments, [`super::words`] reads
//! the words that mean more than themselves.

use std::error::Error;

use clap::{Args, Parser, Subcommand, error::ErrorKind};
use crowd_core::{
    mark, printable,
    refusal::{Code, Refusal},
    suggestion::did_you_mean,
    user_id::UserId,
};

use super::{
    CapacityCommand, Command, CoordinatorCommand, RateText, ThrottleCommand, USERS_SHOWN,
    verbs::{EXIT, Verb},
    words,
};

#[derive(Parser)]
#[command(no_binary_name = true, disable_help_flag = true, disable_version_flag = true)]
#[command(disable_help_subcommand = true)]
struct Line {
    #[command(subcommand)]
    verb: Words,
}

/// A verb with its words, fitted by clap. Negative numbers are let through everywhere, so that the
/// refusal can say that they are negative and not that they are unknown flags.
#[derive(Subcommand)]
enum Words {
    Do {
        #[arg(value_parser = words::name)]
        scenario: String,
        #[arg(required = true, allow_hyphen_values = true)]
        words: Vec<String>,
    },
    Add {
        #[arg(value_parser = words::count_or_range, allow_hyphen_values = true)]
        count: (u64, Option<u64>),
        rest: Vec<String>,
    },
    Remove {
        #[arg(value_parser = words::some, allow_negative_numbers = true)]
        count: u64,
        rest: Vec<String>,
    },
    Stop {
        rest: Vec<String>,
    },
    Reset,
    Set {
        #[arg(required = true, allow_hyphen_values = true)]
        settings: Vec<String>,
    },
    Status,
    Settings,
    Scenarios {
        #[arg(value_parser = words::name)]
        name: Option<String>,
    },
    Nodes,
    Join {
        #[arg(value_parser = words::name)]
        address: String,
    },
    Drain {
        #[arg(value_parser = words::name)]
        node: String,
    },
    #[command(subcommand)]
    Throttle(ThrottleWords),
    #[command(subcommand)]
    Coordinator(CoordinatorWords),
    #[command(subcommand)]
    Capacity(CapacityWords),
    Users {
        #[arg(value_parser = words::limit, allow_negative_numbers = true)]
        limit: Option<usize>,
    },
    User {
        #[arg(value_parser = words::id, allow_negative_numbers = true)]
        id: u64,
    },
    Metrics {
        #[arg(value_parser = words::name)]
        name: Option<String>,
    },
    Report,
    Wait {
        #[arg(allow_hyphen_values = true)]
        limit: Vec<String>,
    },
    Help {
        #[arg(value_parser = Verb::find)]
        verb: Option<&'static Verb>,
    },
    #[command(alias = EXIT)]
    Quit,
}

#[derive(Args)]
struct Named {
    #[arg(value_parser = words::name)]
    name: String,
}

#[derive(Args)]
struct Rated {
    #[arg(value_parser = words::name)]
    name: String,
    #[arg(required = true, allow_hyphen_values = true)]
    rate: Vec<String>,
}

#[derive(Subcommand)]
enum ThrottleWords {
    List,
    Info(Named),
    Start(Rated),
    Rate(Rated),
    Ramp(Rated),
    Pause(Named),
    Resume(Named),
    Unlock(Named),
    Stop(Named),
}

#[derive(Subcommand)]
enum CoordinatorWords {
    List,
    Reset(Named),
    Stop(Named),
}

#[derive(Subcommand)]
enum CapacityWords {
    Start {
        #[arg(value_parser = words::name)]
        scenario: String,
        #[arg(allow_hyphen_values = true)]
        settings: Vec<String>,
    },
    Status,
    Stop,
}

/// Reads a line of a console or a script; `None` if it is empty or only a comment (`# …`). Before
/// the first one of a script there may be a byte-order mark.
///
/// # Errors
/// As [`parse`].
pub fn parse_line(line: &str) -> Result<Option<Command>, Refusal> {
    let line = mark::skipped(line).trim();
    if line.is_empty() || line.starts_with('#') { Ok(None) } else { parse(line).map(Some) }
}

/// Reads a command.
///
/// # Errors
/// `unknown-command` for a verb that does not exist; `bad-usage` for words that do not fit the
/// verb; `invalid-range` for numbers of users that nobody can mean; `invalid-throttle` for a rate
/// or a ramp that makes no sense.
pub fn parse(line: &str) -> Result<Command, Refusal> {
    if line.contains('\0') {
        return Err(words::usage("a command holds no NUL characters"));
    }
    let words =
        shlex::split(line).ok_or_else(|| words::usage("a quote or a backslash is not closed"))?;
    let Some(first) = words.first() else {
        return Err(words::usage("there is no command; `help` lists all"));
    };
    let verb = Verb::find(first)?;
    if let ([_, part, ..], [_, ..]) = (&words[..], verb.parts)
        && !verb.parts.contains(&part.as_str())
    {
        let near = did_you_mean(part, verb.parts.iter().copied());
        return Err(Refusal::new(
            Code::UnknownCommand,
            format!(
                "`{first} {}` is not a command{near}; write {}",
                printable::line(part, printable::WORD),
                verb.usage()
            ),
        ));
    }
    match Line::try_parse_from(&words) {
        Ok(line) => line.verb.command(),
        Err(fault) => Err(refusal(verb, &fault)),
    }
}

/// What clap found wrong, as people of this grammar read it.
fn refusal(verb: &Verb, fault: &clap::Error) -> Refusal {
    if let Some(refusal) = fault.source().and_then(|source| source.downcast_ref::<Refusal>()) {
        return refusal.clone();
    }
    let what = match fault.kind() {
        ErrorKind::MissingRequiredArgument
        | ErrorKind::MissingSubcommand
        | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
        | ErrorKind::TooFewValues => "words are missing",
        ErrorKind::UnknownArgument | ErrorKind::InvalidSubcommand | ErrorKind::TooManyValues => {
            "there is a word too many"
        }
        _ => "the words do not fit",
    };
    words::usage(format!("{what}: write {}", verb.usage()))
}

impl Words {
    fn command(self) -> Result<Command, Refusal> {
        Ok(match self {
            Self::Do { scenario, words } => {
                let (users, settings) = words::count_and_pairs(&words)?;
                Command::Do { scenario, users, settings }
            }
            Self::Add { count: (count, None), rest } => {
                let (rest, nodes) = words::split_nodes(&rest)?;
                nothing_more("add", rest)?;
                Command::Add { count, nodes }
            }
            Self::Add { count: (first, Some(last)), rest } => {
                nothing_more("add", &rest)?;
                Command::AddRange { first, last }
            }
            Self::Remove { count, rest } => {
                let (rest, nodes) = words::split_nodes(&rest)?;
                let (force, rest) = match rest {
                    [word, rest @ ..] if word == "force" => (true, rest),
                    rest => (false, rest),
                };
                nothing_more("remove", rest)?;
                Command::Remove { count, force, nodes }
            }
            Self::Stop { rest } => match rest.as_slice() {
                [word] if word == "gracefully" => Command::StopGracefully,
                rest => {
                    nothing_more("stop", rest)?;
                    Command::Stop
                }
            },
            Self::Reset => Command::Reset,
            Self::Set { settings } => {
                let (settings, nodes) = words::split_nodes(&settings)?;
                let settings = words::pairs(settings)?;
                if settings.is_empty() {
                    return Err(words::usage("`set` needs at least one KEY=VALUE"));
                }
                Command::Set { settings, nodes }
            }
            Self::Status => Command::Status,
            Self::Settings => Command::Settings,
            Self::Scenarios { name } => Command::Scenarios { name },
            Self::Nodes => Command::Nodes,
            Self::Join { address } => Command::Join { address },
            Self::Drain { node } => Command::Drain { node },
            Self::Throttle(words) => Command::Throttle(words.command()?),
            Self::Coordinator(words) => Command::Coordinator(words.command()),
            Self::Capacity(words) => Command::Capacity(words.command()?),
            Self::Users { limit } => Command::Users { limit: limit.unwrap_or(USERS_SHOWN) },
            Self::User { id } => Command::User { id: UserId(id) },
            Self::Metrics { name } => Command::Metrics { name },
            Self::Report => Command::Report,
            Self::Wait { limit } if limit.is_empty() => Command::Wait { limit: None },
            Self::Wait { limit } => Command::Wait { limit: Some(words::duration(&limit)?) },
            Self::Help { verb } => Command::Help { verb },
            Self::Quit => Command::Quit,
        })
    }
}

impl ThrottleWords {
    fn command(self) -> Result<ThrottleCommand, Refusal> {
        Ok(match self {
            Self::List => ThrottleCommand::List,
            Self::Info(Named { name }) => ThrottleCommand::Info { name },
            Self::Start(Rated { name, rate }) => {
                ThrottleCommand::Start { name, rate: RateText::of(&rate)? }
            }
            Self::Rate(Rated { name, rate }) => {
                ThrottleCommand::Rate { name, rate: RateText::of(&rate)? }
            }
            Self::Ramp(Rated { name, rate }) => {
                ThrottleCommand::Ramp { name, ramp: words::ramp(&rate)? }
            }
            Self::Pause(Named { name }) => ThrottleCommand::Pause { name },
            Self::Resume(Named { name }) => ThrottleCommand::Resume { name },
            Self::Unlock(Named { name }) => ThrottleCommand::Unlock { name },
            Self::Stop(Named { name }) => ThrottleCommand::Stop { name },
        })
    }
}

impl CoordinatorWords {
    fn command(self) -> CoordinatorCommand {
        match self {
            Self::List => CoordinatorCommand::List,
            Self::Reset(Named { name }) => CoordinatorCommand::Reset { name },
            Self::Stop(Named { name }) => CoordinatorCommand::Stop { name },
        }
    }
}

impl CapacityWords {
    fn command(self) -> Result<CapacityCommand, Refusal> {
        Ok(match self {
            Self::Start { scenario, settings } => {
                let (settings, search) = words::split_search(&settings)?;
                CapacityCommand::Start { scenario, settings: words::pairs(settings)?, search }
            }
            Self::Status => CapacityCommand::Status,
            Self::Stop => CapacityCommand::Stop,
        })
    }
}

fn nothing_more(verb: &'static str, rest: &[String]) -> Result<(), Refusal> {
    match rest.first() {
        None => Ok(()),
        Some(word) => Err(words::usage(format!(
            "{} is a word too many: write {}",
            words::begin_of(word),
            Verb::find(verb)?.usage()
        ))),
    }
}
