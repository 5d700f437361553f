//! The other nodes: where requests of their sessions are passed to, and the key that all of them share.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use roomcast_adapter::{Bus, BusState};
use roomcast_edge::{Directory, ForwardSettings, Forwarder, Keys, Peers, Stats, Tag};
use tracing::{info, warn};

use crate::config::Settings;

/// How often the shared key is asked for: it may be changed, and lives only while it is asked for.
const LOOK: Duration = Duration::from_secs(10);

/// The same, until it is known.
const EAGER: Duration = Duration::from_millis(250);

/// A cluster that was away for so long has no sessions left that would need the old key.
const LIFETIME: Duration = Duration::from_secs(24 * 3600);

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
        directory: Arc::new(Nodes(bus.clone())),
    })
}

/// What this node writes into the registry, for the others: its tag and where its internal listener is reached.
pub(crate) fn advertised(settings: &Settings, tag: Tag) -> String {
    let internal = &settings.internal;
    // Other machines do not reach a loopback address, and who runs several nodes on one says so.
    let fixed = |listen: &SocketAddr| {
        !listen.ip().is_unspecified() && !listen.ip().is_loopback() && listen.port() != 0
    };
    let place = if internal.advertise.is_empty() {
        internal.listen.parse().ok().filter(fixed).map(|listen| listen.to_string()).unwrap_or_default()
    } else {
        internal.advertise.clone()
    };
    format!("{tag}@{place}")
}

/// Says what keeps requests from being passed on: that this node cannot be reached, or that another one has its tag.
pub(crate) async fn watch_peers(bus: Bus, tag: Tag, is_reachable: bool) {
    if !is_reachable {
        warn!(
            "internal.advertise is empty: requests of this node's sessions that come to others cannot be passed on"
        );
    }
    let mut nodes = bus.nodes();
    let mut told = String::new();
    loop {
        let twin = nodes.borrow_and_update().iter().find_map(|node| {
            let (other, _) = node.address.split_once('@')?;
            (other == tag.as_str() && node.id != bus.node_id()).then(|| (node.id.clone(), node.name.clone()))
        });
        if let Some((id, name)) = twin
            && told != id
        {
            warn!(%tag, other = name, "another node has the same tag; set node.tag, or node.name, apart");
            told = id;
        }
        if nodes.changed().await.is_err() {
            return;
        }
    }
}

/// The registry of nodes, by tag.
struct Nodes(Bus);

impl Directory for Nodes {
    fn address_of(&self, tag: Tag) -> Option<String> {
        let nodes = self.0.nodes().borrow().clone();
        let tagged = nodes.iter().filter(|node| node.id != self.0.node_id()).filter_map(|node| {
            let (own, place) = node.address.split_once('@')?;
            (own == tag.as_str() && !place.is_empty()).then_some((node.started, place))
        });
        // A node that was restarted may still have its old entry.
        tagged.max().map(|(_, place)| place.to_owned())
    }
}

/// Keeps to the key that the nodes agree on through Redis.
pub(crate) async fn share_key(bus: Bus, keys: Keys) {
    let mut status = bus.status();
    let mut known = String::new();
    loop {
        // Another one each time: whoever deletes the key wants a new one.
        let proposal = Keys::random_text();
        if let Some(shared) = bus.agree("session-key", &proposal, LIFETIME).await
            && shared != known
        {
            match keys.add_primary(&shared) {
                Ok(()) => {
                    info!(replaced = !known.is_empty(), "session ids are signed with the cluster's key");
                }
                Err(error) => warn!(%error, "the cluster's session key cannot be used"),
            }
            known = shared;
        }
        let connected = status.borrow_and_update().state == BusState::Connected;
        let pause = if known.is_empty() && connected { EAGER } else { LOOK };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            changed = status.changed() => if changed.is_err() { return },
        }
    }
}
