//! Pure: what may stand where the cursor is.

use crate::{capacity::settings::KEYS, control::command::VERBS};

/// The names there are just now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known {
    /// Scenarios, each with its settings.
    pub scenarios: Vec<(String, Vec<String>)>,
    /// Settings of the run that may change.
    pub changeable: Vec<String>,
    /// Settings whose values are secret, wholly or in parts.
    pub secrets: Vec<String>,
    /// Throttles.
    pub throttles: Vec<String>,
    /// Coordinators.
    pub coordinators: Vec<String>,
    /// Nodes.
    pub nodes: Vec<String>,
}

/// What may stand at the cursor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The text.
    pub text: String,
    /// What it means.
    pub about: Option<&'static str>,
    /// Whether a space follows it; not so after `key=`.
    pub complete: bool,
}

impl Candidate {
    fn word(text: impl Into<String>) -> Self {
        Self { text: text.into(), about: None, complete: true }
    }

    fn key(name: &str) -> Self {
        Self { text: format!("{name}="), about: None, complete: false }
    }
}

/// The candidates for the text before the cursor, and where in it the word begins that they
/// replace.
pub fn candidates(before: &str, known: &Known) -> (usize, Vec<Candidate>) {
    let start = before
        .rfind(char::is_whitespace)
        .map_or(0, |at| at + before[at..].chars().next().map_or(0, char::len_utf8));
    let words: Vec<&str> = before[..start].split_whitespace().collect();
    let mut start = start;
    let mut fragment = &before[start..];
    let all = possible(&words, known);
    if after_on(&words)
        && let Some(comma) = fragment.rfind(',')
    {
        start += comma + 1;
        fragment = &fragment[comma + 1..];
    }
    (start, all.into_iter().filter(|all| all.text.starts_with(fragment)).collect())
}

fn after_on(words: &[&str]) -> bool {
    matches!(words.first(), Some(&("add" | "remove" | "set"))) && words.contains(&"on")
}

fn possible(words: &[&str], known: &Known) -> Vec<Candidate> {
    let names = |names: &[String]| names.iter().map(Candidate::word).collect::<Vec<_>>();
    if after_on(words) {
        return names(&known.nodes);
    }
    let scenarios = || known.scenarios.iter().map(|(name, _)| Candidate::word(name)).collect();
    match words {
        [] | ["help"] => VERBS
            .iter()
            .map(|verb| Candidate { about: Some(verb.about), ..Candidate::word(verb.name) })
            .collect(),
        ["do" | "scenarios"] => scenarios(),
        ["do", scenario, _, given @ ..] => {
            let settings = known.scenarios.iter().find(|(name, _)| name == scenario);
            keys(settings.map_or(&[], |(_, settings)| settings), given)
        }
        ["set", given @ ..] => {
            let mut all = keys(&known.changeable, given);
            all.extend((!given.is_empty()).then(|| Candidate::word("on")));
            all
        }
        ["add", _] => vec![Candidate::word("on")],
        ["remove", _] => vec![Candidate::word("force"), Candidate::word("on")],
        ["remove", _, "force"] => vec![Candidate::word("on")],
        ["drain"] => names(&known.nodes),
        ["throttle", part, rest @ ..] => match (*part, rest) {
            ("list", _) => Vec::new(),
            (_, []) => names(&known.throttles),
            ("ramp", [_, rates @ ..]) => ramp_words(rates),
            _ => Vec::new(),
        },
        ["capacity", "start"] => scenarios(),
        ["capacity", "start", _, given @ ..] if given.contains(&"with") => {
            let search: Vec<_> = KEYS.iter().map(|key| (*key).to_owned()).collect();
            keys(&search, given)
        }
        ["capacity", "start", scenario, given @ ..] => {
            let settings = known.scenarios.iter().find(|(name, _)| name == scenario);
            let mut all = keys(settings.map_or(&[], |(_, settings)| settings), given);
            all.push(Candidate::word("with"));
            all
        }
        ["coordinator", "reset" | "stop"] => names(&known.coordinators),
        [verb @ ("throttle" | "coordinator" | "capacity")] => VERBS
            .iter()
            .filter(|known| known.name == *verb)
            .flat_map(|verb| verb.parts.iter().map(|part| Candidate::word(*part)))
            .collect(),
        _ => Vec::new(),
    }
}

