//! A client without a session: whether it gets one, and how it begins.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::response::Response;
use http::request::Parts;
use http::{Method, Request, Uri};
use roomcast_codes::Code;
use tracing::debug;

use crate::answer::Refused;
use crate::edge::{Edge, Incoming};
use crate::engine::{Engine, Handshake};
use crate::parts;
use crate::per_client::ClientKey;
use crate::polling;
use crate::request::{Transport, websocket_key};
use crate::session::{ConnectionHandle, Session};
use crate::sessions::Full;
use crate::websocket::{WebsocketStream, switching_protocols};

/// When clients that find no place may come back.
const LATER: Duration = Duration::from_secs(5);

/// When clients of a node that is about to stop may come back: at once, another node takes them.
const SOON: Duration = Duration::from_secs(1);

impl<E: Engine> Edge<E> {
    pub(crate) async fn handshake(
        &self,
        request: Request<Body>,
        incoming: &Incoming<'_>,
    ) -> Result<Response, Refused> {
        let started = Instant::now();
        let inner = &self.inner;
        let asked = incoming.asked;
        if request.method() != Method::GET {
            return Err(Refused::because(Code::BadHandshakeMethod));
        }
        if inner.sessions.draining_since().is_some() {
            return Err(Refused::because(Code::Draining).until(SOON));
        }
        let (parts, _) = request.into_parts();
        if asked.transport == Transport::Websocket {
            websocket_key(&parts.method, &parts.headers).map_err(Refused::because)?;
        }
        let place = inner.sessions.reserve(incoming.client).map_err(|full| match full {
            Full::Node => Refused::because(Code::ServerFull).until(LATER),
            Full::Client => Refused::because(Code::AddressFull).until(LATER),
        })?;
        let too_often = |wait| Refused::because(Code::AddressFull).until(wait);
        inner.rate_per_client.check(ClientKey::from(incoming.client.ip())).map_err(too_often)?;
        // The last of the limits: what one address asks for in vain must not count against all others.
        if let Err(wait) = inner.rate.check() {
            return Err(Refused::because(Code::TooManyHandshakes).until(wait));
        }
        let handshake = Handshake {
            request: &parts,
            client: incoming.client,
            transport: asked.transport,
            protocol: asked.protocol,
        };
        let decision =
            tokio::time::timeout(inner.settings.admit_timeout, inner.hooks.admit(&handshake)).await;
        let mut extensions =
            decision.map_err(|_| Refused::saying(Code::Forbidden, "admission took too long"))??;
        // It may have begun meanwhile, and would not see this session.
        if inner.sessions.draining_since().is_some() {
            return Err(Refused::because(Code::Draining).until(SOON));
        }

        let session = inner.sessions.open(place, incoming.client, asked.transport, asked.protocol);
        extensions.insert(ConnectionHandle(Arc::clone(&session)));
        let uri = self.uri(&parts)?;
        let reduced = parts::reduced(&parts, uri, &inner.settings.keep_headers, extensions);
        let response = match asked.transport {
            Transport::Polling => self.open_polling(&session, reduced).await?,
            Transport::Websocket => self.upgrade(session, parts, reduced, false)?,
        };
        inner.hooks.opened(asked.transport, started.elapsed());
        Ok(response)
    }

    async fn open_polling(&self, session: &Arc<Session>, request: Request<()>) -> Result<Response, Refused> {
        let inner = &self.inner;
        let response = inner.engine.http(request.map(|()| Body::empty())).await;
        let upgrades = inner.settings.transports.contains(&Transport::Websocket);
        let opened =
            polling::opened(response, session.protocol, upgrades, |sid| inner.sids.issue(sid.as_str()));
        let (sid, response) = opened.await.ok_or_else(|| Refused::because(Code::BadRequest))?;
        inner.sessions.name(session, sid);
        inner.stats.packets_sent(1);
        Ok(response)
    }

    /// Answers a websocket handshake, and gives the connection to the Engine.IO server once hyper has let go of it.
    pub(crate) fn upgrade(
        &self,
        session: Arc<Session>,
        parts: Parts,
        reduced: Request<()>,
        is_upgrade: bool,
    ) -> Result<Response, Refused> {
        let key = websocket_key(&parts.method, &parts.headers).map_err(Refused::because)?;
        let response = switching_protocols(key, &parts.headers);
        let upgrade = hyper::upgrade::on(Request::from_parts(parts, ()));
        let inner = Arc::clone(&self.inner);
        tokio::spawn(async move {
            let upgraded = match upgrade.await {
                Ok(upgraded) => upgraded,
                Err(error) => {
                    debug!(%error, "client went away during its websocket handshake");
                    session.is_upgrading.store(false, std::sync::atomic::Ordering::Release);
                    return;
                }
            };
            let max = inner.settings.max_payload_bytes;
            let mut stream = WebsocketStream::new(upgraded, Arc::clone(&session), max, &inner.stats);
            if is_upgrade {
                // The library forgets an upgrade that failed, and would leave the session in the middle of it for ever.
                stream = stream.upgrade(move || {
                    if session.transport() == Transport::Polling {
                        session.note(Code::UpgradeFailed);
                    }
                    session.end_polling();
                });
            }
            inner.engine.websocket(Box::new(stream), reduced);
        });
        Ok(response)
    }

    /// Path and query as the Engine.IO server reads them, in memory of their own.
    fn uri(&self, parts: &Parts) -> Result<Uri, Refused> {
        let uri = format!("{}/?{}", self.inner.settings.path, parts.uri.query().unwrap_or_default());
        uri.parse().map_err(|_| Refused::because(Code::BadRequest))
    }
}
