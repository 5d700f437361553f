//! What connects the nodes: one [`Bus`] per node, shared by the adapters of all its namespaces.

use std::fmt;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use socketioxide::SocketIo;
use socketioxide::extract::SocketRef;
use socketioxide_core::Sid;
use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;

use crate::adapter::Adapter;
use crate::hub::{Hub, Seat};
use crate::metrics::{CounterSnapshot, Counters, Metrics};
use crate::namespace::Namespace;
use crate::outbox::Outbox;
use crate::protocol::{Mode, Outgoing, Protocol, node_id};
use crate::redis::{Allowance, Parts, Redis};
use crate::registry::{Node, Registry};
use crate::rooms;
use crate::routes::{Routes, Subscription};
use crate::settings::RedisSettings;
use crate::status::{Board, BusState, BusStatus};

/// Settings that cannot work.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BusError {
    /// The Redis URL has another scheme.
    #[error(
        "the redis URL must begin with redis://, redis-cluster:// or redis-sentinel://, or the same with rediss for TLS"
    )]
    Scheme,
    /// Several hosts for one server.
    #[error("a redis:// URL names one host; several are for redis-cluster:// and redis-sentinel://")]
    ManyHosts,
    /// A sentinel URL without the master's name.
    #[error("a redis-sentinel:// URL ends with the name of the master: redis-sentinel://host:26379#mymaster")]
    MasterName,
    /// A `#` where it has no meaning.
    #[error("only a redis-sentinel:// URL has a `#`; in a password it is written %23")]
    Fragment,
    /// A Redis Cluster has one database.
    #[error("a Redis Cluster has only database 0")]
    ClusterDatabase,
    /// The Redis URL or its parts make no sense.
    #[error("invalid redis settings: {0}")]
    Settings(#[from] redis::RedisError),
}

/// The handle to the other nodes, and the state type of [`Adapter`]; cheap to clone. The connections end when the
/// last clone is gone, or with [`close`](Self::close).
#[derive(Clone)]
pub struct Bus {
    inner: Arc<Inner>,
}

struct Inner {
    prefix: String,
    mode: Mode,
    specific_responses: bool,
    rooms_are_told: bool,
    timeout: Duration,
    requests_timeout: Duration,
    max_requests: usize,
    routes: Arc<Routes>,
    registry: Arc<Registry>,
    metrics: Arc<dyn Metrics>,
    counters: Arc<Counters>,
    board: Arc<Board>,
    outbox: Arc<Outbox>,
    link: Link,
    /// There are rooms to look at.
    suspects: Arc<Notify>,
    room_watch: Option<AbortHandle>,
    /// Weak: the sockets hold the namespaces, these the adapters, and these this.
    io: OnceLock<Weak<SocketIo<Adapter>>>,
    on_overflow: OnceLock<OnOverflow>,
    on_close: OnceLock<OnClose>,
    on_rooms_changed: OnceLock<OnRoomsChanged>,
}

type OnClose = Box<dyn Fn(&str, &[Sid]) -> Box<dyn FnOnce()> + Send + Sync>;

type OnRoomsChanged = Box<dyn Fn(&Adapter, &[Sid]) + Send + Sync>;

type OnOverflow = Box<dyn Fn(&Overflow<'_>) + Send + Sync>;

/// A packet that did not fit into the queues of some of its receivers.
#[derive(Debug)]
#[non_exhaustive]
pub struct Overflow<'a> {
    /// Of the namespace where it was sent.
    pub adapter: &'a Adapter,
    /// How many queues were full.
    pub full: usize,
    /// All receivers on this node: socketioxide does not tell which of them it was, [`Adapter::is_queue_full`] does.
    pub receivers: Vec<Sid>,
}

enum Link {
    Alone,
    Hub(Arc<Seat>),
    Redis(Redis),
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(task) = &self.room_watch {
            task.abort();
        }
    }
}

impl Bus {
    /// No other nodes: everything stays in this process.
    #[must_use]
    pub fn memory() -> Self {
        let settings = RedisSettings::new("");
        let parts = parts(&settings, BusState::Memory, None);
        Self::with(&settings, parts, Link::Alone)
    }

    /// The same, with [`Metrics`] of your own in place of the [`counters`](Self::counters).
    #[must_use]
    pub fn memory_with_metrics(metrics: Arc<dyn Metrics>) -> Self {
        let settings = RedisSettings::new("");
        let parts = parts(&settings, BusState::Memory, Some(metrics));
        Self::with(&settings, parts, Link::Alone)
    }

