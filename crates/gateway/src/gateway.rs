//! One node, wired together.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use roomcast_adapter::{Adapter, Bus, BusError, Mode, SubscriptionMode};
use roomcast_edge::{BindError, Server, ServerSettings, Sessions, Stats};
use socketioxide::{ParserConfig, SocketIo};
use tracing::info;

use crate::config::{RedisMode, Settings, Subscriptions, is_namespace};
use crate::http::{self, GIT_SHA, Shared, VERSION};
use crate::metrics::{BusMetrics, Metrics};
use crate::rules::{PatternError, Rules};
use crate::sockets::{Connect, Emitter, Entry, Handler, Namespace};

/// A node that cannot be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GatewayError {
    /// Two namespaces have the same path, one of the configuration and one of the program, or two of the program.
    #[error("namespace `{0}` is declared twice")]
    DuplicateNamespace(String),
    /// A path that is no namespace.
    #[error("`{0}` is no namespace: it begins with `/`, does not end with it, and has no `,` or `?`")]
    NamespacePath(String),
    /// A room pattern that is none; [`config::load`](crate::config::load) finds it earlier, and tells where.
    #[error(transparent)]
    Pattern(#[from] PatternError),
    /// The address to listen on is none.
    #[error("`{0}` is no address to listen on")]
    Address(String),
    /// Redis settings that cannot work.
    #[error(transparent)]
    Bus(#[from] BusError),
    /// A file of certificates or keys cannot be read.
    #[error("`{0}` cannot be read: {1}")]
    File(String, #[source] std::io::Error),
    /// The address cannot be listened on.
    #[error(transparent)]
    Bind(#[from] BindError),
}

/// Collects what a node consists of.
#[derive(Debug)]
pub struct GatewayBuilder {
    settings: Settings,
    namespaces: Vec<Namespace>,
}

/// A node that is set up but does not listen yet.
pub struct Gateway {
    settings: Settings,
    router: Router,
    bus: Bus,
    stats: Stats,
    /// The bus looks at the sockets through it, and does not keep it.
    _io: Arc<SocketIo<Adapter>>,
}

/// A node that listens.
#[derive(Debug)]
pub struct Listening {
    gateway: Gateway,
    server: Server,
    address: SocketAddr,
}

impl Gateway {
    /// Starts from these settings.
    #[must_use]
    pub fn builder(settings: Settings) -> GatewayBuilder {
        GatewayBuilder { settings, namespaces: Vec::new() }
    }

    /// Everything that the node answers, to be served by a server of one's own. The limits of `[server]` on
    /// connections do not apply then; that on sessions does.
    pub fn router(&self) -> Router {
        self.router.clone()
    }

    /// Sends events from the program to clients of all nodes; can be kept and cloned.
    #[must_use]
    pub fn emitter(&self) -> Emitter {
        Emitter::new(self.bus.clone())
    }

    /// The bus that joins this node to the others.
    #[must_use]
    pub fn bus(&self) -> &Bus {
        &self.bus
    }

    /// Listens on the configured address. Must be called in a tokio runtime.
    ///
    /// # Errors
    /// [`GatewayError::Address`] and [`GatewayError::Bind`].
    pub fn bind(self) -> Result<Listening, GatewayError> {
        let listen = &self.settings.server.listen;
        let address = listen.parse().map_err(|_| GatewayError::Address(listen.clone()))?;
        let limits = ServerSettings {
            max_connections: self.settings.server.max_connections,
            header_timeout: Duration::from_millis(self.settings.server.header_timeout_ms),
            shutdown_grace: Duration::from_millis(self.settings.server.shutdown_grace_ms),
            ..ServerSettings::default()
        };
        let server = Server::bind(address, limits)?.with_stats(self.stats.clone());
        let address = server.local_addr().unwrap_or(address);
        Ok(Listening { gateway: self, server, address })
    }
}

impl Listening {
    /// The address, with the port that was chosen if the configured one was 0.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The node.
    #[must_use]
    pub fn gateway(&self) -> &Gateway {
        &self.gateway
    }

    /// Serves until `stop` resolves.
    pub async fn serve(self, stop: impl Future<Output = ()>) {
        let Self { gateway, server, address } = self;
        info!(node = gateway.settings.node.name, %address, version = VERSION, git_sha = GIT_SHA, "listening");
        server.serve(gateway.router.clone(), stop).await;
        // So that the others do not wait for it any more.
        gateway.bus.close().await;
        info!(node = gateway.settings.node.name, "stopped");
    }
}

impl GatewayBuilder {
    /// Adds a namespace with handlers of one's own.
    #[must_use]
    pub fn namespace(mut self, namespace: Namespace) -> Self {
        self.namespaces.push(namespace);
        self
    }

    /// Sets everything up: connects to Redis in the background and registers the namespaces. Must be called in a
    /// tokio runtime.
    ///
    /// # Errors
    /// Any [`GatewayError`] but [`GatewayError::Bind`].
    pub fn build(self) -> Result<Gateway, GatewayError> {
        let Self { settings, namespaces } = self;
        let traffic = BusMetrics::new();
        let bus = bus(&settings, Arc::new(traffic.clone()))?;
        let stats = Stats::default();
        let metrics = Metrics::new(&bus, &traffic, &stats);
        let (layer, io) = socketio(&settings, &bus).build_layer();
        let io = Arc::new(io);
        bus.attach(&io);

        let add = |path: &str, handler: Box<dyn Handler>| {
            if !is_namespace(path) {
                return Err(GatewayError::NamespacePath(path.to_owned()));
            }
            if bus.adapter(path).is_some() {
                return Err(GatewayError::DuplicateNamespace(path.to_owned()));
            }
            let entry = Entry {
                path: path.to_owned(),
                handler,
                bus: bus.clone(),
                metrics: metrics.namespace(path),
                event_queue: settings.socketio.event_queue,
                handler_timeout: Duration::from_millis(settings.socketio.handler_timeout_ms),
            };
            io.ns(path.to_owned(), Connect(Arc::new(entry)));
            Ok(())
        };
        for namespace in &settings.namespaces {
            let own = metrics.namespace(&namespace.path);
            let rules = Rules::new(&settings.node.name, namespace, &own)?;
            add(&namespace.path, Box::new(rules))?;
        }
        for namespace in namespaces {
            let path = namespace.path().to_owned();
            add(&path, Box::new(namespace))?;
        }

        let shared = Shared { node_name: settings.node.name.clone(), bus: bus.clone(), metrics };
        let sessions = Sessions::new(&settings.socketio.path, settings.server.max_sessions, stats.clone());
        let router = http::router(Arc::new(shared), settings.server.demo)
            .layer(layer)
            .layer(from_fn(roomcast_edge::eio3::repair))
            .layer(from_fn(http::client_address))
            .layer(from_fn_with_state(sessions, Sessions::limit));
        Ok(Gateway { settings, router, bus, stats, _io: io })
    }
}

fn bus(settings: &Settings, metrics: Arc<BusMetrics>) -> Result<Bus, GatewayError> {
    let Settings { node, redis, .. } = settings;
    if redis.url.is_empty() {
        return Ok(Bus::memory_with_metrics(metrics));
    }
    let mut to = roomcast_adapter::RedisSettings::new(&redis.url);
    to.mode = match (redis.mode, redis.subscriptions) {
        (RedisMode::Classic, _) => Mode::Classic,
        (RedisMode::Sharded, Subscriptions::Static) => Mode::Sharded(SubscriptionMode::Static),
        (RedisMode::Sharded, Subscriptions::Dynamic) => Mode::Sharded(SubscriptionMode::Dynamic),
        (RedisMode::Sharded, Subscriptions::DynamicPrivate) => {
            Mode::Sharded(SubscriptionMode::DynamicPrivate)
        }
    };
    to.rooms_are_told = true;
    to.node_name.clone_from(&node.name);
    to.prefix.clone_from(&redis.prefix);
    to.specific_responses = redis.specific_responses;
    let read = |file: &String| {
        let failed = |error| GatewayError::File(file.clone(), error);
        if file.is_empty() { Ok(None) } else { std::fs::read(file).map(Some).map_err(failed) }
    };
    to.tls_ca = read(&redis.tls_ca_file)?;
    to.tls_identity = read(&redis.tls_cert_file)?.zip(read(&redis.tls_key_file)?);
    to.timeout = Duration::from_millis(redis.timeout_ms);
    to.requests_timeout = Duration::from_millis(redis.requests_timeout_ms);
    to.max_requests = redis.max_requests;
    to.probe_interval = Duration::from_millis(redis.probe_interval_ms);
    to.heartbeat_interval = Duration::from_millis(redis.heartbeat_interval_ms);
    to.node_ttl = Duration::from_millis(redis.node_ttl_ms);
    to.outbox_messages = redis.outbox_messages;
    to.outbox_bytes = redis.outbox_bytes;
    to.outbox_age = Duration::from_millis(redis.outbox_age_ms);
    Ok(Bus::redis_with_metrics(&to, metrics)?)
}

/// socketioxide's defaults differ from Node's and are too generous for the internet (64 MiB messages, 10 000
/// attachments), so all limits are set from the one that the configuration has.
fn socketio(settings: &Settings, bus: &Bus) -> socketioxide::SocketIoBuilder<Adapter> {
    let limits = &settings.socketio;
    let parser = ParserConfig::common()
        .max_incoming_binary_buf_size(limits.max_payload_bytes)
        .max_incoming_binaries(limits.max_attachments)
        .packet_completion_timeout(Duration::from_millis(limits.ping_timeout_ms));
    SocketIo::builder()
        .req_path(limits.path.clone())
        .ping_interval(Duration::from_millis(limits.ping_interval_ms))
        .ping_timeout(Duration::from_millis(limits.ping_timeout_ms))
        .upgrade_timeout(Duration::from_millis(limits.upgrade_timeout_ms))
        .connect_timeout(Duration::from_millis(limits.connect_timeout_ms))
        .ack_timeout(Duration::from_millis(limits.ack_timeout_ms))
        .max_buffer_size(limits.send_queue_packets)
        .max_payload(limits.max_payload_bytes as u64)
        .ws_max_message_size(limits.max_payload_bytes)
        .ws_max_frame_size(limits.max_payload_bytes)
        // Idle connections keep this buffer; chat messages fit into it.
        .ws_read_buffer_size(1024)
        .with_parser(parser)
        .with_adapter::<Adapter>(bus.clone())
}

impl std::fmt::Debug for Gateway {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gateway").field("node", &self.settings.node.name).finish_non_exhaustive()
    }
}
