//! How many sockets each user has in a namespace of this node.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Counts the sockets of each user, up to a limit. Users without sockets are forgotten.
#[derive(Debug, Default)]
pub(crate) struct PerUser {
    /// 0 means no limit.
    max: AtomicUsize,
    held: Mutex<HashMap<Arc<str>, usize>>,
}

/// A place of a user; dropping it gives it back.
#[derive(Debug)]
pub(crate) struct UserPlace {
    user: Arc<str>,
    places: Arc<PerUser>,
}

impl PerUser {
    /// At most so many for each; 0 means no limit. Who has more keeps them.
    pub(crate) fn set_max(&self, max: usize) {
        self.max.store(max, Ordering::Relaxed);
    }

    /// A place for one more socket; `None` if the user has as many as it may.
    pub(crate) fn try_acquire(self: &Arc<Self>, user: &str) -> Option<UserPlace> {
        let max = match self.max.load(Ordering::Relaxed) {
            0 => usize::MAX,
            max => max,
        };
        let user: Arc<str> = user.into();
        let mut held = self.lock();
        let count = held.entry(Arc::clone(&user)).or_default();
        if *count >= max {
            return None;
        }
        *count += 1;
        drop(held);
        Some(UserPlace { user, places: Arc::clone(self) })
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

    fn up_to(max: usize) -> Arc<PerUser> {
        let places = Arc::new(PerUser::default());
        places.set_max(max);
        places
    }

    #[test]
    fn a_user_has_no_more_than_its_places_and_gets_them_back() {
        let places = up_to(2);
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
    fn a_limit_that_comes_later_counts_who_is_there_already() {
        let places = up_to(0);
        let held: Vec<_> = (0..100).map(|_| places.try_acquire("ann").unwrap()).collect();
        places.set_max(3);
        assert!(places.try_acquire("ann").is_none());
        drop(held);
        assert!(places.try_acquire("ann").is_some());
        assert!(places.lock().is_empty());
    }
}
