//! A request that came to the wrong node goes to the node that has its session.
//!
//! Stickiness of a load balancer thus saves a hop, and is no condition. The request is passed as it is, with one header
//! more, by which the owner knows that it comes from a node of the cluster and who the client is ([`Forwarded`]). The
//! answer must prove that it is the owner's: an address may have been taken over by another service.
//!
//! A request that was forwarded is never forwarded again, lest two nodes that disagree send it back and forth. The
//! caller sees to it: where [`Forwarded::read`] finds something, it answers itself, whatever it has to say.
//!
//! Nothing is encrypted and bodies are not signed: the owner's listener belongs into a network of the cluster's own.

mod body;
mod connect;
mod failing;
mod forwarded;
mod headers;
mod held;
mod join;

use std::error::Error;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use http::uri::{PathAndQuery, Scheme};
use http::{Method, Request, Response, StatusCode, Uri};
use hyper::body::Incoming;
use hyper_util::client::legacy::{self, Client};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::sync::Semaphore;
use tracing::debug;

use self::body::Counted;
use self::connect::Connector;
pub(crate) use self::failing::Failing;
use self::forwarded::{FORWARDED_HEADER, Ticket};
pub use self::forwarded::{Forged, Forwarded, OWNER_HEADER};
use self::held::Held;
pub(crate) use self::held::Passing;
use crate::keys::Keys;
use crate::stats::Stats;
use crate::tag::Tag;

/// Where the nodes of the cluster are.
pub trait Directory: Send + Sync + 'static {
    /// `host:port` of the listener for forwarded requests of the node with this tag; `None` if there is no such node.
    fn address_of(&self, tag: Tag) -> Option<String>;
}

/// The method by which a node asks the owner of a session to end the poll that waits there. Of other nodes only.
pub(crate) const RELEASE: Method = Method::DELETE;

/// Limits of a [`Forwarder`].
#[derive(Debug, Clone, Copy)]
pub struct ForwardSettings {
    /// Longest time for a connection to an owner, its name's look-up included. Default 1 s.
    pub connect_timeout: Duration,
    /// Longest time for the head of an answer; also how long a websocket may refuse to take what is sent to it. Must be
    /// longer than a poll may be held: ping interval and ping timeout. Default 50 s.
    pub answer_timeout: Duration,
    /// Most requests and websockets under way at the same time. Default 10 000.
    pub max_in_flight: usize,
    /// How long an idle connection to an owner is kept. Must be shorter than [`header_timeout`](crate::ServerSettings) of
    /// the owner, after which that closes it: a request would be lost that is sent at the same moment. Default 5 s.
    pub idle: Duration,
}

impl Default for ForwardSettings {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(1),
            answer_timeout: Duration::from_secs(50),
            max_in_flight: 10_000,
            idle: Duration::from_secs(5),
        }
    }
}

/// Why a request has no answer of its owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ForwardError {
    /// No connection, or it broke before the answer.
    #[error("the owner of the session cannot be reached")]
    Unreachable,
    /// The owner has not answered in time.
    #[error("the owner of the session does not answer")]
    Timeout,
    /// Somebody answered, but not the owner.
    #[error("another service answers at the address of the owner")]
    NotGenuine,
    /// Too many requests are under way.
    #[error("too many requests are being forwarded")]
    Busy,
}

/// Sends requests to the nodes that have their sessions. Clones share the connections and the limit.
#[derive(Debug, Clone)]
pub struct Forwarder {
    tag: Tag,
    keys: Keys,
    client: Client<Connector, Body>,
    answer_timeout: Duration,
    permits: Arc<Semaphore>,
    held: Arc<Held>,
}

impl Forwarder {
    /// Forwards for the node `tag`, and counts into `stats`. All nodes must have the same `keys`.
    #[must_use]
    pub fn new(tag: Tag, keys: Keys, settings: ForwardSettings, stats: &Stats) -> Self {
        let ForwardSettings { connect_timeout, answer_timeout, max_in_flight, idle } = settings;
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(idle)
            .build(Connector::new(connect_timeout));
        let permits = Arc::new(Semaphore::new(max_in_flight.min(Semaphore::MAX_PERMITS)));
        Self { tag, keys, client, answer_timeout, permits, held: Arc::new(Held::new(stats.clone())) }
    }

