//! How many members rooms have, as they were a moment ago: counting those of a large room for each event would cost more
//! than refusing the event.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// After this time the members are counted again.
const MOMENT: Duration = Duration::from_secs(1);

/// Most rooms that are remembered.
const MAX_ROOMS: usize = 4_096;

#[derive(Debug, Default)]
pub(super) struct Crowds(Mutex<HashMap<String, (usize, Instant)>>);

impl Crowds {
    pub(super) fn size(&self, room: &str, count: impl FnOnce() -> usize) -> usize {
        let now = Instant::now();
        if let Some((size, counted)) = self.lock(|rooms| rooms.get(room).copied())
            && now.duration_since(counted) < MOMENT
        {
            return size;
        }
        // Not under the lock: it takes its time.
        let size = count();
        self.lock(|rooms| {
            if rooms.len() >= MAX_ROOMS {
                rooms.retain(|_, (_, counted)| now.duration_since(*counted) < MOMENT);
            }
            if rooms.len() < MAX_ROOMS {
                rooms.insert(room.to_owned(), (size, now));
            }
        });
        size
    }

    fn lock<T>(&self, act: impl FnOnce(&mut HashMap<String, (usize, Instant)>) -> T) -> T {
        // Nothing panics while it is held.
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_counted_once_for_many_events() {
        let crowds = Crowds::default();
        assert_eq!(crowds.size("paris", || 7), 7);
        assert_eq!(crowds.size("paris", || unreachable!("it was counted just now")), 7);
        assert_eq!(crowds.size("lyon", || 3), 3);
    }

    #[test]
    fn a_flood_of_rooms_takes_no_more_memory() {
        let crowds = Crowds::default();
        for number in 0..10_000 {
            assert_eq!(crowds.size(&number.to_string(), || number), number);
        }
        let remembered = crowds.lock(|rooms| rooms.len());
        assert!(remembered > 0 && remembered <= MAX_ROOMS, "{remembered}");
    }
}
