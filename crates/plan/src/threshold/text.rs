//! Pure: thresholds from their text. A fault is told with the place it is at and what would be
//! right there.

use std::time::Duration;

use crowd_core::suggestion::did_you_mean;

use super::{
    LONGEST_WINDOW, Scope, Threshold,
    bound::{Bound, Comparator, Unit},
    fault::{ThresholdFault, ThresholdFaults},
    metric::{ALL, Kind, Metric, SPECIAL, Side, Stat},
};

/// What thresholds look like, for messages.
const EXAMPLE: &str = "`p95(login) < 150ms` or `error_rate < 1%`";

/// The metrics, without the percentiles.
const METRICS: [&str; 10] = [
    "min",
    "mean",
    "max",
    "error_rate",
    "rate",
    "count",
    "check_rate",
    "dropped_rate",
    "users",
    "failed_users",
];

/// What follows a bound.
const ENDINGS: [&str; 3] = ["over", "in", "abort"];

/// Reads one threshold.
pub(super) fn one(text: &str) -> Result<Threshold, ThresholdFault> {
    let text = text.trim();
    Cursor { text, at: 0 }.threshold().map_err(|Fault { at, reason }| ThresholdFault {
        text: text.to_owned(),
        column: text[..at].chars().count(),
        reason,
    })
}

/// Reads thresholds that semicolons separate.
pub(super) fn all(text: &str) -> Result<Vec<Threshold>, ThresholdFaults> {
    let (mut read, mut faults) = (Vec::new(), Vec::new());
    let parts: Vec<_> = parts(text).filter(|part| !part.trim().is_empty()).collect();
    // A text without any is one that is empty.
    let parts = if parts.is_empty() { vec![""] } else { parts };
    for part in parts {
        match one(part) {
            Ok(threshold) => read.push(threshold),
            Err(fault) => faults.push(fault),
        }
    }
    if faults.is_empty() { Ok(read) } else { Err(ThresholdFaults(faults)) }
}

/// The parts between the semicolons that no name in quotes holds.
fn parts(text: &str) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(move |c| {
        let (was_quoted, was_escaped) = (quoted, escaped);
        escaped = was_quoted && !was_escaped && c == '\\';
        if c == '"' && !was_escaped {
            quoted = !was_quoted;
        }
        c == ';' && !was_quoted
    })
}

/// Where in the text something is wrong, and what would be right.
struct Fault {
    at: usize,
    reason: String,
}

impl Fault {
    fn new(at: usize, reason: impl Into<String>) -> Self {
        Self { at, reason: reason.into() }
    }
}

