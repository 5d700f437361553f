//! What connects the nodes: one [`Bus`] per node, shared by the adapters of all its namespaces.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock, Weak};

use deadpool_redis::{Manager, Pool};
use redis::io::tcp::TcpSettings;
use redis::{Client, ConnectionInfo, IntoConnectionInfo, Msg, ProtocolVersion};
use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;

use crate::adapter::Adapter;
use crate::counters::{CounterSnapshot, Counters};
use crate::outbox::Outbox;
use crate::settings::RedisSettings;
use crate::status::{BusState, BusStatus};
use crate::subscriber::Subscriber;
use crate::wire::channel::Channels;
use crate::{inbound, publisher, serve};

/// Settings that cannot work.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BusError {
    /// The Redis URL or its parts make no sense.
    #[error("invalid redis settings: {0}")]
    Settings(#[from] redis::RedisError),
    /// The connection pool could not be made.
    #[error("cannot make the connection pool: {0}")]
    Pool(#[from] deadpool_redis::BuildError),
}

/// The handle to the other nodes, and the state type of [`Adapter`]; cheap to clone. The connections end when the
/// last clone is gone.
#[derive(Clone)]
pub struct Bus {
    inner: Arc<Inner>,
}

struct Inner {
    prefix: String,
    routes: Arc<Routes>,
    counters: Arc<Counters>,
    status: watch::Receiver<BusStatus>,
    outbox: Option<Arc<Outbox>>,
    tasks: Vec<AbortHandle>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Bus {
    /// No other nodes: everything stays in this process.
    #[must_use]
    pub fn memory() -> Self {
        let (_, status) = watch::channel(BusStatus::new(BusState::Memory, None));
        let counters = Arc::<Counters>::default();
        Self {
            inner: Arc::new(Inner {
                prefix: String::new(),
                routes: Arc::new(Routes::new(Arc::clone(&counters))),
                counters,
                status,
                outbox: None,
                tasks: Vec::new(),
            }),
        }
    }

    /// The nodes that share this Redis and prefix. Returns at once; the connection is made in the background and
    /// kept alive. Must be called in a tokio runtime.
    ///
    /// # Errors
    /// [`BusError`] if the settings cannot work; an unreachable Redis is no error but a [`status`](Self::status).
    pub fn redis(settings: &RedisSettings) -> Result<Self, BusError> {
        let info = connection_info(settings)?;
        // Publishing needs no pushes, and RESP2 works with whatever stands between us and Redis.
        let manager = Manager::new(info.clone())?;
        let pool = Pool::builder(manager)
            .max_size(settings.pool_size.max(1))
            .wait_timeout(Some(settings.timeout))
            .create_timeout(Some(settings.timeout))
            .recycle_timeout(Some(settings.timeout))
            .runtime(deadpool_redis::Runtime::Tokio1)
            .build()?;
        let resp3 = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
        let client = Client::open(info.set_redis_settings(resp3))?;

        let counters = Arc::<Counters>::default();
        let routes = Arc::new(Routes::new(Arc::clone(&counters)));
        let outbox = Arc::new(Outbox::new(settings, Arc::clone(&counters)));
        let (sender, status) = watch::channel(BusStatus::new(BusState::Connecting, None));
        let subscriber = Subscriber {
            client,
            routes: Arc::clone(&routes),
            counters: Arc::clone(&counters),
            status: sender,
            timeout: settings.timeout,
            ping_interval: settings.ping_interval,
        };
        let tasks = vec![
            tokio::spawn(subscriber.run()).abort_handle(),
            tokio::spawn(publisher::run(Arc::clone(&outbox), pool, Arc::clone(&counters))).abort_handle(),
        ];
        let prefix = settings.prefix.clone();
        Ok(Self { inner: Arc::new(Inner { prefix, routes, counters, status, outbox: Some(outbox), tasks }) })
    }

    /// The state of the connection, to read or to watch.
    #[must_use]
    pub fn status(&self) -> watch::Receiver<BusStatus> {
        self.inner.status.clone()
    }

    /// The numbers of now.
    #[must_use]
    pub fn counters(&self) -> CounterSnapshot {
        let mut snapshot = self.inner.counters.snapshot();
        if let Some(outbox) = &self.inner.outbox {
            let (messages, bytes) = outbox.depth();
            (snapshot.outbox_messages, snapshot.outbox_bytes) = (messages as u64, bytes as u64);
        }
        snapshot
    }

    /// The adapter of a namespace that exists on this node.
    #[must_use]
    pub fn adapter(&self, namespace: &str) -> Option<Arc<Adapter>> {
        self.inner.routes.adapter(namespace)
    }

    pub(crate) fn channels(&self, namespace: &str, uid: &str) -> Channels {
        Channels::new(&self.inner.prefix, namespace, uid)
    }

    pub(crate) fn counters_ref(&self) -> &Counters {
        &self.inner.counters
    }

    pub(crate) fn is_memory(&self) -> bool {
        self.inner.outbox.is_none()
    }

    pub(crate) fn routes(&self) -> &Routes {
        &self.inner.routes
    }

    /// Hands bytes to the publisher; without a bus they have nowhere to go.
    pub(crate) fn publish(&self, channel: String, payload: Vec<u8>) {
        if let Some(outbox) = &self.inner.outbox {
            outbox.push(channel, payload);
        }
    }
}

impl fmt::Debug for Bus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bus").field("status", &*self.inner.status.borrow()).finish_non_exhaustive()
    }
}

