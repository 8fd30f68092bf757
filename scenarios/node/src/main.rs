//! The crowd node: the runtime with these scenarios compiled in.

use std::process::ExitCode;

use crowd::scenario::catalog::Catalog;

#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    crowd::control::cli::main(
        Catalog::new()
            .with::<crowd_chat::Chat>()
            .with::<crowd_echo::Echo>()
            .with::<crowd_http::Http>()
            .with::<crowd_idle::Idle>(),
    )
}
