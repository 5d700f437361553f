//! Bytes that the real packages wrote (`@socket.io/redis-adapter` 8.3.0, `@socket.io/redis-emitter` 5.1.0), with the
//! uid and request ids fixed to `AAAAAA` and `BBBBBB`.

use std::collections::VecDeque;

use bytes::Bytes;
use serde_json::json;

use super::WireError;
use super::broadcast::{self, Flags, Target};
use super::payload::Payload;
use super::request::{self, Envelope, Request};
use super::response::{self, Body};

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

fn target(rooms: &[&str], except: &[&str], flags: Flags) -> Target {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    Target { rooms: names(rooms), except: names(except), flags }
}

fn bins(all: &[&'static [u8]]) -> VecDeque<Bytes> {
    all.iter().map(|bytes| Bytes::from_static(bytes)).collect()
}

#[test]
fn broadcast_with_binary() {
    // io.emit("test", 1, "2", Buffer[3, 4])
    let bytes = hex(
        "93a641414141414183a47479706502a46461746194a47465737401a132c4020304a36e7370a12f83a5726f6f6d7390a665786365707490a5666c61677380",
    );
    let json = r#"["test",1,"2",{"_placeholder":true,"num":0}]"#;
    let everyone = target(&[], &[], Flags::default());
    assert_eq!(broadcast::encode("AAAAAA", "/", json, &bins(&[&[3, 4]]), &everyone).unwrap(), bytes);

    let decoded = broadcast::decode(&bytes).unwrap();
    assert_eq!((decoded.uid, decoded.packet.namespace), ("AAAAAA", Some("/")));
    assert_eq!(decoded.target, everyone);
    let event = decoded.packet.data.to_json().unwrap();
    assert_eq!((event.text.as_str(), event.attachments), (json, bins(&[&[3, 4]])));
}

#[test]
fn broadcast_with_rooms_except_and_flags() {
    // io.to("r1").to("r2").except("x").volatile.compress(false).emit("e")
    let bytes = hex(
        "93a641414141414183a47479706502a46461746191a165a36e7370a12f83a5726f6f6d7392a27231a27232a665786365707491a178a5666c61677382a8766f6c6174696c65c3a8636f6d7072657373c2",
    );
    let flags = Flags { volatile: true, compress: Some(false), timeout: None };
    let target = target(&["r1", "r2"], &["x"], flags);
    assert_eq!(broadcast::encode("AAAAAA", "/", r#"["e"]"#, &bins(&[]), &target).unwrap(), bytes);
    assert_eq!(broadcast::decode(&bytes).unwrap().target, target);
}

#[test]
fn broadcast_with_every_kind_of_value() {
    // io.to("room1").emit("hello", {a: 1.5, b: [true, null, undefined], c: undefined, d: -1, e: 300, f: 70000, g: 5e9,
    //   h: -200, i: new Date(1700000000123), j: new Date(1700000000000)})
    let bytes = hex(
        "93a641414141414183a47479706502a46461746192a568656c6c6f89a161cb3ff8000000000000a16293c3c0c0a164ffa165cd012ca166ce00011170a167cf000000012a05f200a168d1ff38a169d7ff1d5353006553f100a16ad6ff6553f100a36e7370a12f83a5726f6f6d7391a5726f6f6d31a665786365707490a5666c61677380",
    );
    let decoded = broadcast::decode(&bytes).unwrap();
    let json = decoded.packet.data.to_json().unwrap().text;
    assert_eq!(
        json,
        r#"["hello",{"a":1.5,"b":[true,null,null],"d":-1,"e":300,"f":70000,"g":5000000000,"h":-200,"i":"2023-11-14T22:13:20.123Z","j":"2023-11-14T22:13:20.000Z"}]"#
    );
    // The way back differs only in the dates, which a JSON client cannot have sent: there they are strings.
    let dates = hex("a169d7ff1d5353006553f100a16ad6ff6553f100");
    let mut strings = Vec::new();
    for (key, text) in [("i", "2023-11-14T22:13:20.123Z"), ("j", "2023-11-14T22:13:20.000Z")] {
        super::to_msgpack::write_str(&mut strings, key);
        super::to_msgpack::write_str(&mut strings, text);
    }
    let at = bytes.windows(dates.len()).position(|window| window == dates).unwrap();
    let expected = [&bytes[..at], &strings, &bytes[at + dates.len()..]].concat();
    let room = target(&["room1"], &[], Flags::default());
    assert_eq!(broadcast::encode("AAAAAA", "/", &json, &bins(&[]), &room).unwrap(), expected);
}

#[test]
fn broadcast_of_the_emitter() {
    // emitter.emit("hi", 1): another order of keys
    let bytes = hex(
        "93a7656d697474657283a47479706502a46461746192a2686901a36e7370a12f83a5726f6f6d7390a5666c61677380a665786365707490",
    );
    let decoded = broadcast::decode(&bytes).unwrap();
    assert_eq!((decoded.uid, &decoded.target), ("emitter", &target(&[], &[], Flags::default())));
    assert_eq!(decoded.packet.data.to_json().unwrap().text, r#"["hi",1]"#);
}

#[test]
fn broadcast_with_acknowledgements() {
    // io.timeout(1234).to("room1").emit("ack", 1, callback)
    let bytes = hex(
        "85a3756964a6414141414141a9726571756573744964a6424242424242a47479706507a67061636b657483a47479706502a46461746192a361636b01a36e7370a12fa46f70747383a5726f6f6d7391a5726f6f6d31a665786365707490a5666c61677381a774696d656f7574cd04d2",
    );
    let target = target(&["room1"], &[], Flags { timeout: Some(1234), ..Flags::default() });
    let encoded = request::encode_broadcast("AAAAAA", "BBBBBB", "/", r#"["ack",1]"#, &bins(&[]), &target);
    assert_eq!(encoded.unwrap(), bytes);
    let envelope = request::decode(&bytes).unwrap();
    assert_eq!((envelope.uid.as_deref(), envelope.request_id.as_deref()), (Some("AAAAAA"), Some("BBBBBB")));
    let Request::Broadcast(packet, decoded) = envelope.request else { panic!("another request") };
    assert_eq!(decoded, target);
    assert_eq!(packet.data.to_json().unwrap().text, r#"["ack",1]"#);
}

#[test]
fn requests() {
    let room1 = || target(&["room1"], &[], Flags::default());
    let ab = || vec!["a".to_owned(), "b".to_owned()];
    let cases: [(&str, Option<&str>, Request<'_>); 7] = [
        (
            r#"{"uid":"AAAAAA","type":2,"opts":{"rooms":["room1"],"except":[]},"rooms":["a","b"]}"#,
            None,
            Request::Join(room1(), ab()),
        ),
        (
            r#"{"uid":"AAAAAA","type":3,"opts":{"rooms":["room1"],"except":[]},"rooms":["a","b"]}"#,
            None,
            Request::Leave(room1(), ab()),
        ),
        (
            r#"{"uid":"AAAAAA","type":4,"opts":{"rooms":["room1"],"except":[]},"close":true}"#,
            None,
            Request::Disconnect(room1(), true),
        ),
        (
            r#"{"uid":"AAAAAA","type":6,"data":["hello","world",1]}"#,
            None,
            Request::ServerSideEmit(Payload::Json(r#"["hello","world",1]"#)),
        ),
        (
            r#"{"uid":"AAAAAA","requestId":"req004","type":6,"data":["ping"]}"#,
            Some("req004"),
            Request::ServerSideEmit(Payload::Json(r#"["ping"]"#)),
        ),
        (r#"{"uid":"AAAAAA","requestId":"req005","type":1}"#, Some("req005"), Request::AllRooms),
        (
            r#"{"uid":"AAAAAA","requestId":"req006","type":5,"opts":{"rooms":["room1"],"except":[]}}"#,
            Some("req006"),
            Request::Fetch(room1()),
        ),
    ];
    for (text, request_id, expected) in cases {
        let decoded = request::decode(text.as_bytes()).unwrap();
        assert_eq!(decoded.uid.as_deref(), Some("AAAAAA"));
        assert_eq!(decoded.request_id.as_deref(), request_id);
        assert_eq!(format!("{:?}", decoded.request), format!("{expected:?}"), "{text}");
        let envelope = Envelope {
            uid: Some("AAAAAA".into()),
            request_id: request_id.map(str::to_owned),
            request: expected,
        };
        assert_eq!(String::from_utf8(request::encode(&envelope).unwrap()).unwrap(), text);
    }
}

#[test]
fn requests_of_the_emitter_and_of_older_versions() {
    let join =
        request::decode(br#"{"type":2,"opts":{"rooms":["room1"],"except":[]},"rooms":["x"]}"#).unwrap();
    assert!(join.uid.is_none());
    assert!(
        matches!(join.request, Request::Join(target, rooms) if target.rooms[0] == "room1" && rooms == ["x"])
    );

    let emit = request::decode(br#"{"uid":"emitter","type":6,"data":["evt",1,"a"]}"#).unwrap();
    assert!(matches!(emit.request, Request::ServerSideEmit(Payload::Json(r#"["evt",1,"a"]"#))));

    let old = request::decode(br#"{"uid":"u","requestId":"r","type":2,"sid":"s","room":"x"}"#).unwrap();
    assert!(matches!(old.request, Request::JoinOne(sid, room) if sid == "s" && room == "x"));
    let old = request::decode(br#"{"uid":"u","requestId":"r","type":4,"sid":"s","close":true}"#).unwrap();
    assert!(matches!(old.request, Request::DisconnectOne(sid, true) if sid == "s"));
    let old = request::decode(br#"{"uid":"u","requestId":"r","type":0,"rooms":["a",5]}"#).unwrap();
    assert!(matches!(old.request, Request::Sockets(rooms) if rooms.as_slice() == ["a", "5"]));
}

#[test]
fn responses() {
    let sockets = r#"{"requestId":"q00001","sockets":["sid1sid1sid1sid1sid1"]}"#;
    assert_eq!(
        response::encode("q00001", None, Body::Sockets(Payload::Json(r#"["sid1sid1sid1sid1sid1"]"#)))
            .unwrap(),
        sockets.as_bytes()
    );
    let decoded = response::decode(sockets.as_bytes()).unwrap();
    assert_eq!(decoded.request_id, "q00001");
    assert!(matches!(decoded.body, Body::Sockets(Payload::Json(r#"["sid1sid1sid1sid1sid1"]"#))));

    let answer = r#"{"type":6,"requestId":"q00006","data":{"got":5}}"#;
    let data = Payload::Json(r#"{"got":5}"#);
    assert_eq!(
        response::encode("q00006", None, Body::ServerSideEmit(Some(data))).unwrap(),
        answer.as_bytes()
    );
    let decoded = response::decode(answer.as_bytes()).unwrap();
    assert!(matches!(decoded.body, Body::ServerSideEmit(Some(Payload::Json(r#"{"got":5}"#)))));

    // Null is an answer, a missing key is none.
    let answered = |json: &str| match response::decode(json.as_bytes()).unwrap().body {
        Body::ServerSideEmit(data) => data.is_some(),
        _ => panic!("another response"),
    };
    assert!(answered(r#"{"type":6,"requestId":"r","data":null}"#));
    assert!(!answered(r#"{"type":6,"requestId":"r"}"#));

    let count = r#"{"type":8,"requestId":"q00007","clientCount":1}"#;
    assert_eq!(response::encode("q00007", None, Body::ClientCount(1)).unwrap(), count.as_bytes());
    assert!(matches!(response::decode(count.as_bytes()).unwrap().body, Body::ClientCount(1)));
}

#[test]
fn acknowledgements() {
    let cases = [
        ("83a47479706509a9726571756573744964a6713030303037a67061636b6574c40101", Some(json!([1]))),
        ("83a47479706509a9726571756573744964a6713030303037a67061636b6574a173", Some(json!("s"))),
        ("82a47479706509a9726571756573744964a6713030303037", None),
    ];
    for (text, value) in cases {
        let bytes = hex(text);
        let binary = value == Some(json!([1]));
        let attachments = if binary { bins(&[&[1]]) } else { bins(&[]) };
        let json = match (&value, binary) {
            (Some(_), true) => Some(r#"{"_placeholder":true,"num":0}"#.to_owned()),
            (value, _) => value.as_ref().map(ToString::to_string),
        };
        assert_eq!(response::encode_ack("q00007", json.as_deref(), &attachments).unwrap(), bytes);
        let Body::Ack(packet) = response::decode(&bytes).unwrap().body else { panic!("another response") };
        let decoded = packet.map(|packet| packet.to_json().unwrap());
        assert_eq!(decoded.as_ref().map(|json| &json.text), json.as_ref());
        assert_eq!(decoded.map(|json| json.attachments).unwrap_or_default(), attachments);
    }
}

#[test]
fn malformed_bytes_are_errors_and_never_panic() {
    let good = hex(
        "93a641414141414183a47479706502a46461746192a361636b01a36e7370a12f83a5726f6f6d7390a665786365707490a5666c61677380",
    );
    assert!(broadcast::decode(&good).is_ok());
    for end in 0..good.len() {
        assert!(broadcast::decode(&good[..end]).is_err(), "cut at {end}");
    }
    for at in 0..good.len() {
        for byte in 0..=255u8 {
            let mut bytes = good.clone();
            bytes[at] = byte;
            // Whatever it says, it must come back.
            if let Ok(decoded) = broadcast::decode(&bytes) {
                let _ = decoded.packet.data.to_json();
            }
            let _ = request::decode(&bytes);
            let _ = response::decode(&bytes);
        }
    }
    assert_eq!(broadcast::decode(&[&good[..], &[0]].concat()), Err(WireError::Trailing));
    // [packet, options], as very old emitters wrote
    assert_eq!(broadcast::decode(&hex("928080")), Err(WireError::Shape("broadcast")));
    // an array that claims four billion elements
    assert_eq!(broadcast::decode(&hex("ddffffffff")), Err(WireError::Truncated));
    for text in [
        "{",
        "{}",
        r#"{"type":99}"#,
        r#"{"type":5}"#,
        r#"{"type":"x"}"#,
        r#"{"type":2,"opts":7}"#,
        r#"{"type":4,"opts":[]}"#,
    ] {
        assert!(request::decode(text.as_bytes()).is_err(), "{text}");
    }
}
