//! Values that have the right type, but make no sense.

mod edge;
mod identity;
mod limits;
mod presence;
mod shape;
mod telemetry;

use std::collections::{BTreeMap, HashMap};

use roomcast_adapter::BusError;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use super::problem::{Problem, Problems};
use super::settings::{EventSettings, IdentityKind, NamespaceSettings, Settings, To};
use crate::rules::Pattern;

/// Events that are not the config's to define: built in, or reserved by Socket.IO.
const RESERVED: [&str; 13] = [
    "identity_expiring",
    "join",
    "leave",
    "presence",
    "refresh",
    "whoami",
    "connect",
    "connect_error",
    "disconnect",
    "disconnecting",
    "newListener",
    "removeListener",
    "error",
];

/// Far beyond what makes sense, and below where a number would overflow something.
const MOST: u64 = 1 << 40;

struct Report<'a> {
    sources: &'a BTreeMap<String, String>,
    problems: &'a mut Vec<Problem>,
}

impl Report<'_> {
    fn add(&mut self, key: &str, message: impl Into<String>, hint: impl Into<String>) {
        let source = self.sources.get(key).map_or("the built-in defaults", String::as_str).to_owned();
        self.problems.push(Problem {
            key: key.to_owned(),
            source,
            message: message.into(),
            hint: Some(hint.into()),
        });
    }

    fn at_least_one(&mut self, key: &str, value: u64) {
        if value == 0 {
            self.add(key, "must not be 0", "0 would let nothing through");
        }
    }
}

pub(super) fn validate(settings: &Settings, sources: &BTreeMap<String, String>, problems: &mut Vec<Problem>) {
    let mut report = Report { sources, problems };
    node(settings, &mut report);
    edge::validate(settings, &mut report);
    bounds(settings, &mut report);
    redis(settings, &mut report);
    telemetry::validate(&settings.telemetry, cfg!(feature = "otel"), &mut report);
    namespaces(settings, &mut report);
}

/// All mistakes of settings that were not loaded.
pub(crate) fn check(settings: &Settings) -> Result<(), Problems> {
    let mut problems = Vec::new();
    validate(settings, &BTreeMap::new(), &mut problems);
    if problems.is_empty() { Ok(()) } else { Err(Problems(problems)) }
}

fn node(settings: &Settings, report: &mut Report<'_>) {
    let name = &settings.node.name;
    let letters = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    if name.is_empty() || name.len() > 32 || !letters {
        report.add(
            "node.name",
            format!("`{name}` is no node name"),
            "1 to 32 of a-z, 0-9 and -, such as `node-1`",
        );
    }
    let level = &settings.log.level;
    // A word that is no level would be taken for a module, and silence all others.
    let is_level = |word: &str| !word.is_empty() && word.parse::<LevelFilter>().is_ok();
    let unknown = |word: &str| !word.contains(['=', '[']) && !is_level(word.trim());
    if level.split(',').any(unknown) || EnvFilter::builder().parse(level).is_err() {
        report.add(
            "log.level",
            format!("`{level}` is no level"),
            "error, warn, info, debug or trace, or directives such as `info,roomcast_adapter=debug`",
        );
    }
}

