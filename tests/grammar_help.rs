//! What `help` prints.

use crowd::control::command::{VERBS, Verb, help, parse};

/// The verb of that name.
fn verb(name: &str) -> Option<&'static Verb> {
    VERBS.iter().find(|verb| verb.name == name)
}

#[test]
fn every_example_is_a_command_and_every_form_begins_with_its_verb() {
    for verb in VERBS {
        let command = parse(verb.example).unwrap();
        assert!(command.to_string().starts_with(verb.name), "{command}");
        assert!(!verb.forms.is_empty());
        assert!(verb.forms.iter().all(|form| form.starts_with(verb.name)), "{}", verb.name);
    }
}

#[test]
fn the_overview() {
    insta::assert_snapshot!(help(None), @r#"
    The run
      do           start a scenario with so many users        do idle 100 user_rate=50/s
      add          start more users, or exactly these ids     add 50
      remove       tell users to stop, kill them with force   remove 10 force
      set          change settings of the running scenario    set user_rate=100/s
      wait         wait until all users are gone              wait 30s
      stop         end the run                                stop
      reset        forget a finished or failed run            reset
      capacity     search how many users the target supports  capacity start idle with max=500
    What goes on
      status       the run in a few lines                     status
      settings     the run's settings and their origins       settings
      scenarios    the scenarios compiled in, or one of them  scenarios idle
      users        running users                              users 50
      user         one user: state, age, node, last failure   user 17
      metrics      distributions and counters                 metrics connect
      report       the result of a run that is over           report
    Throttles and coordinators
      throttle     list and change throttles                  throttle rate login 100/s
      coordinator  list, reset and stop coordinators          coordinator list
    The cluster
      nodes        the nodes and their state                  nodes
      join         connect to another node                    join 10.0.0.7:4370
      drain        move the users of a node away              drain worker-3
    The console
      help         this list, or one verb                     help throttle
      quit         end the run, if any, and the node          quit
    `help VERB` tells more.
    "#);
}

#[test]
fn a_plain_verb() {
    insta::assert_snapshot!(help(verb("remove")), @r#"
    remove — tell users to stop, kill them with force
      remove COUNT [force] [on NODE,…]
    Each chosen user is told to stop; with `force` it is killed two seconds later if it has
    not ended. A user is never chosen twice. The answer is how many were chosen.
    Example: remove 10 force
    "#);
}

#[test]
fn a_verb_with_parts() {
    insta::assert_snapshot!(help(verb("throttle")), @r#"
    throttle — list and change throttles
      throttle list
      throttle info NAME
      throttle start NAME RATE
      throttle rate NAME RATE
      throttle ramp NAME FROM TO over DURATION [steps N]
      throttle pause|resume|unlock|stop NAME
    RATE, FROM and TO are rates: `100/s`, `6000/min`, `100 per 5s`, `every 20ms` (time
    between two), `8 at once` (so many in flight), `unlimited`, `0`. `unlock` lets everybody
    through; `stop` answers everybody who waits with an error.
    Example: throttle rate login 100/s
    "#);
}
