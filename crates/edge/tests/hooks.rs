//! What the program above is told of: sessions that open and end, and requests that are refused.
#![allow(clippy::unwrap_used, missing_docs)]

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use axum::extract::ConnectInfo;
use futures_util::future::{BoxFuture, ready};
use http::{Extensions, Request, Response};
use roomcast_codes::Code;
use roomcast_edge::{
    Edge, EdgeSettings, Engine, Handshake, Hooks, Keys, Refused, Sids, Stats, Transport, WebsocketStream,
};

const CLIENT: &str = "192.0.2.7:50123";

/// Opens every session and forgets it at once.
#[derive(Clone)]
struct Forgetful;

impl Engine for Forgetful {
    fn http(&self, _: Request<Body>) -> BoxFuture<'static, Response<Body>> {
        let open = r#"0{"sid":"AAAAAAAAAAAAAAAA","upgrades":["websocket"],"pingInterval":1,"pingTimeout":1}"#;
        Box::pin(ready(Response::new(Body::from(open))))
    }

    fn websocket(&self, _: Box<WebsocketStream>, _: Request<()>) {}
}

/// Remembers what it is told, and does not like guests.
#[derive(Clone, Default)]
struct Diary(Arc<Mutex<Vec<String>>>);

impl Diary {
    fn write(&self, line: String) {
        self.0.lock().unwrap().push(line);
    }
}

impl Hooks for Diary {
    fn admit<'a>(&'a self, handshake: &'a Handshake<'a>) -> BoxFuture<'a, Result<Extensions, Refused>> {
        let is_guest = handshake.request.uri.query().unwrap().contains("guest");
        let decision = if is_guest { Err(Refused::because(Code::Forbidden)) } else { Ok(Extensions::new()) };
        Box::pin(ready(decision))
    }

    fn opened(&self, transport: Transport, _: Duration) {
        self.write(format!("opened {}", transport.as_str()));
    }

    fn refused(&self, client: SocketAddr, code: Code) {
        self.write(format!("refused {client} {code}"));
    }

    fn closed(&self, client: SocketAddr, transport: Transport, code: Code) {
        self.write(format!("closed {client} {} {code}", transport.as_str()));
    }
}

async fn told(query: &str, origin: Option<&str>) -> Vec<String> {
    let diary = Diary::default();
    let sids = Sids::new("no01".parse().unwrap(), Keys::random());
    let hooks = Arc::new(diary.clone());
    let edge = Edge::new(EdgeSettings::default(), Forgetful, hooks, sids, None, Stats::default());
    let mut request = Request::get(format!("/socket.io/?{query}")).header("host", "chat.example");
    if let Some(origin) = origin {
        request = request.header("origin", origin);
    }
    let mut request = request.body(Body::empty()).unwrap();
    let client: SocketAddr = CLIENT.parse().unwrap();
    request.extensions_mut().insert(ConnectInfo(client));
    edge.handle(request).await;
    diary.0.lock().unwrap().clone()
}

#[tokio::test]
async fn of_what_was_refused_and_why() {
    for (query, origin, code) in [
        ("EIO=4&transport=polling&guest=1", None, Code::Forbidden),
        ("EIO=4&transport=polling", Some("https://evil.example"), Code::OriginNotAllowed),
        ("EIO=4&transport=polling&sid=made-up", None, Code::UnknownSession),
        ("EIO=4&transport=pigeon", None, Code::UnknownTransport),
    ] {
        assert_eq!(told(query, origin).await, [format!("refused {CLIENT} {code}")]);
    }
}

#[tokio::test]
async fn of_sessions_that_open_and_end() {
    let mut lines = told("EIO=4&transport=polling", None).await;
    lines.sort();
    assert_eq!(lines, [format!("closed {CLIENT} polling never_connected"), "opened polling".to_owned()]);
}
