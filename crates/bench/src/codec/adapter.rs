//! The adapter as a whole, with a namespace in which there is nobody.

use std::hint::black_box;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use roomcast_adapter::wire::broadcast;
use roomcast_adapter::{Adapter, Bus, Dropped, Hub};
use socketioxide::SocketIo;
use socketioxide::extract::SocketRef;
use socketioxide_core::adapter::{BroadcastFlags, BroadcastOptions};
use socketioxide_core::packet::Packet;
use socketioxide_core::{Sid, Value};
use tokio::runtime::{Builder, Runtime};

use super::samples::{NAMESPACE, ROOM, Sample, UID, target};
use super::timing::{measure, time};
use crate::statistics::Spread;

/// Fits into the outbox, with what waits there.
const BATCH: u64 = 1000;

/// A message for a room without members on this node, from the bus to its end.
pub(super) fn unwanted(rounds: u32, sample: &Sample) -> anyhow::Result<Spread> {
    let runtime = runtime()?;
    let _inside = runtime.enter();
    let bus = Bus::memory();
    let _server = server(&bus);
    let payload = broadcast::encode(UID, NAMESPACE, &sample.json, &sample.attachments, &target())?;
    let channel = format!("socket.io#{NAMESPACE}#nobody#");
    let spread =
        measure(rounds, |count| time(count, || bus.receive(black_box(&channel), black_box(&payload))));
    let counters = bus.counters();
    ensure!(counters.dropped(Dropped::Unwanted) > 0, "the messages were not dropped as unwanted");
    Ok(spread)
}

/// What a caller of [`Adapter::emit`] waits for: the event is encoded, and stands in the outbox.
pub(super) fn emit(rounds: u32, sample: &Sample) -> anyhow::Result<Spread> {
    let runtime = runtime()?;
    let _inside = runtime.enter();
    let bus = Bus::joined(&Hub::new());
    let _server = server(&bus);
    let adapter = bus.adapter(NAMESPACE).context("the namespace has no adapter")?;
    let mut failed = None;
    let spread = measure(rounds, |count| {
        let (mut rest, mut took) = (count, Duration::ZERO);
        while rest > 0 {
            let batch = rest.min(BATCH);
            rest -= batch;
            // The caller has them anyway, so making them is not counted.
            let events: Vec<_> = (0..batch).map(|_| event(sample)).collect();
            let start = Instant::now();
            for (packet, options) in events {
                if let Err(error) = black_box(adapter.emit(packet, options)) {
                    failed = Some(error);
                }
            }
            took += start.elapsed();
            // The publisher runs on this thread, too, and only now.
            runtime.block_on(async {
                while bus.outbox_depth().0 > 0 {
                    tokio::task::yield_now().await;
                }
            });
        }
        took
    });
    ensure!(bus.counters().dropped(Dropped::OutboxFull) == 0, "the outbox was too small for a batch");
    failed.map_or(Ok(spread), |error| Err(error.into()))
}

fn runtime() -> anyhow::Result<Runtime> {
    Ok(Builder::new_current_thread().enable_all().build()?)
}

/// The namespace exists as long as its server does.
fn server(bus: &Bus) -> SocketIo<Adapter> {
    let (_, io) = SocketIo::builder().with_adapter::<Adapter>(bus.clone()).build_svc();
    io.ns(NAMESPACE, async |_: SocketRef<Adapter>| {});
    io
}

/// What the gateway makes of a client's event for the others in its room.
fn event(sample: &Sample) -> (Packet, BroadcastOptions) {
    let mut options = BroadcastOptions::new(Sid::ZERO);
    options.add_flag(BroadcastFlags::Broadcast);
    options.rooms.push(ROOM.into());
    let attachments = (!sample.attachments.is_empty()).then(|| sample.attachments.clone());
    let data = Value::Str(sample.json.clone().into(), attachments);
    (Packet::event(NAMESPACE, data), options)
}
