//! Events for clients.

use bytes::Bytes;
use serde_json::json;

use crate::patience::until;
use crate::servers::Cluster;

/// One event, as a client hears it.
fn event() -> Vec<serde_json::Value> {
    vec![json!(["news", 1, "2"])]
}

const NOBODY: Vec<serde_json::Value> = vec![];

pub async fn to_all(cluster: &mut Cluster) {
    cluster.servers[0].all().emit("news", &(1, "2")).unwrap();
    assert_eq!(cluster.heard_from(0).await, [event(), event(), event()]);
}

pub async fn to_a_room(cluster: &mut Cluster) {
    cluster.join(1, "paris").await;
    cluster.servers[0].to("paris").emit("news", &(1, "2")).unwrap();
    assert_eq!(cluster.heard_from(0).await, [NOBODY, event(), NOBODY]);
}

pub async fn to_a_room_of_the_own_server_too(cluster: &mut Cluster) {
    cluster.join(0, "paris").await;
    cluster.join(2, "paris").await;
    cluster.servers[0].to("paris").emit("news", &(1, "2")).unwrap();
    assert_eq!(cluster.heard_from(0).await, [event(), NOBODY, event()]);
}

pub async fn not_to_a_room(cluster: &mut Cluster) {
    cluster.join(1, "muted").await;
    cluster.servers[0].root().except("muted").emit("news", &(1, "2")).unwrap();
    assert_eq!(cluster.heard_from(0).await, [event(), NOBODY, event()]);
}

pub async fn to_a_room_without_some_of_it(cluster: &mut Cluster) {
    for at in 0..3 {
        cluster.join(at, "paris").await;
    }
    cluster.join(2, "muted").await;
    let not_me = cluster.clients[0].id.clone();
    cluster.servers[0].to("paris").except("muted").except(not_me).emit("news", &(1, "2")).unwrap();
    assert_eq!(cluster.heard_from(0).await, [NOBODY, event(), NOBODY]);
}

pub async fn to_two_rooms_each_client_once(cluster: &mut Cluster) {
    for room in ["paris", "lyon"] {
        cluster.join(0, room).await;
        cluster.join(1, room).await;
    }
    cluster.servers[0].to("paris").to("lyon").emit("news", &(1, "2")).unwrap();
    assert_eq!(cluster.heard_from(0).await, [event(), event(), NOBODY]);
}

pub async fn to_clients_of_this_server_only(cluster: &mut Cluster) {
    cluster.servers[0].all().local().emit("news", &(1, "2")).unwrap();
    assert_eq!(cluster.heard_from(0).await, [event(), NOBODY, NOBODY]);
}

pub async fn volatile(cluster: &mut Cluster) {
    for client in &cluster.clients {
        // A client that is not ready loses it, also at the first moment of its connection.
        until("it has heard", async || {
            cluster.servers[0].all().volatile().emit("news", &(1, "2")).unwrap();
            client.has_heard("news")
        })
        .await;
        assert_eq!(client.hears("news").await, [json!(1), json!("2")]);
    }
}

pub async fn with_binary(cluster: &mut Cluster) {
    let picture = Bytes::from_static(&[3, 4, 255]);
    let deep = json!({"name": "x"});
    cluster.servers[0].all().emit("picture", &(1, picture, deep, Bytes::from_static(b""))).unwrap();
    let buffer = |bytes: &[u8]| json!({"type": "Buffer", "data": bytes});
    let heard = vec![json!(["picture", 1, buffer(&[3, 4, 255]), {"name": "x"}, buffer(&[])])];
    assert_eq!(cluster.heard_from(0).await, [heard.clone(), heard.clone(), heard]);
}

pub async fn to_one_socket_by_id(cluster: &mut Cluster) {
    let own = cluster.clients[0].id.clone();
    cluster.servers[0].to(&own).emit("news", &(1, "2")).unwrap();
    assert_eq!(cluster.heard_from(0).await, [event(), NOBODY, NOBODY]);
}

pub async fn to_a_socket_of_another_server(cluster: &mut Cluster) {
    let far = cluster.clients[2].id.clone();
    cluster.servers[0].to(&far).emit("news", &(1, "2")).unwrap();
    assert_eq!(cluster.heard_from(0).await, [NOBODY, NOBODY, event()]);
}

pub async fn to_a_room_after_its_last_member_has_left_and_another_come(cluster: &mut Cluster) {
    cluster.join(1, "paris").await;
    cluster.servers[1].socket(&cluster.clients[1]).leave("paris");
    cluster.servers[0].to("paris").emit("news", &(1, "2")).unwrap();
    assert_eq!(cluster.heard_from(0).await, [NOBODY, NOBODY, NOBODY]);
    cluster.join(1, "paris").await;
    cluster.join(2, "paris").await;
    cluster.servers[0].to("paris").emit("news", &(1, "2")).unwrap();
    assert_eq!(cluster.heard_from(0).await, [NOBODY, event(), event()]);
}

pub async fn rooms_with_unusual_names(cluster: &mut Cluster) {
    for room in ["a#b", "*", "[x]?\\", "é ☃", "#", "12", "/custom"] {
        cluster.join(1, room).await;
        cluster.servers[0].to(room).emit("news", &(1, "2")).unwrap();
        assert_eq!(cluster.heard_from(0).await, [NOBODY, event(), NOBODY], "{room}");
    }
}

pub async fn of_another_namespace(cluster: &mut Cluster) {
    let custom = cluster.clients[1].also("/custom").await;
    cluster.servers[0].bus.of("/custom").unwrap().all().emit("news", &"custom").unwrap();
    cluster.servers[0].all().emit("news", &(1, "2")).unwrap();
    assert_eq!(custom.hears("news").await, [json!("custom")]);
    assert_eq!(cluster.heard_from(0).await, [event(), event(), event()]);
    cluster.servers[0].bus.of("/custom").unwrap().all().emit("fence", &()).unwrap();
    assert_eq!(custom.heard_before("fence").await, NOBODY);
}

pub async fn two_hundred_in_order(cluster: &mut Cluster) {
    cluster.join(2, "paris").await;
    for number in 0..200 {
        // Rooms, ids and everybody share the order.
        let server = &cluster.servers[0];
        let target = match number % 3 {
            0 => server.all(),
            1 => server.to("paris"),
            _ => server.to(&cluster.clients[2].id),
        };
        target.emit("number", &number).unwrap();
    }
    let heard = &cluster.heard_from(0).await[2];
    assert_eq!(*heard, (0..200).map(|number| json!(["number", number])).collect::<Vec<_>>());
}

pub async fn that_cannot_be_encoded_goes_to_nobody(cluster: &mut Cluster) {
    struct Wrong;
    impl serde::Serialize for Wrong {
        fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("on purpose"))
        }
    }
    assert!(cluster.servers[0].all().emit("news", &Wrong).is_err());
    assert_eq!(cluster.heard_from(0).await, [NOBODY, NOBODY, NOBODY]);
}
