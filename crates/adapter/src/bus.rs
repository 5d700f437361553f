//! What connects the nodes: one [`Bus`] per node, shared by the adapters of all its namespaces.

use std::fmt;
use std::sync::Arc;

use deadpool_redis::{Manager, Pool};
use redis::io::tcp::TcpSettings;
use redis::{AsyncConnectionConfig, Client, ConnectionInfo, ProtocolVersion};
use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::adapter::Adapter;
use crate::counters::{CounterSnapshot, Counters};
use crate::outbox::Outbox;
use crate::publisher;
use crate::routes::Routes;
use crate::settings::RedisSettings;
use crate::status::{Board, BusState, BusStatus};
use crate::subscriber::Subscriber;
use crate::wire::channel::Channels;

/// Settings that cannot work.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BusError {
    /// The Redis URL has another scheme.
    #[error("the redis URL must begin with redis://")]
    Scheme,
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
    board: Arc<Board>,
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
        let counters = Arc::<Counters>::default();
        Self {
            inner: Arc::new(Inner {
                prefix: String::new(),
                routes: Arc::new(Routes::new(Arc::clone(&counters))),
                counters,
                board: Arc::new(Board::new(BusState::Memory)),
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
        // The library's own limits (500 ms for an answer) would repeat batches that a busy Redis has taken.
        let limits = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(settings.timeout))
            .set_response_timeout(Some(settings.timeout));
        // Publishing needs no pushes, and RESP2 works with whatever stands between us and Redis.
        let manager = Manager::new_with_config(info.clone(), limits)?;
        let pool = Pool::builder(manager)
            // The publisher is the only one that asks; the pool checks and replaces its connection.
            .max_size(1)
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
        let board = Arc::new(Board::new(BusState::Connecting));
        let subscriber = Subscriber {
            client,
            routes: Arc::clone(&routes),
            counters: Arc::clone(&counters),
            board: Arc::clone(&board),
            timeout: settings.timeout,
            ping_interval: settings.ping_interval,
        };
        let tasks = vec![
            tokio::spawn(subscriber.run()).abort_handle(),
            tokio::spawn(publisher::run(
                Arc::clone(&outbox),
                pool,
                Arc::clone(&counters),
                Arc::clone(&board),
            ))
            .abort_handle(),
        ];
        let prefix = settings.prefix.clone();
        Ok(Self { inner: Arc::new(Inner { prefix, routes, counters, board, outbox: Some(outbox), tasks }) })
    }

    /// The state of the connection, to read or to watch.
    #[must_use]
    pub fn status(&self) -> watch::Receiver<BusStatus> {
        self.inner.board.status()
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
        f.debug_struct("Bus").field("status", &*self.inner.board.status().borrow()).finish_non_exhaustive()
    }
}

fn connection_info(settings: &RedisSettings) -> Result<ConnectionInfo, BusError> {
    let keepalive = socket2::TcpKeepalive::new().with_time(settings.ping_interval);
    let tcp = TcpSettings::default()
        .set_nodelay(true)
        .set_keepalive(keepalive)
        .set_user_timeout(settings.timeout.saturating_mul(2));
    Ok(settings.connection_info()?.set_tcp_settings(tcp))
}
