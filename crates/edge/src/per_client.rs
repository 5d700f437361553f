//! What one client may hold at the same time. Clients are told apart by their address, which is all that is known of
//! them before they say a word.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Bits of an IPv6 address that tell networks apart; a client can choose the rest as it likes.
const NETWORK: u128 = u128::MAX << 64;

/// What clients are told apart by: an IPv4 address, or the /64 network of an IPv6 address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ClientKey(IpAddr);

impl From<IpAddr> for ClientKey {
    fn from(ip: IpAddr) -> Self {
        match ip.to_canonical() {
            IpAddr::V4(v4) => Self(v4.into()),
            IpAddr::V6(v6) => Self(Ipv6Addr::from_bits(v6.to_bits() & NETWORK).into()),
        }
    }
}

impl fmt::Display for ClientKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Counts what each client holds, up to a limit.
#[derive(Debug)]
pub(crate) struct PerClient {
    max: usize,
    held: Mutex<HashMap<ClientKey, usize>>,
}

/// A place that a client holds; dropping it gives the place back.
#[derive(Debug)]
pub(crate) struct PerClientPermit {
    /// `None` where nothing is counted.
    counted: Option<(Arc<PerClient>, ClientKey)>,
}

impl PerClient {
    /// At most `max` places for each client; 0 means no limit.
    pub(crate) fn new(max: usize) -> Self {
        Self { max, held: Mutex::default() }
    }

    /// A place for the client, if it has one left.
    pub(crate) fn try_acquire(self: &Arc<Self>, key: ClientKey) -> Option<PerClientPermit> {
        if self.max == 0 {
            return Some(PerClientPermit { counted: None });
        }
        let mut clients = self.lock();
        let held = clients.entry(key).or_default();
        if *held >= self.max {
            return None;
        }
        *held += 1;
        Some(PerClientPermit { counted: Some((Arc::clone(self), key)) })
    }
}

impl PerClient {
    fn lock(&self) -> MutexGuard<'_, HashMap<ClientKey, usize>> {
        // Nothing panics while the lock is held.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Clients without a place are forgotten, so that the map is no larger than what is held.
    fn release(&self, key: ClientKey) {
        if let Entry::Occupied(mut held) = self.lock().entry(key) {
            *held.get_mut() -= 1;
            if *held.get() == 0 {
                held.remove();
            }
        }
    }
}

impl Drop for PerClientPermit {
    fn drop(&mut self) {
        if let Some((counts, key)) = self.counted.take() {
            counts.release(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(ip: &str) -> ClientKey {
        ip.parse::<IpAddr>().unwrap().into()
    }

    #[test]
    fn clients_are_told_apart_by_address_or_network() {
        assert_ne!(key("192.0.2.1"), key("192.0.2.2"));
        assert_eq!(key("192.0.2.1"), key("::ffff:192.0.2.1"));
        assert_eq!(key("2001:db8:1:2::1"), key("2001:db8:1:2:ffff:ffff:ffff:ffff"));
        assert_ne!(key("2001:db8:1:2::1"), key("2001:db8:1:3::1"));
        assert_ne!(key("::"), key("0.0.0.0"));
    }

    #[test]
    fn a_client_holds_no_more_than_its_places() {
        let counts = Arc::new(PerClient::new(2));
        let (one, other) = (key("192.0.2.1"), key("192.0.2.2"));
        let first = counts.try_acquire(one).unwrap();
        let _second = counts.try_acquire(one).unwrap();
        assert!(counts.try_acquire(one).is_none());
        assert!(counts.try_acquire(other).is_some(), "one client took the places of another");
        drop(first);
        let _third = counts.try_acquire(one).unwrap();
        assert!(counts.try_acquire(one).is_none());
    }

    #[test]
    fn clients_without_a_place_are_forgotten() {
        let counts = Arc::new(PerClient::new(2));
        let permits: Vec<_> =
            (1..=9).map(|n| counts.try_acquire(key(&format!("192.0.2.{n}"))).unwrap()).collect();
        assert_eq!(counts.lock().len(), 9);
        drop(permits);
        assert_eq!((counts.lock().len(), Arc::strong_count(&counts)), (0, 1));
    }

    #[test]
    fn no_limit_counts_nothing() {
        let counts = Arc::new(PerClient::new(0));
        let permits: Vec<_> = (0..1000).map(|_| counts.try_acquire(key("192.0.2.1")).unwrap()).collect();
        assert!(counts.lock().is_empty());
        drop(permits);
    }

    #[test]
    fn threads_that_come_and_go_leave_nothing_behind() {
        let counts = Arc::new(PerClient::new(3));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..1000 {
                        let permit = counts.try_acquire(key("192.0.2.1"));
                        assert!(counts.lock().values().all(|held| *held <= 3));
                        drop(permit);
                    }
                });
            }
        });
        assert!(counts.lock().is_empty());
    }
}
