//! The numbers of a run that are compared.

use std::fmt;

use serde::Serialize;

use super::recorded::Statistic;

/// A number of a run that is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Metric {
    /// The mean of an action's response times.
    ResponseMean,
    /// The response time that half did not exceed.
    ResponseP50,
    /// The response time that 95 % did not exceed.
    ResponseP95,
    /// The response time that 99 % did not exceed.
    ResponseP99,
    /// The service time that 95 % did not exceed.
    ServiceP95,
    /// How many of an action failed or did not end, as a share of those begun.
    Errors,
    /// How often an action was done per second.
    Rate,
    /// How many arrivals of the run were dropped, as a share.
    Dropped,
    /// How many users of the run failed, as a share of those that started.
    FailedUsers,
}

/// What a number is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    /// Milliseconds; changes are relative.
    Ms,
    /// A share of one; changes are differences.
    Share,
    /// So many per second; changes are relative.
    PerSecond,
}

impl Metric {
    /// Those of an action: whether it succeeded first.
    pub(super) const OF_ACTION: [Self; 7] = [
        Self::Errors,
        Self::ResponseMean,
        Self::ResponseP50,
        Self::ResponseP95,
        Self::ResponseP99,
        Self::ServiceP95,
        Self::Rate,
    ];

    /// Its unit.
    pub fn unit(self) -> Unit {
        match self {
            Self::Errors | Self::Dropped | Self::FailedUsers => Unit::Share,
            Self::Rate => Unit::PerSecond,
            _ => Unit::Ms,
        }
    }

    /// Whether more of it is better.
    pub(super) fn more_is_better(self) -> bool {
        self == Self::Rate
    }

    /// Whether it says how much succeeded.
    pub(super) fn is_success(self) -> bool {
        matches!(self, Self::Errors | Self::FailedUsers)
    }

    /// Its name in a document's distribution.
    pub(super) fn field(self) -> Option<&'static str> {
        match self {
            Self::ResponseMean => Some("mean"),
            Self::ResponseP50 => Some("p50"),
            Self::ResponseP95 | Self::ServiceP95 => Some("p95"),
            Self::ResponseP99 => Some("p99"),
            _ => None,
        }
    }

    /// What of a distribution of times it is; `None` if it is none.
    pub(super) fn statistic(self) -> Option<Statistic> {
        match self {
            Self::ResponseMean => Some(Statistic::Mean),
            Self::ResponseP50 => Some(Statistic::Quantile(0.5)),
            Self::ResponseP95 | Self::ServiceP95 => Some(Statistic::Quantile(0.95)),
            Self::ResponseP99 => Some(Statistic::Quantile(0.99)),
            _ => None,
        }
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ResponseMean => "response mean",
            Self::ResponseP50 => "response p50",
            Self::ResponseP95 => "response p95",
            Self::ResponseP99 => "response p99",
            Self::ServiceP95 => "service p95",
            Self::Errors => "failures",
            Self::Rate => "rate",
            Self::Dropped => "dropped arrivals",
            Self::FailedUsers => "failed users",
        })
    }
}
