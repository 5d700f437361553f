//! A plain socketioxide server with this adapter, driven by JSON lines on its standard input: what the behaviour suites
//! put side by side with Node servers. The first argument is the configuration, see [`Config`].

mod values;

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail};
use axum::extract::{ConnectInfo, Request};
use axum::middleware::{Next, from_fn};
use roomcast_adapter::{
    Adapter, Bus, ClientAddress, Dropped, Missing, Mode, Operator, Profile, RedisSettings, SubscriptionMode,
};
use serde::Deserialize;
use serde_json::{Value, json};
use socketioxide::SocketIo;
use socketioxide::extract::{AckSender, Data, SocketRef, TryData};
use socketioxide::handler::ConnectHandler;
use socketioxide_core::Str;
use socketioxide_core::packet::Packet;
use tokio::io::{AsyncBufReadExt, BufReader};

/// How the server is set up.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Config {
    redis: Option<String>,
    mode: Option<String>,
    prefix: Option<String>,
    requests_timeout: Option<u64>,
    tls_ca: Option<String>,
    specific_responses: Option<bool>,
    outbox: Option<Outbox>,
    max_buffer_size: Option<usize>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Outbox {
    messages: Option<usize>,
    bytes: Option<usize>,
    age_ms: Option<u64>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Call {
    id: Value,
    op: String,
    nsp: Option<String>,
    to: Vec<String>,
    except: Vec<String>,
    flags: CallFlags,
    args: Vec<Value>,
    rooms: Vec<String>,
    sid: String,
    event: String,
    #[serde(deserialize_with = "present")]
    reply: Option<Value>,
    close: bool,
    data: Value,
}

/// `null` is a reply, too.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct CallFlags {
    local: bool,
    volatile: bool,
    timeout: Option<u64>,
}

struct Peer {
    bus: Bus,
    io: Arc<SocketIo<Adapter>>,
    /// By namespace and event.
    heard: Mutex<HashMap<(String, String), Vec<Value>>>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_env_filter("info").init();
    let config: Config = serde_json::from_str(&std::env::args().nth(1).context("no configuration")?)?;
    let bus = match &config.redis {
        None => Bus::memory(),
        Some(url) => Bus::redis(&settings(url, &config)?)?,
    };
    let (layer, io) = SocketIo::builder()
        .max_buffer_size(config.max_buffer_size.unwrap_or(128))
        .with_adapter::<Adapter>(bus.clone())
        .build_layer();
    let io = Arc::new(io);
    bus.attach(&io);
    for namespace in ["/", "/custom"] {
        io.ns(namespace, (async || {}).with(arriving));
    }
    let app = axum::Router::<()>::new().layer(layer).layer(from_fn(with_address));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    say(&json!({"event": "listening", "port": listener.local_addr()?.port(), "node": bus.node_id()}));
    tokio::spawn(async move {
        axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()).await
    });

    let peer = Arc::new(Peer { bus, io, heard: Mutex::default() });
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        let call: Call = serde_json::from_str(&line).with_context(|| line.clone())?;
        let peer = Arc::clone(&peer);
        tokio::spawn(async move {
            let id = call.id.clone();
            say(&match run(&peer, call).await {
                Ok(result) => json!({"id": id, "result": result}),
                Err(error) => json!({"id": id, "error": format!("{error:#}")}),
            });
        });
    }
    Ok(())
}

