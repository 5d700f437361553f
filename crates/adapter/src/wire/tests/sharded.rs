//! Bytes that the real packages wrote (`@socket.io/redis-adapter` 8.3.0 with `createShardedAdapter`, socket.io-adapter
//! 2.5.8), with the uid and request ids fixed.

use std::collections::VecDeque;

use bytes::Bytes;

use super::WireError;
use super::broadcast::{Flags, Target};
use super::payload::Payload;
use super::sharded::{Envelope, Message, decode, encode};

#[path = "sharded_malformed.rs"]
mod malformed;

const UID: &str = "0101010101010101";
const OWN: &str = "0202020202020202";
const THEIRS: &str = "aaaa000011112223";
/// `"uid"` and `"nsp"`, which end every message.
const END: &str = "a3756964b030313031303130313031303130313031a36e7370a12f";

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

fn target(rooms: &[&str], except: &[&str], flags: Flags) -> Target {
    Target { rooms: names(rooms).into(), except: names(except).into(), flags }
}

fn room1() -> Target {
    target(&["room1"], &[], Flags::default())
}

fn timeout() -> Target {
    target(&["room1"], &[], Flags { timeout: Some(200), ..Flags::default() })
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn bin(bytes: &'static [u8]) -> VecDeque<Bytes> {
    VecDeque::from([Bytes::from_static(bytes)])
}

fn none() -> VecDeque<Bytes> {
    VecDeque::new()
}

/// `{"type":<kind>,"data":<data>, ...}` as Node writes it.
fn text(kind: u64, data: &str) -> Vec<u8> {
    format!(r#"{{"type":{kind},"data":{data},"uid":"{UID}","nsp":"/"}}"#).into_bytes()
}

fn read(bytes: &[u8]) -> Message<'_> {
    let Envelope { uid, namespace, message } = decode(bytes).unwrap();
    assert_eq!((uid.as_str(), namespace.as_deref()), (UID, Some("/")));
    message
}

/// What `encode` wrote is `bytes`, and `bytes` are read as `message`.
#[track_caller]
fn same(encoded: Result<Vec<u8>, WireError>, bytes: &[u8], message: &Message<'_>) {
    assert_eq!(encoded.unwrap().escape_ascii().to_string(), bytes.escape_ascii().to_string());
    assert_eq!(&read(bytes), message);
}

/// [`same`], with the payloads as JSON and attachments.
#[track_caller]
fn same_binary(encoded: Result<Vec<u8>, WireError>, bytes: &[u8], json: &str, attachments: VecDeque<Bytes>) {
    assert_eq!(encoded.unwrap(), bytes);
    let (Message::Broadcast { data, .. } | Message::Ack { data: Some(data), .. }) = read(bytes) else {
        panic!("another message");
    };
    assert!(matches!(data, Payload::MsgPack(_)));
    let translated = data.to_json().unwrap();
    assert_eq!((translated.text.as_str(), translated.attachments), (json, attachments));
}

#[test]
fn broadcasts() {
    let broadcast = |json, target: &Target, id| encode::broadcast(UID, "/", json, &none(), target, id);
    let read = |json, target: &Target, id: Option<&str>| Message::Broadcast {
        data: Payload::Json(json),
        target: target.clone(),
        request_id: id.map(str::to_owned),
    };
    let flags = Flags { volatile: true, compress: Some(false), timeout: None };
    let several = target(&["r1", "r2"], &["x"], flags);
    let cases = [
        (
            r#"["test",1,"2"]"#,
            Target::default(),
            None,
            r#"{"packet":{"type":2,"data":["test",1,"2"]},"opts":{"rooms":[],"except":[],"flags":{}}}"#,
        ),
        (
            r#"["ack"]"#,
            timeout(),
            Some(OWN),
            r#"{"packet":{"type":2,"data":["ack"]},"requestId":"0202020202020202","opts":{"rooms":["room1"],"except":[],"flags":{"timeout":200}}}"#,
        ),
        (
            r#"["e"]"#,
            several,
            None,
            r#"{"packet":{"type":2,"data":["e"]},"opts":{"rooms":["r1","r2"],"except":["x"],"flags":{"volatile":true,"compress":false}}}"#,
        ),
        // Half of a surrogate pair, a line separator, control characters.
        (
            "[\"e\",\"\\ud83d \u{2028} \u{7f} \\u001f /\"]",
            Target::default(),
            None,
            "{\"packet\":{\"type\":2,\"data\":[\"e\",\"\\ud83d \u{2028} \u{7f} \\u001f /\"]},\"opts\":{\"rooms\":[],\"except\":[],\"flags\":{}}}",
        ),
    ];
    for (json, target, id, data) in cases {
        same(broadcast(json, &target, id), &text(3, data), &read(json, &target, id));
        assert_eq!(Payload::Json(json).to_json().unwrap().text, json);
    }
}

#[test]
fn binary_broadcasts() {
    // io.emit("test", Buffer[3, 4])
    let bytes = hex(&format!(
        "84a47479706503a46461746182a67061636b657482a47479706502a46461746192a474657374c4020304a46f70747383a5726f6f6d7390a665786365707490a5666c61677380{END}"
    ));
    let json = r#"["test",{"_placeholder":true,"num":0}]"#;
    let everyone = Target::default();
    let encoded = encode::broadcast(UID, "/", json, &bin(&[3, 4]), &everyone, None);
    same_binary(encoded, &bytes, json, bin(&[3, 4]));

    // io.timeout(200).to("room1").emit("ack", Buffer[7], callback)
    let bytes = hex(&format!(
        "84a47479706503a46461746183a67061636b657482a47479706502a46461746192a361636bc40107a9726571756573744964b030323032303230323032303230323032a46f70747383a5726f6f6d7391a5726f6f6d31a665786365707490a5666c61677381a774696d656f7574ccc8{END}"
    ));
    let json = r#"["ack",{"_placeholder":true,"num":0}]"#;
    let encoded = encode::broadcast(UID, "/", json, &bin(&[7]), &timeout(), Some(OWN));
    same_binary(encoded, &bytes, json, bin(&[7]));
    let Message::Broadcast { target, request_id, .. } = read(&bytes) else { panic!("another message") };
    assert_eq!((target, request_id.as_deref()), (timeout(), Some(OWN)));
}

#[test]
fn join_leave_disconnect_and_fetch() {
    same(
        encode::join(UID, "/", &room1(), &names(&["a", "b"])),
        &text(4, r#"{"opts":{"rooms":["room1"],"except":[],"flags":{}},"rooms":["a","b"]}"#),
        &Message::Join(room1(), names(&["a", "b"])),
    );
    let but_x = target(&["room1"], &["x"], Flags::default());
    same(
        encode::leave(UID, "/", &but_x, &names(&["a"])),
        &text(5, r#"{"opts":{"rooms":["room1"],"except":["x"],"flags":{}},"rooms":["a"]}"#),
        &Message::Leave(but_x, names(&["a"])),
    );
    same(
        encode::disconnect(UID, "/", &room1(), true),
        &text(6, r#"{"opts":{"rooms":["room1"],"except":[],"flags":{}},"close":true}"#),
        &Message::Disconnect(room1(), true),
    );
    same(
        encode::disconnect(UID, "/", &Target::default(), false),
        &text(6, r#"{"opts":{"rooms":[],"except":[],"flags":{}},"close":false}"#),
        &Message::Disconnect(Target::default(), false),
    );
    let id = "0404040404040404";
    same(
        encode::fetch(UID, "/", &room1(), id),
        &text(7, r#"{"opts":{"rooms":["room1"],"except":[],"flags":{}},"requestId":"0404040404040404"}"#),
        &Message::Fetch { target: room1(), request_id: id.into() },
    );
}

#[test]
fn sockets() {
    let some = r#"[{"id":"s","handshake":{"issued":1},"rooms":["s"],"data":{"b":1.5}}]"#;
    for sockets in ["[]", some] {
        same(
            encode::fetch_response(UID, "/", THEIRS, sockets),
            &text(8, &format!(r#"{{"requestId":"aaaa000011112223","sockets":{sockets}}}"#)),
            &Message::FetchResponse { request_id: THEIRS.into(), sockets: Payload::Json(sockets) },
        );
    }
    // The data of the socket: {b: Buffer[1], d: new Date(0)}
    let bytes = hex(&format!(
        "84a47479706508a46461746182a9726571756573744964b061616161303030303131313132323233a7736f636b6574739184a26964a173a968616e647368616b6581a6697373756564cf0000018bcfe56800a5726f6f6d7391a173a46461746182a162c40101a164d6ff00000000{END}"
    ));
    let Message::FetchResponse { sockets, .. } = read(&bytes) else { panic!("another message") };
    let sockets = sockets.to_json().unwrap();
    assert_eq!(
        sockets.text,
        r#"[{"id":"s","handshake":{"issued":1700000000000},"rooms":["s"],"data":{"b":{"_placeholder":true,"num":0},"d":"1970-01-01T00:00:00.000Z"}}]"#
    );
    assert_eq!(sockets.attachments, bin(&[1]));
}

#[test]
fn server_side_emits() {
    let emit = |json, id: Option<&str>| Message::ServerSideEmit {
        data: Payload::Json(json),
        request_id: id.map(str::to_owned),
    };
    same(
        encode::server_side_emit(UID, "/", r#"["hello","world",1]"#, &none(), None),
        &text(9, r#"{"packet":["hello","world",1]}"#),
        &emit(r#"["hello","world",1]"#, None),
    );
    same(
        encode::server_side_emit(UID, "/", r#"["ping"]"#, &none(), Some(OWN)),
        &text(9, r#"{"requestId":"0202020202020202","packet":["ping"]}"#),
        &emit(r#"["ping"]"#, Some(OWN)),
    );
    // io.serverSideEmit("hello", Buffer[3, 4])
    let bytes = hex(&format!("84a47479706509a46461746181a67061636b657492a568656c6c6fc4020304{END}"));
    let Message::ServerSideEmit { data, request_id: None } = read(&bytes) else { panic!("another message") };
    let event = data.to_json().unwrap();
    assert_eq!(event.text, r#"["hello",{"_placeholder":true,"num":0}]"#);
    assert_eq!(event.attachments, bin(&[3, 4]));
    assert_eq!(encode::server_side_emit(UID, "/", &event.text, &event.attachments, None).unwrap(), bytes);

    let cases = [
        (Some(r#"{"got":5}"#), r#"{"requestId":"aaaa000011112223","packet":{"got":5}}"#),
        (Some("null"), r#"{"requestId":"aaaa000011112223","packet":null}"#),
        (None, r#"{"requestId":"aaaa000011112223"}"#),
    ];
    for (json, data) in cases {
        same(
            encode::server_side_emit_response(UID, "/", THEIRS, json, &none()),
            &text(10, data),
            &Message::ServerSideEmitResponse { request_id: THEIRS.into(), data: json.map(Payload::Json) },
        );
    }
    let bytes = hex(&format!(
        "84a4747970650aa46461746182a9726571756573744964b061616161303030303131313132323233a67061636b6574c40109{END}"
    ));
    let data = Some(Payload::MsgPack(&[0xc4, 1, 9]));
    assert_eq!(read(&bytes), Message::ServerSideEmitResponse { request_id: THEIRS.into(), data });
    let placeholder = Some(r#"{"_placeholder":true,"num":0}"#);
    let written = encode::server_side_emit_response(UID, "/", THEIRS, placeholder, &bin(&[9]));
    assert_eq!(written.unwrap(), bytes);
}

#[test]
fn counts_and_acknowledgements() {
    for count in [0, 1] {
        same(
            encode::client_count(UID, "/", THEIRS, count),
            &text(11, &format!(r#"{{"requestId":"aaaa000011112223","clientCount":{count}}}"#)),
            &Message::ClientCount { request_id: THEIRS.into(), count },
        );
    }
    let ack = |json: Option<&'static str>| Message::Ack {
        request_id: THEIRS.into(),
        data: json.map(Payload::Json),
    };
    let with_s = text(12, r#"{"requestId":"aaaa000011112223","packet":"s"}"#);
    same(encode::ack(UID, "/", THEIRS, Some(r#""s""#), &none()), &with_s, &ack(Some(r#""s""#)));
    // The attachment is that of another argument.
    same(encode::ack(UID, "/", THEIRS, Some(r#""s""#), &bin(&[1])), &with_s, &ack(Some(r#""s""#)));
    let empty = text(12, r#"{"requestId":"aaaa000011112223"}"#);
    same(encode::ack(UID, "/", THEIRS, None, &bin(&[1])), &empty, &ack(None));
    // callback({a: Buffer[1]})
    let bytes = hex(&format!(
        "84a4747970650ca46461746182a9726571756573744964b061616161303030303131313132323233a67061636b657481a161c40101{END}"
    ));
    let json = r#"{"a":{"_placeholder":true,"num":0}}"#;
    same_binary(encode::ack(UID, "/", THEIRS, Some(json), &bin(&[1])), &bytes, json, bin(&[1]));
}
