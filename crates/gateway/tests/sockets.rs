//! Each seam over socketioxide, by the story that goes wrong without it (see `roomcast::sockets`).

#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use roomcast::sockets::{JoinError, Namespace, Refused, Socket};
use serde_json::json;
use support::{Client, Node, settings, soon, until};
use tokio::sync::{Notify, mpsc};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_events_of_one_client_are_handled_in_order() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let record = Arc::clone(&seen);
    let namespace = Namespace::new("/order").on("number", move |_, event| {
        let record = Arc::clone(&record);
        async move {
            let (number,) = event.arguments().unwrap().parse::<(u32,)>().unwrap();
            // Gives a second task every chance to overtake.
            tokio::task::yield_now().await;
            record.lock().unwrap().push(number);
            event.ack().send(json!("done"));
        }
    });
    let mut settings = settings();
    settings.socketio.event_queue = 1000;
    let node = Node::start(settings, vec![namespace]);
    let mut client = Client::connect(&node, "/order").await;
    for number in 0..999 {
        client.emit(&format!(r#"["number",{number}]"#)).await;
    }
    assert_eq!(client.request(r#"["number",999]"#).await, "done");
    assert_eq!(*seen.lock().unwrap(), (0..1000).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn relays_of_one_client_keep_their_order() {
    let node = Node::start(settings(), vec![]);
    let mut ann = Client::connect(&node, "/").await;
    let mut bob = Client::connect(&node, "/").await;
    // In the bounds of the receiver's queue, whatever the speed of the test.
    for number in 0..400 {
        ann.emit(&format!(r#"["message",{number}]"#)).await;
    }
    for number in 0..400 {
        assert_eq!(bob.hears("message").await[0], number);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn joining_after_the_disconnect_leaves_nothing_behind() {
    let (give, mut take) = mpsc::channel::<Socket>(1);
    let namespace = Namespace::new("/late").on_connect(move |socket, _| give.try_send(socket).unwrap());
    let node = Node::start(settings(), vec![namespace]);
    let client = Client::connect(&node, "/late").await;
    let socket = soon(take.recv()).await.unwrap();
    socket.join("early").unwrap();
    assert_eq!(node.members("/late", "early"), 1);

    client.close().await;
    until("the socket has left its rooms", async || node.members("/late", &socket.id()) == 0).await;
    assert_eq!(node.members("/late", "early"), 0);
    assert_eq!(socket.join("late"), Err(JoinError::Gone));
    assert_eq!(node.members("/late", "late"), 0);
    assert!(socket.emit("x", json!(1)).is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_socket_is_in_the_room_named_by_its_id() {
    let node = Node::start(settings(), vec![]);
    let mut ann = Client::connect(&node, "/").await;
    let mut bob = Client::connect(&node, "/").await;
    node.emitter.emit("/", Some(&ann.id), "private", json!("for ann")).unwrap();
    node.emitter.emit("/", None, "public", json!("for all")).unwrap();
    assert_eq!(ann.hears("private").await, [json!("for ann")]);
    assert_eq!(bob.hears("public").await, [json!("for all")]);
    assert!(!bob.overheard("private"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panicking_event_handler_costs_only_its_event() {
    let namespace = Namespace::new("/panic")
        .on("now", |_, _| -> std::future::Ready<()> { panic!("before the future") })
        .on("later", |_, _| async { panic!("in the future") })
        .on("fine", |_, event| async move { event.ack().send(json!("fine")) });
    let node = Node::start(settings(), vec![namespace]);
    let mut client = Client::connect(&node, "/panic").await;
    for event in [r#"["now"]"#, r#"["later"]"#] {
        let answer = client.request(event).await;
        assert_eq!((&answer["ok"], &answer["code"]), (&json!(false), &json!("internal_error")), "{event}");
    }
    assert_eq!(client.request(r#"["fine"]"#).await, "fine");
    let line = r#"roomcast_refusals_total{namespace="/panic",code="internal_error"}"#;
    assert_eq!(node.metric(line).await, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disconnect_handler_that_panics_or_hangs_leaks_nothing() {
    let mut settings = settings();
    settings.socketio.handler_timeout_ms = 50;
    let panics = Namespace::new("/now")
        .on_connect(|socket, _| socket.join("room").unwrap())
        .on_disconnect(|_, _| -> std::future::Ready<()> { panic!("before the future") });
    let panics_later = Namespace::new("/later")
        .on_connect(|socket, _| socket.join("room").unwrap())
        .on_disconnect(|_, _| async { panic!("in the future") });
    let hangs = Namespace::new("/hangs")
        .on_connect(|socket, _| socket.join("room").unwrap())
        .on_disconnect(|_, _| std::future::pending());
    let connect_panics = Namespace::new("/connect").on_connect(|socket, _| {
        socket.join("room").unwrap();
        panic!("in the connect handler");
    });
    let node = Node::start(settings, vec![panics, panics_later, hangs, connect_panics]);
    for namespace in ["/now", "/later", "/hangs", "/connect"] {
        let client = Client::connect(&node, namespace).await;
        until("it has joined", async || node.members(namespace, "room") == 1).await;
        let id = client.id.clone();
        client.close().await;
        until("it is gone", async || node.members(namespace, "room") == 0).await;
        assert_eq!(node.members(namespace, &id), 0);
        let line = format!(r#"roomcast_sockets{{namespace="{namespace}"}}"#);
        assert_eq!(node.metric(&line).await, 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rooms_are_still_there_while_saying_goodbye() {
    let (give, mut take) = mpsc::channel(1);
    let namespace = Namespace::new("/bye")
        .on_connect(|socket, _| socket.join("room").unwrap())
        .on_disconnect(move |socket, _| {
            let give = give.clone();
            async move {
                let late = socket.join("late");
                give.send((socket.is_in("room"), late)).await.unwrap();
            }
        });
    let node = Node::start(settings(), vec![namespace]);
    let client = Client::connect(&node, "/bye").await;
    // Who leaves before the namespace has seen it come is not seen to go either.
    until("it has joined", async || node.members("/bye", "room") == 1).await;
    client.close().await;
    assert_eq!(soon(take.recv()).await.unwrap(), (true, Err(JoinError::Gone)));
    until("it is gone", async || node.members("/bye", "room") == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_clients_connect_at_once_and_speak_at_once() {
    let namespace = Namespace::new("/crowd")
        .on_connect(|socket, _| socket.join("crowd").unwrap())
        .on("rooms", |socket, event| async move { event.ack().send(json!(socket.rooms().len())) });
    let node = Arc::new(Node::start(settings(), vec![namespace]));
    let crowd: Vec<_> = (0..100)
        .map(|_| {
            let node = Arc::clone(&node);
            tokio::spawn(async move {
                let mut client = Client::connect(&node, "/crowd").await;
                // At once: the handlers must be there, and `on_connect` must have run.
                assert_eq!(client.request(r#"["rooms"]"#).await, 2);
                client
            })
        })
        .collect();
    let mut clients = Vec::new();
    for client in crowd {
        clients.push(client.await.unwrap());
    }
    assert_eq!(node.members("/crowd", "crowd"), 100);
    assert_eq!(node.metric(r#"roomcast_sockets{namespace="/crowd"}"#).await, 100);
    for client in &clients {
        assert_eq!(node.members("/crowd", &client.id), 1);
    }
    for client in clients {
        client.close().await;
    }
    until("all are gone", async || node.members("/crowd", "crowd") == 0).await;
    until("none is counted", async || node.metric(r#"roomcast_sockets{namespace="/crowd"}"#).await == 0)
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_many_events_for_a_slow_handler_are_refused() {
    let gate = Arc::new(Notify::new());
    let wait = Arc::clone(&gate);
    let namespace = Namespace::new("/slow").on("work", move |_, event| {
        let wait = Arc::clone(&wait);
        async move {
            wait.notified().await;
            event.ack().send(json!("done"));
        }
    });
    let namespace = namespace.on("here", |_, event| async move { event.ack().send(json!(true)) });
    let mut settings = settings();
    settings.socketio.event_queue = 2;
    let node = Node::start(settings, vec![namespace]);
    let mut client = Client::connect(&node, "/slow").await;
    // Until the namespace has seen it come its events wait, too.
    assert_eq!(client.request(r#"["here"]"#).await, true);
    // One is under way, two wait, the fourth is one too many.
    let accepted =
        [client.ask(r#"["work"]"#).await, client.ask(r#"["work"]"#).await, client.ask(r#"["work"]"#).await];
    assert_eq!(client.request(r#"["work"]"#).await["code"], "busy");
    for number in accepted {
        gate.notify_one();
        assert_eq!(client.answer(number).await, json!(["done"]));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_is_not_admitted_is_told_why_and_leaves_nothing() {
    let (give, mut take) = mpsc::channel::<Socket>(4);
    let namespace = Namespace::new("/door").admit(move |socket, auth| {
        let give = give.clone();
        async move {
            socket.join("hall").unwrap();
            give.send(socket).await.unwrap();
            match auth["password"].as_str() {
                Some("sesame") => Ok(()),
                Some("panic") => panic!("in admission"),
                Some("wait") => std::future::pending().await,
                _ => Err(Refused("no entry".into())),
            }
        }
    });
    let mut settings = settings();
    settings.socketio.handler_timeout_ms = 50;
    let node = Node::start(settings, vec![namespace]);
    for (auth, reason) in [
        ("", "no entry"),
        (r#"{"password":"panic"}"#, "internal error"),
        (r#"{"password":"wait"}"#, "admission took too long"),
    ] {
        let refused = Client::try_connect(&node, "/door", auth).await.err();
        assert_eq!(refused.as_deref(), Some(reason));
        let socket = soon(take.recv()).await.unwrap();
        assert_eq!(socket.join("later"), Err(JoinError::Gone));
        assert_eq!(node.members("/door", "hall") + node.members("/door", "later"), 0);
    }
    let client = Client::try_connect(&node, "/door", r#"{"password":"sesame"}"#).await.unwrap();
    assert_eq!(node.members("/door", &client.id), 1);
    // `auth` is an object or nothing; anything else is refused before a handler sees it.
    assert!(Client::try_connect(&node, "/door", "[1]").await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_is_sent_once_and_only_when_asked_for() {
    let namespace = Namespace::new("/ack").on("twice", |_, event| async move {
        event.ack().send(json!(event.ack().is_wanted()));
        event.ack().send(json!("again"));
    });
    let node = Node::start(settings(), vec![namespace]);
    let mut client = Client::connect(&node, "/ack").await;
    client.emit(r#"["twice"]"#).await;
    assert_eq!(client.request(r#"["twice"]"#).await, true);
    assert_eq!(client.request(r#"["twice"]"#).await, true);
    tokio::time::timeout(Duration::from_secs(20), client.close()).await.unwrap();
}
