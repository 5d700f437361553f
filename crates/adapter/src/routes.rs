//! Which adapter a message from the bus belongs to, and what the bus is to be subscribed to for that.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, Weak};

use tokio::sync::{Notify, watch};

use crate::adapter::Adapter;
use crate::inbound;
use crate::metrics::Metrics;
use crate::protocol::{Mode, is_ours};
use crate::sampled::sampled;

/// What a connection can be subscribed to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Subscription {
    /// With `PSUBSCRIBE`.
    Pattern(String),
    /// With `SUBSCRIBE`.
    Channel(String),
    /// With `SSUBSCRIBE`.
    Shard(String),
}

impl Subscription {
    fn name(&self) -> &str {
        match self {
            Self::Pattern(name) | Self::Channel(name) | Self::Shard(name) => name,
        }
    }
}

/// What kind of messages a subscription brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Broadcasts, which the channel's name narrows down to a room.
    Broadcast,
    Request,
    Response,
    /// Messages of sharded servers, of all kinds.
    Sharded,
    /// The same, but only for the members of a room.
    Room,
}

/// Subscriptions that came and went.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    pub(crate) added: HashSet<Subscription>,
    pub(crate) removed: HashSet<Subscription>,
}

impl Changes {
    fn add(&mut self, subscription: Subscription) {
        self.removed.remove(&subscription);
        self.added.insert(subscription);
    }

    fn remove(&mut self, subscription: Subscription) {
        self.added.remove(&subscription);
        self.removed.insert(subscription);
    }
}

/// The adapters of this node by what they subscribe to. They are held weakly: each belongs to its namespace in
/// socketioxide, and goes with it.
pub(crate) struct Routes {
    table: RwLock<Table>,
    changes: Mutex<Changes>,
    changed: Notify,
    /// Room channels whose subscription Redis has confirmed.
    active: Mutex<HashSet<String>>,
    /// Changes when `active` does.
    activity: watch::Sender<u64>,
    /// Where nodes say that they have come, or go.
    nodes: Option<Subscription>,
    nodes_changed: Notify,
    /// Nodes that have said that they go, until the registry takes note.
    gone: Mutex<HashSet<String>>,
    metrics: Arc<dyn Metrics>,
}

#[derive(Default)]
struct Table {
    by_namespace: HashMap<String, Weak<Adapter>>,
    /// By what was subscribed to: a pattern or a channel. Names of namespaces and rooms are not escaped on the bus, so
    /// a channel's name alone does not tell where the namespace ends; Redis says which subscription it was.
    by_subscription: HashMap<String, (Weak<Adapter>, Kind)>,
}

/// What nodes say on their channel, before their id.
pub(crate) const HELLO: &str = "hello ";
pub(crate) const BYE: &str = "bye ";

fn subscriptions(adapter: &Adapter) -> Vec<(Subscription, Kind)> {
    let channels = &adapter.protocol().channels;
    match adapter.protocol().mode {
        Mode::Classic => vec![
            (Subscription::Pattern(channels.pattern.clone()), Kind::Broadcast),
            (Subscription::Channel(channels.request.clone()), Kind::Request),
            (Subscription::Channel(channels.response.clone()), Kind::Response),
            (Subscription::Channel(channels.own_response.clone()), Kind::Response),
        ],
        Mode::Sharded(_) => vec![
            (Subscription::Shard(channels.broadcast.clone()), Kind::Sharded),
            (Subscription::Shard(adapter.protocol().own_channel(adapter.uid())), Kind::Sharded),
        ],
    }
}

impl Routes {
    pub(crate) fn new(metrics: Arc<dyn Metrics>, nodes: Option<Subscription>) -> Self {
        Self {
            nodes,
            nodes_changed: Notify::new(),
            gone: Mutex::default(),
            table: RwLock::default(),
            changes: Mutex::default(),
            changed: Notify::new(),
            active: Mutex::default(),
            activity: watch::Sender::new(0),
            metrics,
        }
    }

    pub(crate) fn add(&self, adapter: &Arc<Adapter>) {
        self.table().by_namespace.insert(adapter.namespace().to_owned(), Arc::downgrade(adapter));
        self.subscribe(adapter, subscriptions(adapter));
    }

