//! From the TCP socket to the Socket.IO service: accepting connections, limits on them and on
//! sessions, and repairs to what the Engine.IO library sends ([`eio3`]).
//!
//! `axum::serve` hides hyper's settings and sets no timer, so that a client which never finishes its request head
//! holds a connection for ever; hence the accept loop of our own ([`Server`]). What is not here yet: limits per
//! address, origin checks, closing a connection from outside, session ids that can be routed.
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

pub mod eio3;
mod held;
mod refuse;
mod server;
mod sessions;
mod stats;

pub use refuse::SERVER_FULL;
pub use server::{BindError, Server, ServerSettings};
pub use sessions::Sessions;
pub use stats::{Stats, StatsSnapshot};
