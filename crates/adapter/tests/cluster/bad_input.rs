//! What anybody may publish on the channels of a node: it is counted, and forgotten.

use redis::aio::MultiplexedConnection;
use roomcast_adapter::{Mode, SubscriptionMode};
use serde_json::{Value, json};

use crate::client::Client;
use crate::node_process::NodeProcess;
use crate::patience::until;
use crate::redis_server::RedisServer;
use crate::servers::unique;

const SHARDED: Mode = Mode::Sharded(SubscriptionMode::Dynamic);

struct Target {
    node: NodeProcess,
    client: Client,
    redis: MultiplexedConnection,
    publish: &'static str,
    channels: Vec<String>,
    _server: RedisServer,
}

impl Target {
    async fn start(mode: Mode) -> Self {
        // Otherwise Redis itself protects the node from large messages, by disconnecting it.
        let server = RedisServer::start(&["--client-output-buffer-limit", "pubsub 0 0 0"]).await;
        let prefix = format!("test-{}", unique());
        let sharded = mode != Mode::Classic;
        let name = if sharded { "sharded-dynamic" } else { "classic" };
        let mut node =
            NodeProcess::start(&json!({"redis": server.url(), "mode": name, "prefix": prefix})).await;
        let mut state = Value::Null;
        until("it is connected", async || {
            state = node.run("status").await;
            state["state"] == "connected"
        })
        .await;
        let address = ([127, 0, 0, 1], node.port).into();
        let client = Client::connect(address, "/", json!({}), "").await;
        let id = node.run("nodes").await[0]["id"].as_str().unwrap().to_owned();
        let channels = match mode {
            Mode::Classic => vec![
                format!("{prefix}#/#"),
                format!("{prefix}#/#{}#", client.id),
                format!("{prefix}-request#/#"),
                format!("{prefix}-response#/#"),
                format!("{prefix}-response#/#{id}#"),
            ],
            _ => vec![format!("{prefix}#/#"), format!("{prefix}#/#{id}#")],
        };
        let redis = server.connection().await;
        let publish = if sharded { "SPUBLISH" } else { "PUBLISH" };
        Self { node, client, redis, publish, channels, _server: server }
    }

    async fn publish(&mut self, channel: &str, payload: &[u8]) {
        let mut command = redis::cmd(self.publish);
        let heard: u64 = command.arg(channel).arg(payload).query_async(&mut self.redis).await.unwrap();
        assert_eq!(heard, 1, "the node does not listen to {channel}");
    }

    async fn undecodable(&mut self) -> u64 {
        self.node.run("counters").await["undecodable"].as_u64().unwrap()
    }

    /// A good event of another server reaches the client: all that was published before has been handled.
    async fn still_works(&mut self) {
        let fence = unique();
        let (channel, payload) = (self.channels[0].clone(), event(self.publish == "SPUBLISH", &fence));
        self.publish(&channel, &payload).await;
        self.client.hears(&fence).await;
    }
}

/// An event to all as another server sends it.
fn event(sharded: bool, name: &str) -> Vec<u8> {
    if sharded {
        let opts = json!({"rooms": [], "except": [], "flags": {}});
        let data = json!({"packet": {"type": 2, "data": [name]}, "opts": opts});
        return json!({"type": 3, "data": data, "uid": "0101010101010101", "nsp": "/"})
            .to_string()
            .into_bytes();
    }
    let mut bytes = b"\x93\xa6AAAAAA\x83\xa4type\x02\xa4data\x91\xd9".to_vec();
    bytes.push(name.len().try_into().unwrap());
    bytes.extend(name.as_bytes());
    bytes.extend(b"\xa3nsp\xa1/\x83\xa5rooms\x90\xa6except\x90\xa5flags\x80");
    bytes
}

/// Good messages of all kinds, to be cut off.
fn good(sharded: bool) -> Vec<Vec<u8>> {
    let opts = json!({"rooms": ["a"], "except": [], "flags": {}});
    let texts: Vec<Value> = if sharded {
        let envelope = |kind: u8, data: Value| json!({"type": kind, "data": data, "uid": "0101010101010101", "nsp": "/"});
        vec![
            envelope(4, json!({"opts": opts, "rooms": ["b"]})),
            envelope(6, json!({"opts": opts, "close": true})),
            envelope(7, json!({"opts": opts, "requestId": "r"})),
            envelope(8, json!({"requestId": "r", "sockets": [{"id": "x"}]})),
            envelope(9, json!({"packet": ["e", 1], "requestId": "r"})),
            envelope(12, json!({"requestId": "r", "packet": 1})),
        ]
    } else {
        vec![
            json!({"uid": "AAAAAA", "type": 2, "opts": opts, "rooms": ["b"]}),
            json!({"uid": "AAAAAA", "requestId": "r", "type": 5, "opts": opts}),
            json!({"uid": "AAAAAA", "requestId": "r", "type": 6, "data": ["e", 1]}),
            json!({"type": 8, "requestId": "r", "clientCount": 1}),
        ]
    };
    let texts = texts.iter().map(|text| text.to_string().into_bytes());
    texts.chain([event(sharded, "cut off")]).collect()
}

