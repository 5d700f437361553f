//! The one task that publishes. One, so that the order of a sender's events is the order on the bus; what is queued
//! while a batch is under way goes out together in the next one.

use std::sync::Arc;

use deadpool_redis::{Connection, Pool};
use tracing::{debug, warn};

use crate::backoff::Backoff;
use crate::counters::Counters;
use crate::outbox::{Message, Outbox};

/// Messages in one round trip.
const BATCH: usize = 256;

pub(crate) async fn run(outbox: Arc<Outbox>, pool: Pool, counters: Arc<Counters>) {
    let mut backoff = Backoff::default();
    let mut connection: Option<Connection> = None;
    loop {
        let batch = outbox.batch(BATCH).await;
        let result = match connection.take() {
            Some(connection) => publish(connection, &batch).await,
            None => match pool.get().await {
                Ok(connection) => publish(connection, &batch).await,
                Err(error) => {
                    debug!(%error, "no connection to publish on");
                    backoff.wait().await;
                    continue;
                }
            },
        };
        match result {
            Ok(alive) => {
                outbox.confirm();
                Counters::add(&counters.published, batch.len() as u64);
                connection = Some(alive);
                backoff.reset();
            }
            Err(error) => {
                // The batch stays in the outbox and is sent again. If the connection broke after Redis had taken
                // a part of it, that part arrives twice: better than not at all, and only in that moment.
                warn!(%error, waiting = outbox.depth().0, "publishing failed, will be tried again");
                backoff.wait().await;
            }
        }
    }
}

/// Publishes and gives the connection back; a connection that failed is not used again.
async fn publish(mut connection: Connection, batch: &[Message]) -> Result<Connection, redis::RedisError> {
    let mut pipeline = redis::Pipeline::with_capacity(batch.len());
    for message in batch {
        pipeline.cmd("PUBLISH").arg(&message.channel).arg(&message.payload[..]).ignore();
    }
    let result: Result<(), _> = pipeline.query_async(&mut connection).await;
    match result {
        Ok(()) => Ok(connection),
        Err(error) => {
            drop(Connection::take(connection));
            Err(error)
        }
    }
}
