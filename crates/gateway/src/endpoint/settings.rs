//! From the configuration to the settings of the edge.

use std::sync::Arc;
use std::time::Duration;

use roomcast_edge::{
    DrainSettings, EdgeSettings, Keys, Origins, ServerSettings, Tag, Tls, Transport, TrustedProxies,
};

use crate::config::{Settings, TransportName};
use crate::gateway::GatewayError;

pub(crate) fn edge(settings: &Settings) -> Result<EdgeSettings, GatewayError> {
    let (server, socketio) = (&settings.server, &settings.socketio);
    let transport = |name: &TransportName| match name {
        TransportName::Polling => Transport::Polling,
        TransportName::Websocket => Transport::Websocket,
    };
    let headers = socketio.handshake_headers.iter();
    Ok(EdgeSettings {
        path: socketio.path.clone(),
        transports: socketio.transports.iter().map(transport).collect(),
        allow_eio3: socketio.allow_eio3,
        origins: Origins::parse(&server.origins)?,
        trusted_proxies: TrustedProxies::parse(&server.trusted_proxies)?,
        max_sessions: server.max_sessions,
        max_sessions_per_address: server.max_sessions_per_address,
        max_handshakes_per_second: server.max_handshakes_per_second,
        max_handshakes_per_second_per_address: server.max_handshakes_per_second_per_address,
        max_query_bytes: server.max_query_bytes,
        max_payload_bytes: socketio.max_payload_bytes,
        max_packets_per_payload: socketio.max_packets_per_payload,
        body_timeout: Duration::from_millis(server.body_timeout_ms),
        close_grace: Duration::from_millis(server.close_grace_ms),
        admit_timeout: Duration::from_millis(socketio.handler_timeout_ms),
        keep_headers: headers
            .map(|name| name.parse().map_err(|_| GatewayError::Header(name.clone())))
            .collect::<Result<_, _>>()?,
    })
}

/// The server for clients.
pub(crate) fn server(settings: &Settings) -> Result<ServerSettings, GatewayError> {
    let server = &settings.server;
    let tls = if server.tls_cert_file.is_empty() {
        None
    } else {
        Some(Arc::new(Tls::load(&server.tls_cert_file, &server.tls_key_file)?))
    };
    Ok(ServerSettings {
        max_connections: server.max_connections,
        max_connections_per_address: server.max_connections_per_address,
        max_connections_per_second: server.max_connections_per_second,
        max_connections_per_second_per_address: server.max_connections_per_second_per_address,
        trusted_proxies: TrustedProxies::parse(&server.trusted_proxies)?,
        proxy_protocol: server.proxy_protocol,
        max_header_bytes: server.max_header_bytes,
        max_headers: server.max_headers,
        tls,
        ..internal(settings)
    })
}

/// The server for operators and other nodes: the same patience, and no limits for clients.
pub(crate) fn internal(settings: &Settings) -> ServerSettings {
    let server = &settings.server;
    // Room for what a node that passes a request on adds to it.
    let (more_bytes, more_headers) = (4_096, 8);
    ServerSettings {
        max_connections: settings.internal.max_forwarded.saturating_add(1_000),
        // Other nodes pass on what they have let in by limits of their own.
        max_connections_per_second: 0,
        header_timeout: Duration::from_millis(server.header_timeout_ms),
        max_header_bytes: server.max_header_bytes.saturating_add(more_bytes),
        max_headers: server.max_headers.saturating_add(more_headers),
        write_stall: Duration::from_millis(server.write_stall_ms),
        tcp_timeout: Duration::from_millis(server.tcp_timeout_ms),
        shutdown_grace: Duration::from_millis(server.shutdown_grace_ms),
        ..ServerSettings::default()
    }
}

pub(crate) fn drain(settings: &Settings) -> DrainSettings {
    let server = &settings.server;
    DrainSettings {
        delay: Duration::from_millis(server.drain_delay_ms),
        window: Duration::from_millis(server.drain_window_ms),
        slice: server.drain_slice,
    }
}

pub(crate) fn tag(settings: &Settings) -> Result<Tag, GatewayError> {
    let node = &settings.node;
    if node.tag.is_empty() { Ok(Tag::of_name(&node.name)) } else { Ok(node.tag.parse()?) }
}

pub(crate) fn keys(settings: &Settings) -> Result<Keys, GatewayError> {
    let keys = &settings.server.session_keys;
    if keys.is_empty() { Ok(Keys::random()) } else { Ok(Keys::from_texts(keys)?) }
}
