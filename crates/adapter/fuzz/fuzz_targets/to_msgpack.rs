//! `to_msgpack::translate`: it takes what is JSON and nothing else, and the bus then carries what the client sent.
//!
//! An input is JSON text, then each attachment behind a byte 0xff, which UTF-8 does not have.
#![no_main]

use std::collections::VecDeque;

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use roomcast_adapter::wire::reader::Reader;
use roomcast_adapter::wire::{WireError, to_json, to_msgpack};
use roomcast_adapter_fuzz::seen;
use serde_json::Value;

fuzz_target!(|input: &[u8]| {
    let mut parts = input.split(|byte| *byte == 0xff);
    let Some(Ok(text)) = parts.next().map(std::str::from_utf8) else { return };
    let attachments: VecDeque<Bytes> = parts.map(Bytes::copy_from_slice).collect();
    let binary: usize = attachments.iter().map(Bytes::len).sum();
    // Halves of characters are mended, which serde_json does not do.
    let sent = serde_json::from_str::<Value>(text).ok();

    let mut msgpack = Vec::new();
    match to_msgpack::translate(text, &attachments, &mut msgpack) {
        Ok(()) => {
            assert!(
                msgpack.len() <= 3 * text.len() + binary,
                "{} bytes became {}",
                text.len(),
                msgpack.len()
            );
            assert_eq!(Reader::new(&msgpack).skip(), Ok(&msgpack[..]));
            let json = to_json::translate(&msgpack).expect("what goes to the bus can be read from it");
            let received = seen(&json.text, &json.attachments);
            if sent.is_some() {
                assert_eq!(received, seen(text, &attachments));
            }
        }
        Err(WireError::Placeholders) => assert!(!attachments.is_empty()),
        Err(WireError::Json(_)) => assert_eq!(sent, None, "JSON that was refused"),
        Err(error) => panic!("{error}"),
    }
});
