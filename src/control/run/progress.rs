//! How a run goes, on a terminal: a few lines that are drawn again and again.

use std::io::{self, Write};

use crowd_core::printable::lines;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::{
    control::{
        logging::{Diverted, Logs},
        table::wants_colour,
    },
    report::{Colour, live::Screen},
};

/// The lines on standard error; nothing is drawn if that is no terminal.
#[derive(Debug)]
pub(in crate::control) struct Progress {
    bar: ProgressBar,
    _logs: Diverted,
}

impl Progress {
    /// Begins to draw; log lines appear above from now on.
    pub(in crate::control) fn new(logs: &Logs) -> Self {
        let bar = ProgressBar::new_spinner();
        bar.set_draw_target(ProgressDrawTarget::stderr());
        // The template is fixed and right; without it the default style would do as well.
        if let Ok(style) = ProgressStyle::with_template("{msg}") {
            bar.set_style(style);
        }
        let above = bar.clone();
        let logs = logs.divert(move |text| above.suspend(|| put(text)));
        Self { bar, _logs: logs }
    }

    /// What is drawn on, asked for anew each time since windows change their size; `None` if nobody
    /// sees what is drawn, or the terminal is one that cannot be drawn on (`TERM=dumb`).
    pub(in crate::control) fn screen(&self) -> Option<Screen> {
        (!self.bar.is_hidden()).then(|| Screen {
            width: usize::from(console::Term::stderr().size().1),
            colour: if wants_colour(&io::stderr()) { Colour::Ansi } else { Colour::Plain },
        })
    }

    /// Draws.
    pub(in crate::control) fn show(&self, lines: String) {
        self.bar.set_message(lines);
        self.bar.tick();
    }

    /// Says something that stays, whoever is quoted in it.
    pub(in crate::control) fn say(&self, text: &str) {
        self.bar.suspend(|| put(&format!("{}\n", lines(text))));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// A closed standard error is nobody's concern.
fn put(text: &str) {
    let _ = io::stderr().write_all(text.as_bytes());
}
