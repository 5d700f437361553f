//! A socket is shown to be in its rooms, where the namespace does that.

use socketioxide_core::Sid;

use super::socket::Socket;
use crate::presence::Presence;

impl Socket {
    /// Who is in which room, if the namespace shows it.
    pub(crate) fn presence(&self) -> Option<&Presence> {
        self.core.entry.presence.as_ref()
    }

    pub(crate) fn sid(&self) -> Sid {
        self.core.id
    }

    /// The client is connected.
    pub(super) fn is_present(&self) {
        let Some(presence) = self.presence() else { return };
        presence.enter(&self.core.adapter, self.core.id, self.identity().as_deref());
        // It may have gone at the same time; whoever of the two is later sees the other.
        if self.core.membership.is_closed() {
            presence.gone(self.core.id);
        }
    }

    /// The client is gone.
    pub(super) fn is_absent(&self) {
        if let Some(presence) = self.presence() {
            presence.gone(self.core.id);
        }
    }

    /// It has joined or left a room.
    pub(super) fn has_moved(&self, room: &str) {
        if let Some(presence) = self.presence() {
            presence.changed(&self.core.adapter, self.core.id, room);
        }
    }
}
