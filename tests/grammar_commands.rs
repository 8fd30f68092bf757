//! The grammar of the console: every verb, every fault.

use std::time::Duration;

use crowd::{
    control::command::{
        CapacityCommand, Command, CoordinatorCommand, ThrottleCommand, parse, parse_line,
    },
    refusal::Code,
    user::UserId,
};

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn refused(line: &str) -> (Code, String) {
    let refusal = parse(line).expect_err(line);
    (refusal.code, refusal.message)
}

#[track_caller]
fn assert_refused(line: &str, code: Code, says: &str) {
    let (found, message) = refused(line);
    assert_eq!(found, code, "`{line}`: {message}");
    assert!(message.contains(says), "`{line}`: {message}");
}

#[test]
fn do_takes_a_scenario_a_count_and_settings() {
    assert_eq!(
        parse("do idle 100 user_rate=50/s 'text=two words' empty=").unwrap(),
        Command::Do {
            scenario: "idle".to_owned(),
            users: 100,
            settings: pairs(&[("user_rate", "50/s"), ("text", "two words"), ("empty", "")]),
        }
    );
}

#[test]
fn a_value_may_hold_an_equals_sign_and_be_negative() {
    assert_eq!(
        parse("set query=a=b offset=-5").unwrap(),
        Command::Set { settings: pairs(&[("query", "a=b"), ("offset", "-5")]), nodes: Vec::new() }
    );
}

#[test]
fn do_may_start_with_nobody_but_add_and_remove_may_not() {
    assert!(matches!(parse("do idle 0").unwrap(), Command::Do { users: 0, .. }));
    assert_refused("add 0", Code::InvalidRange, "at least 1");
    assert_refused("remove 0", Code::InvalidRange, "at least 1");
}

#[test]
fn add_takes_a_count_or_a_range() {
    let nodes = vec!["a".to_owned(), "b".to_owned()];
    assert_eq!(parse("add 5").unwrap(), Command::Add { count: 5, nodes: Vec::new() });
    assert_eq!(parse("add 5 on a,b").unwrap(), Command::Add { count: 5, nodes: nodes.clone() });
    assert_eq!(parse("add 5 on a, b").unwrap(), Command::Add { count: 5, nodes });
    assert_eq!(parse("add 101..200").unwrap(), Command::AddRange { first: 101, last: 200 });
    assert_eq!(parse("add 7..7").unwrap(), Command::AddRange { first: 7, last: 7 });
    assert_refused("add 10..1", Code::InvalidRange, "FROM..TO");
    assert_refused("add 0..5", Code::InvalidRange, "FROM..TO");
    assert_refused("add 1..-5", Code::InvalidRange, "negative");
    assert_refused("add 1..", Code::BadUsage, "not a count");
    assert_refused("add 1..5 on a", Code::BadUsage, "too many");
    assert_refused("add 5 on", Code::BadUsage, "names of nodes");
    assert_refused("add 5 on ,", Code::BadUsage, "names of nodes");
    assert_refused("add 5 at a", Code::BadUsage, "`at` is a word too many");
}

#[test]
fn remove_takes_force_and_nodes() {
    assert_eq!(
        parse("remove 3 force on a").unwrap(),
        Command::Remove { count: 3, force: true, nodes: vec!["a".to_owned()] }
    );
    assert_eq!(
        parse("remove 3").unwrap(),
        Command::Remove { count: 3, force: false, nodes: Vec::new() }
    );
    assert_refused("remove 3 gently", Code::BadUsage, "`gently` is a word too many");
}

#[test]
fn counts_are_whole_positive_and_of_this_world() {
    for verb in ["do idle", "add", "remove"] {
        assert_refused(&format!("{verb} -5"), Code::InvalidRange, "a count cannot be negative");
        assert_refused(&format!("{verb} 1000000000001"), Code::InvalidRange, "at most 10^12");
        assert_refused(
            &format!("{verb} 99999999999999999999999"),
            Code::InvalidRange,
            "at most 10^12",
        );
        assert_refused(&format!("{verb} many"), Code::BadUsage, "`many` is not a count");
        assert_refused(&format!("{verb} 1.5"), Code::BadUsage, "`1.5` is not a count");
        assert_refused(verb, Code::BadUsage, "words are missing");
    }
    assert!(parse("do idle 1000000000000").is_ok());
}

