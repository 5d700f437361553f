//! What is counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use roomcast_codes::Code;

use crate::error::AuthError;
use crate::identity::Identity;

macro_rules! labels {
    ($(#[doc = $what:literal])+ $name:ident { $($(#[doc = $doc:literal])+ $variant:ident = $label:expr,)+ }) => {
        $(#[doc = $what])+
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name { $($(#[doc = $doc])+ $variant,)+ }

        impl $name {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The label of metrics.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $label,)+ }
            }
        }
    };
}

labels! {
    /// How a request for keys, or to a backend, ended.
    Fetch {
        /// With an answer that can be used; a refusal is one.
        Answered = "answered",
        /// No answer came in time.
        Timeout = "timeout",
        /// The server could not be reached, or broke off.
        Unreachable = "unreachable",
        /// The status is not one that is expected; redirects are among these.
        Status = "status",
        /// The answer is larger than allowed.
        TooLarge = "too_large",
        /// The answer is not what it should be.
        Malformed = "malformed",
    }
}

labels! {
    /// How it ended that somebody's identity was to be found out.
    Verification {
        /// It is known.
        Identified = "identified",
        /// There was no token.
        TokenMissing = Code::TokenMissing.as_str(),
        /// The token was not accepted.
        TokenInvalid = Code::TokenInvalid.as_str(),
        /// The token had expired.
        TokenExpired = Code::TokenExpired.as_str(),
        /// It could not be told.
        Unavailable = Code::IdentityUnavailable.as_str(),
        /// The backend said no, now or a moment before.
        Refused = Code::IdentityRefused.as_str(),
    }
}

/// Counters of a verifier; clones share the numbers.
#[derive(Debug, Clone, Default)]
pub struct Stats {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    fetches: [AtomicU64; Fetch::ALL.len()],
    verifications: [AtomicU64; Verification::ALL.len()],
    remembered: AtomicU64,
}

/// The numbers at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatsSnapshot {
    /// Requests for keys, or to the backend, by outcome. Each attempt counts.
    pub fetches: Vec<(Fetch, u64)>,
    /// Clients, by outcome.
    pub verifications: Vec<(Verification, u64)>,
    /// Clients refused without asking the backend, which had refused the same a moment before.
    pub remembered: u64,
}

impl StatsSnapshot {
    /// Requests that ended so.
    #[must_use]
    pub fn fetches(&self, outcome: Fetch) -> u64 {
        self.fetches[outcome as usize].1
    }

    /// Clients for whom it ended so.
    #[must_use]
    pub fn verifications(&self, outcome: Verification) -> u64 {
        self.verifications[outcome as usize].1
    }
}

impl Stats {
    /// The numbers of now.
    #[must_use]
    pub fn snapshot(&self) -> StatsSnapshot {
        let read = |counter: &AtomicU64| counter.load(Relaxed);
        StatsSnapshot {
            fetches: Fetch::ALL.iter().copied().zip(self.inner.fetches.iter().map(read)).collect(),
            verifications: Verification::ALL
                .iter()
                .copied()
                .zip(self.inner.verifications.iter().map(read))
                .collect(),
            remembered: read(&self.inner.remembered),
        }
    }

    pub(crate) fn fetched(&self, outcome: Fetch) {
        self.inner.fetches[outcome as usize].fetch_add(1, Relaxed);
    }

    pub(crate) fn remembered(&self) {
        self.inner.remembered.fetch_add(1, Relaxed);
    }

    pub(crate) fn verified(&self, outcome: &Result<Identity, AuthError>) {
        let outcome = match outcome {
            Ok(_) => Verification::Identified,
            Err(AuthError::TokenMissing) => Verification::TokenMissing,
            Err(AuthError::TokenInvalid(_)) => Verification::TokenInvalid,
            Err(AuthError::TokenExpired) => Verification::TokenExpired,
            Err(AuthError::Unavailable(_)) => Verification::Unavailable,
            Err(AuthError::Refused { .. }) => Verification::Refused,
        };
        self.inner.verifications[outcome as usize].fetch_add(1, Relaxed);
    }
}
