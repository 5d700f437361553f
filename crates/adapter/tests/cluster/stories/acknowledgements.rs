//! Events that clients acknowledge.

use std::time::{Duration, Instant};

use roomcast_adapter::{Acks, Missing};
use serde_json::{Value, json};

use crate::patience::{PATIENCE, until};
use crate::servers::Cluster;

/// Long enough for every client that answers, also on a slow machine.
const SHORT: Duration = Duration::from_secs(1);

fn replies(acks: &Acks) -> Vec<Value> {
    let mut replies: Vec<Value> = acks.replies.iter().map(roomcast_adapter::Reply::value).collect();
    replies.sort_by_key(Value::to_string);
    replies
}

pub async fn of_all_clients(cluster: &mut Cluster) {
    for (at, client) in cluster.clients.iter().enumerate() {
        client.answers(json!(at));
    }
    let began = Instant::now();
    let asked = cluster.servers[0].all().timeout(PATIENCE).emit_with_ack("ask", &"x").await;
    let acks = asked.unwrap();
    assert_eq!(replies(&acks), [0, 1, 2]);
    assert_eq!((acks.expected, acks.is_complete(), acks.missing.is_none()), (3, true, true));
    assert!(began.elapsed() < PATIENCE, "waited for nobody");
    for client in &cluster.clients {
        assert_eq!(client.hears("ask").await, [json!("x")]);
    }
}

pub async fn of_a_room_elsewhere(cluster: &mut Cluster) {
    cluster.join(2, "paris").await;
    cluster.clients[2].answers(json!({"two": [2]}));
    let acks = cluster.servers[0].to("paris").timeout(PATIENCE).emit_with_ack("ask", &()).await.unwrap();
    assert_eq!((replies(&acks), acks.expected), (vec![json!({"two": [2]})], 1));
    assert!(acks.is_complete());
}

pub async fn of_one_socket_elsewhere(cluster: &mut Cluster) {
    cluster.clients[1].answers(Value::Null);
    let far = cluster.clients[1].id.clone();
    let acks = cluster.servers[0].to(&far).timeout(PATIENCE).emit_with_ack("ask", &()).await.unwrap();
    assert_eq!((replies(&acks), acks.expected, acks.is_complete()), (vec![Value::Null], 1, true));
}

pub async fn of_nobody(cluster: &mut Cluster) {
    let began = Instant::now();
    let acks = cluster.servers[0].to("nobody").timeout(PATIENCE).emit_with_ack("ask", &()).await.unwrap();
    assert_eq!((acks.replies.len(), acks.expected, acks.is_complete()), (0, 0, true));
    assert!(began.elapsed() < PATIENCE, "waited for nobody");
}

pub async fn of_this_server_only(cluster: &mut Cluster) {
    for client in &cluster.clients {
        client.answers(json!("yes"));
    }
    let acks = cluster.servers[0].all().local().timeout(PATIENCE).emit_with_ack("ask", &()).await.unwrap();
    assert_eq!((acks.replies.len(), acks.expected, acks.is_complete()), (1, 1, true));
    assert_eq!(cluster.heard_from(0).await, [vec![json!(["ask", null])], vec![], vec![]]);
}

pub async fn with_binary(cluster: &mut Cluster) {
    cluster.clients[0].answers_bytes(&[0]);
    cluster.clients[1].answers_bytes(&[1, 255]);
    cluster.clients[2].answers(json!("text"));
    let acks = cluster.servers[0].all().timeout(PATIENCE).emit_with_ack("ask", &()).await.unwrap();
    let buffer = |bytes: &[u8]| json!({"data": bytes, "type": "Buffer"});
    let came: Vec<Value> = acks.replies.iter().map(roomcast_adapter::Reply::value).collect();
    assert_eq!(came.len(), 3);
    for expected in [buffer(&[0]), buffer(&[1, 255]), json!("text")] {
        assert!(came.contains(&expected), "{expected} is not among {came:?}");
    }
}

/// The others' acknowledgements come, in time; the late one disturbs nothing.
pub async fn a_client_that_answers_too_late(cluster: &mut Cluster) {
    cluster.clients[0].answers(json!(0));
    cluster.clients[1].answers(json!(1));
    let began = Instant::now();
    let acks = cluster.servers[0].all().timeout(SHORT).emit_with_ack("ask", &()).await.unwrap();
    assert!(began.elapsed() >= SHORT && began.elapsed() < PATIENCE, "{:?}", began.elapsed());
    assert_eq!((replies(&acks), acks.expected), (vec![json!(0), json!(1)], 3));
    // The server has answered, its client has not.
    assert_eq!((acks.is_complete(), acks.missing), (false, Missing::default()));
    assert_eq!(cluster.servers[0].bus.pending_requests(), 0);

    cluster.clients[2].acknowledge(&json!("late")).await;
    cluster.clients[2].answers(json!(2));
    let acks = cluster.servers[0].all().timeout(PATIENCE).emit_with_ack("again", &()).await.unwrap();
    assert_eq!((replies(&acks), acks.is_complete()), (vec![json!(0), json!(1), json!(2)], true));
}

/// Answers go to the question that they belong to.
pub async fn several_questions_at_a_time(cluster: &mut Cluster) {
    for (at, client) in cluster.clients.iter().enumerate() {
        client.answers(json!(at));
    }
    let ask = |from: usize| cluster.servers[from].all().timeout(PATIENCE).emit_with_ack("ask", &());
    let many = (0..30).map(|number| ask(number % 3));
    for acks in futures_util::future::join_all(many).await {
        let acks = acks.unwrap();
        assert_eq!((replies(&acks), acks.is_complete()), (vec![json!(0), json!(1), json!(2)], true));
    }
    until("no request waits", async || {
        cluster.servers.iter().all(|server| server.bus.pending_requests() == 0)
    })
    .await;
}
