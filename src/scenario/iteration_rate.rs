//! The throttle `iteration_rate` of a run that was given one, as its users ask it.

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwapOption;
use tokio::time::Instant;

use super::settings::ITERATION_RATE;
use crate::throttle::{Throttle, Throttles};

/// How long until a throttle that is not there is looked for again.
const MISSING: Duration = Duration::from_millis(250);

/// Finds the throttle once and remembers it.
#[derive(Debug, Clone)]
pub(crate) struct IterationRate {
    throttles: Throttles,
    found: Arc<ArcSwapOption<Throttle>>,
}

impl IterationRate {
    /// The one among these.
    pub(crate) fn of(throttles: Throttles) -> Self {
        Self { throttles, found: Arc::default() }
    }

    /// Waits for a slot, and answers when it was due. Without the throttle nothing begins: an
    /// operator may have stopped it and may start it again.
    pub(crate) async fn slot(&self) -> Instant {
        loop {
            if let Some(throttle) = self.throttle() {
                if let Ok(permit) = throttle.wait().await {
                    return permit.due();
                }
                self.found.store(None);
            }
            tokio::time::sleep(MISSING).await;
        }
    }

    fn throttle(&self) -> Option<Arc<Throttle>> {
        let known = self.found.load_full();
        known.or_else(|| {
            let found = Arc::new(self.throttles.get(ITERATION_RATE).ok()?);
            self.found.store(Some(found.clone()));
            Some(found)
        })
    }
}
