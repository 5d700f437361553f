//! What all ways to find out an identity have in common.

use std::fmt;

use tracing::debug;

use crate::error::AuthError;
use crate::identity::{Credential, Identity};
use crate::stats::Stats;

pub use futures_util::future::BoxFuture;

/// Finds out who a client is. Which of them is in use is a matter of configuration, hence the boxed future.
pub trait Verifier: fmt::Debug + Send + Sync {
    /// Who has this credential. May be dropped at any time.
    ///
    /// # Errors
    /// [`AuthError`], with a code for the client and the reason for the log.
    fn identify<'a>(&'a self, credential: &'a Credential) -> BoxFuture<'a, Result<Identity, AuthError>>;

    /// What it counts.
    fn stats(&self) -> &Stats;
}

/// Counts the outcome, and logs why a client was not identified. At `debug`, since clients can cause as many of these as
/// they like.
pub(crate) fn note(stats: &Stats, outcome: Result<Identity, AuthError>) -> Result<Identity, AuthError> {
    stats.verified(&outcome);
    if let Err(reason) = &outcome {
        debug!(code = %reason.code(), %reason, "client not identified");
    }
    outcome
}
