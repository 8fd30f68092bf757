//! The verbs: what they are called, what they do, how they are written.

use std::fmt::Write;

use crowd_core::{
    printable::quoted,
    refusal::{Code, Refusal},
    suggestion::did_you_mean,
};

use crate::control::table::fill;

/// A verb as `help` tells it.
#[derive(Debug, PartialEq, Eq)]
pub struct Verb {
    /// What people type.
    pub name: &'static str,
    /// The words that may stand behind it as a verb of its own; empty for most.
    pub parts: &'static [&'static str],
    /// What it does, in half a line.
    pub about: &'static str,
    /// A line somebody may really type.
    pub example: &'static str,
    /// Every form it has.
    pub forms: &'static [&'static str],
    /// What else there is to know.
    pub details: &'static str,
    group: Group,
}

/// Where `help` lists a verb.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Group {
    Run,
    Look,
    Pace,
    Cluster,
    Console,
}

impl Group {
    const ALL: [Self; 5] = [Self::Run, Self::Look, Self::Pace, Self::Cluster, Self::Console];

    fn title(self) -> &'static str {
        match self {
            Self::Run => "The run",
            Self::Look => "What goes on",
            Self::Pace => "Throttles and coordinators",
            Self::Cluster => "The cluster",
            Self::Console => "The console",
        }
    }
}

/// What people of other consoles type for `quit`.
pub(super) const EXIT: &str = "exit";

/// All verbs, in the order `help` lists them.
pub static VERBS: &[Verb] = &[
    Verb {
        name: "do",
        parts: &[],
        about: "start a scenario with so many users",
        example: "do idle 100 user_rate=50/s",
        forms: &["do SCENARIO COUNT [KEY=VALUE…]", "do SCENARIO profile=STAGES [KEY=VALUE…]"],
        details: "Runs the scenario's `init` and then starts COUNT users, as fast as the setting \
                  `user_rate` admits them. COUNT may be 0: add users later. With a profile, users \
                  come and go as its stages say, and the run ends with them: 'profile=10s: 0 -> \
                  100, 1m: 100, 1m: 50/s'. `scenarios NAME` lists the settings; a value with spaces \
                  is quoted: 'body=a b'.",
        group: Group::Run,
    },
    Verb {
        name: "add",
        parts: &[],
        about: "start more users, or exactly these ids",
        example: "add 50",
        forms: &["add COUNT [on NODE,…]", "add FROM..TO"],
        details: "Users get the ids after the highest one given out. With FROM..TO they get these \
                  ids, on this node alone: for independent nodes that each have a range of their \
                  own.",
        group: Group::Run,
    },
    Verb {
        name: "remove",
        parts: &[],
        about: "tell users to stop, kill them with force",
        example: "remove 10 force",
        forms: &["remove COUNT [force] [on NODE,…]"],
        details: "Each chosen user is told to stop; with `force` it is killed two seconds later if \
                  it has not ended. A user is never chosen twice. The answer is how many were \
                  chosen.",
        group: Group::Run,
    },
    Verb {
        name: "set",
        parts: &[],
        about: "change settings of the running scenario",
        example: "set user_rate=100/s",
        forms: &["set KEY=VALUE… [on NODE,…]"],
        details: "All or nothing: if one value is refused none is changed. `settings` shows what \
                  may change.",
        group: Group::Run,
    },
    Verb {
        name: "wait",
        parts: &[],
        about: "wait until all users are gone",
        example: "wait 30s",
        forms: &["wait [DURATION]"],
        details: "Goes on when no user waits or runs any more, or when the time is up. Ctrl-C ends \
                  the waiting, not the run.",
        group: Group::Run,
    },
    Verb {
        name: "stop",
        parts: &[],
        about: "end the run",
        example: "stop",
        forms: &["stop [gracefully]"],
        details: "`gracefully` first lets what is under way finish, for `graceful_stop` at the most, and \
                  lets users begin nothing new. Nobody is admitted any more, everybody is told to stop and killed two seconds \
                  later, and then the scenario's `terminate` runs once.",
        group: Group::Run,
    },
    Verb {
        name: "reset",
        parts: &[],
        about: "forget a finished or failed run",
        example: "reset",
        forms: &["reset"],
        details: "The node is idle again and can start the next run.",
        group: Group::Run,
    },
    Verb {
        name: "status",
        parts: &[],
        about: "the run in a few lines",
        example: "status",
        forms: &["status"],
        details: "State, scenario, users by state, highest user id, rate.",
        group: Group::Look,
    },
    Verb {
        name: "settings",
        parts: &[],
        about: "the run's settings and their origins",
        example: "settings",
        forms: &["settings"],
        details: "A value comes from the scenario's default, the environment, the arguments of \
                  `do`, or `set`; the later wins.",
        group: Group::Look,
    },
    Verb {
        name: "scenarios",
        parts: &[],
        about: "the scenarios compiled in, or one of them",
        example: "scenarios idle",
        forms: &["scenarios [NAME]"],
        details: "With a name: what the scenario does and its settings.",
        group: Group::Look,
    },
    Verb {
        name: "users",
        parts: &[],
        about: "running users",
        example: "users 50",
        forms: &["users [LIMIT]"],
        details: "Shows 20 unless told otherwise.",
        group: Group::Look,
    },
    Verb {
        name: "user",
        parts: &[],
        about: "one user: state, age, node, last failure",
        example: "user 17",
        forms: &["user ID"],
        details: "",
        group: Group::Look,
    },
    Verb {
        name: "metrics",
        parts: &[],
        about: "distributions and counters",
        example: "metrics connect",
        forms: &["metrics [NAME]"],
        details: "With a name: only what bears this name.",
        group: Group::Look,
    },
    Verb {
        name: "report",
        parts: &[],
        about: "the result of a run that is over",
        example: "report",
        forms: &["report"],
        details: "The summary: verdict, users, times, thresholds, what failed. `crowd report --api URL \
                  --html FILE` writes it as a page with charts, --json as a document, --junit for a \
                  build server.",
        group: Group::Look,
    },
    Verb {
        name: "throttle",
        parts: &["list", "info", "start", "rate", "ramp", "pause", "resume", "unlock", "stop"],
        about: "list and change throttles",
        example: "throttle rate login 100/s",
        forms: &[
            "throttle list",
            "throttle info NAME",
            "throttle start NAME RATE",
            "throttle rate NAME RATE",
            "throttle ramp NAME FROM TO over DURATION [steps N]",
            "throttle pause|resume|unlock|stop NAME",
        ],
        details: "RATE, FROM and TO are rates: `100/s`, `6000/min`, `100 per 5s`, `every 20ms` \
                  (time between two), `8 at once` (so many in flight), `unlimited`, `0`. `unlock` \
                  lets everybody through; `stop` answers everybody who waits with an error.",
        group: Group::Pace,
    },
    Verb {
        name: "coordinator",
        parts: &["list", "reset", "stop"],
        about: "list, reset and stop coordinators",
        example: "coordinator list",
        forms: &["coordinator list", "coordinator reset|stop NAME"],
        details: "`reset` acts on the groups as they are and begins anew; `stop` does so and ends \
                  the coordinator.",
        group: Group::Pace,
    },
    Verb {
        name: "capacity",
        parts: &["start", "status", "stop"],
        about: "search how many users the target supports",
        example: "capacity start idle with max=500",
        forms: &[
            "capacity start SCENARIO [KEY=VALUE…] [with KEY=VALUE…]",
            "capacity status",
            "capacity stop",
        ],
        details: "Starts the scenario without users, changes their number until it is known which \
                  the target supports, and ends the run. Behind `with` stand settings of the \
                  search: strategy=bisect|equilibrium|stress, max=N, signal='p95(login) < 150ms', \
                  prometheus=URL with query='NAME: QUERY >= LIMIT', precision=5% and more. `stop` \
                  keeps what is known; `reset` forgets it.",
        group: Group::Run,
    },
    Verb {
        name: "nodes",
        parts: &[],
        about: "the nodes and their state",
        example: "nodes",
        forms: &["nodes"],
        details: "",
        group: Group::Cluster,
    },
    Verb {
        name: "join",
        parts: &[],
        about: "connect to another node",
        example: "join 10.0.0.7:4370",
        forms: &["join ADDRESS"],
        details: "",
        group: Group::Cluster,
    },
    Verb {
        name: "drain",
        parts: &[],
        about: "move the users of a node away",
        example: "drain worker-3",
        forms: &["drain NODE"],
        details: "",
        group: Group::Cluster,
    },
    Verb {
        name: "help",
        parts: &[],
        about: "this list, or one verb",
        example: "help throttle",
        forms: &["help [VERB]"],
        details: "",
        group: Group::Console,
    },
    Verb {
        name: "quit",
        parts: &[],
        about: "end the run, if any, and the node",
        example: "quit",
        forms: &["quit"],
        details: "So do `exit` and Ctrl-D on an empty line.",
        group: Group::Console,
    },
];

