//! The one client that publishes, with a fixed number of events under way.

use std::time::Duration;

use anyhow::{bail, ensure};
use serde_json::Value;
use tokio::time::{Instant, sleep_until, timeout};

use super::{EVENT, ROOM};
use crate::cli::{BusOptions, Until};
use crate::client::Client;
use crate::crowd::Tally;
use crate::packet;

/// Between attempts to reach everybody: subscriptions may not be there yet.
const RETRY: Duration = Duration::from_millis(200);

/// Attempts to reach everybody.
const ATTEMPTS: u32 = 50;

/// Longest wait for acknowledgements when nothing is published any more.
const LAST_ANSWERS: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(super) struct Load {
    client: Client,
    /// Clients that each event reaches.
    receivers: u64,
    in_flight: u64,
    until: Until,
    /// Size of the argument.
    bytes: usize,
    /// The event of this phase.
    json: String,
    sent: u64,
    acked: u64,
}

impl Load {
    pub(super) fn new(client: Client, receivers: u64, options: &BusOptions) -> Self {
        let (in_flight, until) = (u64::from(options.in_flight), options.until);
        let bytes = options.payload as usize;
        Self { client, receivers, in_flight, until, bytes, json: String::new(), sent: 0, acked: 0 }
    }

    fn begin(&mut self, tally: &Tally) {
        let argument = packet::argument(tally.begin(), self.bytes);
        self.json = format!("[{},{},{argument}]", Value::from(EVENT), Value::from(ROOM));
        (self.sent, self.acked) = (0, 0);
    }

    /// Publishes one event after the other until every client has heard the same one: then all nodes hear each other.
    pub(super) async fn reach_everybody(&mut self, tally: &Tally) -> anyhow::Result<()> {
        for _ in 0..ATTEMPTS {
            self.begin(tally);
            self.send().await?;
            self.client.flush().await?;
            self.answers().await?;
            if timeout(RETRY, tally.settle(self.receivers)).await.is_ok() {
                return Ok(());
            }
        }
        bail!("not every client hears what is published; are the nodes joined?")
    }

    /// Publishes for so long, and waits until everything has arrived. Gives the number of events.
    pub(super) async fn publish(&mut self, tally: &Tally, time: Duration) -> anyhow::Result<u64> {
        self.begin(tally);
        let end = Instant::now() + time;
        while Instant::now() < end {
            let free = self.in_flight.saturating_sub(self.under_way(tally));
            for _ in 0..free {
                self.send().await?;
            }
            if free > 0 {
                self.client.flush().await?;
            }
            tokio::select! {
                packet = self.client.packet() => self.answer(&packet?)?,
                () = tally.complete(), if self.until == Until::Delivered => {}
                () = sleep_until(end) => break,
            }
        }
        self.answers().await?;
        let expected = self.sent * self.receivers;
        let delivered = tally.settle(expected).await;
        // Nothing that is counted wrongly may pass for a figure.
        ensure!(
            delivered <= expected,
            "{delivered} deliveries of at most {expected}: something arrives twice"
        );
        Ok(self.sent)
    }

    fn under_way(&self, tally: &Tally) -> u64 {
        let done = match self.until {
            Until::Acked => self.acked,
            Until::Delivered => self.acked.min(tally.delivered() / self.receivers),
        };
        self.sent - done
    }

    async fn send(&mut self) -> anyhow::Result<()> {
        self.client.ask(&self.json).await?;
        self.sent += 1;
        Ok(())
    }

    fn answer(&mut self, packet: &str) -> anyhow::Result<()> {
        match self.client.packets().acknowledgement(packet) {
            Some((_, arguments)) if packet::is_ok(arguments) => self.acked += 1,
            Some((_, arguments)) => bail!("the node has refused an event: {arguments}"),
            None => {}
        }
        Ok(())
    }

    /// Waits for all acknowledgements.
    async fn answers(&mut self) -> anyhow::Result<()> {
        while self.acked < self.sent {
            match timeout(LAST_ANSWERS, self.client.packet()).await {
                Ok(packet) => self.answer(&packet?)?,
                Err(_) => bail!("{} events were not acknowledged", self.sent - self.acked),
            }
        }
        Ok(())
    }
}
