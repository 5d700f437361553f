//! The bus format as a filter, for `tests/codec`, where Node's packages sit on the other side.
//!
//! A line on stdin is a verb and its operands, a line on stdout the answer to it: `ok` and what came out, or `error` and
//! why. Operands are bytes in hexadecimal; ATTACHMENTS are any number of them.
//!
//! ```text
//! to_json MSGPACK               ok TEXT ATTACHMENTS
//! to_msgpack TEXT ATTACHMENTS   ok MSGPACK
//! broadcast MESSAGE             ok MESSAGE TEXT ATTACHMENTS      decoded, and encoded again
//! request MESSAGE               ok MESSAGE                       the same
//! response MESSAGE              ok MESSAGE                       the same
//! ```

use std::collections::VecDeque;
use std::error::Error;
use std::fmt::Write as _;
use std::io::{self, BufRead, Write as _};

use bytes::Bytes;
use roomcast_adapter::wire::request::Request;
use roomcast_adapter::wire::response::Body;
use roomcast_adapter::wire::to_json::Json;
use roomcast_adapter::wire::{broadcast, request, response, to_json, to_msgpack};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let mut out = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        match answer(&line?) {
            Ok(results) => {
                write!(out, "ok")?;
                for bytes in results {
                    write!(out, " {}", to_hex(&bytes))?;
                }
                writeln!(out)?;
            }
            Err(error) => writeln!(out, "error {}", error.to_string().replace('\n', " "))?,
        }
        // The other side waits for this answer before it goes on.
        out.flush()?;
    }
    Ok(())
}

fn answer(line: &str) -> Result<Vec<Bytes>> {
    let mut words = line.split(' ');
    let verb = words.next().unwrap_or_default();
    let operands = words.map(from_hex).collect::<Result<Vec<_>>>()?;
    let (first, attachments) = operands.split_first().ok_or("an operand is missing")?;
    match verb {
        "to_json" => Ok(event(to_json::translate(first)?)),
        "to_msgpack" => {
            let mut msgpack = Vec::new();
            let attachments = attachments.iter().cloned().collect();
            to_msgpack::translate(std::str::from_utf8(first)?, &attachments, &mut msgpack)?;
            Ok(vec![msgpack.into()])
        }
        "broadcast" => {
            let message = broadcast::decode(first)?;
            let namespace = message.packet.namespace.ok_or("the namespace is nil")?;
            let Json { text, attachments } = message.packet.data.to_json()?;
            let again = broadcast::encode(message.uid, namespace, &text, &attachments, &message.target)?;
            let mut results = vec![again.into()];
            results.extend(event(Json { text, attachments }));
            Ok(results)
        }
        "request" => Ok(vec![again_request(first)?.into()]),
        "response" => Ok(vec![again_response(first)?.into()]),
        _ => Err("no such verb".into()),
    }
}

fn again_request(bytes: &[u8]) -> Result<Vec<u8>> {
    let envelope = request::decode(bytes)?;
    let Request::Broadcast(packet, target) = &envelope.request else {
        return Ok(request::encode(&envelope)?);
    };
    let (Some(uid), Some(id), Some(namespace)) = (&envelope.uid, &envelope.request_id, packet.namespace)
    else {
        return Err("something is missing".into());
    };
    let Json { text, attachments } = packet.data.to_json()?;
    Ok(request::encode_broadcast(uid, id, namespace, &text, &attachments, target)?)
}

fn again_response(bytes: &[u8]) -> Result<Vec<u8>> {
    let answer = response::decode(bytes)?;
    Ok(match answer.body {
        Body::Ack(None) => response::encode_ack(&answer.request_id, None, &VecDeque::new())?,
        Body::Ack(Some(argument)) => {
            let Json { text, attachments } = argument.to_json()?;
            response::encode_ack(&answer.request_id, Some(&text), &attachments)?
        }
        body => response::encode(&answer.request_id, answer.uid.as_deref(), body)?,
    })
}

fn event(Json { text, attachments }: Json) -> Vec<Bytes> {
    std::iter::once(text.into()).chain(attachments).collect()
}

fn from_hex(word: &str) -> Result<Bytes> {
    if !word.is_ascii() || !word.len().is_multiple_of(2) {
        return Err("not hexadecimal".into());
    }
    let digits = |at| u8::from_str_radix(&word[at..at + 2], 16);
    let bytes = (0..word.len()).step_by(2).map(digits).collect::<std::result::Result<Vec<_>, _>>()?;
    Ok(bytes.into())
}

fn to_hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        // Writing into a string does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}
