//! How a run goes, on a terminal: a few lines that are drawn again and again.

use std::{fmt::Write, time::Duration};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::{
    control::{
        logging::{Diverted, Logs},
        view::{MetricsView, age},
    },
    node::Status,
};

/// At most so many actions are shown.
const ACTIONS: usize = 8;

/// The lines on standard error; nothing is drawn if that is no terminal.
#[derive(Debug)]
pub(super) struct Progress {
    bar: ProgressBar,
    _logs: Diverted,
}

impl Progress {
    /// Begins to draw; log lines appear above from now on.
    pub(super) fn new(logs: &Logs) -> Self {
        let bar = ProgressBar::new_spinner();
        bar.set_draw_target(ProgressDrawTarget::stderr());
        // The template is fixed and right; without it the default style would do as well.
        if let Ok(style) = ProgressStyle::with_template("{msg}") {
            bar.set_style(style);
        }
        let above = bar.clone();
        let logs = logs.divert(move |text| above.suspend(|| eprint!("{text}")));
        Self { bar, _logs: logs }
    }

    /// Whether anybody sees it.
    pub(super) fn is_shown(&self) -> bool {
        !self.bar.is_hidden()
    }

    /// Draws.
    pub(super) fn show(&self, status: &Status, metrics: &MetricsView, left: Option<Duration>) {
        self.bar.set_message(lines(status, metrics, left));
        self.bar.tick();
    }

    /// Says something that stays.
    pub(super) fn say(&self, text: &str) {
        self.bar.suspend(|| eprintln!("{text}"));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// Pure: what is drawn.
fn lines(status: &Status, metrics: &MetricsView, left: Option<Duration>) -> String {
    let users = status.users;
    let ended = users.finished + users.failed + users.removed;
    let mut text = format!(
        "{}  {}  users: {} waiting, {} running, {ended} ended",
        status.scenario.as_deref().unwrap_or("-"),
        age(status.elapsed),
        users.waiting,
        users.running,
    );
    if users.failed > 0 {
        let _ = write!(text, " ({} failed)", users.failed);
    }
    if let Some(left) = left {
        let _ = write!(text, "  {} left", age(left));
    }
    for action in metrics.actions.iter().take(ACTIONS) {
        let _ = write!(
            text,
            "\n  {}  {:.1}/s  p50 {:.1} ms  p95 {:.1} ms  p99 {:.1} ms",
            action.name, action.rate, action.response.p50, action.response.p95, action.response.p99
        );
        if action.failed > 0 {
            let _ = write!(text, "  {} failed", action.failed);
        }
    }
    match metrics.actions.len().saturating_sub(ACTIONS) {
        0 => {}
        more => {
            let _ = write!(text, "\n  and {more} more actions");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        control::view::{ActionView, TimesView},
        node::{RunState, UserCounts},
    };

    #[test]
    fn what_is_drawn() {
        let status = Status {
            node: "here".to_owned(),
            state: RunState::Running,
            reason: None,
            scenario: Some("chat".to_owned()),
            users: UserCounts {
                asked: 100,
                waiting: 20,
                running: 70,
                finished: 7,
                failed: 2,
                removed: 1,
                peak: 80,
            },
            highest_user_id: 100,
            user_rate: None,
            elapsed: Duration::from_millis(72_345),
        };
        let times = TimesView { p50: 1.25, p95: 3.5, p99: 12.0, ..TimesView::default() };
        let action = |name: &str, failed| ActionView {
            name: name.to_owned(),
            count: 1000,
            failed,
            rate: 99.96,
            service: times,
            response: times,
        };
        let metrics = MetricsView {
            actions: vec![action("send", 0), action("read", 3)],
            ..MetricsView::default()
        };
        insta::assert_snapshot!(lines(&status, &metrics, Some(Duration::from_secs(48))), @"");
    }
}
