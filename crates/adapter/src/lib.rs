//! A Redis Pub/Sub adapter for [socketioxide] that speaks the wire format of Node's `@socket.io/redis-adapter` 8.x:
//! Rust nodes, Node servers and everybody's `redis-emitter` share one Redis and reach each other's clients.
//!
//! What it does: broadcasts (rooms, `except`, volatile, binary, acknowledgements), joining, leaving, disconnecting and
//! fetching sockets, and events from server to server, asking and answering; over classic or sharded Pub/Sub, on one
//! Redis, a Redis Cluster or what sentinels name, with TLS. A namespace is usable at once; Redis is connected in the
//! background, publishes wait in a bounded outbox meanwhile, subscriptions come back after every reconnect. It needs
//! Redis 6 or newer (RESP3), for sharded Pub/Sub 7.
//!
//! It takes for granted that every socket is in the room named by its id, as in Node: see [`own_room`].
//!
//! ```
//! use roomcast_adapter::{Adapter, Bus, RedisSettings, own_room};
//! use socketioxide::{SocketIo, extract::SocketRef, handler::ConnectHandler};
//!
//! # async fn run() -> Result<(), roomcast_adapter::BusError> {
//! let bus = Bus::redis(&RedisSettings::new("redis://127.0.0.1:6379"))?;
//! let (layer, io) = SocketIo::builder().with_adapter::<Adapter>(bus.clone()).build_layer();
//! io.ns("/", (async |socket: SocketRef<Adapter>| println!("{} is here", socket.id)).with(own_room));
//! let app = axum::Router::<()>::new().layer(layer);
//! # Ok(()) }
//! ```
//!
//! What the sockets of a namespace are told, on all servers, is in [`Namespace`], what others see of a socket in
//! [`Profile`], how to reach Redis in [`RedisSettings`].
//!
//! The way of an event: [`Adapter::emit`] encodes it once for the bus (`protocol`, module [`wire`]) and hands it to the
//! outbox (`outbox`), from which one task publishes (`redis::publisher`); then it goes to the local clients. What other
//! servers publish arrives in `redis::listener`, is given by `routes` to the namespace's adapter, and handled in `inbound`
//! (broadcasts) or `serve` (requests). Questions to other servers wait in `ask`.
//!
//! [socketioxide]: https://docs.rs/socketioxide

mod acks;
mod adapter;
mod ask;
mod backoff;
mod bus;
mod chosen;
mod gate;
mod hub;
mod inbound;
mod metrics;
mod namespace;
mod operator;
mod outbox;
mod own_room;
mod profile;
mod protocol;
mod redis;
mod registry;
mod rooms;
mod routes;
mod sampled;
mod serve;
mod server_side;
mod settings;
mod status;
pub mod wire;

pub use adapter::{Adapter, EmitError, Local};
pub use ask::Missing;
pub use bus::{Bus, BusError, Overflow};
pub use hub::Hub;
pub use metrics::{Asked, CounterSnapshot, Counters, Dropped, Metrics};
pub use namespace::Namespace;
pub use operator::{Acks, Answers, Operator};
pub use own_room::own_room;
pub use profile::{ClientAddress, Profile, RemoteSocket};
pub use protocol::{Mode, SubscriptionMode};
pub use redis::Allowance;
pub use registry::Node;
pub use server_side::{Reply, ServerEvent};
pub use settings::RedisSettings;
pub use status::{BusState, BusStatus};
