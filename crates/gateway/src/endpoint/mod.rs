//! The Engine.IO endpoint of a node: the edge in front of socketioxide, set up from the configuration.

mod advert;
mod door;
mod engine;
mod peers;
mod settings;
mod shared_key;

use std::sync::{Arc, Weak};

use axum::Router;
use roomcast_adapter::{Adapter, Bus};
use roomcast_edge::{ConnectionHandle, Edge, EdgeSettings, Keys, Sids, Stats, Tag};
use socketioxide::SocketIo;
use socketioxide::service::SocketIoService;
use socketioxide_core::Sid;

pub(crate) use advert::Advert;
pub(crate) use engine::SocketIoEngine;
pub(crate) use peers::watch_peers;
pub(crate) use settings::{drain, edge, internal, keys, server, tag};
pub(crate) use shared_key::share_key;

use crate::codes::Code;
use crate::config::Settings;
use crate::metrics::Metrics;
use door::Door;

/// The endpoint. Its session ids are signed with these keys.
pub(crate) fn endpoint(
    settings: &Settings,
    (tag, keys): (Tag, &Keys),
    limits: EdgeSettings,
    service: SocketIoService<Router, Adapter>,
    bus: &Bus,
    stats: &Stats,
    metrics: &Metrics,
) -> Edge<SocketIoEngine> {
    let peers = peers::peers(settings, tag, keys, bus, stats);
    let door = Arc::new(Door::new(metrics, settings));
    let sids = Sids::new(tag, keys.clone());
    let engine = SocketIoEngine::new(service);
    Edge::new(limits, engine, door, sids, peers, stats.clone())
}

/// Gives the bus a hand on the connections.
pub(crate) fn control_connections(bus: &Bus, io: &Arc<SocketIo<Adapter>>) {
    let connections = Connections(Arc::downgrade(io));
    let found = connections.clone();
    bus.on_overflow(move |overflow| {
        // A client that has lost a packet must know: it is closed, and comes back by itself.
        let receivers = connections.of(overflow.adapter.namespace(), &overflow.receivers);
        // Those that were closed and are still there explain it.
        if receivers.iter().filter(|(_, handle)| handle.is_killed()).count() >= overflow.full {
            return;
        }
        for (sid, handle) in receivers {
            if !handle.is_killed() && overflow.adapter.is_queue_full(sid) {
                handle.kill(Code::SlowConsumer);
            }
        }
    });
    bus.on_close(move |namespace, sids| {
        let handles = found.of(namespace, sids);
        Box::new(move || handles.iter().for_each(|(_, handle)| handle.close(Code::ServerClosed)))
    });
}

/// The connections of sockets.
#[derive(Clone)]
struct Connections(Weak<SocketIo<Adapter>>);

impl Connections {
    fn of(&self, namespace: &str, sids: &[Sid]) -> Vec<(Sid, ConnectionHandle)> {
        let Some(namespace) = self.0.upgrade().and_then(|io| io.of(namespace)) else { return Vec::new() };
        let sockets = sids.iter().filter_map(|sid| namespace.get_socket(*sid));
        sockets
            .filter_map(|socket| Some((socket.id, socket.req_parts().extensions.get().cloned()?)))
            .collect()
    }
}
