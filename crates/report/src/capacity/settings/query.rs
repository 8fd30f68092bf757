//! Pure: what a Prometheus server is asked.

use std::{fmt, str::FromStr, time::Duration};

use crowd_core::settings::SettingValue;

use super::Comparator;

/// An instant query. Unlike a signal of the run's own it says when something is *wrong*: it alerts
/// while its value is to its limit as it says.
#[derive(Debug, Clone, PartialEq)]
pub struct Query {
    /// What people call it.
    pub name: String,
    /// What the server is asked, in its own language.
    pub query: String,
    /// How a value that alerts is to the limit.
    pub comparator: Comparator,
    /// The limit.
    pub limit: f64,
    /// Nothing is asked before the search has gone on for so long: a rate over a minute means
    /// nothing before the minute is over.
    pub warm_up: Duration,
    /// Whether it alerts at all; otherwise it is only shown.
    pub alert: bool,
}

impl FromStr for Query {
    type Err = String;

    /// Reads `NAME: QUERY >= LIMIT`, perhaps with ` after TIME` behind it.
    fn from_str(text: &str) -> Result<Self, String> {
        let fault = |why: &str| {
            Err(format!(
                "`{text}` is no query: {why}; write `cpu: avg(load) >= 0.85` or `5xx: … >= 0.025 \
                 after 60s`, say"
            ))
        };
        let Some((name, rest)) = text.split_once(": ") else { return fault("it has no name") };
        let Some((query, comparator, rest)) = split_last(rest) else {
            return fault("it compares nothing");
        };
        let (limit, warm_up) = match rest.split_once(" after ") {
            None => (rest, Duration::ZERO),
            Some((limit, warm_up)) => match Duration::parse(warm_up) {
                Ok(warm_up) => (limit, warm_up),
                Err(_) => return fault(&format!("`{}` is no time", warm_up.trim())),
            },
        };
        let Some(limit) = share(limit.trim()) else {
            return fault(&format!("`{limit}` is no limit"));
        };
        let name = name.trim().to_owned();
        let query = query.to_owned();
        if name.is_empty() || query.is_empty() {
            return fault("its name or what it asks is empty");
        }
        Ok(Self { name, query, comparator, limit, warm_up, alert: true })
    }
}

/// The comparator that is written so.
pub(super) fn comparator(text: &str) -> Option<Comparator> {
    Comparator::ALL.into_iter().find(|all| all.as_str() == text.trim())
}

/// The last comparator in a text, with what stands before it and behind.
fn split_last(text: &str) -> Option<(&str, Comparator, &str)> {
    let last = text.rfind(['<', '>'])?;
    let found = Comparator::ALL.into_iter().find(|all| text[last..].starts_with(all.as_str()))?;
    Some((text[..last].trim(), found, text[last + found.as_str().len()..].trim()))
}

/// `1%` or `0.01`.
pub(super) fn share(text: &str) -> Option<f64> {
    match text.strip_suffix('%') {
        Some(percent) => number(percent.trim()).map(|percent| percent / 100.0),
        None => number(text),
    }
}

fn number(text: &str) -> Option<f64> {
    text.trim().parse().ok().filter(|number: &f64| number.is_finite() && *number >= 0.0)
}

impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, query, comparator, limit, warm_up, .. } = self;
        write!(f, "{name}: {query} {} {limit}", comparator.as_str())?;
        if warm_up.is_zero() { Ok(()) } else { write!(f, " after {}", warm_up.render()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_as_people_write_them() {
        let text = "5xx: sum(rate(job:http_5xx[1m])) / sum(rate(http[1m]) > 0) >= 0.025 after 60s";
        let query: Query = text.parse().unwrap();
        assert_eq!(query.name, "5xx");
        assert_eq!(query.query, "sum(rate(job:http_5xx[1m])) / sum(rate(http[1m]) > 0)");
        assert_eq!((query.comparator, query.limit), (Comparator::AtLeast, 0.025));
        assert_eq!((query.warm_up, query.alert), (Duration::from_secs(60), true));
        assert_eq!(text, query.to_string().replace("1m", "60s").replace("[60s]", "[1m]"));
        assert_eq!("a: up < 1".parse::<Query>().unwrap().comparator, Comparator::Less);
    }

    #[test]
    fn what_is_none_is_told() {
        for (text, why) in [
            ("up >= 1", "no name"),
            ("a: up", "compares nothing"),
            ("a: up >= many", "`many` is no limit"),
            ("a: up >= 1 after long", "`long` is no time"),
            ("a:  >= 1", "empty"),
        ] {
            let fault = text.parse::<Query>().unwrap_err();
            assert!(fault.contains(why), "{text}: {fault}");
        }
    }
}
