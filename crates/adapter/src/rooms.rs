//! Which rooms have a channel of their own, in the modes of sharded Pub/Sub where that depends on who is in them.
//!
//! socketioxide tells its adapter neither who joins nor who leaves. What is asked is therefore not what has happened, but
//! who is in the room now: after anything that may have changed that, for the rooms concerned, or for all of them where
//! it is not known which.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::adapter::Adapter;
use crate::protocol::{Mode, SubscriptionMode};
use crate::routes::Routes;

/// Rooms to look at.
#[derive(Debug, Default)]
pub(crate) struct Suspects {
    rooms: Mutex<Pending>,
}

#[derive(Debug, Default)]
struct Pending {
    some: HashSet<String>,
    all: bool,
    /// Those that were taken are being looked at.
    looking: bool,
}

/// Beyond this many it is cheaper to go through all.
const SOME: usize = 10_000;

impl Suspects {
    pub(crate) fn add(&self, rooms: impl IntoIterator<Item = String>) {
        let mut pending = self.rooms.lock().unwrap_or_else(PoisonError::into_inner);
        if pending.all {
            return;
        }
        pending.some.extend(rooms);
        if pending.some.len() > SOME {
            pending.some = HashSet::new();
            pending.all = true;
        }
    }

    pub(crate) fn add_all(&self) {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner).all = true;
    }

    /// Whether a room is still to be looked at.
    pub(crate) fn is_pending(&self, room: &str) -> bool {
        let pending = self.rooms.lock().unwrap_or_else(PoisonError::into_inner);
        pending.all || pending.looking || pending.some.contains(room)
    }

    fn take(&self) -> Pending {
        let mut pending = self.rooms.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *pending, Pending { looking: true, ..Pending::default() })
    }

    fn done(&self) {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner).looking = false;
    }
}

/// socketioxide asks for its rooms before it changes them, so who looks at once may be too early: it is looked again so
/// much later.
const AGAIN: [Duration; 2] = [Duration::from_millis(50), Duration::from_secs(1)];

/// Looks at the rooms whenever `changed` says that there is something to look at, and, unless rooms `are_told`, again
/// when it has been quiet for a while.
pub(crate) async fn watch(routes: Arc<Routes>, changed: Arc<Notify>, are_told: bool) {
    let pauses: &[Duration] = if are_told { &[] } else { &AGAIN };
    let mut again = [].iter();
    loop {
        let quiet = match again.next() {
            Some(pause) => tokio::time::timeout(*pause, changed.notified()).await.is_err(),
            None => {
                changed.notified().await;
                false
            }
        };
        if quiet {
            routes.all().iter().for_each(|adapter| adapter.suspects().add_all());
        } else {
            again = pauses.iter();
        }
        let mut longest = Duration::ZERO;
        for adapter in routes.all() {
            let Pending { some, all, .. } = adapter.suspects().take();
            let began = Instant::now();
            if all {
                look_at_all(&adapter, &routes);
            } else if !some.is_empty() {
                look_at(&adapter, &routes, some);
            }
            adapter.suspects().done();
            longest += began.elapsed();
        }
        // Who waits for a room that needs no channel waits for this.
        routes.tell_those_who_wait();
        // Never more than a small part of the node's time.
        tokio::time::sleep((longest * 20).max(Duration::from_millis(1))).await;
    }
}

fn look_at(adapter: &Arc<Adapter>, routes: &Routes, rooms: HashSet<String>) {
    let (mut come, mut gone) = (Vec::new(), Vec::new());
    for room in rooms {
        let channel = adapter.protocol().channels.for_rooms(std::slice::from_ref(&room));
        let has = routes.has(&channel);
        let wants = deserves_channel(adapter, &room) && adapter.has_members(&room);
        match (has, wants) {
            (false, true) => come.push(channel),
            (true, false) => gone.push(channel),
            _ => {}
        }
    }
    routes.subscribe_rooms(adapter, come);
    routes.unsubscribe_rooms(gone);
}

fn look_at_all(adapter: &Arc<Adapter>, routes: &Routes) {
    let deserving = adapter.rooms_here().into_iter().filter(|room| deserves_channel(adapter, room));
    let channels = &adapter.protocol().channels;
    let wanted: HashSet<String> = deserving.map(|room| channels.for_rooms(&[room])).collect();
    let has = routes.room_channels(adapter);
    routes.subscribe_rooms(adapter, wanted.difference(&has).cloned().collect());
    routes.unsubscribe_rooms(has.difference(&wanted).cloned().collect());
}

/// Node publishes on the channel of every room, in [`SubscriptionMode::Dynamic`] except for names of 20 characters: its
/// sockets' ids. Ours have 16, so Node takes them for ordinary rooms; they need channels only when a Node server is there.
fn deserves_channel(adapter: &Adapter, room: &str) -> bool {
    match adapter.protocol().mode {
        Mode::Classic | Mode::Sharded(SubscriptionMode::Static) => false,
        Mode::Sharded(SubscriptionMode::DynamicPrivate) => true,
        Mode::Sharded(SubscriptionMode::Dynamic) => {
            let is_socket = room.parse().is_ok_and(|sid| !adapter.local().socket_rooms(sid).is_empty());
            room.chars().count() != 20 && (!is_socket || adapter.has_others())
        }
    }
}
