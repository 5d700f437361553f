//! The other nodes: where requests of their sessions are passed to, and what keeps them from being passed.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use roomcast_adapter::{Bus, Node};
use roomcast_edge::{Directory, ForwardSettings, Forwarder, Keys, Peers, Stats, Tag};
use tokio::sync::watch;
use tracing::warn;

use super::advert::Advert;
use crate::config::Settings;

/// Nodes of which something was told and which are remembered; long uptimes see many come and go.
const MAX_TOLD: usize = 1_000;

pub(super) fn peers(settings: &Settings, tag: Tag, keys: &Keys, bus: &Bus, stats: &Stats) -> Option<Peers> {
    let (internal, socketio) = (&settings.internal, &settings.socketio);
    if internal.listen.is_empty() || settings.redis.url.is_empty() {
        return None;
    }
    // A poll is answered by a ping at the latest.
    let longest = socketio.ping_interval_ms.saturating_add(socketio.ping_timeout_ms);
    let limits = ForwardSettings {
        connect_timeout: Duration::from_millis(internal.connect_timeout_ms),
        answer_timeout: Duration::from_millis(longest),
        max_in_flight: internal.max_forwarded,
        idle: Duration::from_millis(settings.server.header_timeout_ms / 2),
    };
    Some(Peers {
        tag,
        keys: keys.clone(),
        forwarder: Arc::new(Forwarder::new(tag, keys.clone(), limits, stats)),
        directory: Arc::new(Nodes::new(bus)),
    })
}

/// Says what keeps requests from being passed on: that this node cannot be reached, that another one has its tag, or none
/// of its keys.
pub(crate) async fn watch_peers(bus: Bus, own: Advert) {
    if !own.is_reachable() {
        warn!(
            "internal.advertise is empty: requests of this node's sessions that come to others cannot be passed on"
        );
    }
    let mut nodes = bus.nodes();
    let mut watch = Watch::default();
    loop {
        let now = Arc::clone(&nodes.borrow_and_update());
        watch.look(&now, bus.node_id(), &own);
        if nodes.changed().await.is_err() {
            return;
        }
    }
}

/// What was told already.
#[derive(Default)]
struct Watch {
    twins: Told,
    strangers: Told,
}

/// The ids of nodes of which it was told.
#[derive(Default)]
struct Told(HashSet<String>);

impl Told {
    fn is_news(&mut self, node: &Node) -> bool {
        if self.0.len() >= MAX_TOLD {
            self.0.clear();
        }
        self.0.insert(node.id.clone())
    }
}

impl Watch {
    /// Gives the names of nodes of which something was told.
    fn look<'a>(&mut self, nodes: &'a [Node], own_id: &str, own: &Advert) -> Vec<&'a str> {
        let mut told = Vec::new();
        for node in nodes.iter().filter(|node| node.id != own_id) {
            let Some(other) = Advert::read(&node.address) else { continue };
            if other.tag == own.tag && self.twins.is_news(node) {
                let tag = own.tag;
                warn!(%tag, other = node.name, "another node has the same tag; set node.tag, or node.name, apart");
                told.push(node.name.as_str());
            }
            if !own.understands(&other) && self.strangers.is_news(node) {
                warn!(
                    other = node.name,
                    keys_from = own.setting(),
                    others_keys_from = other.setting(),
                    "another node and this one do not accept what the other signs: requests of its sessions that come \
                     here are refused, and the other way round; give all nodes the same server.session_keys in the \
                     same order, or none"
                );
                told.push(node.name.as_str());
            }
        }
        told
    }
}

/// The registry of nodes, by tag.
struct Nodes {
    own_id: String,
    known: Mutex<Known>,
}

/// What was read of the registry last. Requests look here again and again, while nodes seldom change.
struct Known {
    nodes: watch::Receiver<Arc<Vec<Node>>>,
    places: HashMap<Tag, String>,
}

