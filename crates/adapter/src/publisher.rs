//! The one task that publishes. One, so that the order of a sender's events is the order on the bus; what is queued
//! while a batch is under way goes out together in the next one.

use std::sync::Arc;
use std::time::Duration;

use deadpool_redis::{Connection, Pool};
use tokio::sync::watch;
use tracing::{debug, warn};

use crate::backoff::{self, Backoff};
use crate::counters::{Counters, Dropped};
use crate::outbox::{Message, Outbox};
use crate::status::Board;

/// Messages in one round trip.
const BATCH: usize = 256;

/// How long to wait after Redis has come back: the other nodes come back each in their own time, and what is published
/// before a node has subscribed again is lost to it.
const GRACE: Duration = backoff::LONGEST.saturating_add(Duration::from_millis(500));

pub(crate) async fn run(outbox: Arc<Outbox>, pool: Pool, counters: Arc<Counters>, board: Arc<Board>) {
    let mut backoff = Backoff::default();
    let mut gate = Gate { listening: board.listening(), passed: None };
    let mut connection: Option<Connection> = None;
    loop {
        outbox.filled().await;
        if !gate.pass().await {
            return;
        }
        let batch = outbox.batch(BATCH);
        if batch.is_empty() {
            continue;
        }
        let taken = match connection.take() {
            Some(connection) => Ok(connection),
            None => pool.get().await.map_err(|error| error.to_string()),
        };
        let result = match taken {
            Ok(connection) => publish(connection, &batch).await.map_err(|error| error.to_string()),
            Err(error) => Err(error),
        };
        match result {
            Ok((alive, rejected)) => {
                outbox.confirm();
                let rejected = rejected as u64;
                Counters::add(&counters.published, batch.len() as u64 - rejected);
                if rejected > 0 {
                    warn!(rejected, "redis refused to publish some messages, they are lost");
                    counters.dropped(Dropped::Rejected, rejected);
                }
                connection = Some(alive);
                board.speaks();
                backoff.reset();
            }
            Err(error) => {
                // The batch stays in the outbox and is sent again. If the connection broke after Redis had taken
                // a part of it, that part arrives twice: better than not at all.
                debug!(%error, waiting = outbox.depth().0, "publishing failed, will be tried again");
                board.mute(format!("cannot publish: {error}"));
                backoff.wait().await;
            }
        }
    }
}

/// Lets publishes through while this node hears the bus itself.
struct Gate {
    listening: watch::Receiver<Option<u64>>,
    /// The number of the subscriber's connection for which it has opened.
    passed: Option<u64>,
}

impl Gate {
    /// Waits until the bus can be heard; `false` if it never will be again.
    async fn pass(&mut self) -> bool {
        loop {
            let Ok(connect) = self.listening.wait_for(Option::is_some).await.map(|connect| *connect) else {
                return false;
            };
            if self.passed == connect {
                return true;
            }
            // At the start nobody is known to be waiting for anything.
            if self.passed.is_some() {
                tokio::time::sleep(GRACE).await;
            }
            self.passed = connect;
        }
    }
}

/// Publishes, and gives the connection back with the number of messages that Redis refused. A connection that failed
/// is not used again.
async fn publish(
    mut connection: Connection,
    batch: &[Message],
) -> Result<(Connection, usize), redis::RedisError> {
    let mut pipeline = redis::Pipeline::with_capacity(batch.len());
    for message in batch {
        pipeline.cmd("PUBLISH").arg(&message.channel).arg(&message.payload[..]);
    }
    let replies: Result<Vec<redis::RedisResult<i64>>, _> =
        pipeline.ignore_errors().query_async(&mut connection).await;
    let error = match replies {
        Ok(mut replies) => {
            let refused = replies.iter().filter(|reply| reply.is_err()).count();
            if refused < batch.len() {
                return Ok((connection, refused));
            }
            // All of them: Redis is loading, or does not let this node publish at all. Nothing has gone out.
            replies.swap_remove(0).err().unwrap_or_else(|| std::io::Error::other("no reply").into())
        }
        Err(error) => error,
    };
    drop(Connection::take(connection));
    Err(error)
}
