//! What servers ask each other of their sockets and rooms.

use std::collections::HashSet;
use std::time::Instant;

use roomcast_adapter::{Profile, RemoteSocket};
use serde_json::json;

use crate::client::Client;
use crate::patience::{PATIENCE, until};
use crate::servers::Cluster;

fn ids(sockets: &[RemoteSocket]) -> HashSet<&str> {
    let ids: HashSet<&str> = sockets.iter().map(|socket| socket.id.as_str()).collect();
    assert_eq!(ids.len(), sockets.len(), "a socket comes twice");
    ids
}

pub async fn all_sockets(cluster: &mut Cluster) {
    let began = Instant::now();
    let found = cluster.servers[0].all().timeout(PATIENCE).fetch_sockets().await;
    assert!(found.missing.is_none());
    assert_eq!(ids(&found.items), cluster.clients.iter().map(|client| client.id.as_str()).collect());
    assert!(began.elapsed() < PATIENCE, "waited for nobody");
}

pub async fn a_socket_with_all_that_is_known_of_it(cluster: &mut Cluster) {
    let auth = json!({"token": "t", "list": [1, null]});
    let client = Client::connect(cluster.servers[2].address, "/", auth.clone(), "&a=1&a=2&b=%20").await;
    cluster.servers[2].listens_to(&client.id).await;
    let socket = cluster.servers[2].socket(&client);
    let data = json!({"user": "ann", "age": 7, "ratio": 0.5});
    socket.extensions.insert(Profile::new(auth.clone()).with_data(data.clone()));
    socket.join("paris");
    let found = cluster.servers[0].to(&client.id).fetch_sockets().await;
    assert!(found.missing.is_none());
    let [found] = &found.items[..] else { panic!("not one: {:?}", found.items) };
    assert_eq!(found.id, client.id);
    assert_eq!(found.rooms.iter().collect::<HashSet<_>>(), HashSet::from([&client.id, &"paris".to_owned()]));
    assert_eq!(found.data, data);
    assert_eq!(found.handshake["auth"], auth);
    let query = json!({"EIO": "4", "transport": "websocket", "a": ["1", "2"], "b": " "});
    assert_eq!(found.handshake["query"], query);
    assert_eq!(found.handshake["headers"]["upgrade"], "websocket");
    assert_eq!(found.handshake["xdomain"], false);
    assert!(found.handshake["issued"].as_u64().unwrap() > 1_600_000_000_000);
    // As its own server sees it.
    let own = cluster.servers[2].to(&client.id).local().fetch_sockets().await.items;
    assert_eq!(own.len(), 1);
    assert_eq!((&own[0].handshake, &own[0].data), (&found.handshake, &found.data));
}

pub async fn sockets_of_a_room_but_some(cluster: &mut Cluster) {
    for at in 0..3 {
        cluster.join(at, "paris").await;
    }
    cluster.join(1, "muted").await;
    let found = cluster.servers[0].to("paris").except("muted").fetch_sockets().await;
    assert!(found.missing.is_none());
    assert_eq!(ids(&found.items), HashSet::from([&*cluster.clients[0].id, &*cluster.clients[2].id]));
}

pub async fn sockets_of_this_server_only(cluster: &mut Cluster) {
    let found = cluster.servers[1].all().local().fetch_sockets().await;
    assert!(found.missing.is_none());
    assert_eq!(ids(&found.items), HashSet::from([&*cluster.clients[1].id]));
}

pub async fn sockets_of_a_namespace(cluster: &mut Cluster) {
    let custom = cluster.clients[1].also("/custom").await;
    let found = cluster.servers[0].bus.of("/custom").unwrap().all().fetch_sockets().await;
    assert!(found.missing.is_none());
    assert_eq!(ids(&found.items), HashSet::from([&*custom.id]));
}

pub async fn all_rooms(cluster: &mut Cluster) {
    cluster.join(0, "paris").await;
    cluster.join(1, "paris").await;
    cluster.join(2, "lyon").await;
    let rooms = cluster.servers[1].root().all_rooms().await;
    assert!(rooms.missing.is_none());
    let mut found = rooms.items;
    found.sort_unstable();
    let mut expected = vec!["lyon".to_owned(), "paris".to_owned()];
    expected.extend(cluster.clients.iter().map(|client| client.id.clone()));
    expected.sort_unstable();
    assert_eq!(found, expected);
}

pub async fn how_many_servers(cluster: &mut Cluster) {
    for server in &cluster.servers {
        assert_eq!(server.root().server_count().await, Some(3));
    }
    // One server without the namespace is not counted.
    cluster.servers[2].io.delete_ns("/custom");
    let custom = cluster.servers[0].bus.of("/custom").unwrap();
    until("two have it", async || custom.server_count().await == Some(2)).await;
    assert_eq!(cluster.servers[0].root().server_count().await, Some(3));
}

pub async fn nodes(cluster: &mut Cluster) {
    let _custom = cluster.clients[1].also("/custom").await;
    let ids: HashSet<&str> = cluster.servers.iter().map(|server| server.bus.node_id()).collect();
    for server in &cluster.servers {
        until("the registry has all sockets", async || {
            let nodes = server.bus.nodes().borrow().clone();
            let total: u64 = nodes.iter().map(roomcast_adapter::Node::total_sockets).sum();
            total == 4
        })
        .await;
        let nodes = server.bus.nodes().borrow().clone();
        assert_eq!(nodes.iter().map(|node| node.id.as_str()).collect::<HashSet<_>>(), ids);
        for (at, server) in cluster.servers.iter().enumerate() {
            let node = nodes.iter().find(|node| node.id == server.bus.node_id()).unwrap();
            assert_eq!((node.sockets["/"], node.sockets["/custom"]), (1, u64::from(at == 1)));
        }
    }
}
