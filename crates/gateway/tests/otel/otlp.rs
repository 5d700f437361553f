//! What a collector receives, read by hand: OTLP's `ExportTraceServiceRequest` in the encoding of Protocol Buffers. Not
//! by the crates that wrote it.

use std::collections::BTreeMap;

/// A span, as far as it matters here.
#[derive(Debug)]
pub struct Span {
    pub name: String,
    pub kind: u64,
    pub has_parent: bool,
    pub has_events: bool,
    pub attributes: BTreeMap<String, String>,
}

/// The attributes of the sender, and its spans.
pub fn read(request: &[u8]) -> (BTreeMap<String, String>, Vec<Span>) {
    let (mut sender, mut spans) = (BTreeMap::new(), Vec::new());
    for resource_spans in all(request, 1) {
        for resource in all(resource_spans, 1) {
            sender.extend(attributes(resource, 1));
        }
        for scope_spans in all(resource_spans, 2) {
            spans.extend(all(scope_spans, 2).into_iter().map(span));
        }
    }
    (sender, spans)
}

fn span(bytes: &[u8]) -> Span {
    let kind = fields(bytes).into_iter().find_map(|(number, field)| match field {
        Field::Number(kind) if number == 6 => Some(kind),
        _ => None,
    });
    Span {
        name: text(all(bytes, 5)[0]),
        kind: kind.unwrap_or(0),
        has_parent: all(bytes, 4).iter().any(|id| !id.is_empty()),
        has_events: !all(bytes, 11).is_empty(),
        attributes: attributes(bytes, 9),
    }
}

/// The fields of that number as key and value; values of other types than text are told as they are.
fn attributes(message: &[u8], number: u64) -> BTreeMap<String, String> {
    let pair = |bytes: &[u8]| {
        let value = all(bytes, 2)[0];
        let shown = match all(value, 1)[..] {
            [string] => text(string),
            _ => format!("{value:?}"),
        };
        (text(all(bytes, 1)[0]), shown)
    };
    all(message, number).into_iter().map(pair).collect()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

/// All values of a field that are texts, bytes or messages.
fn all(message: &[u8], wanted: u64) -> Vec<&[u8]> {
    let bytes = |(number, field)| match field {
        Field::Bytes(bytes) if number == wanted => Some(bytes),
        _ => None,
    };
    fields(message).into_iter().filter_map(bytes).collect()
}

fn fields(mut message: &[u8]) -> Vec<(u64, Field<'_>)> {
    let mut fields = Vec::new();
    while !message.is_empty() {
        let tag = number(&mut message);
        let field = match tag & 7 {
            0 => Field::Number(number(&mut message)),
            1 => Field::Bytes(take(&mut message, 8)),
            2 => {
                let length = number(&mut message);
                Field::Bytes(take(&mut message, usize::try_from(length).unwrap()))
            }
            5 => Field::Bytes(take(&mut message, 4)),
            other => panic!("no such type of a field: {other}"),
        };
        fields.push((tag >> 3, field));
    }
    fields
}

fn number(message: &mut &[u8]) -> u64 {
    let mut number = 0;
    for place in 0.. {
        let byte = take(message, 1)[0];
        number |= u64::from(byte & 0x7f) << (7 * place);
        if byte < 0x80 {
            break;
        }
    }
    number
}

fn take<'a>(message: &mut &'a [u8], length: usize) -> &'a [u8] {
    let (taken, rest) = message.split_at(length);
    *message = rest;
    taken
}
