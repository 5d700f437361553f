//! A node in this process and bare Socket.IO clients, so that a test reads like a story.

#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use roomcast::config::Settings;
use roomcast::sockets::{Emitter, Namespace};
use roomcast::{DrainReport, Gateway, GatewayBuilder};
use roomcast_adapter::Bus;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

/// Longest wait for anything; only failures take that long.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running node; it stops when dropped.
pub struct Node {
    pub address: SocketAddr,
    pub internal: SocketAddr,
    pub bus: Bus,
    pub emitter: Emitter,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<DrainReport>,
}

pub fn settings() -> Settings {
    let mut settings = Settings::default();
    settings.server.listen = "127.0.0.1:0".into();
    settings.internal.listen = "127.0.0.1:0".into();
    settings
}

impl Node {
    pub fn start(settings: Settings, namespaces: Vec<Namespace>) -> Self {
        let builder = namespaces.into_iter().fold(Gateway::builder(settings), GatewayBuilder::namespace);
        let listening = builder.build().unwrap().bind().unwrap();
        let (address, internal) = (listening.address(), listening.internal_address().unwrap());
        let (bus, emitter) = (listening.gateway().bus().clone(), listening.gateway().emitter());
        let (stop, stopped) = oneshot::channel();
        let serving = tokio::spawn(listening.serve(async { drop(stopped.await) }));
        Self { address, internal, bus, emitter, stop, serving }
    }

    /// Tells the node to stop; the report comes when it has.
    pub fn stop(self) -> JoinHandle<DrainReport> {
        drop(self.stop);
        self.serving
    }

    /// Members of a room, leaked ones included.
    pub fn members(&self, namespace: &str, room: &str) -> usize {
        self.bus.adapter(namespace).unwrap().members(room)
    }

    pub async fn get(&self, path: &str) -> (u16, String) {
        get(self.address, path).await
    }

    /// What operators see.
    pub async fn get_internal(&self, path: &str) -> (u16, String) {
        get(self.internal, path).await
    }

    /// The value of one line of `/metrics`.
    pub async fn metric(&self, line: &str) -> u64 {
        let (_, text) = self.get_internal("/metrics").await;
        let value = text.lines().find_map(|candidate| candidate.strip_prefix(line)?.strip_prefix(' '));
        value.unwrap_or_else(|| panic!("no metric {line} in\n{text}")).parse().unwrap()
    }
}

pub async fn get(address: SocketAddr, path: &str) -> (u16, String) {
    request(address, "GET", path, "").await
}

pub async fn request(address: SocketAddr, method: &str, path: &str, body: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

/// Waits for what is to come, but not for ever.
pub async fn soon<T>(awaited: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, awaited).await.expect("it never came")
}

