//! Which adapter a message from the bus belongs to.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock, Weak};

use redis::Msg;
use tokio::sync::Notify;

use crate::adapter::Adapter;
use crate::counters::Counters;
use crate::wire::channel::Channels;
use crate::{inbound, serve};

/// The adapters of this node by what they subscribe to. They are held weakly: each belongs to its namespace in
/// socketioxide, and goes with it.
pub(crate) struct Routes {
    table: RwLock<Table>,
    changed: Notify,
    counters: Arc<Counters>,
}

#[derive(Default)]
struct Table {
    by_namespace: HashMap<String, Weak<Adapter>>,
    /// By what was subscribed to: a pattern or a channel. Names of namespaces and rooms are not escaped on the bus, so
    /// a channel's name alone does not tell where the namespace ends; Redis says which subscription it was.
    by_subscription: HashMap<String, (Weak<Adapter>, Kind)>,
}

#[derive(Clone, Copy)]
enum Kind {
    Broadcast,
    Request,
    Response,
}

fn subscriptions(channels: &Channels) -> [(&String, Kind); 4] {
    [
        (&channels.pattern, Kind::Broadcast),
        (&channels.request, Kind::Request),
        (&channels.response, Kind::Response),
        (&channels.own_response, Kind::Response),
    ]
}

impl Routes {
    pub(crate) fn new(counters: Arc<Counters>) -> Self {
        Self { table: RwLock::default(), changed: Notify::new(), counters }
    }

    pub(crate) fn add(&self, adapter: &Arc<Adapter>) {
        {
            let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
            table.by_namespace.insert(adapter.namespace().to_owned(), Arc::downgrade(adapter));
            for (name, kind) in subscriptions(adapter.channels()) {
                table.by_subscription.insert(name.clone(), (Arc::downgrade(adapter), kind));
            }
        }
        self.changed.notify_one();
    }

    pub(crate) fn remove(&self, adapter: &Adapter) {
        {
            let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
            table.by_namespace.remove(adapter.namespace());
            for (name, _) in subscriptions(adapter.channels()) {
                table.by_subscription.remove(name);
            }
        }
        self.changed.notify_one();
    }

    /// Resolves when a namespace came or went since this was called.
    pub(crate) fn changed(&self) -> impl Future<Output = ()> + '_ {
        self.changed.notified()
    }

    pub(crate) fn channels(&self) -> Vec<Channels> {
        self.all().iter().map(|adapter| adapter.channels().clone()).collect()
    }

    pub(crate) fn all(&self) -> Vec<Arc<Adapter>> {
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        table.by_namespace.values().filter_map(Weak::upgrade).collect()
    }

    pub(crate) fn adapter(&self, namespace: &str) -> Option<Arc<Adapter>> {
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        table.by_namespace.get(namespace).and_then(Weak::upgrade)
    }

    /// Gives a message from the bus to whom it belongs. Bytes that make no sense are counted and forgotten.
    pub(crate) fn dispatch(&self, message: &Msg) {
        Counters::add(&self.counters.received, 1);
        let (channel, payload) = (message.get_channel_name(), message.get_payload_bytes());
        let pattern: Option<String> = if message.from_pattern() { message.get_pattern().ok() } else { None };
        let Some((adapter, kind)) = self.find(pattern.as_deref().unwrap_or(channel)) else {
            return;
        };
        let result = match kind {
            Kind::Broadcast => inbound::broadcast(&adapter, channel, payload),
            Kind::Request => serve::request(&adapter, self, payload),
            // Nobody here asks yet.
            Kind::Response => Ok(()),
        };
        if let Err(error) = result {
            Counters::add(&self.counters.undecodable, 1);
            tracing::debug!(%error, bytes = payload.len(), "undecodable message on the bus");
        }
    }

    fn find(&self, subscription: &str) -> Option<(Arc<Adapter>, Kind)> {
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        let (adapter, kind) = table.by_subscription.get(subscription)?;
        Some((adapter.upgrade()?, *kind))
    }
}