    /// The other buses at this hub, all in this process. Must be called in a tokio runtime.
    #[must_use]
    pub fn joined(hub: &Hub) -> Self {
        let settings = RedisSettings::new("");
        let made = parts(&settings, BusState::Memory, None);
        let Made { parts: Parts { routes, registry, outbox, .. }, .. } = &made;
        let seat = hub.join(Arc::clone(routes), Arc::clone(registry), Arc::clone(outbox));
        Self::with(&settings, made, Link::Hub(seat))
    }

    /// The nodes that share this Redis and prefix. Returns at once; the connection is made in the background and
    /// kept alive. Must be called in a tokio runtime.
    ///
    /// # Errors
    /// [`BusError`] if the settings cannot work; an unreachable Redis is no error but a [`status`](Self::status).
    pub fn redis(settings: &RedisSettings) -> Result<Self, BusError> {
        Self::start(settings, None)
    }

    /// The same, with [`Metrics`] of your own in place of the [`counters`](Self::counters).
    ///
    /// # Errors
    /// As [`redis`](Self::redis).
    pub fn redis_with_metrics(settings: &RedisSettings, metrics: Arc<dyn Metrics>) -> Result<Self, BusError> {
        Self::start(settings, Some(metrics))
    }

    fn start(settings: &RedisSettings, metrics: Option<Arc<dyn Metrics>>) -> Result<Self, BusError> {
        let made = parts(settings, BusState::Connecting, metrics);
        let Parts { routes, outbox, registry, metrics, board } = &made.parts;
        let shared = Parts {
            routes: Arc::clone(routes),
            outbox: Arc::clone(outbox),
            registry: Arc::clone(registry),
            metrics: Arc::clone(metrics),
            board: Arc::clone(board),
        };
        let redis = Redis::start(settings, registry.id(), shared)?;
        Ok(Self::with(settings, made, Link::Redis(redis)))
    }

