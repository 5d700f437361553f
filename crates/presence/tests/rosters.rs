//! What one roster says of its own sockets, and of what another one tells.

#![allow(clippy::unwrap_used, missing_docs)]

use std::collections::HashSet;
use std::sync::Arc;

use roomcast_presence::{Audience, Body, Entry, Key, Message, News, Roster, Settings, Told, Who};
use serde_json::{Value, json};

const ROOM: &str = "room:a";

fn roster(settings: Settings) -> Roster<u8> {
    Roster::new("here", settings)
}

fn user(name: &str) -> Who {
    Who::User(name.into())
}

/// A socket of this user connects and joins.
fn come(roster: &mut Roster<u8>, now: u64, socket: u8, name: &str) {
    roster.enter(socket, user(name), None);
    roster.sync(now, now, socket, [ROOM]);
}

/// What the sockets in the room hear, without the audience.
fn told(roster: &mut Roster<u8>, now: u64) -> Vec<Value> {
    roster.expire(now, now);
    roster.flush(now).iter().map(|told| serde_json::to_value(told).unwrap()).collect()
}

fn names(members: &Value) -> Vec<&str> {
    members.as_array().unwrap().iter().map(|member| member["user"].as_str().unwrap()).collect()
}

fn message(seq: u64, body: Body) -> Message {
    Message { from: "there".into(), seq, body }
}

fn entry(name: &str, since: u64) -> Entry {
    Entry { key: key(name), since, info: None }
}

fn key(name: &str) -> Key {
    Key { room: ROOM.into(), user: Some(name.into()), id: None }
}

fn changes(seq: u64, join: &[&str], leave: &[&str]) -> Message {
    let join = join.iter().map(|name| entry(name, 1)).collect();
    message(seq, Body::Changes { join, leave: leave.iter().map(|name| key(name)).collect() })
}

fn hears(roster: &mut Roster<u8>, now: u64, message: Message) {
    roster.receive(now, message, |_| true).unwrap();
}

/// Whether the roster wants to ask the other node.
fn asks(roster: &mut Roster<u8>, now: u64) -> bool {
    let to =
        |message: &Message| matches!(&message.body, Body::Ask { to } if to.contains(&"there".to_owned()));
    roster.outgoing(now).iter().any(to)
}

#[test]
fn a_user_with_two_sockets_is_one_member() {
    let mut roster = roster(Settings::default());
    come(&mut roster, 0, 1, "ann");
    come(&mut roster, 0, 2, "bob");
    come(&mut roster, 0, 3, "ann");
    assert_eq!(roster.count(ROOM), 2);
    told(&mut roster, 100);
    roster.sync(200, 200, 1, []);
    assert_eq!(told(&mut roster, 300), Vec::<Value>::new());
    roster.sync(300, 300, 3, []);
    let news = told(&mut roster, 400);
    assert_eq!((names(&news[0]["left"]), &news[0]["count"]), (vec!["ann"], &json!(1)));
}

#[test]
fn a_user_who_is_back_in_time_is_not_told_of_and_one_who_is_not_is() {
    let mut roster = roster(Settings::default());
    come(&mut roster, 0, 1, "ann");
    come(&mut roster, 0, 2, "bob");
    told(&mut roster, 100);
    roster.gone(1000, 1);
    assert_eq!(told(&mut roster, 2900), Vec::<Value>::new());
    come(&mut roster, 2900, 3, "ann");
    assert_eq!(roster.count(ROOM), 2);
    // The time of the first disconnect has passed.
    assert_eq!(told(&mut roster, 3500), Vec::<Value>::new());
    roster.gone(4000, 3);
    told(&mut roster, 6000);
    assert_eq!(names(&told(&mut roster, 6100)[0]["left"]), ["ann"]);
    assert_eq!(roster.count(ROOM), 1);
}

#[test]
fn sockets_without_a_user_do_not_linger() {
    let mut roster = roster(Settings::default());
    for socket in [1, 2] {
        roster.enter(socket, Who::Socket(socket.to_string().into()), None);
        roster.sync(0, 7, socket, [ROOM]);
    }
    told(&mut roster, 100);
    roster.gone(100, 1);
    let news = told(&mut roster, 200);
    assert_eq!(news, [json!({"room": ROOM, "joined": [], "left": [{"id": "1", "since": 7}], "count": 1})]);
}

