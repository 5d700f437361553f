//! Where clients connect to, and what they may.

use std::net::SocketAddr;
use std::path::Path;

use http::{HeaderName, Uri};
use roomcast_edge::{Keys, Origins, Tag, Tls, TlsError, TrustedProxies};

use super::Report;
use crate::config::Settings;

/// Smallest buffer that hyper works with.
const MIN_HEADER_BYTES: usize = 8_192;

pub(super) fn validate(settings: &Settings, report: &mut Report<'_>) {
    addresses(settings, report);
    access(settings, report);
    let server = &settings.server;
    if server.max_header_bytes < MIN_HEADER_BYTES {
        report.add(
            "server.max_header_bytes",
            format!("must be at least {MIN_HEADER_BYTES}"),
            "the heads of browsers with cookies are of that size",
        );
    }
    if server.max_query_bytes > server.max_header_bytes {
        report.add(
            "server.max_query_bytes",
            format!("is more than server.max_header_bytes ({})", server.max_header_bytes),
            "the query is a part of the head",
        );
    }
    let socketio = &settings.socketio;
    let path = &socketio.path;
    let is_path = path.starts_with('/') && path.len() > 1 && !path.ends_with('/');
    if !is_path || path.contains(['?', '#', '{', '}', '*']) || path.parse::<Uri>().is_err() {
        report.add(
            "socketio.path",
            format!("`{path}` is no path"),
            "begins with `/` and does not end with it",
        );
    }
    if socketio.transports.is_empty() {
        report.add("socketio.transports", "must not be empty", "`polling`, `websocket`, or both");
    }
    for (at, name) in socketio.handshake_headers.iter().enumerate() {
        if name.parse::<HeaderName>().is_err() {
            report.add(
                &format!("socketio.handshake_headers[{at}]"),
                format!("`{name}` is no header name"),
                "such as `user-agent`",
            );
        }
    }
}

fn addresses(settings: &Settings, report: &mut Report<'_>) {
    let hint = "an IP address and a port, such as `127.0.0.1:3000`, `0.0.0.0:3000` or `[::]:3000`";
    let listen = &settings.server.listen;
    if listen.parse::<SocketAddr>().is_err() {
        report.add("server.listen", format!("`{listen}` is no address"), hint);
    }
    let internal = &settings.internal;
    if !internal.listen.is_empty() && internal.listen.parse::<SocketAddr>().is_err() {
        report.add("internal.listen", format!("`{}` is no address", internal.listen), hint);
    }
    if !internal.listen.is_empty() && internal.listen == *listen && !listen.ends_with(":0") {
        report.add("internal.listen", "is the same as server.listen", "clients must not reach it");
    }
    let is_place = |text: &str| {
        text.rsplit_once(':')
            .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0))
            && format!("http://{text}/").parse::<Uri>().is_ok()
    };
    if !internal.advertise.is_empty() && !is_place(&internal.advertise) {
        report.add(
            "internal.advertise",
            format!("`{}` is no host and port", internal.advertise),
            "such as `10.0.0.5:3100` or `gateway-1:3100`",
        );
    }
    let tag = &settings.node.tag;
    if !tag.is_empty() && tag.parse::<Tag>().is_err() {
        report.add("node.tag", format!("`{tag}` is no tag"), "exactly 4 of a-z and 0-9, such as `n001`");
    }
}

fn access(settings: &Settings, report: &mut Report<'_>) {
    let server = &settings.server;
    for (at, origin) in server.origins.iter().enumerate() {
        if let Err(error) = Origins::parse(std::slice::from_ref(origin)) {
            report.add(
                &format!("server.origins[{at}]"),
                error.to_string(),
                "such as `https://app.example.com`, `https://*.example.com`, `null` or `*`",
            );
        }
    }
    for (at, proxy) in server.trusted_proxies.iter().enumerate() {
        if let Err(error) = TrustedProxies::parse(std::slice::from_ref(proxy)) {
            report.add(
                &format!("server.trusted_proxies[{at}]"),
                error.to_string(),
                "an address or a network, such as `10.0.0.0/8`",
            );
        }
    }
    if server.proxy_protocol && server.trusted_proxies.is_empty() {
        report.add(
            "server.proxy_protocol",
            "needs server.trusted_proxies",
            "anybody could claim any address otherwise",
        );
    }
    if let Err(error) = Keys::from_texts(&server.session_keys)
        && !server.session_keys.is_empty()
    {
        report.add("server.session_keys", error.to_string(), "`openssl rand -base64 32` makes one");
    }
    tls(&server.tls_cert_file, &server.tls_key_file, report);
}

fn tls(cert_file: &str, key_file: &str, report: &mut Report<'_>) {
    let (cert, key) = ("server.tls_cert_file", "server.tls_key_file");
    let hint = "a certificate without its key proves nothing";
    match (cert_file.is_empty(), key_file.is_empty()) {
        (true, true) => {}
        (false, false) => {
            if let Err(error) = Tls::load(cert_file, key_file) {
                let wrong = match &error {
                    TlsError::NoKey(_) | TlsError::InvalidKey(..) | TlsError::KeyMismatch { .. } => key,
                    TlsError::NoCertificate(_) | TlsError::InvalidCertificate(..) => cert,
                    TlsError::Unreadable(file, _) | TlsError::Malformed(file, _) => {
                        // Both may be in one file; the certificate is read first.
                        if file == Path::new(cert_file) { cert } else { key }
                    }
                };
                report.add(wrong, error.to_string(), "PEM files that this process may read");
            }
        }
        (true, false) => report.add(cert, format!("must be set together with {key}"), hint),
        (false, true) => report.add(key, format!("must be set together with {cert}"), hint),
    }
}
