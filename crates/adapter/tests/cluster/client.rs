//! A Socket.IO client that speaks the protocol by hand, over a websocket.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::patience::in_time;

type Stream = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// One connection; it ends when dropped.
pub struct Connection {
    outgoing: mpsc::Sender<Vec<Message>>,
    state: Arc<State>,
    task: AbortHandle,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A socket: a connection's part in one namespace.
#[derive(Clone)]
pub struct Client {
    connection: Arc<Connection>,
    namespace: String,
    pub id: String,
}

/// Something that came; binary stands as JavaScript's `Buffer` in JSON.
#[derive(Debug, Clone, PartialEq)]
pub struct Packet {
    kind: char,
    namespace: String,
    ack: Option<u64>,
    pub data: Value,
}

/// How the client acknowledges events that ask for it.
#[derive(Clone, Default)]
enum Answer {
    #[default]
    Never,
    With(Value),
    Binary(Bytes),
}

#[derive(Default)]
struct State {
    inbox: Mutex<Vec<Packet>>,
    answer: Mutex<Answer>,
    came: watch::Sender<u64>,
}

impl Client {
    /// Connects to a namespace. `query` is added to the URL.
    pub async fn connect(server: SocketAddr, namespace: &str, auth: Value, query: &str) -> Self {
        let url = format!("ws://{server}/socket.io/?EIO=4&transport=websocket{query}");
        let (stream, _) = in_time("a websocket", tokio_tungstenite::connect_async(url)).await.unwrap();
        let state = Arc::<State>::default();
        let (outgoing, queue) = mpsc::channel(64);
        let task = tokio::spawn(run(stream, queue, Arc::clone(&state))).abort_handle();
        Connection { outgoing, state, task }.enter(namespace, auth).await
    }

    /// A socket of the same connection in another namespace.
    pub async fn also(&self, namespace: &str) -> Self {
        enter(Arc::clone(&self.connection), namespace, json!({})).await
    }

    /// Acknowledges what asks for it, from now on.
    pub fn answers(&self, value: Value) {
        *self.connection.state.answer.lock().unwrap() = Answer::With(value);
    }

    /// The same with bytes.
    pub fn answers_bytes(&self, bytes: &'static [u8]) {
        *self.connection.state.answer.lock().unwrap() = Answer::Binary(Bytes::from_static(bytes));
    }

    /// Emits `[event, ...args]`.
    pub async fn emit(&self, event: &Value) {
        self.connection.send(format!("42{}{event}", prefix(&self.namespace))).await;
    }

    /// Acknowledges now the event that came first of those that ask for it.
    pub async fn acknowledge(&self, value: &Value) {
        let asked = self.wait(|packet| packet.kind == '2' && packet.ack.is_some()).await;
        let id = asked.ack.unwrap();
        self.connection.send(format!("43{}{id}[{value}]", prefix(&self.namespace))).await;
    }

    /// The arguments of the next event of this name.
    pub async fn hears(&self, event: &str) -> Vec<Value> {
        let packet = self.wait(|packet| packet.kind == '2' && packet.data[0] == event).await;
        let Value::Array(mut args) = packet.data else { panic!("no event: {:?}", packet.data) };
        args.remove(0);
        args
    }

    /// Whether an event of this name has come.
    pub fn has_heard(&self, event: &str) -> bool {
        let inbox = self.connection.state.inbox.lock().unwrap();
        inbox.iter().any(|packet| packet.namespace == self.namespace && packet.data[0] == event)
    }

    /// The events that came before one of this name, which is waited for.
    pub async fn heard_before(&self, event: &str) -> Vec<Value> {
        self.hears(event).await;
        let mut inbox = self.connection.state.inbox.lock().unwrap();
        let mine = inbox.extract_if(.., |packet| packet.kind == '2' && packet.namespace == self.namespace);
        mine.map(|packet| packet.data).collect()
    }

    /// Waits until the server has disconnected this socket from its namespace.
    pub async fn is_disconnected(&self) {
        self.wait(|packet| packet.kind == '1').await;
    }

    async fn wait(&self, wanted: impl Fn(&Packet) -> bool) -> Packet {
        self.connection.state.take(|packet| packet.namespace == self.namespace && wanted(packet)).await
    }
}

impl Connection {
    async fn enter(self, namespace: &str, auth: Value) -> Client {
        enter(Arc::new(self), namespace, auth).await
    }