fn bounds(settings: &Settings, report: &mut Report<'_>) {
    let (server, internal) = (&settings.server, &settings.internal);
    let (socketio, redis) = (&settings.socketio, &settings.redis);
    for (key, value) in [
        ("server.max_connections", server.max_connections as u64),
        ("server.max_sessions", server.max_sessions as u64),
        ("server.max_handshakes_per_second", server.max_handshakes_per_second.into()),
        ("server.header_timeout_ms", server.header_timeout_ms),
        ("server.max_headers", server.max_headers as u64),
        ("server.max_query_bytes", server.max_query_bytes as u64),
        ("server.body_timeout_ms", server.body_timeout_ms),
        ("server.write_stall_ms", server.write_stall_ms),
        ("server.tcp_timeout_ms", server.tcp_timeout_ms),
        ("server.close_grace_ms", server.close_grace_ms),
        ("server.drain_slice", server.drain_slice as u64),
        ("internal.max_forwarded", internal.max_forwarded as u64),
        ("internal.connect_timeout_ms", internal.connect_timeout_ms),
        ("socketio.max_packets_per_payload", socketio.max_packets_per_payload as u64),
        ("socketio.max_namespaces", socketio.max_namespaces.into()),
        ("socketio.max_connects_per_second", socketio.max_connects_per_second.into()),
        ("socketio.ping_interval_ms", socketio.ping_interval_ms),
        ("socketio.ping_timeout_ms", socketio.ping_timeout_ms),
        ("socketio.upgrade_timeout_ms", socketio.upgrade_timeout_ms),
        ("socketio.connect_timeout_ms", socketio.connect_timeout_ms),
        ("socketio.max_payload_bytes", socketio.max_payload_bytes as u64),
        ("socketio.send_queue_packets", socketio.send_queue_packets as u64),
        ("socketio.event_queue", socketio.event_queue as u64),
        ("socketio.handler_timeout_ms", socketio.handler_timeout_ms),
        ("socketio.ack_timeout_ms", socketio.ack_timeout_ms),
        ("redis.timeout_ms", redis.timeout_ms),
        ("redis.requests_timeout_ms", redis.requests_timeout_ms),
        ("redis.max_requests", redis.max_requests as u64),
        ("redis.probe_interval_ms", redis.probe_interval_ms),
        ("redis.heartbeat_interval_ms", redis.heartbeat_interval_ms),
        ("redis.node_ttl_ms", redis.node_ttl_ms),
        ("redis.outbox_messages", redis.outbox_messages as u64),
        ("redis.outbox_bytes", redis.outbox_bytes as u64),
        ("redis.outbox_age_ms", redis.outbox_age_ms),
    ] {
        report.at_least_one(key, value);
        if value > MOST {
            report.add(key, format!("must not be more than {MOST}"), "no machine could hold that many");
        }
    }
}

fn redis(settings: &Settings, report: &mut Report<'_>) {
    let redis = &settings.redis;
    // The URL may hold a password, so it is not repeated.
    if !redis.url.is_empty()
        && let Err(error) = roomcast_adapter::RedisSettings::new(&redis.url).check()
    {
        let message = match error {
            BusError::Settings(_) => "is no Redis URL".to_owned(),
            other => other.to_string(),
        };
        report.add("redis.url", message, "redis://[user[:password]@]host[:port][/db] is the simplest form");
    }
    if redis.node_ttl_ms <= redis.heartbeat_interval_ms.saturating_mul(2) {
        report.add(
            "redis.node_ttl_ms",
            format!("must be more than twice redis.heartbeat_interval_ms ({})", redis.heartbeat_interval_ms),
            "a node would be gone whenever a single heartbeat is late",
        );
    }
    if redis.tls_cert_file.is_empty() != redis.tls_key_file.is_empty() {
        report.add(
            "redis.tls_cert_file",
            "must be set together with redis.tls_key_file",
            "a certificate without its key proves nothing",
        );
    }
    let has_tls_files = !redis.tls_ca_file.is_empty() || !redis.tls_cert_file.is_empty();
    if has_tls_files && !redis.url.starts_with("rediss") {
        report.add("redis.tls_ca_file", "has no meaning without TLS", "begin redis.url with rediss");
    }
    for (key, file) in [
        ("redis.tls_ca_file", &redis.tls_ca_file),
        ("redis.tls_cert_file", &redis.tls_cert_file),
        ("redis.tls_key_file", &redis.tls_key_file),
    ] {
        if !file.is_empty()
            && let Err(error) = std::fs::File::open(file)
        {
            report.add(key, format!("cannot be read: {error}"), "a PEM file that this process may read");
        }
    }
    if redis.prefix.is_empty() {
        report.add(
            "redis.prefix",
            "must not be empty",
            "`socket.io` is what Node's adapter and emitters use",
        );
    }
}

/// Whether clients can connect to a namespace of this path: the protocol ends it at a comma or a question mark.
pub(crate) fn is_namespace(path: &str) -> bool {
    path.starts_with('/') && !path.contains([',', '?']) && (path.len() == 1 || !path.ends_with('/'))
}

