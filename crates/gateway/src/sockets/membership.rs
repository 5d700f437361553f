//! Which rooms a socket is in, and that it gets into none after it has gone.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use roomcast_adapter::Adapter;
use socketioxide_core::Sid;
use socketioxide_core::adapter::Room;

/// Why a socket did not join.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JoinError {
    /// The socket has disconnected.
    #[error("socket has disconnected")]
    Gone,
    /// It is in as many rooms as allowed.
    #[error("socket is in too many rooms")]
    TooMany,
}

/// socketioxide's `join` does not ask whether the socket is still there (Node's does): a join that comes after the
/// disconnect would keep the id in the room for ever. So joining happens under a lock that closing takes, too.
///
/// Rooms also change from the bus (`socketsJoin` of another server). The adapter counts these changes; the copy kept
/// here, which makes "is it a member?" cheap enough to ask for each message, is renewed when the count has moved.
#[derive(Debug, Default)]
pub(super) struct Membership {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    phase: Phase,
    rooms: HashSet<Room>,
    /// The adapter's count of changes when `rooms` was read; `None` before the first time.
    changes: Option<u64>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Being admitted: the client does not know yet.
    #[default]
    Admitting,
    Connected,
    Closed,
}

impl Membership {
    /// The client knows that it is connected. `false` if it has gone meanwhile.
    pub(super) fn connect(&self) -> bool {
        let mut state = self.lock();
        if state.phase == Phase::Closed {
            return false;
        }
        state.phase = Phase::Connected;
        true
    }

    /// No joins any more. Tells whether the socket was connected before.
    pub(super) fn close(&self) -> bool {
        std::mem::replace(&mut self.lock().phase, Phase::Closed) == Phase::Connected
    }

    pub(super) fn is_closed(&self) -> bool {
        self.lock().phase == Phase::Closed
    }

    pub(super) fn join(&self, adapter: &Adapter, sid: Sid, room: &str, max: usize) -> Result<(), JoinError> {
        let mut state = self.lock();
        if state.phase == Phase::Closed {
            return Err(JoinError::Gone);
        }
        state.refresh(adapter, sid);
        if state.rooms.contains(room) {
            return Ok(());
        }
        if state.rooms.len() >= max {
            return Err(JoinError::TooMany);
        }
        state.rooms.insert(Room::Owned(room.to_owned()));
        adapter.local().add_all(sid, Room::Owned(room.to_owned()));
        adapter.rooms_changed([room.to_owned()]);
        Ok(())
    }

    pub(super) fn leave(&self, adapter: &Adapter, sid: Sid, room: &str) {
        let mut state = self.lock();
        state.rooms.remove(room);
        adapter.local().del(sid, Room::Owned(room.to_owned()));
        adapter.rooms_changed([room.to_owned()]);
    }

    pub(super) fn contains(&self, adapter: &Adapter, sid: Sid, room: &str) -> bool {
        let mut state = self.lock();
        state.refresh(adapter, sid);
        state.rooms.contains(room)
    }

    pub(super) fn rooms(&self, adapter: &Adapter, sid: Sid) -> Vec<String> {
        let mut state = self.lock();
        state.refresh(adapter, sid);
        state.rooms.iter().map(ToString::to_string).collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // The maps stay consistent whatever panics: each is changed by one call.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn refresh(&mut self, adapter: &Adapter, sid: Sid) {
        // Read before the rooms: a change in between is then seen the next time.
        let changes = adapter.room_changes();
        if self.changes != Some(changes) {
            self.rooms = adapter.local().socket_rooms(sid);
            self.changes = Some(changes);
        }
    }
}