    pub(crate) fn remove(&self, adapter: &Adapter) {
        let rooms: Vec<Subscription> = {
            let mut table = self.table();
            table.by_namespace.remove(adapter.namespace());
            let is_its = |weak: &Weak<Adapter>| std::ptr::eq(weak.as_ptr(), adapter);
            let all =
                table.by_subscription.iter().filter(|(_, (weak, kind))| is_its(weak) && *kind == Kind::Room);
            all.map(|(name, _)| Subscription::Shard(name.clone())).collect()
        };
        let fixed = subscriptions(adapter).into_iter().map(|(subscription, _)| subscription);
        self.unsubscribe(fixed.chain(rooms));
    }

    pub(crate) fn subscribe_rooms(&self, adapter: &Arc<Adapter>, mut channels: Vec<String>) {
        channels.retain(|channel| !self.is_fixed(channel));
        let room = |channel| (Subscription::Shard(channel), Kind::Room);
        self.subscribe(adapter, channels.into_iter().map(room).collect());
    }

    pub(crate) fn unsubscribe_rooms(&self, mut channels: Vec<String>) {
        channels.retain(|channel| !self.is_fixed(channel));
        if !channels.is_empty() {
            self.unsubscribe(channels.into_iter().map(Subscription::Shard));
        }
    }

    /// Whether a channel is there for another reason than a room. Clients may choose the names of rooms, so a room may be
    /// called like a node, whose own channel must outlive it.
    fn is_fixed(&self, channel: &str) -> bool {
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        table.by_subscription.get(channel).is_some_and(|(_, kind)| *kind != Kind::Room)
    }

    /// The rooms' channels of an adapter.
    pub(crate) fn room_channels(&self, adapter: &Adapter) -> HashSet<String> {
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        let is_its = |weak: &Weak<Adapter>| std::ptr::eq(weak.as_ptr(), adapter);
        let all =
            table.by_subscription.iter().filter(|(_, (weak, kind))| is_its(weak) && *kind == Kind::Room);
        all.map(|(name, _)| name.clone()).collect()
    }

    pub(crate) fn has(&self, channel: &str) -> bool {
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        table.by_subscription.contains_key(channel)
    }

    fn subscribe(&self, adapter: &Arc<Adapter>, list: Vec<(Subscription, Kind)>) {
        if list.is_empty() {
            return;
        }
        {
            let (mut table, mut changes) = (self.table(), self.changes());
            for (subscription, kind) in list {
                let name = subscription.name().to_owned();
                table.by_subscription.insert(name, (Arc::downgrade(adapter), kind));
                changes.add(subscription);
            }
        }
        self.changed.notify_one();
    }

    fn unsubscribe(&self, list: impl IntoIterator<Item = Subscription>) {
        {
            let (mut table, mut changes) = (self.table(), self.changes());
            let mut active = self.active();
            for subscription in list {
                table.by_subscription.remove(subscription.name());
                active.remove(subscription.name());
                changes.remove(subscription);
            }
        }
        self.changed.notify_one();
    }

