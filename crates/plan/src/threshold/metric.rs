//! Pure: what a threshold may be about.

use std::fmt;

/// What is measured. Where an action may be named and none is, all actions together are meant.
#[derive(Debug, Clone, PartialEq)]
pub enum Metric {
    /// How long an action took.
    Time {
        /// Which number of all its times.
        stat: Stat,
        /// Which of its times.
        side: Side,
        /// The action.
        action: Option<String>,
    },
    /// The share of an action that failed.
    ErrorRate(Option<String>),
    /// How often an action was done in a time, failed or not; or how fast a counter grew.
    Rate(Option<String>),
    /// How often an action was done, failed or not; or the sum of a counter.
    Count(Option<String>),
    /// The share of a check that held; of all checks, if none is named.
    CheckRate(Option<String>),
    /// The share of the scheduled arrivals that were dropped.
    DroppedRate,
    /// The most users that ran at once.
    Users,
    /// How many users failed.
    FailedUsers,
}

/// Which number of a distribution.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Stat {
    /// The time that so many in a hundred did not exceed; above 0 and below 100.
    Percentile(f64),
    /// The shortest.
    Min,
    /// The mean.
    Mean,
    /// The longest.
    Max,
}

/// Which of an action's times.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Side {
    /// From when it was due to the answer.
    #[default]
    Response,
    /// From send to answer.
    Service,
}

/// What kind of number a metric is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A time.
    Time,
    /// A share of one.
    Share,
    /// So many in a time.
    Rate,
    /// So many.
    Count,
}

/// Which way a metric can only go while more is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trend {
    Grows,
    Falls,
    Either,
}

impl Metric {
    /// What kind of number it is.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Time { .. } => Kind::Time,
            Self::ErrorRate(_) | Self::CheckRate(_) | Self::DroppedRate => Kind::Share,
            Self::Rate(_) => Kind::Rate,
            Self::Count(_) | Self::Users | Self::FailedUsers => Kind::Count,
        }
    }

    pub(super) fn trend(&self) -> Trend {
        match self {
            Self::Count(_)
            | Self::Users
            | Self::FailedUsers
            | Self::Time { stat: Stat::Max, .. } => Trend::Grows,
            Self::Time { stat: Stat::Min, .. } => Trend::Falls,
            _ => Trend::Either,
        }
    }
}

impl fmt::Display for Stat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Percentile(percent) => write!(f, "p{percent}"),
            Self::Min => f.write_str("min"),
            Self::Mean => f.write_str("mean"),
            Self::Max => f.write_str("max"),
        }
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (word, name) = match self {
            Self::Time { stat, side: Side::Response, action } => {
                return write!(f, "{stat}{}", Named(action.as_deref()));
            }
            Self::Time { stat, side: Side::Service, action } => {
                let action =
                    action.as_deref().map_or(ALL.to_owned(), |name| Name(name).to_string());
                return write!(f, "{stat}({action}, service)");
            }
            Self::ErrorRate(name) => ("error_rate", name),
            Self::Rate(name) => ("rate", name),
            Self::Count(name) => ("count", name),
            Self::CheckRate(name) => ("check_rate", name),
            Self::DroppedRate => return f.write_str("dropped_rate"),
            Self::Users => return f.write_str("users"),
            Self::FailedUsers => return f.write_str("failed_users"),
        };
        write!(f, "{word}{}", Named(name.as_deref()))
    }
}

/// Stands for all actions.
pub(super) const ALL: &str = "*";

/// What a name without quotes may not have in it.
pub(super) const SPECIAL: [char; 8] = ['(', ')', ',', ';', '"', '\\', '<', '>'];

struct Named<'a>(Option<&'a str>);

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(name) => write!(f, "({})", Name(name)),
            None => Ok(()),
        }
    }
}

/// A name, in quotes if it needs them.
struct Name<'a>(&'a str);

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.0;
        let plain = !name.is_empty() && name != ALL && name.trim() == name;
        if plain && !name.contains(SPECIAL) && !name.contains(char::is_control) {
            return f.write_str(name);
        }
        write!(f, "\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\""))
    }
}