fn namespaces(settings: &Settings, report: &mut Report<'_>) {
    if settings.namespaces.is_empty() {
        report.add("namespaces", "must not be empty", "clients could connect to nothing; `/` is one");
    }
    let mut seen = HashMap::new();
    for (at, namespace) in settings.namespaces.iter().enumerate() {
        let key = |name: &str| format!("namespaces[{at}].{name}");
        let path = &namespace.path;
        if !is_namespace(path) {
            report.add(
                &key("path"),
                format!("`{path}` is no namespace"),
                "begins with `/`, does not end with it, and has no `,` or `?` in it, such as `/chat`",
            );
        }
        if let Some(first) = seen.insert(path, at) {
            report.add(
                &key("path"),
                format!("`{path}` is declared twice"),
                format!("first by namespaces[{first}]; put all rooms and events into one of them"),
            );
        }
        rooms(namespace, &key, report);
        identity::validate(&namespace.identity, &key("identity"), report);
        presence::validate(namespace, &key("presence"), report);
        report.at_least_one(&key("max_rooms_per_socket"), namespace.max_rooms_per_socket as u64);
        limits::validate(namespace, &key, report);
        events(&namespace.events, settings.socketio.max_payload_bytes, &key("events"), report);
    }
}

/// Rooms that clients may join, and those that they are in.
fn rooms(namespace: &NamespaceSettings, key: &impl Fn(&str) -> String, report: &mut Report<'_>) {
    let is_known = namespace.identity.kind != IdentityKind::None;
    for (list, rooms) in [("rooms", &namespace.rooms), ("auto_join", &namespace.auto_join)] {
        for (index, room) in rooms.iter().enumerate() {
            let key = format!("{}[{index}]", key(list));
            match room.parse::<Pattern>() {
                Err(error) => {
                    report.add(&key, error.to_string(), "a name, or such as `room:*` or `user:{sub}`");
                }
                Ok(pattern) if pattern.has_claims() && !is_known => report.add(
                    &key,
                    format!("`{room}` has a claim, and the namespace does not ask who clients are"),
                    "set `kind` of `[namespaces.identity]`",
                ),
                Ok(pattern) if pattern.is_open() && list == "auto_join" => {
                    report.add(
                        &key,
                        format!("`{room}` is no single room"),
                        "without `*`, such as `user:{sub}`",
                    );
                }
                Ok(_) => {}
            }
        }
    }
    let needs_identity = "has no effect where the namespace does not ask who clients are";
    let hint = "set `kind` of `[namespaces.identity]`, or leave it out";
    if namespace.max_sockets_per_user > 0 && !is_known {
        report.add(&key("max_sockets_per_user"), needs_identity, hint);
    }
    for (index, event) in namespace.events.iter().enumerate() {
        if !event.roles.is_empty() && !is_known {
            report.add(&format!("{}[{index}].roles", key("events")), needs_identity, hint);
        }
    }
}

fn events(events: &[EventSettings], largest: usize, list: &str, report: &mut Report<'_>) {
    let mut seen = HashMap::new();
    for (at, event) in events.iter().enumerate() {
        let key = |name: &str| format!("{list}[{at}].{name}");
        let name = &event.name;
        if name.is_empty() || name.len() > 128 {
            report.add(&key("name"), "must have 1 to 128 bytes", "the name that clients emit");
        }
        if RESERVED.contains(&name.as_str()) {
            report.add(&key("name"), format!("`{name}` is reserved"), "built in, or reserved by Socket.IO");
        }
        if let Some(first) = seen.insert(name, at) {
            report.add(
                &key("name"),
                format!("`{name}` is declared twice"),
                format!("first by {list}[{first}]"),
            );
        }
        report.at_least_one(&key("max_payload_bytes"), event.max_payload_bytes as u64);
        shape::validate(event, &key, report);
        if largest > 0 && event.max_payload_bytes > largest {
            report.add(
                &key("max_payload_bytes"),
                format!("is more than `socketio.max_payload_bytes` ({largest})"),
                "a larger packet does not get in; raise that limit, or lower this one",
            );
        }
        if event.to == To::Namespace && event.publish == super::settings::Publish::Anyone {
            report.add(
                &key("publish"),
                "`anyone` says nothing for an event to the namespace",
                "everybody in the namespace is a member of it: leave `publish` out",
            );
        }
    }
}
