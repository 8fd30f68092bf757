//! A fault in handling what a member says harms the link it came on, and no more.

use std::{
    any::Any,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
};

use crowd_core::panic::panic_text;
use futures_util::FutureExt;

use super::Mesh;
use crate::cluster::member::MemberId;

impl Mesh {
    /// Handles what that member said. If that panics, the link to it is ended and told of as ended, as
    /// after any loss, since what it was part of may be half done; it may link again. What this
    /// node says to itself is its own fault, and panics as ever.
    pub(crate) fn guard<T>(&self, from: &MemberId, handle: impl FnOnce() -> T) -> Option<T> {
        self.unless_it_panicked(from, catch_unwind(AssertUnwindSafe(handle)))
    }

    /// As [`Mesh::guard`], for what waits for something.
    pub(crate) async fn guard_async<T>(
        &self,
        from: &MemberId,
        handle: impl Future<Output = T>,
    ) -> Option<T> {
        self.unless_it_panicked(from, AssertUnwindSafe(handle).catch_unwind().await)
    }

    fn unless_it_panicked<T>(
        &self,
        from: &MemberId,
        outcome: Result<T, Box<dyn Any + Send>>,
    ) -> Option<T> {
        match outcome {
            Ok(done) => Some(done),
            Err(panic) if from == self.me() => resume_unwind(panic),
            Err(panic) => {
                if let Some(transport) = self.inner.transport.get() {
                    transport.give_up(from, &panic_text(&*panic));
                }
                None
            }
        }
    }
}
