//! The bounded queue between the adapters and the one task that publishes: order is kept, and when Redis is away for
//! too long the oldest messages are given up, counted, never silently.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::Notify;

use crate::metrics::{Dropped, Metrics};
use crate::settings::RedisSettings;

/// A message on its way to Redis.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    pub(crate) channel: String,
    pub(crate) payload: Bytes,
    number: u64,
    at: Instant,
}

impl Message {
    fn size(&self) -> usize {
        self.channel.len() + self.payload.len()
    }
}

pub(crate) struct Outbox {
    queue: Mutex<Queue>,
    filled: Notify,
    emptied: Notify,
    metrics: Arc<dyn Metrics>,
    max_messages: usize,
    max_bytes: usize,
    max_age: Duration,
}

#[derive(Default)]
struct Queue {
    messages: VecDeque<Message>,
    bytes: usize,
    /// Number of the next message.
    next: u64,
    /// Messages of lower numbers may be on their way. They stay here until Redis has confirmed them, and are not given
    /// up: they may well have arrived.
    in_flight: u64,
}

impl Queue {
    fn remove(&mut self, at: usize) -> bool {
        let removed = self.messages.remove(at);
        self.bytes -= removed.as_ref().map_or(0, Message::size);
        removed.is_some()
    }
}

impl Outbox {
    pub(crate) fn new(settings: &RedisSettings, metrics: Arc<dyn Metrics>) -> Self {
        Self {
            queue: Mutex::default(),
            filled: Notify::new(),
            emptied: Notify::new(),
            metrics,
            max_messages: settings.outbox_messages,
            max_bytes: settings.outbox_bytes,
            max_age: settings.outbox_age,
        }
    }

    /// Appends a message; the oldest ones go if there is no room.
    pub(crate) fn push(&self, channel: String, payload: Vec<u8>) {
        let at = Instant::now();
        let mut lost = 0;
        {
            let mut queue = self.lock();
            let message = Message { channel, payload: payload.into(), number: queue.next, at };
            // One that can never fit must not push out the others.
            if message.size() > self.max_bytes {
                lost = 1;
            } else {
                queue.next += 1;
                queue.bytes += message.size();
                queue.messages.push_back(message);
            }
            while queue.messages.len() > self.max_messages || queue.bytes > self.max_bytes {
                let bound = queue.in_flight;
                let oldest = queue.messages.partition_point(|message| message.number < bound);
                if !queue.remove(oldest) {
                    break;
                }
                lost += 1;
            }
        }
        if lost > 0 {
            self.metrics.dropped(Dropped::OutboxFull, lost);
        }
        self.filled.notify_one();
    }

    /// Waits until there is a message.
    pub(crate) async fn filled(&self) {
        loop {
            let filled = self.filled.notified();
            if !self.lock().messages.is_empty() {
                return;
            }
            filled.await;
        }
    }

    /// Takes up to `max` messages into flight, without removing them. Those that are too old are given up first.
    pub(crate) fn batch(&self, max: usize) -> Vec<Message> {
        let mut expired = 0;
        let mut queue = self.lock();
        while queue.messages.front().is_some_and(|oldest| oldest.at.elapsed() > self.max_age) {
            queue.remove(0);
            expired += 1;
        }
        let batch: Vec<Message> = queue.messages.iter().take(max).cloned().collect();
        queue.in_flight = batch.last().map_or(0, |last| last.number + 1);
        drop(queue);
        if expired > 0 {
            self.metrics.dropped(Dropped::OutboxAge, expired);
        }
        batch
    }

    /// The batch has come back; `again` are those of its messages that did not arrive and go out with the next one.
    pub(crate) fn settle(&self, again: &[Message]) {
        let mut queue = self.lock();
        let bound = std::mem::take(&mut queue.in_flight);
        let settled = queue.messages.partition_point(|message| message.number < bound);
        let rest = queue.messages.split_off(settled);
        let done: usize = queue.messages.iter().map(Message::size).sum();
        queue.messages.clear();
        queue.messages.extend(again.iter().cloned());
        queue.bytes = queue.bytes - done + again.iter().map(Message::size).sum::<usize>();
        queue.messages.extend(rest);
        if queue.messages.is_empty() {
            self.emptied.notify_waiters();
        }
    }

