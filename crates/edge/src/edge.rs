//! The Engine.IO endpoint: every request of a client passes here, in this order: origin, query, session or handshake.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::response::Response;
use futures_util::future::BoxFuture;
use http::{HeaderName, HeaderValue, Method, Request, header};
use roomcast_codes::Code;
use tower::Service;
use tracing::{debug, error, warn};

use crate::answer::Refused;
use crate::client::TrustedProxies;
use crate::engine::{Engine, Hooks};
use crate::forward::{Directory, Failing, Forwarded, Forwarder, OWNER_HEADER};
use crate::keys::Keys;
use crate::origins::{self, OriginCheck, Origins, Refusals};
use crate::rates::{PerClientRate, Rate};
use crate::request::{Asked, Protocol, Transport};
use crate::sessions::Sessions;
use crate::sid::{SidError, Sids};
use crate::stats::{Forward, Stats, UnknownSession};
use crate::tag::Tag;

/// What clients may do.
#[derive(Debug, Clone)]
pub struct EdgeSettings {
    /// Path of the endpoint, without a slash at its end. Default `/socket.io`.
    pub path: String,
    /// Transports that are served. Default both.
    pub transports: Vec<Transport>,
    /// Whether clients of Socket.IO 2.x are served. Default yes.
    pub allow_eio3: bool,
    /// Origins that may connect besides the request's own host. Default none.
    pub origins: Origins,
    /// Whose word about a client's address is taken. Default nobody's.
    pub trusted_proxies: TrustedProxies,
    /// Most sessions at the same time. Default 50 000.
    pub max_sessions: usize,
    /// Most sessions of one client address (IPv6: of a /64); 0 for no limit. Default 0.
    pub max_sessions_per_address: usize,
    /// Most new sessions in a second; 0 for no limit. Default 2 000.
    pub max_handshakes_per_second: u32,
    /// Most new sessions of one client address in a second (IPv6: of a /64); 0 for no limit. Default 0.
    pub max_handshakes_per_second_per_address: u32,
    /// Longest query. Default 2 048 bytes.
    pub max_query_bytes: usize,
    /// Largest packet of a client. Default 1 000 000 bytes.
    pub max_payload_bytes: usize,
    /// Most packets in one request. Default 10 000.
    pub max_packets_per_payload: usize,
    /// Longest time for a request's body to arrive. Default 10 s.
    pub body_timeout: Duration,
    /// Longest time for [`Hooks::admit`]. Default 5 s.
    pub admit_timeout: Duration,
    /// How long a session that is closed may take to take its last packets. Default 3 s.
    pub close_grace: Duration,
    /// Headers of the request that opens a session that are kept as long as the session.
    pub keep_headers: Vec<HeaderName>,
}

impl Default for EdgeSettings {
    fn default() -> Self {
        Self {
            path: "/socket.io".into(),
            transports: vec![Transport::Polling, Transport::Websocket],
            allow_eio3: true,
            origins: Origins::default(),
            trusted_proxies: TrustedProxies::default(),
            max_sessions: 50_000,
            max_sessions_per_address: 0,
            max_handshakes_per_second: 2_000,
            max_handshakes_per_second_per_address: 0,
            max_query_bytes: 2_048,
            max_payload_bytes: 1_000_000,
            max_packets_per_payload: 10_000,
            body_timeout: Duration::from_secs(10),
            admit_timeout: Duration::from_secs(5),
            close_grace: Duration::from_secs(3),
            keep_headers: vec![header::HOST, header::ORIGIN, header::USER_AGENT],
        }
    }
}

/// How requests that belong to other nodes get there.
#[derive(Clone)]
pub struct Peers {
    /// The tag of this node.
    pub tag: Tag,
    /// By which nodes know each other.
    pub keys: Keys,
    /// Sends them.
    pub forwarder: Arc<Forwarder>,
    /// Knows where to.
    pub directory: Arc<dyn Directory>,
}

/// The endpoint, in front of an Engine.IO server. A tower service; clones are the same endpoint.
///
/// It must be told who is connected, by axum's [`ConnectInfo`]`<SocketAddr>` in the extensions of each request, as
/// [`Server`](crate::Server) does. With `axum::serve` that is
/// `router.into_make_service_with_connect_info::<SocketAddr>()`. Requests without it are answered with 500
/// ([`Code::NoClientAddress`]), and the log says why: all clients would share the limits of one address.
pub struct Edge<E> {
    pub(crate) inner: Arc<Inner<E>>,
}

