//! The configuration, read anew while the node runs.
//!
//! What can be changed is changed for all clients at once, without a disconnect: the rules and limits of namespaces,
//! keys and backends by which clients are identified, origins and the certificate. What cannot is named, and
//! waits for a restart. A configuration with a mistake changes nothing.

mod changes;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use roomcast_edge::{Edge, Origins, Tls, TlsError};
use serde::Serialize;
use tracing::{error, info, warn};

use crate::config::{self, NamespaceSettings, Origin, Problems, Settings};
use crate::endpoint::SocketIoEngine;
use crate::gateway::GatewayError;
use crate::identity::{LiveIdentity, NewIdentity};
use crate::rules::{LiveRules, Rules};
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
        tls: Option<Arc<Tls>>,
    ) -> Self {
        let current = Mutex::new(settings.clone());
        Self { inner: Arc::new(Inner { origin, current, namespaces, edge, tls }) }
    }

    /// Reads the file and the environment's variables again, and logs what came of it. Blocks while files are read.
    ///
    /// # Errors
    /// [`ReloadError`]: nothing has changed then.
    pub fn run(&self) -> Result<Reloaded, ReloadError> {
        let result = self.read_and_apply();
        match &result {
            Ok(Reloaded { changed, needs_restart }) => {
                info!(changed = changed.join(" "), "configuration read anew");
                if !needs_restart.is_empty() {
                    warn!(keys = needs_restart.join(" "), "changes that wait for a restart");
                }
            }
            Err(error) => error!(%error, "nothing has changed: the configuration cannot be used"),
        }
        result
    }

    fn read_and_apply(&self) -> Result<Reloaded, ReloadError> {
        let origin = self.inner.origin.as_ref().ok_or(ReloadError::NoOrigin)?;
        // Who reads later counts.
        let mut current = self.inner.lock();
        let settings = config::load(origin)?;
        self.inner.apply(&mut current, &settings)
    }

    /// Changes to these settings, as far as that is possible without a restart.
    ///
    /// # Errors
    /// [`ReloadError`]: nothing has changed then.
    pub fn apply(&self, settings: &Settings) -> Result<Reloaded, ReloadError> {
        let mut current = self.inner.lock();
        config::check_settings(settings)?;
        self.inner.apply(&mut current, settings)
    }

    /// The rules in effect, by namespace.
    pub(crate) fn rules(&self) -> impl Iterator<Item = &Arc<LiveRules>> {
        self.inner.namespaces.values().map(|live| &live.rules)
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, Settings> {
        // Each of them is replaced whole.
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Everything that can fail comes before everything that counts.
    fn apply(&self, current: &mut Settings, new: &Settings) -> Result<Reloaded, ReloadError> {
        let origins = Origins::parse(&new.server.origins).map_err(GatewayError::from)?;
        let namespaces = self.prepared(current, new)?;
        if let Some(tls) = &self.tls {
            tls.reload()?;
        }
        let mut reloaded = Reloaded::default();
        for Change { key, is_live } in changes(current, new) {
            if is_live { &mut reloaded.changed } else { &mut reloaded.needs_restart }.push(key);
        }
        for (live, prepared) in namespaces {
            let former = current.namespaces.iter_mut().find(|former| former.path == prepared.settings.path);
            if let Some(former) = former {
                former.clone_from(&prepared.settings);
            }
            live.install(prepared);
        }
        self.edge.set_origins(origins);
        current.server.origins.clone_from(&new.server.origins);
        Ok(reloaded)
    }

    /// The namespaces that can be changed. New ones wait for a restart.
    fn prepared(&self, current: &Settings, new: &Settings) -> Result<Vec<(&Live, Prepared)>, GatewayError> {
        let mut all = Vec::new();
        for namespace in &new.namespaces {
            let former = current.namespaces.iter().find(|former| former.path == namespace.path);
            if let (Some(former), Some(live)) = (former, self.namespaces.get(&namespace.path))
                && changes::can_change(former, namespace)
            {
                all.push((live, live.prepare(former, namespace)?));
            }
        }
        Ok(all)
    }
}

/// What will be of a namespace.
struct Prepared {
    settings: NamespaceSettings,
    rules: Rules,
    /// `None` if it stays as it is.
    identity: Option<NewIdentity>,
}

impl Live {
    fn prepare(&self, former: &NamespaceSettings, new: &NamespaceSettings) -> Result<Prepared, GatewayError> {
        let mut settings = new.clone();
        changes::keep_fixed(former, &mut settings);
        // Files may have changed without a change of the configuration.
        let is_new =
            settings.identity != former.identity || !settings.identity.jwt.public_key_files.is_empty();
        let identity = is_new.then(|| self.identity.prepare(&settings)).transpose()?;
        let rules = self.rules.prepare(&settings)?;
        Ok(Prepared { settings, rules, identity })
    }

    fn install(&self, prepared: Prepared) {
        let Prepared { settings, rules, identity } = prepared;
        if let Some(identity) = identity {
            self.identity.install(identity);
        }
        self.identity.set_max_per_user(&settings);
        self.rules.install(rules);
        self.events.learn(self.rules.events());
    }
}

impl fmt::Debug for Reload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reload").finish_non_exhaustive()
    }
}