/// `key=` for every setting that is not given yet.
fn keys(settings: &[String], given: &[&str]) -> Vec<Candidate> {
    let is_given = |name: &str| {
        given.iter().any(|pair| pair.split_once('=').is_some_and(|(key, _)| key == name))
    };
    settings.iter().filter(|name| !is_given(name)).map(|name| Candidate::key(name)).collect()
}

fn ramp_words(rates: &[&str]) -> Vec<Candidate> {
    let over = rates.iter().position(|word| *word == "over");
    match over {
        None if rates.len() >= 2 => vec![Candidate::word("over")],
        Some(at) if rates.len() > at + 1 && !rates.contains(&"steps") => {
            vec![Candidate::word("steps")]
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn known() -> Known {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        Known {
            scenarios: vec![
                ("chat".to_owned(), texts(&["room", "rate"])),
                ("idle".to_owned(), texts(&["lifetime"])),
            ],
            changeable: texts(&["user_rate", "rate"]),
            secrets: Vec::new(),
            throttles: texts(&["login", "logout"]),
            coordinators: texts(&["pairs"]),
            nodes: texts(&["one", "other"]),
        }
    }

    fn at(before: &str) -> Vec<String> {
        candidates(before, &known()).1.into_iter().map(|candidate| candidate.text).collect()
    }

    #[test]
    fn verbs_come_first() {
        assert_eq!(at("st"), ["stop", "status"]);
        assert_eq!(at("help thr"), ["throttle"]);
        assert_eq!(at("").len(), VERBS.len());
    }

    #[test]
    fn a_scenario_then_nothing_for_the_count_then_its_settings() {
        assert_eq!(at("do "), ["chat", "idle"]);
        assert_eq!(at("do chat "), Vec::<String>::new());
        assert_eq!(at("do chat 5 "), ["room=", "rate="]);
        assert_eq!(at("do chat 5 room=a "), ["rate="]);
        assert_eq!(at("do nobody 5 "), Vec::<String>::new());
    }

    #[test]
    fn set_offers_what_may_change() {
        assert_eq!(at("set "), ["user_rate=", "rate="]);
        assert_eq!(at("set rate=5 o"), ["on"]);
        assert_eq!(at("set rate=5 on "), ["one", "other"]);
    }

    #[test]
    fn force_and_nodes() {
        assert_eq!(at("remove 5 "), ["force", "on"]);
        assert_eq!(at("remove 5 force "), ["on"]);
        assert_eq!(at("add 5 on ot"), ["other"]);
        assert_eq!(candidates("add 5 on one,ot", &known()).0, "add 5 on one,".len());
        assert_eq!(at("add 5 on one,ot"), ["other"]);
    }

    #[test]
    fn parts_and_names() {
        assert_eq!(at("throttle r"), ["rate", "ramp", "resume"]);
        assert_eq!(at("throttle info log"), ["login", "logout"]);
        assert_eq!(at("throttle ramp login 1/s 2/s "), ["over"]);
        assert_eq!(at("throttle ramp login 1/s 2/s over 5s "), ["steps"]);
        assert_eq!(at("coordinator reset "), ["pairs"]);
        assert_eq!(at("coordinator list "), Vec::<String>::new());
    }

    proptest! {
        /// Candidates always replace the end of what is typed, at a boundary of characters.
        #[test]
        fn any_text_has_a_place_for_candidates(before in any::<String>()) {
            let (start, all) = candidates(&before, &known());
            prop_assert!(before.is_char_boundary(start));
            for candidate in all {
                prop_assert!(candidate.text.starts_with(&before[start..]));
            }
        }
    }
}
