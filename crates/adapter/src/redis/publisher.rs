//! The one task that publishes. One, so that the order of a sender's events is the order on the bus; what is queued
//! while a batch is under way goes out together in the next one.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use deadpool_redis::Connection;
use futures_util::future::join_all;
use redis::{ErrorKind, RedisError, ServerErrorKind};
use tracing::{debug, warn};

use super::Shared;
use super::explain::explain;
use super::target::Address;
use super::topology::Topology;
use crate::backoff::Backoff;
use crate::gate::Passage;
use crate::metrics::Dropped;
use crate::outbox::Message;

/// Messages in one round trip.
const BATCH: usize = 256;
/// Messages in so much time while a backlog goes out. Clients have queues, too: what has gathered during an outage would
/// overrun them if it came at once.
const PACED: usize = 32;
const PACE: Duration = Duration::from_millis(4);
/// An answer that takes longer is looked into.
const PATIENCE: Duration = Duration::from_secs(2);
/// How quickly a healthy Redis answers.
const PROMPT: Duration = Duration::from_secs(1);

pub(super) async fn run(shared: Arc<Shared>) {
    let mut publisher = Publisher { shared, connections: HashMap::new(), backlog: None };
    let mut backoff = Backoff::default();
    loop {
        publisher.shared.outbox.filled().await;
        match publisher.shared.gate.pass(&*publisher.shared).await {
            Passage::Never => return,
            Passage::Open => {}
            Passage::Reopened => publisher.backlog = Some(Instant::now()),
        }
        if publisher.turn().await {
            backoff.reset();
        } else {
            backoff.wait().await;
        }
        if publisher.backlog.is_some() {
            if publisher.shared.outbox.depth().0 <= PACED {
                publisher.backlog = None;
            } else {
                tokio::time::sleep(PACE).await;
            }
        }
    }
}

/// What became of one message.
enum Fate {
    Published,
    /// Redis does not want it.
    Rejected(RedisError),
    /// It did not arrive, or not for certain.
    Again(RedisError),
}

struct Publisher {
    shared: Arc<Shared>,
    connections: HashMap<Address, Connection>,
    /// While what waits has gathered during an outage: when the last of it was sent.
    backlog: Option<Instant>,
}

impl Publisher {
    /// Publishes a batch; `false` if something has to go out again.
    async fn turn(&mut self) -> bool {
        let size = self.size();
        let batch = self.shared.outbox.batch(size);
        if batch.is_empty() {
            return true;
        }
        let topology = match self.shared.dialer.known().await {
            Ok(topology) => topology,
            Err(error) => {
                self.failed(&error);
                return false;
            }
        };
        let fates = self.publish(&topology, &batch).await;
        let (mut published, mut rejected, mut refusal) = (0, 0, None);
        let mut again = Vec::new();
        let mut failure = None;
        for (message, fate) in batch.iter().zip(fates) {
            match fate {
                Fate::Published => published += 1,
                Fate::Rejected(error) => {
                    rejected += 1;
                    refusal = Some(error);
                }
                Fate::Again(error) => {
                    again.push(message.clone());
                    failure = Some(error);
                }
            }
        }
        // All of them, and nothing has gone out: Redis does not let this node publish at all, at the moment.
        if published == 0
            && failure.is_none()
            && let Some(error) = refusal
        {
            self.failed(&error);
            return false;
        }
        self.shared.outbox.settle(&again);
        self.shared.metrics.published(published);
        if rejected > 0 {
            warn!(rejected, "redis refused to publish some messages, they are lost");
            self.shared.metrics.dropped(Dropped::Rejected, rejected);
        }
        match failure {
            Some(error) => {
                self.failed(&error);
                // The servers may have changed their parts. Then listeners have to follow, and need a moment for it.
                match self.shared.dialer.refresh().await {
                    Ok(now) if now != topology => self.shared.gate.settle(),
                    Ok(_) => {}
                    Err(error) => debug!(%error, "cannot find out about the servers"),
                }
                false
            }
            None => {
                self.shared.board.speaks(None);
                true
            }
        }
    }

    /// How many messages may go out now.
    fn size(&mut self) -> usize {
        let Some(last) = self.backlog.replace(Instant::now()) else {
            self.backlog = None;
            return BATCH;
        };
        // By the clock, not by the round trip: that may be long.
        let shares = 1 + last.elapsed().as_millis() / PACE.as_millis();
        PACED.saturating_mul(shares.try_into().unwrap_or(usize::MAX)).min(BATCH)
    }

    fn failed(&self, error: &RedisError) {
        debug!(%error, waiting = self.shared.outbox.depth().0, "publishing failed, will be tried again");
        self.shared.board.speaks(Some(format!("cannot publish: {}", explain(error))));
    }

