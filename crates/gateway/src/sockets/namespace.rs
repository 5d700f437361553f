//! A namespace with handlers of one's own.

use std::fmt;

use futures_util::future::BoxFuture;
use serde_json::Value;

use super::{DisconnectReason, Event, Flow, Handler, Refused, Socket};
use crate::codes::Code;

type Admit = Box<dyn Fn(Socket, Value) -> BoxFuture<'static, Result<(), Refused>> + Send + Sync>;
type Connected = Box<dyn Fn(Socket, Value) + Send + Sync>;
type OnEvent = Box<dyn Fn(Socket, Event) -> BoxFuture<'static, ()> + Send + Sync>;
type Disconnected = Box<dyn Fn(Socket, DisconnectReason) -> BoxFuture<'static, ()> + Send + Sync>;

/// Builds a [`Handler`] from closures, as with Node's `io.of(path)`.
///
/// ```
/// use roomcast::sockets::Namespace;
///
/// let echo = Namespace::new("/echo")
///     .on_connect(|socket, auth| drop(socket.emit("auth", auth)))
///     .on("message", |socket, event| async move {
///         if let Ok(arguments) = event.arguments() {
///             let _ = socket.emit("message-back", arguments);
///         }
///     });
/// # let _ = echo;
/// ```
pub struct Namespace {
    path: String,
    admit: Option<Admit>,
    connected: Option<Connected>,
    events: Vec<(String, OnEvent)>,
    disconnected: Option<Disconnected>,
}

impl Namespace {
    /// A namespace that lets everybody in and knows no event. `path` starts with `/`.
    #[must_use]
    pub fn new(path: impl Into<String>) -> Self {
        Self { path: path.into(), admit: None, connected: None, events: Vec::new(), disconnected: None }
    }

    /// The path.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Decides who may connect, by the client's `auth` object; the refusal's text reaches it as `connect_error`.
    #[must_use]
    pub fn admit<F, Fut>(mut self, admit: F) -> Self
    where
        F: Fn(Socket, Value) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), Refused>> + Send + 'static,
    {
        self.admit = Some(Box::new(move |socket, auth| Box::pin(admit(socket, auth))));
        self
    }

    /// Runs when a client has connected, before its first event.
    #[must_use]
    pub fn on_connect(mut self, connected: impl Fn(Socket, Value) + Send + Sync + 'static) -> Self {
        self.connected = Some(Box::new(connected));
        self
    }

    /// Handles an event. The next event of the same socket waits until the future has ended.
    #[must_use]
    pub fn on<F, Fut>(mut self, event: impl Into<String>, handler: F) -> Self
    where
        F: Fn(Socket, Event) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let handler: OnEvent = Box::new(move |socket, event| Box::pin(handler(socket, event)));
        let event = event.into();
        match self.events.iter_mut().find(|(name, _)| *name == event) {
            Some((_, former)) => *former = handler,
            None => self.events.push((event, handler)),
        }
        self
    }

    /// Runs when a client has gone; its rooms are still there. Until it has ended the client cannot connect to the
    /// namespace again over the same connection, so be quick. It runs for those for whom
    /// [`on_connect`](Self::on_connect) has run: who leaves before that is seen by neither.
    #[must_use]
    pub fn on_disconnect<F, Fut>(mut self, disconnected: F) -> Self
    where
        F: Fn(Socket, DisconnectReason) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.disconnected = Some(Box::new(move |socket, reason| Box::pin(disconnected(socket, reason))));
        self
    }
}

impl Handler for Namespace {
    fn events(&self) -> Vec<String> {
        self.events.iter().map(|(name, _)| name.clone()).collect()
    }

    fn admit(&self, socket: &Socket, auth: &Value) -> BoxFuture<'static, Result<(), Refused>> {
        match &self.admit {
            Some(admit) => admit(socket.clone(), auth.clone()),
            None => Box::pin(std::future::ready(Ok(()))),
        }
    }

    fn connected(&self, socket: &Socket, auth: Value) {
        if let Some(connected) = &self.connected {
            connected(socket.clone(), auth);
        }
    }

    fn event(&self, socket: &Socket, event: Event) -> Flow {
        let handler = event.known().and_then(|place| self.events.get(place as usize));
        match handler {
            Some((_, handler)) => Flow::Later(handler(socket.clone(), event)),
            None => {
                socket.refuse(event.ack(), Code::UnknownEvent, "this namespace does not know the event");
                Flow::Done
            }
        }
    }

    fn disconnected(&self, socket: &Socket, reason: DisconnectReason) -> BoxFuture<'static, ()> {
        match &self.disconnected {
            Some(disconnected) => disconnected(socket.clone(), reason),
            None => Box::pin(std::future::ready(())),
        }
    }
}

impl fmt::Debug for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Namespace")
            .field("path", &self.path)
            .field("events", &self.events())
            .finish_non_exhaustive()
    }
}
