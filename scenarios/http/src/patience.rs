//! How long a user waits for an answer.

use std::{future::poll_fn, pin::Pin, pin::pin, task::Poll, time::Duration};

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

/// Waits for one thing after the other, each with a limit. One timer serves all of them: it is set
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

    /// Waits for `action` until `deadline` or a stop.
    pub(crate) async fn until_stop<T>(
        &mut self,
        deadline: Instant,
        action: impl Future<Output = T>,
    ) -> Waited<T> {
        let mut action = pin!(action);
        let mut timer = pin!(sleep_until(deadline));
        poll_fn(|cx| {
            if self.stopped || self.stop.as_mut().poll(cx).is_ready() {
                self.stopped = true;
                return Poll::Ready(Waited::Stopped);
            }
            if let Poll::Ready(output) = action.as_mut().poll(cx) {
                return Poll::Ready(Waited::Done(output));
            }
            timer.as_mut().poll(cx).map(|()| Waited::TimedOut)
        })
        .await
    }

    /// Sleeps; says whether the user may go on afterwards.
    pub(crate) async fn pause(&mut self, duration: Duration) -> bool {
        let end = Instant::now() + duration;
        self.until_stop(end, std::future::pending::<()>()).await == Waited::TimedOut
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
    async fn a_pause_ends_at_once_on_a_stop() {
        let mut patience = Patience::new(sleep(after(500)));
        assert!(patience.pause(after(400)).await);
        let began = Instant::now();
        assert!(!patience.pause(after(400)).await);
        assert_eq!(began.elapsed(), after(100));
        assert!(!patience.pause(after(400)).await);
        let far = Instant::now() + after(1000);
        assert_eq!(patience.until_stop(far, async { 1 }).await, Waited::Stopped);
    }
}
