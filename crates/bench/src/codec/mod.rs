//! The adapter's encoding and decoding in nanoseconds, on one thread, without any Redis.

mod adapter;
mod samples;
mod timing;

use std::hint::black_box;

use anyhow::ensure;
use roomcast_adapter::wire::broadcast::Target;
use roomcast_adapter::wire::sharded::{self, Message};
use roomcast_adapter::wire::{WireError, broadcast};
use serde::Serialize;

use crate::cli::CodecOptions;
use crate::report::{Report, print, table};
use crate::statistics::{Spread, Verdict};
use samples::{NAMESPACE, Sample, UID, target};
use timing::{measure, time};

/// What an operation may take with a payload of 100 bytes, in nanoseconds.
const ENCODE: f64 = 1000.0;
const DECODE: f64 = 1500.0;
const UNWANTED: f64 = 500.0;

#[derive(Debug, Serialize)]
struct Row {
    operation: &'static str,
    sample: &'static str,
    ns: Spread,
    verdict: Option<Verdict>,
}

/// All figures.
#[derive(Debug, Serialize)]
pub(crate) struct Figures {
    rows: Vec<Row>,
}

pub(crate) fn run(options: &CodecOptions) -> anyhow::Result<Report<'_, CodecOptions, Figures>> {
    let (mut rows, target) = (Vec::new(), target());
    for sample in Sample::all() {
        let mut add = |operation, limit: Option<f64>, ns: Spread| {
            let limit = limit.filter(|_| sample.is_typical);
            let verdict = limit.map(|limit| Verdict::at_most(limit, ns.median));
            rows.push(Row { operation, sample: sample.name, ns, verdict });
        };
        let rounds = options.rounds;
        let (classic, sharded) = (encode(&sample, &target)?, encode_sharded(&sample, &target)?);
        ensure!(decode(&classic)? == sample.json.len(), "a classic broadcast does not come back as it was");
        ensure!(
            decode_sharded(&sharded)? == sample.json.len(),
            "a sharded broadcast does not come back as it was"
        );
        add("encode", Some(ENCODE), measure(rounds, |count| time(count, || encode(&sample, &target))));
        add(
            "encode, sharded",
            Some(ENCODE),
            measure(rounds, |count| time(count, || encode_sharded(&sample, &target))),
        );
        add("decode", Some(DECODE), measure(rounds, |count| time(count, || decode(&classic))));
        add(
            "decode, sharded",
            Some(DECODE),
            measure(rounds, |count| time(count, || decode_sharded(&sharded))),
        );
        add("drop what nobody here wants", Some(UNWANTED), adapter::unwanted(rounds, &sample)?);
        add("emit (encode, outbox)", None, adapter::emit(rounds, &sample)?);
    }
    print(&show(&rows));
    Ok(Report::new("codec", options, Figures { rows }))
}

fn encode(sample: &Sample, target: &Target) -> Result<Vec<u8>, WireError> {
    broadcast::encode(UID, NAMESPACE, black_box(&sample.json), &sample.attachments, target)
}

fn encode_sharded(sample: &Sample, target: &Target) -> Result<Vec<u8>, WireError> {
    sharded::encode::broadcast(UID, NAMESPACE, black_box(&sample.json), &sample.attachments, target, None)
}

/// Gives the length of the event's JSON, so that nobody can leave the work out.
fn decode(bytes: &[u8]) -> Result<usize, WireError> {
    Ok(broadcast::decode(black_box(bytes))?.packet.data.to_json()?.text.len())
}

fn decode_sharded(bytes: &[u8]) -> Result<usize, WireError> {
    match sharded::decode(black_box(bytes))?.message {
        Message::Broadcast { data, .. } => Ok(data.to_json()?.text.len()),
        _ => Err(WireError::Shape("broadcast")),
    }
}

fn show(rows: &[Row]) -> String {
    let headings = ["operation", "payload", "median ns", "min ns", "max ns", "target ns", ""];
    let row = |row: &Row| {
        let [median, min, max] = [row.ns.median, row.ns.min, row.ns.max].map(|ns| format!("{ns:.0}"));
        let (target, word) = row
            .verdict
            .map_or(("-".to_owned(), ""), |verdict| (format!("{:.0}", verdict.target), verdict.word()));
        [row.operation.to_owned(), row.sample.to_owned(), median, min, max, target, word.to_owned()]
    };
    table(headings, &rows.iter().map(row).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_survive_both_forms() {
        let target = target();
        for sample in Sample::all() {
            let length = sample.json.len();
            assert_eq!(decode(&encode(&sample, &target).unwrap()).unwrap(), length, "{}", sample.name);
            assert_eq!(
                decode_sharded(&encode_sharded(&sample, &target).unwrap()).unwrap(),
                length,
                "{}",
                sample.name
            );
        }
    }

    #[test]
    fn every_sample_goes_every_way() {
        for sample in Sample::all() {
            assert!(adapter::unwanted(1, &sample).unwrap().median > 0.0);
            assert!(adapter::emit(1, &sample).unwrap().median > 0.0);
        }
    }
}
