//! An echo server of the test's own, whose ledger tells what the crowd did.

use std::{net::SocketAddr, time::Duration};

use crowd_echo::{
    clock,
    server::{self, Ledger, Options},
};
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

/// The server; it ends with this.
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    pub(crate) ledger: Ledger,
    /// Runs the server.
    _runtime: Runtime,
}

impl Target {
    /// A server on a free port of loopback.
    pub(crate) fn start() -> Self {
        Self::listen("127.0.0.1:0", Duration::ZERO)
    }

    /// A server on a free port of loopback that takes so long to repeat a line.
    pub(crate) fn slow(delay: Duration) -> Self {
        Self::listen("127.0.0.1:0", delay)
    }

    /// A server on this address that takes so long to repeat a line.
    pub(crate) fn listen(address: &str, delay: Duration) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let inside = runtime.enter();
        let listener = server::listen(address.parse().unwrap()).unwrap();
        drop(inside);
        let address = listener.local_addr().unwrap();
        let ledger = Ledger::default();
        let options = Options { ledger: Some(ledger.clone()), delay };
        runtime.spawn(server::run(listener, options, CancellationToken::new()));
        Self { address, ledger, _runtime: runtime }
    }

    /// The ids that were heard of within that time, with the node of each.
    pub(crate) fn acting(&self, within: Duration) -> std::collections::BTreeMap<u64, String> {
        let within = u64::try_from(within.as_nanos()).unwrap();
        self.ledger.acting_since(clock::now().saturating_sub(within))
    }

    /// **One life.**
    #[track_caller]
    pub(crate) fn assert_one_life(&self) {
        let twice = self.ledger.lives_twice();
        let told: Vec<_> = twice.iter().map(ToString::to_string).collect();
        assert!(twice.is_empty(), "lives twice:\n{}", told.join("\n"));
        assert_eq!(self.ledger.faults(), 0, "lines out of order");
    }
}
