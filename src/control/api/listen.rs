//! The socket of the API, and what to say if it cannot be had.

use std::{io, net::SocketAddr, time::Duration};

use crowd_core::settings::env;
use tokio::{net::TcpListener, time::timeout};

use crate::control::client::Client;

/// How long whoever holds the port may take to say what it is.
const CURIOSITY: Duration = Duration::from_secs(1);

/// Binds the socket of the API. `given` says whether somebody chose the address, or it is the
/// built-in default.
///
/// # Errors
/// A sentence that names the setting, what is wrong and, if the port is taken, by what.
pub async fn bind(address: SocketAddr, given: bool) -> Result<TcpListener, String> {
    let error = match TcpListener::bind(address).await {
        Ok(listener) => return Ok(listener),
        Err(error) => error,
    };
    let variable = env::variable("api_listen");
    let place = if given { "" } else { ", the default" };
    let setting = format!("api_listen = `{address}` ({variable}{place})");
    if error.kind() != io::ErrorKind::AddrInUse {
        return Err(format!("{setting}: {error}"));
    }
    let free = SocketAddr::new(address.ip(), 0);
    let holder = holder(address).await;
    Err(format!("{setting}: {holder} listens there already; {variable}={free} takes any free port"))
}

/// What listens there.
async fn holder(address: SocketAddr) -> &'static str {
    match timeout(CURIOSITY, Client::new(address.into(), None).is_crowd()).await {
        Ok(true) => "another crowd node",
        _ => "another program",
    }
}
