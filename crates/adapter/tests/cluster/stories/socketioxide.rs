//! socketioxide's own operators, over this adapter.

use std::collections::HashSet;
use std::time::Duration;

use futures_util::StreamExt;
use serde_json::{Value, json};
use socketioxide_core::adapter::Room;

use crate::patience::{PATIENCE, in_time, until};
use crate::servers::Cluster;

const NOBODY: Vec<Value> = vec![];

fn event() -> Vec<Value> {
    vec![json!(["news", 1])]
}

pub async fn emit(cluster: &mut Cluster) {
    cluster.join(1, "paris").await;
    cluster.join(2, "paris").await;
    cluster.join(2, "muted").await;
    let io = &cluster.servers[0].io;
    io.to("paris").emit("news", &1).await.unwrap();
    assert_eq!(cluster.heard_from(0).await, [NOBODY, event(), event()]);
    io.to("paris").except("muted").emit("news", &1).await.unwrap();
    assert_eq!(cluster.heard_from(0).await, [NOBODY, event(), NOBODY]);
    io.emit("news", &1).await.unwrap();
    assert_eq!(cluster.heard_from(0).await, [event(), event(), event()]);
    io.local().emit("news", &1).await.unwrap();
    assert_eq!(cluster.heard_from(0).await, [event(), NOBODY, NOBODY]);
}

pub async fn emit_of_a_socket_to_the_others(cluster: &mut Cluster) {
    let socket = cluster.servers[0].socket(&cluster.clients[0]);
    socket.broadcast().emit("news", &1).await.unwrap();
    assert_eq!(cluster.heard_from(0).await, [NOBODY, event(), event()]);
    cluster.join(0, "paris").await;
    cluster.join(1, "paris").await;
    socket.to("paris").emit("news", &1).await.unwrap();
    assert_eq!(cluster.heard_from(0).await, [NOBODY, event(), NOBODY]);
    socket.within("paris").emit("news", &1).await.unwrap();
    assert_eq!(cluster.heard_from(0).await, [event(), event(), NOBODY]);
}

pub async fn acknowledgements_as_a_stream(cluster: &mut Cluster) {
    for (at, client) in cluster.clients.iter().enumerate() {
        client.answers(json!([at]));
    }
    let io = &cluster.servers[0].io;
    let acks = io.timeout(PATIENCE).emit_with_ack::<_, (Vec<usize>,)>("ask", "x").await.unwrap();
    let mut came: Vec<usize> =
        in_time("all", acks.map(|(_, ack)| ack.unwrap().0[0]).collect::<Vec<_>>()).await;
    came.sort_unstable();
    assert_eq!(came, [0, 1, 2]);
}

/// The stream ends when the time is up.
pub async fn acknowledgements_that_do_not_come(cluster: &mut Cluster) {
    cluster.clients[1].answers(json!("yes"));
    let far = [cluster.clients[1].id.clone(), cluster.clients[2].id.clone()];
    let io = &cluster.servers[0].io;
    let short = Duration::from_secs(1);
    let acks = io.to(far).timeout(short).emit_with_ack::<_, (String,)>("ask", "x").await.unwrap();
    let came: Vec<_> = in_time("the end", acks.collect::<Vec<_>>()).await;
    let good: Vec<&String> =
        came.iter().filter_map(|(_, ack)| ack.as_ref().ok()).map(|(text,)| text).collect();
    assert_eq!(good, ["yes"]);
}

pub async fn join_and_leave(cluster: &mut Cluster) {
    let io = &cluster.servers[0].io;
    let far = cluster.clients[1].id.clone();
    io.to(far).join("paris").await.unwrap();
    cluster.servers[1].listens_to("paris").await;
    io.to("paris").emit("news", &1).await.unwrap();
    assert_eq!(cluster.heard_from(0).await, [NOBODY, event(), NOBODY]);
    io.to("paris").leave("paris").await.unwrap();
    until("it has left", async || cluster.servers[1].members("paris") == 0).await;
}

pub async fn rooms(cluster: &mut Cluster) {
    cluster.join(0, "paris").await;
    cluster.join(2, "lyon").await;
    let names = |rooms: Vec<Room>| rooms.into_iter().map(Room::into_owned).collect::<HashSet<String>>();
    let io = &cluster.servers[0].io;
    let ids = cluster.clients.iter().map(|client| client.id.clone());
    let all: HashSet<String> = ids.chain(["paris".to_owned(), "lyon".to_owned()]).collect();
    assert_eq!(names(io.rooms().await.unwrap()), all);
    let far = HashSet::from(["lyon".to_owned(), cluster.clients[2].id.clone()]);
    assert_eq!(names(io.to("lyon").rooms().await.unwrap()), far);
}

pub async fn sockets_of_all_servers(cluster: &mut Cluster) {
    let sockets = cluster.servers[0].io.fetch_sockets().await.unwrap();
    let ids: HashSet<String> = sockets.iter().map(|socket| socket.data().id.to_string()).collect();
    assert_eq!(sockets.len(), 3);
    assert_eq!(ids, cluster.clients.iter().map(|client| client.id.clone()).collect());
}

pub async fn a_socket_of_another_server(cluster: &mut Cluster) {
    let far = cluster.clients[2].id.clone();
    cluster.clients[2].answers(json!("yes"));
    let sockets = cluster.servers[0].io.to(far.clone()).fetch_sockets().await.unwrap();
    let [socket] = &sockets[..] else { panic!("not one: {sockets:?}") };
    socket.emit("news", &1).await.unwrap();
    assert_eq!(cluster.heard_from(0).await, [NOBODY, NOBODY, event()]);

    let acks = socket.emit_with_ack::<_, (String,)>("ask", &1).await.unwrap();
    let acks: Vec<_> = in_time("the answer", acks.collect::<Vec<_>>()).await;
    assert_eq!(acks.len(), 1);
    assert_eq!(acks[0].1.as_ref().unwrap().0, "yes");

    socket.join("paris").await.unwrap();
    cluster.servers[2].listens_to("paris").await;
    let rooms: HashSet<String> = socket.rooms().await.unwrap().into_iter().map(Room::into_owned).collect();
    assert_eq!(rooms, HashSet::from(["paris".to_owned(), far]));
    socket.leave("paris").await.unwrap();
    until("it has left", async || cluster.servers[2].members("paris") == 0).await;

    let socket = sockets.into_iter().next().unwrap();
    socket.disconnect().await.unwrap();
    cluster.clients[2].is_disconnected().await;
}

pub async fn disconnect(cluster: &mut Cluster) {
    cluster.join(1, "paris").await;
    cluster.servers[0].io.to("paris").disconnect().await.unwrap();
    cluster.clients[1].is_disconnected().await;
    assert_eq!(cluster.servers[0].all().fetch_sockets().await.items.len(), 2);
}
