//! One node, wired together.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use roomcast_adapter::{Adapter, Bus, BusError};
use roomcast_edge::{
    BindError, DrainReport, DrainSettings, Edge, InvalidNetwork, InvalidOrigin, InvalidTag, KeysError,
    Server, ServerSettings, Stats, TlsError,
};
use roomcast_rates::{KeyedRate, Quota};
use socketioxide::SocketIo;
use socketioxide_core::Sid;
use tokio::sync::{oneshot, watch};
use tokio::task::{AbortHandle, JoinSet};
use tracing::{info, warn};

use crate::config::{Origin, Settings, is_namespace};
use crate::endpoint::{self, Advert, SocketIoEngine};
use crate::http::{self, GIT_SHA, Shared, VERSION};
use crate::identity::{self, Expiries, LiveIdentity};
use crate::library;
use crate::metrics::{BusMetrics, Metrics};
use crate::presence::{self, Presence, Work};
use crate::reload::{Live, Reload};
use crate::rules::{LiveRules, RulesError};
use crate::sockets::{Connect, Emitter, Entry, Handler, LiveEvents, Namespace};
use crate::telemetry::Sampling;

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
    /// Rules that cannot be compiled; [`config::load`](crate::config::load) finds it earlier, and tells where.
    #[error(transparent)]
    Rules(#[from] RulesError),
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
    /// An origin that is none.
    #[error(transparent)]
    Origin(#[from] InvalidOrigin),
    /// A trusted proxy that is no address or network.
    #[error(transparent)]
    Proxy(#[from] InvalidNetwork),
    /// A tag that is none.
    #[error(transparent)]
    Tag(#[from] InvalidTag),
    /// Session keys that cannot be used.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// The identity of a namespace cannot be found out so.
    #[error(transparent)]
    Identity(#[from] identity::Wrong),
    /// The certificate cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// A name of a header that is none.
    #[error("`{0}` is no header name")]
    Header(String),
}

/// Collects what a node consists of.
#[derive(Debug)]
pub struct GatewayBuilder {
    settings: Settings,
    origin: Option<Origin>,
    namespaces: Vec<Namespace>,
}

/// A node that is set up but does not listen yet.
pub struct Gateway {
    settings: Settings,
    router: Router,
    internal: Router,
    edge: Edge<SocketIoEngine>,
    servers: Servers,
    bus: Bus,
    stats: Stats,
    stop: oneshot::Receiver<()>,
    sharing: AbortHandle,
    reload: Reload,
    /// The bus looks at the sockets through it, and does not keep it.
    _io: Arc<SocketIo<Adapter>>,
}

#[derive(Debug)]
struct Servers {
    public: ServerSettings,
    internal: ServerSettings,
    drain: DrainSettings,
}

/// A node that listens.
#[derive(Debug)]
pub struct Listening {
    gateway: Gateway,
    server: Server,
    address: SocketAddr,
    internal: Option<(Server, SocketAddr)>,
}

impl Gateway {
    /// Starts from these settings.
    #[must_use]
    pub fn builder(settings: Settings) -> GatewayBuilder {
        GatewayBuilder { settings, origin: None, namespaces: Vec::new() }
    }

    /// Everything that the node answers to clients, to be served by a server of one's own. The limits of `[server]` on
    /// connections do not apply then; those on sessions and requests do.
    ///
    /// That server must tell who is connected: with `axum::serve` by
    /// `router.into_make_service_with_connect_info::<SocketAddr>()`, else by an extension `ConnectInfo<SocketAddr>` of each
    /// request. Without it clients of Socket.IO are answered with 500 (`no_client_address`): all of them would share the
    /// limits of one address.
    pub fn router(&self) -> Router {
        self.router.clone()
    }

    /// What the node answers to operators and other nodes, to be served where clients do not reach it.
    pub fn internal_router(&self) -> Router {
        self.internal.clone()
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

    /// Listens on the configured addresses. Must be called in a tokio runtime.
    ///
    /// # Errors
    /// [`GatewayError::Address`] and [`GatewayError::Bind`].
    pub fn bind(self) -> Result<Listening, GatewayError> {
        let listen = |text: &str, settings: &ServerSettings| {
            let address = text.parse().map_err(|_| GatewayError::Address(text.to_owned()))?;
            let server = Server::bind(address, settings.clone())?;
            let address = server.local_addr().unwrap_or(address);
            Ok::<_, GatewayError>((server, address))
        };
        let (server, address) = listen(&self.settings.server.listen, &self.servers.public)?;
        let server = server.with_stats(self.stats.clone());
        let internal = match self.settings.internal.listen.as_str() {
            "" => None,
            text => Some(listen(text, &self.servers.internal)?),
        };
        Ok(Listening { gateway: self, server, address, internal })
    }
}

impl Listening {
    /// The address for clients, with the port that was chosen if the configured one was 0.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address for operators and other nodes, if there is one.
    #[must_use]
    pub fn internal_address(&self) -> Option<SocketAddr> {
        self.internal.as_ref().map(|(_, address)| *address)
    }

    /// The node.
    #[must_use]
    pub fn gateway(&self) -> &Gateway {
        &self.gateway
    }

    /// Reads the configuration and the certificate anew.
    #[must_use]
    pub fn reload(&self) -> Reload {
        self.gateway.reload.clone()
    }

    /// Serves until `stop` resolves or an operator asks the node to drain, lets the clients go bit by bit, and leaves the
    /// cluster. To stop at once, drop the future.
    pub async fn serve(self, stop: impl Future<Output = ()>) -> DrainReport {
        let Self { gateway, server, address, internal } = self;
        let Gateway {
            settings, router, internal: operators, edge, servers, bus, stop: asked, sharing, ..
        } = gateway;
        let node = settings.node.name.as_str();
        let internal_address = internal.as_ref().map(|(_, address)| address.to_string()).unwrap_or_default();
        info!(node, %address, internal = internal_address, version = VERSION, git_sha = GIT_SHA, "listening");

        let (closing, closed) = oneshot::channel::<()>();
        let (last, ended) = oneshot::channel::<()>();
        // Operators are answered until the end, so that they see it come.
        let operators = tokio::spawn(async move {
            if let Some((server, _)) = internal {
                server.serve(operators, async { drop(ended.await) }).await;
            }
        });
        let clients = tokio::spawn(server.serve(router, async { drop(closed.await) }));
        tokio::select! {
            () = stop => {}
            // Nobody can ask any more when the sender is gone.
            Ok(()) = asked => {}
        }
        info!(node, "draining");
        let report = edge.drain(servers.drain).await;
        drop(closing);
        let _ = clients.await;
        sharing.abort();
        // So that the others do not wait for it any more.
        bus.close().await;
        drop(last);
        let _ = operators.await;
        let DrainReport { sessions, graceful, hard, left, passed_on, passed_on_left, took } = report;
        if left + passed_on_left > 0 {
            warn!(left, passed_on_left, "sessions were not closed in time");
        }
        info!(node, sessions, graceful, hard, passed_on, took_ms = took.as_millis(), "stopped");
        report
    }
}

/// How often each session may connect to namespaces.
fn connects(settings: &Settings) -> KeyedRate<Sid> {
    let at_least_one = |number: u32| NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN);
    let (often, most) = (settings.socketio.max_connects_per_second, settings.socketio.max_namespaces);
    let quota = Quota::new(at_least_one(often), Duration::from_secs(1));
    let quota = quota.with_burst(at_least_one(often.max(most)));
    // Those who are there, and those who have gone a moment ago.
    KeyedRate::new(quota, settings.server.max_sessions.saturating_mul(2))
}

/// What a namespace has besides its handler.
struct Parts {
    identity: Arc<LiveIdentity>,
    events: Arc<LiveEvents>,
    presence: Option<Presence>,
}

impl GatewayBuilder {
    /// Where the settings were loaded from, so that they can be read anew while the node runs ([`Listening::reload`], and
    /// `POST /reload` on the internal listener).
    #[must_use]
    pub fn loaded_from(mut self, origin: Origin) -> Self {
        self.origin = Some(origin);
        self
    }

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
        let Self { settings, origin, namespaces } = self;
        let traffic = BusMetrics::new();
        let tag = endpoint::tag(&settings)?;
        let limits = endpoint::edge(&settings)?;
        let servers = Servers {
            public: endpoint::server(&settings)?,
            internal: endpoint::internal(&settings),
            drain: endpoint::drain(&settings),
        };
        let keys = endpoint::keys(&settings)?;
        let advert = Advert::new(&settings, tag, &keys);
        let bus = library::bus(&settings, advert.to_string(), Arc::new(traffic.clone()))?;
        let stats = Stats::default();
        let metrics = Metrics::new(&bus, &traffic, &stats);
        let expiries = Expiries::default();
        let (mut presences, presence_work) =
            presence::of_namespaces(&settings, &bus, &metrics).map_err(RulesError::from)?;
        let (service, io) = library::socketio(&settings, &bus).build_with_inner_svc(Router::new());
        let io = Arc::new(io);
        bus.attach(&io);
        endpoint::control_connections(&bus, &io);

        let has_peers = !settings.redis.url.is_empty();
        let connects = Arc::new(connects(&settings));
        let mut live = HashMap::new();
        let add = |path: &str, handler: Box<dyn Handler>, parts: Parts| {
            if !is_namespace(path) {
                return Err(GatewayError::NamespacePath(path.to_owned()));
            }
            if bus.adapter(path).is_some() {
                return Err(GatewayError::DuplicateNamespace(path.to_owned()));
            }
            let Parts { identity, events, presence } = parts;
            let entry = Entry {
                path: path.to_owned(),
                handler,
                bus: bus.clone(),
                metrics: metrics.namespace(path),
                events,
                sampling: Sampling::new(&settings.telemetry),
                event_queue: settings.socketio.event_queue,
                handler_timeout: Duration::from_millis(settings.socketio.handler_timeout_ms),
                max_namespaces: settings.socketio.max_namespaces,
                connects: Arc::clone(&connects),
                identity,
                expiries: expiries.clone(),
                presence,
            };
            io.ns(path.to_owned(), Connect(Arc::new(entry)));
            Ok(())
        };
        for namespace in &settings.namespaces {
            let own = metrics.namespace(&namespace.path);
            let rules = LiveRules::new(&settings.node.name, namespace, &bus, has_peers, own)?;
            let identity = Arc::new(LiveIdentity::new(namespace)?);
            let events = Arc::new(LiveEvents::new(&namespace.path, &metrics, rules.events()));
            let presence = presences.remove(&namespace.path);
            let parts = Parts { identity: Arc::clone(&identity), events: Arc::clone(&events), presence };
            add(&namespace.path, Box::new(Arc::clone(&rules)), parts)?;
            live.insert(namespace.path.clone(), Live { rules, identity, events });
        }
        for namespace in namespaces {
            let path = namespace.path().to_owned();
            let events = Arc::new(LiveEvents::new(&path, &metrics, namespace.events()));
            let parts = Parts { identity: Arc::default(), events, presence: None };
            add(&path, Box::new(namespace), parts)?;
        }

        if settings.socketio.allow_eio3 && bus.adapter("/").is_none() {
            warn!("there is no namespace `/`: clients of Socket.IO 2.x, which begin with it, cannot connect");
        }
        let edge = endpoint::endpoint(&settings, (tag, &keys), limits, service, &bus, &stats, &metrics);
        // With keys of the configuration there is nothing to agree on, nor without other nodes.
        let is_shared = has_peers && settings.server.session_keys.is_empty();
        let (key, is_key_known) = watch::channel(!is_shared);
        let (ask_to_stop, stop) = oneshot::channel();
        metrics.watch(&live);
        let reload = Reload::new(&settings, origin, live, edge.clone(), servers.public.tls.clone());
        let shared =
            Shared::new(&settings, &bus, metrics, edge.clone(), is_key_known, ask_to_stop, reload.clone());
        let (router, internal) = http::routers(&Arc::new(shared), &settings);
        let sharing = tokio::spawn({
            let bus = bus.clone();
            async move {
                let sharing = async {
                    if is_shared {
                        endpoint::share_key(bus.clone(), keys, key).await;
                    }
                };
                let watching = async {
                    if has_peers {
                        endpoint::watch_peers(bus.clone(), advert).await;
                    }
                };
                let mut presence: JoinSet<()> = presence_work.into_iter().map(Work::run).collect();
                let presence = async { while presence.join_next().await.is_some() {} };
                tokio::join!(sharing, watching, expiries.run(), presence);
            }
        });
        let sharing = sharing.abort_handle();
        Ok(Gateway { settings, router, internal, edge, servers, bus, stats, stop, sharing, reload, _io: io })
    }
}

impl std::fmt::Debug for Gateway {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gateway").field("node", &self.settings.node.name).finish_non_exhaustive()
    }
}
