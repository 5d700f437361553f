//! The room that a client names.

use serde_json::value::RawValue;

use super::Refusal;
use crate::codes::Code;
use crate::sockets::Event;

/// Longest name of a room, in bytes.
pub(super) const MAX_ROOM_BYTES: usize = 128;

/// Reads a room from one argument.
pub(super) fn read(argument: Option<&RawValue>) -> Result<String, Refusal> {
    let Some(argument) = argument else {
        return Err(Refusal::new(Code::InvalidRoom, "the room is missing"));
    };
    let Ok(room) = serde_json::from_str::<String>(argument.get()) else {
        return Err(Refusal::new(Code::InvalidRoom, "the room must be a string"));
    };
    check(&room)?;
    Ok(room)
}

/// Whether it can be a room's name.
pub(super) fn check(room: &str) -> Result<(), Refusal> {
    if room.is_empty() {
        return Err(Refusal::new(Code::InvalidRoom, "the room must not be empty"));
    }
    if room.len() > MAX_ROOM_BYTES {
        let message = format!("the room has {} bytes, at most {MAX_ROOM_BYTES} are allowed", room.len());
        return Err(Refusal::new(Code::InvalidRoom, message));
    }
    Ok(())
}

/// The room of `join` and `leave`, which take nothing else.
pub(super) fn only_argument(event: &Event) -> Result<String, Refusal> {
    let parts = event.parts().map_err(|error| Refusal::new(Code::InvalidArguments, error.to_string()))?;
    let room = read(parts.get(1).copied())?;
    if parts.len() > 2 {
        return Err(Refusal::new(Code::InvalidArguments, "only a room is expected"));
    }
    Ok(room)
}
