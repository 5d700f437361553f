//! Who is in a room, for those who are in it too: `[namespaces.presence]`.
//!
//! What is known is in `roomcast-presence`; here it is told what the sockets of this node do, by whoever does it (`enter`,
//! `changed`, `gone`), and what the other nodes say (`bus`). One task for each namespace (`work`) tells the clients and the
//! other nodes. It alone sends snapshots and news, so a client hears them in the order in which they became true.

mod bus;
mod work;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use roomcast_adapter::{Adapter, Bus};
use roomcast_presence::{Info, MAX_INFO_BYTES, MAX_NAME_BYTES, Roster, Settings, Snapshot, Who};
use serde_json::{Map, Value};
use socketioxide_core::Sid;
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;

use crate::config::{self, PresenceSettings};
use crate::identity::Identity;
use crate::metrics::{Metrics, PresenceDrop, PresenceMetrics};
use crate::rules::{Pattern, PatternError, claim};
use work::Question;
pub(crate) use work::Work;

/// Questions of clients that wait for the task; each waits for its answer, and the client's further events for it.
const QUESTIONS: usize = 256;

/// The presence of one namespace. Clones are the same.
#[derive(Clone)]
pub(crate) struct Presence {
    inner: Arc<Inner>,
}

struct Inner {
    path: String,
    patterns: Vec<Pattern>,
    info_claims: Vec<String>,
    bus: Bus,
    roster: Mutex<Roster<Sid>>,
    /// There is something for the task to do.
    wake: Notify,
    questions: mpsc::Sender<Question>,
    metrics: PresenceMetrics,
    began: Instant,
}

/// Presence where the configuration asks for it, by namespace, and the work that it makes.
///
/// # Errors
/// [`PatternError`]; the configuration was checked before.
pub(crate) fn of_namespaces(
    settings: &config::Settings,
    bus: &Bus,
    metrics: &Metrics,
) -> Result<(HashMap<String, Presence>, Vec<Work>), PatternError> {
    let (mut all, mut work) = (HashMap::new(), Vec::new());
    for namespace in settings.namespaces.iter().filter(|namespace| !namespace.presence.rooms.is_empty()) {
        let path = namespace.path.as_str();
        let (presence, questions) = Presence::new(path, &namespace.presence, bus, metrics.presence(path))?;
        work.push(Work::new(presence.clone(), questions));
        all.insert(path.to_owned(), presence);
    }
    // Weak: the bus must not keep those who keep it.
    let changed: HashMap<String, _> =
        all.iter().map(|(path, presence)| (path.clone(), Arc::downgrade(&presence.inner))).collect();
    if !changed.is_empty() {
        bus.on_rooms_changed(move |adapter, sids| {
            let inner = changed.get(adapter.namespace()).and_then(std::sync::Weak::upgrade);
            if let Some(inner) = inner {
                sids.iter().for_each(|sid| Presence { inner: Arc::clone(&inner) }.sync(adapter, *sid));
            }
        });
    }
    Ok((all, work))
}

impl Presence {
    fn new(
        path: &str,
        settings: &PresenceSettings,
        bus: &Bus,
        metrics: PresenceMetrics,
    ) -> Result<(Self, mpsc::Receiver<Question>), PatternError> {
        let roster = Settings {
            linger_ms: settings.linger_ms,
            max_listed: settings.max_listed,
            max_entries: settings.max_entries,
            info: settings.info_claims.clone(),
        };
        let (ask, questions) = mpsc::channel(QUESTIONS);
        let inner = Inner {
            path: path.to_owned(),
            patterns: settings.rooms.iter().map(|room| room.parse()).collect::<Result<_, _>>()?,
            info_claims: settings.info_claims.clone(),
            bus: bus.clone(),
            roster: Mutex::new(Roster::new(bus.node_id(), roster)),
            wake: Notify::new(),
            questions: ask,
            metrics,
            began: Instant::now(),
        };
        Ok((Self { inner: Arc::new(inner) }, questions))
    }

    /// Whether members of this room are shown.
    pub(crate) fn covers(&self, room: &str) -> bool {
        room.len() <= MAX_NAME_BYTES && self.inner.patterns.iter().any(|pattern| pattern.matches(room, None))
    }

    /// How many members the room has, on all nodes; `None` if they are not counted.
    pub(crate) fn count(&self, room: &str) -> Option<usize> {
        self.covers(room).then(|| self.roster().count(room))
    }

    /// A client has connected, and may be in rooms already.
    pub(crate) fn enter(&self, adapter: &Adapter, sid: Sid, identity: Option<&Identity>) {
        let who = match identity {
            Some(identity) => Who::User(identity.user.as_str().into()),
            None => Who::Socket(sid.to_string().into()),
        };
        let info = identity.and_then(|identity| self.info(identity));
        self.roster().enter(sid, who, info);
        self.sync(adapter, sid);
    }

    /// A socket has joined or left this room.
    pub(crate) fn changed(&self, adapter: &Adapter, sid: Sid, room: &str) {
        if self.covers(room) {
            self.sync(adapter, sid);
        }
    }

    /// A client was disconnected.
    pub(crate) fn gone(&self, sid: Sid) {
        let now = self.now();
        self.roster().gone(now, sid);
        self.inner.wake.notify_one();
    }

    /// Reads the rooms of a socket.
    fn sync(&self, adapter: &Adapter, sid: Sid) {
        let (now, at) = (self.now(), since_1970());
        {
            let mut roster = self.roster();
            // Read under the lock: of two changes at the same time the later one must not be undone.
            let rooms = adapter.local().socket_rooms(sid);
            roster.sync(now, at, sid, rooms.iter().map(|room| &**room).filter(|room| self.covers(room)));
        }
        self.inner.wake.notify_one();
    }

    /// What others see of a user.
    fn info(&self, identity: &Identity) -> Option<Info> {
        let claims = self.inner.info_claims.iter();
        let shown = claims.filter_map(|name| Some((name.clone(), claim(&identity.claims, name)?.clone())));
        let info: Map<String, Value> = shown.collect();
        if info.is_empty() {
            return None;
        }
        let is_short = serde_json::to_string(&info).is_ok_and(|text| text.len() <= MAX_INFO_BYTES);
        if !is_short {
            self.inner.metrics.dropped(PresenceDrop::InfoSize, 1);
        }
        is_short.then(|| Arc::new(info))
    }

    fn snapshot(&self, sid: Sid, room: &str) -> Snapshot {
        self.roster().snapshot(Some(sid), room)
    }

    /// Milliseconds, of a clock that does not go back.
    fn now(&self) -> u64 {
        self.inner.began.elapsed().as_millis().try_into().unwrap_or(u64::MAX)
    }

    fn roster(&self) -> MutexGuard<'_, Roster<Sid>> {
        // A roster that was left in the middle of a change is made right by the next digests.
        self.inner.roster.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn since_1970() -> u64 {
    let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    time.as_millis().try_into().unwrap_or(u64::MAX)
}

impl fmt::Debug for Presence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Presence").field("path", &self.inner.path).finish_non_exhaustive()
    }
}
