//! What one server does with the sockets of another.

use serde_json::{Value, json};

use crate::patience::until;
use crate::servers::Cluster;

const NOBODY: Vec<Value> = vec![];

fn hello() -> Vec<Value> {
    vec![json!(["hello", 1])]
}

pub async fn all_sockets_join(cluster: &mut Cluster) {
    cluster.servers[0].all().join(["paris", "lyon"]);
    for server in &cluster.servers {
        server.listens_to("paris").await;
        server.listens_to("lyon").await;
    }
    cluster.servers[1].to("paris").emit("hello", &1).unwrap();
    assert_eq!(cluster.heard_from(1).await, [hello(), hello(), hello()]);
}

pub async fn some_sockets_join(cluster: &mut Cluster) {
    cluster.join(0, "old").await;
    cluster.join(2, "old").await;
    cluster.servers[1].to("old").join(["new"]);
    cluster.servers[0].listens_to("new").await;
    cluster.servers[2].listens_to("new").await;
    cluster.servers[0].to("new").emit("hello", &1).unwrap();
    assert_eq!(cluster.heard_from(0).await, [hello(), NOBODY, hello()]);
}

pub async fn a_socket_of_another_server_joins(cluster: &mut Cluster) {
    let far = cluster.clients[2].id.clone();
    cluster.servers[0].to(&far).join(["paris"]);
    cluster.servers[2].listens_to("paris").await;
    cluster.servers[1].to("paris").emit("hello", &1).unwrap();
    assert_eq!(cluster.heard_from(1).await, [NOBODY, NOBODY, hello()]);
}

pub async fn all_sockets_leave(cluster: &mut Cluster) {
    for at in 0..3 {
        cluster.join(at, "paris").await;
    }
    cluster.servers[0].all().leave(["paris"]);
    until("all have left", async || cluster.servers.iter().all(|server| server.members("paris") == 0)).await;
    cluster.servers[1].to("paris").emit("hello", &1).unwrap();
    assert_eq!(cluster.heard_from(1).await, [NOBODY, NOBODY, NOBODY]);
}

pub async fn some_sockets_leave(cluster: &mut Cluster) {
    for at in 0..3 {
        cluster.join(at, "paris").await;
    }
    cluster.join(1, "leaving").await;
    cluster.servers[0].to("leaving").leave(["paris"]);
    until("it has left", async || cluster.servers[1].members("paris") == 0).await;
    cluster.servers[0].to("paris").emit("hello", &1).unwrap();
    assert_eq!(cluster.heard_from(0).await, [hello(), NOBODY, hello()]);
}

pub async fn a_socket_of_another_server_leaves(cluster: &mut Cluster) {
    cluster.join(1, "paris").await;
    cluster.join(2, "paris").await;
    let far = cluster.clients[2].id.clone();
    cluster.servers[0].to(&far).leave(["paris", "unknown"]);
    until("it has left", async || cluster.servers[2].members("paris") == 0).await;
    cluster.servers[0].to("paris").emit("hello", &1).unwrap();
    assert_eq!(cluster.heard_from(0).await, [NOBODY, hello(), NOBODY]);
}

/// Rooms that nobody is made to join do not come into being.
pub async fn nobody_joins(cluster: &mut Cluster) {
    cluster.servers[0].to("nobody").join(["ghost"]);
    cluster.servers[0].all().local().except(cluster.clients[0].id.clone()).join(["ghost"]);
    // What was asked before has been done when this is.
    cluster.servers[0].all().join(["after"]);
    for server in &cluster.servers {
        server.listens_to("after").await;
    }
    let rooms = cluster.servers[1].root().all_rooms().await;
    assert!(rooms.missing.is_none());
    assert!(rooms.items.contains(&"after".to_owned()) && !rooms.items.contains(&"ghost".to_owned()));
}

pub async fn sockets_of_one_server_join_only(cluster: &mut Cluster) {
    cluster.servers[1].all().local().join(["here"]);
    cluster.servers[1].listens_to("here").await;
    cluster.servers[0].to("here").emit("hello", &1).unwrap();
    assert_eq!(cluster.heard_from(0).await, [NOBODY, hello(), NOBODY]);
}

pub async fn all_sockets_are_disconnected(cluster: &mut Cluster) {
    cluster.servers[0].all().disconnect(false);
    for client in &cluster.clients {
        client.is_disconnected().await;
    }
    until("nobody is left", async || cluster.servers[0].all().fetch_sockets().await.items.is_empty()).await;
}

pub async fn a_socket_is_disconnected_from_its_namespace(cluster: &mut Cluster) {
    cluster.join(2, "paris").await;
    let custom = cluster.clients[2].also("/custom").await;
    cluster.servers[0].to("paris").disconnect(false);
    cluster.clients[2].is_disconnected().await;
    cluster.servers[0].bus.of("/custom").unwrap().all().emit("hello", &1).unwrap();
    assert_eq!(custom.hears("hello").await, [json!(1)]);
    assert_eq!(cluster.servers[0].all().fetch_sockets().await.items.len(), 2);
}

pub async fn a_socket_is_disconnected_from_all_namespaces(cluster: &mut Cluster) {
    let custom = cluster.clients[2].also("/custom").await;
    let far = cluster.clients[2].id.clone();
    cluster.servers[0].to(&far).disconnect(true);
    cluster.clients[2].is_disconnected().await;
    custom.is_disconnected().await;
    let everywhere = cluster.servers[0].bus.of("/custom").unwrap();
    assert!(everywhere.all().fetch_sockets().await.items.is_empty());
    cluster.clients.pop();
    cluster.servers[1].all().emit("hello", &1).unwrap();
    assert_eq!(cluster.heard_from(1).await, [hello(), hello()]);
}
