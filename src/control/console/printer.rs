//! Prints above the prompt while somebody types, and plainly while nobody does.

use std::{
    fmt,
    io::{self, Write},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{SyncSender, TrySendError},
    },
};

/// How many texts may wait for the line editor. Those beyond are counted and dropped: whoever logs
/// may not be held up by a terminal.
pub(super) const ROOM: usize = 4096;

/// Prints without tearing the prompt. Cheap to clone.
#[derive(Clone)]
pub(super) struct Printer {
    above: SyncSender<String>,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    /// Whether the line editor owns the terminal.
    editing: bool,
    /// How many texts were dropped since the last one that was not.
    lost: u64,
}

impl fmt::Debug for Printer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Printer").finish_non_exhaustive()
    }
}

impl Printer {
    /// A printer that hands texts to a line editor through `above`.
    pub(super) fn new(above: SyncSender<String>) -> Self {
        Self { above, state: Arc::default() }
    }

    /// Says whether the line editor owns the terminal from now on.
    pub(super) fn set_editing(&self, editing: bool) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).editing = editing;
    }

    /// Prints a text of one line or more.
    pub(super) fn print(&self, text: &str) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let text = text.trim_end_matches(['\n', '\r']);
        if !state.editing {
            // Nobody is harmed if the terminal is gone.
            let _ = writeln!(io::stdout().lock(), "{text}");
            return;
        }
        let text = match state.lost {
            0 => text.to_owned(),
            lost => format!("({lost} lines were dropped: more than the terminal can take)\n{text}"),
        };
        match self.above.try_send(text) {
            Ok(()) => state.lost = 0,
            Err(TrySendError::Full(_)) => state.lost += 1,
            // The line editor has ended.
            Err(TrySendError::Disconnected(text)) => {
                let _ = writeln!(io::stdout().lock(), "{text}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;

    use super::*;

    #[test]
    fn what_does_not_fit_is_counted_and_told() {
        let (above, texts) = sync_channel(1);
        let printer = Printer::new(above);
        printer.set_editing(true);
        for text in ["one\n", "two", "three"] {
            printer.print(text);
        }
        assert_eq!(texts.recv().unwrap(), "one");
        printer.print("four");
        assert_eq!(
            texts.recv().unwrap(),
            "(2 lines were dropped: more than the terminal can take)\nfour"
        );
        printer.print("five");
        assert_eq!(texts.recv().unwrap(), "five");
    }
}
