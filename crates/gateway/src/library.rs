//! The bus and socketioxide, set up from the configuration.

use std::sync::Arc;
use std::time::Duration;

use roomcast_adapter::{Adapter, Bus, Mode, SubscriptionMode};
use socketioxide::{ParserConfig, SocketIo};

use crate::config::{RedisMode, Settings, Subscriptions};
use crate::gateway::GatewayError;
use crate::metrics::BusMetrics;

/// Joins the cluster; the others reach this node at `address`.
pub(crate) fn bus(
    settings: &Settings,
    address: String,
    metrics: Arc<BusMetrics>,
) -> Result<Bus, GatewayError> {
    let Settings { node, redis, .. } = settings;
    if redis.url.is_empty() {
        return Ok(Bus::memory_with_metrics(metrics));
    }
    let mut to = roomcast_adapter::RedisSettings::new(&redis.url);
    to.mode = match (redis.mode, redis.subscriptions) {
        (RedisMode::Classic, _) => Mode::Classic,
        (RedisMode::Sharded, Subscriptions::Static) => Mode::Sharded(SubscriptionMode::Static),
        (RedisMode::Sharded, Subscriptions::Dynamic) => Mode::Sharded(SubscriptionMode::Dynamic),
        (RedisMode::Sharded, Subscriptions::DynamicPrivate) => {
            Mode::Sharded(SubscriptionMode::DynamicPrivate)
        }
    };
    to.rooms_are_told = true;
    to.node_name.clone_from(&node.name);
    to.node_address = address;
    to.prefix.clone_from(&redis.prefix);
    to.specific_responses = redis.specific_responses;
    let read = |file: &String| {
        let failed = |error| GatewayError::File(file.clone(), error);
        if file.is_empty() { Ok(None) } else { std::fs::read(file).map(Some).map_err(failed) }
    };
    to.tls_ca = read(&redis.tls_ca_file)?;
    to.tls_identity = read(&redis.tls_cert_file)?.zip(read(&redis.tls_key_file)?);
    to.timeout = Duration::from_millis(redis.timeout_ms);
    to.requests_timeout = Duration::from_millis(redis.requests_timeout_ms);
    to.max_requests = redis.max_requests;
    to.probe_interval = Duration::from_millis(redis.probe_interval_ms);
    to.heartbeat_interval = Duration::from_millis(redis.heartbeat_interval_ms);
    to.node_ttl = Duration::from_millis(redis.node_ttl_ms);
    to.outbox_messages = redis.outbox_messages;
    to.outbox_bytes = redis.outbox_bytes;
    to.outbox_age = Duration::from_millis(redis.outbox_age_ms);
    Ok(Bus::redis_with_metrics(&to, metrics)?)
}

/// socketioxide's defaults differ from Node's and are too generous for the internet (64 MiB messages, 10 000
/// attachments), so all limits are set from the one that the configuration has.
pub(crate) fn socketio(settings: &Settings, bus: &Bus) -> socketioxide::SocketIoBuilder<Adapter> {
    let limits = &settings.socketio;
    let parser = ParserConfig::common()
        .max_incoming_binary_buf_size(limits.max_payload_bytes)
        .max_incoming_binaries(limits.max_attachments)
        .packet_completion_timeout(Duration::from_millis(limits.ping_timeout_ms));
    SocketIo::builder()
        .req_path(limits.path.clone())
        .ping_interval(Duration::from_millis(limits.ping_interval_ms))
        .ping_timeout(Duration::from_millis(limits.ping_timeout_ms))
        .upgrade_timeout(Duration::from_millis(limits.upgrade_timeout_ms))
        .connect_timeout(Duration::from_millis(limits.connect_timeout_ms))
        .ack_timeout(Duration::from_millis(limits.ack_timeout_ms))
        .max_buffer_size(limits.send_queue_packets)
        .max_payload(limits.max_payload_bytes as u64)
        .ws_max_message_size(limits.max_payload_bytes)
        .ws_max_frame_size(limits.max_payload_bytes)
        // Idle connections keep this buffer; chat messages fit into it.
        .ws_read_buffer_size(512)
        .with_parser(parser)
        .with_adapter::<Adapter>(bus.clone())
}
