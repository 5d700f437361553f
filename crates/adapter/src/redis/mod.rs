//! The bus over Redis: one server, a cluster, or what sentinels name; with ordinary or sharded channels.
//!
//! [`dialer`] knows the servers and connects to them, [`publisher`] takes messages from the outbox, [`subscriber`] keeps
//! the connections that listen, [`registry`] tells the others that this node lives.

mod agreement;
mod allowance;
mod census;
mod dialer;
mod explain;
mod listener;
mod publisher;
mod registry;
mod subscriber;
pub(crate) mod target;
mod topology;

use std::sync::Arc;
use std::time::Duration;

use tokio::task::AbortHandle;

use crate::bus::BusError;
use crate::gate::Gate;
use crate::metrics::Metrics;
use crate::outbox::Outbox;
use crate::protocol::Mode;
use crate::registry::Registry;
use crate::routes::Routes;
use crate::settings::RedisSettings;
use crate::status::Board;
pub use allowance::Allowance;
use dialer::Dialer;

/// What the tasks share.
pub(crate) struct Shared {
    dialer: Dialer,
    routes: Arc<Routes>,
    outbox: Arc<Outbox>,
    registry: Arc<Registry>,
    metrics: Arc<dyn Metrics>,
    board: Arc<Board>,
    gate: Gate,
    sharded: bool,
    node_id: String,
    prefix: String,
    probe_interval: Duration,
    heartbeat_interval: Duration,
    node_ttl: Duration,
}

/// The parts of the bus that do not depend on Redis.
pub(crate) struct Parts {
    pub(crate) routes: Arc<Routes>,
    pub(crate) outbox: Arc<Outbox>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) metrics: Arc<dyn Metrics>,
    pub(crate) board: Arc<Board>,
}

/// A running connection to Redis; it ends when this is dropped.
pub(crate) struct Redis {
    shared: Arc<Shared>,
    tasks: Vec<AbortHandle>,
    heartbeat: AbortHandle,
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.heartbeat.abort();
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Redis {
    pub(crate) fn start(settings: &RedisSettings, node_id: &str, parts: Parts) -> Result<Self, BusError> {
        let Parts { routes, outbox, registry, metrics, board } = parts;
        let shared = Arc::new(Shared {
            dialer: Dialer::new(settings)?,
            routes,
            outbox,
            registry,
            metrics,
            board,
            gate: Gate::new(),
            sharded: settings.mode != Mode::Classic,
            node_id: node_id.to_owned(),
            prefix: settings.prefix.clone(),
            probe_interval: settings.probe_interval,
            heartbeat_interval: settings.heartbeat_interval,
            node_ttl: settings.node_ttl,
        });
        let tasks = vec![
            tokio::spawn(subscriber::run(Arc::clone(&shared))).abort_handle(),
            tokio::spawn(publisher::run(Arc::clone(&shared))).abort_handle(),
        ];
        let heartbeat = tokio::spawn(registry::run(Arc::clone(&shared))).abort_handle();
        Ok(Self { shared, tasks, heartbeat })
    }

    /// How many servers listen to each channel; `None` if Redis cannot be asked.
    pub(crate) async fn count(&self, channels: &[String]) -> Option<Vec<u64>> {
        // Boxed: the future of a command to several servers is large, and asked for rarely.
        Box::pin(census::count(&self.shared.dialer, self.shared.sharded, channels)).await.ok()
    }

    /// What the cluster has agreed on; `None` if Redis cannot be asked.
    pub(crate) async fn agree(&self, name: &str, proposal: &str, lifetime: Duration) -> Option<String> {
        let agreed = Box::pin(agreement::agree(&self.shared, name, proposal, lifetime)).await;
        agreed.inspect_err(|error| tracing::debug!(%error, name, "the cluster cannot be asked")).ok()
    }

    /// Spends from an allowance of the cluster; `None` if Redis cannot be asked.
    pub(crate) async fn spend(
        &self,
        name: &str,
        allowance: Allowance,
        cost: u32,
    ) -> Option<Result<(), Duration>> {
        let spent = Box::pin(allowance::spend(&self.shared, name, allowance, cost)).await;
        spent.inspect_err(|error| tracing::debug!(%error, "the cluster's allowance cannot be asked for")).ok()
    }

    /// Takes the node out of the registry and ends its connections.
    pub(crate) async fn leave(&self) {
        // A heartbeat that is under way would put it back.
        self.heartbeat.abort();
        if let Err(error) = registry::leave(&self.shared).await {
            tracing::debug!(%error, "this node could not take itself out of the registry");
        }
        for task in &self.tasks {
            task.abort();
        }
    }
}
