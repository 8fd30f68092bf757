//! What an idle user costs: it must not grow unnoticed, for there are millions of them.

use crowd::prelude::*;
use crowd_idle::Idle;

/// The least a user can do.
struct Waits;

impl Scenario for Waits {
    const NAME: &'static str = "waits";
    type Settings = ();
    type Message = ();

    async fn init(_run: &Run<Self>) -> Result<Self, Failure> {
        Ok(Self)
    }

    async fn start(&self, user: User<Self>) -> Result<(), Failure> {
        user.stopped().await;
        Ok(())
    }
}

/// The size of the future of a user.
fn size<'a, S: Scenario, F>(_start: impl FnOnce(&'a S, User<S>) -> F) -> usize {
    size_of::<F>()
}

#[test]
fn a_lifetime_costs_nothing_where_there_is_none() {
    let (least, idle) = (size(Waits::start), size(Idle::start));
    assert!(idle <= least, "an idle user is {idle} bytes, one that only waits is {least}");
}
