//! The words that stand behind a verb: numbers, pairs, ranges, nodes, rates.

use std::{borrow::Cow, fmt, time::Duration};

use crowd_core::{
    printable,
    refusal::{Code, Refusal},
};
use crowd_plan::run_settings::PROFILE;

use super::{Pair, RampText};

/// More users than this nobody means.
pub const COUNT_LIMIT: u64 = 1_000_000_000_000;

/// A rate as it was written, its spaces made single. Whether it makes sense is for the throttle to
/// say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RateText(String);

impl RateText {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Joins words to a rate.
    pub(super) fn of(words: &[String]) -> Result<Self, Refusal> {
        let text = words.join(" ").split_whitespace().collect::<Vec<_>>().join(" ");
        let fits = |c: char| c.is_alphanumeric() || " /._-+".contains(c);
        // Words that mean something else where rates stand, however they were quoted.
        let is_none =
            ["", "every", "over"].contains(&&*text) || text.split(' ').any(|word| word == "--");
        if is_none || !text.chars().all(fits) {
            return Err(Refusal::new(
                Code::InvalidThrottle,
                format!("`{text}` is not a rate: write {RATES}"),
            ));
        }
        Ok(Self(text))
    }
}

/// What rates look like, for messages.
pub(super) const RATES: &str =
    "`100/s`, `6000/min`, `100 per 5s`, `every 20ms`, `8 at once`, `unlimited` or `0`";

impl fmt::Display for RateText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The longest name that a complaint repeats.
const LONGEST_NAME: usize = 32;

/// Settings of a search that may be given more than once.
const REPEATED: [&str; 2] = ["signal", "query"];

/// A complaint about words.
pub(super) fn usage(message: impl Into<String>) -> Refusal {
    Refusal::new(Code::BadUsage, message)
}

fn range_fault(message: impl Into<String>) -> Refusal {
    Refusal::new(Code::InvalidRange, message)
}

/// A number of users, 0 included.
pub(super) fn count(text: &str) -> Result<u64, Refusal> {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    if unsigned.is_empty() || !unsigned.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(usage(format!("`{text}` is not a count: write a whole number such as 100")));
    }
    if unsigned != text {
        return Err(range_fault(format!("a count cannot be negative: `{text}`")));
    }
    match text.parse() {
        Ok(count) if count <= COUNT_LIMIT => Ok(count),
        _ => Err(range_fault(format!("`{text}` is more than can be meant: at most 10^12"))),
    }
}

/// Reads a number of users that may not be 0.
///
/// # Errors
/// `bad-usage` for what is no number, `invalid-range` for one that nobody can mean.
pub fn some(text: &str) -> Result<u64, Refusal> {
    match count(text)? {
        0 => Err(range_fault("a count of 0 changes nothing: write at least 1")),
        count => Ok(count),
    }
}

/// How many things to show or steps to take.
pub(super) fn limit(text: &str) -> Result<usize, Refusal> {
    usize::try_from(count(text)?).map_err(|_| range_fault(format!("`{text}` is too large")))
}

/// The id of a user.
pub(super) fn id(text: &str) -> Result<u64, Refusal> {
    let fault = || range_fault(format!("`{text}` is not a user id: ids are numbers from 1 on"));
    text.parse().ok().filter(|id| *id > 0).ok_or_else(fault)
}

/// `COUNT`, or `FROM..TO`.
pub(super) fn count_or_range(text: &str) -> Result<(u64, Option<u64>), Refusal> {
    let Some((first, last)) = text.split_once("..") else { return Ok((some(text)?, None)) };
    let (first, last) = (count(first)?, count(last)?);
    if first == 0 || last < first {
        return Err(range_fault(format!(
            "`{text}` is not a range of user ids: write FROM..TO with 1 ≤ FROM ≤ TO"
        )));
    }
    Ok((first, Some(last)))
}

/// The name of a scenario, throttle, coordinator, metric or node.
pub(super) fn name(text: &str) -> Result<String, Refusal> {
    if text.is_empty() || text.starts_with('-') || text.chars().any(char::is_control) {
        return Err(usage(format!("{} is not a name", printable::quoted(text))));
    }
    Ok(text.to_owned())
}

