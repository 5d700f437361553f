//! A Redis Pub/Sub adapter for [socketioxide] that speaks the wire format of Node's `@socket.io/redis-adapter` 8.x:
//! Rust nodes, Node servers and everybody's `redis-emitter` share one Redis and reach each other's clients.
//!
//! What it does: broadcasts (rooms, `except`, volatile, binary), joining, leaving and disconnecting from the bus,
//! answers to Node's `fetchSockets`, `allRooms` and broadcasts with acks. A namespace is usable at once; Redis is
//! connected in the background, publishes wait in a bounded outbox meanwhile, subscriptions come back after every
//! reconnect. What it does not do yet: ask other servers (`fetch_sockets`, `rooms` and acks are those of this node),
//! Redis Cluster and sharded Pub/Sub. It needs Redis 6 or newer (RESP3).
//!
//! It takes for granted that every socket is in the room named by its id, as in Node: join it on connect.
//!
//! ```
//! use roomcast_adapter::{Adapter, Bus, RedisSettings};
//! use socketioxide::{SocketIo, extract::SocketRef};
//!
//! # async fn run() -> Result<(), roomcast_adapter::BusError> {
//! let bus = Bus::redis(&RedisSettings::new("redis://127.0.0.1:6379"))?;
//! let (layer, io) = SocketIo::builder().with_adapter::<Adapter>(bus.clone()).build_layer();
//! io.ns("/", async |socket: SocketRef<Adapter>| socket.join(socket.id));
//! let app = axum::Router::<()>::new().layer(layer);
//! # Ok(()) }
//! ```
//!
//! The way of an event: [`Adapter::emit`] encodes it once for the bus (module [`wire`]) and hands it to the outbox
//! (`outbox`), from which one task publishes (`publisher`); then it goes to the local clients. What other servers
//! publish arrives in `subscriber`, is given by `routes` to the namespace's adapter, and handled in `inbound`
//! (broadcasts) or `serve` (requests).
//!
//! [socketioxide]: https://docs.rs/socketioxide

mod adapter;
mod backoff;
mod bus;
mod counters;
mod inbound;
mod outbox;
mod publisher;
mod routes;
mod serve;
mod settings;
mod status;
mod subscriber;
pub mod wire;

pub use adapter::{Adapter, EmitError, Local};
pub use bus::{Bus, BusError};
pub use counters::{CounterSnapshot, Dropped};
pub use settings::RedisSettings;
pub use status::{BusState, BusStatus};
