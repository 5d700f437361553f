//! The key that the nodes agree on through Redis.

use std::time::Duration;

use roomcast_adapter::{Bus, BusState};
use roomcast_edge::Keys;
use tokio::sync::watch;
use tokio::time::Instant;
use tracing::{info, warn};

/// How often the shared key is asked for: it may be changed, and lives only while it is asked for.
const LOOK: Duration = Duration::from_secs(10);

/// The same, until it is known.
const EAGER: Duration = Duration::from_millis(250);

/// So many times it is asked for in vain before the log says so: 10 s.
const PATIENCE: u32 = 40;

/// A cluster that was away for so long has no sessions left that would need the old key. A former key is accepted for as
/// long: sessions may be open for longer, but those that still poll then start anew, once.
const LIFETIME: Duration = Duration::from_secs(24 * 3600);

/// Keeps to the key that the nodes agree on. `is_known` tells when there is one.
pub(crate) async fn share_key(bus: Bus, keys: Keys, is_known: watch::Sender<bool>) {
    let mut status = bus.status();
    let mut agreed = Agreed { keys, known: String::new(), changed: None };
    let mut in_vain = 0;
    loop {
        // Another one each time: whoever deletes the key wants a new one.
        let proposal = Keys::random_text();
        if let Some(shared) = bus.agree("session-key", &proposal, LIFETIME).await
            && agreed.learn(shared, Instant::now())
        {
            is_known.send_replace(true);
        }
        agreed.forget(Instant::now());
        let is_away = matches!(status.borrow_and_update().state, BusState::Connecting | BusState::Lost);
        let is_eager = agreed.known.is_empty() && !is_away;
        if is_eager {
            in_vain += 1;
            if in_vain == PATIENCE {
                warn!(
                    "the session key cannot be agreed on through Redis: may this node read and write it there? \
                     until then the node is not ready; server.session_keys sets keys without Redis"
                );
            }
        }
        tokio::select! {
            () = tokio::time::sleep(if is_eager { EAGER } else { LOOK }) => {}
            changed = status.changed() => if changed.is_err() { return },
        }
    }
}

/// The keys, and what they were made of.
struct Agreed {
    keys: Keys,
    /// What was found in Redis last.
    known: String,
    /// Since when there are former keys.
    changed: Option<Instant>,
}

impl Agreed {
    /// Signs with this from now on. Whether it is news, and can be used.
    fn learn(&mut self, shared: String, now: Instant) -> bool {
        if shared == self.known {
            return false;
        }
        let is_usable = match self.keys.add_primary(&shared) {
            Ok(()) => {
                info!(replaced = !self.known.is_empty(), "session ids are signed with the cluster's key");
                self.changed = Some(now);
                true
            }
            Err(error) => {
                warn!(%error, "the cluster's session key cannot be used");
                false
            }
        };
        self.known = shared;
        is_usable
    }

    /// Forgets former keys that no session should need any more.
    fn forget(&mut self, now: Instant) {
        if self.changed.is_some_and(|changed| now.duration_since(changed) >= LIFETIME) {
            self.keys.forget_former();
            self.changed = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(letter: char) -> String {
        std::iter::repeat_n(letter, 32).collect()
    }

    fn is_accepted(agreed: &Agreed, letter: char) -> bool {
        let other = Keys::from_texts(&[secret(letter)]).unwrap();
        agreed.keys.verify("sid", b"x", &other.sign("sid", b"x"))
    }

    #[test]
    fn a_former_key_is_accepted_for_a_day() {
        let mut agreed = Agreed { keys: Keys::random(), known: String::new(), changed: None };
        let start = Instant::now();
        assert!(agreed.learn(secret('a'), start));
        assert!(!agreed.learn(secret('a'), start), "that is no news");
        let changed = start + LIFETIME * 2;
        agreed.forget(changed);
        assert!(is_accepted(&agreed, 'a'), "the key that signs never expires");

        assert!(agreed.learn(secret('b'), changed));
        agreed.forget(changed + LIFETIME - Duration::from_secs(1));
        assert!(is_accepted(&agreed, 'a') && is_accepted(&agreed, 'b'));
        agreed.forget(changed + LIFETIME);
        assert!(!is_accepted(&agreed, 'a') && is_accepted(&agreed, 'b'));
    }

    #[test]
    fn a_key_that_cannot_be_used_changes_nothing() {
        let mut agreed = Agreed { keys: Keys::random(), known: String::new(), changed: None };
        assert!(agreed.learn(secret('a'), Instant::now()));
        assert!(!agreed.learn("short".into(), Instant::now()));
        assert!(is_accepted(&agreed, 'a'));
    }
}
