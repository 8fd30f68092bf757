//! The signals that ask a process to end.

use std::{fs, io, process, time::Duration};

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time::Instant,
};

/// What follows a signal within this time says the same once more: `timeout` and shells send theirs
/// to a process and then to its whole group.
const SAME_REQUEST: Duration = Duration::from_millis(500);

/// Which signal came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EndSignal {
    /// SIGINT: Ctrl-C.
    Interrupt,
    /// SIGTERM, or one that means the same: SIGHUP when a terminal is gone, SIGQUIT.
    Terminate,
}

/// Hears SIGINT, SIGTERM, SIGHUP and SIGQUIT from the moment it is made; the process no longer dies
/// of them.
#[derive(Debug)]
pub(super) struct EndSignals {
    source: Source,
    /// When the last request came.
    last: Option<Instant>,
}

#[derive(Debug)]
enum Source {
    Process {
        interrupt: Signal,
        terminate: Signal,
        hang_up: Option<Signal>,
        quit: Signal,
    },
    /// Signals are the whole process's, so tests that run beside others make their own.
    #[cfg(test)]
    Test(tokio::sync::mpsc::UnboundedReceiver<EndSignal>),
}

impl EndSignals {
    /// Begins to hear. SIGHUP stays unheard under `nohup`, which makes a process ignore it; but not by
    /// process 1, which has no terminal to lose and got that from whoever started its container. The
    /// other signals are heard though a shell makes what it runs in the background ignore two of
    /// them: SIGINT and SIGQUIT.
    pub(super) fn listen() -> io::Result<Self> {
        let hang_up = SignalKind::hangup();
        let heard = process::id() == 1 || !ignores(hang_up);
        let source = Source::Process {
            hang_up: heard.then(|| signal(hang_up)).transpose()?,
            quit: signal(SignalKind::quit())?,
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        };
        Ok(Self { source, last: None })
    }

    /// Hears what a test says.
    #[cfg(test)]
    pub(super) fn of_test() -> (tokio::sync::mpsc::UnboundedSender<EndSignal>, Self) {
        let (sender, receiver) = tokio::sync::mpsc::unbounded_channel();
        (sender, Self { source: Source::Test(receiver), last: None })
    }

    /// The next request to end: a signal, with all that come within half a second after it. No
    /// request is lost if it is dropped.
    pub(super) async fn next(&mut self) -> EndSignal {
        loop {
            let signal = self.source.next().await;
            let now = Instant::now();
            if self.last.is_none_or(|last| now.duration_since(last) >= SAME_REQUEST) {
                self.last = Some(now);
                return signal;
            }
        }
    }
}

impl Source {
    async fn next(&mut self) -> EndSignal {
        match self {
            Self::Process { interrupt, terminate, hang_up, quit } => tokio::select! {
                _ = interrupt.recv() => EndSignal::Interrupt,
                _ = terminate.recv() => EndSignal::Terminate,
                () = heard(hang_up) => EndSignal::Terminate,
                _ = quit.recv() => EndSignal::Terminate,
            },
            #[cfg(test)]
            Self::Test(receiver) => match receiver.recv().await {
                Some(signal) => signal,
                None => std::future::pending().await,
            },
        }
    }
}

/// The next signal of a kind; never, if that kind is not heard.
async fn heard(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => drop(signal.recv().await),
        None => std::future::pending().await,
    }
}

/// Whether this process ignores the signal; not, if that cannot be learnt.
fn ignores(kind: SignalKind) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let bits = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let bits = bits.and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok()).unwrap_or(0);
    // From the first signal on; there is no signal 0.
    bits & (1 << (kind.as_raw_value() - 1)) != 0
}

#[cfg(test)]
mod tests {
    use tokio::time::{advance, timeout};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_comes_within_half_a_second_is_the_same_request() {
        let (sender, mut signals) = EndSignals::of_test();
        sender.send(EndSignal::Terminate).unwrap();
        sender.send(EndSignal::Terminate).unwrap();
        assert_eq!(signals.next().await, EndSignal::Terminate);
        let mut more = async || timeout(Duration::from_millis(1), signals.next()).await.ok();
        assert_eq!(more().await, None);
        advance(Duration::from_millis(490)).await;
        sender.send(EndSignal::Interrupt).unwrap();
        assert_eq!(more().await, None);
        // The half second counts from the request, and not from what came after it.
        advance(Duration::from_millis(10)).await;
        sender.send(EndSignal::Interrupt).unwrap();
        assert_eq!(more().await, Some(EndSignal::Interrupt));
    }
}
