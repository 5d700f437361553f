//! All sessions of a node: how many there may be, which one a session id means, and closing all of them.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::{Duration, SystemTime};

use roomcast_codes::Code;
use slab::Slab;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::edge::EdgeSettings;
use crate::engine::Hooks;
use crate::per_client::{ClientKey, PerClient, PerClientPermit};
use crate::request::{Protocol, Transport};
use crate::session::Session;
use crate::sid::Sid16;
use crate::stats::Stats;

type EndPolling = Box<dyn Fn(Arc<Session>, Sid16) + Send + Sync>;

/// See the module. The locks are held for moments only.
pub(crate) struct Sessions {
    all: Mutex<Slab<Weak<Session>>>,
    by_sid: Mutex<HashMap<Sid16, Weak<Session>>>,
    permits: Arc<Semaphore>,
    per_client: Arc<PerClient>,
    close_grace: Duration,
    /// Tells the Engine.IO server that a long-polling session is over.
    end_polling: OnceLock<EndPolling>,
    draining: OnceLock<SystemTime>,
    cut: AtomicU64,
    hooks: Arc<dyn Hooks>,
    stats: Stats,
}

/// A session's place among all.
#[derive(Debug)]
pub(crate) struct Place {
    _permit: OwnedSemaphorePermit,
    _own: PerClientPermit,
}

/// Why there is no place for a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Full {
    Node,
    Client,
}

impl Sessions {
    pub(crate) fn new(settings: &EdgeSettings, hooks: Arc<dyn Hooks>, stats: Stats) -> Arc<Self> {
        Arc::new(Self {
            all: Mutex::default(),
            by_sid: Mutex::default(),
            permits: Arc::new(Semaphore::new(settings.max_sessions.min(Semaphore::MAX_PERMITS))),
            per_client: Arc::new(PerClient::new(settings.max_sessions_per_address)),
            close_grace: settings.close_grace,
            end_polling: OnceLock::new(),
            draining: OnceLock::new(),
            cut: AtomicU64::new(0),
            hooks,
            stats,
        })
    }

    /// A place for one more session, before anything of it exists.
    pub(crate) fn reserve(&self, client: SocketAddr) -> Result<Place, Full> {
        let permit = Arc::clone(&self.permits).try_acquire_owned().map_err(|_| Full::Node)?;
        let own = self.per_client.try_acquire(ClientKey::from(client.ip())).ok_or(Full::Client)?;
        Ok(Place { _permit: permit, _own: own })
    }

    pub(crate) fn open(
        self: &Arc<Self>,
        place: Place,
        client: SocketAddr,
        transport: Transport,
        protocol: Protocol,
    ) -> Arc<Session> {
        let at = lock(&self.all).insert(Weak::new());
        let session = Arc::new(Session::new(self, place, at, client, transport, protocol));
        if let Some(entry) = lock(&self.all).get_mut(at) {
            *entry = Arc::downgrade(&session);
        }
        session
    }

    /// Remembers which session this id means.
    pub(crate) fn name(&self, session: &Arc<Session>, sid: Sid16) {
        if session.sid.set(sid).is_ok() {
            lock(&self.by_sid).insert(sid, Arc::downgrade(session));
        }
    }

    pub(crate) fn find(&self, sid: Sid16) -> Option<Arc<Session>> {
        lock(&self.by_sid).get(&sid)?.upgrade()
    }

    /// A session is no more.
    pub(crate) fn closed(&self, session: &Session, code: Code) {
        lock(&self.all).try_remove(session.at);
        if let Some(sid) = session.sid.get() {
            lock(&self.by_sid).remove(sid);
        }
        let transport = session.transport();
        self.stats.session_closed(transport, session.protocol, code);
        self.hooks.closed(session.client, transport, code);
    }

    /// All sessions that are open.
    pub(crate) fn all(&self) -> Vec<Weak<Session>> {
        lock(&self.all).iter().map(|(_, session)| session.clone()).collect()
    }

    pub(crate) fn set_end_polling(&self, end_polling: EndPolling) {
        let _ = self.end_polling.set(end_polling);
    }

    pub(crate) fn end_polling(&self, session: &Arc<Session>) {
        if let (Some(end), Some(sid)) = (self.end_polling.get(), session.sid.get()) {
            end(Arc::clone(session), *sid);
        }
    }

    pub(crate) fn close_grace(&self) -> Duration {
        self.close_grace
    }

    pub(crate) fn stats(&self) -> &Stats {
        &self.stats
    }

    /// From now on there are no new sessions.
    pub(crate) fn drain(&self) {
        self.draining.get_or_init(SystemTime::now);
    }

    /// Since when there are none.
    pub(crate) fn draining_since(&self) -> Option<SystemTime> {
        self.draining.get().copied()
    }

    pub(crate) fn cut_by_drain(&self) {
        self.cut.fetch_add(1, Ordering::Relaxed);
    }

    /// Sessions that had to be closed hard because the node stops.
    pub(crate) fn count_cut(&self) -> u64 {
        self.cut.load(Ordering::Relaxed)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing panics while it is held.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