/// The begin of a word, as a complaint about it may tell it: what follows a name may be a secret.
pub(super) fn begin_of(word: &str) -> String {
    let of_name = |letter: char| letter.is_alphanumeric() || "_-".contains(letter);
    let end = word.find(|letter: char| !of_name(letter)).unwrap_or(word.len());
    let cut = word.floor_char_boundary(LONGEST_NAME.min(end));
    format!("`{}{}`", &word[..cut], if cut < word.len() { "…" } else { "" })
}

/// Reads `KEY=VALUE`.
///
/// # Errors
/// `bad-usage` if there is no `=`, or what stands before it cannot be the name of a setting.
fn pair(text: &str) -> Result<Pair, Refusal> {
    let Some((key, value)) = text.split_once('=') else {
        return Err(usage(format!("{} is not KEY=VALUE: there is no `=`", begin_of(text))));
    };
    let starts = key.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let goes_on = key.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c));
    if !starts || !goes_on {
        return Err(usage(format!(
            "{} is not KEY=VALUE: it does not begin with the name of a setting",
            begin_of(text)
        )));
    }
    Ok((key.to_owned(), value.to_owned()))
}

/// Pairs, each key once but those that may be given more often, and what is wrong with others.
pub fn read_pairs(words: &[String], repeated: &[&str]) -> (Vec<Pair>, Vec<String>) {
    let mut pairs: Vec<Pair> = Vec::new();
    let mut faults = Vec::new();
    for word in words {
        match (pair(word), pairs.last()) {
            (Ok((key, _)), _)
                if !repeated.contains(&key.as_str())
                    && pairs.iter().any(|(other, _)| *other == key) =>
            {
                faults.push(format!("`{key}` is given twice"));
            }
            (Ok(pair), _) => pairs.push(pair),
            // It is part of that value, most likely, which may be a secret.
            (Err(_), Some((key, _))) if !word.contains('=') => {
                let fault = format!(
                    "a word behind `{key}=…` is not KEY=VALUE: there is no `=`; a value with spaces \
                     is quoted, '{key}=two words'"
                );
                if faults.last() != Some(&fault) {
                    faults.push(fault);
                }
            }
            (Err(refusal), _) => faults.push(refusal.message),
        }
    }
    (pairs, faults)
}

/// Pairs, each key once; all faults are told together.
pub(super) fn pairs(words: &[String]) -> Result<Vec<Pair>, Refusal> {
    let (pairs, faults) = read_pairs(words, &[]);
    if faults.is_empty() { Ok(pairs) } else { Err(usage(faults.join("; "))) }
}

/// Reads `[COUNT] KEY=VALUE…`. Without a number of users there has to be a profile, which says it.
pub(super) fn count_and_pairs(words: &[String]) -> Result<(u64, Vec<Pair>), Refusal> {
    match words.split_first() {
        Some((first, settings)) if !first.contains('=') => Ok((count(first)?, pairs(settings)?)),
        _ => {
            let pairs = pairs(words)?;
            if pairs.iter().any(|(key, _)| key == PROFILE) {
                return Ok((0, pairs));
            }
            Err(usage("there is no number of users: write one, or a `profile=…` that says it"))
        }
    }
}

/// What stands before `with`, and the settings of a search that stand behind it.
pub(super) fn split_search(words: &[String]) -> Result<(&[String], Vec<Pair>), Refusal> {
    let Some(at) = words.iter().position(|word| word == "with") else {
        return Ok((words, Vec::new()));
    };
    let (before, search) = (&words[..at], &words[at + 1..]);
    if search.is_empty() {
        return Err(usage("`with` needs at least one KEY=VALUE behind it"));
    }
    let (pairs, faults) = read_pairs(search, &REPEATED);
    if faults.is_empty() { Ok((before, pairs)) } else { Err(usage(faults.join("; "))) }
}

/// What stands before `on`, and the nodes that stand behind it.
pub(super) fn split_nodes(words: &[String]) -> Result<(&[String], Vec<String>), Refusal> {
    let Some(at) = words.iter().position(|word| word == "on") else {
        return Ok((words, Vec::new()));
    };
    let mut nodes: Vec<String> = Vec::new();
    for node in words[at + 1..].iter().flat_map(|word| word.split(',')) {
        if !node.is_empty() && !nodes.iter().any(|known| known == node) {
            nodes.push(name(node)?);
        }
    }
    if nodes.is_empty() {
        return Err(usage("`on` needs the names of nodes: write `on NODE,NODE`"));
    }
    Ok((&words[..at], nodes))
}

