//! What a namespace does with its sockets.

use std::fmt;

use futures_util::future::BoxFuture;
use serde_json::Value;

use super::{DisconnectReason, Event, Socket};

/// The behaviour of a namespace: the built-in rules are one, [`Namespace`](super::Namespace) builds others.
///
/// Of one socket, everything runs one after the other in the order in which the client sent it; different sockets run
/// in parallel. A panic costs the event that caused it, nothing else.
pub trait Handler: Send + Sync + 'static {
    /// The names of the events that it knows: metrics and spans tell them by these, and all others as unknown.
    fn events(&self) -> Vec<String> {
        Vec::new()
    }

    /// Decides whether a client may connect; it does not know yet, and can be sent nothing. `auth` is what the
    /// client gave as `auth`, `{}` if nothing.
    fn admit(&self, socket: &Socket, auth: &Value) -> BoxFuture<'static, Result<(), Refused>> {
        let _ = (socket, auth);
        Box::pin(std::future::ready(Ok(())))
    }

    /// The client is connected; its first event is handled after this.
    fn connected(&self, socket: &Socket, auth: Value) {
        let _ = (socket, auth);
    }

    /// The client sent an event.
    fn event(&self, socket: &Socket, event: Event) -> Flow;

    /// The client is gone; its rooms are still there until the future has ended, or its time is over. Until then the
    /// client cannot connect to this namespace again over the same connection, so be quick.
    fn disconnected(&self, socket: &Socket, reason: DisconnectReason) -> BoxFuture<'static, ()> {
        let _ = (socket, reason);
        Box::pin(std::future::ready(()))
    }
}

/// Whether an event is done with.
#[must_use]
pub enum Flow {
    /// It is: the next one may come.
    Done,
    /// It will be when this has ended; further events of the socket wait, up to the bound of its queue.
    Later(BoxFuture<'static, ()>),
}

impl fmt::Debug for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Done => "Done",
            Self::Later(_) => "Later",
        })
    }
}

/// A client that may not connect; it gets `connect_error` with this message.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct Refused(pub String);
