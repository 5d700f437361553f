//! What this node has to tell the others.

use std::collections::HashSet;
use std::vec::IntoIter;

use crate::message::{Body, Entry, Key, Message};
use crate::own::Place;
use crate::roster::Roster;
use crate::settings::{ASK_MS, DIGEST_MS, MAX_BATCH, MAX_CHANGED, PACE_MS, PUBLISH_MS};

#[derive(Debug)]
pub(crate) struct Outgoing {
    /// How many messages with changes there were.
    seq: u64,
    /// Members that have come or gone since. Which of the two is looked up when it is told.
    changed: HashSet<Place>,
    /// There were too many of them.
    is_cut: bool,
    changes_at: Option<u64>,
    digest_at: u64,
    /// How many whole states were told.
    states: u64,
    telling: Option<Telling>,
    telling_at: Option<u64>,
    told_at: Option<u64>,
    asks: HashSet<String>,
    asks_all: bool,
}

/// All members of this node, on their way to the others.
#[derive(Debug)]
struct Telling {
    state: u64,
    part: u32,
    rest: IntoIter<Place>,
}

impl Default for Outgoing {
    /// Who has just come knows nothing.
    fn default() -> Self {
        Self {
            seq: 0,
            changed: HashSet::new(),
            is_cut: false,
            changes_at: None,
            digest_at: 0,
            states: 0,
            telling: None,
            telling_at: None,
            told_at: None,
            asks: HashSet::new(),
            asks_all: true,
        }
    }
}

impl Outgoing {
    /// A member of this node has come or gone.
    pub(crate) fn changed(&mut self, now: u64, place: Place) {
        if !self.is_cut {
            self.changed.insert(place);
            if self.changed.len() > MAX_CHANGED {
                (self.changed, self.is_cut) = (HashSet::new(), true);
            }
        }
        self.changes_at.get_or_insert(now + PUBLISH_MS);
    }

    /// Somebody asks for all that this node has.
    pub(crate) fn tell_all(&mut self, now: u64) {
        let earliest = self.told_at.map_or(now, |told| now.max(told + ASK_MS));
        self.telling_at.get_or_insert(earliest);
    }

    /// A node is to be asked for all that it has.
    pub(crate) fn ask(&mut self, node: &str) {
        self.asks.insert(node.to_owned());
    }

    /// When there is something to send.
    pub(crate) fn due(&self) -> u64 {
        if self.asks_all || !self.asks.is_empty() {
            return 0;
        }
        let others = [self.changes_at, self.telling_at].into_iter().flatten().min();
        others.map_or(self.digest_at, |at| at.min(self.digest_at))
    }
}

impl<S: Copy + Eq + std::hash::Hash> Roster<S> {
    /// What is to be published by now, in this order.
    pub fn outgoing(&mut self, now: u64) -> Vec<Message> {
        let mut messages = Vec::new();
        if self.outgoing.changes_at.is_some_and(|at| at <= now) {
            self.tell_changes(&mut messages);
        }
        if self.outgoing.telling_at.is_some_and(|at| at <= now) {
            self.tell_part(now, &mut messages);
        }
        let out = &mut self.outgoing;
        if std::mem::take(&mut out.asks_all) {
            out.asks.clear();
            messages.push(self.message(Body::Ask { to: Vec::new() }));
        } else if !out.asks.is_empty() {
            let asks: Vec<String> = out.asks.drain().collect();
            for to in asks.chunks(MAX_BATCH) {
                self.stats.asked += to.len() as u64;
                messages.push(self.message(Body::Ask { to: to.to_vec() }));
            }
        }
        if self.outgoing.digest_at <= now {
            self.outgoing.digest_at = now + DIGEST_MS;
            messages.push(self.message(Body::Digest));
        }
        messages
    }

    fn message(&self, body: Body) -> Message {
        Message { from: self.node.clone(), seq: self.outgoing.seq, body }
    }

    fn entry(&self, (room, who): &Place) -> Option<Entry> {
        let (since, info) = self.rooms.get(room)?.own(who)?;
        Some(Entry::new(room, who, since, info))
    }

    fn tell_changes(&mut self, messages: &mut Vec<Message>) {
        self.outgoing.changes_at = None;
        if std::mem::take(&mut self.outgoing.is_cut) {
            // Nobody gets this number, so all will ask.
            self.outgoing.seq += 1;
            return;
        }
        let changed: Vec<Place> = std::mem::take(&mut self.outgoing.changed).into_iter().collect();
        for places in changed.chunks(MAX_BATCH) {
            let (mut join, mut leave) = (Vec::new(), Vec::new());
            for place in places {
                match self.entry(place) {
                    Some(entry) => join.push(entry),
                    None => leave.push(Key::new(&place.0, &place.1)),
                }
            }
            self.outgoing.seq += 1;
            messages.push(self.message(Body::Changes { join, leave }));
        }
    }

    /// Sends a part of all that this node has. Between the parts changes go out as always: each part is what is true when
    /// it is sent, so whoever takes all in order has what is true in the end. Changes that are told later than a part that has
    /// them already change nothing.
    fn tell_part(&mut self, now: u64, messages: &mut Vec<Message>) {
        let Telling { state, part, mut rest } = match self.outgoing.telling.take() {
            Some(telling) => telling,
            None => {
                self.outgoing.states += 1;
                self.outgoing.told_at = Some(now);
                let rest = self.own.members.keys().cloned().collect::<Vec<_>>().into_iter();
                Telling { state: self.outgoing.states, part: 0, rest }
            }
        };
        let entries = rest.by_ref().take(MAX_BATCH).filter_map(|place| self.entry(&place)).collect();
        let last = rest.len() == 0;
        messages.push(self.message(Body::State { state, part, last, entries }));
        if last {
            self.outgoing.telling_at = None;
        } else {
            self.outgoing.telling = Some(Telling { state, part: part + 1, rest });
            self.outgoing.telling_at = Some(now + PACE_MS);
        }
    }
}
