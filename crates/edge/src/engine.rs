//! What the edge stands in front of.

use std::net::SocketAddr;
use std::time::Duration;

use axum::body::Body;
use futures_util::future::BoxFuture;
use http::request::Parts;
use http::{Extensions, Request, Response};
use roomcast_codes::Code;

use crate::answer::Refused;
use crate::request::{Protocol, Transport};
use crate::websocket::WebsocketStream;

/// An Engine.IO server, such as socketioxide's service.
///
/// Requests come in the form that engineioxide reads: the query has the raw session id.
pub trait Engine: Clone + Send + Sync + 'static {
    /// Answers a long-polling request.
    fn http(&self, request: Request<Body>) -> BoxFuture<'static, Response<Body>>;

    /// Takes over a websocket, after its handshake. It is closed by dropping the stream, which is boxed since futures of the
    /// library have room for several of it.
    fn websocket(&self, stream: Box<WebsocketStream>, request: Request<()>);
}

/// A client that wants a session.
#[derive(Debug)]
pub struct Handshake<'a> {
    /// The request, as it came.
    pub request: &'a Parts,
    /// Who asks; behind trusted proxies not who is connected.
    pub client: SocketAddr,
    /// How.
    pub transport: Transport,
    /// In which version.
    pub protocol: Protocol,
}

/// What the program above has a say in.
pub trait Hooks: Send + Sync + 'static {
    /// Decides whether a client gets a session, after all limits and before anything of it exists. What is given back can
    /// be found in the extensions of the request that opened the session.
    ///
    /// # Errors
    /// [`Refused`], usually with [`Code::Forbidden`](roomcast_codes::Code::Forbidden).
    fn admit<'a>(&'a self, handshake: &'a Handshake<'a>) -> BoxFuture<'a, Result<Extensions, Refused>>;

    /// A session was opened; it took so long from the request's head to the answer.
    fn opened(&self, transport: Transport, took: Duration) {
        let _ = (transport, took);
    }

    /// A request was refused. Called in the middle of things: it must not block.
    fn refused(&self, client: SocketAddr, code: Code) {
        let _ = (client, code);
    }

    /// A session has ended, and all of its disconnect handlers have run or will not. Must not block.
    fn closed(&self, client: SocketAddr, transport: Transport, code: Code) {
        let _ = (client, transport, code);
    }
}

/// Admits everybody.
impl Hooks for () {
    fn admit<'a>(&'a self, _: &'a Handshake<'a>) -> BoxFuture<'a, Result<Extensions, Refused>> {
        Box::pin(std::future::ready(Ok(Extensions::new())))
    }
}