/// A length of time of one word or several.
pub(super) fn duration(words: &[String]) -> Result<Duration, Refusal> {
    let text = words.join(" ");
    humantime::parse_duration(&text).map_err(|fault| {
        usage(format!("`{text}` is not a length of time such as `30s` or `1m 30s`: {fault}"))
    })
}

/// `FROM TO over DURATION [steps N]`.
pub(super) fn ramp(words: &[String]) -> Result<RampText, Refusal> {
    const FORM: &str = "write `throttle ramp NAME FROM TO over DURATION [steps N]`";
    let invalid = |message: String| Refusal::new(Code::InvalidThrottle, message);
    let Some(over) = words.iter().position(|word| word == "over") else {
        return Err(usage(format!("a ramp needs `over DURATION`: {FORM}")));
    };
    let (from, rest) = first_rate(&words[..over]);
    let (to, rest) = first_rate(rest);
    if from.is_empty() || to.is_empty() || !rest.is_empty() {
        return Err(usage(format!("a ramp needs two rates before `over`: {FORM}")));
    }
    let time = &words[over + 1..];
    let (time, steps) = match time.iter().position(|word| word == "steps") {
        None => (time, None),
        Some(at) => (&time[..at], Some(steps(&time[at + 1..])?)),
    };
    let duration = duration(time)?;
    if duration.is_zero() {
        return Err(invalid("a ramp takes time: `over 0s` is no ramp".to_owned()));
    }
    Ok(RampText { from: RateText::of(from)?, to: RateText::of(to)?, over: duration, steps })
}

fn steps(words: &[String]) -> Result<u32, Refusal> {
    match words {
        [number] => number.parse().ok().filter(|steps| *steps > 0).ok_or_else(|| {
            Refusal::new(
                Code::InvalidThrottle,
                format!("`{number}` is not a number of steps: at least 1"),
            )
        }),
        _ => Err(usage("`steps` needs one number")),
    }
}

/// A rate as it stands beside another: in quotes, unless it is seen where it ends.
pub(super) fn beside(rate: &RateText) -> Cow<'_, str> {
    let words: Vec<String> = rate.as_str().split(' ').map(str::to_owned).collect();
    match first_rate(&words) {
        (_, []) => Cow::Borrowed(rate.as_str()),
        _ => quoted(rate.as_str()),
    }
}

/// The words of the first rate, and the rest.
fn first_rate(words: &[String]) -> (&[String], &[String]) {
    let word = |at: usize| words.get(at).map(String::as_str);
    let length = match (word(0), word(1), word(2)) {
        (None, ..) => 0,
        (Some("every"), Some(_), _) => 2,
        (Some(_), Some("per"), Some(_)) | (Some(_), Some("at"), Some("once")) => 3,
        _ => 1,
    };
    words.split_at(length)
}

/// The text as one word of a line.
pub(super) fn quoted(text: &str) -> Cow<'_, str> {
    // Only a NUL cannot be quoted, and a line with one is refused before it becomes a command.
    shlex::try_quote(text).unwrap_or(Cow::Borrowed(text))
}

/// A verb, and a name if there is one.
pub(super) fn write_optional(
    f: &mut fmt::Formatter<'_>,
    verb: &str,
    name: Option<&str>,
) -> fmt::Result {
    match name {
        Some(name) => write!(f, "{verb} {}", quoted(name)),
        None => f.write_str(verb),
    }
}

/// ` KEY=VALUE` for each pair.
pub(super) fn write_pairs(f: &mut fmt::Formatter<'_>, pairs: &[Pair]) -> fmt::Result {
    pairs.iter().try_for_each(|(key, value)| write!(f, " {}", quoted(&format!("{key}={value}"))))
}

/// ` on NODE,NODE` if any are named.
pub(super) fn write_nodes(f: &mut fmt::Formatter<'_>, nodes: &[String]) -> fmt::Result {
    if nodes.is_empty() { Ok(()) } else { write!(f, " on {}", quoted(&nodes.join(","))) }
}
