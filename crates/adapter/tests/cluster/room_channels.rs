//! Rooms that have channels of their own, where nobody tells the adapter who joins.

use roomcast_adapter::RedisSettings;
use socketioxide_core::adapter::CoreAdapter;

use crate::patience::until;
use crate::servers::{Cluster, DYNAMIC};

/// socketioxide asks for its rooms, and joins after that; in between they may have been looked at.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_join_just_after_the_rooms_were_looked_at() {
    let cluster = Cluster::start(DYNAMIC).await;
    let (near, far) = (&cluster.servers[0], &cluster.servers[1]);
    let adapter = near.adapter();
    let local = CoreAdapter::get_local(&*adapter);
    // A socket's own room has no channel here, so all that this waits for is the look.
    adapter.until_subscribed(&cluster.clients[0].id).await;
    local.add_all(cluster.clients[0].id.parse().unwrap(), "paris");
    until("what is sent to the room arrives", async || {
        far.to("paris").emit("news", &1).unwrap();
        cluster.clients[0].has_heard("news")
    })
    .await;
}

/// The same for who waits until it is heard.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_for_a_room_hears_what_is_sent_to_it() {
    let cluster = Cluster::start(DYNAMIC).await;
    let (near, far) = (&cluster.servers[0], &cluster.servers[1]);
    for round in 0..20 {
        let room = format!("room {round}");
        let adapter = near.adapter();
        let local = CoreAdapter::get_local(&*adapter);
        adapter.until_subscribed(&cluster.clients[0].id).await;
        local.add_all(cluster.clients[0].id.parse().unwrap(), room.clone());
        near.adapter().until_subscribed(&room).await;
        far.to(&room).emit("news", &1).unwrap();
        assert_eq!(cluster.heard_from(1).await[0].len(), 1, "{room}");
    }
}

/// A program that tells which rooms have changed pays for no more than these.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rooms_that_are_told() {
    let told = |settings: &mut RedisSettings| settings.rooms_are_told = true;
    let cluster = Cluster::start_with(DYNAMIC, told).await;
    let (near, far) = (&cluster.servers[0], &cluster.servers[1]);
    let socket = near.socket(&cluster.clients[0]);
    for _ in 0..20 {
        socket.join("paris");
        near.adapter().rooms_changed(["paris".to_owned()]);
        near.adapter().until_subscribed("paris").await;
        far.to("paris").emit("news", &1).unwrap();
        assert_eq!(cluster.heard_from(1).await[0].len(), 1);
        socket.leave("paris");
        near.adapter().rooms_changed(["paris".to_owned()]);
    }
}
