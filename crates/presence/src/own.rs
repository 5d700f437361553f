//! The sockets of this node, and the members that they are.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;
use std::sync::Arc;

use crate::member::{Info, Who};

/// A member of a room.
pub(crate) type Place = (Arc<str>, Who);

#[derive(Debug)]
pub(crate) struct Own<S> {
    pub(crate) sockets: HashMap<S, Socket>,
    pub(crate) members: HashMap<Place, Held>,
    /// Members without sockets, by the time when they go.
    pub(crate) lingering: BTreeSet<(u64, Place)>,
}

/// A socket of this node.
#[derive(Debug)]
pub(crate) struct Socket {
    pub(crate) who: Who,
    pub(crate) info: Option<Info>,
    /// Its rooms; whether it counts there: with too many entries it does not.
    pub(crate) rooms: HashMap<Arc<str>, bool>,
}

/// A member by what this node knows.
#[derive(Debug, Default)]
pub(crate) struct Held {
    /// How many sockets it has in the room.
    pub(crate) sockets: u32,
    /// It has none any more, and goes then.
    pub(crate) until: Option<u64>,
}

impl<S> Default for Own<S> {
    fn default() -> Self {
        Self { sockets: HashMap::new(), members: HashMap::new(), lingering: BTreeSet::new() }
    }
}

/// What has become of a member when one of its sockets has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Left {
    Stays,
    Lingers,
    Goes,
}

impl<S: Copy + Eq + Hash> Own<S> {
    /// One more socket of a member that is known. `false` if it is not.
    pub(crate) fn again(&mut self, place: &Place) -> bool {
        let Some(held) = self.members.get_mut(place) else { return false };
        held.sockets += 1;
        if let Some(until) = held.until.take() {
            self.lingering.remove(&(until, place.clone()));
        }
        true
    }

    /// One socket less. A member without sockets goes, unless it has `until`: then it goes at that time.
    pub(crate) fn leave(&mut self, place: &Place, until: Option<u64>) -> Left {
        let Some(held) = self.members.get_mut(place) else { return Left::Stays };
        held.sockets = held.sockets.saturating_sub(1);
        if held.sockets > 0 {
            return Left::Stays;
        }
        match until {
            Some(until) => {
                held.until = Some(until);
                self.lingering.insert((until, place.clone()));
                Left::Lingers
            }
            None => {
                self.members.remove(place);
                Left::Goes
            }
        }
    }

    /// The members whose time is over.
    pub(crate) fn expired(&mut self, now: u64) -> Vec<Place> {
        let mut expired = Vec::new();
        while self.lingering.first().is_some_and(|(until, _)| *until <= now) {
            let Some((_, place)) = self.lingering.pop_first() else { break };
            self.members.remove(&place);
            expired.push(place);
        }
        expired
    }
}
