//! Events: what happened in the runtime, logged, counted and told to subscribers in one step.
//!
//! Every event is a struct in [`event`]; [`Telemetry::emit`] counts it, writes it to `tracing` at
//! its own level, and hands it to every subscriber. So logs and counts cannot disagree.

use std::{
    any::Any,
    fmt,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Instant,
};

use arc_swap::ArcSwap;

pub mod event;

use event::Kind;

/// Something that happened, with what is known of it.
pub trait Event: fmt::Debug + Send + Sync + 'static {
    /// Which event it is; names, levels and counts hang on it.
    const KIND: Kind;

    /// How much it counts for: users added, members of a batch; 1 for most.
    fn count(&self) -> u64 {
        1
    }

    /// Writes it to `tracing`.
    fn log(&self);
}

/// An event as a subscriber sees it.
#[derive(Clone, Copy)]
pub struct Occurrence<'a> {
    /// Which event it is.
    pub kind: Kind,
    /// How much it counts for.
    pub count: u64,
    /// When it happened, on this machine's monotonic clock.
    pub at: Instant,
    /// The event itself; downcast it to the struct of its kind.
    pub event: &'a (dyn Any + Send + Sync),
    debug: &'a dyn fmt::Debug,
}

impl fmt::Debug for Occurrence<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}", self.kind.name(), self.debug)
    }
}

type Subscriber = Arc<dyn Fn(&Occurrence<'_>) + Send + Sync>;

/// Where events go. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Telemetry {
    inner: Arc<Inner>,
}

struct Inner {
    counts: [AtomicU64; Kind::COUNT],
    subscribed: AtomicBool,
    subscribers: ArcSwap<Vec<(u64, Subscriber)>>,
    changing: Mutex<u64>,
}

impl Default for Telemetry {
    fn default() -> Self {
        Self {
            inner: Arc::new(Inner {
                counts: std::array::from_fn(|_| AtomicU64::new(0)),
                subscribed: AtomicBool::new(false),
                subscribers: ArcSwap::default(),
                changing: Mutex::new(0),
            }),
        }
    }
}

impl fmt::Debug for Telemetry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Telemetry").finish_non_exhaustive()
    }
}

impl Telemetry {
    /// Counts, logs and hands on an event.
    pub fn emit<E: Event>(&self, event: &E) {
        self.inner.counts[E::KIND as usize].fetch_add(event.count(), Ordering::Relaxed);
        event.log();
        self.tell(event);
    }

    /// As [`Telemetry::emit`] for paths that run a million times a second: counts always, but
    /// builds the event only if somebody listens or its level is logged.
    pub fn emit_with<E: Event>(&self, count: u64, event: impl FnOnce() -> E) {
        self.inner.counts[E::KIND as usize].fetch_add(count, Ordering::Relaxed);
        if self.inner.subscribed.load(Ordering::Relaxed) || tracing::enabled!(tracing::Level::TRACE)
        {
            let event = event();
            event.log();
            self.tell(&event);
        }
    }

    /// How much this kind of event has counted for since the node started.
    pub fn count(&self, kind: Kind) -> u64 {
        self.inner.counts[kind as usize].load(Ordering::Relaxed)
    }

    /// Calls `subscriber` with every event from now on, on the thread that emits it: be quick, and
    /// do not emit from within. A panic in it is caught. Ends when the answer is dropped.
    pub fn subscribe(
        &self,
        subscriber: impl Fn(&Occurrence<'_>) + Send + Sync + 'static,
    ) -> Subscription {
        let mut next = self.inner.changing.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        *next += 1;
        let id = *next;
        let mut all = Vec::clone(&self.inner.subscribers.load());
        all.push((id, Arc::new(subscriber)));
        self.inner.subscribers.store(Arc::new(all));
        self.inner.subscribed.store(true, Ordering::Relaxed);
        Subscription { telemetry: self.clone(), id }
    }

    fn tell<E: Event>(&self, event: &E) {
        if !self.inner.subscribed.load(Ordering::Relaxed) {
            return;
        }
        let occurrence = Occurrence {
            kind: E::KIND,
            count: event.count(),
            at: Instant::now(),
            event,
            debug: event,
        };
        for (_, subscriber) in self.inner.subscribers.load().iter() {
            // A subscriber's panic is its own: it may not end the user that emitted.
            let call = std::panic::AssertUnwindSafe(|| subscriber(&occurrence));
            let _ = std::panic::catch_unwind(call);
        }
    }
}

/// A subscription; dropping it ends it.
#[derive(Debug)]
#[must_use = "dropping a subscription ends it"]
pub struct Subscription {
    telemetry: Telemetry,
    id: u64,
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let inner = &self.telemetry.inner;
        let _changing = inner.changing.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let mut all = Vec::clone(&inner.subscribers.load());
        all.retain(|(id, _)| *id != self.id);
        inner.subscribed.store(!all.is_empty(), Ordering::Relaxed);
        inner.subscribers.store(Arc::new(all));
    }
}
