//! The only place that touches socketioxide's sockets. Everything else sees [`Socket`], [`Event`] and [`Handler`].
//!
//! socketioxide stays unmodified; what it leaves open is closed here, each hole in one file:
//!
//! | hole in socketioxide 0.18 | closed by |
//! |---|---|
//! | each event runs in a task of its own: two events of a socket can overtake each other | `dispatch`: one event after the other, in the order of arrival |
//! | no room named by the socket's id, so `to(id)` and `except: [id]` of other servers match nothing | `connect` joins it before the client knows of the connection |
//! | an event that comes right after CONNECT may find no handler | `connect` registers everything before CONNECT is sent |
//! | `join` after the disconnect leaves the socket in the room for ever | `membership`: joining and closing exclude each other |
//! | a disconnect handler that panics or hangs leaves the socket in its rooms for ever | `disconnect`: the removal runs whatever the handler does |
//! | a handler that panics loses the event silently | `dispatch`: caught, counted, acknowledged with `internal_error` |

mod ack;
mod arguments;
mod connect;
mod disconnect;
mod dispatch;
mod emitter;
mod event;
mod handler;
mod identify;
mod known;
mod membership;
mod namespace;
mod present;
mod socket;

pub use ack::Ack;
pub use arguments::{Arguments, Malformed};
pub use emitter::{EmitFailed, Emitter};
pub use event::Event;
pub use handler::{Flow, Handler, Refused};
pub use membership::JoinError;
pub use namespace::Namespace;
pub use socket::{Socket, SocketGone, Transport};

pub(crate) use arguments::push_items;
pub(crate) use connect::{Connect, Entry};
pub(crate) use identify::NotRefreshed;
pub(crate) use known::{LiveEvents, Place};

/// The reason why a socket disconnected, as socketioxide tells it.
pub use socketioxide::socket::DisconnectReason;
