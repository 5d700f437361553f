//! How many sockets each user has in a namespace of this node.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Counts the sockets of each user, up to a limit. Users without sockets are forgotten.
#[derive(Debug, Default)]
pub(crate) struct PerUser {
    max: usize,
    held: Mutex<HashMap<Arc<str>, usize>>,
}

/// A place of a user; dropping it gives it back.
#[derive(Debug)]
pub(crate) struct UserPlace {
    user: Arc<str>,
    places: Arc<PerUser>,
}

impl PerUser {
    /// At most `max` for each; 0 means no limit, and nothing is counted.
    pub(crate) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self { max, ..Self::default() })
    }

    /// A place for one more socket. `None` if the user has as many as it may; `Some(None)` where nothing is counted.
    pub(crate) fn try_acquire(self: &Arc<Self>, user: &str) -> Option<Option<UserPlace>> {
        if self.max == 0 {
            return Some(None);
        }
        let user: Arc<str> = user.into();
        let mut held = self.lock();
        let count = held.entry(Arc::clone(&user)).or_default();
        if *count >= self.max {
            return None;
        }
        *count += 1;
        drop(held);
        Some(Some(UserPlace { user, places: Arc::clone(self) }))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Arc<str>, usize>> {
        // Nothing panics while it is held.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for UserPlace {
    fn drop(&mut self) {
        if let Entry::Occupied(mut held) = self.places.lock().entry(Arc::clone(&self.user)) {
            *held.get_mut() -= 1;
            if *held.get() == 0 {
                held.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_has_no_more_than_its_places_and_gets_them_back() {
        let places = PerUser::new(2);
        let first = places.try_acquire("ann").unwrap();
        let second = places.try_acquire("ann").unwrap();
        assert!(places.try_acquire("ann").is_none());
        assert!(places.try_acquire("bob").is_some());
        drop(first);
        let third = places.try_acquire("ann").unwrap();
        assert!(places.try_acquire("ann").is_none());
        drop((second, third));
        assert!(places.lock().is_empty());
    }

    #[test]
    fn without_a_limit_nothing_is_counted() {
        let places = PerUser::new(0);
        assert!((0..100).all(|_| matches!(places.try_acquire("ann"), Some(None))));
        assert!(places.lock().is_empty());
    }
}
