//! What is known and told about who is in a room.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use roomcast_presence::Body;

use super::{Labels, Metrics};

/// Of all namespaces with presence.
#[derive(Debug, Clone, Default)]
pub(super) struct PresenceFamilies {
    members: Family<Labels, Gauge>,
    told: Family<Labels, Counter>,
    messages: Family<Labels, Counter>,
    asked: Family<Labels, Counter>,
    dropped: Family<Labels, Counter>,
}

/// Of one namespace.
#[derive(Debug, Clone)]
pub(crate) struct PresenceMetrics {
    pub(crate) members: Gauge,
    pub(crate) told: Counter,
    pub(crate) asked: Counter,
    sent: [Counter; Body::KINDS.len()],
    received: [Counter; Body::KINDS.len()],
    dropped: [Counter; PresenceDrop::ALL.len()],
}

/// Why something was not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PresenceDrop {
    /// There are as many entries as allowed.
    MaxEntries,
    /// There are as many nodes as allowed.
    MaxNodes,
    /// What is to be shown about a member is too long.
    InfoSize,
    /// What came from the bus makes no sense.
    Malformed,
}

impl PresenceDrop {
    const ALL: [Self; 4] = [Self::MaxEntries, Self::MaxNodes, Self::InfoSize, Self::Malformed];

    fn label(self) -> &'static str {
        match self {
            Self::MaxEntries => "max_entries",
            Self::MaxNodes => "max_nodes",
            Self::InfoSize => "info_size",
            Self::Malformed => "malformed",
        }
    }
}

impl PresenceFamilies {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "presence_members",
            "Members of rooms that this node keeps in mind, those of other nodes included; a member of two nodes counts \
             twice",
            self.members.clone(),
        );
        for (name, help, family) in [
            (
                "presence_told",
                "Members of which clients of this node were told that they have come or gone; 1 for a count or a list",
                &self.told,
            ),
            ("presence_messages", "Messages from node to node about who has come and gone", &self.messages),
            (
                "presence_asked",
                "Times that another node was asked for all its members, since something of it was missed",
                &self.asked,
            ),
            (
                "presence_dropped",
                "What was not kept: members beyond max_entries, nodes beyond 1000 (max_nodes), what is shown about a member \
                 (info_size), messages of other nodes (malformed)",
                &self.dropped,
            ),
        ] {
            registry.register(name, help, family.clone());
        }
    }
}

impl Metrics {
    /// Those of a namespace with presence.
    pub(crate) fn presence(&self, path: &str) -> PresenceMetrics {
        let PresenceFamilies { members, told, messages, asked, dropped } = &self.presence;
        let namespace = || ("namespace", path.to_owned());
        let with = |family: &Family<Labels, Counter>, more: &[(&'static str, &str)]| {
            let mut labels = vec![namespace()];
            labels.extend(more.iter().map(|(name, value)| (*name, (*value).to_owned())));
            family.get_or_create_owned(&labels)
        };
        let of =
            |direction| Body::KINDS.map(|kind| with(messages, &[("direction", direction), ("kind", kind)]));
        PresenceMetrics {
            members: members.get_or_create_owned(&vec![namespace()]),
            told: with(told, &[]),
            asked: with(asked, &[]),
            sent: of("sent"),
            received: of("received"),
            dropped: PresenceDrop::ALL.map(|reason| with(dropped, &[("reason", reason.label())])),
        }
    }
}

impl PresenceMetrics {
    /// A message of this kind was sent.
    pub(crate) fn sent(&self, kind: &str) {
        count(&self.sent, kind);
    }

    /// A message of this kind has come.
    pub(crate) fn received(&self, kind: &str) {
        count(&self.received, kind);
    }

    pub(crate) fn dropped(&self, reason: PresenceDrop, count: u64) {
        self.dropped[reason as usize].inc_by(count);
    }
}

fn count(counters: &[Counter], kind: &str) {
    if let Some(at) = Body::KINDS.iter().position(|known| *known == kind) {
        counters[at].inc();
    }
}
