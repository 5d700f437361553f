//! Three servers of plain socketioxide with this adapter, in this process, and a client at each.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use roomcast_adapter::{
    Adapter, Bus, BusState, Dropped, Hub, Mode, Namespace, Operator, Profile, RedisSettings,
    SubscriptionMode, own_room,
};
use serde_json::{Value, json};
use socketioxide::SocketIo;
use socketioxide::extract::{SocketRef, TryData};
use socketioxide::handler::ConnectHandler;
use tokio::task::AbortHandle;

use crate::client::Client;
use crate::patience::until;
use crate::redis_server::RedisServer;

/// What connects the servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Hub,
    Redis(Mode),
    /// Classic, answering each server on its own channel.
    SpecificResponses,
}

pub const STATIC: Kind = Kind::Redis(Mode::Sharded(SubscriptionMode::Static));
pub const DYNAMIC: Kind = Kind::Redis(Mode::Sharded(SubscriptionMode::Dynamic));
pub const DYNAMIC_PRIVATE: Kind = Kind::Redis(Mode::Sharded(SubscriptionMode::DynamicPrivate));

/// A server; it stops when dropped.
pub struct Server {
    pub bus: Bus,
    pub io: Arc<SocketIo<Adapter>>,
    pub address: SocketAddr,
    task: AbortHandle,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    pub async fn start(bus: Bus) -> Self {
        let (layer, io) = SocketIo::builder()
            // Room for what comes at once; what does not fit is lost.
            .max_buffer_size(1024)
            .with_adapter::<Adapter>(bus.clone())
            .build_layer();
        let io = Arc::new(io);
        bus.attach(&io);
        for namespace in ["/", "/custom"] {
            io.ns(namespace, (async || {}).with(arriving));
        }
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let app = axum::Router::<()>::new().layer(layer);
        let task = tokio::spawn(async { axum::serve(listener, app).await.unwrap() }).abort_handle();
        Self { bus, io, address, task }
    }

    pub fn root(&self) -> Namespace {
        self.bus.of("/").unwrap()
    }

    pub fn to(&self, room: &str) -> Operator {
        self.root().to(room)
    }

    pub fn all(&self) -> Operator {
        self.root().all()
    }

    pub fn adapter(&self) -> Arc<Adapter> {
        self.bus.adapter("/").unwrap()
    }

    /// How many of this server's sockets are in a room.
    pub fn members(&self, room: &str) -> usize {
        self.adapter().members(room)
    }

    pub fn socket(&self, client: &Client) -> SocketRef<Adapter> {
        self.io.get_socket(client.id.parse().unwrap()).expect("no such socket on this server")
    }

    /// Waits until a socket of this server is in the room, and hears what is sent to it.
    pub async fn listens_to(&self, room: &str) {
        until("somebody has joined", async || self.members(room) > 0).await;
        self.adapter().until_subscribed(room).await;
    }

    pub async fn is_connected(&self) {
        let mut status = self.bus.status();
        let connected =
            status.wait_for(|status| matches!(status.state, BusState::Memory | BusState::Connected));
        crate::patience::in_time("the bus", connected).await.unwrap();
    }
}

async fn arriving(socket: SocketRef<Adapter>, TryData(auth): TryData<Value>) -> Result<(), Infallible> {
    socket.extensions.insert(Profile::new(auth.unwrap_or_default()));
    own_room(socket).await
}

pub struct Cluster {
    pub kind: Kind,
    pub servers: Vec<Server>,
    /// The first is at the first server, and so on.
    pub clients: Vec<Client>,
    prefix: String,
    hub: Hub,
    adjust: fn(&mut RedisSettings),
}

/// Longest wait for answers, where a story does not say: on a hub it is the default.
pub const ANSWERS: Duration = Duration::from_secs(2);

impl Cluster {
    pub async fn start(kind: Kind) -> Self {
        Self::start_with(kind, |_| {}).await
    }

