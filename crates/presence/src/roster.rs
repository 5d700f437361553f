//! Who is in which room of one namespace, on all nodes.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::hash::Hash;
use std::sync::Arc;

use serde::Serialize;

use crate::journal::Told;
use crate::member::{Info, Member, Who};
use crate::outgoing::Outgoing;
use crate::own::{Held, Left, Own, Place, Socket};
use crate::peer::Peer;
use crate::room::{Holder, OWN, Room};
use crate::settings::{MAX_NAME_BYTES, Settings};

/// The members of one namespace; see the [crate](crate). `S` is a socket of this node.
#[derive(Debug)]
pub struct Roster<S> {
    pub(crate) node: String,
    pub(crate) settings: Settings,
    pub(crate) rooms: HashMap<Arc<str>, Room<S>>,
    pub(crate) own: Own<S>,
    pub(crate) peers: HashMap<String, Peer>,
    pub(crate) last_holder: Holder,
    pub(crate) outgoing: Outgoing,
    /// Rooms by the time when their clients are to be told.
    flushes: BTreeSet<(u64, Arc<str>)>,
    /// The members of this node and of each other one, all together.
    pub(crate) entries: usize,
    /// Some were not kept.
    pub(crate) is_cut: bool,
    pub(crate) alive: HashSet<String>,
    pub(crate) settled_at: Option<u64>,
    pub(crate) stats: Stats,
}

/// Numbers since the beginning.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Members that were not kept: there were too many.
    pub dropped: u64,
    /// Nodes that were asked for all that they have, since something of them was missed.
    pub asked: u64,
    /// Whole answers to that.
    pub resyncs: u64,
}

/// Who is in a room now.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Snapshot {
    /// How many.
    pub count: usize,
    /// Who, those who came first first; `None` if there are too many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub members: Option<Vec<Member>>,
}

impl<S: Copy + Eq + Hash> Roster<S> {
    /// A roster of this node, without anybody.
    #[must_use]
    pub fn new(node: impl Into<String>, settings: Settings) -> Self {
        Self {
            node: node.into(),
            settings,
            rooms: HashMap::new(),
            own: Own::default(),
            peers: HashMap::new(),
            last_holder: OWN,
            outgoing: Outgoing::default(),
            flushes: BTreeSet::new(),
            entries: 0,
            is_cut: false,
            alive: HashSet::new(),
            settled_at: None,
            stats: Stats::default(),
        }
    }

    /// A client of this node has connected; it is in no room yet.
    pub fn enter(&mut self, socket: S, who: Who, info: Option<Info>) {
        let new = || Socket { who, info, rooms: HashMap::new() };
        self.own.sockets.entry(socket).or_insert_with(new);
    }

