//! A server that goes.

use std::time::Instant;

use serde_json::json;

use crate::patience::{PATIENCE, until};
use crate::servers::Cluster;

pub async fn a_closed_bus_is_gone_for_the_others(cluster: &mut Cluster) {
    let began = Instant::now();
    // What was said before still goes out.
    cluster.servers[2].all().emit("goodbye", &1).unwrap();
    cluster.servers[2].bus.close().await;
    for at in 0..2 {
        assert_eq!(cluster.clients[at].hears("goodbye").await, [json!(1)]);
    }
    cluster.is_complete(2).await;
    // Without having waited until its entry was too old.
    assert!(began.elapsed() < std::time::Duration::from_secs(7), "{:?}", began.elapsed());

    let began = Instant::now();
    let found = cluster.servers[0].all().timeout(PATIENCE).fetch_sockets().await;
    assert_eq!((found.items.len(), found.missing.is_none()), (2, true));
    let acks = cluster.servers[0].to("nobody").timeout(PATIENCE).emit_with_ack("ask", &1).await.unwrap();
    assert!(acks.is_complete());
    assert!(began.elapsed() < PATIENCE, "waited for who is gone");
}

pub async fn a_closed_bus_neither_speaks_nor_hears(cluster: &mut Cluster) {
    cluster.servers[2].bus.close().await;
    cluster.is_complete(2).await;
    cluster.servers[2].all().emit("from 2", &1).unwrap();
    cluster.servers[0].all().emit("from 0", &1).unwrap();
    assert_eq!(cluster.clients[2].heard_before("from 2").await.len(), 0);
    let gone = cluster.clients.pop().unwrap();
    assert_eq!(cluster.heard_from(0).await, [[json!(["from 0", 1])], [json!(["from 0", 1])]]);
    // Its clients still hear each other.
    cluster.servers[2].all().emit("end", &1).unwrap();
    assert_eq!(gone.heard_before("end").await.len(), 0);
}

pub async fn a_server_that_comes_is_part_of_it(cluster: &mut Cluster) {
    cluster.servers[2].bus.close().await;
    cluster.is_complete(2).await;
    let third = cluster.another().await;
    cluster.servers[2] = third;
    cluster.is_complete(3).await;
    cluster.clients[2] = cluster.connect(2).await;
    cluster.servers[2].all().emit("hello", &1).unwrap();
    let hello = vec![json!(["hello", 1])];
    assert_eq!(cluster.heard_from(2).await, [hello.clone(), hello.clone(), hello]);
    until("the newcomer finds all", async || cluster.servers[2].all().fetch_sockets().await.items.len() == 3)
        .await;
}