    /// With other settings than those of all stories.
    pub async fn start_with(kind: Kind, adjust: fn(&mut RedisSettings)) -> Self {
        let prefix = if kind == Kind::Hub { "socket.io".into() } else { format!("test-{}", unique()) };
        let hub = Hub::new();
        let mut cluster = Self { kind, servers: Vec::new(), clients: Vec::new(), prefix, hub, adjust };
        for _ in 0..3 {
            let server = cluster.another().await;
            cluster.servers.push(server);
        }
        cluster.is_complete(3).await;
        for at in 0..3 {
            let client = cluster.connect(at).await;
            cluster.clients.push(client);
        }
        cluster
    }

    /// One more server.
    pub async fn another(&self) -> Server {
        Server::start(self.bus().await).await
    }

    async fn bus(&self) -> Bus {
        let (mode, specific_responses) = match self.kind {
            Kind::Hub => return Bus::joined(&self.hub),
            Kind::Redis(mode) => (mode, false),
            Kind::SpecificResponses => (Mode::Classic, true),
        };
        let mut settings = settings(&RedisServer::shared().await.url(), mode);
        settings.prefix.clone_from(&self.prefix);
        settings.specific_responses = specific_responses;
        (self.adjust)(&mut settings);
        Bus::redis(&settings).unwrap()
    }

    /// One more client at a server, after it can be reached from all of them.
    pub async fn connect(&self, at: usize) -> Client {
        let client = Client::connect(self.servers[at].address, "/", json!({"at": at}), "").await;
        self.servers[at].listens_to(&client.id).await;
        client
    }

    /// Waits until every one of the servers knows and hears so many.
    pub async fn is_complete(&self, number: usize) {
        for server in &self.servers[..number] {
            server.is_connected().await;
            until("all servers know each other", async || {
                let nodes = server.bus.nodes().borrow().clone();
                nodes.len() == number && nodes.iter().all(|node| node.sockets.contains_key("/"))
            })
            .await;
            until("all servers listen", async || server.root().server_count().await == Some(number as u64))
                .await;
        }
    }

    /// Makes the client of a server join a room, from its own server.
    pub async fn join(&self, at: usize, room: &str) {
        self.servers[at].socket(&self.clients[at]).join(room.to_owned());
        self.servers[at].listens_to(room).await;
    }

    /// What each client has heard until now of what a server has sent to it: one more event goes the same way.
    pub async fn heard_from(&self, from: usize) -> Vec<Vec<Value>> {
        let fence = format!("fence-{}", unique());
        self.servers[from].all().emit(&fence, &()).unwrap();
        let mut heard = Vec::new();
        for client in &self.clients {
            heard.push(client.heard_before(&fence).await);
        }
        heard
    }

    /// Nothing waits, nothing was lost, nothing was malformed.
    pub async fn is_clean(&self) {
        for server in &self.servers {
            until("no request waits", async || server.bus.pending_requests() == 0).await;
            let counters = server.bus.counters();
            assert_eq!(counters.undecodable, 0);
            for reason in [Dropped::OutboxFull, Dropped::OutboxAge, Dropped::Rejected, Dropped::ClientQueue] {
                assert_eq!(counters.dropped(reason), 0, "{}", reason.label());
            }
        }
    }

    /// Publishes as somebody else; `channel` begins after the prefix.
    pub async fn publish(&self, channel: &str, payload: &[u8]) {
        let channel = format!("{}{channel}", self.prefix);
        let command = match self.kind {
            Kind::Hub => {
                return self.servers.iter().for_each(|server| server.bus.receive(&channel, payload));
            }
            Kind::Redis(Mode::Sharded(_)) => "SPUBLISH",
            _ => "PUBLISH",
        };
        let mut redis = RedisServer::shared().await.connection().await;
        let heard: u64 = redis::cmd(command).arg(channel).arg(payload).query_async(&mut redis).await.unwrap();
        assert_eq!(heard, 3, "not every server listens there");
    }
}

/// A number that no other test has.
pub fn unique() -> String {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).unwrap();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Settings that make tests quick.
pub fn settings(url: &str, mode: Mode) -> RedisSettings {
    let mut settings = RedisSettings::new(url);
    settings.mode = mode;
    settings.requests_timeout = ANSWERS;
    settings.heartbeat_interval = Duration::from_millis(100);
    settings
}