    fn with(settings: &RedisSettings, made: Made, link: Link) -> Self {
        let Made { counters, parts: Parts { routes, outbox, registry, metrics, board } } = made;
        let suspects = Arc::<Notify>::default();
        let room_watch = settings.mode.has_room_channels().then(|| {
            let watch = rooms::watch(Arc::clone(&routes), Arc::clone(&suspects), settings.rooms_are_told);
            tokio::spawn(watch).abort_handle()
        });
        let inner = Inner {
            prefix: settings.prefix.clone(),
            mode: settings.mode,
            specific_responses: settings.specific_responses,
            rooms_are_told: settings.rooms_are_told,
            timeout: settings.timeout,
            requests_timeout: settings.requests_timeout,
            max_requests: settings.max_requests,
            routes,
            registry,
            metrics,
            counters,
            board,
            outbox,
            link,
            suspects,
            room_watch,
            io: OnceLock::new(),
            on_overflow: OnceLock::new(),
            on_close: OnceLock::new(),
            on_rooms_changed: OnceLock::new(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Lets the other servers see the sockets' handshakes and data (see [`Profile`](crate::Profile)): without it they
    /// see only ids and rooms. Keep the [`Arc`] for as long as the server runs.
    pub fn attach(&self, io: &Arc<SocketIo<Adapter>>) {
        // A second one would be for the same adapters.
        let _ = self.inner.io.set(Arc::downgrade(io));
    }

    /// A namespace on all servers; `None` if this node does not have it.
    #[must_use]
    pub fn of(&self, namespace: &str) -> Option<Namespace> {
        self.adapter(namespace).map(Namespace::new)
    }

    /// Tells the program when packets did not fit into the queues of clients: those clients have lost something. It is
    /// called on the task that sent, so it must be quick. Only the first one that is given counts.
    pub fn on_overflow(&self, tell: impl Fn(&Overflow<'_>) + Send + Sync + 'static) {
        let _ = self.inner.on_overflow.set(Box::new(tell));
    }

    /// Closes connections when a server wants them closed (`disconnectSockets(true)`), which socketioxide cannot. `find` is
    /// given a namespace and sockets of it, and gives back what closes their connections: it is called after the sockets
    /// were told, and cannot be found any more. Only the first one that is given counts.
    pub fn on_close(&self, find: impl Fn(&str, &[Sid]) -> Box<dyn FnOnce()> + Send + Sync + 'static) {
        let _ = self.inner.on_close.set(Box::new(find));
    }

    /// Tells the program when sockets of this node were made to join or leave rooms by others than themselves: by another
    /// server, or by an operation on many sockets. It is called after that, on the task that reads the bus or that operates,
    /// so it must be quick. Only the first one that is given counts.
    pub fn on_rooms_changed(&self, tell: impl Fn(&Adapter, &[Sid]) + Send + Sync + 'static) {
        let _ = self.inner.on_rooms_changed.set(Box::new(tell));
    }

    pub(crate) fn rooms_were_changed(&self, adapter: &Adapter, sids: &[Sid]) {
        if let Some(tell) = self.inner.on_rooms_changed.get() {
            tell(adapter, sids);
        }
    }

    pub(crate) fn connections(&self, namespace: &str, sids: &[Sid]) -> Option<Box<dyn FnOnce()>> {
        self.inner.on_close.get().map(|find| find(namespace, sids))
    }

    pub(crate) fn wants_overflows(&self) -> bool {
        self.inner.on_overflow.get().is_some()
    }

    pub(crate) fn overflowed(&self, overflow: &Overflow<'_>) {
        if let Some(tell) = self.inner.on_overflow.get() {
            tell(overflow);
        }
    }

    /// The state of the connection, to read or to watch.
    #[must_use]
    pub fn status(&self) -> watch::Receiver<BusStatus> {
        self.inner.board.status()
    }

    /// This node's id: random, another one after each start.
    #[must_use]
    pub fn node_id(&self) -> &str {
        self.inner.registry.id()
    }

    /// The nodes of the cluster, this one among them, as of the last heartbeat; to read or to watch. A node that died is
    /// gone within 10 s by default. Node servers are not among them.
    #[must_use]
    pub fn nodes(&self) -> watch::Receiver<Arc<Vec<Node>>> {
        match &self.inner.link {
            Link::Alone => self.inner.registry.update(Vec::new()),
            Link::Hub(seat) => seat.hub().tell_everybody(),
            Link::Redis(_) => {}
        }
        self.inner.registry.nodes()
    }

    /// Looks at the registry at once, and for a few seconds more often than usual: a node may be gone.
    pub fn look_at_nodes(&self) {
        self.inner.registry.touch();
    }

    /// A value that all nodes of the cluster share, such as a secret: what the first one proposes under a name counts, until
    /// nobody has asked for so long. `None` while Redis cannot be asked, and without other nodes: there is nobody to agree
    /// with. Whoever can read Redis can read it.
    pub async fn agree(&self, name: &str, proposal: &str, lifetime: Duration) -> Option<String> {
        match &self.inner.link {
            Link::Alone | Link::Hub(_) => None,
            Link::Redis(redis) => redis.agree(name, proposal, lifetime).await,
        }
    }

    /// Spends `cost` of what all nodes of the cluster together may spend under a name, or tells how long to wait; a cost of
    /// more than the burst is that of the burst. Nothing is spent then. `None` while Redis cannot be asked, and without
    /// other nodes. Needs the command `EVAL`, and Redis 5.
    pub async fn spend(&self, name: &str, allowance: Allowance, cost: u32) -> Option<Result<(), Duration>> {
        match &self.inner.link {
            Link::Alone | Link::Hub(_) => None,
            Link::Redis(redis) => redis.spend(name, allowance, cost).await,
        }
    }

    /// The numbers of now; all zero if the bus was given [`Metrics`] of your own.
    #[must_use]
    pub fn counters(&self) -> CounterSnapshot {
        self.inner.counters.snapshot()
    }

    /// Messages and bytes that wait to be published.
    #[must_use]
    pub fn outbox_depth(&self) -> (usize, usize) {
        self.inner.outbox.depth()
    }

    /// Requests of this node that wait for the answers of others.
    #[must_use]
    pub fn pending_requests(&self) -> usize {
        self.inner.routes.all().iter().map(|adapter| adapter.asks().len()).sum()
    }

    /// The adapter of a namespace that exists on this node.
    #[must_use]
    pub fn adapter(&self, namespace: &str) -> Option<Arc<Adapter>> {
        self.inner.routes.adapter(namespace)
    }

    /// Handles a message as if Redis had brought it on this channel (of [`Mode::Classic`]); for tests and measurements.
    pub fn receive(&self, channel: &str, payload: &[u8]) {
        self.inner.routes.dispatch_by_name(channel, payload);
    }

    /// Takes this node out of the cluster: the others know at once, and nothing is heard or published any more. What waits
    /// in the outbox goes out before that, unless it cannot within [`timeout`](RedisSettings::timeout).
    pub async fn close(&self) {
        if !self.is_alone() && self.inner.board.status().borrow().state != BusState::Lost {
            let _ = tokio::time::timeout(self.inner.timeout, self.inner.outbox.emptied()).await;
        }
        match &self.inner.link {
            Link::Alone => {}
            Link::Hub(seat) => seat.leave(),
            Link::Redis(redis) => redis.leave().await,
        }
    }

    pub(crate) fn protocol(&self, namespace: &str) -> Protocol {
        let Inner { mode, prefix, specific_responses, .. } = &*self.inner;
        Protocol::new(*mode, prefix, namespace, self.node_id(), *specific_responses)
    }

    pub(crate) fn metrics(&self) -> &dyn Metrics {
        &*self.inner.metrics
    }

    pub(crate) fn is_alone(&self) -> bool {
        matches!(self.inner.link, Link::Alone)
    }

    pub(crate) fn routes(&self) -> &Routes {
        &self.inner.routes
    }

    pub(crate) fn registry(&self) -> &Registry {
        &self.inner.registry
    }

    pub(crate) fn requests_timeout(&self) -> Duration {
        self.inner.requests_timeout
    }

    pub(crate) fn max_requests(&self) -> usize {
        self.inner.max_requests
    }

    /// Whether it matters who is in which room.
    pub(crate) fn has_room_channels(&self) -> bool {
        self.inner.room_watch.is_some()
    }

    /// Whether the program says which rooms have changed.
    pub(crate) fn rooms_are_told(&self) -> bool {
        self.inner.rooms_are_told
    }

    /// Some rooms are to be looked at.
    pub(crate) fn look_at_rooms(&self) {
        self.inner.suspects.notify_one();
    }

    /// Something about a socket of this node, if the node knows its sockets.
    pub(crate) fn socket<T>(
        &self,
        namespace: &str,
        sid: Sid,
        read: impl FnOnce(&SocketRef<Adapter>) -> T,
    ) -> Option<T> {
        let io = self.inner.io.get()?.upgrade()?;
        io.of(namespace)?.get_socket(sid).map(|socket| read(&socket))
    }

    /// How many servers listen to each channel; `None` if nobody can tell.
    pub(crate) async fn count(&self, channels: &[String]) -> Option<Vec<u64>> {
        match &self.inner.link {
            Link::Alone => Some(vec![1; channels.len()]),
            Link::Hub(seat) => {
                // Namespaces come and go without the hub being told.
                seat.hub().tell_everybody();
                Some(seat.hub().count(channels))
            }
            Link::Redis(redis) => redis.count(channels).await,
        }
    }

    /// Hands bytes to the publisher; without a bus they have nowhere to go.
    pub(crate) fn publish(&self, outgoing: Outgoing) {
        if !self.is_alone() {
            self.inner.outbox.push(outgoing.channel, outgoing.payload);
        }
    }
}

struct Made {
    counters: Arc<Counters>,
    parts: Parts,
}

fn parts(settings: &RedisSettings, first: BusState, metrics: Option<Arc<dyn Metrics>>) -> Made {
    let counters = Arc::<Counters>::default();
    let metrics = metrics.unwrap_or_else(|| Arc::clone(&counters) as Arc<dyn Metrics>);
    let nodes = format!("{}-nodes#", settings.prefix);
    let nodes = match (first, settings.mode) {
        (BusState::Memory, _) => None,
        (_, Mode::Classic) => Some(Subscription::Channel(nodes)),
        (_, Mode::Sharded(_)) => Some(Subscription::Shard(nodes)),
    };
    let routes = Arc::new(Routes::new(Arc::clone(&metrics), nodes));
    let (name, address) = (settings.node_name.clone(), settings.node_address.clone());
    let registry = Arc::new(Registry::new(node_id(), name, address, Arc::clone(&routes)));
    let outbox = Arc::new(Outbox::new(settings, Arc::clone(&metrics)));
    let board = Arc::new(Board::new(first, Arc::clone(&metrics)));
    Made { counters, parts: Parts { routes, outbox, registry, metrics, board } }
}

impl fmt::Debug for Bus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bus").field("status", &*self.inner.board.status().borrow()).finish_non_exhaustive()
    }
}