impl Verb {
    /// The verb of that name.
    ///
    /// # Errors
    /// `unknown-command`, naming the one perhaps meant.
    pub fn find(name: &str) -> Result<&'static Self, Refusal> {
        let meant = if name == EXIT { "quit" } else { name };
        VERBS.iter().find(|verb| verb.name == meant).ok_or_else(|| {
            let near = did_you_mean(name, VERBS.iter().map(|verb| verb.name));
            Refusal::new(
                Code::UnknownCommand,
                format!("{} is not a command{near}; `help` lists all", quoted(name)),
            )
        })
    }

    /// How it is written, for messages.
    pub fn usage(&self) -> String {
        self.forms.iter().map(|form| format!("`{form}`")).collect::<Vec<_>>().join(", ")
    }
}

/// What `help` prints: all verbs, or everything about one.
pub fn help(verb: Option<&Verb>) -> String {
    match verb {
        Some(verb) => explain(verb),
        None => overview(),
    }
}

fn overview() -> String {
    let mut text = String::new();
    for group in Group::ALL {
        let _ = writeln!(text, "{}", group.title());
        for verb in VERBS.iter().filter(|verb| verb.group == group) {
            let _ = writeln!(text, "  {:<12} {:<42} {}", verb.name, verb.about, verb.example);
        }
    }
    text.push_str("`help VERB` tells more.");
    text
}

fn explain(verb: &Verb) -> String {
    let mut text = format!("{} — {}\n", verb.name, verb.about);
    for form in verb.forms {
        let _ = writeln!(text, "  {form}");
    }
    if !verb.details.is_empty() {
        text.push_str(&fill(verb.details, "", 88));
        text.push('\n');
    }
    let _ = write!(text, "Example: {}", verb.example);
    text
}