#[test]
fn settings_are_pairs_each_key_once_and_all_faults_are_told() {
    assert_refused("set", Code::BadUsage, "words are missing");
    assert_refused("set on a", Code::BadUsage, "at least one KEY=VALUE");
    assert_refused("set a=1 a=2", Code::BadUsage, "`a` is given twice");
    let (code, message) = refused("do idle 1 rate =5 a=1 a=2 9x=1");
    assert_eq!(code, Code::BadUsage);
    insta::assert_snapshot!(
        message,
        @"`rate` is not KEY=VALUE: there is no `=`; `…` is not KEY=VALUE: it does not begin with the name of a setting; `a` is given twice; `9x…` is not KEY=VALUE: it does not begin with the name of a setting"
    );
}

#[test]
fn throttles_take_rates_of_several_words() {
    for rate in
        ["100/s", "6000/min", "100 per 5s", "every 20ms", "8 at once", "unlimited", "0", "1.5/s"]
    {
        let Command::Throttle(ThrottleCommand::Start { name, rate: text }) =
            parse(&format!("throttle start login {rate}")).unwrap()
        else {
            panic!("`{rate}` is a rate");
        };
        assert_eq!((name.as_str(), text.as_str()), ("login", rate));
        for other in ["10/s", "every 5ms", "7 per 1s", "3 at once"] {
            let line = format!("throttle ramp login {rate} {other} over 1m 30s steps 9");
            let Command::Throttle(ThrottleCommand::Ramp { ramp, .. }) = parse(&line).unwrap()
            else {
                panic!("`{line}` is a ramp");
            };
            assert_eq!((ramp.from.as_str(), ramp.to.as_str()), (rate, other));
            assert_eq!((ramp.over, ramp.steps), (Duration::from_secs(90), Some(9)));
        }
    }
}

/// Found by the fuzzer of the grammar: a command may be carried out by another node, to which it goes as
/// it is written here.
#[test]
fn rates_in_quotes_stay_what_they_are_when_a_ramp_is_written_down() {
    for (line, written) in [
        ("throttle ramp x 'every 1m 30s' '100 / s' over 5s", "'every 1m 30s' '100 / s' over 5s"),
        ("throttle ramp x '600 per min' '8 at once' over 5s", "600 per min 8 at once over 5s"),
        ("throttle ramp x 10per min\u{b}x over 5s", "10per 'min x' over 5s"),
    ] {
        let command = parse(line).unwrap();
        assert_eq!(command.to_string(), format!("throttle ramp x {written}"));
        assert_eq!(parse(&command.to_string()).unwrap(), command);
    }
    for line in ["ramp x 'every ' 5/s over 5s", "ramp x 5/s ' over' over 5s", "rate x ' --'"] {
        assert_refused(&format!("throttle {line}"), Code::InvalidThrottle, "is not a rate");
    }
}

#[test]
fn throttle_faults_say_what_is_wrong() {
    assert_refused("throttle", Code::BadUsage, "words are missing");
    assert_refused("throttle start login", Code::BadUsage, "words are missing");
    assert_refused("throttle start login 5;s", Code::InvalidThrottle, "is not a rate");
    assert_refused("throttle pace login 5/s", Code::UnknownCommand, "`throttle pace`");
    assert_refused("throttle pasue x", Code::UnknownCommand, "did you mean `pause`?");
    assert_refused("throttle pause x y", Code::BadUsage, "a word too many");
    assert_refused("throttle ramp x 1/s 5/s", Code::BadUsage, "needs `over DURATION`");
    assert_refused("throttle ramp x 1/s over 5s", Code::BadUsage, "two rates");
    assert_refused("throttle ramp x 1/s 2/s 3/s over 5s", Code::BadUsage, "two rates");
    assert_refused("throttle ramp x 1/s 2/s over", Code::BadUsage, "length of time");
    assert_refused("throttle ramp x 1/s 2/s over soon", Code::BadUsage, "`soon`");
    assert_refused("throttle ramp x 1/s 2/s over 0s", Code::InvalidThrottle, "takes time");
    assert_refused("throttle ramp x 1/s 2/s over 5s steps 0", Code::InvalidThrottle, "at least 1");
    assert_refused("throttle ramp x 1/s 2/s over 5s steps", Code::BadUsage, "one number");
}

