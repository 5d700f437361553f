//! What all nodes together may spend: the generic cell rate algorithm, in Redis.

use std::time::Duration;

use redis::{Pipeline, RedisError};

use super::Shared;

/// Gives the time to wait in microseconds; 0 if the cost was taken. The value is when everything will be recovered, by
/// the clock of Redis: those of the nodes may differ.
const SPEND: &str = "\
local interval, burst, cost = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local recovered = math.max(tonumber(redis.call('GET', KEYS[1]) or 0), now) + cost * interval
local wait = recovered - burst * interval - now
if wait > 0 then return wait end
redis.call('SET', KEYS[1], string.format('%.0f', recovered), 'PX', math.ceil((recovered - now) / 1000))
return 0";

/// So much may be spent by all nodes together: one more in each `interval`, `burst` at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    /// The time in which one more is allowed.
    pub interval: Duration,
    /// How much may be spent at once.
    pub burst: u32,
}

/// Spends `cost` of the allowance of this name, or tells how long to wait.
pub(super) async fn spend(
    shared: &Shared,
    name: &str,
    allowance: Allowance,
    cost: u32,
) -> Result<Result<(), Duration>, RedisError> {
    // The name has the braces' part of the key: allowances of a cluster are spread over its servers.
    let key = format!("{}-allowance:{{{name}}}", shared.prefix);
    let topology = shared.dialer.known().await?;
    let Some(server) = topology.owner(&key) else {
        return Err(RedisError::from((
            redis::ErrorKind::ClusterConnectionNotFound,
            "nobody has the key's slot",
        )));
    };
    let interval = u64::try_from(allowance.interval.as_micros()).unwrap_or(u64::MAX).max(1);
    let mut ask = Pipeline::with_capacity(1);
    ask.cmd("EVAL")
        .arg(SPEND)
        .arg(1)
        .arg(&key)
        .arg(interval)
        .arg(allowance.burst)
        .arg(cost.min(allowance.burst));
    let (wait,): (u64,) = shared.dialer.pipeline(server, &ask).await?;
    Ok(if wait == 0 { Ok(()) } else { Err(Duration::from_micros(wait)) })
}
