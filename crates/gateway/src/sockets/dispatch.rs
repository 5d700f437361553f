//! One event after the other.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use roomcast_adapter::Adapter;
use socketioxide::handler::MessageHandler;
use socketioxide_core::Value;
use tracing::error;

use super::ack::Ack;
use super::event::Event;
use super::handler::Flow;
use super::socket::Socket;
use crate::codes::Code;

/// The events of a socket that wait, and whether one is under way.
#[derive(Debug, Default)]
pub(super) struct Dispatch {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    mode: Mode,
    waiting: VecDeque<Event>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// The client was told of its connection, the namespace's `connected` not yet: events wait.
    #[default]
    Held,
    Idle,
    /// An event is being handled: others wait.
    Running,
    Closed,
}

/// What to do with an event that came in.
enum Arrival {
    Now(Event),
    Waits,
    TooMany(Event),
}

impl Dispatch {
    fn arrive(&self, event: Event, max: usize) -> Arrival {
        let mut state = self.lock();
        match state.mode {
            Mode::Idle => {
                state.mode = Mode::Running;
                Arrival::Now(event)
            }
            Mode::Held | Mode::Running if state.waiting.len() >= max => Arrival::TooMany(event),
            Mode::Held | Mode::Running => {
                state.waiting.push_back(event);
                Arrival::Waits
            }
            Mode::Closed => Arrival::Waits,
        }
    }

    fn next(&self) -> Option<Event> {
        let mut state = self.lock();
        let next = state.waiting.pop_front();
        if next.is_none() && state.mode != Mode::Closed {
            state.mode = Mode::Idle;
        }
        next
    }

    /// The socket is gone: what waits is forgotten.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.mode = Mode::Closed;
        state.waiting = VecDeque::new();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No code that can panic runs under the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The one message handler of every socket. socketioxide calls it on the connection's reading task, in the order of
/// arrival; closures as handlers would be spawned, and could overtake each other.
#[derive(Debug)]
pub(super) struct Inbound(pub(super) Socket);

/// Tells our handlers apart from socketioxide's closures.
#[derive(Debug)]
pub(crate) struct Ours;

impl MessageHandler<Adapter, Ours> for Inbound {
    fn call(&self, _: Arc<socketioxide::socket::Socket<Adapter>>, data: Value, ack: Option<i64>) {
        let socket = &self.0;
        let event = Event::arrived(socket, data, ack);
        let core = &socket.core;
        match core.dispatch.arrive(event, core.entry.event_queue) {
            Arrival::Now(event) => run(socket, Some(event)),
            Arrival::Waits => {}
            Arrival::TooMany(event) => {
                socket.refuse(event.ack(), Code::Busy, "too many of your events are waiting, send slower");
            }
        }
    }
}

/// Lets the events go that came before the namespace knew of the socket.
pub(super) fn release(socket: &Socket) {
    run(socket, socket.core.dispatch.next());
}

/// Handles events until none is left or one takes its time; then the rest follows on a task.
fn run(socket: &Socket, mut next: Option<Event>) {
    while let Some(event) = next {
        if let Some(later) = handle(socket, event) {
            let socket = socket.clone();
            tokio::spawn(async move {
                later.await;
                while let Some(event) = socket.core.dispatch.next() {
                    if let Some(later) = handle(&socket, event) {
                        later.await;
                    }
                }
            });
            return;
        }
        next = socket.core.dispatch.next();
    }
}

/// Gives an event to the namespace; what is left to wait for, if anything.
fn handle(socket: &Socket, event: Event) -> Option<BoxFuture<'static, ()>> {
    let ack = event.ack().clone();
    let handler = &socket.core.entry.handler;
    match catch_unwind(AssertUnwindSafe(|| handler.event(socket, event))) {
        Ok(Flow::Done) => None,
        Ok(Flow::Later(future)) => {
            let socket = socket.clone();
            Some(Box::pin(AssertUnwindSafe(future).catch_unwind().map(move |result| {
                if result.is_err() {
                    failed(&socket, &ack);
                }
            })))
        }
        Err(_) => {
            failed(socket, &ack);
            None
        }
    }
}

/// The panic hook has told where.
fn failed(socket: &Socket, ack: &Ack) {
    error!(namespace = socket.namespace(), id = socket.id(), "event handler panicked");
    socket.refuse(ack, Code::InternalError, "the handler of this event failed");
}
