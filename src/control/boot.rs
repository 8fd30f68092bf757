//! From the command line's flags to a running node: the one place where settings, logging and the
//! node meet.

use std::{fmt, path::PathBuf};

use crowd_core::{refusal::Refusal, settings::env::ProcessEnvironment};

use super::{exit::Exit, logging::Logs, tell::complain};
use crate::{
    scenario::catalog::Catalog,
    settings::{NodeSettings, SettingsFaults, Sources},
    user::task::log_panics,
};

/// What the command line says of the node.
#[derive(Debug, Default)]
pub(super) struct BootOptions {
    /// `--config`.
    pub(super) config: Option<PathBuf>,
    /// `--log`.
    pub(super) log: Option<String>,
    /// `--on-node-loss`.
    pub(super) on_node_loss: Option<String>,
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
    /// Tells it; the exit code of the process it ends.
    pub(super) fn say(&self) -> Exit {
        complain(&self);
        self.exit()
    }

    /// The exit code of the process it ends.
    pub(super) fn exit(&self) -> Exit {
        match self {
            Self::Settings(_) | Self::Log(_) => Exit::BadUsage,
            Self::Node(_) => Exit::Failed,
        }
    }
}

/// What a node is started with.
pub(super) struct Prepared {
    /// Its settings.
    pub(super) settings: NodeSettings,
    /// Where its log lines go.
    pub(super) logs: Logs,
    /// Whether somebody chose the address of the API.
    pub(super) api_given: bool,
}

/// Where the settings of a node with these scenarios come from.
pub(super) fn sources(catalog: &Catalog, options: &BootOptions) -> Sources {
    let overrides = [("log", &options.log), ("on_node_loss", &options.on_node_loss)];
    let declared = catalog.iter().flat_map(|scenario| scenario.declarations().all);
    Sources {
        file: options.config.clone(),
        environment: ProcessEnvironment.variables(),
        overrides: overrides
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value.clone()?)))
            .collect(),
        scenario_settings: declared.map(|declaration| declaration.name).collect(),
    }
}

/// Reads the settings and begins to log.
pub(super) fn prepare(catalog: &Catalog, options: &BootOptions) -> Result<Prepared, BootFault> {
    let sources = sources(catalog, options);
    let mut settings = NodeSettings::load(&sources).map_err(BootFault::Settings)?;
    let api_given = NodeSettings::given(&sources, "api_listen");
    let told = NodeSettings::given(&sources, "log");
    if let (false, Some(log)) = (told, options.log_unless_told) {
        settings.log = log.to_owned();
    }
    let logs = Logs::install(&settings.log).map_err(BootFault::Log)?;
    log_panics();
    Ok(Prepared { settings, logs, api_given })
}
