//! What other servers than Node's may write, and what must be refused.

use super::super::MAX_DEPTH;
use super::super::lenient::UNREADABLE;
use super::super::to_msgpack;
use super::*;

/// A message as MessagePack, from its JSON text.
fn msgpack(json: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    to_msgpack::translate(std::str::from_utf8(json).unwrap(), &none(), &mut out).unwrap();
    out
}

#[test]
fn both_forms_are_lenient_about_names_numbers_and_nulls() {
    let cases: [(u64, &str, Message<'_>); 8] = [
        (
            4,
            r#"{"opts":{"rooms":[5,"a",null],"except":null,"flags":null,"more":[1]},"rooms":[-7,null,"b"]}"#,
            Message::Join(target(&["5", "a", UNREADABLE], &[], Flags::default()), names(&["-7", "b"])),
        ),
        (5, r#"{"opts":{"rooms":"","flags":""}}"#, Message::Leave(Target::default(), names(&[]))),
        (6, r#"{"opts":{"except":[{}]}}"#, {
            Message::Disconnect(target(&[], &[UNREADABLE], Flags::default()), false)
        }),
        (
            7,
            r#"{"opts":{"flags":{"volatile":1,"compress":"","timeout":-5}},"requestId":12}"#,
            Message::Fetch { target: Target::default(), request_id: "12".into() },
        ),
        (11, r#"{"requestId":-1,"clientCount":3}"#, {
            Message::ClientCount { request_id: "-1".into(), count: 3 }
        }),
        (1, "null", Message::Unknown(1)),
        (13, "[]", Message::Unknown(13)),
        (99, r#"{"opts":7,"requestId":{}}"#, Message::Unknown(99)),
    ];
    for (kind, data, expected) in cases {
        let text = text(kind, data);
        assert_eq!(read(&text), expected, "{data}");
        assert_eq!(read(&msgpack(&text)), expected, "{data} as MessagePack");
    }
    for heartbeat in [&br#"{"type":2,"uid":"u","nsp":null}"#[..], br#"{"uid":"u","type":2}"#] {
        for bytes in [heartbeat.to_vec(), msgpack(heartbeat)] {
            let envelope = decode(&bytes).unwrap();
            assert_eq!((envelope.namespace, envelope.message), (None, Message::Unknown(2)));
        }
    }
}

#[test]
fn a_null_request_id_is_none() {
    for (kind, data) in [
        (3, r#"{"packet":{"type":5,"data":["e"],"nsp":"/other"},"opts":{},"requestId":null}"#),
        (9, r#"{"packet":["e"],"requestId":null}"#),
    ] {
        let text = text(kind, data);
        for bytes in [text.clone(), msgpack(&text)] {
            let (Message::Broadcast { data, request_id, .. } | Message::ServerSideEmit { data, request_id }) =
                read(&bytes)
            else {
                panic!("another message");
            };
            assert_eq!((data.to_json().unwrap().text.as_str(), request_id), (r#"["e"]"#, None));
        }
    }
}

#[test]
fn what_is_not_a_message_is_an_error_in_both_forms() {
    for (kind, data) in [
        (3, "null"),
        (3, "[]"),
        (3, r#"{"opts":{}}"#),
        (3, r#"{"packet":{"type":2,"data":["e"]}}"#),
        (3, r#"{"packet":{"type":2,"data":["e"]},"opts":[]}"#),
        (3, r#"{"packet":{"type":2,"data":["e"]},"opts":{"rooms":"abc"}}"#),
        (3, r#"{"packet":{"type":2,"data":["e"]},"opts":{"flags":7}}"#),
        (3, r#"{"packet":{"type":2,"data":["e"]},"opts":{},"requestId":[]}"#),
        (3, r#"{"packet":{"type":3,"data":["e"]},"opts":{}}"#),
        (3, r#"{"packet":{"type":2,"data":[1]},"opts":{}}"#),
        (3, r#"{"packet":{"type":2},"opts":{}}"#),
        (3, r#"{"packet":[2,["e"]],"opts":{}}"#),
        (4, r#"{"rooms":["a"]}"#),
        (5, r#"{"opts":null,"rooms":["a"]}"#),
        (6, r#"{"opts":[],"close":true}"#),
        (6, r#"{"opts":{},"close":1}"#),
        (7, r#"{"opts":{},"requestId":null}"#),
        (8, r#"{"requestId":"r"}"#),
        (9, r#"{"packet":[]}"#),
        (9, r#"{"packet":"e"}"#),
        (10, r#"{"packet":1}"#),
        (11, r#"{"requestId":"r","clientCount":-1}"#),
        (12, "{}"),
    ] {
        let text = text(kind, data);
        assert!(decode(&text).is_err(), "{kind} {data}");
        assert!(decode(&msgpack(&text)).is_err(), "{kind} {data} as MessagePack");
    }
    for json in
        [r#"{"type":1}"#, r#"{"uid":"u"}"#, r#"{"type":-1,"uid":"u"}"#, r#"{"type":1,"uid":"u","nsp":5}"#]
    {
        assert!(decode(json.as_bytes()).is_err(), "{json}");
        assert!(decode(&msgpack(json.as_bytes())).is_err(), "{json} as MessagePack");
    }
    for bytes in [&b""[..], b"{", b"{}", b"[]", b"{\"type\":1,\"uid\":\"u\"}x", &[0xdf, 255, 255, 255, 255]] {
        assert!(decode(bytes).is_err(), "{bytes:?}");
    }
}

#[test]
fn events_that_cannot_be_written_are_errors() {
    let everyone = Target::default();
    let broadcast = |json: &str, attachments: &VecDeque<Bytes>| {
        encode::broadcast(UID, "/", json, attachments, &everyone, None)
    };
    for json in ["", "[", r#"["e""#, r#"["e"] 2"#, r#"["e",01]"#, r#"["e"],"x":["#] {
        assert!(matches!(broadcast(json, &none()), Err(WireError::Json(_))), "{json}");
        assert!(
            matches!(encode::server_side_emit(UID, "/", json, &none(), None), Err(WireError::Json(_))),
            "{json}"
        );
        let response = encode::server_side_emit_response(UID, "/", THEIRS, Some(json), &none());
        assert!(matches!(response, Err(WireError::Json(_))), "{json}");
        assert!(
            matches!(encode::ack(UID, "/", THEIRS, Some(json), &none()), Err(WireError::Json(_))),
            "{json}"
        );
    }
    for json in ["[]", "{}", "[1]", r#""e""#] {
        assert_eq!(broadcast(json, &none()), Err(WireError::Shape("event")), "{json}");
    }
    let placeholder = r#"{"_placeholder":true,"num":0}"#;
    assert_eq!(broadcast(&format!("[{placeholder}]"), &bin(&[1])), Err(WireError::Shape("event")));
    assert_eq!(broadcast(r#"["e"]"#, &bin(&[1])), Err(WireError::Placeholders));
    let twice = format!(r#"["e",{placeholder},{placeholder}]"#);
    assert_eq!(broadcast(&twice, &bin(&[1])), Err(WireError::Placeholders));
    assert_eq!(encode::ack(UID, "/", THEIRS, Some(&twice), &bin(&[1])), Err(WireError::Placeholders));
    // Without attachments it is an application's own data.
    assert!(broadcast(&twice, &none()).is_ok());
}

#[test]
fn nesting_is_limited_in_both_forms() {
    let event = |levels: usize| format!(r#"["e",{}{}]"#, "[".repeat(levels - 1), "]".repeat(levels - 1));
    let encoded = |levels| encode::broadcast(UID, "/", &event(levels), &none(), &Target::default(), None);
    assert!(encoded(MAX_DEPTH).is_ok());
    assert_eq!(encoded(MAX_DEPTH + 1), Err(WireError::TooDeep));
    assert_eq!(encode::server_side_emit(UID, "/", &event(1000), &none(), None), Err(WireError::TooDeep));

    let nested = text(9, &format!(r#"{{"packet":{}}}"#, event(1000)));
    let Message::ServerSideEmit { data, .. } = read(&nested) else { panic!("another message") };
    assert_eq!(data.to_json(), Err(WireError::TooDeep));
    let nested = text(8, &format!(r#"{{"requestId":"r","sockets":{}}}"#, event(1000)));
    let start = hex("84a47479706508a46461746182a9726571756573744964a172a7736f636b657473");
    let binary = [&start[..], &[0x91; 1000], &[0x90], &hex(END)].concat();
    for bytes in [nested, binary] {
        let Message::FetchResponse { sockets, .. } = read(&bytes) else { panic!("another message") };
        assert_eq!(sockets.to_json(), Err(WireError::TooDeep));
    }
}

fn payload<'a>(message: &Message<'a>) -> Option<Payload<'a>> {
    match message {
        Message::Broadcast { data, .. } | Message::ServerSideEmit { data, .. } => Some(*data),
        Message::ServerSideEmitResponse { data, .. } | Message::Ack { data, .. } => *data,
        _ => None,
    }
}

#[test]
fn damaged_bytes_never_panic() {
    let broadcast = |attachments: &VecDeque<Bytes>, json| {
        encode::broadcast(UID, "/", json, attachments, &timeout(), Some(OWN)).unwrap()
    };
    let messages = [
        broadcast(&none(), r#"["test",1,{"a":["\u00e9",null]}]"#),
        broadcast(&bin(&[3, 4]), r#"["test",{"_placeholder":true,"num":0}]"#),
        encode::fetch_response(UID, "/", THEIRS, r#"[{"id":"s","data":{"b":1.5}}]"#).unwrap(),
        msgpack(&encode::fetch_response(UID, "/", THEIRS, r#"[{"id":"s"}]"#).unwrap()),
        msgpack(&encode::join(UID, "/", &room1(), &names(&["a"])).unwrap()),
    ];
    for good in messages {
        assert!(decode(&good).is_ok());
        for end in 0..good.len() {
            assert!(decode(&good[..end]).is_err(), "cut at {end}");
        }
        assert!(decode(&[&good[..], &[0]].concat()).is_err());
        for at in 0..good.len() {
            for byte in 0..=255u8 {
                let mut bytes = good.clone();
                bytes[at] = byte;
                // Whatever it says, it must come back.
                if let Some(data) = decode(&bytes).ok().and_then(|envelope| payload(&envelope.message)) {
                    let _ = data.to_json();
                }
            }
        }
    }
}
