//! Collectors: one that takes spans, and one that never answers.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::routing::post;
use tokio::net::TcpListener;

use crate::otlp::{self, Span};

type Requests = Arc<Mutex<Vec<Bytes>>>;

/// Takes what comes to `/v1/traces`, and answers as it should.
pub struct Collector {
    pub address: SocketAddr,
    requests: Requests,
}

impl Collector {
    pub async fn start() -> Self {
        let requests = Requests::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().route("/v1/traces", post(take)).with_state(Arc::clone(&requests));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, requests }
    }

    /// All that came, as it came.
    pub fn bytes(&self) -> Vec<u8> {
        self.requests.lock().unwrap().concat()
    }

    /// The attributes of the sender, and all spans that came.
    pub fn spans(&self) -> (BTreeMap<String, String>, Vec<Span>) {
        let (mut sender, mut spans) = (BTreeMap::new(), Vec::new());
        for request in self.requests.lock().unwrap().iter() {
            let (attributes, more) = otlp::read(request);
            sender.extend(attributes);
            spans.extend(more);
        }
        (sender, spans)
    }
}

async fn take(State(requests): State<Requests>, headers: HeaderMap, body: Bytes) {
    assert_eq!(headers["content-type"], "application/x-protobuf");
    requests.lock().unwrap().push(body);
}

/// Accepts connections and says nothing. Counts them.
pub async fn mute() -> (SocketAddr, Arc<Mutex<usize>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let connections = Arc::new(Mutex::new(0));
    let count = Arc::clone(&connections);
    tokio::spawn(async move {
        let mut kept = Vec::new();
        while let Ok((connection, _)) = listener.accept().await {
            kept.push(connection);
            *count.lock().unwrap() = kept.len();
        }
    });
    (address, connections)
}
