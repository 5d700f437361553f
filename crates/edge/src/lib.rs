//! Everything between the TCP socket and the Engine.IO server: nothing gets in that should not, nothing stays that is
//! dead, and any load balancer will do.
//!
//! * [`Server`] accepts connections: limits, timeouts, TLS, PROXY protocol.
//! * [`Edge`] is the Engine.IO endpoint: origins, limits, checks of one's own ([`Hooks`]), session ids that can be routed
//!   and not guessed ([`Sids`]), requests that belong to other nodes ([`Forwarder`]).
//! * [`ConnectionHandle`] closes a session from outside; [`Edge::drain`] closes all of them bit by bit.
//!
//! It does not speak Engine.IO: an [`Engine`] does, such as socketioxide's service, unmodified. What that library leaves
//! open is closed here; `docs/architecture.md` has the list.
//!
//! The way of a request: `server` and `connection` (TCP, HTTP), `edge` (origin, query), then `handshake` for a client
//! without a session, `requests` and `polling` for one of a session, or `strays` for one of another node; websockets go
//! through `websocket`, which is also where a session is closed.
//!
//! ```no_run
//! # async fn run() -> Result<(), roomcast_edge::BindError> {
//! use roomcast_edge::{Server, ServerSettings};
//!
//! let server = Server::bind("127.0.0.1:3000".parse().unwrap(), ServerSettings::default())?;
//! let app = axum::Router::new();
//! server.serve(app, std::future::pending()).await;
//! # Ok(()) }
//! ```

mod admission;
mod answer;
mod client;
mod connection;
mod drain;
mod edge;
mod eio3;
mod engine;
mod forward;
mod frames;
mod handshake;
mod hops;
mod keys;
mod origins;
mod parts;
mod per_client;
mod polling;
mod proxy_protocol;
mod rates;
mod request;
mod requests;
mod server;
mod session;
mod sessions;
mod sid;
mod stats;
mod strays;
mod tag;
mod tls;
mod transport;
mod websocket;
mod wire;

pub use answer::Refused;
pub use client::{InvalidNetwork, TrustedProxies};
pub use drain::{DrainReport, DrainSettings};
pub use edge::{Edge, EdgeSettings, Peers};
pub use engine::{Engine, Handshake, Hooks};
pub use forward::{Directory, Forged, ForwardError, ForwardSettings, Forwarded, Forwarder, OWNER_HEADER};
pub use keys::{Keys, KeysError};
pub use origins::{InvalidOrigin, Origins};
pub use per_client::ClientKey;
pub use request::{Protocol, Transport};
pub use server::{BindError, Server, ServerSettings};
pub use session::ConnectionHandle;
pub use sid::{Sid16, SidError, Sids};
pub use stats::{Forward, Stats, StatsSnapshot, UnknownSession};
pub use tag::{InvalidTag, Tag};
pub use tls::{Tls, TlsError};
pub use websocket::WebsocketStream;