pub(crate) struct Inner<E> {
    pub(crate) settings: EdgeSettings,
    pub(crate) engine: E,
    pub(crate) hooks: Arc<dyn Hooks>,
    pub(crate) sids: Sids,
    pub(crate) peers: Option<Peers>,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) stats: Stats,
    pub(crate) rate: Rate,
    pub(crate) rate_per_client: PerClientRate,
    /// Of the settings, until they are changed.
    origins: ArcSwap<Origins>,
    refused_origins: Refusals,
    pub(crate) failing: Failing,
    /// That nobody tells who the client is was logged.
    is_blindness_told: AtomicBool,
}

/// One request, as far as it was understood.
pub(crate) struct Incoming<'a> {
    pub(crate) asked: Asked<'a>,
    pub(crate) client: SocketAddr,
    /// It comes from another node.
    pub(crate) is_forwarded: bool,
}

impl<E: Engine> Edge<E> {
    /// From now on pages of these origins may connect. Sessions of others keep their websockets; their polls are refused.
    pub fn set_origins(&self, origins: Origins) {
        self.inner.origins.store(Arc::new(origins));
    }

    /// Puts the endpoint in front of `engine`.
    #[must_use]
    pub fn new(
        settings: EdgeSettings,
        engine: E,
        hooks: Arc<dyn Hooks>,
        sids: Sids,
        peers: Option<Peers>,
        stats: Stats,
    ) -> Self {
        let sessions = Sessions::new(&settings, Arc::clone(&hooks), stats.clone());
        let (ended, path) = (engine.clone(), settings.path.clone());
        sessions.set_end_polling(Box::new(move |session, sid| {
            let closed = ended.http(crate::polling::close_request(&path, sid, session.protocol));
            tokio::spawn(async move {
                closed.await;
                session.transport_is_gone();
            });
        }));
        let rate = Rate::per_second(settings.max_handshakes_per_second);
        let rate_per_client = PerClientRate::new(settings.max_handshakes_per_second_per_address);
        let origins = ArcSwap::from_pointee(settings.origins.clone());
        let inner = Inner {
            settings,
            engine,
            hooks,
            sids,
            peers,
            sessions,
            stats,
            rate,
            rate_per_client,
            origins,
            refused_origins: Refusals::default(),
            failing: Failing::default(),
            is_blindness_told: AtomicBool::new(false),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Answers a client. Its address is that of axum's [`ConnectInfo`], which must be there, or what trusted proxies say.
    pub async fn handle(&self, request: Request<Body>) -> Response {
        let inner = &self.inner;
        let Some(ConnectInfo(peer)) = request.extensions().get::<ConnectInfo<SocketAddr>>() else {
            return self.refuse_blindly();
        };
        let client = inner.settings.trusted_proxies.client(*peer, request.headers());

        let check = inner.origins.load().check(request.headers());
        let origin = request.headers().get(header::ORIGIN).cloned();
        if request.method() == Method::OPTIONS && check != OriginCheck::Refused {
            return origins::preflight(check, request.headers());
        }
        let mut response = if check == OriginCheck::Refused {
            self.refuse_origin(client, origin.as_ref())
        } else {
            self.answer(request, client, false).await
        };
        origins::cors(check, origin.as_ref(), response.headers_mut());
        response
    }

    /// Answers another node that got a request of a session of this one.
    pub async fn handle_forwarded(&self, request: Request<Body>) -> Response {
        let Some(peers) = &self.inner.peers else {
            return Refused::because(Code::BadRequest).response();
        };
        match Forwarded::read(&peers.keys, &request) {
            Some(Ok(forwarded)) => {
                let mut response = self.answer(request, forwarded.client, true).await;
                self.inner.stats.forwarded(Forward::Served);
                response.headers_mut().insert(OWNER_HEADER, forwarded.answer(&peers.keys, peers.tag));
                response
            }
            Some(Err(_)) | None => {
                self.inner.stats.forwarded(Forward::Forged);
                self.inner.stats.refuse(Code::Forbidden);
                Refused::because(Code::Forbidden).response()
            }
        }
    }

    async fn answer(&self, request: Request<Body>, client: SocketAddr, is_forwarded: bool) -> Response {
        match self.route(request, client, is_forwarded).await {
            Ok(mut response) => {
                response
                    .headers_mut()
                    .entry(header::CACHE_CONTROL)
                    .or_insert(HeaderValue::from_static("no-store"));
                response
            }
            Err(refused) => {
                debug!(code = %refused.code, %client, "request refused");
                self.refuse(client, &refused)
            }
        }
    }

    async fn route(
        &self,
        request: Request<Body>,
        client: SocketAddr,
        is_forwarded: bool,
    ) -> Result<Response, Refused> {
        let settings = &self.inner.settings;
        let query = request.uri().query().unwrap_or_default().to_owned();
        if query.len() > settings.max_query_bytes {
            return Err(Refused::because(Code::QueryTooLong));
        }
        let asked = Asked::read(&query).map_err(Refused::because)?;
        if !settings.transports.contains(&asked.transport) {
            let others: Vec<_> =
                settings.transports.iter().map(|one| format!("\"{}\"", one.as_str())).collect();
            let message = format!(
                "Transport unknown: {} is switched off on this server, connect with {{ transports: [{}] }}",
                asked.transport.as_str(),
                others.join(", ")
            );
            return Err(Refused::saying(Code::TransportOff, message));
        }
        if asked.protocol == Protocol::V3 && !settings.allow_eio3 {
            return Err(Refused::because(Code::UnsupportedProtocol));
        }
        let incoming = Incoming { asked, client, is_forwarded };
        match asked.sid {
            None => self.handshake(request, &incoming).await,
            Some(token) => self.of_session(token, request, &incoming).await,
        }
    }

    /// A request with a session id: of this node, of another, or of none.
    async fn of_session(
        &self,
        token: &str,
        request: Request<Body>,
        incoming: &Incoming<'_>,
    ) -> Result<Response, Refused> {
        let unknown = |reason| self.unknown_session(reason);
        match self.inner.sids.read(token) {
            Ok(sid) => match self.inner.sessions.find(sid) {
                Some(session) => self.request(&session, sid, request, incoming).await,
                None => Err(unknown(UnknownSession::Gone)),
            },
            Err(SidError::Malformed) => Err(unknown(UnknownSession::Malformed)),
            Err(SidError::Forged) => Err(unknown(UnknownSession::Forged)),
            // It was passed on once: whoever did it and this node do not agree on who is who.
            Err(SidError::Foreign(_)) if incoming.is_forwarded => Err(unknown(UnknownSession::Loop)),
            Err(SidError::Foreign(tag)) => self.pass_on(tag, request, incoming.client).await,
        }
    }

    pub(crate) fn unknown_session(&self, reason: UnknownSession) -> Refused {
        self.inner.stats.unknown_session(reason);
        Refused::because(Code::UnknownSession)
    }

    fn refuse_blindly(&self) -> Response {
        if !self.inner.is_blindness_told.swap(true, Ordering::Relaxed) {
            error!(
                "requests come without the address of the client and are refused: the server in front of the \
                 endpoint must add axum's ConnectInfo<SocketAddr>, such as by into_make_service_with_connect_info"
            );
        }
        self.inner.stats.refuse(Code::NoClientAddress);
        Refused::because(Code::NoClientAddress).response()
    }

    fn refuse(&self, client: SocketAddr, refused: &Refused) -> Response {
        self.inner.stats.refuse(refused.code);
        self.inner.hooks.refused(client, refused.code);
        refused.response()
    }

    fn refuse_origin(&self, client: SocketAddr, origin: Option<&HeaderValue>) -> Response {
        if let Some(origin) = origin {
            // Client-given: what is no origin is neither repeated nor remembered.
            let text = origin.to_str().unwrap_or_default().to_owned();
            let is_origin = Origins::parse(std::slice::from_ref(&text)).is_ok();
            if is_origin && self.inner.refused_origins.first_time(origin) {
                let allow = format!("server.origins = [\"{text}\"]");
                warn!(origin = text, allow, "origin refused; this setting would let it connect");
            }
        }
        self.refuse(client, &Refused::because(Code::OriginNotAllowed))
    }

    /// The counters of this endpoint.
    #[must_use]
    pub fn stats(&self) -> &Stats {
        &self.inner.stats
    }
}

impl<E: Engine> Service<Request<Body>> for Edge<E> {
    type Response = Response;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let this = self.clone();
        Box::pin(async move { Ok(this.handle(request).await) })
    }
}

impl<E> Clone for Edge<E> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

impl<E> std::fmt::Debug for Edge<E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Edge").field("path", &self.inner.settings.path).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Peers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Peers").finish_non_exhaustive()
    }
}
