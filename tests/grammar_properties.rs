//! The grammar against arbitrary text, and there and back again.

use std::time::Duration;

use crowd::{
    control::command::{
        CapacityCommand, Command, CoordinatorCommand, RateText, ThrottleCommand, VERBS, parse,
    },
    user::UserId,
};
use proptest::prelude::*;

fn name() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z][a-z0-9_-]{0,8}", "[a-zA-Z0-9_.:'\"$ #é\\\\*]{1,12}"]
        .prop_filter("names of nodes are split at commas", |name| !name.contains(','))
}

/// Names as they stand in `on NODE,…`.
fn nodes() -> impl Strategy<Value = Vec<String>> {
    prop::collection::btree_set(name(), 0..4).prop_map(|names| names.into_iter().collect())
}

fn pairs(least: usize) -> impl Strategy<Value = Vec<(String, String)>> {
    prop::collection::btree_map("[a-z_][a-z0-9_.-]{0,8}", "[^\0]{0,12}", least..4)
        .prop_map(|pairs| pairs.into_iter().collect())
}

/// Rates as people write them; the command reads them back from a throttle command's line.
fn rate() -> impl Strategy<Value = RateText> {
    prop_oneof![
        (0..9_999u64).prop_map(|n| format!("{n}/s")),
        (0..9_999u64).prop_map(|n| format!("{n}/min")),
        (1..999u64, 1..99u64).prop_map(|(n, s)| format!("{n} per {s}s")),
        (1..999u64).prop_map(|ms| format!("every {ms}ms")),
        (1..999u64).prop_map(|n| format!("{n} at once")),
        Just("unlimited".to_owned()),
        Just("0".to_owned()),
    ]
    .prop_map(|text| match parse(&format!("throttle rate x {text}")) {
        Ok(Command::Throttle(ThrottleCommand::Rate { rate, .. })) => rate,
        other => panic!("`{text}` is a rate: {other:?}"),
    })
}

fn duration() -> impl Strategy<Value = Duration> {
    (1..400_000_000u64, 0..1_000_000_000u32).prop_map(|(secs, nanos)| Duration::new(secs, nanos))
}

fn capacity() -> impl Strategy<Value = CapacityCommand> {
    let start = (name(), pairs(0), pairs(0), prop::option::of("[^\0]{0,12}"));
    prop_oneof![
        Just(CapacityCommand::Status),
        Just(CapacityCommand::Stop),
        start.prop_map(|(scenario, settings, mut search, signal)| {
            // May be there more than once.
            let signals = signal
                .map(|text| [("signal".to_owned(), text.clone()), ("signal".to_owned(), text)]);
            search.extend(signals.into_iter().flatten());
            CapacityCommand::Start { scenario, settings, search }
        }),
    ]
}

fn throttle() -> impl Strategy<Value = ThrottleCommand> {
    let ramp = (rate(), rate(), duration(), prop::option::of(1..1_000u32));
    prop_oneof![
        Just(ThrottleCommand::List),
        name().prop_map(|name| ThrottleCommand::Info { name }),
        (name(), rate()).prop_map(|(name, rate)| ThrottleCommand::Start { name, rate }),
        (name(), rate()).prop_map(|(name, rate)| ThrottleCommand::Rate { name, rate }),
        (name(), ramp).prop_map(|(name, (from, to, over, steps))| ThrottleCommand::Ramp {
            name,
            ramp: crowd::control::command::RampText { from, to, over, steps },
        }),
        name().prop_map(|name| ThrottleCommand::Pause { name }),
        name().prop_map(|name| ThrottleCommand::Resume { name }),
        name().prop_map(|name| ThrottleCommand::Unlock { name }),
        name().prop_map(|name| ThrottleCommand::Stop { name }),
    ]
}

fn command() -> impl Strategy<Value = Command> {
    let count = 1..=1_000_000_000_000u64;
    prop_oneof![
        (name(), 0..=1_000_000_000_000u64, pairs(0))
            .prop_map(|(scenario, users, settings)| Command::Do { scenario, users, settings }),
        (count.clone(), nodes()).prop_map(|(count, nodes)| Command::Add { count, nodes }),
        (1..1_000_000u64, 0..1_000_000u64)
            .prop_map(|(first, more)| Command::AddRange { first, last: first + more }),
        (count, any::<bool>(), nodes()).prop_map(|(count, force, nodes)| Command::Remove {
            count,
            force,
            nodes
        }),
        (pairs(1), nodes()).prop_map(|(settings, nodes)| Command::Set { settings, nodes }),
        prop::sample::select(vec![
            Command::Stop,
            Command::Reset,
            Command::Status,
            Command::Settings,
            Command::Nodes,
            Command::Quit,
            Command::Coordinator(CoordinatorCommand::List),
        ]),
        prop::option::of(name()).prop_map(|name| Command::Scenarios { name }),
        prop::option::of(name()).prop_map(|name| Command::Metrics { name }),
        name().prop_map(|address| Command::Join { address }),
        name().prop_map(|node| Command::Drain { node }),
        throttle().prop_map(Command::Throttle),
        capacity().prop_map(Command::Capacity),
        name().prop_map(|name| Command::Coordinator(CoordinatorCommand::Reset { name })),
        name().prop_map(|name| Command::Coordinator(CoordinatorCommand::Stop { name })),
        (0..1_000usize).prop_map(|limit| Command::Users { limit }),
        (1..u64::MAX).prop_map(|id| Command::User { id: UserId(id) }),
        prop::option::of(duration()).prop_map(|limit| Command::Wait { limit }),
        prop::option::of(prop::sample::select(VERBS.iter().collect::<Vec<_>>()))
            .prop_map(|verb| Command::Help { verb }),
    ]
}

/// Text that looks like a command more often than arbitrary text does.
fn nearly_a_command() -> impl Strategy<Value = String> {
    let verbs: Vec<_> = VERBS.iter().map(|verb| verb.name.to_owned()).collect();
    let word = prop_oneof![
        prop::sample::select(verbs),
        prop::sample::select(vec![
            "on", "over", "steps", "force", "--", "-", "-1", "1..2", "a=b", "=", "every", "at",
            "once", "per", "5s", "10/s", "'", "\\", "#", "list", "ramp", "rate",
        ])
        .prop_map(str::to_owned),
        "[^\n]{0,6}",
    ];
    prop::collection::vec(word, 0..9).prop_map(|words| words.join(" "))
}

proptest! {
    /// Whatever is typed gets an answer.
    #[test]
    fn arbitrary_text_never_panics(line in any::<String>()) {
        let _ = parse(&line);
    }

    /// What does parse means the same when it is written down and read again.
    #[test]
    fn what_parses_is_written_and_read_again(line in nearly_a_command()) {
        if let Ok(command) = parse(&line) {
            let again = command.to_string();
            prop_assert_eq!(parse(&again), Ok(command), "{} → {}", line, again);
        }
    }

    /// Every command can be written down.
    #[test]
    fn a_command_is_written_and_read_again(command in command()) {
        let line = command.to_string();
        prop_assert_eq!(parse(&line), Ok(command), "{}", line);
    }
}