fn settings(url: &str, config: &Config) -> anyhow::Result<RedisSettings> {
    let mut settings = RedisSettings::new(url);
    settings.mode = match config.mode.as_deref().unwrap_or("classic") {
        "classic" => Mode::Classic,
        "sharded-static" => Mode::Sharded(SubscriptionMode::Static),
        "sharded-dynamic" => Mode::Sharded(SubscriptionMode::Dynamic),
        "sharded-dynamic-private" => Mode::Sharded(SubscriptionMode::DynamicPrivate),
        other => bail!("there is no mode {other}"),
    };
    settings.node_name = format!("peer-{}", std::process::id());
    if let Some(prefix) = &config.prefix {
        settings.prefix.clone_from(prefix);
    }
    if let Some(timeout) = config.requests_timeout {
        settings.requests_timeout = Duration::from_millis(timeout);
    }
    if let Some(file) = &config.tls_ca {
        settings.tls_ca = Some(std::fs::read(file)?);
    }
    settings.specific_responses = config.specific_responses.unwrap_or(false);
    if let Some(Outbox { messages, bytes, age_ms }) = &config.outbox {
        settings.outbox_messages = messages.unwrap_or(settings.outbox_messages);
        settings.outbox_bytes = bytes.unwrap_or(settings.outbox_bytes);
        settings.outbox_age = age_ms.map_or(settings.outbox_age, Duration::from_millis);
    }
    Ok(settings)
}

/// Lets the handshakes that other servers see have the client's address.
async fn with_address(
    ConnectInfo(client): ConnectInfo<SocketAddr>,
    mut request: Request,
    next: Next,
) -> axum::response::Response {
    request.extensions_mut().insert(ClientAddress(client));
    next.run(request).await
}

/// What a client may count on when it is told that it is connected.
async fn arriving(socket: SocketRef<Adapter>, TryData(auth): TryData<Value>) -> Result<(), Infallible> {
    socket.join(socket.id);
    socket.extensions.insert(Profile::new(auth.unwrap_or_default()));
    socket.on("echo", async |Data::<Value>(data), ack: AckSender<Adapter>| _ = ack.send(&data));
    Ok(())
}

