//! `request::decode`: what it reads can be said again, and says the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use roomcast_adapter::wire::WireError;
use roomcast_adapter::wire::request::{self, Envelope, Request};
use roomcast_adapter_fuzz::event;

fuzz_target!(|bytes: &[u8]| {
    let Ok(envelope) = request::decode(bytes) else { return };
    match &envelope.request {
        Request::Broadcast(packet, target) => {
            let uid = envelope.uid.as_deref().unwrap_or_default();
            let id = envelope.request_id.as_deref().unwrap_or_default();
            let (Some(namespace), Some(json)) = (packet.namespace, event(packet.data)) else { return };
            let ours = request::encode_broadcast(uid, id, namespace, &json.text, &json.attachments, target)
                .expect("the event came from the bus");
            let again = request::decode(&ours).expect("what goes to the bus can be read from it");
            assert_eq!((again.uid.as_deref(), again.request_id.as_deref()), (Some(uid), Some(id)));
            let Request::Broadcast(again, back) = again.request else { panic!("another request") };
            assert_eq!((again.namespace, &back), (packet.namespace, target));
        }
        _ => says_the_same(&envelope, bytes.len()),
    }
});

fn says_the_same(envelope: &Envelope<'_>, size: usize) {
    let ours = match request::encode(envelope) {
        Ok(ours) => ours,
        // What clients' values hold is looked at when they are used.
        Err(WireError::TooDeep) => return,
        Err(error) => panic!("{error}"),
    };
    assert!(ours.len() <= 8 * size + 64, "{size} bytes became {}", ours.len());
    let again = request::decode(&ours).expect("what goes to the bus can be read from it");
    assert_eq!(format!("{again:?}"), format!("{envelope:?}"));
}
