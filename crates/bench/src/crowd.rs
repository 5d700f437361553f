//! Many clients in one room that only listen, and how much they have heard.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::bail;
use futures_util::StreamExt;
use futures_util::stream;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::client::Client;
use crate::packet;

/// Clients that connect at the same time.
const DOOR: usize = 32;

/// No delivery for so long: what is missing will not come.
const SILENCE: Duration = Duration::from_secs(2);

/// What all have heard together.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Events carry the number of their phase, and only those of the present one count: what is late from an earlier
    /// one would stand for something that is missing now.
    phase: AtomicU64,
    delivered: AtomicU64,
    /// Told whenever another event may have reached everybody.
    complete: Notify,
}

impl Tally {
    pub(crate) fn delivered(&self) -> u64 {
        self.delivered.load(Ordering::Relaxed)
    }

    /// Waits for as many deliveries as another event makes.
    pub(crate) async fn complete(&self) {
        self.complete.notified().await;
    }

    /// Begins another phase, with nothing delivered yet; gives its number.
    pub(crate) fn begin(&self) -> u64 {
        self.delivered.store(0, Ordering::Relaxed);
        self.phase.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Counts a delivery of that phase; `size` clients make an event complete.
    fn count(&self, phase: u64, size: u64) {
        if phase != self.phase.load(Ordering::Relaxed) {
            return;
        }
        if (self.delivered.fetch_add(1, Ordering::Relaxed) + 1).is_multiple_of(size) {
            self.complete.notify_one();
        }
    }

    /// Waits until so many deliveries have been counted, or no more come; gives their number.
    pub(crate) async fn settle(&self, expected: u64) -> u64 {
        loop {
            let delivered = self.delivered();
            if delivered >= expected {
                return delivered;
            }
            // Without news in time there may have been some, only no round number.
            if timeout(SILENCE, self.complete()).await.is_err() && self.delivered() == delivered {
                return delivered;
            }
        }
    }
}

/// The listening clients.
#[derive(Debug)]
pub(crate) struct Crowd {
    tally: Arc<Tally>,
    members: JoinSet<anyhow::Result<()>>,
}

impl Crowd {
    /// Connects a client to each of these nodes and has it join the room. Each then counts events of this name.
    pub(crate) async fn gather(
        nodes: impl IntoIterator<Item = SocketAddr>,
        namespace: &str,
        room: &str,
        event: &str,
    ) -> anyhow::Result<Self> {
        let enter = async |node| {
            let mut client = Client::connect(node, namespace).await?;
            client.join(room).await?;
            anyhow::Ok(client)
        };
        let mut clients = Vec::new();
        let mut entering = pin!(stream::iter(nodes).map(enter).buffer_unordered(DOOR));
        while let Some(client) = entering.next().await {
            clients.push(client?);
        }
        let (tally, size) = (Arc::<Tally>::default(), clients.len() as u64);
        let mut members = JoinSet::new();
        for client in clients {
            let start = client.packets().start_of(event);
            members.spawn(listen(client, start, size, Arc::clone(&tally)));
        }
        Ok(Self { tally, members })
    }

    /// How many they are.
    pub(crate) fn size(&self) -> u64 {
        self.members.len() as u64
    }

    /// Does the work while all are connected.
    pub(crate) async fn attended<T>(
        &mut self,
        work: impl AsyncFnOnce(&Tally) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let tally = Arc::clone(&self.tally);
        tokio::select! {
            result = work(&tally) => result,
            Some(lost) = self.members.join_next() => {
                lost??;
                bail!("a client has stopped listening")
            }
        }
    }
}

async fn listen(mut client: Client, start: String, size: u64, tally: Arc<Tally>) -> anyhow::Result<()> {
    loop {
        if let Some(phase) = packet::number(&client.packet().await?, &start) {
            tally.count(phase, size);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_deliveries_of_the_present_phase_count() {
        let tally = Tally::default();
        let first = tally.begin();
        tally.count(first, 2);
        let second = tally.begin();
        assert_ne!(first, second);
        tally.count(first, 2);
        assert_eq!(tally.delivered(), 0);
        tally.count(second, 2);
        tally.count(second, 2);
        tally.complete().await;
        assert_eq!(tally.settle(2).await, 2);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_missing_is_not_waited_for_for_ever_and_news_are_not_taken_for_all() {
        let tally = Tally::default();
        let phase = tally.begin();
        // Told of an event that is complete, but another one is expected.
        tally.count(phase, 1);
        let later = async {
            tokio::time::sleep(SILENCE / 2).await;
            tally.count(phase, 1);
        };
        let (delivered, ()) = tokio::join!(tally.settle(2), later);
        assert_eq!(delivered, 2);
        assert_eq!(tally.settle(3).await, 2);
    }
}