#[test]
fn nobody_is_told_of_itself_or_of_what_its_snapshot_has() {
    let mut roster = roster(Settings::default());
    come(&mut roster, 0, 1, "ann");
    assert_eq!(roster.snapshot(Some(1), ROOM).count, 1);
    come(&mut roster, 10, 2, "bob");
    let snapshot = serde_json::to_value(roster.snapshot(Some(2), ROOM)).unwrap();
    assert_eq!(names(&snapshot["members"]), ["ann", "bob"]);
    let mut heard: Vec<(u8, Vec<String>)> = Vec::new();
    for Told { to, news, .. } in roster.flush(110) {
        let News::Changes { joined, left } = news else { panic!("{news:?}") };
        assert_eq!(left, []);
        let joined: Vec<String> = joined.iter().map(|member| format!("{:?}", member.who)).collect();
        let sockets = match to {
            Audience::Room { except } => {
                [1, 2].into_iter().filter(|socket| !except.contains(socket)).collect()
            }
            Audience::Only(sockets) => sockets,
        };
        heard.extend(sockets.into_iter().map(|socket| (socket, joined.clone())));
    }
    assert_eq!(heard, [(1, vec![r#"User("bob")"#.to_owned()])]);
}

#[test]
fn what_is_shown_comes_with_the_member_and_only_what_may_be() {
    let info = |value: Value| value.as_object().unwrap().clone();
    let mut roster = roster(Settings { info: vec!["name".into()], ..Settings::default() });
    roster.enter(1, user("ann"), Some(Arc::new(info(json!({"name": "Ann"})))));
    roster.sync(5, 5, 1, [ROOM]);
    let mut bob = entry("bob", 6);
    bob.info = Some(info(json!({"name": "Bob", "email": "hush"})));
    hears(&mut roster, 6, message(1, Body::Changes { join: vec![bob], leave: vec![] }));
    let snapshot = serde_json::to_value(roster.snapshot(None, ROOM)).unwrap();
    let ann = json!({"user": "ann", "since": 5, "info": {"name": "Ann"}});
    let bob = json!({"user": "bob", "since": 6, "info": {"name": "Bob"}});
    assert_eq!(snapshot, json!({"count": 2, "members": [ann, bob]}));
}

#[test]
fn a_user_who_moves_to_another_node_has_been_there_all_the_time() {
    let mut roster = roster(Settings::default());
    come(&mut roster, 50, 1, "bob");
    hears(&mut roster, 60, changes(1, &["ann"], &[]));
    told(&mut roster, 160);
    come(&mut roster, 5000, 2, "ann");
    hears(&mut roster, 6000, changes(2, &[], &["ann"]));
    assert_eq!(told(&mut roster, 7000), Vec::<Value>::new());
    let snapshot = serde_json::to_value(roster.snapshot(None, ROOM)).unwrap();
    assert_eq!(snapshot["members"][0], json!({"user": "ann", "since": 1}));
}

#[test]
fn whoever_missed_something_asks_and_takes_the_answer_instead() {
    let mut roster = roster(Settings::default());
    come(&mut roster, 0, 1, "me");
    hears(&mut roster, 0, changes(1, &["ann", "bob"], &[]));
    told(&mut roster, 100);
    assert!(!asks(&mut roster, 100));
    // The second is lost; the third says nothing without it.
    hears(&mut roster, 200, changes(3, &["eve"], &[]));
    assert_eq!(roster.count(ROOM), 3);
    assert!(asks(&mut roster, 200));
    let part = |part, last, names: &[&str]| {
        let entries = names.iter().map(|name| entry(name, 1)).collect();
        message(3, Body::State { state: 1, part, last, entries })
    };
    hears(&mut roster, 300, part(0, false, &["ann"]));
    hears(&mut roster, 300, part(0, false, &["ann"]));
    hears(&mut roster, 300, part(1, true, &["eve"]));
    hears(&mut roster, 300, part(1, true, &["eve"]));
    let news = told(&mut roster, 400);
    assert_eq!(news.len(), 1);
    assert_eq!((names(&news[0]["joined"]), names(&news[0]["left"])), (vec!["eve"], vec!["bob"]));
    assert_eq!(roster.stats().resyncs, 1);
    // It goes on from there, and what comes twice counts once.
    hears(&mut roster, 500, changes(4, &["dan"], &[]));
    hears(&mut roster, 500, changes(5, &[], &["dan"]));
    hears(&mut roster, 500, changes(4, &["dan"], &[]));
    assert_eq!(roster.count(ROOM), 3);
    assert!(!asks(&mut roster, 5000));
    hears(&mut roster, 5000, message(6, Body::Digest));
    assert!(asks(&mut roster, 5000));
}

#[test]
fn a_node_that_is_gone_takes_its_members_along() {
    let mut roster = roster(Settings::default());
    come(&mut roster, 0, 1, "me");
    hears(&mut roster, 0, changes(1, &["ann", "me"], &[]));
    roster.nodes(HashSet::from(["there".to_owned()]), Some(0));
    told(&mut roster, 100);
    // It has stopped in order: its users may be back in a moment, elsewhere.
    hears(&mut roster, 10_000, message(1, Body::Digest));
    roster.nodes(HashSet::new(), Some(0));
    assert_eq!(told(&mut roster, 10_100), Vec::<Value>::new());
    assert_eq!(told(&mut roster, 13_900), Vec::<Value>::new());
    told(&mut roster, 14_000);
    assert_eq!(names(&told(&mut roster, 14_100)[0]["left"]), ["ann"]);
    assert_eq!(roster.count(ROOM), 1);
}

#[test]
fn while_nothing_is_heard_nobody_is_taken_for_gone() {
    let mut roster = roster(Settings::default());
    come(&mut roster, 0, 1, "me");
    hears(&mut roster, 0, changes(1, &["ann"], &[]));
    told(&mut roster, 100);
    roster.nodes(HashSet::new(), None);
    assert_eq!(told(&mut roster, 100_000), Vec::<Value>::new());
    // Back, and the registry does not know the other yet.
    roster.nodes(HashSet::new(), Some(100_000));
    assert_eq!(told(&mut roster, 101_000), Vec::<Value>::new());
    roster.nodes(HashSet::from(["there".to_owned()]), Some(100_000));
    assert_eq!(told(&mut roster, 110_000), Vec::<Value>::new());
    assert_eq!(roster.count(ROOM), 2);
}

#[test]
fn there_are_no_more_entries_than_allowed_and_the_rest_is_fetched_when_there_is_space() {
    let mut roster = roster(Settings { max_entries: 3, ..Settings::default() });
    // Who has just come asks all.
    roster.outgoing(0);
    come(&mut roster, 0, 1, "me");
    hears(&mut roster, 0, changes(1, &["a", "b", "c", "d"], &[]));
    assert_eq!((roster.entries(), roster.stats().dropped), (3, 2));
    come(&mut roster, 0, 2, "you");
    assert_eq!((roster.entries(), roster.count(ROOM), roster.stats().dropped), (3, 3, 3));
    // Who is not counted does not go twice, either.
    roster.sync(10, 10, 2, []);
    roster.sync(10, 10, 2, [ROOM]);
    assert_eq!(roster.entries(), 3);
    hears(&mut roster, 20, changes(2, &[], &["a", "b", "c"]));
    roster.expire(20, 20);
    let snapshot = serde_json::to_value(roster.snapshot(None, ROOM)).unwrap();
    assert_eq!(names(&snapshot["members"]), ["me", "you"]);
    assert!(asks(&mut roster, 20));
}

#[test]
fn nothing_is_left_of_those_who_have_gone() {
    let mut roster = roster(Settings::default());
    hears(&mut roster, 0, changes(1, &["ann"], &[]));
    for socket in 0..50 {
        come(&mut roster, 0, socket, &format!("user-{}", socket % 10));
    }
    for socket in 0..50 {
        roster.gone(10, socket);
        // Whoever is late with it changes nothing.
        roster.gone(10, socket);
        roster.sync(10, 10, socket, [ROOM]);
    }
    assert_eq!(roster.count(ROOM), 11);
    roster.nodes(HashSet::new(), Some(0));
    roster.expire(10, 10);
    roster.expire(10_000, 10_000);
    assert_eq!((roster.entries(), roster.count(ROOM)), (0, 0));
    assert_eq!(roster.flush(10_000), []);
}
