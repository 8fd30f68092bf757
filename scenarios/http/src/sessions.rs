//! TLS sessions that may be resumed: whose they are.

use std::{
    fmt,
    str::FromStr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use rustls::{
    ClientConfig, NamedGroup,
    client::{ClientSessionStore, Resumption, Tls12ClientSessionValue, Tls13ClientSessionValue},
    pki_types::ServerName,
};

/// Which sessions a user may resume.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TlsSessions {
    /// None: every handshake is a full one.
    None,
    /// Those of its own connections, as a browser's.
    Own,
    /// Those of all users of the node.
    Shared,
}

impl TlsSessions {
    /// The words of the setting.
    pub(crate) const WORDS: [&str; 3] = ["none", "own", "shared"];
}

impl FromStr for TlsSessions {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "none" => Ok(Self::None),
            "own" => Ok(Self::Own),
            "shared" => Ok(Self::Shared),
            other => Err(format!("'{other}' is none of {}", Self::WORDS.join(", "))),
        }
    }
}

/// The settings of one user, who keeps its sessions for itself.
pub(crate) fn own(shared: &ClientConfig) -> Arc<ClientConfig> {
    let mut config = shared.clone();
    config.resumption = Resumption::store(Arc::new(OwnSessions::default()));
    Arc::new(config)
}

/// The most tickets kept of a server. Each new connection spends one and brings one or two; the
/// second is for a connection that broke before it brought any.
const MOST_TICKETS: usize = 2;

/// The sessions of one user. rustls has a store of its own, which holds four times as many tickets
/// and the room for them: too much for hundreds of thousands of users.
#[derive(Default)]
struct OwnSessions(Mutex<Vec<(ServerName<'static>, Sessions)>>);

/// What is kept of one server.
#[derive(Default)]
struct Sessions {
    group: Option<NamedGroup>,
    tls12: Option<Tls12ClientSessionValue>,
    /// The oldest first.
    tls13: Vec<Tls13ClientSessionValue>,
}

impl fmt::Debug for OwnSessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnSessions").finish_non_exhaustive()
    }
}

impl OwnSessions {
    fn servers(&self) -> MutexGuard<'_, Vec<(ServerName<'static>, Sessions)>> {
        // Whoever panicked left no entry half made.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn edit<T>(&self, name: &ServerName<'_>, edit: impl FnOnce(&mut Sessions) -> T) -> Option<T> {
        let mut servers = self.servers();
        servers.iter_mut().find(|(known, _)| known == name).map(|(_, sessions)| edit(sessions))
    }

    fn keep(&self, name: ServerName<'static>, edit: impl FnOnce(&mut Sessions)) {
        let mut servers = self.servers();
        match servers.iter_mut().find(|(known, _)| *known == name) {
            Some((_, sessions)) => edit(sessions),
            None => {
                let mut sessions = Sessions::default();
                edit(&mut sessions);
                servers.push((name, sessions));
            }
        }
    }
}

impl ClientSessionStore for OwnSessions {
    fn set_kx_hint(&self, server_name: ServerName<'static>, group: NamedGroup) {
        self.keep(server_name, |sessions| sessions.group = Some(group));
    }

    fn kx_hint(&self, server_name: &ServerName<'_>) -> Option<NamedGroup> {
        self.edit(server_name, |sessions| sessions.group)?
    }

    fn set_tls12_session(&self, server_name: ServerName<'static>, value: Tls12ClientSessionValue) {
        self.keep(server_name, |sessions| sessions.tls12 = Some(value));
    }

    fn tls12_session(&self, server_name: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        self.edit(server_name, |sessions| sessions.tls12.clone())?
    }

    fn remove_tls12_session(&self, server_name: &ServerName<'static>) {
        self.edit(server_name, |sessions| sessions.tls12 = None);
    }

    fn insert_tls13_ticket(
        &self,
        server_name: ServerName<'static>,
        value: Tls13ClientSessionValue,
    ) {
        self.keep(server_name, |sessions| {
            if sessions.tls13.len() >= MOST_TICKETS {
                sessions.tls13.remove(0);
            }
            sessions.tls13.push(value);
        });
    }

    fn take_tls13_ticket(
        &self,
        server_name: &ServerName<'static>,
    ) -> Option<Tls13ClientSessionValue> {
        self.edit(server_name, |sessions| sessions.tls13.pop())?
    }
}
