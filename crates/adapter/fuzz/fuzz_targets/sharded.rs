//! `sharded::decode`: what it reads can be said again, and says the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use roomcast_adapter::wire::WireError;
use roomcast_adapter::wire::payload::Payload;
use roomcast_adapter::wire::sharded::{Envelope, Message, decode, encode};
use roomcast_adapter::wire::to_json::Json;
use roomcast_adapter_fuzz::{Seen, event, seen};

fuzz_target!(|bytes: &[u8]| {
    let Ok(envelope) = decode(bytes) else { return };
    let Some(ours) = encoded(&envelope) else { return };
    let ours = ours.expect("it came from the bus");
    let again = decode(&ours).expect("what goes to the bus can be read from it");
    assert_eq!((&again.uid, &again.namespace), (&envelope.uid, &envelope.namespace));
    assert_eq!(said(&again.message), said(&envelope.message));
});

/// The message as we write it; `None` if it is none that we write.
fn encoded(envelope: &Envelope<'_>) -> Option<Result<Vec<u8>, WireError>> {
    let (uid, nsp) = (envelope.uid.as_str(), envelope.namespace.as_deref()?);
    Some(match &envelope.message {
        Message::Broadcast { data, target, request_id } => {
            let Json { text, attachments } = json(*data)?;
            encode::broadcast(uid, nsp, &text, &attachments, target, request_id.as_deref())
        }
        Message::Join(target, rooms) => encode::join(uid, nsp, target, rooms),
        Message::Leave(target, rooms) => encode::leave(uid, nsp, target, rooms),
        Message::Disconnect(target, close) => encode::disconnect(uid, nsp, target, *close),
        Message::Fetch { target, request_id } => encode::fetch(uid, nsp, target, request_id),
        Message::FetchResponse { request_id, sockets } => {
            encode::fetch_response(uid, nsp, request_id, &plain(*sockets)?)
        }
        Message::ServerSideEmit { data, request_id } => {
            let Json { text, attachments } = json(*data)?;
            encode::server_side_emit(uid, nsp, &text, &attachments, request_id.as_deref())
        }
        Message::ServerSideEmitResponse { request_id, data } => {
            let value = data.map_or(Some(None), |data| json(data).map(Some))?;
            let attachments = value.as_ref().map(|json| json.attachments.clone()).unwrap_or_default();
            let text = value.map(|json| json.text);
            encode::server_side_emit_response(uid, nsp, request_id, text.as_deref(), &attachments)
        }
        Message::ClientCount { request_id, count } => encode::client_count(uid, nsp, request_id, *count),
        Message::Ack { request_id, data: None } => encode::ack(uid, nsp, request_id, None, &[].into()),
        Message::Ack { request_id, data: Some(data) } => {
            let Json { text, attachments } = json(*data)?;
            encode::ack(uid, nsp, request_id, Some(&text), &attachments)
        }
        _ => return None,
    })
}

fn json(data: Payload<'_>) -> Option<Json> {
    event(data)
}

/// What our nodes say of their sockets has no binary.
fn plain(data: Payload<'_>) -> Option<String> {
    json(data).filter(|json| json.attachments.is_empty()).map(|json| json.text)
}

/// A message as it is understood, however it was written.
fn said(message: &Message<'_>) -> String {
    match message {
        Message::Broadcast { data, target, request_id } => {
            format!("{:?}", ("broadcast", value(*data), target, request_id))
        }
        Message::ServerSideEmit { data, request_id } => format!("{:?}", ("event", value(*data), request_id)),
        Message::ServerSideEmitResponse { request_id, data } => {
            format!("{:?}", ("answer", data.map(value), request_id))
        }
        Message::FetchResponse { request_id, sockets } => {
            format!("{:?}", ("sockets", value(*sockets), request_id))
        }
        Message::Ack { request_id, data } => format!("{:?}", ("ack", data.map(value), request_id)),
        other => format!("{other:?}"),
    }
}

/// Text with halves of characters, which serde_json does not read, is not compared.
fn value(data: Payload<'_>) -> Option<Seen> {
    let Json { text, attachments } = json(data)?;
    serde_json::from_str::<serde_json::Value>(&text).ok()?;
    seen(&text, &attachments)
}
