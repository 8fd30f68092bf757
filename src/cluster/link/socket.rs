//! Sockets between nodes.

use std::{
    io,
    net::{SocketAddr, TcpListener as StdListener},
    time::Duration,
};

use crowd_core::{
    refusal::{Code, Refusal},
    settings::NodeAddress,
};
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use tokio::net::{TcpStream, lookup_host};

/// Data that nobody acknowledges for so long ends the connection.
const UNACKNOWLEDGED: Duration = Duration::from_secs(5);

/// How long one address of a host may take to answer.
const CONNECT: Duration = Duration::from_secs(3);

/// Connections that wait to be accepted.
const BACKLOG: i32 = 1_024;

/// The port of this node, taken before anything else is told where the node lives:
///
/// ```text
/// let listener = Listener::bind(settings.listen)?;
/// let me = Member { id, address: listener.advertised(settings.advertise.as_ref()), version, since: calendar() };
/// let mesh = Mesh::new(me);
/// // Services are registered with the mesh here.
/// let links = Links::start(mesh, listener, options).await?;
/// ```
#[derive(Debug)]
pub(crate) struct Listener {
    pub(super) socket: StdListener,
    address: SocketAddr,
}

impl Listener {
    /// Takes the port that other nodes dial.
    ///
    /// # Errors
    /// If it cannot be taken; the sentence names the setting.
    pub(crate) fn bind(listen: SocketAddr) -> Result<Self, Refusal> {
        let taken = || -> io::Result<Self> {
            let socket =
                Socket::new(Domain::for_address(listen), Type::STREAM, Some(Protocol::TCP))?;
            // A node that is started again takes its port at once.
            socket.set_reuse_address(true)?;
            socket.set_nonblocking(true)?;
            socket.bind(&listen.into())?;
            socket.listen(BACKLOG)?;
            let socket = StdListener::from(socket);
            let address = socket.local_addr()?;
            Ok(Self { socket, address })
        };
        taken().map_err(|error| {
            let message = format!(
                "listen = `{listen}` cannot be used ({error}): give another address, or port 0"
            );
            Refusal::new(Code::Unavailable, message)
        })
    }

    /// Where it listens, with the real port.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where others are told to reach this node: the setting `advertise`, or else where it listens.
    /// If that is `0.0.0.0`, others take the address that this node's connections come from.
    pub(crate) fn advertised(&self, advertise: Option<&NodeAddress>) -> String {
        advertise.map_or_else(|| self.address.to_string(), ToString::to_string)
    }
}

/// Makes a connection notice when the other side is gone.
pub(super) fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    let keepalive = TcpKeepalive::new().with_time(UNACKNOWLEDGED).with_interval(UNACKNOWLEDGED / 5);
    socket.set_tcp_keepalive(&keepalive)?;
    socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED))
}

/// Every socket address that a node's address stands for now.
pub(super) async fn resolve(address: &NodeAddress) -> io::Result<Vec<SocketAddr>> {
    let host = (address.host(), address.port());
    let found: Vec<SocketAddr> = tokio::time::timeout(CONNECT, lookup_host(host)).await??.collect();
    if found.is_empty() {
        return Err(io::Error::new(io::ErrorKind::NotFound, "the host has no address"));
    }
    Ok(found)
}

/// A prepared connection to that socket.
pub(super) async fn connect(to: SocketAddr) -> io::Result<TcpStream> {
    let stream = tokio::time::timeout(CONNECT, TcpStream::connect(to)).await??;
    // To dial one's own port from the same port connects a socket with itself.
    if stream.local_addr()? == stream.peer_addr()? {
        return Err(io::ErrorKind::ConnectionRefused.into());
    }
    prepare(&stream)?;
    Ok(stream)
}
