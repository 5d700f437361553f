//! Who a socket's client is: found out before it is admitted, renewed by `refresh`, ended when its time is over.

use std::sync::{Arc, Weak};
use std::time::{Duration, SystemTime};

use roomcast_adapter::{Adapter, ClientAddress};
use roomcast_auth::AuthError;
use roomcast_edge::ConnectionHandle;
use serde_json::{Value as Json, json};
use socketioxide::socket::Socket as Inner;
use tracing::debug;

use super::socket::{Core, Socket};
use crate::codes::Code;
use crate::identity::{Expires, Identity, Origin, Scheduled, SignIn, ms_until};

/// The event by which a client is told that its identity is about to end; it has the time that is left, in milliseconds.
const EXPIRING: &str = "identity_expiring";

/// What ends so soon has ended.
const MOMENT: Duration = Duration::from_millis(20);

/// Why a client does not get a new identity.
#[derive(Debug)]
pub(crate) enum NotRefreshed {
    /// The namespace does not ask who clients are.
    NoIdentity,
    /// The token is of somebody else.
    OtherUser,
    Auth(AuthError),
}

impl Socket {
    /// Who the client is, where the namespace asks for it (`[namespaces.identity]`).
    #[must_use]
    pub fn identity(&self) -> Option<Arc<Identity>> {
        self.core.who.get()
    }

    /// Finds it out.
    ///
    /// # Errors
    /// The code, and what the client is told.
    pub(super) async fn identify(&self, inner: &Inner<Adapter>, auth: &Json) -> Result<(), (Code, String)> {
        let entry = &self.core.entry;
        let Some(check) = entry.identity.check() else { return Ok(()) };
        let asked = async |origin: &Origin<'_>| check.identify(auth, origin).await;
        let identity = with_origin(inner, self.namespace(), asked).await;
        let identity = identity.map_err(|error| (error.code(), error.message().to_owned()))?;
        match entry.identity.per_user().try_acquire(&identity.user) {
            Some(place) => self.core.who.keep(place),
            None => return Err((Code::TooManySockets, "this user is connected as often as allowed".into())),
        }
        self.has(identity);
        Ok(())
    }

    /// Takes a new token of the same user; gives the end of the new identity.
    pub(crate) async fn refresh(&self, token: String) -> Result<Option<SystemTime>, NotRefreshed> {
        let (Some(check), Some(former)) = (self.core.entry.identity.check(), self.identity()) else {
            return Err(NotRefreshed::NoIdentity);
        };
        let inner = self.core.inner.upgrade().ok_or(NotRefreshed::NoIdentity)?;
        let refreshed = async |origin: &Origin<'_>| check.refreshed(token, origin).await;
        let identity = with_origin(&inner, self.namespace(), refreshed).await.map_err(NotRefreshed::Auth)?;
        if identity.user != former.user {
            return Err(NotRefreshed::OtherUser);
        }
        let expires = identity.expires;
        self.has(identity);
        Ok(expires)
    }

    fn has(&self, identity: Identity) {
        let end = identity.expires.map(|expires| self.schedule(expires, true));
        self.core.who.set(identity, end);
    }

    /// Looks again when the identity ends, or when the client is to be warned of that.
    fn schedule(&self, expires: SystemTime, warn: bool) -> Scheduled {
        let warning = self.core.entry.identity.check().and_then(|check| check.expiry.warning);
        let at = warning.filter(|_| warn).and_then(|warning| expires.checked_sub(warning)).unwrap_or(expires);
        let who: Weak<Core> = Arc::downgrade(&self.core);
        self.core.entry.expiries.schedule(at, who)
    }
}

impl Expires for Core {
    fn is_time(self: Arc<Self>) {
        let socket = Socket { core: self };
        let Some(identity) = socket.identity() else { return };
        let Some(expires) = identity.expires else { return };
        let left = expires.duration_since(SystemTime::now()).unwrap_or_default();
        // The two clocks, of the system and of timers, differ a little.
        if left < MOMENT {
            debug!(namespace = socket.namespace(), id = socket.id(), "identity has expired");
            socket.close_because(Code::IdentityExpired);
            return;
        }
        let warning = socket.core.entry.identity.check().and_then(|check| check.expiry.warning);
        let is_near = warning.is_some_and(|warning| left <= warning + MOMENT);
        socket.core.who.ends(socket.schedule(expires, !is_near));
        if is_near && socket.core.who.warn() {
            // One whose queue is full will be closed for that.
            let _ = socket.emit(EXPIRING, json!([ms_until(expires)]));
        }
    }
}

/// What is known of where the client comes from.
async fn with_origin<T>(
    inner: &Inner<Adapter>,
    namespace: &str,
    act: impl AsyncFnOnce(&Origin<'_>) -> T,
) -> T {
    let extensions = &inner.req_parts().extensions;
    let none = SignIn::default();
    let origin = Origin {
        namespace,
        sign_in: extensions.get::<SignIn>().unwrap_or(&none),
        client: extensions.get::<ClientAddress>().map(|ClientAddress(client)| *client),
        transport: extensions
            .get::<ConnectionHandle>()
            .map_or("", |connection| connection.transport().as_str()),
    };
    act(&origin).await
}