    /// Resolves when something came or went since the last time.
    pub(crate) fn changed(&self) -> impl Future<Output = ()> + '_ {
        self.changed.notified()
    }

    pub(crate) fn take_changes(&self) -> Changes {
        std::mem::take(&mut *self.changes())
    }

    /// All that is to be subscribed to.
    pub(crate) fn subscriptions(&self) -> HashSet<Subscription> {
        let fixed = self.all();
        let fixed =
            fixed.iter().flat_map(|adapter| subscriptions(adapter)).map(|(subscription, _)| subscription);
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        let rooms = table.by_subscription.iter().filter(|(_, (_, kind))| *kind == Kind::Room);
        let rooms = rooms.map(|(name, _)| Subscription::Shard(name.clone()));
        let mut all: HashSet<Subscription> = fixed.chain(rooms).collect();
        // A node without namespaces has nobody to tell anything.
        if !all.is_empty() {
            all.extend(self.nodes.clone());
        }
        all
    }

    /// Redis has confirmed these.
    pub(crate) fn are_active(&self, list: Vec<Subscription>) {
        if list.is_empty() {
            return;
        }
        let wanted = list.into_iter().filter_map(|subscription| match subscription {
            Subscription::Shard(name) if self.has(&name) => Some(name),
            _ => None,
        });
        let wanted: Vec<String> = wanted.collect();
        self.active().extend(wanted);
        self.tell_those_who_wait();
    }

    pub(crate) fn is_active(&self, channel: &str) -> bool {
        self.active().contains(channel)
    }

    /// Waits until something holds that depends on subscriptions.
    pub(crate) async fn until(&self, holds: impl Fn() -> bool) {
        let mut activity = self.activity.subscribe();
        while !holds() {
            if activity.changed().await.is_err() {
                return;
            }
        }
    }

    pub(crate) fn tell_those_who_wait(&self) {
        self.activity.send_modify(|version| *version += 1);
    }

    /// The channels to which all servers of each namespace listen.
    pub(crate) fn counted(&self) -> Vec<String> {
        self.all().iter().map(|adapter| adapter.protocol().counted().clone()).collect()
    }

    pub(crate) fn all(&self) -> Vec<Arc<Adapter>> {
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        table.by_namespace.values().filter_map(Weak::upgrade).collect()
    }

    pub(crate) fn adapter(&self, namespace: &str) -> Option<Arc<Adapter>> {
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        table.by_namespace.get(namespace).and_then(Weak::upgrade)
    }

    /// The channel on which nodes say that they have come, or go.
    pub(crate) fn nodes_channel(&self) -> Option<&str> {
        self.nodes.as_ref().map(Subscription::name)
    }

    /// Nodes that have said goodbye since the last time.
    pub(crate) fn take_gone(&self) -> HashSet<String> {
        std::mem::take(&mut *self.gone.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Resolves when a node has said something since the last time.
    pub(crate) fn nodes_changed(&self) -> impl Future<Output = ()> + '_ {
        self.nodes_changed.notified()
    }

    /// Gives a message from the bus to whom it belongs. Bytes that make no sense are counted and forgotten.
    pub(crate) fn dispatch(&self, pattern: Option<&str>, channel: &str, payload: &[u8]) {
        if self.nodes.as_ref().is_some_and(|nodes| nodes.name() == channel) {
            let said = std::str::from_utf8(payload).ok().and_then(|text| text.strip_prefix(BYE));
            if let Some(node) = said.filter(|node| is_ours(node)) {
                self.gone.lock().unwrap_or_else(PoisonError::into_inner).insert(node.to_owned());
            }
            return self.nodes_changed.notify_one();
        }
        self.metrics.received();
        let Some((adapter, kind)) = self.find(pattern.unwrap_or(channel)) else {
            return;
        };
        if let Err(error) = inbound::message(&adapter, kind, channel, payload) {
            self.metrics.undecodable();
            sampled!(
                tracing::warn!(%error, namespace = adapter.namespace(), bytes = payload.len(), "undecodable message on the bus")
            );
        }
    }

    /// The same for a bus that does not say which subscription it was.
    pub(crate) fn dispatch_by_name(&self, channel: &str, payload: &[u8]) {
        if self.has(channel) {
            return self.dispatch(None, channel, payload);
        }
        for adapter in self.all() {
            let channels = &adapter.protocol().channels;
            if channel.starts_with(&channels.broadcast) {
                self.dispatch(Some(&channels.pattern), channel, payload);
            }
        }
    }

    fn find(&self, subscription: &str) -> Option<(Arc<Adapter>, Kind)> {
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        let (adapter, kind) = table.by_subscription.get(subscription)?;
        Some((adapter.upgrade()?, *kind))
    }

    // No code that can panic runs under these locks; where several are taken it is in this order.
    fn table(&self) -> std::sync::RwLockWriteGuard<'_, Table> {
        self.table.write().unwrap_or_else(PoisonError::into_inner)
    }
    fn changes(&self) -> MutexGuard<'_, Changes> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }
    fn active(&self) -> MutexGuard<'_, HashSet<String>> {
        self.active.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
