//! Nodes to which requests cannot be passed on: the operator should hear of each once, not once for each request of
//! clients that ask again and again.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::tag::Tag;

/// Nodes that are remembered; for one more the one is forgotten that has not failed for the longest time.
const MAX_NODES: usize = 256;

/// A node works again when nothing has failed for so long: one that answers some requests and others not would be news
/// all the time.
const SETTLED: Duration = Duration::from_secs(10);

/// Remembers which nodes fail.
#[derive(Debug, Default)]
pub(crate) struct Failing {
    /// Nodes, and when each has failed last.
    nodes: Mutex<Vec<(Tag, Instant)>>,
    /// How many they are: mostly none, and then nobody needs the lock.
    count: AtomicUsize,
}

impl Failing {
    /// A request to the node has failed. Whether that is news.
    pub(crate) fn failed(&self, node: Tag, now: Instant) -> bool {
        let mut nodes = self.lock();
        if let Some((_, last)) = nodes.iter_mut().find(|(known, _)| *known == node) {
            *last = now;
            return false;
        }
        if nodes.len() >= MAX_NODES
            && let Some(oldest) = (0..nodes.len()).min_by_key(|at| nodes[*at].1)
        {
            nodes.swap_remove(oldest);
        }
        nodes.push((node, now));
        self.count.store(nodes.len(), Ordering::Relaxed);
        true
    }

    /// A request to the node was answered. Whether that is news.
    pub(crate) fn worked(&self, node: Tag, now: Instant) -> bool {
        if self.count.load(Ordering::Relaxed) == 0 {
            return false;
        }
        let mut nodes = self.lock();
        let works = |(known, last): &(Tag, Instant)| *known == node && now.duration_since(*last) >= SETTLED;
        let Some(at) = nodes.iter().position(works) else { return false };
        nodes.swap_remove(at);
        self.count.store(nodes.len(), Ordering::Relaxed);
        true
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(Tag, Instant)>> {
        // Nothing panics while it is held.
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(number: usize) -> Tag {
        format!("{number:04}").parse().unwrap()
    }

    #[test]
    fn a_node_that_fails_is_news_once_until_it_works_again() {
        let (failing, start) = (Failing::default(), Instant::now());
        assert!(!failing.worked(tag(1), start));
        assert!(failing.failed(tag(1), start));
        assert!(failing.failed(tag(2), start), "another node is news of its own");
        assert!(!failing.failed(tag(1), start + Duration::from_secs(1)));
        assert!(failing.worked(tag(1), start + Duration::from_secs(11)));
        assert!(!failing.worked(tag(1), start + Duration::from_secs(11)));
        assert!(failing.failed(tag(1), start + Duration::from_secs(12)));
    }

    #[test]
    fn a_node_that_fails_now_and_then_is_no_news_each_time() {
        let (failing, start) = (Failing::default(), Instant::now());
        assert!(failing.failed(tag(1), start));
        for second in 1..60 {
            let now = start + Duration::from_secs(second);
            assert!(!failing.worked(tag(1), now) && !failing.failed(tag(1), now), "after {second} s");
        }
    }

    #[test]
    fn of_very_many_the_one_is_forgotten_that_has_failed_longest_ago() {
        let (failing, start) = (Failing::default(), Instant::now());
        for number in 0..=MAX_NODES {
            assert!(failing.failed(tag(number), start + Duration::from_secs(number as u64)));
        }
        assert_eq!(failing.lock().len(), MAX_NODES);
        let now = start + Duration::from_secs(1000);
        assert!(!failing.failed(tag(1), now));
        assert!(failing.failed(tag(0), now));
    }
}
