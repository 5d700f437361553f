//! The task of one namespace: it alone tells clients and the other nodes.

use std::collections::HashSet;
use std::time::Duration;

use roomcast_adapter::BusState;
use roomcast_presence::{Audience, News, Stats, Told};
use serde_json::Value;
use socketioxide_core::Sid;
use socketioxide_core::adapter::{BroadcastFlags, BroadcastOptions, Room};
use socketioxide_core::packet::Packet;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

use super::{Presence, since_1970};
use crate::metrics::PresenceDrop;
use crate::sockets::{Ack, Arguments};

/// The event by which clients hear who comes and goes.
const EVENT: &str = "presence";

/// Shortest time from one look at the registry because of a silent node to the next, in milliseconds.
const LOOK_MS: u64 = 4_000;

/// A client wants to know who is in a room.
pub(super) struct Question {
    sid: Sid,
    room: String,
    reply: Value,
    ack: Ack,
    /// Dropped when it is answered.
    done: oneshot::Sender<()>,
}

/// What is to be done for a namespace for as long as the node runs.
#[derive(Debug)]
pub(crate) struct Work {
    presence: Presence,
    questions: mpsc::Receiver<Question>,
    /// Since when the node hears the others.
    settled_at: Option<u64>,
    counted: Stats,
    /// When the registry was looked at because of a silent node.
    looked_at: Option<u64>,
}

impl Presence {
    /// Answers with `reply`, to which `presence` is added: who is in the room. What the client hears afterwards follows on
    /// that. Resolves when it is done.
    pub(crate) async fn answer(&self, sid: Sid, room: String, reply: Value, ack: Ack) {
        let (done, is_done) = oneshot::channel();
        let question = Question { sid, room, reply, ack, done };
        match self.inner.questions.send(question).await {
            Ok(()) => drop(is_done.await),
            // The node stops. What there is is told all the same.
            Err(mpsc::error::SendError(question)) => question.ack.send(question.reply),
        }
    }
}

impl Work {
    pub(super) fn new(presence: Presence, questions: mpsc::Receiver<Question>) -> Self {
        Self { presence, questions, settled_at: None, counted: Stats::default(), looked_at: None }
    }

    /// Works until it is dropped. The namespace must be there.
    pub(crate) async fn run(mut self) {
        let presence = self.presence.clone();
        presence.listen();
        let (mut nodes, mut status) = (presence.inner.bus.nodes(), presence.inner.bus.status());
        loop {
            self.look_at_nodes();
            self.turn();
            let due = presence.roster().due();
            let due = presence.inner.began + Duration::from_millis(due);
            tokio::select! {
                question = self.questions.recv() => match question {
                    Some(question) => self.answer(question),
                    // There is a sender for as long as there is this.
                    None => return,
                },
                () = presence.inner.wake.notified() => {}
                () = sleep_until(due.max(Instant::now())) => {}
                Ok(()) = nodes.changed() => {}
                Ok(()) = status.changed() => {}
            }
        }
    }

    /// Who is there, if that is known. While Redis is away nobody can be said to be gone; and when it is back the registry
    /// fills only by and by.
    fn look_at_nodes(&mut self) {
        let bus = &self.presence.inner.bus;
        let state = bus.status().borrow().state;
        let is_settled = matches!(state, BusState::Connected | BusState::Memory);
        self.settled_at = is_settled.then(|| self.settled_at.unwrap_or_else(|| self.presence.now()));
        let nodes = bus.nodes();
        let alive: HashSet<String> = nodes.borrow().iter().map(|node| node.id.clone()).collect();
        self.presence.roster().nodes(alive, self.settled_at);
    }

    /// Does what is due.
    fn turn(&mut self) {
        let presence = &self.presence;
        let now = presence.now();
        let (messages, told, entries, stats, misses_a_node) = {
            let mut roster = presence.roster();
            roster.expire(now, since_1970());
            let misses_a_node = roster.misses_a_node(now);
            (roster.outgoing(now), roster.flush(now), roster.entries(), roster.stats(), misses_a_node)
        };
        // Else that would wait for the next heartbeat of this node.
        if misses_a_node && self.looked_at.is_none_or(|looked| looked + LOOK_MS <= now) {
            self.looked_at = Some(now);
            presence.inner.bus.look_at_nodes();
        }
        presence.publish(&messages);
        told.into_iter().for_each(|told| self.tell(told));
        let metrics = &presence.inner.metrics;
        metrics.members.set(entries.try_into().unwrap_or(i64::MAX));
        metrics.dropped(PresenceDrop::MaxEntries, stats.dropped - self.counted.dropped);
        metrics.asked.inc_by(stats.asked - self.counted.asked);
        self.counted = stats;
    }

    fn answer(&self, Question { sid, room, mut reply, ack, done }: Question) {
        let snapshot = self.presence.snapshot(sid, &room);
        reply["presence"] = serde_json::to_value(snapshot).unwrap_or_default();
        ack.send(reply);
        drop(done);
    }

    fn tell(&self, told: Told<Sid>) {
        let inner = &self.presence.inner;
        let Some(adapter) = inner.bus.adapter(&inner.path) else { return };
        let Ok(arguments) = Arguments::one(&told) else { return };
        inner.metrics.told.inc_by(match &told.news {
            News::Changes { joined, left } => (joined.len() + left.len()) as u64,
            News::Members(_) | News::Count => 1,
        });
        let rooms = |sids: Vec<Sid>| sids.into_iter().map(|sid| Room::Owned(sid.to_string()));
        let mut opts = BroadcastOptions::default();
        opts.add_flag(BroadcastFlags::Broadcast);
        match told.to {
            Audience::Room { except } => {
                opts.rooms.push(Room::Owned(told.room.to_string()));
                opts.except.extend(rooms(except));
            }
            Audience::Only(sids) => opts.rooms.extend(rooms(sids)),
        }
        let packet = Packet::event(adapter.local().path().clone(), arguments.into_event_value(EVENT));
        // Clients that could not take it are counted by the adapter.
        adapter.emit_local(packet, opts);
    }
}
