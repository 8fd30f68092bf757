//! Where log lines go: to standard error, or to whoever owns the terminal just now.

use std::{
    fmt,
    io::{self, Write},
    sync::{Arc, Mutex, PoisonError},
};

use crowd_core::printable;
use tracing::field::Field;
use tracing_subscriber::{
    EnvFilter,
    field::MakeExt,
    fmt::{
        FormatFields, MakeWriter,
        format::{Writer, debug_fn},
    },
};

use super::table::wants_colour;

/// The longest text of a log line, in characters: whoever is quoted in it.
const LONGEST: usize = 2_000;

type Sink = Arc<dyn Fn(&str) + Send + Sync>;

/// The way log lines take. Cheap to clone; all clones are one.
#[derive(Clone, Default)]
pub struct Logs {
    sink: Arc<Mutex<Option<Sink>>>,
}

impl fmt::Debug for Logs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Logs").finish_non_exhaustive()
    }
}

impl Logs {
    /// Makes this process log what `filter` lets through.
    ///
    /// # Errors
    /// If the filter cannot be read.
    pub fn install(filter: &str) -> Result<Self, String> {
        let logs = Self::default();
        // The actors' own spans would stand in front of every line; `ractor=…` in the filter brings
        // them back.
        let parsed = EnvFilter::try_new(format!("ractor=warn,ractor_cluster=error,{filter}"))
            .map_err(|fault| format!("`{filter}` is not a log filter: {fault}"))?;
        let subscriber = tracing_subscriber::fmt()
            .with_env_filter(parsed)
            .with_ansi(wants_colour(&io::stderr()))
            .fmt_fields(fields())
            .with_writer(logs.clone());
        // Refused only if a subscriber is there already; then whoever set it decides.
        let _ = subscriber.try_init();
        Ok(logs)
    }

    /// Hands all lines to `sink` until the answer is dropped.
    pub fn divert(&self, sink: impl Fn(&str) + Send + Sync + 'static) -> Diverted {
        *self.sink.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(sink));
        Diverted { logs: self.clone() }
    }

    fn write(&self, text: &str) {
        let sink = self.sink.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match sink {
            Some(sink) => sink(text),
            // Logging may never fail a run, so a closed standard error is nobody's concern.
            None => {
                let _ = io::stderr().write_all(text.as_bytes());
            }
        }
    }
}

/// An event is one line, of our own colours alone, and not endless.
fn fields() -> impl for<'writer> FormatFields<'writer> + Send + Sync + 'static {
    let field = |writer: &mut Writer<'_>, field: &Field, value: &dyn fmt::Debug| {
        let text = printable::line(&format!("{value:?}"), LONGEST);
        match field.name() {
            "message" => writer.write_str(&text),
            name => write!(writer, "{}={text}", name.strip_prefix("r#").unwrap_or(name)),
        }
    };
    debug_fn(field).delimited(" ")
}

/// While this lives, log lines go elsewhere.
#[derive(Debug)]
#[must_use = "dropping it ends the diversion"]
pub struct Diverted {
    logs: Logs,
}

impl Drop for Diverted {
    fn drop(&mut self) {
        *self.logs.sink.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// Gathers one event, and hands it on in one piece.
#[derive(Debug)]
pub struct LogLine {
    text: Vec<u8>,
    logs: Logs,
}

impl Write for LogLine {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for LogLine {
    fn drop(&mut self) {
        if !self.text.is_empty() {
            self.logs.write(&String::from_utf8_lossy(&self.text));
        }
    }
}

impl<'a> MakeWriter<'a> for Logs {
    type Writer = LogLine;

    fn make_writer(&'a self) -> LogLine {
        LogLine { text: Vec::new(), logs: self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_drives_no_terminal_and_ends() {
        let logs = Logs::default();
        let lines = Arc::new(Mutex::new(Vec::new()));
        let seen = lines.clone();
        let _diverted = logs.divert(move |text| seen.lock().unwrap().push(text.to_owned()));
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .fmt_fields(fields())
            .with_writer(logs.clone())
            .finish();
        let trick = "a\u{1b}[2J\u{9b}31m\u{202e}b\nc\u{200b}d";
        tracing::subscriber::with_default(subscriber, || {
            tracing::warn!(target: "crowd", address = %trick, count = 7, "heard {trick}");
            tracing::warn!(target: "crowd", "{}", "x".repeat(60_000));
            tracing::warn!(target: "crowd", address = %"y".repeat(60_000), "long");
        });
        let lines = lines.lock().unwrap();
        assert_eq!(lines.len(), 3);
        for line in &*lines {
            let line = line.strip_suffix('\n').unwrap();
            assert!(line.chars().all(printable::is_printable), "{line:?}");
            assert!(line.chars().count() < LONGEST + 100);
        }
        assert!(
            lines[0]
                .ends_with("WARN crowd: heard a [2J 31m b c d address=a [2J 31m b c d count=7\n"),
            "{:?}",
            lines[0]
        );
    }
}
