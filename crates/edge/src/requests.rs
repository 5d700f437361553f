//! The requests of a session: polls, packets, and the upgrade to a websocket.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::body::Body;
use axum::response::Response;
use http::{Extensions, HeaderValue, Method, Request, header};
use roomcast_codes::Code;

use crate::answer::Refused;
use crate::edge::{Edge, Incoming};
use crate::engine::Engine;
use crate::forward::RELEASE;
use crate::parts;
use crate::polling::{self, BodyLimits};
use crate::request::{Transport, websocket_key};
use crate::session::Session;
use crate::sid::Sid16;
use crate::stats::UnknownSession;

/// Largest body of an error of the Engine.IO server.
const MAX_ERROR: usize = 1_000;

impl<E: Engine> Edge<E> {
    pub(crate) async fn request(
        &self,
        session: &Arc<Session>,
        sid: Sid16,
        request: Request<Body>,
        incoming: &Incoming<'_>,
    ) -> Result<Response, Refused> {
        let asked = incoming.asked;
        if asked.protocol != session.protocol {
            return Err(Refused::because(Code::BadRequest));
        }
        match (asked.transport, request.method()) {
            (Transport::Polling, &Method::GET) => self.poll(session, sid).await,
            (Transport::Polling, &Method::POST) => self.post(session, sid, request).await,
            (Transport::Websocket, &Method::GET) => self.change_over(session, sid, request),
            (Transport::Polling, &RELEASE) if incoming.is_forwarded => {
                session.release_poll();
                Ok(Response::new(Body::empty()))
            }
            _ => Err(Refused::because(Code::BadRequest)),
        }
    }

    async fn poll(&self, session: &Arc<Session>, sid: Sid16) -> Result<Response, Refused> {
        let mut request = Request::new(Body::empty());
        *request.uri_mut() =
            polling::session_uri(&self.inner.settings.path, sid, session.protocol, "polling");
        let response = polling::poll(&self.inner.engine, session, request).await;
        if response.status().is_success() {
            Ok(response)
        } else {
            Err(self.failed(response, Code::ConcurrentPoll).await)
        }
    }

    async fn post(
        &self,
        session: &Arc<Session>,
        sid: Sid16,
        request: Request<Body>,
    ) -> Result<Response, Refused> {
        // In whatever order they arrived, the client's packets would be out of order.
        let Some(_post) = session.begin_post() else {
            session.kill(Code::ConcurrentPoll);
            return Err(Refused::because(Code::ConcurrentPoll));
        };
        let (parts, body) = request.into_parts();
        let settings = &self.inner.settings;
        let limits = BodyLimits {
            bytes: settings.max_payload_bytes,
            packets: settings.max_packets_per_payload,
            timeout: settings.body_timeout,
        };
        let received = polling::receive(body, &parts.headers, session.protocol, limits).await;
        let (body, packets) = received.map_err(|code| {
            session.kill(code);
            Refused::because(code)
        })?;
        self.inner.stats.packets_received(packets as u64);
        let is_last = polling::has_close(&body, session.protocol);
        let mut request = Request::new(Body::from(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = polling::session_uri(&settings.path, sid, session.protocol, "polling");
        // It tells text from binary framing.
        let text = HeaderValue::from_static("text/plain;charset=UTF-8");
        let kind = parts.headers.get(header::CONTENT_TYPE).cloned().unwrap_or(text);
        request.headers_mut().insert(header::CONTENT_TYPE, kind);
        let response = self.inner.engine.http(request).await;
        if response.status().is_success() {
            if is_last {
                session.note(Code::ClientClosed);
                session.transport_is_gone();
            }
            return Ok(response);
        }
        let refused = self.failed(response, Code::BadPacket).await;
        if refused.code == Code::BadPacket {
            session.kill(Code::BadPacket);
        }
        Err(refused)
    }

    fn change_over(
        &self,
        session: &Arc<Session>,
        sid: Sid16,
        request: Request<Body>,
    ) -> Result<Response, Refused> {
        let (parts, _) = request.into_parts();
        websocket_key(&parts.method, &parts.headers).map_err(Refused::because)?;
        if session.transport() == Transport::Websocket || session.is_upgrading.swap(true, Ordering::AcqRel) {
            return Err(Refused::because(Code::BadRequest));
        }
        let uri = polling::session_uri(&self.inner.settings.path, sid, session.protocol, "websocket");
        let reduced = parts::reduced(&parts, uri, &[], Extensions::new());
        self.upgrade(Arc::clone(session), parts, reduced, true)
    }

    /// An error of the Engine.IO server. It has Node's texts where Node has some; nothing means `nothing`.
    async fn failed(&self, response: Response, nothing: Code) -> Refused {
        let status = response.status();
        let body = axum::body::to_bytes(response.into_body(), MAX_ERROR).await.unwrap_or_default();
        let text = String::from_utf8_lossy(&body);
        if text.contains("Session ID unknown") {
            self.inner.stats.unknown_session(UnknownSession::Gone);
            return Refused::because(Code::UnknownSession);
        }
        Refused::because(match status.as_u16() {
            413 => Code::BodyTooLarge,
            400 if text.is_empty() => nothing,
            400 => Code::BadRequest,
            _ => nothing,
        })
    }
}
