use std::convert::Infallible;

use socketioxide::extract::SocketRef;

use crate::adapter::Adapter;

/// A connect middleware that puts a socket into the room named by its id, as Node does: `io.ns("/", chat.with(own_room))`.
///
/// Others reach a socket by that room. A middleware runs before the client is told that it is connected, and closures
/// given to `ns` after it: a socket that joins in one cannot be reached for a moment.
///
/// # Errors
/// None.
pub async fn own_room(socket: SocketRef<Adapter>) -> Result<(), Infallible> {
    socket.join(socket.id);
    Ok(())
}
