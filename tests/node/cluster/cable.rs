//! Cables that can be cut: a relay in front of each node, which all its incoming connections pass,
//! and which knows from which node each comes. So whatever is between two nodes passes one relay,
//! whoever dialled.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    net::{SocketAddr, TcpListener},
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    runtime::Runtime,
    sync::{mpsc, watch},
    time::{Instant, sleep, sleep_until},
};

/// How long a relay waits for its node to listen.
const PATIENCE: Duration = Duration::from_secs(20);

/// What is wrong with the cables.
#[derive(Debug, Clone, Default)]
struct Faults {
    /// Nodes that are cut off from all others.
    cut: BTreeSet<String>,
    /// How long everything takes to and from a node.
    delay: BTreeMap<String, Duration>,
    /// Two nodes between whom a firewall refuses all.
    refused: Option<Ends>,
}

/// The two ends of a connection: who dialled, and who was dialled.
type Ends = [String; 2];

impl Faults {
    fn is_cut(&self, ends: &Ends) -> bool {
        ends.iter().any(|end| self.cut.contains(end))
    }

    fn is_refused(&self, ends: &Ends) -> bool {
        self.refused.as_ref().is_some_and(|two| ends.iter().all(|end| two.contains(end)))
    }

    fn delay(&self, ends: &Ends) -> Duration {
        ends.iter().filter_map(|end| self.delay.get(end)).max().copied().unwrap_or_default()
    }
}

/// The relays of a cluster. They end with this.
pub(crate) struct Cables {
    faults: watch::Sender<Faults>,
    /// Where the nodes listen really.
    nodes: Arc<Mutex<BTreeMap<String, SocketAddr>>>,
    relays: BTreeMap<String, SocketAddr>,
    /// By which the processes of this cluster are told from others.
    cookie: String,
    runtime: Runtime,
}

impl Cables {
    pub(crate) fn new(cookie: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        Self {
            faults: watch::Sender::default(),
            nodes: Arc::default(),
            relays: BTreeMap::new(),
            cookie: cookie.to_owned(),
            runtime,
        }
    }

    /// Where others reach a node, which may not listen yet.
    pub(crate) fn relay(&mut self, name: &str) -> SocketAddr {
        if let Some(&address) = self.relays.get(name) {
            return address;
        }
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        self.relays.insert(name.to_owned(), address);
        let (to, cookie) = (name.to_owned(), self.cookie.clone());
        let (nodes, faults) = (self.nodes.clone(), self.faults.clone());
        self.runtime.spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            let mut walls = faults.subscribe();
            let mut walled = std::pin::pin!(async {
                let refuses =
                    |faults: &Faults| faults.refused.as_ref().is_some_and(|two| two.contains(&to));
                let _ = walls.wait_for(refuses).await;
            });
            loop {
                let accepted = tokio::select! {
                    // Nobody listens there any more; what is connected stays.
                    () = &mut walled => return,
                    accepted = listener.accept() => accepted,
                };
                let Ok((near, peer)) = accepted else { return };
                let ends = [dialler(peer, &cookie), to.clone()];
                let (nodes, faults) = (nodes.clone(), faults.subscribe());
                tokio::spawn(async move {
                    mended(&mut faults.clone(), &ends).await;
                    let Some(far) = reach(&nodes, &ends[1]).await else { return };
                    let _ = [near.set_nodelay(true), far.set_nodelay(true)];
                    let (near, far) = (near.into_split(), far.into_split());
                    let mut walls = faults.clone();
                    // Whichever way breaks takes the other with it, as a reset does.
                    let passing = async {
                        tokio::try_join!(
                            pass(near.0, far.1, faults.clone(), &ends),
                            pass(far.0, near.1, faults.clone(), &ends),
                        )
                    };
                    tokio::select! {
                        _ = walls.wait_for(|faults| faults.is_refused(&ends)) => {}
                        _ = passing => {}
                    }
                });
            }
        });
        address
    }

    /// Says where a node listens; again whenever it is started anew.
    pub(crate) fn leads_to(&self, name: &str, address: SocketAddr) {
        self.nodes.lock().unwrap().insert(name.to_owned(), address);
    }

    /// Cuts a node off from all others. Nothing is told to anybody: what is sent is on its way
    /// until the cable is mended, as TCP would have it.
    pub(crate) fn cut(&self, name: &str) {
        self.faults.send_modify(|faults| {
            faults.cut.insert(name.to_owned());
        });
    }

    /// A firewall between two nodes, which lets nothing pass and says so: their connections end at
    /// once, and whoever dials one of them is refused. The others stay connected with both.
    pub(crate) fn refuse(&self, one: &str, other: &str) {
        self.faults.send_modify(|faults| faults.refused = Some([one.to_owned(), other.to_owned()]));
    }

    /// Mends what was cut.
    pub(crate) fn mend(&self, name: &str) {
        self.faults.send_modify(|faults| {
            faults.cut.remove(name);
        });
    }

    /// Makes everything to and from a node take so long.
    pub(crate) fn delay(&self, name: &str, delay: Duration) {
        self.faults.send_modify(|faults| {
            faults.delay.insert(name.to_owned(), delay);
        });
    }
}

