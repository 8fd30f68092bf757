//! From the command line's flags to a running node: the one place where settings, logging and the
//! node meet.

use std::{fmt, path::PathBuf, sync::Arc};

use super::{exit::Exit, logging::Logs};
use crate::{
    node::Node,
    refusal::Refusal,
    scenario::catalog::Catalog,
    settings::{NodeSettings, SettingsFaults, Sources, env::ProcessEnvironment},
    user::task::log_panics,
};

/// What the command line says of the node.
#[derive(Debug, Default)]
pub(super) struct BootOptions {
    /// `--config`.
    pub(super) config: Option<PathBuf>,
    /// `--log`.
    pub(super) log: Option<String>,
    /// What is logged unless somebody says otherwise, if that is not the node's own default.
    pub(super) log_unless_told: Option<&'static str>,
}

/// Why there is no node.
#[derive(Debug)]
pub(super) enum BootFault {
    /// The settings are at fault.
    Settings(SettingsFaults),
    /// The log filter is.
    Log(String),
    /// The node cannot be started.
    Node(Refusal),
}

impl fmt::Display for BootFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Settings(faults) => faults.fmt(f),
            Self::Log(fault) => f.write_str(fault),
            Self::Node(refusal) => refusal.fmt(f),
        }
    }
}

impl BootFault {
    /// The exit code of the process it ends.
    pub(super) fn exit(&self) -> Exit {
        match self {
            Self::Settings(_) | Self::Log(_) => Exit::BadUsage,
            Self::Node(_) => Exit::Failed,
        }
    }
}

/// A node, and what is known of how it came about.
pub(super) struct Booted {
    /// The node.
    pub(super) node: Node,
    /// Where its log lines go.
    pub(super) logs: Logs,
    /// Whether somebody chose the address of the API.
    pub(super) api_given: bool,
}

/// Where the settings of a node with these scenarios come from.
pub(super) fn sources(catalog: &Catalog, options: &BootOptions) -> Sources {
    let declared = catalog.iter().flat_map(|scenario| scenario.declarations().all);
    Sources {
        file: options.config.clone(),
        environment: ProcessEnvironment.variables(),
        overrides: options.log.clone().map(|log| ("log".to_owned(), log)).into_iter().collect(),
        scenario_settings: declared.map(|declaration| declaration.name).collect(),
    }
}

/// Reads the settings, begins to log and starts the node.
pub(super) async fn boot(catalog: Catalog, options: BootOptions) -> Result<Booted, BootFault> {
    let sources = sources(&catalog, &options);
    let mut settings = NodeSettings::load(&sources).map_err(BootFault::Settings)?;
    let api_given = NodeSettings::given(&sources, "api_listen");
    let told = NodeSettings::default().log != settings.log || !sources.overrides.is_empty();
    if let (false, Some(log)) = (told, options.log_unless_told) {
        settings.log = log.to_owned();
    }
    let logs = Logs::install(&settings.log).map_err(BootFault::Log)?;
    log_panics();
    let node = Node::start(settings, catalog, Arc::new(ProcessEnvironment))
        .await
        .map_err(BootFault::Node)?;
    Ok(Booted { node, logs, api_given })
}
