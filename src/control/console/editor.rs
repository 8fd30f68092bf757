//! The line editor on a thread of its own. Only this file, the menu below it and the history name the
//! crate `reedline`.

use std::{
    borrow::Cow,
    fmt, io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use reedline::{
    ColumnarMenu, Completer, CompletionResult, DefaultHinter, Emacs, ExternalPrinter, KeyCode,
    KeyModifiers, MenuBuilder, Prompt, PromptEditMode, PromptHistorySearch, Reedline,
    ReedlineEvent, ReedlineMenu, Signal, Span, Suggestion, default_emacs_keybindings,
};
use tokio::sync::mpsc as channel;

use super::{
    completion::{Known, candidates},
    history::history,
    printer::{Printer, ROOM},
};
use crate::control::table::wants_colour;

mod menu;

use menu::Quiet;

/// How often the editor looks for texts to print above the prompt.
const LOOK: Duration = Duration::from_millis(50);

const MENU: &str = "completion";

/// What stands between the prompt and what is typed, with and without a menu below.
const MARK: &str = "> ";

/// What came of asking for a line.
#[derive(Debug)]
pub(super) enum Typed {
    /// A line.
    Line(String),
    /// Ctrl-C: the line is given up.
    Cleared,
    /// Ctrl-D on an empty line, or the editor was told to end.
    End,
    /// The terminal failed.
    Failed(io::Error),
}

/// The line editor, from outside of its thread.
pub(super) struct Editor {
    requests: Option<mpsc::Sender<()>>,
    typed: channel::UnboundedReceiver<Typed>,
    end: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<()>>,
}

impl fmt::Debug for Editor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Editor").finish_non_exhaustive()
    }
}

impl Editor {
    /// Starts the thread. It asks `known` for names whenever it completes.
    pub(super) fn start(known: Arc<Mutex<Known>>) -> io::Result<(Self, Printer)> {
        let external = ExternalPrinter::new(ROOM);
        let printer = Printer::new(external.sender());
        let (requests, asked) = mpsc::channel::<()>();
        let (answers, typed) = channel::unbounded_channel();
        let end = Arc::new(AtomicBool::new(false));
        let (told, shown) = (end.clone(), printer.clone());
        let thread = thread::Builder::new().name("console".to_owned()).spawn(move || {
            let mut editor = line_editor(known, external, told);
            while asked.recv().is_ok() {
                shown.set_editing(true);
                let outcome = editor.read_line(&CrowdPrompt);
                shown.set_editing(false);
                // Kept at once, for a node may be killed. A history that cannot be kept is a pity
                // and nothing more.
                let _ = editor.sync_history();
                let typed = match outcome {
                    Ok(Signal::Success(line)) => Typed::Line(line),
                    Ok(Signal::CtrlC) => Typed::Cleared,
                    Ok(_) => Typed::End,
                    Err(error) => Typed::Failed(io::Error::other(error)),
                };
                if answers.send(typed).is_err() {
                    break;
                }
            }
        })?;
        Ok((Self { requests: Some(requests), typed, end, thread: Some(thread) }, printer))
    }

    /// What was typed after [`Editor::ask`]. Nothing is lost if it is dropped.
    pub(super) async fn line(&mut self) -> Typed {
        self.typed.recv().await.unwrap_or(Typed::End)
    }

    /// Shows the prompt and lets a person type.
    pub(super) fn ask(&self) {
        if let Some(requests) = &self.requests {
            // Fails only if the thread has ended; `line` then says so.
            let _ = requests.send(());
        }
    }

    /// Ends the thread, also in the middle of a line, and leaves the terminal as it was.
    pub(super) fn close(mut self) {
        self.end.store(true, Ordering::Relaxed);
        self.requests = None;
        if let Some(thread) = self.thread.take() {
            // A panic in there has been printed, and there is nothing left to do about it.
            let _ = thread.join();
        }
    }
}

fn line_editor(
    known: Arc<Mutex<Known>>,
    external: ExternalPrinter<String>,
    end: Arc<AtomicBool>,
) -> Reedline {
    let mut keys = default_emacs_keybindings();
    keys.add_binding(
        KeyModifiers::NONE,
        KeyCode::Tab,
        ReedlineEvent::UntilFound(vec![
            ReedlineEvent::Menu(MENU.to_owned()),
            ReedlineEvent::MenuNext,
        ]),
    );
    keys.add_binding(KeyModifiers::SHIFT, KeyCode::BackTab, ReedlineEvent::MenuPrevious);
    let menu = ColumnarMenu::default().with_name(MENU).with_marker(MARK);
    let mut editor = Reedline::create()
        .with_completer(Box::new(Names { known: known.clone() }))
        .with_menu(ReedlineMenu::EngineCompleter(Box::new(Quiet(menu))))
        .with_quick_completions(true)
        .with_partial_completions(true)
        .with_edit_mode(Box::new(Emacs::new(keys)))
        .with_hinter(Box::new(DefaultHinter::default()))
        .with_history_exclusion_prefix(Some(" ".to_owned()))
        .with_external_printer(external)
        .with_poll_interval(LOOK)
        .with_break_signal(end);
    if !wants_colour(&io::stdout()) {
        editor = editor.with_ansi_colors(false);
    }
    match history(known) {
        Some(history) => editor.with_history(Box::new(history)),
        None => editor,
    }
}

/// Completes from the names there are.
struct Names {
    known: Arc<Mutex<Known>>,
}

impl Completer for Names {
    fn complete(&mut self, line: &str, pos: usize) -> CompletionResult {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let (start, all) = candidates(line.get(..pos).unwrap_or(line), &known);
        let suggestions: Vec<_> = all
            .into_iter()
            .map(|candidate| Suggestion {
                value: candidate.text,
                description: candidate.about.map(str::to_owned),
                span: Span::new(start, pos.max(start)),
                append_whitespace: candidate.complete,
                ..Suggestion::default()
            })
            .collect();
        CompletionResult::fresh(suggestions)
    }
}

struct CrowdPrompt;

impl Prompt for CrowdPrompt {
    fn render_prompt_left(&self) -> Cow<'_, str> {
        Cow::Borrowed("crowd")
    }

    fn render_prompt_right(&self) -> Cow<'_, str> {
        Cow::Borrowed("")
    }

    fn render_prompt_indicator(&self, _: PromptEditMode) -> Cow<'_, str> {
        Cow::Borrowed(MARK)
    }

    fn render_prompt_multiline_indicator(&self) -> Cow<'_, str> {
        Cow::Borrowed("... ")
    }

    fn render_prompt_history_search_indicator(&self, search: PromptHistorySearch) -> Cow<'_, str> {
        Cow::Owned(format!(" (search: {}) ", search.term))
    }
}
