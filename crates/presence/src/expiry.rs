//! What goes by itself: users who do not come back, and nodes that are gone.

use std::collections::HashSet;
use std::hash::Hash;

use crate::member::Who;
use crate::own::Place;
use crate::room::OWN;
use crate::roster::Roster;
use crate::settings::DIGEST_MS;

impl<S: Copy + Eq + Hash> Roster<S> {
    /// Which nodes there are, and since when that can be relied on: `None` while the node hears nothing of the others. What
    /// others had said then stays, whoever may be gone.
    pub fn nodes(&mut self, alive: HashSet<String>, settled_at: Option<u64>) {
        (self.alive, self.settled_at) = (alive, settled_at);
    }

    /// Lets go who has gone by now. `at` is the time in milliseconds since 1970.
    pub fn expire(&mut self, now: u64, at: u64) {
        self.expire_members(now);
        self.expire_nodes(now);
        self.fill(now, at);
    }

    fn expire_members(&mut self, now: u64) {
        for place in self.own.expired(now) {
            self.entries -= 1;
            self.outgoing.changed(now, place.clone());
            self.release(now, &place, OWN);
        }
    }

    fn expire_nodes(&mut self, now: u64) {
        let Some(settled_at) = self.settled_at else {
            self.peers.values_mut().for_each(|peer| peer.gone_at = None);
            return;
        };
        let linger = self.settings.linger_ms;
        let mut dead = Vec::new();
        for (node, peer) in &mut self.peers {
            if self.alive.contains(node) {
                peer.gone_at = None;
                continue;
            }
            peer.gone_at.get_or_insert(now);
            if peer.goes_at(linger, settled_at).is_some_and(|at| at <= now) {
                dead.push(node.clone());
            }
        }
        for node in dead {
            let Some(peer) = self.peers.remove(&node) else { continue };
            self.entries -= peer.held.len();
            for place in peer.held.into_keys() {
                self.release(now, &place, peer.holder);
            }
        }
    }

    /// What was not kept for want of space is fetched when there is space again.
    fn fill(&mut self, now: u64, at: u64) {
        let most = self.settings.max_entries;
        if !self.is_cut || self.entries >= most - most / 10 {
            return;
        }
        self.is_cut = false;
        self.join_uncounted(now, at);
        for (node, peer) in &mut self.peers {
            if std::mem::take(&mut peer.is_cut) {
                peer.doubt();
                self.outgoing.ask(node);
            }
        }
    }

    /// Whether a node that should be there has missed a digest: it may be gone, and the cluster does not know yet.
    #[must_use]
    pub fn misses_a_node(&self, now: u64) -> bool {
        let silent = |heard_at: u64| heard_at + DIGEST_MS + DIGEST_MS / 2 <= now;
        self.settled_at.is_some_and(silent)
            && self.peers.values().any(|peer| peer.gone_at.is_none() && silent(peer.heard_at))
    }

    /// When the next node goes, as far as that is known.
    pub(crate) fn node_goes_at(&self) -> Option<u64> {
        let settled_at = self.settled_at?;
        self.peers.values().filter_map(|peer| peer.goes_at(self.settings.linger_ms, settled_at)).min()
    }

    /// A member whose last socket has left at `now` stays until then. A socket's own id never comes back.
    pub(crate) fn lingers_until(&self, now: u64, place: &Place) -> Option<u64> {
        let is_user = matches!(place.1, Who::User(_));
        (is_user && self.settings.linger_ms > 0).then(|| now + self.settings.linger_ms)
    }
}
