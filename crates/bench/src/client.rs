//! A Socket.IO client over a bare websocket, cheap enough that one thread has thousands of them: it sends prepared text,
//! and what arrives is not parsed.

use std::net::SocketAddr;

use anyhow::{Context, bail};
use futures_util::{SinkExt, StreamExt};
use serde_json::json;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use crate::packet::{self, PING, PONG, Packets};

/// Some events of a few hundred bytes at once; it is allocated for each client.
const READ_BUFFER: usize = 4 * 1024;

/// A connected client of one namespace.
#[derive(Debug)]
pub(crate) struct Client {
    socket: WebSocketStream<TcpStream>,
    packets: Packets,
    /// Number of the next acknowledgement.
    next: u64,
}

impl Client {
    /// Connects to a namespace other than `/`.
    pub(crate) async fn connect(node: SocketAddr, namespace: &str) -> anyhow::Result<Self> {
        Self::connect_as(node, namespace, "").await
    }

    /// The same; `auth` is the JSON text of the object that Socket.IO calls so, or empty.
    pub(crate) async fn connect_as(node: SocketAddr, namespace: &str, auth: &str) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(node).await.with_context(|| format!("cannot connect to {node}"))?;
        // As browsers do.
        stream.set_nodelay(true)?;
        let config = WebSocketConfig::default().read_buffer_size(READ_BUFFER);
        let url = format!("ws://{node}/socket.io/?EIO=4&transport=websocket");
        let (socket, _) = client_async_with_config(url, stream, Some(config)).await?;
        let mut client = Self { socket, packets: Packets::of(namespace), next: 0 };
        let open = client.packet().await?;
        if !open.starts_with('0') {
            bail!("the node does not speak Engine.IO: {open}");
        }
        let connect = format!("{}{auth}", client.packets.connect());
        client.feed(connect).await?;
        client.flush().await?;
        loop {
            let answer = client.packet().await?;
            if client.packets.is_refused(&answer) {
                bail!("the node has refused the client: {answer}");
            }
            if client.packets.is_connected(&answer) {
                return Ok(client);
            }
        }
    }

    pub(crate) fn packets(&self) -> &Packets {
        &self.packets
    }

    /// Joins a room and waits until the node says that it is so.
    pub(crate) async fn join(&mut self, room: &str) -> anyhow::Result<()> {
        let number = self.ask(&json!(["join", room]).to_string()).await?;
        self.flush().await?;
        loop {
            let packet = self.packet().await?;
            match self.packets.acknowledgement(&packet) {
                Some((answered, arguments)) if answered == number => {
                    if packet::is_ok(arguments) {
                        return Ok(());
                    }
                    bail!("the node has refused to let the client join {room}: {arguments}");
                }
                _ => {}
            }
        }
    }

    /// Queues an event, `[name, ...args]` as JSON, that is to be acknowledged; gives the acknowledgement's number.
    pub(crate) async fn ask(&mut self, json: &str) -> anyhow::Result<u64> {
        let number = self.next;
        self.next += 1;
        self.feed(self.packets.event(Some(number), json)).await?;
        Ok(number)
    }

    /// Queues an event that needs no answer.
    pub(crate) async fn emit(&mut self, json: &str) -> anyhow::Result<()> {
        self.feed(self.packets.event(None, json)).await
    }

    /// Sends what is queued.
    pub(crate) async fn flush(&mut self) -> anyhow::Result<()> {
        self.socket.flush().await.context("the connection is lost")
    }

    /// The next packet that is no heartbeat. Nothing is lost if it is not waited for to the end.
    pub(crate) async fn packet(&mut self) -> anyhow::Result<Utf8Bytes> {
        loop {
            match self.socket.next().await {
                Some(Ok(Message::Text(text))) if text.as_str() == PING => {
                    self.feed(PONG.to_owned()).await?;
                    self.flush().await?;
                }
                Some(Ok(Message::Text(text))) => return Ok(text),
                Some(Ok(Message::Close(_))) | None => bail!("the node has closed a client's connection"),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error).context("a client has lost its connection"),
            }
        }
    }

    async fn feed(&mut self, packet: String) -> anyhow::Result<()> {
        self.socket.feed(Message::text(packet)).await.context("the connection is lost")
    }
}
