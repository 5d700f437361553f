//! What a program does with a namespace on all servers.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use serde::Serialize;

use crate::adapter::{Adapter, EmitError, event};
use crate::ask::Answer;
use crate::chosen::to_rooms;
use crate::metrics::Asked;
use crate::operator::{Answers, Operator, collect, packet};
use crate::protocol::Mode;
use crate::server_side::{Reply, ServerEvent};
use crate::wire::request::Request;

/// A namespace on all servers, as Node's `io.of(..)`; from [`Bus::of`](crate::Bus::of). It says what socketioxide's own
/// operators cannot: sockets with all that is known of them, also those of Node servers; who did not answer; events from
/// server to server.
///
/// ```
/// # async fn run(bus: roomcast_adapter::Bus) -> Option<()> {
/// use std::time::Duration;
///
/// let chat = bus.of("/chat")?;
/// chat.to("paris").except("muted").emit("news", &("title", 42)).ok()?;
///
/// let found = chat.to("paris").fetch_sockets().await;
/// for socket in &found.items {
///     println!("{} is in {:?}", socket.id, socket.rooms);
/// }
/// if !found.missing.is_none() {
///     println!("no answer from {:?}", found.missing.nodes);
/// }
///
/// let acks = chat.to("paris").timeout(Duration::from_secs(2)).emit_with_ack("ping", &()).await.ok()?;
/// println!("{} of {} have answered", acks.replies.len(), acks.expected);
///
/// chat.on_server_side_emit("sum", |event| {
///     let sum: u64 = event.arguments().iter().filter_map(|n| n.as_u64()).sum();
///     event.answer(&sum).ok();
/// });
/// let sums = chat.server_side_emit_with_ack("sum", &(1, 2)).await.ok()?;
/// println!("{:?}", sums.items.iter().map(|reply| reply.value()).collect::<Vec<_>>());
/// # Some(()) }
/// ```
#[derive(Debug, Clone)]
pub struct Namespace {
    adapter: Arc<Adapter>,
}

impl Namespace {
    pub(crate) fn new(adapter: Arc<Adapter>) -> Self {
        Self { adapter }
    }

    /// All sockets.
    pub fn all(&self) -> Operator {
        Operator::with(Arc::clone(&self.adapter), to_rooms([], []))
    }

    /// The sockets in a room; a socket's id is the room that it is alone in.
    pub fn to(&self, room: impl Into<String>) -> Operator {
        self.all().to(room)
    }

    /// All sockets but those in a room.
    pub fn except(&self, room: impl Into<String>) -> Operator {
        self.all().except(room)
    }

    /// The rooms that sockets are in, those of single sockets included, each once.
    pub async fn all_rooms(&self) -> Answers<String> {
        let mut rooms: HashSet<String> = self.adapter.rooms_here().into_iter().collect();
        // Sharded servers know no such question, but what their sockets are in.
        if self.adapter.protocol().mode != Mode::Classic {
            let sockets = self.all().fetch_sockets().await;
            rooms.extend(sockets.items.into_iter().flat_map(|socket| socket.rooms));
            return Answers { items: rooms.into_iter().collect(), missing: sockets.missing };
        }
        let question = |id: &str| self.adapter.protocol().request(Some(id), Request::AllRooms);
        let asked = collect(&self.adapter, Asked::AllRooms, None, question, |answer| {
            if let Answer::Rooms(more) = answer {
                rooms.extend(more);
            }
        })
        .await;
        // A question without parts can always be written.
        Answers { items: rooms.into_iter().collect(), missing: asked.unwrap_or_default() }
    }

    /// Sends an event to the other servers, as Node's `serverSideEmit`; no client gets it.
    ///
    /// # Errors
    /// [`EmitError`] if the data cannot be encoded.
    pub fn server_side_emit<T: Serialize + ?Sized>(&self, name: &str, data: &T) -> Result<(), EmitError> {
        let packet = packet(&self.adapter, name, data)?;
        let (json, attachments) = event(&packet)?;
        if !self.adapter.bus().is_alone() {
            let none = VecDeque::new();
            let attachments = attachments.unwrap_or(&none);
            self.adapter.bus().publish(self.adapter.protocol().server_side_emit(None, json, attachments)?);
        }
        Ok(())
    }

    /// The same, and collects the other servers' answers. Servers that have no handler for the event do not answer.
    ///
    /// # Errors
    /// As [`server_side_emit`](Self::server_side_emit).
    pub async fn server_side_emit_with_ack<T: Serialize + ?Sized>(
        &self,
        name: &str,
        data: &T,
    ) -> Result<Answers<Reply>, EmitError> {
        let packet = packet(&self.adapter, name, data)?;
        let (json, attachments) = event(&packet)?;
        let none = VecDeque::new();
        let attachments = attachments.unwrap_or(&none);
        let question = |id: &str| self.adapter.protocol().server_side_emit(Some(id), json, attachments);
        let mut replies = Vec::new();
        let missing = collect(&self.adapter, Asked::ServerSideEmit, None, question, |answer| {
            if let Answer::ServerSideEmit(data) = answer {
                replies.push(Reply::new(data));
            }
        })
        .await?;
        Ok(Answers { items: replies, missing })
    }

    /// Handles an event that other servers send with `serverSideEmit`, in place of who handled it before. The handler is
    /// called on the task that reads the bus, so it must return at once; it may spawn.
    pub fn on_server_side_emit(
        &self,
        name: impl Into<String>,
        handler: impl Fn(ServerEvent) + Send + Sync + 'static,
    ) {
        self.adapter.handlers().set(name.into(), Arc::new(handler));
    }

    /// How many servers have the namespace, this one included; `None` if Redis cannot be asked.
    pub async fn server_count(&self) -> Option<u64> {
        let counted = [self.adapter.protocol().counted().clone()];
        self.adapter.bus().count(&counted).await.map(|counts| counts.first().copied().unwrap_or(0).max(1))
    }
}