async fn nonsense(mode: Mode) {
    let mut target = Target::start(mode).await;
    let sharded = mode != Mode::Classic;
    let mut published = 0;
    let mut messages: Vec<Vec<u8>> = vec![vec![], b"{".to_vec(), b"null".to_vec(), vec![0xc1], vec![0xff; 9]];
    for length in 1..60 {
        let mut random = vec![0; length];
        getrandom::fill(&mut random).unwrap();
        messages.push(random);
    }
    for message in good(sharded) {
        // The whole message is none of them.
        messages.extend((1..message.len()).step_by(3).map(|end| message[..end].to_vec()));
    }
    for channel in target.channels.clone() {
        for message in &messages {
            target.publish(&channel, message).await;
            published += 1;
        }
    }
    target.still_works().await;
    let undecodable = target.undecodable().await;
    // A few random bytes, or cut off broadcasts for rooms that nobody is in, are not looked at closely.
    assert!(undecodable > published * 9 / 10, "only {undecodable} of {published}");
    let lines = target.node.log_lines("undecodable");
    assert!((1..=5).contains(&lines), "{lines} lines in the log");
    assert_eq!(target.node.run("counters").await["pending"], 0);
}

const LARGE: usize = 64 << 20;

/// What a large message is, the number of the channel it goes to, and itself.
type Large = (&'static str, usize, Vec<u8>);

/// A message of 64 MB that is mostly `filling`, again and again.
fn around(start: &str, filling: &[u8], end: &str) -> Vec<u8> {
    let mut message = start.as_bytes().to_vec();
    message.reserve(LARGE + end.len());
    while message.len() < LARGE {
        message.extend_from_slice(filling);
    }
    message.extend_from_slice(end.as_bytes());
    message
}

fn large_requests(sharded: bool) -> Vec<Large> {
    let (channel, opts, end) = if sharded {
        let fetch = r#"{"type":7,"uid":"u","nsp":"/","data":{"requestId":"r","opts":{"rooms":["#;
        (0, fetch, "0]}}}")
    } else {
        (2, r#"{"uid":"u","requestId":"r","type":5,"opts":{"rooms":["#, "0]}}")
    };
    let in_string = format!("{opts}\"");
    let mut messages = vec![
        ("garbage", 0, around("", &[0xc1, 0x93, 7], "")),
        ("nested arrays of MessagePack", 0, around("", &[0x91], "")),
        ("nested arrays of JSON", channel, around(opts, b"[", "")),
        ("one string", channel, around(&in_string, b"aaaaaaaa", &format!("\",{end}"))),
        ("a string without an end", channel, around(&in_string, b"aaaaaaaa", "")),
        ("many rooms", channel, around(opts, b"0,", end)),
    ];
    if !sharded {
        // {rooms: [null, ...]} with 67 million of them
        let mut rooms =
            b"\x93\xa1u\x83\xa4type\x02\xa4data\x91\xa1e\xa3nsp\xa1/\x81\xa5rooms\xdd\x04\0\0\0".to_vec();
        rooms.resize(rooms.len() + LARGE, 0xc0);
        messages.push(("many rooms of MessagePack", 0, rooms));
    }
    messages
}

fn large_answers(sharded: bool) -> Vec<Large> {
    let (channel, fetched, end) = if sharded {
        (1, r#"{"type":8,"uid":"u","nsp":"/","data":{"requestId":"r","sockets":["#, "0]}}")
    } else {
        (3, r#"{"requestId":"r","sockets":["#, "0]}")
    };
    vec![
        ("many sockets", channel, around(fetched, b"0,", end)),
        ("many objects", channel, around(fetched, br#"{"":[]},"#, end)),
    ]
}

async fn take_little_memory(mode: Mode, messages: fn(bool) -> Vec<Large>) {
    let mut target = Target::start(mode).await;
    target.still_works().await;
    target.node.peak_memory();
    let before = target.node.peak_memory();
    for (what, channel, message) in messages(mode != Mode::Classic) {
        let channel = target.channels[channel].clone();
        target.publish(&channel, &message).await;
        target.still_works().await;
        let peak = target.node.peak_memory().saturating_sub(before);
        let times = peak as f64 / message.len() as f64;
        assert!(times < 6.0, "{what}: {times:.1} times its size");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nonsense_on_classic_channels() {
    nonsense(Mode::Classic).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nonsense_on_sharded_channels() {
    nonsense(SHARDED).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_requests_on_classic_channels() {
    take_little_memory(Mode::Classic, large_requests).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_requests_on_sharded_channels() {
    take_little_memory(SHARDED, large_requests).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_answers_on_classic_channels() {
    take_little_memory(Mode::Classic, large_answers).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_answers_on_sharded_channels() {
    take_little_memory(SHARDED, large_answers).await;
}
