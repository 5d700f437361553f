//! The registry of nodes: a key per node that expires unless the node renews it, and an index of them.
//!
//! `{P-nodes}:<id>` (`{P-sharded-nodes}:<id>` in the sharded modes) holds the node's entry as JSON, `{P-nodes}` is the set of ids. The braces keep all in one hash slot of
//! a cluster. Whoever reads the index and finds no key removes the id: that node is dead.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use redis::{Pipeline, RedisError};
use tokio::time::Instant;
use tracing::{debug, warn};

use super::explain::explain;
use super::{Shared, census};
use crate::registry::Node;
use crate::routes::{BYE, HELLO};

/// A node that has just come, or come back, looks around more often: others do at the same time, and whoever is not known
/// is not waited for after an outage.
const YOUNG: Duration = Duration::from_secs(5);
const EAGER: Duration = Duration::from_millis(250);

pub(super) async fn run(shared: Arc<Shared>) {
    let mut status = shared.board.status();
    let mut last = Instant::now();
    let mut news = Instant::now();
    let mut failing = false;
    // What the others have been told that they can ask this node for.
    let mut told = Vec::new();
    let mut pause = Duration::ZERO;
    loop {
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            // Back after an outage the node tells at once that it is here.
            Ok(()) = status.changed() => news = Instant::now(),
            () = shared.registry.changed() => news = Instant::now(),
            () = shared.routes.nodes_changed() => news = Instant::now(),
        }
        pause = if news.elapsed() < YOUNG {
            shared.heartbeat_interval.min(EAGER)
        } else {
            shared.heartbeat_interval
        };
        let namespaces: Vec<String> = shared.registry.own().sockets.into_keys().collect();
        match beat(&shared).await {
            Ok(nodes) => {
                last = Instant::now();
                if std::mem::replace(&mut told, namespaces.clone()) != namespaces {
                    tell(&shared, HELLO).await;
                }
                failing = false;
                shared.registry.update(nodes);
            }
            Err(error) => {
                if !std::mem::replace(&mut failing, true) {
                    let reason = explain(&error);
                    warn!(reason, "the registry of nodes cannot be reached");
                }
                // Who is there is not known any more.
                if last.elapsed() > shared.node_ttl {
                    shared.registry.update(vec![]);
                }
            }
        }
        let channels = shared.routes.counted();
        match census::count(&shared.dialer, shared.sharded, &channels).await {
            Ok(counts) => {
                let counts: HashMap<String, u64> = channels.into_iter().zip(counts).collect();
                shared.registry.counted(&counts);
                shared.gate.remember(counts);
            }
            Err(error) => debug!(%error, "subscribers cannot be counted"),
        }
    }
}

/// Renews this node's entry and reads those of the others.
async fn beat(shared: &Shared) -> Result<Vec<Node>, RedisError> {
    let topology = shared.dialer.known().await?;
    let index = index(shared);
    let Some(server) = topology.owner(&index) else {
        return Err(RedisError::from((
            redis::ErrorKind::ClusterConnectionNotFound,
            "nobody has the registry's slot",
        )));
    };
    let entry = serde_json::to_string(&shared.registry.own())
        .map_err(|error| RedisError::from(std::io::Error::other(error)))?;
    let mut renew = Pipeline::with_capacity(3);
    renew
        .cmd("SET")
        .arg(key(shared, &shared.node_id))
        .arg(entry)
        .arg("PX")
        .arg(millis(shared.node_ttl))
        .ignore();
    renew.cmd("SADD").arg(&index).arg(&shared.node_id).ignore();
    renew.cmd("SMEMBERS").arg(&index);
    let (ids,): (Vec<String>,) = shared.dialer.pipeline(server, &renew).await?;
    let mut read = redis::cmd("MGET");
    for id in &ids {
        read.arg(key(shared, id));
    }
    let entries: Vec<Option<String>> = shared.dialer.query(server, &read).await?;
    let dead: Vec<&String> =
        ids.iter().zip(&entries).filter(|(_, entry)| entry.is_none()).map(|(id, _)| id).collect();
    if !dead.is_empty() {
        shared.dialer.query::<()>(server, redis::cmd("SREM").arg(&index).arg(dead)).await?;
    }
    // An entry that another version wrote, and this one cannot read, is a node all the same; but nothing is known of it.
    Ok(entries.iter().flatten().filter_map(|entry| serde_json::from_str(entry).ok()).collect())
}

/// Takes this node out, when it goes by its own will.
pub(super) async fn leave(shared: &Shared) -> Result<(), RedisError> {
    let topology = shared.dialer.known().await?;
    let index = index(shared);
    let Some(server) = topology.owner(&index) else { return Ok(()) };
    let mut leave = Pipeline::with_capacity(2);
    leave.cmd("DEL").arg(key(shared, &shared.node_id)).ignore();
    leave.cmd("SREM").arg(&index).arg(&shared.node_id).ignore();
    shared.dialer.pipeline::<()>(server, &leave).await?;
    tell(shared, BYE).await;
    Ok(())
}

/// Lets the other nodes look at the registry at once.
async fn tell(shared: &Shared, what: &str) {
    let (Some(channel), Ok(topology)) = (shared.routes.nodes_channel(), shared.dialer.known().await) else {
        return;
    };
    let server = if shared.sharded { topology.owner(channel) } else { topology.masters.first() };
    let Some(server) = server else { return };
    let mut publish = redis::cmd(if shared.sharded { "SPUBLISH" } else { "PUBLISH" });
    publish.arg(channel).arg(format!("{what}{}", shared.node_id));
    // Who does not hear it finds out by itself.
    if let Err(error) = shared.dialer.query::<()>(server, &publish).await {
        debug!(%error, "the other nodes cannot be told");
    }
}

fn index(shared: &Shared) -> String {
    // Servers of the two modes do not hear each other, whatever the prefix.
    format!("{{{}-{}nodes}}", shared.prefix, if shared.sharded { "sharded-" } else { "" })
}

fn key(shared: &Shared, id: &str) -> String {
    format!("{}:{id}", index(shared))
}

fn millis(duration: Duration) -> u64 {
    duration.as_millis().try_into().unwrap_or(u64::MAX)
}
