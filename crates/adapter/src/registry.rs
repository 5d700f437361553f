//! Which nodes there are, and what they say of themselves.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, watch};

use crate::Adapter;
use crate::protocol::is_ours;
use crate::routes::Routes;

/// Nodes that are remembered after they have gone. Long uptimes see many come and go; one that was forgotten is at worst
/// waited for.
const MAX_GONE: usize = 1000;

/// A node of the cluster, as it described itself at its last heartbeat. Node servers are not among them: they have no
/// entry in the registry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Node {
    /// Random id, another one after each start.
    pub id: String,
    /// The name that the node was given.
    #[serde(default)]
    pub name: String,
    /// Where the node can be reached by other nodes, if it can.
    #[serde(default)]
    pub address: String,
    /// When the node was started, in milliseconds since 1970.
    #[serde(default)]
    pub started: u64,
    /// Sockets of each namespace that the node has.
    #[serde(default)]
    pub sockets: BTreeMap<String, u64>,
}

impl Node {
    /// Sockets of all namespaces together.
    #[must_use]
    pub fn total_sockets(&self) -> u64 {
        self.sockets.values().sum()
    }
}

/// This node, and what is known of the others.
pub(crate) struct Registry {
    own: Node,
    routes: Arc<Routes>,
    nodes: watch::Sender<Arc<Vec<Node>>>,
    /// Nodes that have gone from the registry, maybe with their connections to Redis still open: they are not waited for,
    /// and not taken for Node servers.
    gone: Mutex<HashSet<String>>,
    /// Nodes that have said goodbye. Ids are of one life only, so whatever is still read of them is from before.
    left: Mutex<HashSet<String>>,
    /// Servers that listen to a namespace and are not of our kind.
    others: Mutex<HashMap<String, u64>>,
    changed: Notify,
}

impl Registry {
    pub(crate) fn new(id: String, name: String, address: String, routes: Arc<Routes>) -> Self {
        let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let started = since_1970.as_millis().try_into().unwrap_or(u64::MAX);
        let own = Node { id, name, address, started, sockets: BTreeMap::new() };
        Self {
            // Whoever else there is, this node is there.
            nodes: watch::Sender::new(Arc::new(vec![own.clone()])),
            own,
            routes,
            gone: Mutex::default(),
            left: Mutex::default(),
            others: Mutex::default(),
            changed: Notify::new(),
        }
    }

    pub(crate) fn id(&self) -> &str {
        &self.own.id
    }

    /// This node as of now.
    pub(crate) fn own(&self) -> Node {
        let count = |adapter: Arc<Adapter>| (adapter.namespace().to_owned(), adapter.count_sockets());
        Node { sockets: self.routes.all().into_iter().map(count).collect(), ..self.own.clone() }
    }

    /// The nodes, this one among them, to read or to watch.
    pub(crate) fn nodes(&self) -> watch::Receiver<Arc<Vec<Node>>> {
        self.nodes.subscribe()
    }

    /// The others that have this namespace.
    pub(crate) fn peers(&self, namespace: &str) -> HashSet<String> {
        self.forget_who_has_left();
        let nodes = self.nodes.borrow();
        let has = |node: &&Node| node.id != self.own.id && node.sockets.contains_key(namespace);
        nodes.iter().filter(has).map(|node| node.id.clone()).collect()
    }

    /// Who says goodbye is gone at once; the registry may be read only later.
    fn forget_who_has_left(&self) {
        let left = self.routes.take_gone();
        if left.is_empty() {
            return;
        }
        self.nodes.send_modify(|nodes| {
            let stay = nodes.iter().filter(|node| !left.contains(&node.id));
            *nodes = Arc::new(stay.cloned().collect());
        });
        self.gone.lock().unwrap_or_else(PoisonError::into_inner).extend(left.iter().cloned());
        let mut known = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() > MAX_GONE {
            known.clear();
        }
        known.extend(left);
    }

