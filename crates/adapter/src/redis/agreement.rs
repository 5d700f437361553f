//! Values that all nodes share: what the first one proposes counts.

use std::time::Duration;

use redis::{Pipeline, RedisError};

use super::Shared;

/// What the cluster has agreed on under this name; `proposal` if it had nothing yet. Forgotten when nobody asks for it
/// for so long.
pub(super) async fn agree(
    shared: &Shared,
    name: &str,
    proposal: &str,
    lifetime: Duration,
) -> Result<String, RedisError> {
    let key = format!("{{{}-shared}}:{name}", shared.prefix);
    let topology = shared.dialer.known().await?;
    let Some(server) = topology.owner(&key) else {
        return Err(RedisError::from((
            redis::ErrorKind::ClusterConnectionNotFound,
            "nobody has the key's slot",
        )));
    };
    let lifetime = u64::try_from(lifetime.as_millis()).unwrap_or(u64::MAX);
    let mut ask = Pipeline::with_capacity(3);
    ask.cmd("SET").arg(&key).arg(proposal).arg("NX").arg("PX").arg(lifetime).ignore();
    ask.cmd("PEXPIRE").arg(&key).arg(lifetime).ignore();
    ask.cmd("GET").arg(&key);
    let (agreed,): (Option<String>,) = shared.dialer.pipeline(server, &ask).await?;
    // It may be deleted in between, by hand.
    Ok(agreed.unwrap_or_else(|| proposal.to_owned()))
}
