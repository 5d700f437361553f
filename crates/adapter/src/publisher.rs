//! The one task that publishes. One, so that the order of a sender's events is the order on the bus; what is queued
//! while a batch is under way goes out together in the next one.

use std::sync::Arc;

use deadpool_redis::{Connection, Pool};
use tokio::sync::watch;
use tokio::time::Instant;
use tracing::{debug, warn};

use crate::backoff::Backoff;
use crate::counters::{Counters, Dropped};
use crate::outbox::{Message, Outbox};
use crate::status::Board;

/// Messages in one round trip.
const BATCH: usize = 256;

pub(crate) async fn run(outbox: Arc<Outbox>, pool: Pool, counters: Arc<Counters>, board: Arc<Board>) {
    let mut backoff = Backoff::default();
    let mut open_from = board.open_from();
    let mut connection: Option<Connection> = None;
    loop {
        outbox.filled().await;
        if !open(&mut open_from).await {
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

/// Waits until this node may publish; `false` if it never will again.
async fn open(open_from: &mut watch::Receiver<Option<Instant>>) -> bool {
    loop {
        let Ok(from) = open_from.wait_for(Option::is_some).await.map(|from| *from) else {
            return false;
        };
        match from {
            Some(from) if from <= Instant::now() => return true,
            // The connection may break meanwhile, so it is asked again.
            Some(from) => tokio::time::sleep_until(from).await,
            None => {}
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
