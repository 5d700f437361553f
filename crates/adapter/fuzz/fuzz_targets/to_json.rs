//! `to_json::translate`: whatever it reads is JSON of a bounded size, and means the same after the way back.
#![no_main]

use libfuzzer_sys::fuzz_target;
use roomcast_adapter::wire::payload::Payload;
use roomcast_adapter::wire::reader::Reader;
use roomcast_adapter::wire::to_json;
use roomcast_adapter_fuzz::event;

fuzz_target!(|msgpack: &[u8]| {
    event(Payload::MsgPack(msgpack));
    if to_json::translate(msgpack).is_ok() {
        assert_eq!(Reader::new(msgpack).skip(), Ok(msgpack));
    }
});