    /// Passes a request of `client` to the node `owner` at `address` (`host:port`), and brings its answer. Bodies are
    /// streamed. If both sides agree on a websocket, it is joined in a task of its own when the answer has been sent.
    ///
    /// Dropping the future, or the body of the answer, ends the request at the owner as well.
    ///
    /// # Errors
    /// Says why there is no answer. The request may have had its effect all the same, unless it is
    /// [`Busy`](ForwardError::Busy).
    pub async fn forward(
        &self,
        owner: Tag,
        address: &str,
        mut request: Request<Body>,
        client: SocketAddr,
    ) -> Result<Response<Body>, ForwardError> {
        let permit = Arc::clone(&self.permits).try_acquire_owned().map_err(|_| ForwardError::Busy)?;
        let websocket = headers::is_websocket(&request);
        let client_upgrade = websocket.then(|| hyper::upgrade::on(&mut request));
        let hold = self.held.hold(websocket);
        // A poll waits for packets, and only its owner can end it without losing any.
        let release = (request.method() == Method::GET && !websocket).then(|| release(&request)).flatten();
        let answer = self.ask(owner, address, request, client);
        let mut answer = match release {
            None => answer.await?,
            Some(release) => {
                let mut answer = pin!(answer);
                tokio::select! {
                    biased;
                    answer = &mut answer => answer?,
                    () = hold.let_go() => {
                        let release = self.ask(owner, address, release, client);
                        tokio::select! {
                            biased;
                            answer = &mut answer => answer?,
                            // Whatever comes of it: the poll tells.
                            _ = release => answer.await?,
                        }
                    }
                }
            }
        };

        let owner_upgrade =
            (answer.status() == StatusCode::SWITCHING_PROTOCOLS).then(|| hyper::upgrade::on(&mut answer));
        // Without its extensions: they are about the connection to the owner.
        let (parts, body) = answer.into_parts();
        let mut response = Response::new(Body::empty());
        *response.status_mut() = parts.status;
        *response.headers_mut() = parts.headers;
        response.headers_mut().remove(OWNER_HEADER);
        headers::clean(response.headers_mut(), owner_upgrade.is_some());
        match (client_upgrade, owner_upgrade) {
            (Some(client), Some(owner)) => {
                tokio::spawn(join::upgraded(client, owner, self.answer_timeout, hold, permit));
            }
            // Nobody has asked it to become something else.
            (None, Some(_)) => return Err(ForwardError::NotGenuine),
            (_, None) => *response.body_mut() = Body::new(Counted::new(body, permit)),
        }
        Ok(response)
    }

    /// The owner's answer, with proof that it is the owner's.
    async fn ask(
        &self,
        owner: Tag,
        address: &str,
        request: Request<Body>,
        client: SocketAddr,
    ) -> Result<Response<Incoming>, ForwardError> {
        let ticket = Ticket::new(self.tag, client);
        let request = self.outgoing(&ticket, address, request).ok_or(ForwardError::Unreachable)?;
        let answer = tokio::time::timeout(self.answer_timeout, self.client.request(request)).await;
        let answer = answer.map_err(|_| ForwardError::Timeout)?.map_err(|error| {
            debug!(%owner, address, error = &error as &dyn Error, "request not forwarded");
            reason(&error)
        })?;
        let is_owner = ticket.is_answered(&self.keys, owner, answer.headers());
        is_owner.then_some(answer).ok_or(ForwardError::NotGenuine)
    }

    /// The polls and websockets that are under way.
    pub(crate) fn passing(&self) -> Vec<Passing> {
        self.held.all()
    }

    /// Lets go of all polls and websockets that are under way, and of those to come: this node is about to stop. A poll is
    /// answered, its session lives on; a websocket's session is closed in order by its owner.
    pub fn let_go(&self) {
        self.held.let_go();
    }

    /// The request for the owner; `None` if it has no path, or the address is none.
    fn outgoing(&self, ticket: &Ticket, address: &str, request: Request<Body>) -> Option<Request<Body>> {
        let websocket = headers::is_websocket(&request);
        let (parts, body) = request.into_parts();
        let path = parts.uri.path_and_query().cloned()?;
        let mut outgoing = Request::new(body);
        *outgoing.headers_mut() = parts.headers;
        headers::clean(outgoing.headers_mut(), websocket);
        headers::remove_own(outgoing.headers_mut());
        outgoing
            .headers_mut()
            .insert(FORWARDED_HEADER, ticket.sign(&self.keys, &parts.method, path.as_str()));
        *outgoing.method_mut() = parts.method;
        *outgoing.uri_mut() = uri(address, path)?;
        Some(outgoing)
    }
}

/// The request by which an owner ends a poll that waits.
fn release(poll: &Request<Body>) -> Option<Request<Body>> {
    Request::builder().method(RELEASE).uri(poll.uri().path_and_query()?.as_str()).body(Body::empty()).ok()
}

fn uri(address: &str, path: PathAndQuery) -> Option<Uri> {
    Uri::builder().scheme(Scheme::HTTP).authority(address).path_and_query(path).build().ok()
}

fn reason(error: &legacy::Error) -> ForwardError {
    let cause = error.source().and_then(|cause| cause.downcast_ref::<hyper::Error>());
    // Whoever is there does not speak HTTP.
    if cause.is_some_and(hyper::Error::is_parse) {
        ForwardError::NotGenuine
    } else {
        ForwardError::Unreachable
    }
}
