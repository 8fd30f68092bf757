//! What two nodes say to each other before they are linked, and whether they fit.

use std::collections::BTreeMap;

use crowd_core::printable::{SENTENCE, line, quoted};
use serde::{Deserialize, Serialize};

use crate::cluster::{member::MemberId, protocol};

/// What a node says of itself. What a node of another version does not say is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Hello {
    /// [`protocol::VERSION`].
    pub(crate) protocol: u32,
    /// The version of crowd.
    pub(crate) version: String,
    pub(crate) name: String,
    pub(crate) incarnation: u64,
    /// What its calendar said when its clock was 0, in nanoseconds since 1970.
    pub(crate) since: u64,
    /// Where it wants to be reached, if it says so.
    pub(crate) advertise: Option<String>,
    /// The port it listens on.
    pub(crate) port: u16,
    /// Every scenario's name, and a digest of what must be alike.
    pub(crate) scenarios: BTreeMap<String, String>,
    /// The master it knows.
    pub(crate) master: Option<MemberId>,
    /// It knows that it has no link to this member.
    pub(crate) unlinked: Option<MemberId>,
}

/// Why two nodes are not linked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Because {
    /// The cookies differ.
    Cookie,
    /// Versions, scenarios or masters differ.
    Unlike,
    /// The name is taken.
    Name,
    /// It is the same node.
    Itself,
    /// There is a link already.
    Linked,
    /// To be tried again at once.
    Busy,
    /// Something this version does not know.
    #[serde(other)]
    Other,
}

/// A refusal, as it is told to the other side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct No {
    pub(crate) because: Because,
    /// One sentence.
    pub(crate) why: String,
    /// Who refuses, if the other has proven itself.
    pub(crate) by: Option<MemberId>,
}

impl No {
    pub(crate) fn new(because: Because, why: impl Into<String>) -> Self {
        Self { because, why: why.into(), by: None }
    }

    /// As it is told here, if it comes from elsewhere.
    pub(crate) fn heard(self) -> Self {
        Self { why: line(&self.why, SENTENCE), ..self }
    }
}

impl Hello {
    /// Who says it.
    pub(crate) fn id(&self) -> MemberId {
        MemberId::new(self.name.as_str(), self.incarnation)
    }
}

/// The sentence that names the first difference that keeps two nodes apart.
pub(crate) fn difference(one: &Hello, other: &Hello) -> Option<String> {
    let (a, b) = (quoted(&one.name), quoted(&other.name));
    let namely = |is: &str, of_one: &dyn std::fmt::Display, of_other: &dyn std::fmt::Display| {
        Some(format!("node {a} {is} {of_one}, node {b} {is} {of_other}"))
    };
    let sound = |letter: char| letter.is_ascii_alphanumeric() || "-._".contains(letter);
    for name in [&one.name, &other.name] {
        if name.is_empty() || name.len() > 255 || !name.chars().all(sound) {
            return Some(format!("{} is no name for a node", quoted(name)));
        }
    }
    if one.protocol != other.protocol {
        return namely("speaks protocol", &one.protocol, &other.protocol);
    }
    if one.version != other.version {
        return namely("runs crowd", &quoted(&one.version), &quoted(&other.version));
    }
    for (scenario, digest) in &one.scenarios {
        let what = match other.scenarios.get(scenario) {
            Some(same) if same == digest => continue,
            Some(_) => format!("differs between nodes {a} and {b}"),
            None => format!("is on node {a}, but not on node {b}"),
        };
        return Some(format!("scenario {} {what}", quoted(scenario)));
    }
    let more = other.scenarios.keys().find(|scenario| !one.scenarios.contains_key(*scenario));
    if let Some(scenario) = more {
        return Some(format!("scenario {} is on node {b}, but not on node {a}", quoted(scenario)));
    }
    match (&one.master, &other.master) {
        (Some(first), Some(second)) if first != second => Some(format!(
            "there are two masters: node {a} follows {}, node {b} follows {}",
            life(first, second),
            life(second, first),
        )),
        _ => None,
    }
}

/// A master's name; with its incarnation, if the other one has the same name.
fn life(master: &MemberId, other: &MemberId) -> String {
    if master.name == other.name {
        format!("{} (process {:x})", quoted(&master.name), master.incarnation)
    } else {
        quoted(&master.name)
    }
}

/// This build's words for a node.
pub(crate) fn of_this_build() -> Hello {
    Hello {
        protocol: protocol::VERSION,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ..Hello::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hello(name: &str) -> Hello {
        Hello {
            name: name.into(),
            scenarios: [("chat".into(), "1".into())].into(),
            ..of_this_build()
        }
    }

    #[test]
    fn a_difference_is_named_with_both_sides() {
        let a = hello("a");
        assert_eq!(difference(&a, &hello("b")), None);
        let said = |change: &dyn Fn(&mut Hello)| {
            let mut b = hello("b");
            change(&mut b);
            difference(&a, &b).unwrap()
        };
        let now = protocol::VERSION;
        assert_eq!(
            said(&|b| b.protocol = 9),
            format!("node `a` speaks protocol {now}, node `b` speaks protocol 9")
        );
        assert!(said(&|b| b.version = "7".into()).ends_with("node `b` runs crowd `7`"));
        assert_eq!(
            said(&|b| b.scenarios.clear()),
            "scenario `chat` is on node `a`, but not on node `b`"
        );
        assert_eq!(
            said(&|b| drop(b.scenarios.insert("idle".into(), "1".into()))),
            "scenario `idle` is on node `b`, but not on node `a`"
        );
        assert_eq!(
            said(&|b| drop(b.scenarios.insert("chat".into(), "2".into()))),
            "scenario `chat` differs between nodes `a` and `b`"
        );
        assert_eq!(said(&|b| b.name = "\u{1b}[2J".into()), "` [2J` is no name for a node");
    }

    #[test]
    fn two_masters_are_one_too_many() {
        let (mut a, mut b) = (hello("a"), hello("b"));
        a.master = Some(MemberId::new("m", 1));
        assert_eq!(difference(&a, &b), None);
        b.master = Some(MemberId::new("n", 1));
        assert_eq!(
            difference(&a, &b).unwrap(),
            "there are two masters: node `a` follows `m`, node `b` follows `n`"
        );
        b.master = Some(MemberId::new("m", 31));
        assert!(difference(&a, &b).unwrap().ends_with("node `b` follows `m` (process 1f)"));
    }

    #[test]
    fn words_of_another_version_are_understood() {
        let hello: Hello = serde_json::from_str(r#"{"protocol":7,"colour":"red"}"#).unwrap();
        assert_eq!(hello.protocol, 7);
        let no: No = serde_json::from_str(r#"{"because":"moon","why":"full"}"#).unwrap();
        assert_eq!(no.because, Because::Other);
    }
}
