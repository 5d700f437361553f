//! What other nodes say.

use std::hash::Hash;

use crate::message::{Body, Entry, Key, Malformed, Message};
use crate::own::Place;
use crate::peer::{Part, Peer};
use crate::roster::Roster;
use crate::settings::MAX_NODES;

impl<S: Copy + Eq + Hash> Roster<S> {
    /// Takes a message of another node. Rooms that `accepts` does not are left out.
    ///
    /// # Errors
    /// [`Malformed`] for what no node would say; it is ignored.
    pub fn receive(
        &mut self,
        now: u64,
        message: Message,
        accepts: impl Fn(&str) -> bool,
    ) -> Result<(), Malformed> {
        message.check()?;
        let Message { from, seq, body } = message;
        if from == self.node {
            return Ok(());
        }
        if !self.peers.contains_key(&from) {
            if self.peers.len() >= MAX_NODES {
                return Err(Malformed::Nodes);
            }
            self.last_holder += 1;
            self.peers.insert(from.clone(), Peer::new(self.last_holder, now));
        }
        // Taken out for as long as rooms are changed by what it says.
        let Some(mut peer) = self.peers.remove(&from) else { return Ok(()) };
        peer.heard_at = now;
        match body {
            Body::Changes { join, leave } => {
                if peer.follows(seq) {
                    self.leave(now, &mut peer, leave);
                    self.join(now, &mut peer, join, &accepts);
                }
            }
            Body::Digest => peer.digest(now, seq),
            Body::Ask { to } => {
                peer.digest(now, seq);
                if to.is_empty() || to.contains(&self.node) {
                    self.outgoing.tell_all(now);
                }
            }
            Body::State { state, part, last, entries } => {
                if peer.part(now, seq, state, part) == Part::Apply {
                    if part == 0 {
                        peer.is_cut = false;
                    }
                    self.join(now, &mut peer, entries, &accepts);
                    if last {
                        self.sweep(now, &mut peer, state);
                        self.stats.resyncs += 1;
                        peer.is_told();
                    }
                }
            }
        }
        if peer.ask(now) {
            self.outgoing.ask(&from);
        }
        self.peers.insert(from, peer);
        Ok(())
    }

    fn join(&mut self, now: u64, peer: &mut Peer, entries: Vec<Entry>, accepts: &impl Fn(&str) -> bool) {
        let state = peer.state();
        for mut entry in entries {
            let Some(who) = entry.key.who().filter(|_| accepts(&entry.key.room)) else { continue };
            let place: Place = (self.name_of(&entry.key.room), who);
            if !peer.held.contains_key(&place) && !self.has_space() {
                peer.is_cut = true;
                continue;
            }
            let info = entry.shown(&self.settings.info);
            if peer.held.insert(place.clone(), state).is_none() {
                self.entries += 1;
            }
            self.hold(now, &place, peer.holder, entry.since, info);
        }
    }

    fn leave(&mut self, now: u64, peer: &mut Peer, keys: Vec<Key>) {
        for key in keys {
            let Some(who) = key.who() else { continue };
            let place: Place = (self.name_of(&key.room), who);
            if peer.held.remove(&place).is_some() {
                self.entries -= 1;
                self.release(now, &place, peer.holder);
            }
        }
    }

    /// It has told all: whatever it did not tell is not there any more.
    fn sweep(&mut self, now: u64, peer: &mut Peer, state: u64) {
        let gone: Vec<Place> =
            peer.held.extract_if(|_, told| *told != state).map(|(place, _)| place).collect();
        self.entries -= gone.len();
        for place in gone {
            self.release(now, &place, peer.holder);
        }
    }
}