fn connection_info(settings: &RedisSettings) -> Result<ConnectionInfo, redis::RedisError> {
    let keepalive = socket2::TcpKeepalive::new().with_time(settings.ping_interval);
    let tcp = TcpSettings::default()
        .set_nodelay(true)
        .set_keepalive(keepalive)
        .set_user_timeout(settings.timeout.saturating_mul(2));
    Ok(settings.url.as_str().into_connection_info()?.set_tcp_settings(tcp))
}

/// Which adapter a channel belongs to. Adapters are held weakly: each belongs to its namespace in socketioxide, and
/// goes with it.
pub(crate) struct Routes {
    table: RwLock<Table>,
    changed: Notify,
    counters: Arc<Counters>,
}

#[derive(Default)]
struct Table {
    by_namespace: HashMap<String, Weak<Adapter>>,
    /// By what was subscribed to: a pattern or a channel. Names of namespaces and rooms are not escaped on the bus, so
    /// a channel's name alone does not tell where the namespace ends; Redis says which subscription it was.
    by_subscription: HashMap<String, (Weak<Adapter>, Kind)>,
}

#[derive(Clone, Copy)]
enum Kind {
    Broadcast,
    Request,
    Response,
}

fn subscriptions(channels: &Channels) -> [(&String, Kind); 4] {
    [
        (&channels.pattern, Kind::Broadcast),
        (&channels.request, Kind::Request),
        (&channels.response, Kind::Response),
        (&channels.own_response, Kind::Response),
    ]
}

impl Routes {
    fn new(counters: Arc<Counters>) -> Self {
        Self { table: RwLock::default(), changed: Notify::new(), counters }
    }

    pub(crate) fn add(&self, adapter: &Arc<Adapter>) {
        {
            let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
            table.by_namespace.insert(adapter.namespace().to_owned(), Arc::downgrade(adapter));
            for (name, kind) in subscriptions(adapter.channels()) {
                table.by_subscription.insert(name.clone(), (Arc::downgrade(adapter), kind));
            }
        }
        self.changed.notify_one();
    }

    pub(crate) fn remove(&self, adapter: &Adapter) {
        {
            let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
            table.by_namespace.remove(adapter.namespace());
            for (name, _) in subscriptions(adapter.channels()) {
                table.by_subscription.remove(name);
            }
        }
        self.changed.notify_one();
    }

    /// Resolves when a namespace came or went since this was called.
    pub(crate) fn changed(&self) -> impl Future<Output = ()> + '_ {
        self.changed.notified()
    }

    pub(crate) fn channels(&self) -> Vec<Channels> {
        self.all().iter().map(|adapter| adapter.channels().clone()).collect()
    }

    pub(crate) fn all(&self) -> Vec<Arc<Adapter>> {
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        table.by_namespace.values().filter_map(Weak::upgrade).collect()
    }

    fn adapter(&self, namespace: &str) -> Option<Arc<Adapter>> {
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        table.by_namespace.get(namespace).and_then(Weak::upgrade)
    }

    /// Gives a message from the bus to whom it belongs. Bytes that make no sense are counted and forgotten.
    pub(crate) fn dispatch(&self, message: &Msg) {
        Counters::add(&self.counters.received, 1);
        let (channel, payload) = (message.get_channel_name(), message.get_payload_bytes());
        let pattern: Option<String> = if message.from_pattern() { message.get_pattern().ok() } else { None };
        let Some((adapter, kind)) = self.find(pattern.as_deref().unwrap_or(channel)) else {
            return;
        };
        let result = match kind {
            Kind::Broadcast => inbound::broadcast(&adapter, channel, payload),
            Kind::Request => serve::request(&adapter, self, payload),
            // Nobody here asks yet.
            Kind::Response => Ok(()),
        };
        if let Err(error) = result {
            Counters::add(&self.counters.undecodable, 1);
            tracing::debug!(%error, bytes = payload.len(), "undecodable message on the bus");
        }
    }

    fn find(&self, subscription: &str) -> Option<(Arc<Adapter>, Kind)> {
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        let (adapter, kind) = table.by_subscription.get(subscription)?;
        Some((adapter.upgrade()?, *kind))
    }
}
