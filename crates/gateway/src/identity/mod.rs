//! Who a client is: what the configuration says about it, applied when a client connects to a namespace.
//!
//! What a token or a backend's answer is worth, `roomcast-auth` knows; here it is found where the client put it, and
//! ended when its time is over.

mod build;
mod credential;
mod expiry;
mod live;
mod per_user;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::SystemTime;

use roomcast_auth::{AuthError, Verifier};
use serde_json::Value;

pub use build::Wrong;
pub(crate) use build::problems;
pub(crate) use credential::{Origin, SignIn, TokenPlace, wanted_headers};
pub(crate) use expiry::{Expires, Expiries, Expiry, Scheduled};
pub(crate) use live::{LiveIdentity, NewIdentity};
pub(crate) use per_user::{PerUser, UserPlace};
pub use roomcast_auth::Identity;

/// How a namespace finds out who its clients are.
pub(crate) struct IdentityCheck {
    pub(crate) verifier: Arc<dyn Verifier>,
    pub(crate) place: TokenPlace,
    pub(crate) expiry: Expiry,
}

impl IdentityCheck {
    /// Who sends this `auth` from there.
    pub(crate) async fn identify(&self, auth: &Value, origin: &Origin<'_>) -> Result<Identity, AuthError> {
        let token = self.place.token(auth, origin.sign_in);
        self.verifier.identify(&origin.credential(auth, token)).await
    }

    /// Who has this token, of a client that is there already.
    pub(crate) async fn refreshed(&self, token: String, origin: &Origin<'_>) -> Result<Identity, AuthError> {
        let auth = self.place.auth_with(&token);
        self.verifier.identify(&origin.credential(&auth, Some(token))).await
    }
}

/// The identity of one socket, for as long as it has one.
#[derive(Debug, Default)]
pub(crate) struct Who {
    held: Mutex<Option<Held>>,
    place: OnceLock<UserPlace>,
}

#[derive(Debug)]
struct Held {
    identity: Arc<Identity>,
    /// Forgets the end when dropped.
    end: Option<Scheduled>,
    /// It is warned of that.
    is_warned: bool,
}

impl Who {
    pub(crate) fn get(&self) -> Option<Arc<Identity>> {
        self.lock().as_ref().map(|held| Arc::clone(&held.identity))
    }

    pub(crate) fn set(&self, identity: Identity, end: Option<Scheduled>) {
        *self.lock() = Some(Held { identity: Arc::new(identity), end, is_warned: false });
    }

    /// Its place among the sockets of its user, for as long as it lives.
    pub(crate) fn keep(&self, place: UserPlace) {
        let _ = self.place.set(place);
    }

    /// It is warned now; whether it was not before.
    pub(crate) fn warn(&self) -> bool {
        self.lock().as_mut().is_some_and(|held| !std::mem::replace(&mut held.is_warned, true))
    }

    /// It is looked at again then.
    pub(crate) fn ends(&self, end: Scheduled) {
        if let Some(held) = self.lock().as_mut() {
            held.end = Some(end);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Held>> {
        // Nothing panics while it is held.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Milliseconds from now until then; 0 if it is past.
pub(crate) fn ms_until(then: SystemTime) -> u64 {
    let left = then.duration_since(SystemTime::now()).unwrap_or_default();
    u64::try_from(left.as_millis()).unwrap_or(u64::MAX)
}

impl fmt::Debug for IdentityCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdentityCheck").field("place", &self.place).finish_non_exhaustive()
    }
}
