//! `broadcast::decode`: what it reads can be said again, and says the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use roomcast_adapter::wire::broadcast;
use roomcast_adapter_fuzz::event;

fuzz_target!(|bytes: &[u8]| {
    let Ok(message) = broadcast::decode(bytes) else { return };
    assert_eq!(broadcast::sender(bytes), Some(message.uid));
    let (Some(namespace), Some(json)) = (message.packet.namespace, event(message.packet.data)) else {
        return;
    };

    let encode = |json: &str, attachments| {
        broadcast::encode(message.uid, namespace, json, attachments, &message.target)
            .expect("the event came from the bus")
    };
    let ours = encode(&json.text, &json.attachments);
    let again = broadcast::decode(&ours).expect("what goes to the bus can be read from it");
    assert_eq!((again.uid, again.packet.namespace), (message.uid, message.packet.namespace));
    assert_eq!(again.target, message.target);
    // From here on nothing changes any more.
    let json = event(again.packet.data).expect("it had a JSON form");
    assert_eq!(encode(&json.text, &json.attachments), ours);
});