/// Waits until a condition holds.
pub async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let start = Instant::now();
    while !condition().await {
        assert!(start.elapsed() < PATIENCE, "never came true: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A client that speaks the protocol by hand, over a websocket.
pub struct Client {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    /// The namespace as packets carry it: nothing for `/`, else with the comma.
    prefix: String,
    pub id: String,
    next_ack: u64,
    /// Packets that came while another one was waited for.
    inbox: Vec<String>,
}

impl Client {
    pub async fn connect(node: &Node, namespace: &str) -> Self {
        Self::try_connect(node, namespace, "").await.unwrap()
    }

    /// Connects with an `auth` object as JSON text; the error is that of `connect_error`.
    pub async fn try_connect(node: &Node, namespace: &str, auth: &str) -> Result<Self, String> {
        Self::try_connect_to(node.address, namespace, auth).await
    }

    /// The same, with a node that is not of this process.
    pub async fn try_connect_to(address: SocketAddr, namespace: &str, auth: &str) -> Result<Self, String> {
        let url = format!("ws://{address}/socket.io/?EIO=4&transport=websocket");
        let (socket, _) = tokio_tungstenite::connect_async(url).await.unwrap();
        let prefix = if namespace == "/" { String::new() } else { format!("{namespace},") };
        let mut client = Self { socket, prefix, id: String::new(), next_ack: 0, inbox: Vec::new() };
        client.packet(|packet| packet.starts_with('0')).await;
        client.send(&format!("40{}{auth}", client.prefix)).await;
        let (yes, no) = (format!("40{}", client.prefix), format!("44{}", client.prefix));
        let answer = client.packet(|packet| packet.starts_with(&yes) || packet.starts_with(&no)).await;
        let body: Value = serde_json::from_str(&answer[yes.len()..]).unwrap();
        if answer.starts_with(&no) {
            return Err(body["message"].as_str().unwrap().to_owned());
        }
        client.id = body["sid"].as_str().unwrap().to_owned();
        Ok(client)
    }

    /// Sends a raw Engine.IO packet.
    pub async fn send(&mut self, packet: &str) {
        self.socket.send(Message::text(packet)).await.unwrap();
    }

    /// Emits an event, given as JSON text of `[event, ...args]`, and asks for no answer.
    pub async fn emit(&mut self, event: &str) {
        let packet = format!("42{}{event}", self.prefix);
        self.send(&packet).await;
    }

    /// Emits an event and returns the number of the acknowledgement to come.
    pub async fn ask(&mut self, event: &str) -> u64 {
        self.next_ack += 1;
        let packet = format!("42{}{}{event}", self.prefix, self.next_ack);
        self.send(&packet).await;
        self.next_ack
    }

    /// The arguments of that acknowledgement.
    pub async fn answer(&mut self, number: u64) -> Value {
        let start = format!("43{}{number}[", self.prefix);
        let packet = self.packet(|packet| packet.starts_with(&start)).await;
        serde_json::from_str(&packet[start.len() - 1..]).unwrap()
    }

    /// Emits an event and returns the first argument of its acknowledgement.
    pub async fn request(&mut self, event: &str) -> Value {
        let number = self.ask(event).await;
        self.answer(number).await[0].take()
    }

    /// The arguments of the next event of that name, from those that came or will come.
    pub async fn hears(&mut self, event: &str) -> Vec<Value> {
        let start = format!("42{}[\"{event}\"", self.prefix);
        let packet = self.packet(|packet| packet.starts_with(&start)).await;
        let mut parts: Vec<Value> = serde_json::from_str(&packet[2 + self.prefix.len()..]).unwrap();
        parts.remove(0);
        parts
    }

    /// Whether an event of that name came before what was heard last.
    pub fn overheard(&self, event: &str) -> bool {
        let start = format!("42{}[\"{event}\"", self.prefix);
        self.inbox.iter().any(|packet| packet.starts_with(&start))
    }

    /// Closes the connection as a client that leaves in good order.
    pub async fn close(mut self) {
        self.send("1").await;
        let _ = self.socket.close(None).await;
    }

    /// The next packet that begins so.
    pub async fn raw(&mut self, start: &str) -> String {
        self.packet(|packet| packet.starts_with(start)).await
    }

    /// Reads until the server has closed the connection in order.
    pub async fn closed(mut self) {
        let end = async {
            loop {
                match self.socket.next().await {
                    Some(Ok(Message::Close(_))) => return,
                    Some(Ok(_)) => {}
                    other => panic!("the connection was not closed in order: {other:?}"),
                }
            }
        };
        tokio::time::timeout(PATIENCE, end).await.expect("the connection stayed");
    }

    async fn packet(&mut self, wanted: impl Fn(&str) -> bool) -> String {
        if let Some(at) = self.inbox.iter().position(|packet| wanted(packet)) {
            return self.inbox.remove(at);
        }
        let search = async {
            loop {
                match self.socket.next().await {
                    Some(Ok(Message::Text(text))) if text.as_str() == "2" => self.send("3").await,
                    Some(Ok(Message::Text(text))) if wanted(&text) => return text.to_string(),
                    Some(Ok(Message::Text(text))) => self.inbox.push(text.to_string()),
                    Some(Ok(_)) => {}
                    other => panic!("the connection ended: {other:?}"),
                }
            }
        };
        let found = tokio::time::timeout(PATIENCE, search).await;
        found.unwrap_or_else(|_| panic!("never came; instead: {:?}", self.inbox))
    }
}
