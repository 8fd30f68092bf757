//! The settings of a node, typed and checked as a whole.
//!
//! Each has a built-in default (if it has any), and a file, the environment and the command line
//! may say otherwise, the later ones louder: see [`NodeSettings::load`]. A scenario has settings of
//! its own, in [`crate::scenario::settings`]; what both need (types of values, the environment) is
//! here.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

mod faults;
pub(crate) mod layers;
pub(crate) mod rules;

pub use crowd_core::settings::{NodeAddress, Secret, env, masking, secret, value};
pub use faults::SettingsFaults;
use layers::Layers;
use value::{SettingValue, Shape};

/// One setting of a node as people read about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeSetting {
    /// Its name in the file and on the command line.
    pub name: &'static str,
    /// What it means, in a line.
    pub about: &'static str,
    /// Its type as people read it.
    pub type_name: String,
    /// How many values it holds.
    pub shape: Shape,
    /// The text of its default; `None` if it has none, or not the same everywhere.
    pub default: Option<String>,
    /// The default in words, if it is not the same everywhere.
    pub default_in_words: Option<&'static str>,
}

/// Declares the settings once: meaning, name, type, default (in words too, where it is not a
/// plain value) and check.
macro_rules! node_settings {
    ($(
        #[doc = $about:literal]
        $name:ident: $type:ty = $default:expr $(, in words $words:literal)? $(, check $check:path)?;
    )*) => {
        /// The settings of a node.
        #[derive(Debug, Clone, PartialEq)]
        pub struct NodeSettings {
            $(#[doc = $about] pub $name: $type,)*
        }

        /// The built-in defaults.
        impl Default for NodeSettings {
            fn default() -> Self {
                Self { $($name: $default,)* }
            }
        }

        /// The names of all settings of a node, in the order of their declaration.
        pub const NAMES: &[&str] = &[$(stringify!($name)),*];

        impl NodeSettings {
            /// All settings, in the order of their declaration.
            pub fn declared() -> Vec<NodeSetting> {
                let built_in = Self::default();
                vec![$({
                    let words: &[&'static str] = &[$($words)?];
                    let text = Some(built_in.$name.render());
                    NodeSetting {
                        name: stringify!($name),
                        about: $about.trim(),
                        type_name: <$type>::type_name(),
                        shape: <$type>::SHAPE,
                        default: text.filter(|text| {
                            words.is_empty()
                                && (<$type>::SHAPE != Shape::Optional || !text.is_empty())
                        }),
                        default_in_words: words.first().copied(),
                    }
                }),*]
            }

            fn read(layers: &Layers, faults: &mut SettingsFaults) -> Self {
                let built_in = Self::default();
                Self { $($name: {
                    let checks: &[layers::Check<$type>] = &[$($check)?];
                    let check = checks.first().copied();
                    layers.value(stringify!($name), built_in.$name, check, faults)
                },)* }
            }
        }
    };
}

node_settings! {
    /// Name of this node, unique in the cluster.
    node_name: String = host_name(), in words "the host name", check rules::name;
    /// Nodes to join at start, as host:port.
    nodes: Vec<NodeAddress> = Vec::new();
    /// Address and port for other nodes.
    listen: SocketAddr = local(4370);
    /// Secret shared by all nodes; needed with `nodes` or beyond loopback.
    cookie: Option<Secret> = None;
    /// File that holds the cookie.
    cookie_file: Option<PathBuf> = None;
    /// Certificate chain of this node (PEM), for TLS between nodes.
    tls_cert: Option<PathBuf> = None;
    /// Private key of that certificate (PEM).
    tls_key: Option<PathBuf> = None;
    /// Certificates that those of the other nodes must be signed by (PEM).
    tls_ca: Option<PathBuf> = None;
    /// Where other nodes reach this one, as host:port.
    advertise: Option<NodeAddress> = None, in words "where it listens";
    /// What the master does about users of a lost node: restart, fail, or stop all.
    on_node_loss: OnNodeLoss = OnNodeLoss::Replace;
    /// Whether the master moves running users to nodes that join.
    rebalance: bool = false;
    /// How long workers keep their users when the master is lost.
    master_timeout: Duration = Duration::from_secs(30), check rules::longer_than_nothing;
    /// Address and port of the control API and the live page.
    api_listen: SocketAddr = local(4000);
    /// Bearer token of the control API; needed beyond loopback.
    api_token: Option<Secret> = None, check rules::token;
    /// File that holds the token.
    api_token_file: Option<PathBuf> = None;
    /// How fast users are admitted, over the whole cluster.
    user_rate: String = "1200/min".into(), check rules::rate;
    /// Host that metrics are pushed to (Graphite's plaintext protocol).
    graphite_host: Option<String> = None;
    /// Port metrics are pushed to.
    graphite_port: u16 = 2003, check rules::port;
    /// First part of the names of pushed metrics.
    graphite_prefix: Option<String> = None, in words "the node's name", check rules::prefix;
    /// Directory that keeps the history of runs.
    data_dir: Option<PathBuf> = None;
    /// What is logged: a level, or levels by target as in `warn,crowd=debug`.
    log: String = "info".into(), check rules::log_filter;
    /// How long a scenario's `init` may take.
    init_timeout: Duration = Duration::from_secs(60), check rules::longer_than_nothing;
    /// How long a scenario's `terminate` may take.
    terminate_timeout: Duration = Duration::from_secs(30), check rules::longer_than_nothing;
    /// How long a node that ends waits for its users to stop.
    drain_timeout: Duration = Duration::from_secs(30), check rules::not_for_ever;
    /// How late a throttle may use a slot before the slot is forfeited.
    throttle_tolerance: Duration = Duration::from_millis(5), check rules::longer_than_nothing;
    /// Whether users are refused that need more open files than this process may have.
    descriptor_check: bool = true;
    /// How many supervisors share the users; 0: one per core.
    user_supervisors: usize = 0, check rules::supervisors;
}

/// What the master does about the users of a node that is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, crowd_core::settings::SettingValue)]
pub enum OnNodeLoss {
    /// Starts them again on the other nodes, under the same ids.
    Replace,
    /// Counts them as failed.
    Ignore,
    /// Ends the run, as failed.
    Stop,
}

/// Where settings come from, besides the built-in defaults.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// The file that `--config` names; without it, the one that `CROWD_CONFIG` names, if any.
    pub file: Option<PathBuf>,
    /// The environment: see [`env::ProcessEnvironment::variables`].
    pub environment: BTreeMap<String, String>,
    /// What the command line says, by name.
    pub overrides: Vec<(String, String)>,
    /// The names of the settings of all scenarios compiled in: their variables are no mistakes.
    pub scenario_settings: BTreeSet<String>,
}

impl NodeSettings {
    /// Reads the settings: built-in default < file < environment < command line. An empty
    /// variable is taken for unset. The cookie and the token are read from their files, if those
    /// are named in the louder layer; `cookie` and `api_token` then hold them.
    ///
    /// # Errors
    /// Every fault at once: values that do not fit, names that nobody declared (in the file, on
    /// the command line, and any variable `CROWD_…`), files that cannot be read, and ports open to
    /// other hosts without the secret that guards them.
    pub fn load(sources: &Sources) -> Result<Self, SettingsFaults> {
        let mut faults = SettingsFaults::default();
        let layers = Layers::read(NAMES, sources, &mut faults);
        let mut settings = Self::read(&layers, &mut faults);
        rules::read_secrets(&mut settings, &layers, &mut faults);
        rules::together(&settings, &layers, &mut faults);
        faults.none_or(settings)
    }

    /// Whether any source says something about a setting, be it the same as the built-in default.
    pub fn given(sources: &Sources, name: &str) -> bool {
        // What is wrong with the sources is for `load` to tell.
        Layers::read(NAMES, sources, &mut SettingsFaults::default()).says(name)
    }

    /// The first part of the names of pushed metrics.
    pub fn graphite_prefix(&self) -> &str {
        self.graphite_prefix.as_deref().unwrap_or(&self.node_name)
    }
}

/// Port `port` for this host alone.
fn local(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

/// What this host is called. A host without a name can run alone, as `localhost`.
fn host_name() -> String {
    let told = fs::read_to_string("/proc/sys/kernel/hostname").ok();
    [told, std::env::var(env::HOSTNAME).ok()]
        .into_iter()
        .flatten()
        .map(|name| name.trim().to_owned())
        .find(|name| !name.is_empty())
        .unwrap_or_else(|| "localhost".into())
}

#[cfg(test)]
mod tests;