    /// Gives each message to the server that has its channel, those of one server in one round trip and in order.
    async fn publish(&mut self, topology: &Topology, batch: &[Message]) -> Vec<Fate> {
        let mut fates: Vec<Option<Fate>> = batch.iter().map(|_| None).collect();
        // Where any server will do it is the same one for as long as it works: what goes by two ways may overtake.
        let used = topology.masters.iter().find(|master| self.connections.contains_key(*master));
        let any = used.unwrap_or_else(|| self.shared.dialer.any(topology, &self.shared.node_id));
        let mut parts: HashMap<&Address, Vec<usize>> = HashMap::new();
        for (index, message) in batch.iter().enumerate() {
            let server = if self.shared.sharded { topology.owner(&message.channel) } else { Some(any) };
            match server {
                Some(server) => parts.entry(server).or_default().push(index),
                None => fates[index] = Some(Fate::Again(slot_without_owner())),
            }
        }
        let work = parts.iter().map(|(server, part)| {
            let messages: Vec<&Message> = part.iter().map(|index| &batch[*index]).collect();
            let connection = self.connections.remove(*server);
            let shared = &self.shared;
            async move { (*server, part, send(shared, server, connection, &messages).await) }
        });
        for (server, part, (connection, part_fates)) in join_all(work.collect::<Vec<_>>()).await {
            if let Some(connection) = connection {
                self.connections.insert(server.clone(), connection);
            }
            for (index, fate) in part.iter().zip(part_fates) {
                fates[*index] = Some(fate);
            }
        }
        fates.into_iter().map(|fate| fate.unwrap_or_else(|| Fate::Again(slot_without_owner()))).collect()
    }
}

fn slot_without_owner() -> RedisError {
    RedisError::from((ErrorKind::Server(ServerErrorKind::ClusterDown), "nobody has the channel's hash slot"))
}

/// Sends messages to one server. A connection that failed is not used again.
async fn send(
    shared: &Shared,
    server: &Address,
    connection: Option<Connection>,
    messages: &[&Message],
) -> (Option<Connection>, Vec<Fate>) {
    let failed = |error: RedisError| messages.iter().map(|_| Fate::Again(error.clone())).collect();
    let mut connection = match connection {
        Some(connection) => connection,
        None => match shared.dialer.connection(server).await {
            Ok(connection) => connection,
            Err(error) => {
                shared.dialer.avoid(server);
                return (None, failed(error));
            }
        },
    };
    let command = if shared.sharded { "SPUBLISH" } else { "PUBLISH" };
    let mut pipeline = redis::Pipeline::with_capacity(messages.len());
    for message in messages {
        pipeline.cmd(command).arg(&message.channel).arg(&message.payload[..]);
    }
    pipeline.ignore_errors();
    let replies = {
        let mut reply = std::pin::pin!(pipeline.query_async::<Vec<redis::RedisResult<i64>>>(&mut connection));
        let gone = || Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into());
        loop {
            match tokio::time::timeout(PATIENCE, &mut reply).await {
                Ok(replies) => break replies,
                Err(_) if is_half_open(shared, server).await => {
                    // Redis may have answered just now, while it was asked.
                    break tokio::time::timeout(PROMPT, &mut reply).await.unwrap_or_else(|_| gone());
                }
                // Another server has taken over from it.
                Err(_) if !shared.serves(server, messages).await => break gone(),
                // Redis stands still. What it has been given it still has, so giving it once more would double it.
                Err(_) => shared.board.speaks(Some(format!("{server} does not answer"))),
            }
        }
    };
    match replies {
        Ok(replies) => (Some(connection), replies.into_iter().map(fate).collect()),
        Err(error) => {
            drop(Connection::take(connection));
            shared.dialer.avoid(server);
            (None, failed(error))
        }
    }
}

impl Shared {
    /// Whether the server still has the channels of these messages, as far as can be found out.
    async fn serves(&self, server: &Address, messages: &[&Message]) -> bool {
        let Ok(topology) = self.dialer.refresh().await else { return true };
        if self.sharded {
            messages.iter().all(|message| topology.owner(&message.channel) == Some(server))
        } else {
            topology.masters.contains(server)
        }
    }
}

/// Redis answers others, so this connection leads nowhere.
async fn is_half_open(shared: &Shared, server: &Address) -> bool {
    shared.dialer.answers(server, PROMPT).await
}

fn fate(reply: redis::RedisResult<i64>) -> Fate {
    match reply {
        Ok(_) => Fate::Published,
        Err(error) => match error.kind() {
            ErrorKind::Server(
                ServerErrorKind::Moved
                | ServerErrorKind::Ask
                | ServerErrorKind::TryAgain
                | ServerErrorKind::ClusterDown
                | ServerErrorKind::MasterDown
                | ServerErrorKind::BusyLoading,
            ) => Fate::Again(error),
            _ => Fate::Rejected(error),
        },
    }
}
