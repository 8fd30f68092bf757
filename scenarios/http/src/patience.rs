//! How long a user waits for an answer.

use std::{future::poll_fn, pin::Pin, pin::pin, task::Poll, time::Duration};

use crowd::moment;
use tokio::time::{Instant, Sleep, sleep_until};

/// How long an answer that is under way is still waited for after the user was told to stop.
const GRACE: Duration = Duration::from_secs(1);

/// How waiting ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Waited<T> {
    /// With what was waited for.
    Done(T),
    /// It took too long.
    TimedOut,
    /// The user was told to stop.
    Stopped,
}

/// Waits for one request after the other, each with a limit. One timer serves all of them: it is set
/// again only when it fires, not for each.
pub(crate) struct Patience<S> {
    stop: Pin<Box<S>>,
    stopped: bool,
    timer: Pin<Box<Sleep>>,
}

impl<S: Future<Output = ()>> Patience<S> {
    /// Patience until `stop` ends.
    pub(crate) fn new(stop: S) -> Self {
        Self { stop: Box::pin(stop), stopped: false, timer: Box::pin(sleep_until(Instant::now())) }
    }

    /// Waits for `action` until `deadline`. A stop does not end it at once: what is under way may
    /// still end well for a second.
    pub(crate) async fn until<T>(
        &mut self,
        mut deadline: Instant,
        action: impl Future<Output = T>,
    ) -> Waited<T> {
        let mut action = pin!(action);
        if self.timer.deadline() > deadline {
            self.timer.as_mut().reset(deadline);
        }
        poll_fn(|cx| {
            if let Poll::Ready(output) = action.as_mut().poll(cx) {
                return Poll::Ready(Waited::Done(output));
            }
            if !self.stopped && self.stop.as_mut().poll(cx).is_ready() {
                self.stopped = true;
                deadline = deadline.min(Instant::now() + GRACE);
                self.timer.as_mut().reset(deadline);
            }
            while self.timer.as_mut().poll(cx).is_ready() {
                if self.timer.deadline() >= deadline {
                    let end = if self.stopped { Waited::Stopped } else { Waited::TimedOut };
                    return Poll::Ready(end);
                }
                self.timer.as_mut().reset(deadline);
            }
            Poll::Pending
        })
        .await
    }
}

/// Sleeps, unless `end` comes first; says whether it did not.
pub(crate) async fn pause(duration: Duration, end: impl Future<Output = ()>) -> bool {
    tokio::select! {
        biased;
        () = end => false,
        () = sleep_until(moment::after(Instant::now(), duration)) => true,
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use tokio::{
        sync::oneshot,
        time::{advance, sleep},
    };

    use super::*;

    fn never() -> Patience<std::future::Pending<()>> {
        Patience::new(pending())
    }

    fn after(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[tokio::test(start_paused = true)]
    async fn each_wait_has_its_own_limit() {
        let mut patience = never();
        for limit in [300, 20, 700, 700] {
            let began = Instant::now();
            let waited = patience.until(began + after(limit), pending::<()>()).await;
            assert_eq!(waited, Waited::TimedOut);
            assert_eq!(began.elapsed(), after(limit));
        }
        // A timer left over from an earlier wait does not cut the next one short.
        let deadline = Instant::now() + after(1000);
        assert_eq!(patience.until(deadline, sleep(after(1))).await, Waited::Done(()));
        advance(after(900)).await;
        let deadline = Instant::now() + after(1000);
        assert_eq!(patience.until(deadline, sleep(after(500))).await, Waited::Done(()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_stop_leaves_a_second_for_what_is_under_way() {
        let (stop, told) = oneshot::channel::<()>();
        let mut patience = Patience::new(async {
            let _ = told.await;
        });
        drop(stop);
        let began = Instant::now();
        let far = began + after(30_000);
        assert_eq!(patience.until(far, sleep(after(900))).await, Waited::Done(()));
        let mut patience = Patience::new(sleep(after(500)));
        let began = Instant::now();
        assert_eq!(patience.until(far, pending::<()>()).await, Waited::Stopped);
        assert_eq!(began.elapsed(), after(500) + GRACE);
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_ends_at_once_when_the_user_is_to_end() {
        let began = Instant::now();
        assert!(pause(after(400), sleep(after(500))).await);
        assert_eq!(began.elapsed(), after(400));
        assert!(!pause(after(400), sleep(after(100))).await);
        assert_eq!(began.elapsed(), after(500));
        assert!(!pause(Duration::MAX, sleep(after(100))).await);
        assert_eq!(began.elapsed(), after(600));
    }
}
