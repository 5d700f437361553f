//! Who is in a room, by bare clients on one node, and by nodes that are only messages on the bus.

#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use roomcast::config::{PresenceSettings, Settings};
use serde_json::{Value, json};
use support::{Client, Node, settings, until};

const CHAT: &str = "/chat";

/// The rooms `room:*` of `/chat` are shown.
fn shown(change: impl FnOnce(&mut PresenceSettings)) -> Settings {
    let mut settings = settings();
    let chat = settings.namespaces.iter_mut().find(|namespace| namespace.path == CHAT).unwrap();
    chat.presence.rooms = vec!["room:*".into()];
    change(&mut chat.presence);
    settings
}

fn ids(members: &Value) -> Vec<&str> {
    members.as_array().unwrap().iter().map(|member| member["id"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_joins_is_told_who_is_there_and_the_others_are_told_of_it() {
    let node = Node::start(shown(|_| {}), vec![]);
    let mut ann = Client::connect(&node, CHAT).await;
    let mut bob = Client::connect(&node, CHAT).await;
    let alone = ann.request(r#"["join","room:a"]"#).await;
    assert_eq!(
        (ids(&alone["presence"]["members"]), &alone["presence"]["count"]),
        (vec![ann.id.as_str()], &json!(1))
    );
    let both = bob.request(r#"["join","room:a"]"#).await;
    assert_eq!(ids(&both["presence"]["members"]).len(), 2);
    let news = ann.hears("presence").await.remove(0);
    assert_eq!(
        (ids(&news["joined"]), ids(&news["left"]), &news["count"]),
        (vec![bob.id.as_str()], vec![], &json!(2))
    );
    // A room that is not shown.
    assert_eq!(bob.request(r#"["join","paris"]"#).await.get("presence"), None);
    assert_eq!(bob.request(r#"["presence","paris"]"#).await["code"], "no_presence");

    let id = bob.id.clone();
    bob.close().await;
    let news = ann.hears("presence").await.remove(0);
    assert_eq!(
        (ids(&news["joined"]), ids(&news["left"]), &news["count"]),
        (vec![], vec![id.as_str()], &json!(1))
    );
    let now = ann.request(r#"["presence","room:a"]"#).await;
    assert_eq!(ids(&now["presence"]["members"]), [ann.id.as_str()]);
    assert!(!ann.overheard("presence"));
    let line = r#"roomcast_presence_members{namespace="/chat"}"#;
    assert_eq!(node.metric(line).await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_left_of_those_who_go_while_they_join() {
    let node = Node::start(shown(|_| {}), vec![]);
    let mut ann = Client::connect(&node, CHAT).await;
    ann.request(r#"["join","room:a"]"#).await;
    for _ in 0..30 {
        let mut client = Client::connect(&node, CHAT).await;
        for room in ["a", "b", "a"] {
            client.emit(&format!(r#"["join","room:{room}"]"#)).await;
        }
        client.close().await;
    }
    let line = r#"roomcast_presence_members{namespace="/chat"}"#;
    until("only ann is there", async || node.metric(line).await == 1).await;
    until("all have gone", async || node.members(CHAT, "room:b") == 0).await;
    assert_eq!(ann.request(r#"["presence","room:a"]"#).await["presence"]["count"], 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_handlers_and_servers_do_with_sockets_is_seen() {
    let node = Node::start(shown(|_| {}), vec![]);
    let mut ann = Client::connect(&node, CHAT).await;
    ann.request(r#"["join","room:a"]"#).await;
    let bob = Client::connect(&node, CHAT).await;
    let chat = node.bus.of(CHAT).unwrap();
    chat.to(bob.id.as_str()).join(["room:a", "room:b"]);
    let news = ann.hears("presence").await.remove(0);
    assert_eq!((ids(&news["joined"]), &news["count"]), (vec![bob.id.as_str()], &json!(2)));
    chat.to(bob.id.as_str()).leave(["room:a"]);
    let news = ann.hears("presence").await.remove(0);
    assert_eq!((ids(&news["left"]), &news["count"]), (vec![bob.id.as_str()], &json!(1)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_nodes_are_believed_what_makes_sense_and_the_rest_is_counted() {
    // A node that the cluster does not have is forgotten after a while; not while this goes on.
    let change = |presence: &mut PresenceSettings| (presence.max_entries, presence.linger_ms) = (3, 60_000);
    let node = Node::start(shown(change), vec![]);
    let mut ann = Client::connect(&node, CHAT).await;
    ann.request(r#"["join","room:a"]"#).await;
    let says = |message: Value| {
        let request = json!({"uid": "abcdef", "type": 6, "data": ["roomcast:presence", message]});
        node.bus.receive("socket.io-request#/chat#", request.to_string().as_bytes());
    };
    let entry = |room: &str, user: &str| json!({"room": room, "user": user, "since": 1});
    says(
        json!({"from": "other", "seq": 1, "kind": "changes", "join": [entry("room:a", "bob"), entry("paris", "eve")]}),
    );
    let news = ann.hears("presence").await.remove(0);
    assert_eq!((&news["joined"], &news["count"]), (&json!([{"user": "bob", "since": 1}]), &json!(2)));

    let wrong = [
        json!(null),
        json!("x"),
        json!({"from": "other", "seq": 2, "kind": "changes", "join": [{"room": "room:a"}]}),
        json!({"from": "other", "seq": 2, "kind": "changes", "join": [entry(&"r".repeat(200), "bob")]}),
        json!({"from": "other", "seq": "2", "kind": "digest"}),
        json!({"seq": 2, "kind": "digest"}),
    ];
    for message in &wrong {
        says(message.clone());
    }
    let dropped =
        |reason: &str| format!(r#"roomcast_presence_dropped_total{{namespace="/chat",reason="{reason}"}}"#);
    until("all of it is counted", async || node.metric(&dropped("malformed")).await == wrong.len() as u64)
        .await;

    // It goes on from the last number that made sense, and there is space for one more.
    let more: Vec<Value> = ["dan", "fay", "gil"].iter().map(|user| entry("room:a", user)).collect();
    says(json!({"from": "other", "seq": 2, "kind": "changes", "join": more}));
    until("two are too many", async || node.metric(&dropped("max_entries")).await == 2).await;
    assert_eq!(ann.request(r#"["presence","room:a"]"#).await["presence"]["count"], 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_presence_nothing_is_shown() {
    let node = Node::start(settings(), vec![]);
    let mut ann = Client::connect(&node, CHAT).await;
    assert_eq!(ann.request(r#"["join","room:a"]"#).await.get("presence"), None);
    assert_eq!(ann.request(r#"["presence","room:a"]"#).await["code"], "unknown_event");
}