#[test]
fn the_other_verbs() {
    assert_eq!(parse("users").unwrap(), Command::Users { limit: 20 });
    assert_eq!(parse("users 5").unwrap(), Command::Users { limit: 5 });
    assert_eq!(parse("user 17").unwrap(), Command::User { id: UserId(17) });
    assert_refused("user 0", Code::InvalidRange, "from 1 on");
    assert_refused("user -3", Code::InvalidRange, "from 1 on");
    assert_refused("user bob", Code::InvalidRange, "`bob`");
    assert_eq!(parse("wait").unwrap(), Command::Wait { limit: None });
    assert_eq!(
        parse("wait 1m 30s").unwrap(),
        Command::Wait { limit: Some(Duration::from_secs(90)) }
    );
    assert_refused("wait 5", Code::BadUsage, "`5` is not a length of time");
    assert_refused("wait -5s", Code::BadUsage, "`-5s` is not a length of time");
    assert_eq!(
        parse("coordinator reset pairs").unwrap(),
        Command::Coordinator(CoordinatorCommand::Reset { name: "pairs".to_owned() })
    );
    assert_refused("coordinator start x", Code::UnknownCommand, "`coordinator start`");
    assert_eq!(
        parse("capacity start shop url=http://a with max=50 'signal=p95 < 1s' signal=rate>1")
            .unwrap(),
        Command::Capacity(CapacityCommand::Start {
            scenario: "shop".to_owned(),
            settings: vec![("url".to_owned(), "http://a".to_owned())],
            search: [("max", "50"), ("signal", "p95 < 1s"), ("signal", "rate>1")]
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .to_vec(),
        })
    );
    assert_refused("capacity start shop with", Code::BadUsage, "at least one");
    assert_refused("capacity start shop with max=1 max=2", Code::BadUsage, "twice");
    assert_refused("capacity begin shop", Code::UnknownCommand, "`capacity begin`");
    assert_eq!(parse("join host:4370").unwrap(), Command::Join { address: "host:4370".to_owned() });
    assert_refused("join ''", Code::BadUsage, "is not a name");
    assert_refused("stop now", Code::BadUsage, "a word too many");
}

#[test]
fn an_unknown_verb_is_told_the_nearest() {
    assert_refused("statsu", Code::UnknownCommand, "did you mean `status`?");
    assert_refused("help statsu", Code::UnknownCommand, "did you mean `status`?");
    let (_, message) = refused("launch 5");
    insta::assert_snapshot!(message, @"`launch` is not a command; `help` lists all");
}

#[test]
fn flags_are_no_words_of_the_console() {
    assert_refused("status --json", Code::BadUsage, "a word too many");
    assert_refused("remove 5 --force", Code::BadUsage, "a word too many");
    assert_refused("--help", Code::UnknownCommand, "`--help`");
    assert_refused("status --help", Code::BadUsage, "a word too many");
    assert_refused("throttle help", Code::UnknownCommand, "`throttle help`");
}

#[test]
fn empty_lines_and_comments_are_nothing() {
    for line in ["", "   ", "\t", "# do idle 5", "  # x"] {
        assert_eq!(parse_line(line).unwrap(), None, "{line:?}");
    }
    assert_eq!(parse_line(" stop  # enough").unwrap(), Some(Command::Stop));
    assert_eq!(parse_line("\u{feff}stop\r").unwrap(), Some(Command::Stop));
    assert_eq!(parse_line("\u{feff}# a script").unwrap(), None);
    assert_refused("", Code::BadUsage, "there is no command");
    assert_refused("set 'a=1", Code::BadUsage, "not closed");
    assert_refused("set a=\0", Code::BadUsage, "NUL");
}

#[test]
fn a_console_is_left_by_either_word() {
    assert_eq!(parse("quit"), Ok(Command::Quit));
    assert_eq!(parse("exit"), Ok(Command::Quit));
    assert_eq!(parse("help exit"), parse("help quit"));
    assert!(parse("exit now").unwrap_err().message.contains("`quit`"));
}
