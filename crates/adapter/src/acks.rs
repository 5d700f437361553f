//! An event whose acknowledgements are wanted, from the clients of all servers.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream, Fuse};
use socketioxide::AckError;
use socketioxide_core::adapter::BroadcastOptions;
use socketioxide_core::packet::Packet;
use socketioxide_core::{Sid, Value};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::adapter::{Adapter, EmitError, event};
use crate::ask::{Answer, Missing, Pending};
use crate::chosen::wire_target;
use crate::metrics::Asked;
use crate::serve::first_argument;
use crate::server_side::Reply;
use crate::wire::{to_json, to_msgpack};

/// The acknowledgements as socketioxide wants them. Those from other servers come without the client's id, which Node
/// does not send: it is [`Sid::ZERO`].
pub(crate) type AckStream = Fuse<BoxStream<'static, (Sid, Result<Value, AckError>)>>;

/// Acknowledgements that wait to be read.
const WAITING: usize = 4096;

/// Sends the event and gives the acknowledgements as they come.
pub(crate) fn stream(
    adapter: Arc<Adapter>,
    packet: Packet,
    opts: BroadcastOptions,
    timeout: Option<Duration>,
) -> AckStream {
    if !adapter.leaves_node(&opts) {
        return adapter.local().broadcast_with_ack(packet, opts, timeout).0.boxed().fuse();
    }
    let timeout = timeout.unwrap_or(adapter.local().ack_timeout());
    let (sender, receiver) = mpsc::channel(WAITING);
    tokio::spawn(async move {
        // Who does not read them does not want them.
        let take = |sid, ack| _ = sender.try_send((sid, ack));
        if let Err(error) = collect(&adapter, packet, opts, timeout, take).await {
            tracing::warn!(%error, namespace = adapter.namespace(), "event with acknowledgement cannot be encoded");
        }
    });
    stream::unfold(receiver, async |mut receiver| receiver.recv().await.map(|ack| (ack, receiver)))
        .boxed()
        .fuse()
}

/// Sends the event and hands over the acknowledgements, until all are there or the time is up. Returns how many clients
/// got it, and the servers that did not say.
pub(crate) async fn collect(
    adapter: &Arc<Adapter>,
    packet: Packet,
    opts: BroadcastOptions,
    timeout: Duration,
    mut take: impl FnMut(Sid, Result<Value, AckError>),
) -> Result<(u64, Missing), EmitError> {
    let deadline = Instant::now() + timeout;
    let asked = if adapter.leaves_node(&opts) {
        let (json, attachments) = event(&packet)?;
        let none = VecDeque::new();
        let attachments = attachments.unwrap_or(&none);
        let mut target = wire_target(&opts);
        target.flags.timeout = Some(timeout.as_millis().try_into().unwrap_or(u64::MAX));
        let question = |id: &str| adapter.protocol().broadcast_with_ack(id, json, attachments, &target);
        Pending::ask(adapter, Asked::BroadcastWithAck, Some(timeout), question).await?
    } else {
        Err(Missing::default())
    };
    let (here, count) = adapter.local().broadcast_with_ack(packet, opts, Some(timeout));
    let mut here = std::pin::pin!(here.fuse());
    let mut expected = u64::from(count);
    // Of this node's clients: those that have not acknowledged yet. Of all: how many acknowledgements have come.
    let (mut own, mut came) = (count, 0);
    let mut pending = match asked {
        Ok(pending) => pending,
        Err(missing) => {
            while let Some((sid, ack)) = here.next().await {
                take(sid, ack);
            }
            return Ok((expected, missing));
        }
    };
    loop {
        let more = own > 0 || came < expected;
        tokio::select! {
            Some((sid, ack)) = here.next(), if own > 0 => {
                own -= 1;
                came += u64::from(ack.is_ok());
                take(sid, ack);
            }
            answer = pending.next_unless(more) => match answer {
                Some(Answer::ClientCount(count)) => expected = expected.saturating_add(count),
                Some(Answer::Ack(json)) => {
                    came += 1;
                    take(Sid::ZERO, Ok(arguments(json)));
                }
                Some(_) => {}
                None => break,
            },
            () = tokio::time::sleep_until(deadline) => break,
        }
    }
    let missing = pending.end(came >= expected);
    Ok((expected, missing))
}

/// What another server's client has answered, as a client of this node would have: `[argument]`.
fn arguments(json: Option<to_json::Json>) -> Value {
    match json {
        None => Value::Str("[]".into(), None),
        Some(to_json::Json { text, attachments }) => {
            let attachments = (!attachments.is_empty()).then_some(attachments);
            Value::Str(format!("[{text}]").into(), attachments)
        }
    }
}

/// The first of the arguments that a client has acknowledged with.
pub(crate) fn reply(args: &Value) -> Option<Reply> {
    let Value::Str(args, attachments) = args else { return None };
    let none = VecDeque::new();
    match first_argument(args) {
        None => Some(Reply::new(None)),
        Some(first) => only(first, attachments.as_ref().unwrap_or(&none)).map(|json| Reply::new(Some(json))),
    }
}

/// One of several arguments, with those of the attachments that belong to it.
fn only(json: &str, attachments: &VecDeque<Bytes>) -> Option<to_json::Json> {
    if attachments.is_empty() {
        return Some(to_json::Json { text: json.to_owned(), attachments: VecDeque::new() });
    }
    let mut bytes = Vec::new();
    to_msgpack::translate_part(json, attachments, &mut bytes).ok()?;
    to_json::translate(&bytes).ok()
}