    /// Nodes that are gone by the registry.
    pub(crate) fn gone(&self) -> Vec<String> {
        self.gone.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// What was found in the registry.
    pub(crate) fn update(&self, mut nodes: Vec<Node>) {
        self.forget_who_has_left();
        {
            let left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
            nodes.retain(|node| node.id != self.own.id && !left.contains(&node.id));
        }
        nodes.push(self.own());
        nodes.sort_unstable_by(|a, b| (&a.name, &a.id).cmp(&(&b.name, &b.id)));
        {
            let mut gone = self.gone.lock().unwrap_or_else(PoisonError::into_inner);
            for before in self.nodes.borrow().iter() {
                if !nodes.iter().any(|node| node.id == before.id) {
                    gone.insert(before.id.clone());
                }
            }
            gone.retain(|id| !nodes.iter().any(|node| node.id == *id));
            if gone.len() > MAX_GONE {
                gone.clear();
            }
        }
        self.nodes.send_if_modified(|known| {
            let changed = **known != nodes;
            if changed {
                *known = Arc::new(nodes);
            }
            changed
        });
    }

    /// How many servers listen to each namespace's channel.
    pub(crate) fn counted(&self, counts: &HashMap<String, u64>) {
        let mut others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        others.clear();
        for adapter in self.routes.all() {
            let listening = counts.get(adapter.protocol().counted()).copied().unwrap_or(0);
            let ours = self.peers(adapter.namespace()).len() as u64 + 1;
            let foreign = listening.saturating_sub(ours);
            if others.insert(adapter.namespace().to_owned(), foreign).unwrap_or(0) != foreign {
                adapter.look_at_all_rooms();
            }
        }
    }

    /// A sharded server has spoken. If it is of another kind it must be known at once: it expects channels that are not
    /// needed without it.
    pub(crate) fn heard_from(&self, adapter: &Adapter, uid: &str) {
        if !adapter.bus().has_room_channels() || is_ours(uid) || self.has_others(adapter.namespace()) {
            return;
        }
        self.others.lock().unwrap_or_else(PoisonError::into_inner).insert(adapter.namespace().to_owned(), 1);
        adapter.look_at_all_rooms();
    }

    /// Whether servers of another kind were there when this was last counted.
    pub(crate) fn has_others(&self, namespace: &str) -> bool {
        let others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        others.get(namespace).is_some_and(|count| *count > 0)
    }

    /// Something that the others should know at once has changed.
    pub(crate) fn touch(&self) {
        self.changed.notify_one();
    }

    pub(crate) fn changed(&self) -> impl Future<Output = ()> + '_ {
        self.changed.notified()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routes::{BYE, Subscription};

    const CHANNEL: &str = "nodes";

    fn node(id: &str) -> Node {
        let sockets = BTreeMap::from([("/".to_owned(), 0)]);
        Node { id: id.into(), name: id.into(), address: String::new(), started: 0, sockets }
    }

    #[test]
    fn who_has_said_goodbye_does_not_come_back_by_an_older_look() {
        let nodes = Subscription::Channel(CHANNEL.into());
        let routes = Arc::new(Routes::new(Arc::new(crate::metrics::Counters::default()), Some(nodes)));
        let id = |letter: char| format!("rc{}", letter.to_string().repeat(14));
        let registry = Registry::new(id('o'), "own".into(), String::new(), Arc::clone(&routes));
        let looked = || vec![node(&id('a')), node(&id('b'))];
        registry.update(looked());
        assert_eq!(registry.peers("/"), HashSet::from([id('a'), id('b')]));

        // A look at the registry is under way when the node says goodbye, and ends behind it.
        routes.dispatch(None, CHANNEL, format!("{BYE}{}", id('a')).as_bytes());
        assert_eq!(registry.peers("/"), HashSet::from([id('b')]));
        registry.update(looked());
        assert_eq!(registry.peers("/"), HashSet::from([id('b')]));
        assert_eq!(registry.gone(), [id('a')]);
        // Also when nobody has asked in between.
        routes.dispatch(None, CHANNEL, format!("{BYE}{}", id('b')).as_bytes());
        registry.update(looked());
        assert!(registry.peers("/").is_empty());
    }
}
