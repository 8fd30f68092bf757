//! The signals that ask a process to end.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Which signal came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EndSignal {
    /// SIGINT: Ctrl-C.
    Interrupt,
    /// SIGTERM.
    Terminate,
}

/// Hears SIGINT and SIGTERM from the moment it is made; the process no longer dies of them.
#[derive(Debug)]
pub(super) struct EndSignals {
    source: Source,
}

#[derive(Debug)]
enum Source {
    Process {
        interrupt: Signal,
        terminate: Signal,
    },
    /// Signals are the whole process's, so tests that run beside others make their own.
    #[cfg(test)]
    Test(tokio::sync::mpsc::UnboundedReceiver<EndSignal>),
}

impl EndSignals {
    /// Begins to hear.
    pub(super) fn listen() -> io::Result<Self> {
        let interrupt = signal(SignalKind::interrupt())?;
        let terminate = signal(SignalKind::terminate())?;
        Ok(Self { source: Source::Process { interrupt, terminate } })
    }

    /// Hears what a test says.
    #[cfg(test)]
    pub(super) fn of_test() -> (tokio::sync::mpsc::UnboundedSender<EndSignal>, Self) {
        let (sender, receiver) = tokio::sync::mpsc::unbounded_channel();
        (sender, Self { source: Source::Test(receiver) })
    }

    /// The next signal. Nothing is lost if it is dropped.
    pub(super) async fn next(&mut self) -> EndSignal {
        match &mut self.source {
            Source::Process { interrupt, terminate } => tokio::select! {
                _ = interrupt.recv() => EndSignal::Interrupt,
                _ = terminate.recv() => EndSignal::Terminate,
            },
            #[cfg(test)]
            Source::Test(receiver) => match receiver.recv().await {
                Some(signal) => signal,
                None => std::future::pending().await,
            },
        }
    }
}
