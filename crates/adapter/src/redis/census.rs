//! How many servers listen to a channel.

use futures_util::future::join_all;
use redis::{Cmd, RedisError};

use super::dialer::Dialer;

/// Counts the subscribers of each channel, over all servers of a cluster. Servers that do not answer are left out, as
/// long as one does.
pub(crate) async fn count(
    dialer: &Dialer,
    sharded: bool,
    channels: &[String],
) -> Result<Vec<u64>, RedisError> {
    if channels.is_empty() {
        return Ok(Vec::new());
    }
    let mut question = Cmd::new();
    question.arg("PUBSUB").arg(if sharded { "SHARDNUMSUB" } else { "NUMSUB" }).arg(channels);
    let topology = dialer.known().await?;
    let ask = |server| dialer.query::<Vec<(String, u64)>>(server, &question);
    let mut sums = vec![0; channels.len()];
    let mut failure = None;
    let mut answered = false;
    for answer in join_all(topology.servers().map(ask)).await {
        match answer {
            Ok(counts) => {
                answered = true;
                for (sum, (_, count)) in sums.iter_mut().zip(counts) {
                    *sum += count;
                }
            }
            Err(error) => failure = Some(error),
        }
    }
    match failure {
        Some(error) if !answered => Err(error),
        _ => Ok(sums),
    }
}

impl crate::gate::Census for super::Shared {
    async fn count(&self, channels: Vec<String>) -> Option<Vec<u64>> {
        count(&self.dialer, self.sharded, &channels).await.ok()
    }
}