/// A text that is read from left to right.
struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    fn threshold(mut self) -> Result<Threshold, Fault> {
        let metric = self.metric()?;
        let comparator = self.comparator()?;
        let bound = self.bound(&metric)?;
        let scope = self.scope()?;
        let abort = self.abort()?;
        if !self.rest().is_empty() {
            let also = match (scope, abort) {
                (_, Some(_)) => "",
                (Scope::Run, None) => "`over 10s`, `in stage 2`, `abort` or ",
                (_, None) => "`abort` or ",
            };
            return Err(Fault::new(
                self.at,
                format!("expected {also}the end; semicolons separate thresholds"),
            ));
        }
        Ok(Threshold { metric, comparator, bound, scope, abort })
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn skip_blanks(&mut self) {
        self.at = self.text.len() - self.rest().trim_start().len();
    }

    /// Takes what is next if it is that.
    fn take(&mut self, wanted: &str) -> bool {
        let found = self.rest().starts_with(wanted);
        if found {
            self.at += wanted.len();
        }
        found
    }

    /// Takes all characters that are such.
    fn take_while(&mut self, fits: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let end = rest.find(|c| !fits(c)).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    /// The next word, which is not taken.
    fn word(&self) -> &'a str {
        let rest = self.rest();
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        &rest[..end]
    }

    /// Takes the next word if it is that.
    fn take_word(&mut self, wanted: &str) -> bool {
        self.skip_blanks();
        self.word() == wanted && self.take(wanted)
    }

    fn metric(&mut self) -> Result<Metric, Fault> {
        let at = self.at;
        let word = self.take_while(|c| c.is_alphanumeric() || c == '_' || c == '.');
        if word.is_empty() {
            return Err(Fault::new(at, format!("expected a threshold, such as {EXAMPLE}")));
        }
        let stat = match word {
            "min" => Some(Stat::Min),
            "mean" => Some(Stat::Mean),
            "max" => Some(Stat::Max),
            _ => percentile(word, at)?,
        };
        if let Some(stat) = stat {
            let (action, side) = self.named(true)?;
            return Ok(Metric::Time { stat, side, action });
        }
        let single = match word {
            "dropped_rate" => Some(Metric::DroppedRate),
            "users" => Some(Metric::Users),
            "failed_users" => Some(Metric::FailedUsers),
            _ => None,
        };
        if let Some(metric) = single {
            let before = self.at;
            self.skip_blanks();
            if self.rest().starts_with('(') {
                return Err(Fault::new(self.at, format!("`{word}` is one for the whole run")));
            }
            self.at = before;
            return Ok(metric);
        }
        let metric = match word {
            "error_rate" => Metric::ErrorRate,
            "rate" => Metric::Rate,
            "count" => Metric::Count,
            "check_rate" => Metric::CheckRate,
            _ => {
                let near = did_you_mean(word, METRICS);
                let known = METRICS.join("`, `");
                return Err(Fault::new(at, format!("no metric: expected `p95`, `{known}`{near}")));
            }
        };
        Ok(metric(self.named(false)?.0))
    }

    /// `(NAME)` or, of times, `(NAME, service)`; nothing stands for all.
    fn named(&mut self, has_sides: bool) -> Result<(Option<String>, Side), Fault> {
        self.skip_blanks();
        if !self.take("(") {
            return Ok((None, Side::default()));
        }
        self.skip_blanks();
        let name = if self.rest().starts_with('"') {
            Some(self.quoted()?)
        } else {
            let at = self.at;
            let name = self.take_while(|c| !SPECIAL.contains(&c)).trim_end();
            if name.is_empty() {
                return Err(Fault::new(at, "expected the name of an action, counter or check"));
            }
            (name != ALL).then(|| name.to_owned())
        };
        self.skip_blanks();
        let mut side = Side::default();
        if has_sides && self.take(",") {
            self.skip_blanks();
            let at = self.at;
            side = match self.take_while(char::is_alphanumeric) {
                "service" => Side::Service,
                "response" => Side::Response,
                _ => return Err(Fault::new(at, "expected `service` or `response`")),
            };
            self.skip_blanks();
        }
        if self.take(")") {
            return Ok((name, side));
        }
        let reason = match (has_sides, self.rest().is_empty()) {
            (true, false) => "expected `)` or `, service)`; put a name with such a sign in quotes",
            (false, false) => "expected `)`; put a name with such a sign in quotes",
            (_, true) => "expected `)`",
        };
        Err(Fault::new(self.at, reason))
    }

    /// A name in quotes.
    fn quoted(&mut self) -> Result<String, Fault> {
        let start = self.at;
        let mut name = String::new();
        let mut characters = self.rest().char_indices().skip(1);
        while let Some((at, character)) = characters.next() {
            match character {
                '"' => {
                    self.at += at + 1;
                    return Ok(name);
                }
                '\\' => name.extend(characters.next().map(|(_, escaped)| escaped)),
                other => name.push(other),
            }
        }
        Err(Fault::new(start, "expected a quote at the end of this name as well"))
    }

    fn comparator(&mut self) -> Result<Comparator, Fault> {
        self.skip_blanks();
        let found = Comparator::ALL.into_iter().find(|comparator| self.take(comparator.as_str()));
        found.ok_or_else(|| Fault::new(self.at, "expected `<`, `<=`, `>` or `>=`"))
    }

    fn bound(&mut self, metric: &Metric) -> Result<Bound, Fault> {
        self.skip_blanks();
        let kind = metric.kind();
        let at = self.at;
        let digits = self.take_while(|c| c.is_ascii_digit() || c == '.' || c == '_');
        let number = digits.replace('_', "").parse::<f64>();
        let Some(value) = number.ok().filter(|value| value.is_finite()) else {
            return Err(Fault::new(at, format!("expected {}", wanted(kind))));
        };
        let unit_at = self.at;
        self.skip_blanks();
        if ENDINGS.contains(&self.word()) {
            self.at = unit_at;
        }
        let unit_at = self.at;
        let text = self.take_while(|c| c.is_alphabetic() || c == '/' || c == '%');
        let unit = Unit::of(kind, text).ok_or_else(|| {
            let reason = match kind {
                Kind::Time => format!("`{metric}` is a time: expected `us`, `ms`, `s` or `min`"),
                Kind::Share => format!("`{metric}` is a share: expected `%` or nothing"),
                Kind::Rate => format!("`{metric}` is a rate: expected `/s` or `/min`"),
                Kind::Count if text.starts_with('/') => {
                    format!("`{metric}` is no rate: expected no unit")
                }
                Kind::Count => format!("`{metric}` is a number of things: expected no unit"),
            };
            Fault::new(unit_at, reason)
        })?;
        match unit {
            Unit::Share if value > 1.0 => {
                let reason = format!("a share is 1 at most: write `{value}%` for {value} in 100");
                Err(Fault::new(at, reason))
            }
            Unit::Percent if value > 100.0 => Err(Fault::new(at, "a share is 100% at most")),
            _ => Ok(Bound { value, unit }),
        }
    }

    fn scope(&mut self) -> Result<Scope, Fault> {
        if self.take_word("over") {
            let (at, time) = self.time("a window, such as `10s`")?;
            return match time {
                time if time < Duration::from_secs(1) => {
                    Err(Fault::new(at, "a window is one second at least"))
                }
                time if time > LONGEST_WINDOW => {
                    Err(Fault::new(at, "a window is one hour at most"))
                }
                time => Ok(Scope::Over(time)),
            };
        }
        if !self.take_word("in") {
            return Ok(Scope::Run);
        }
        if !self.take_word("stage") {
            return Err(Fault::new(self.at, "expected `stage` and its number"));
        }
        self.skip_blanks();
        let at = self.at;
        let number = self.take_while(|c| c.is_alphanumeric());
        match number.parse() {
            Ok(stage) if stage > 0 => Ok(Scope::Stage(stage)),
            _ => Err(Fault::new(at, "expected the number of a stage, from 1")),
        }
    }

    fn abort(&mut self) -> Result<Option<Duration>, Fault> {
        if !self.take_word("abort") {
            return Ok(None);
        }
        if !self.take_word("after") {
            return Ok(Some(Duration::ZERO));
        }
        self.time("a time, such as `30s`").map(|(_, time)| Some(time))
    }

    /// A length of time of one word, and where it begins.
    fn time(&mut self, wanted: &str) -> Result<(usize, Duration), Fault> {
        self.skip_blanks();
        let at = self.at;
        let word = self.take_while(|c| c.is_alphanumeric() || c == '.');
        let time = humantime::parse_duration(word);
        time.map(|time| (at, time)).map_err(|_| Fault::new(at, format!("expected {wanted}")))
    }
}

/// The percentile that a word names; `None` if it names none at all.
fn percentile(word: &str, at: usize) -> Result<Option<Stat>, Fault> {
    let Some(digits) = word.strip_prefix('p').filter(|digits| !digits.is_empty()) else {
        return Ok(None);
    };
    if !digits.chars().all(|c| c.is_ascii_digit() || c == '.') {
        return Ok(None);
    }
    match digits.parse::<f64>() {
        Ok(percent) if percent > 0.0 && percent < 100.0 => Ok(Some(Stat::Percentile(percent))),
        _ => Err(Fault::new(
            at + 1,
            "a percentile is above 0 and below 100, as in `p99.9`; for the longest write `max`",
        )),
    }
}

/// What a bound of that kind looks like.
fn wanted(kind: Kind) -> &'static str {
    match kind {
        Kind::Time => "a number with a unit, such as `150ms`",
        Kind::Share => "a share, such as `1%` or `0.01`",
        Kind::Rate => "a rate, such as `1000/s` or `60/min`",
        Kind::Count => "a number, such as `100`",
    }
}

#[cfg(test)]
mod tests;
