//! `response::decode`: what it reads can be said again, and says the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use roomcast_adapter::wire::WireError;
use roomcast_adapter::wire::payload::Payload;
use roomcast_adapter::wire::response::{self, Body};
use roomcast_adapter_fuzz::{Seen, event, seen};

fuzz_target!(|bytes: &[u8]| {
    let Ok(answer) = response::decode(bytes) else { return };
    let id = answer.request_id;
    let (said, ours) = match answer.body {
        Body::Ack(None) => (format!("{:?}", None::<Seen>), response::encode_ack(&id, None, &[].into())),
        Body::Ack(Some(packet)) => {
            let Some(json) = event(packet) else { return };
            (argument(packet), response::encode_ack(&id, Some(&json.text), &json.attachments))
        }
        body => (format!("{body:?}"), response::encode(&id, answer.uid.as_deref(), body)),
    };
    let ours = match ours {
        Ok(ours) => ours,
        // What clients' values hold is looked at when they are used.
        Err(WireError::TooDeep) => return,
        Err(error) => panic!("{error}"),
    };
    assert!(ours.len() <= 8 * bytes.len() + 64, "{} bytes became {}", bytes.len(), ours.len());

    let again = response::decode(&ours).expect("what goes to the bus can be read from it");
    assert_eq!(again.request_id, id);
    let body = match again.body {
        Body::Ack(packet) => packet.map_or_else(|| format!("{:?}", None::<Seen>), argument),
        body => format!("{body:?}"),
    };
    assert_eq!(body, said);
});

fn argument(packet: Payload<'_>) -> String {
    format!("{:?}", event(packet).and_then(|json| seen(&json.text, &json.attachments)))
}
