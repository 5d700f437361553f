//! What comes over the bus and is not for anybody here.

use roomcast_adapter::{Dropped, Mode};
use serde_json::{Value, json};

use crate::servers::{Cluster, Kind};

const NOBODY: Vec<Value> = vec![];

/// Nobody hears what he has sent over the bus a second time.
pub async fn the_own_echo(cluster: &mut Cluster) {
    for at in 0..3 {
        cluster.join(at, "paris").await;
    }
    let before: Vec<u64> = cluster.servers.iter().map(|server| server.bus.counters().received).collect();
    cluster.servers[0].to("paris").emit("news", &1).unwrap();
    cluster.servers[0].all().emit("news", &2).unwrap();
    let once = vec![json!(["news", 1]), json!(["news", 2])];
    // One round for what comes back late.
    assert_eq!(cluster.heard_from(0).await, [once.clone(), once.clone(), once]);
    assert_eq!(cluster.heard_from(1).await, [NOBODY, NOBODY, NOBODY]);
    for (server, before) in cluster.servers.iter().zip(before) {
        // Also the sender: the echo did come.
        crate::patience::until("all has come", async || server.bus.counters().received >= before + 4).await;
    }
}

/// A message that names another namespace than its channel does.
pub async fn of_a_foreign_namespace(cluster: &mut Cluster) {
    let sharded = matches!(cluster.kind, Kind::Redis(Mode::Sharded(_)));
    let payload = if sharded {
        let packet = json!({"packet": {"type": 2, "data": ["news", 1]}, "opts": {"rooms": [], "except": [], "flags": {}}});
        json!({"type": 3, "data": packet, "uid": "0101010101010101", "nsp": "/custom"})
            .to_string()
            .into_bytes()
    } else {
        // ["AAAAAA", {type: 2, data: ["news", 1], nsp: "/custom"}, {rooms: [], except: [], flags: {}}]
        let mut bytes = b"\x93\xa6AAAAAA\x83\xa4type\x02\xa4data\x92\xa4news\x01\xa3nsp\xa7/custom".to_vec();
        bytes.extend(b"\x83\xa5rooms\x90\xa6except\x90\xa5flags\x80");
        bytes
    };
    cluster.publish("#/#", &payload).await;
    for server in &cluster.servers {
        crate::patience::until("it has come", async || {
            server.bus.counters().dropped(Dropped::OtherNamespace) == 1
        })
        .await;
    }
    assert_eq!(cluster.heard_from(0).await, [NOBODY, NOBODY, NOBODY]);
}

/// Answers to questions that nobody has asked.
pub async fn answers_to_nothing(cluster: &mut Cluster) {
    let (channel, answer) = if matches!(cluster.kind, Kind::Redis(Mode::Sharded(_))) {
        let data = json!({"requestId": "0000", "clientCount": 1});
        ("#/#", json!({"type": 11, "data": data, "uid": "0101010101010101", "nsp": "/"}))
    } else {
        ("-response#/#", json!({"type": 8, "requestId": "0000", "clientCount": 1}))
    };
    cluster.publish(channel, answer.to_string().as_bytes()).await;
    let found = cluster.servers[0].all().fetch_sockets().await;
    assert_eq!((found.items.len(), found.missing.is_none()), (3, true));
}

/// A room of a client's choice that is called like something of the bus.
pub async fn a_room_named_like_a_node(cluster: &mut Cluster) {
    let nodes: Vec<String> = cluster.servers.iter().map(|server| server.bus.node_id().to_owned()).collect();
    for node in &nodes {
        cluster.join(0, node).await;
        cluster.servers[1].to(node).emit("news", &1).unwrap();
        assert_eq!(cluster.heard_from(1).await, [vec![json!(["news", 1])], NOBODY, NOBODY]);
        cluster.servers[0].socket(&cluster.clients[0]).leave(node.clone());
        // After this nothing is left of the room.
        cluster.join(0, "other").await;
        for server in &cluster.servers {
            let found = server.all().fetch_sockets().await;
            assert_eq!((found.items.len(), &*found.missing.nodes), (3, &[][..]), "after {node}");
        }
    }
}