    /// These are the rooms that the socket is in; whatever it was in before, it has left of its own will. Nothing happens
    /// to sockets that have not entered, or are gone. `at` is the time in milliseconds since 1970.
    pub fn sync<'a>(&mut self, now: u64, at: u64, socket: S, rooms: impl IntoIterator<Item = &'a str>) {
        let Some(mut known) = self.own.sockets.remove(&socket) else { return };
        let rooms: HashSet<&str> = rooms.into_iter().filter(|room| room.len() <= MAX_NAME_BYTES).collect();
        let left: Vec<Arc<str>> =
            known.rooms.keys().filter(|room| !rooms.contains(&***room)).cloned().collect();
        for room in left {
            let counts = known.rooms.remove(&room).unwrap_or_default();
            self.leave_own(now, socket, (room, known.who.clone()), counts, None);
        }
        for name in rooms {
            match known.rooms.get_mut(name) {
                Some(true) => {}
                // There may be space now.
                Some(counts) => {
                    let place = (self.name_of(name), known.who.clone());
                    *counts = self.join_own(now, at, &place, known.info.as_ref());
                    self.know(socket, name, true);
                }
                None => {
                    let place = (self.name_of(name), known.who.clone());
                    self.rooms.entry(Arc::clone(&place.0)).or_default().receivers += 1;
                    let counts = self.join_own(now, at, &place, known.info.as_ref());
                    // It knows of itself.
                    self.know(socket, &place.0, true);
                    known.rooms.insert(place.0, counts);
                }
            }
        }
        self.own.sockets.insert(socket, known);
    }

    /// A client of this node was disconnected. If it is a user it stays for a while, if it has no other socket.
    pub fn gone(&mut self, now: u64, socket: S) {
        let Some(Socket { who, rooms, .. }) = self.own.sockets.remove(&socket) else { return };
        for (room, counts) in rooms {
            let place = (room, who.clone());
            let until = self.lingers_until(now, &place);
            self.leave_own(now, socket, place, counts, until);
        }
    }

    /// Who is in the room. What follows on this is told to `socket`, and nothing that is in here.
    pub fn snapshot(&mut self, socket: Option<S>, room: &str) -> Snapshot {
        let count = self.count(room);
        let is_listed = count <= self.settings.max_listed;
        if let Some(socket) = socket {
            self.know(socket, room, is_listed);
        }
        let members = is_listed.then(|| self.rooms.get(room).map(Room::list).unwrap_or_default());
        Snapshot { count, members }
    }

    /// How many members the room has.
    #[must_use]
    pub fn count(&self, room: &str) -> usize {
        self.rooms.get(room).map_or(0, Room::count)
    }

    /// How many entries there are, in all rooms.
    #[must_use]
    pub fn entries(&self) -> usize {
        self.entries
    }

    /// The numbers of now.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.stats
    }

    /// What clients are to be told by now.
    pub fn flush(&mut self, now: u64) -> Vec<Told<S>> {
        let mut told = Vec::new();
        while self.flushes.first().is_some_and(|(at, _)| *at <= now) {
            let Some((_, name)) = self.flushes.pop_first() else { break };
            let Some(room) = self.rooms.get_mut(&name) else { continue };
            let mut journal = std::mem::take(&mut room.journal);
            let count = room.count();
            match journal.take(now, self.settings.max_listed, count, || room.list()) {
                Ok(news) => {
                    let of = |(to, news)| Told { room: Arc::clone(&name), to, news, count };
                    told.extend(news.into_iter().map(of));
                }
                Err(again) => {
                    self.flushes.insert((again, Arc::clone(&name)));
                }
            }
            room.journal = journal;
        }
        told
    }

    /// When there is something to do again.
    #[must_use]
    pub fn due(&self) -> u64 {
        let flush = self.flushes.first().map(|(at, _)| *at);
        let linger = self.own.lingering.first().map(|(at, _)| *at);
        let next = [flush, linger, self.node_goes_at()].into_iter().flatten().min();
        next.map_or(self.outgoing.due(), |at| at.min(self.outgoing.due()))
    }

    /// The name as it is kept already, if it is.
    pub(crate) fn name_of(&self, room: &str) -> Arc<str> {
        self.rooms.get_key_value(room).map_or_else(|| room.into(), |(name, _)| Arc::clone(name))
    }

    /// Whether one more entry may be kept; counted if not.
    pub(crate) fn has_space(&mut self) -> bool {
        let has_space = self.entries < self.settings.max_entries;
        if !has_space {
            self.is_cut = true;
            self.stats.dropped += 1;
        }
        has_space
    }

    /// A node has a member.
    pub(crate) fn hold(&mut self, now: u64, place: &Place, holder: Holder, since: u64, info: Option<Info>) {
        let (name, who) = place;
        let room = self.rooms.entry(Arc::clone(name)).or_default();
        if room.hold(who, holder, since, info)
            && let Some(member) = room.shown(who)
        {
            self.note(now, name, member, true);
        }
    }

    /// A node has a member no more.
    pub(crate) fn release(&mut self, now: u64, place: &Place, holder: Holder) {
        let (name, who) = place;
        let Some(room) = self.rooms.get_mut(name) else { return };
        if let Some(member) = room.release(who, holder) {
            self.note(now, name, member, false);
        }
        self.forget_if_over(name);
    }

    fn note(&mut self, now: u64, name: &Arc<str>, member: Member, has_come: bool) {
        let Some(room) = self.rooms.get_mut(name) else { return };
        if room.receivers > 0
            && let Some(due) = room.journal.note(now, member, has_come, self.settings.max_listed)
        {
            self.flushes.insert((due, Arc::clone(name)));
        }
    }

    fn know(&mut self, socket: S, room: &str, has_list: bool) {
        if let Some(room) = self.rooms.get_mut(room) {
            room.journal.knows(socket, has_list, self.settings.max_listed);
        }
    }

    /// A socket of this node has joined. Whether it counts.
    fn join_own(&mut self, now: u64, at: u64, place: &Place, info: Option<&Info>) -> bool {
        if self.own.again(place) {
            return true;
        }
        if !self.has_space() {
            return false;
        }
        self.entries += 1;
        self.own.members.insert(place.clone(), Held { sockets: 1, until: None });
        // Who comes over from another node has been here all the time.
        let since =
            self.rooms.get(&place.0).and_then(|room| room.since(&place.1)).map_or(at, |since| since.min(at));
        self.hold(now, place, OWN, since, info.cloned());
        self.outgoing.changed(now, place.clone());
        true
    }

    /// Those who joined when there was no space.
    pub(crate) fn join_uncounted(&mut self, now: u64, at: u64) {
        let mut sockets = std::mem::take(&mut self.own.sockets);
        for (socket, known) in &mut sockets {
            for (room, counts) in known.rooms.iter_mut().filter(|(_, counts)| !**counts) {
                let place = (Arc::clone(room), known.who.clone());
                *counts = self.join_own(now, at, &place, known.info.as_ref());
                self.know(*socket, room, true);
            }
        }
        self.own.sockets = sockets;
    }

    fn leave_own(&mut self, now: u64, socket: S, place: Place, counts: bool, until: Option<u64>) {
        if let Some(room) = self.rooms.get_mut(&place.0) {
            room.receivers = room.receivers.saturating_sub(1);
            room.journal.forget(socket);
            if room.receivers == 0 {
                room.journal.clear();
            }
        }
        if counts && self.own.leave(&place, until) == Left::Goes {
            self.entries -= 1;
            self.release(now, &place, OWN);
            self.outgoing.changed(now, place);
        } else {
            self.forget_if_over(&place.0);
        }
    }

    fn forget_if_over(&mut self, name: &Arc<str>) {
        if self.rooms.get(name).is_some_and(Room::is_over) {
            self.rooms.remove(name);
        }
    }
}
