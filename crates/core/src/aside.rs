//! Work that takes long and waits for nothing: done beside the workers, which have users to run.

use std::panic::resume_unwind;

use tokio::task::spawn_blocking;

/// Does `work` on a thread of its own, and waits for it. `None` if the runtime ends. To be called on a
/// runtime. Given up, the work is done all the same.
pub async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    match spawn_blocking(work).await {
        Ok(done) => Some(done),
        Err(fault) => match fault.try_into_panic() {
            Ok(panic) => resume_unwind(panic),
            Err(_) => None,
        },
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::mpsc, thread};

    use super::*;

    /// One worker: were the work done on it, nobody could answer it.
    #[tokio::test]
    async fn workers_go_on_meanwhile() {
        let (ask, asked) = mpsc::channel();
        let work = aside(move || (asked.recv().unwrap(), thread::current().id()));
        let (answer, ()) = tokio::join!(work, async { ask.send(7).unwrap() });
        let (answer, thread) = answer.unwrap();
        assert_eq!(answer, 7);
        assert_ne!(thread, thread::current().id());
    }

    #[tokio::test]
    async fn a_panic_is_that_of_whoever_asked() {
        let work = tokio::spawn(aside(|| panic!("oh")));
        assert!(work.await.unwrap_err().is_panic());
    }
}
