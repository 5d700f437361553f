//! A client is gone.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use futures_util::FutureExt;
use roomcast_adapter::Adapter;
use roomcast_edge::ConnectionHandle;
use socketioxide::handler::DisconnectHandler;
use socketioxide::socket::{DisconnectReason, Socket as Inner};
use tracing::error;

use super::dispatch::Ours;
use super::socket::Socket;
use crate::codes::Code;

/// The disconnect handler of every socket. socketioxide's own removes the socket only after the closure has ended
/// well; here it is removed whatever happens.
#[derive(Debug)]
pub(super) struct Gone(pub(super) Socket);

impl DisconnectHandler<Adapter, Ours> for Gone {
    fn call_with_defer(
        &self,
        inner: Arc<Inner<Adapter>>,
        reason: DisconnectReason,
        defer: fn(Arc<Inner<Adapter>>),
    ) {
        note(&inner, &reason);
        let removal = Removal { inner: Some(inner), defer, socket: self.0.clone() };
        let core = &self.0.core;
        core.dispatch.close();
        if !core.membership.close() {
            // The namespace has not seen it come, so it must not see it go.
            return;
        }
        core.entry.metrics.sockets.dec();
        self.0.is_absent();
        let socket = self.0.clone();
        let handler = &core.entry.handler;
        // What is done at once is finished here: until the removal a client cannot connect to the namespace again over
        // the same connection (socketioxide ignores its CONNECT), and it may ask in the very next packet.
        let first = catch_unwind(AssertUnwindSafe(|| {
            let mut goodbye = handler.disconnected(&socket, reason);
            goodbye.as_mut().now_or_never().is_none().then_some(goodbye)
        }));
        match first {
            Ok(None) => {}
            Ok(Some(goodbye)) => {
                tokio::spawn(async move {
                    let _removal = removal;
                    let goodbye = AssertUnwindSafe(goodbye).catch_unwind();
                    match tokio::time::timeout(socket.core.entry.handler_timeout, goodbye).await {
                        Ok(Ok(())) => {}
                        Ok(Err(_)) => panicked(&socket),
                        Err(_) => error!(
                            namespace = socket.namespace(),
                            id = socket.id(),
                            "disconnect handler took too long"
                        ),
                    }
                });
            }
            Err(_) => panicked(&socket),
        }
    }
}

/// Tells the session why it ended, if it is that, and if nobody has told it before.
fn note(inner: &Inner<Adapter>, reason: &DisconnectReason) {
    let Some(connection) = inner.req_parts().extensions.get::<ConnectionHandle>() else { return };
    connection.leave_namespace();
    connection.note(match reason {
        DisconnectReason::TransportClose => Code::ClientClosed,
        DisconnectReason::TransportError => Code::ConnectionLost,
        DisconnectReason::MultipleHttpPollingError => Code::ConcurrentPoll,
        DisconnectReason::PacketParsingError => Code::BadPacket,
        DisconnectReason::HeartbeatTimeout => Code::PingTimeout,
        DisconnectReason::ClosingServer => Code::ServerClosed,
        // The connection stays.
        _ => return,
    });
}

fn panicked(socket: &Socket) {
    error!(namespace = socket.namespace(), id = socket.id(), "disconnect handler panicked");
}

/// Takes the socket out of the namespace and its rooms when dropped, also when the task that holds it is aborted.
struct Removal {
    inner: Option<Arc<Inner<Adapter>>>,
    defer: fn(Arc<Inner<Adapter>>),
    socket: Socket,
}

impl Drop for Removal {
    fn drop(&mut self) {
        if let Some(inner) = self.inner.take() {
            let rooms = self.socket.rooms();
            (self.defer)(inner);
            self.socket.adapter().rooms_changed(rooms);
        }
    }
}