impl Nodes {
    fn new(bus: &Bus) -> Self {
        let mut nodes = bus.nodes();
        nodes.mark_changed();
        let known = Known { nodes, places: HashMap::new() };
        Self { own_id: bus.node_id().to_owned(), known: Mutex::new(known) }
    }
}

impl Directory for Nodes {
    fn address_of(&self, tag: Tag) -> Option<String> {
        // Nothing panics while it is held.
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        // The registry is not told any more when the bus has gone; then what was known stays.
        if known.nodes.has_changed().unwrap_or(false) {
            let nodes = Arc::clone(&known.nodes.borrow_and_update());
            known.places = places(&nodes, &self.own_id);
        }
        known.places.get(&tag).cloned()
    }
}

/// Where the others are reached.
fn places(nodes: &[Node], own_id: &str) -> HashMap<Tag, String> {
    let mut others: Vec<_> = nodes.iter().filter(|node| node.id != own_id).collect();
    // A node that was restarted may still have its old entry: the last one counts.
    others.sort_unstable_by_key(|node| node.started);
    let adverts = others.iter().filter_map(|node| Advert::read(&node.address));
    adverts.filter(Advert::is_reachable).map(|advert| (advert.tag, advert.place)).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn node(id: &str, started: u64, address: &str) -> Node {
        let node = json!({"id": id, "name": format!("name-of-{id}"), "address": address, "started": started});
        serde_json::from_value(node).unwrap()
    }

    fn own() -> Advert {
        Advert::read("n001@10.0.0.1:3100#aaaaaaaa,bbbbbbbb").unwrap()
    }

    #[test]
    fn a_node_with_other_keys_is_told_once() {
        let mut watch = Watch::default();
        let nodes = [
            node("own", 1, &own().to_string()),
            node("friend", 2, "n002@10.0.0.2:3100#bbbbbbbb,aaaaaaaa"),
            node("stranger", 3, "n003@10.0.0.3:3100#cccccccc"),
            node("agreed", 4, "n004@10.0.0.4:3100#redis"),
            node("else", 5, "something else"),
        ];
        assert_eq!(watch.look(&nodes, "own", &own()), ["name-of-stranger", "name-of-agreed"]);
        assert!(watch.look(&nodes, "own", &own()).is_empty());
        // Also when the registry was empty for a moment.
        assert!(watch.look(&nodes[..1], "own", &own()).is_empty());
        assert!(watch.look(&nodes, "own", &own()).is_empty());
        let restarted = [node("other", 6, "n003@10.0.0.3:3100#cccccccc")];
        assert_eq!(watch.look(&restarted, "own", &own()), ["name-of-other"]);
    }

    #[test]
    fn nodes_that_come_and_go_take_no_memory() {
        let mut watch = Watch::default();
        for number in 0..3 * MAX_TOLD {
            let stranger = [node(&number.to_string(), 1, "n003@10.0.0.3:3100#cccccccc")];
            assert_eq!(watch.look(&stranger, "own", &own()).len(), 1);
        }
        assert!(watch.strangers.0.len() <= MAX_TOLD);
    }

    #[test]
    fn nodes_with_the_same_tag_are_told_once_each() {
        let mut watch = Watch::default();
        let twin = |id| node(id, 2, &own().to_string());
        let nodes = [twin("own"), twin("one"), twin("other")];
        assert_eq!(watch.look(&nodes, "own", &own()), ["name-of-one", "name-of-other"]);
        assert!(watch.look(&nodes, "own", &own()).is_empty());
    }

    #[test]
    fn of_two_entries_of_a_node_the_later_one_counts() {
        let nodes = [
            node("own", 9, "n001@10.0.0.1:3100#redis"),
            node("new", 5, "n002@10.0.0.5:3100#redis"),
            node("old", 4, "n002@10.0.0.4:3100#redis"),
            node("unreachable", 7, "n003@#redis"),
            node("else", 8, "10.0.0.8:3100"),
        ];
        let places = places(&nodes, "own");
        assert_eq!(places, HashMap::from([("n002".parse().unwrap(), "10.0.0.5:3100".to_owned())]));
    }
}
