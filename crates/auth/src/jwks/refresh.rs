//! When keys are fetched: at first, by age, after failures, and when a token has a key that is not known. One task does it,
//! so there is never more than one fetch.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use reqwest::{Client, Url};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep_until};
use tracing::{info, warn};

use super::settings::JwksSettings;
use crate::backoff::Backoff;
use crate::http_client::HttpError;
use crate::jwt::KeySet;
use crate::stats::{Fetch, Stats};

/// Keys that came.
pub(super) struct Fetched {
    pub(super) set: KeySet,
    at: Instant,
}

/// Changes when the fetch ends for which it was given out.
pub(super) type Round = watch::Receiver<u64>;

pub(super) struct Shared {
    pub(super) settings: JwksSettings,
    pub(super) url: Url,
    pub(super) client: Client,
    stats: Stats,
    keys: ArcSwapOption<Fetched>,
    state: Mutex<State>,
    wake: Notify,
    rounds: watch::Sender<u64>,
}

struct State {
    /// A fetch is under way, or about to begin.
    fetching: bool,
    /// The last one failed.
    failing: bool,
    /// When tokens last caused one.
    demanded: Option<Instant>,
}

impl Shared {
    pub(super) fn new(settings: JwksSettings, url: Url, client: Client, stats: Stats) -> Self {
        Self {
            settings,
            url,
            client,
            stats,
            keys: ArcSwapOption::empty(),
            // The task begins with one.
            state: Mutex::new(State { fetching: true, failing: false, demanded: None }),
            wake: Notify::new(),
            rounds: watch::Sender::new(0),
        }
    }

    /// The keys, unless they are too old.
    pub(super) fn keys(&self) -> Option<Arc<Fetched>> {
        self.keys.load_full().filter(|keys| keys.at.elapsed() < self.settings.max_stale)
    }

    /// Whether the last fetch failed.
    pub(super) fn failing(&self) -> bool {
        self.state().failing
    }

    /// The fetch that is under way.
    pub(super) fn join(&self) -> Option<Round> {
        // Taken under the lock, so that it is about this fetch and not the one before.
        self.state().fetching.then(|| self.rounds.subscribe())
    }

    /// The fetch that is under way, or a new one if tokens may cause one now.
    pub(super) fn demand(&self) -> Option<Round> {
        let mut state = self.state();
        if !state.fetching {
            if state.demanded.is_some_and(|last| last.elapsed() < self.settings.min_interval) {
                return None;
            }
            state.demanded = Some(Instant::now());
            state.fetching = true;
            self.wake.notify_one();
        }
        Some(self.rounds.subscribe())
    }

    /// Fetches for ever.
    pub(super) async fn run(self: Arc<Self>) {
        let mut backoff = Backoff::default();
        loop {
            self.state().fetching = true;
            let outcome = self.fetch().await;
            let wait = self.finish(outcome, &mut backoff);
            self.pause(Instant::now() + wait).await;
        }
    }

    /// Takes in what came; how long to wait until the next time.
    fn finish(
        &self,
        outcome: Result<(KeySet, Option<Duration>), HttpError>,
        backoff: &mut Backoff,
    ) -> Duration {
        let mut state = self.state();
        let wait = match outcome {
            Ok((set, asked)) => {
                self.stats.fetched(Fetch::Answered);
                if state.failing || self.keys.load().is_none() {
                    info!(keys = set.len(), "keys of the identity provider fetched");
                }
                self.keys.store(Some(Arc::new(Fetched { set, at: Instant::now() })));
                backoff.reset();
                state.failing = false;
                let JwksSettings { min_interval, max_age, .. } = self.settings;
                asked.map_or(max_age, |asked| asked.clamp(min_interval, max_age))
            }
            Err(error) => {
                self.stats.fetched(error.outcome());
                let wait = backoff.next(self.settings.max_backoff);
                // The backoff bounds how often.
                warn!(%error, again_in = ?wait, "keys of the identity provider not fetched");
                state.failing = true;
                wait
            }
        };
        state.fetching = false;
        self.rounds.send_modify(|round| *round += 1);
        wait
    }

    /// Until it is time, or a token wants it sooner.
    async fn pause(&self, until: Instant) {
        loop {
            tokio::select! {
                () = sleep_until(until) => return,
                // It may be left from a time that was over already.
                () = self.wake.notified() => if self.state().fetching { return },
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