    /// Waits until nothing waits.
    pub(crate) async fn emptied(&self) {
        loop {
            let mut emptied = std::pin::pin!(self.emptied.notified());
            emptied.as_mut().enable();
            if self.lock().messages.is_empty() {
                return;
            }
            emptied.await;
        }
    }

    /// Messages and bytes that wait.
    pub(crate) fn depth(&self) -> (usize, usize) {
        let queue = self.lock();
        (queue.messages.len(), queue.bytes)
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        // No code that can panic runs under the lock.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Counters;

    fn outbox(messages: usize, bytes: usize, age: Duration) -> (Outbox, Arc<Counters>) {
        let mut settings = RedisSettings::new("redis://unused");
        (settings.outbox_messages, settings.outbox_bytes, settings.outbox_age) = (messages, bytes, age);
        let counters = Arc::<Counters>::default();
        (Outbox::new(&settings, Arc::clone(&counters) as Arc<dyn Metrics>), counters)
    }

    fn payloads(batch: &[Message]) -> Vec<&[u8]> {
        batch.iter().map(|message| &message.payload[..]).collect()
    }

    #[test]
    fn keeps_order_and_gives_up_the_oldest() {
        let (outbox, counters) = outbox(3, 1000, Duration::from_secs(60));
        for payload in [b"1", b"2", b"3", b"4"] {
            outbox.push("c".into(), payload.to_vec());
        }
        assert_eq!(payloads(&outbox.batch(2)), [b"2", b"3"]);
        outbox.settle(&[]);
        assert_eq!(payloads(&outbox.batch(9)), [b"4"]);
        assert_eq!(counters.snapshot().dropped(Dropped::OutboxFull), 1);
        outbox.settle(&[]);
        assert_eq!(outbox.depth(), (0, 0));
    }

    #[test]
    fn what_is_in_flight_is_sent_again_after_a_failure_and_not_given_up() {
        let (outbox, _) = outbox(2, 1000, Duration::from_secs(60));
        outbox.push("c".into(), b"1".to_vec());
        outbox.push("c".into(), b"2".to_vec());
        assert_eq!(payloads(&outbox.batch(1)), [b"1"]);
        outbox.push("c".into(), b"3".to_vec());
        assert_eq!(payloads(&outbox.batch(9)), [b"1", b"3"]);
    }

    #[test]
    fn what_did_not_arrive_stays_before_what_came_later() {
        let (outbox, _) = outbox(9, 1000, Duration::from_secs(60));
        for payload in [b"1", b"2", b"3"] {
            outbox.push("c".into(), payload.to_vec());
        }
        let batch = outbox.batch(9);
        outbox.push("c".into(), b"4".to_vec());
        outbox.settle(&batch[1..2]);
        assert_eq!(payloads(&outbox.batch(9)), [b"2", b"4"]);
        assert_eq!(outbox.depth(), (2, 4));
    }

    #[test]
    fn bytes_and_age_are_limits_too() {
        let (small, counters) = outbox(100, 5, Duration::from_secs(60));
        small.push("c".into(), b"12".to_vec());
        small.push("c".into(), b"34".to_vec());
        assert_eq!(payloads(&small.batch(9)), [b"34"]);
        assert_eq!(small.depth(), (1, 3));
        small.push("c".into(), b"too large".to_vec());
        assert_eq!(small.depth(), (1, 3));
        assert_eq!(counters.snapshot().dropped(Dropped::OutboxFull), 2);

        let (old, counters) = outbox(100, 1000, Duration::ZERO);
        old.push("c".into(), b"1".to_vec());
        assert!(old.batch(9).is_empty());
        assert_eq!(counters.snapshot().dropped(Dropped::OutboxAge), 1);
        assert_eq!(old.depth(), (0, 0));
    }
}