/// Waits until the cable is whole.
async fn mended(faults: &mut watch::Receiver<Faults>, ends: &Ends) {
    // The sender ends with the whole cluster.
    let _ = faults.wait_for(|faults| !faults.is_cut(ends)).await;
}

/// A connection to a node, once it listens; `None` if it refuses.
async fn reach(nodes: &Mutex<BTreeMap<String, SocketAddr>>, name: &str) -> Option<TcpStream> {
    let began = Instant::now();
    loop {
        let address = nodes.lock().unwrap().get(name).copied();
        if let Some(address) = address {
            return TcpStream::connect(address).await.ok();
        }
        if began.elapsed() > PATIENCE {
            return None;
        }
        sleep(Duration::from_millis(10)).await;
    }
}

/// Passes on what comes, one way.
async fn pass(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut faults: watch::Receiver<Faults>,
    ends: &Ends,
) -> std::io::Result<()> {
    // What is under way: as much as the buffers of a long line hold.
    let (sender, mut under_way) = mpsc::channel::<(Instant, Vec<u8>)>(256);
    let mut of_reader = faults.clone();
    let reading = async {
        let mut piece = vec![0; 16 * 1024];
        loop {
            let count = match from.read(&mut piece).await {
                Ok(count) => count,
                Err(reset) => {
                    // A cut cable passes no reset on either.
                    mended(&mut of_reader, ends).await;
                    return Err(reset);
                }
            };
            if count == 0 || sender.send((Instant::now(), piece[..count].to_vec())).await.is_err() {
                drop(sender);
                return Ok(());
            }
        }
    };
    let writing = async {
        while let Some((sent, bytes)) = under_way.recv().await {
            let delay = faults.borrow().delay(ends);
            // Timers count in milliseconds: even none would be one.
            if !delay.is_zero() {
                sleep_until(sent + delay).await;
            }
            mended(&mut faults, ends).await;
            to.write_all(&bytes).await?;
        }
        mended(&mut faults, ends).await;
        to.shutdown().await
    };
    tokio::try_join!(reading, writing)?;
    Ok(())
}

/// The name of the node of this cluster that dialled from that address; nobody's, if it is none.
fn dialler(peer: SocketAddr, cookie: &str) -> String {
    let name = || {
        let inode = inode(peer)?;
        let socket = format!("socket:[{inode}]");
        fs::read_dir("/proc").ok()?.flatten().find_map(|process| {
            let name = node_name(&process.path(), cookie)?;
            let files = fs::read_dir(process.path().join("fd")).ok()?;
            let targets = files.flatten().filter_map(|file| fs::read_link(file.path()).ok());
            targets.into_iter().any(|target| target == Path::new(&socket)).then_some(name)
        })
    };
    name().unwrap_or_default()
}

/// The socket with this address at its own end, as the system numbers it.
fn inode(own: SocketAddr) -> Option<String> {
    let SocketAddr::V4(own) = own else { return None };
    let address = u32::from_le_bytes(own.ip().octets());
    let own = format!("{address:08X}:{:04X}", own.port());
    let table = fs::read_to_string("/proc/net/tcp").ok()?;
    table.lines().find_map(|line| {
        let words: Vec<_> = line.split_whitespace().collect();
        (*words.get(1)? == own).then(|| words.get(9).map(|inode| (*inode).to_owned()))?
    })
}

/// The name of the node that a process is, if it is one of the cluster with this cookie.
fn node_name(process: &Path, cookie: &str) -> Option<String> {
    let environment = fs::read(process.join("environ")).ok()?;
    let value = |name: &str| {
        let variables = environment.split(|&byte| byte == 0);
        variables
            .filter_map(|variable| std::str::from_utf8(variable).ok())
            .find_map(|variable| variable.strip_prefix(name)?.strip_prefix('=').map(str::to_owned))
    };
    (value("CROWD_COOKIE")? == cookie).then(|| value("CROWD_NODE_NAME"))?
}
