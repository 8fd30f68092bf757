//! The API of a node of this process, from its socket to its end.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use super::{
    api::{self, ApiOptions},
    operations::Operations,
};
use crate::settings::NodeSettings;

/// A running API. It ends when this is dropped, politely with [`Serving::end`].
pub(super) struct Serving {
    address: String,
    leaving: Arc<AtomicBool>,
    shutdown: CancellationToken,
    task: AbortOnDropHandle<()>,
}

impl Serving {
    /// Serves the API of `node` on this socket. The node is ready when scenarios are compiled in,
    /// `joined` finds nothing amiss and it is not about to end.
    pub(super) fn begin(
        listener: TcpListener,
        node: &impl Operations,
        settings: &NodeSettings,
        joined: impl Fn() -> Result<(), String> + Send + Sync + 'static,
    ) -> std::io::Result<Self> {
        let address = format!("http://{}", listener.local_addr()?);
        let (leaving, shutdown) = (Arc::new(AtomicBool::new(false)), CancellationToken::new());
        let (told, scenarios) = (leaving.clone(), node.catalog().iter().count());
        let ready = move || {
            if told.load(Ordering::Relaxed) {
                Err("the node is ending".to_owned())
            } else if scenarios == 0 {
                Err("no scenario is compiled in".to_owned())
            } else {
                joined()
            }
        };
        let options = ApiOptions {
            token: settings.api_token.clone(),
            ready: Arc::new(ready),
            ..ApiOptions::default()
        };
        let work = api::serve(listener, node.clone(), options, shutdown.clone());
        let task = AbortOnDropHandle::new(tokio::spawn(work));
        Ok(Self { address, leaving, shutdown, task })
    }

    /// The API's address.
    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// Lets it be known that the node is about to end.
    pub(super) fn leave(&self) {
        self.leaving.store(true, Ordering::Relaxed);
    }

    /// Ends the API.
    pub(super) async fn end(self) {
        self.shutdown.cancel();
        // It broke, or it has ended: either way it is over.
        let _ = self.task.await;
    }
}
