//! The configuration, read anew while the node runs.
//!
//! What can be changed is changed for all clients at once, without a disconnect: the rules and limits of namespaces,
//! keys and backends by which clients are identified, origins, session keys and the certificate. What cannot is named, and
//! waits for a restart. A configuration with a mistake changes nothing.

mod changes;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use roomcast_edge::{Edge, Keys, Origins, Tls, TlsError};
use serde::Serialize;

use crate::config::{self, NamespaceSettings, Origin, Problems, Settings};
use crate::endpoint::SocketIoEngine;
use crate::gateway::GatewayError;
use crate::identity::LiveIdentity;
use crate::rules::LiveRules;
use crate::sockets::{Handler, LiveEvents};
use changes::{Change, changes};

/// Reads the configuration anew. Cheap to clone; see [`Listening::reload`](crate::Listening::reload).
#[derive(Clone)]
pub struct Reload {
    inner: Arc<Inner>,
}

struct Inner {
    /// Where the configuration comes from; `None` if the program has made it up.
    origin: Option<Origin>,
    /// Those in effect. Locked while they are being changed, so that two changes do not mix.
    current: Mutex<Settings>,
    namespaces: HashMap<String, Live>,
    edge: Edge<SocketIoEngine>,
    keys: Keys,
    tls: Option<Arc<Tls>>,
}

/// What of a namespace can be changed.
#[derive(Debug, Clone)]
pub(crate) struct Live {
    pub(crate) rules: Arc<LiveRules>,
    pub(crate) identity: Arc<LiveIdentity>,
    pub(crate) events: Arc<LiveEvents>,
}

/// What came of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Reloaded {
    /// Keys of the configuration whose new values are in effect.
    pub changed: Vec<String>,
    /// Keys whose new values wait for a restart.
    pub needs_restart: Vec<String>,
}

/// Why nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReloadError {
    /// The program has made the settings itself.
    #[error("the node was not started from a configuration file")]
    NoOrigin,
    /// The configuration has mistakes.
    #[error(transparent)]
    Problems(#[from] Problems),
    /// The certificate cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// What the checks of the configuration did not find.
    #[error(transparent)]
    Gateway(#[from] GatewayError),
}

impl Reload {
    pub(crate) fn new(
        settings: &Settings,
        origin: Option<Origin>,
        namespaces: HashMap<String, Live>,
        edge: Edge<SocketIoEngine>,
        keys: Keys,
        tls: Option<Arc<Tls>>,
    ) -> Self {
        let current = Mutex::new(settings.clone());
        Self { inner: Arc::new(Inner { origin, current, namespaces, edge, keys, tls }) }
    }

    /// Reads the file and the environment's variables again. Blocks while files are read.
    ///
    /// # Errors
    /// [`ReloadError`]: nothing has changed then.
    pub fn run(&self) -> Result<Reloaded, ReloadError> {
        let origin = self.inner.origin.as_ref().ok_or(ReloadError::NoOrigin)?;
        self.apply(&config::load(origin)?)
    }

    /// Changes to these settings, as far as that is possible without a restart.
    ///
    /// # Errors
    /// [`ReloadError`]: nothing has changed then.
    pub fn apply(&self, settings: &Settings) -> Result<Reloaded, ReloadError> {
        let inner = &*self.inner;
        let mut current = inner.current.lock().unwrap_or_else(PoisonError::into_inner);
        // Everything that can fail comes before everything that counts.
        config::check_settings(settings)?;
        if let Some(tls) = &inner.tls {
            tls.reload()?;
        }
        let mut reloaded = Reloaded::default();
        for Change { key, is_live } in changes(&current, settings) {
            if is_live { &mut reloaded.changed } else { &mut reloaded.needs_restart }.push(key);
        }
        inner.change(&mut current, settings, &reloaded)?;
        Ok(reloaded)
    }

    /// The rules in effect, by namespace.
    pub(crate) fn rules(&self) -> impl Iterator<Item = &Arc<LiveRules>> {
        self.inner.namespaces.values().map(|live| &live.rules)
    }
}

impl Inner {
    fn change(&self, current: &mut Settings, new: &Settings, what: &Reloaded) -> Result<(), GatewayError> {
        for namespace in &new.namespaces {
            let former = current.namespaces.iter_mut().find(|former| former.path == namespace.path);
            // New ones wait for a restart.
            if let (Some(former), Some(live)) = (former, self.namespaces.get(&namespace.path)) {
                live.replace(former, namespace)?;
            }
        }
        let is_changed = |key: &str| what.changed.iter().any(|changed| changed == key);
        if is_changed("server.origins") {
            self.edge.set_origins(Origins::parse(&new.server.origins)?);
            current.server.origins.clone_from(&new.server.origins);
        }
        if is_changed("server.session_keys") {
            self.keys.replace(&new.server.session_keys)?;
            current.server.session_keys.clone_from(&new.server.session_keys);
        }
        Ok(())
    }
}

impl Live {
    fn replace(&self, former: &mut NamespaceSettings, new: &NamespaceSettings) -> Result<(), GatewayError> {
        let mut new = new.clone();
        changes::keep_fixed(former, &mut new);
        // Keys in files may have changed without a change of the configuration.
        if new.identity != former.identity || !new.identity.jwt.public_key_files.is_empty() {
            self.identity.replace(&new)?;
        }
        self.identity.set_max_per_user(&new);
        // As do schemas in files.
        self.rules.replace(&new)?;
        self.events.learn(self.rules.events());
        *former = new;
        Ok(())
    }
}

impl fmt::Debug for Reload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reload").finish_non_exhaustive()
    }
}
