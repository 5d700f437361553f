//! Who is chosen: in the words of socketioxide, and in those of the bus.

use socketioxide_core::Sid;
use socketioxide_core::adapter::{BroadcastFlags, BroadcastOptions, Room};

use crate::wire::broadcast::{Flags, Target};

/// Options for "everybody in these rooms (or in the namespace), but not who is in those".
pub(crate) fn to_rooms(
    rooms: impl IntoIterator<Item = String>,
    except: impl IntoIterator<Item = String>,
) -> BroadcastOptions {
    let mut opts = BroadcastOptions::default();
    // Without the flag socketioxide takes "no rooms" for nobody; in Node it is everybody.
    opts.add_flag(BroadcastFlags::Broadcast);
    opts.rooms.extend(rooms.into_iter().map(Room::Owned));
    opts.except.extend(except.into_iter().map(Room::Owned));
    opts
}

/// The receivers in the words of the bus, where a socket is the room named by its id.
pub(crate) fn wire_target(opts: &BroadcastOptions) -> Target {
    let names = |rooms: &[Room]| rooms.iter().map(ToString::to_string).collect();
    let mut target = Target {
        rooms: names(&opts.rooms),
        except: names(&opts.except),
        flags: Flags { volatile: opts.has_flag(BroadcastFlags::Volatile), ..Flags::default() },
    };
    match opts.sid {
        Some(sender) if opts.has_flag(BroadcastFlags::Broadcast) => target.except.push(sender.to_string()),
        Some(receiver) if target.rooms.is_empty() => target.rooms.push(receiver.to_string()),
        _ => {}
    }
    target
}

/// The room that a socket is alone in.
pub(crate) fn room_of(sid: Sid) -> String {
    sid.to_string()
}
