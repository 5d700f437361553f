//! How a namespace finds out who its clients are, at the moment: it may be changed while the node runs.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use roomcast_auth::Stats;

use super::build::{self, Wrong};
use super::{IdentityCheck, PerUser};
use crate::config::NamespaceSettings;

/// See the module. Who is connected keeps its identity, and a place among the sockets of its user.
#[derive(Default)]
pub(crate) struct LiveIdentity {
    check: ArcSwapOption<IdentityCheck>,
    per_user: Arc<PerUser>,
    stats: Stats,
}

/// Not yet in use.
pub(crate) struct NewIdentity(Option<Arc<IdentityCheck>>);

impl LiveIdentity {
    /// # Errors
    /// The first of all that is wrong; the configuration was checked before.
    pub(crate) fn new(settings: &NamespaceSettings) -> Result<Self, Wrong> {
        let live = Self::default();
        live.install(live.prepare(settings)?);
        live.set_max_per_user(settings);
        Ok(live)
    }

    /// What may take the place of what is there. Keys by URL are fetched from now on.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub(crate) fn prepare(&self, settings: &NamespaceSettings) -> Result<NewIdentity, Wrong> {
        Ok(NewIdentity(build::check(&settings.identity, &self.stats)?.map(Arc::new)))
    }

    /// From now on clients are identified so.
    pub(crate) fn install(&self, new: NewIdentity) {
        self.check.store(new.0);
    }

    pub(crate) fn set_max_per_user(&self, settings: &NamespaceSettings) {
        self.per_user.set_max(settings.max_sockets_per_user);
    }

    /// `None` if the namespace does not ask.
    pub(crate) fn check(&self) -> Option<Arc<IdentityCheck>> {
        self.check.load_full()
    }

    pub(crate) fn per_user(&self) -> &Arc<PerUser> {
        &self.per_user
    }

    pub(crate) fn stats(&self) -> &Stats {
        &self.stats
    }
}

impl std::fmt::Debug for LiveIdentity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LiveIdentity").field("asks", &self.check.load().is_some()).finish_non_exhaustive()
    }
}
