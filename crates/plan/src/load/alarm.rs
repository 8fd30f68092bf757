//! Wakes the task that lets arrivals in, finer than the runtime's timer can.
//!
//! That timer rounds up to whole milliseconds, so that an arrival would begin a millisecond late at
//! the median, and a target that answers in a tenth of one would seem ten times slower than it is. A
//! timer of the kernel (timerfd) is on time to within a tenth of a millisecond, and wakes the runtime
//! as a socket would.

use std::{io, os::fd::AsFd, time::Duration};

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};
use tokio::{
    net::unix::pipe::Receiver,
    time::{Instant, sleep_until},
};

/// A timer for one task.
pub(super) struct Alarm {
    /// Something to read from once it has rung, as the end of a pipe is, which is what the runtime
    /// takes it for. `None`: the runtime's timer has to do.
    timer: Option<Receiver>,
}

impl Alarm {
    /// A new timer, to be made on a runtime.
    pub(super) fn new() -> Self {
        let timer = timer().inspect_err(|error| {
            tracing::warn!(target: "crowd", "arrivals may be a millisecond late: no timer: {error}");
        });
        Self { timer: timer.ok() }
    }

    /// Waits until then, or a little less: whoever waits looks at the clock. Where time is paused it
    /// is the runtime's time that counts.
    pub(super) async fn wait_until(&self, due: Instant) {
        let left = due.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        tokio::select! {
            () = self.rings_after(left) => {}
            () = sleep_until(due) => {}
        }
    }

    async fn rings_after(&self, left: Duration) {
        if let Some(timer) = &self.timer
            && set(timer, left).is_ok()
        {
            while timer.readable().await.is_ok() {
                // How often it has rung. What it rang for a wait that was given up is forgotten.
                let mut count = [0; 8];
                match timer.try_read(&mut count) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(_) => break,
                    Ok(_) => return,
                }
            }
        }
        std::future::pending().await
    }
}

fn timer() -> io::Result<Receiver> {
    let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
    let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
    Receiver::from_owned_fd_unchecked(timer)
}

/// Has it ring once. What has rung before and was not read is forgotten with it.
fn set(timer: impl AsFd, left: Duration) -> io::Result<()> {
    let left = left.max(Duration::from_nanos(1));
    let value = Timespec {
        // More than any run takes.
        tv_sec: left.as_secs().try_into().unwrap_or(i64::MAX),
        tv_nsec: left.subsec_nanos().into(),
    };
    let never_again = Timespec { tv_sec: 0, tv_nsec: 0 };
    let spec = Itimerspec { it_interval: never_again, it_value: value };
    timerfd_settime(timer, TimerfdTimerFlags::empty(), &spec)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// However often it rings for nothing, whoever waits sees the time come.
    #[tokio::test]
    async fn the_time_comes_and_none_is_missed() {
        let alarm = Alarm::new();
        assert!(alarm.timer.is_some());
        for micros in [0, 30, 100, 400, 1_300, 5_000, 200, 0, 900] {
            let due = Instant::now() + Duration::from_micros(micros);
            while Instant::now() < due {
                alarm.wait_until(due).await;
            }
        }
        // A wait that is given up is no harm to the next one.
        let far = alarm.wait_until(Instant::now() + Duration::from_secs(3_600));
        assert!(tokio::time::timeout(Duration::from_millis(5), far).await.is_err());
        let due = Instant::now() + Duration::from_millis(2);
        while Instant::now() < due {
            alarm.wait_until(due).await;
        }
    }

    /// It is the timer that rings, again and again, and not only the runtime's.
    #[tokio::test]
    async fn it_rings_each_time_it_is_set() {
        let alarm = Alarm::new();
        for _ in 0..20 {
            alarm.rings_after(Duration::from_micros(50)).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn paused_time_goes_on_as_ever() {
        let alarm = Alarm::new();
        let due = Instant::now() + Duration::from_secs(3_600);
        while Instant::now() < due {
            alarm.wait_until(due).await;
        }
    }
}