fn say(line: &Value) {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    // Who drives us has gone; the end of the standard input ends us, too.
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

async fn run(peer: &Arc<Peer>, mut call: Call) -> anyhow::Result<Value> {
    let namespace = call.nsp.take().unwrap_or_else(|| "/".into());
    let all = peer.bus.of(&namespace).context("no such namespace")?;
    let chosen = choose(all.all(), &call);
    Ok(match &*call.op {
        "emit" => {
            chosen.emit_packet(packet(&namespace, &call.args)?)?;
            Value::Null
        }
        "emitWithAck" => {
            let acks = chosen.emit_packet_with_ack(packet(&namespace, &call.args)?).await?;
            let replies: Vec<Value> = acks.replies.iter().map(values::reply).collect();
            json!({
                "replies": replies,
                "expected": acks.expected,
                "complete": acks.is_complete(),
                "missing": missing(&acks.missing),
            })
        }
        "fetchSockets" => {
            let found = chosen.fetch_sockets().await;
            json!({"sockets": found.items, "missing": missing(&found.missing)})
        }
        "socketsJoin" => {
            chosen.join(call.rooms);
            Value::Null
        }
        "socketsLeave" => {
            chosen.leave(call.rooms);
            Value::Null
        }
        "disconnectSockets" => {
            chosen.disconnect(call.close);
            Value::Null
        }
        "serverSideEmit" => {
            let (name, args) = split(&call.args)?;
            all.server_side_emit(name, &values::Tuple(args))?;
            Value::Null
        }
        "serverSideEmitWithAck" => {
            let (name, args) = split(&call.args)?;
            let answers = all.server_side_emit_with_ack(name, &values::Tuple(args)).await?;
            let replies: Vec<Value> = answers.items.iter().map(values::reply).collect();
            json!({"replies": replies, "complete": answers.missing.is_none(), "missing": missing(&answers.missing)})
        }
        "onServerSideEmit" => {
            let peer = Arc::clone(peer);
            let reply = call.reply;
            all.on_server_side_emit(call.event, move |event| {
                let key = (namespace.clone(), event.name().to_owned());
                let mut message = values::reply(&event.message());
                let args = message.as_array_mut().map(|all| all.split_off(1)).unwrap_or_default();
                peer.heard.lock().expect("nobody panics with it").entry(key).or_default().push(args.into());
                if let Some(reply) = &reply
                    && let Err(error) = event.answer(&values::Binary(reply))
                {
                    tracing::error!(%error, "cannot answer");
                }
            });
            Value::Null
        }
        "heard" => {
            let heard = peer.heard.lock().expect("nobody panics with it");
            heard.get(&(namespace, call.event)).cloned().unwrap_or_default().into()
        }
        "allRooms" => {
            let rooms = all.all_rooms().await;
            json!({"rooms": rooms.items, "missing": missing(&rooms.missing)})
        }
        "serverCount" => json!(all.server_count().await),
        _ => local(peer, &namespace, call).await?,
    })
}

/// What concerns only this server.
async fn local(peer: &Peer, namespace: &str, call: Call) -> anyhow::Result<Value> {
    let here = peer.io.of(namespace).context("no such namespace")?;
    let socket = || {
        let sid = call.sid.parse().context("that is no id of ours")?;
        peer.io.of(namespace).and_then(|here| here.get_socket(sid)).context("no such socket")
    };
    Ok(match &*call.op {
        "sockets" => json!(here.sockets().iter().map(|socket| socket.id.to_string()).collect::<Vec<_>>()),
        "rooms" => json!(socket()?.rooms()),
        "join" => {
            socket()?.join(call.rooms.clone());
            Value::Null
        }
        "leave" => {
            socket()?.leave(call.rooms.clone());
            Value::Null
        }
        "setData" => {
            let socket = socket()?;
            let profile = socket.extensions.get::<Profile>().context("no profile")?;
            socket.extensions.insert(profile.with_data(call.data.clone()));
            Value::Null
        }
        "nodes" => {
            let nodes = peer.bus.nodes().borrow().clone();
            let entry = |node: &roomcast_adapter::Node| {
                let mut entry = json!(node);
                entry["self"] = json!(node.id == peer.bus.node_id());
                entry
            };
            nodes.iter().map(entry).collect()
        }
        "status" => {
            let status = peer.bus.status().borrow().clone();
            let since = status.since.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
            json!({
                "state": status.state.as_str(),
                "reason": status.reason,
                "since": u64::try_from(since)?,
                "now": u64::try_from(now)?,
            })
        }
        "counters" => {
            let now = peer.bus.counters();
            let (messages, bytes) = peer.bus.outbox_depth();
            let dropped: HashMap<_, _> =
                Dropped::ALL.map(|reason| (reason.label(), now.dropped(reason))).into_iter().collect();
            json!({
                "published": now.published, "received": now.received, "undecodable": now.undecodable,
                "connects": now.connects, "deafMillis": now.deaf_millis, "requests": now.requests,
                "incomplete": now.incomplete, "outboxMessages": messages, "outboxBytes": bytes,
                "pending": peer.bus.pending_requests(), "dropped": dropped,
            })
        }
        "close" => {
            peer.bus.close().await;
            Value::Null
        }
        other => bail!("there is no operation {other}"),
    })
}

fn choose(all: Operator, call: &Call) -> Operator {
    let mut chosen = call.to.iter().fold(all, roomcast_adapter::Operator::to);
    chosen = call.except.iter().fold(chosen, roomcast_adapter::Operator::except);
    if call.flags.local {
        chosen = chosen.local();
    }
    if call.flags.volatile {
        chosen = chosen.volatile();
    }
    match call.flags.timeout {
        Some(millis) => chosen.timeout(Duration::from_millis(millis)),
        None => chosen,
    }
}

fn split(args: &[Value]) -> anyhow::Result<(&str, &[Value])> {
    let (name, args) = args.split_first().context("no event")?;
    Ok((name.as_str().context("the event's name is no string")?, args))
}

fn packet(namespace: &str, args: &[Value]) -> anyhow::Result<Packet> {
    Ok(Packet::event(Str::copy_from_slice(namespace), values::event(args)?))
}

fn missing(missing: &Missing) -> Value {
    json!({"nodes": missing.nodes, "others": missing.others})
}
