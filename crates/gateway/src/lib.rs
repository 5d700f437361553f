//! One Roomcast node, as a library: namespaces, rooms and broadcast by rules from a configuration, and namespaces with
//! handlers of one's own beside them.
//!
//! What it does not do yet: moderation, history; see the README.
//!
//! ```no_run
//! use roomcast::config::Settings;
//! use roomcast::sockets::Namespace;
//! use roomcast::Gateway;
//!
//! # async fn run() -> Result<(), roomcast::GatewayError> {
//! let clock = Namespace::new("/clock").on("time", |_socket, event| async move {
//!     let seconds = std::time::UNIX_EPOCH.elapsed().map(|time| time.as_secs());
//!     event.ack().send(serde_json::json!(seconds.unwrap_or_default()));
//! });
//! let gateway = Gateway::builder(Settings::default()).namespace(clock).build()?;
//! gateway.bind()?.serve(std::future::pending()).await;
//! # Ok(()) }
//! ```
//!
//! The way of an event from socket to socket: `sockets::dispatch` (in order), `rules::live` and `rules::event` (may
//! it?), then
//! `roomcast_adapter`: `adapter` (to Redis and to the local clients) and, on the other nodes, `routes` and `inbound`.

pub mod config;
pub mod docs;
mod endpoint;
mod gateway;
mod http;
pub mod identity;
mod library;
mod limits;
mod metrics;
mod presence;
mod reload;
pub mod rules;
pub mod sockets;
pub mod telemetry;

pub use roomcast_codes as codes;
pub use roomcast_edge::DrainReport;

pub use gateway::{Gateway, GatewayBuilder, GatewayError, Listening};
pub use http::VERSION;
pub use reload::{Reload, ReloadError, Reloaded};