    async fn send(&self, packet: String) {
        self.outgoing.send(vec![Message::text(packet)]).await.expect("the connection has ended");
    }
}

async fn enter(connection: Arc<Connection>, namespace: &str, auth: Value) -> Client {
    connection.send(format!("40{}{auth}", prefix(namespace))).await;
    let is_reply = |packet: &Packet| packet.namespace == namespace && matches!(packet.kind, '0' | '4');
    let reply = connection.state.take(is_reply).await;
    assert_eq!(reply.kind, '0', "{}", reply.data);
    let id = reply.data["sid"].as_str().unwrap().to_owned();
    Client { connection, namespace: namespace.to_owned(), id }
}

impl State {
    async fn take(&self, wanted: impl Fn(&Packet) -> bool) -> Packet {
        let mut came = self.came.subscribe();
        let search = async {
            loop {
                came.mark_unchanged();
                {
                    let mut inbox = self.inbox.lock().unwrap();
                    if let Some(at) = inbox.iter().position(&wanted) {
                        return inbox.remove(at);
                    }
                }
                came.changed().await.unwrap();
            }
        };
        let found = tokio::time::timeout(crate::patience::PATIENCE, search).await;
        found.unwrap_or_else(|_| panic!("never came; instead: {:?}", self.inbox.lock().unwrap()))
    }
}

fn prefix(namespace: &str) -> String {
    if namespace == "/" { String::new() } else { format!("{namespace},") }
}

async fn run(mut stream: Stream, mut queue: mpsc::Receiver<Vec<Message>>, state: Arc<State>) {
    // A packet whose attachments are still to come.
    let mut unfinished: Option<(Packet, usize, Vec<Bytes>)> = None;
    loop {
        tokio::select! {
            Some(messages) = queue.recv() => {
                for message in messages {
                    if stream.send(message).await.is_err() {
                        break;
                    }
                }
            }
            message = stream.next() => match message {
                Some(Ok(Message::Text(text))) if text.as_str() == "2" => _ = stream.send(Message::text("3")).await,
                Some(Ok(Message::Text(text))) => if let Some(text) = text.strip_prefix('4') {
                    let (packet, attachments) = parse(text);
                    if attachments > 0 {
                        unfinished = Some((packet, attachments, Vec::new()));
                    } else {
                        came(&mut stream, &state, packet).await;
                    }
                },
                Some(Ok(Message::Binary(bytes))) => {
                    let (mut packet, expected, mut parts) = unfinished.take().expect("bytes without a packet");
                    parts.push(bytes);
                    if parts.len() == expected {
                        fill(&mut packet.data, &parts);
                        came(&mut stream, &state, packet).await;
                    } else {
                        unfinished = Some((packet, expected, parts));
                    }
                }
                Some(Ok(Message::Close(_)) | Err(_)) | None => break,
                Some(Ok(_)) => {}
            }
        }
    }
}

/// Acknowledges the packet if it asks for it and the client does that; else it goes into the inbox.
async fn came(stream: &mut Stream, state: &State, packet: Packet) {
    let answer = state.answer.lock().unwrap().clone();
    if let (Some(id), '2') = (packet.ack, packet.kind) {
        let prefix = prefix(&packet.namespace);
        let messages = match answer {
            Answer::Never => vec![],
            Answer::With(value) => vec![Message::text(format!("43{prefix}{id}[{value}]"))],
            Answer::Binary(bytes) => vec![
                Message::text(format!(r#"461-{prefix}{id}[{{"_placeholder":true,"num":0}}]"#)),
                Message::binary(bytes),
            ],
        };
        for message in messages {
            stream.send(message).await.unwrap();
        }
    }
    state.inbox.lock().unwrap().push(packet);
    state.came.send_modify(|number| *number += 1);
}

/// `<kind>[<attachments>-][<namespace>,][<id>]<json>`
fn parse(text: &str) -> (Packet, usize) {
    let kind = text.chars().next().unwrap();
    let mut rest = &text[1..];
    let mut attachments = 0;
    if matches!(kind, '5' | '6') {
        let (count, after) = rest.split_once('-').unwrap();
        (attachments, rest) = (count.parse().unwrap(), after);
    }
    let mut namespace = "/";
    if rest.starts_with('/') {
        (namespace, rest) = rest.split_once(',').unwrap_or((rest, ""));
    }
    let digits = rest.find(|char: char| !char.is_ascii_digit()).unwrap_or(rest.len());
    let ack = rest[..digits].parse().ok();
    let data = if rest.len() > digits { serde_json::from_str(&rest[digits..]).unwrap() } else { Value::Null };
    // Whether an event has attachments makes no difference once they are in place.
    let kind = match kind {
        '5' => '2',
        '6' => '3',
        other => other,
    };
    (Packet { kind, namespace: namespace.to_owned(), ack, data }, attachments)
}

fn fill(value: &mut Value, parts: &[Bytes]) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| fill(item, parts)),
        Value::Object(map) if map.contains_key("_placeholder") => {
            let at = usize::try_from(map["num"].as_u64().unwrap()).unwrap();
            *value = json!({"type": "Buffer", "data": &parts[at][..]});
        }
        Value::Object(map) => map.values_mut().for_each(|item| fill(item, parts)),
        _ => {}
    }
}
