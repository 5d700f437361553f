//! Events from server to server.

use std::sync::{Arc, Mutex};
use std::time::Instant;

use bytes::Bytes;
use roomcast_adapter::ServerEvent;
use serde_json::{Value, json};

use crate::patience::until;
use crate::servers::{ANSWERS, Cluster};

type Heard = Arc<Mutex<Vec<(usize, Vec<Value>)>>>;

/// Lets every server note down what it hears.
fn listen(cluster: &Cluster) -> Heard {
    let heard = Heard::default();
    for (at, server) in cluster.servers.iter().enumerate() {
        let heard = Arc::clone(&heard);
        server.root().on_server_side_emit("hello", move |event| {
            assert!(!event.wants_answer());
            heard.lock().unwrap().push((at, event.arguments().to_vec()));
        });
    }
    heard
}

pub async fn to_the_other_servers(cluster: &mut Cluster) {
    let heard = listen(cluster);
    cluster.servers[0].root().server_side_emit("hello", &(1, "2", json!({"a": [null]}))).unwrap();
    until("both have heard", async || heard.lock().unwrap().len() == 2).await;
    // The others' messages go the same way after it, also to who has sent it.
    cluster.servers[1].root().server_side_emit("hello", &"second").unwrap();
    until("both others have heard", async || heard.lock().unwrap().len() == 4).await;
    let mut heard = heard.lock().unwrap().clone();
    heard.sort_by_key(|(at, _)| *at);
    let (first, second) = (vec![json!(1), json!("2"), json!({"a": [null]})], vec![json!("second")]);
    let of = |wanted: usize| -> Vec<_> {
        heard.iter().filter(|(at, _)| *at == wanted).map(|(_, arguments)| arguments.clone()).collect()
    };
    assert_eq!((of(0), of(1)), (vec![second.clone()], vec![first.clone()]));
    assert_eq!(of(2), [first, second]);
    assert!(cluster.heard_from(0).await.iter().all(Vec::is_empty), "clients have heard it");
}

pub async fn with_answers(cluster: &mut Cluster) {
    for (at, server) in cluster.servers.iter().enumerate() {
        server.root().on_server_side_emit("sum", move |event| {
            let sum: u64 = event.arguments().iter().filter_map(Value::as_u64).sum();
            assert!(event.wants_answer());
            // Later, and from elsewhere.
            tokio::spawn(async move { event.answer(&json!({"at": at, "sum": sum})).unwrap() });
        });
    }
    let answers = cluster.servers[0].root().server_side_emit_with_ack("sum", &(1, 2)).await.unwrap();
    assert!(answers.missing.is_none());
    let mut came: Vec<Value> = answers.items.iter().map(roomcast_adapter::Reply::value).collect();
    came.sort_by_key(Value::to_string);
    assert_eq!(came, [json!({"at": 1, "sum": 3}), json!({"at": 2, "sum": 3})]);
}

/// Gives the events of a server to the test, which answers them when it likes.
fn withhold(cluster: &Cluster, at: usize) -> Arc<Mutex<Vec<ServerEvent>>> {
    let withheld = Arc::<Mutex<Vec<ServerEvent>>>::default();
    let events = Arc::clone(&withheld);
    cluster.servers[at].root().on_server_side_emit("ask", move |event| events.lock().unwrap().push(event));
    withheld
}

pub async fn a_server_that_answers_too_late(cluster: &mut Cluster) {
    cluster.servers[1].root().on_server_side_emit("ask", |event| event.answer(&json!("in time")).unwrap());
    let withheld = withhold(cluster, 2);
    let began = Instant::now();
    let answers = cluster.servers[0].root().server_side_emit_with_ack("ask", &()).await.unwrap();
    assert!(began.elapsed() >= ANSWERS, "{:?}", began.elapsed());
    let came: Vec<Value> = answers.items.iter().map(roomcast_adapter::Reply::value).collect();
    assert_eq!(came, ["in time"]);
    assert_eq!(
        (&*answers.missing.nodes, answers.missing.others),
        (&[cluster.servers[2].bus.node_id().to_owned()][..], 0)
    );
    assert_eq!(cluster.servers[0].bus.pending_requests(), 0);

    let late = withheld.lock().unwrap().pop().unwrap();
    late.answer(&json!("late")).unwrap();
    cluster.servers[2].root().on_server_side_emit("ask", |event| event.answer(&json!("second")).unwrap());
    let answers = cluster.servers[0].root().server_side_emit_with_ack("ask", &()).await.unwrap();
    assert!(answers.missing.is_none());
    let mut came: Vec<Value> = answers.items.iter().map(roomcast_adapter::Reply::value).collect();
    came.sort_by_key(Value::to_string);
    assert_eq!(came, ["in time", "second"]);
}

pub async fn a_server_that_goes_is_not_waited_for(cluster: &mut Cluster) {
    cluster.servers[1].root().on_server_side_emit("ask", |event| event.answer(&json!("here")).unwrap());
    let withheld = withhold(cluster, 2);
    let began = Instant::now();
    let asker = cluster.servers[0].root();
    let asked = tokio::spawn(async move { asker.server_side_emit_with_ack("ask", &()).await.unwrap() });
    until("it has been asked", async || !withheld.lock().unwrap().is_empty()).await;
    cluster.servers[2].bus.close().await;
    let answers = asked.await.unwrap();
    assert!(began.elapsed() < ANSWERS, "waited for who is gone: {:?}", began.elapsed());
    assert_eq!(answers.items.len(), 1);
    assert_eq!(answers.missing.nodes, [cluster.servers[2].bus.node_id()]);
}

pub async fn binary_is_carried(cluster: &mut Cluster) {
    let bytes = Bytes::from_static(&[1, 255]);
    let buffer = json!({"type": "Buffer", "data": [1, 255]});
    cluster.servers[1].root().on_server_side_emit("bytes", |event| {
        let buffer = event.arguments()[0].clone();
        event.answer(&json!([buffer])).unwrap();
    });
    let answer = bytes.clone();
    cluster.servers[2].root().on_server_side_emit("bytes", move |event| event.answer(&answer).unwrap());
    let answers = cluster.servers[0].root().server_side_emit_with_ack("bytes", &(bytes,)).await.unwrap();
    assert!(answers.missing.is_none());
    let mut came: Vec<Value> = answers.items.iter().map(roomcast_adapter::Reply::value).collect();
    came.sort_by_key(Value::is_object);
    assert_eq!(came, [json!([buffer]), buffer]);
}
