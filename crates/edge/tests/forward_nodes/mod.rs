//! Two nodes: a front, to which clients come, and the owner, whose sessions they ask for. All end with the test's runtime.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use http::StatusCode;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use roomcast_edge::{
    ForwardSettings, Forwarded, Forwarder, Keys, OWNER_HEADER, Server, ServerSettings, Stats, Tag,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};

pub(crate) const OWNER: &str = "no02";

/// A client of requests that come from no front.
pub(crate) const CLIENT: &str = "192.0.2.7:50123";

pub(crate) const WEBSOCKET: &str = "GET /websocket HTTP/1.1\r\nhost: x\r\nconnection: keep-alive, Upgrade\r\n\
    upgrade: websocket\r\nsec-websocket-key: key\r\n\r\n";

type Waiting = oneshot::Sender<String>;
type Websocket = TokioIo<Upgraded>;

pub(crate) struct Owner {
    pub(crate) stats: Stats,
    /// The requests of `/wait`: each is answered with what the test says.
    pub(crate) waiting: mpsc::Receiver<Waiting>,
    /// The owner's ends of websockets.
    pub(crate) websockets: mpsc::Receiver<Websocket>,
    keys: Keys,
    address: SocketAddr,
}

impl Owner {
    pub(crate) fn start() -> Self {
        let keys = Keys::random();
        let (waits, waiting) = mpsc::channel(8);
        let (upgrades, websockets) = mpsc::channel(8);
        let app = Router::new()
            .route("/wait", get(wait).with_state(waits))
            .route("/websocket", get(websocket).with_state(upgrades))
            .route("/tell", any(tell))
            .route("/echo", any(async |request: Request| Response::new(request.into_body())))
            .layer(from_fn_with_state(keys.clone(), prove));
        let (address, stats) = serve(app);
        Self { stats, waiting, websockets, keys, address }
    }

    pub(crate) fn address(&self) -> String {
        self.address.to_string()
    }

    /// Another node of the cluster, `no01`.
    pub(crate) fn forwarder(&self, settings: ForwardSettings) -> Forwarder {
        Forwarder::new(tag("no01"), self.keys.clone(), settings, &Stats::default())
    }

    /// Both ends of a new websocket through this front.
    pub(crate) async fn websocket(&mut self, front: SocketAddr) -> (TcpStream, Websocket) {
        let mut client = TcpStream::connect(front).await.unwrap();
        client.write_all(WEBSOCKET.as_bytes()).await.unwrap();
        assert_eq!(soon(head(&mut client)).await.0, 101);
        (client, soon(self.websockets.recv()).await.unwrap())
    }
}

/// Takes only what nodes have forwarded.
async fn prove(State(keys): State<Keys>, mut request: Request, next: Next) -> Response {
    let forwarded = match Forwarded::read(&keys, &request) {
        None => return StatusCode::BAD_REQUEST.into_response(),
        Some(Err(_)) => return StatusCode::FORBIDDEN.into_response(),
        Some(Ok(forwarded)) => forwarded,
    };
    request.extensions_mut().insert(forwarded.clone());
    let mut response = next.run(request).await;
    response.headers_mut().insert(OWNER_HEADER, forwarded.answer(&keys, tag(OWNER)));
    response
}

async fn wait(State(waits): State<mpsc::Sender<Waiting>>) -> String {
    let (waiting, answer) = oneshot::channel();
    waits.send(waiting).await.unwrap();
    answer.await.unwrap()
}

/// Says what has arrived, but for the header of the front.
async fn tell(request: Request) -> String {
    let (parts, body) = request.into_parts();
    let Forwarded { from, client, .. } = parts.extensions.get::<Forwarded>().unwrap();
    let mut headers: Vec<_> =
        parts.headers.iter().map(|(name, value)| format!("{name}: {value:?}\n")).collect();
    headers.retain(|header| !header.starts_with("x-roomcast-forwarded: "));
    headers.sort();
    let headers = headers.concat().replace('"', "");
    let body = String::from_utf8(to_bytes(body, 1 << 20).await.unwrap().to_vec()).unwrap();
    format!("{} {} from {from} of {client}\n{headers}\n{body}", parts.method, parts.uri)
}

async fn websocket(State(upgrades): State<mpsc::Sender<Websocket>>, mut request: Request) -> Response {
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        if let Ok(upgraded) = upgrade.await {
            upgrades.send(TokioIo::new(upgraded)).await.unwrap();
        }
    });
    let headers = [("connection", "upgrade"), ("upgrade", "websocket"), ("sec-websocket-accept", "accepted")];
    (StatusCode::SWITCHING_PROTOCOLS, headers).into_response()
}

/// A node that has no sessions and forwards everything.
pub(crate) fn front(forwarder: Forwarder, owner: String) -> SocketAddr {
    let app =
        async move |ConnectInfo(client): ConnectInfo<SocketAddr>, request: Request<Body>| match forwarder
            .forward(tag(OWNER), &owner, request, client)
            .await
        {
            Ok(response) => response,
            Err(error) => (StatusCode::BAD_GATEWAY, error.to_string()).into_response(),
        };
    serve(Router::new().fallback(app)).0
}

pub(crate) fn serve(app: Router) -> (SocketAddr, Stats) {
    let server = Server::bind("127.0.0.1:0".parse().unwrap(), ServerSettings::default()).unwrap();
    let (address, stats) = (server.local_addr().unwrap(), server.stats());
    tokio::spawn(server.serve(app, std::future::pending()));
    (address, stats)
}

pub(crate) fn tag(tag: &str) -> Tag {
    tag.parse().unwrap()
}

/// What takes longer has failed.
pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), future).await.expect("not in time")
}

/// The head of a message, with the empty line, and its status if it is an answer.
pub(crate) async fn head(stream: &mut TcpStream) -> (u16, String) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    (head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default(), head)
}

/// Until the other side has closed or reset the connection.
pub(crate) async fn ended(stream: &mut (impl AsyncRead + Unpin)) {
    while stream.read(&mut [0; 1024]).await.is_ok_and(|length| length > 0) {}
}
