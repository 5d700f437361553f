//! What other servers see of a socket: id, handshake, rooms and data, in the shape of Node's `fetchSockets`.

use std::net::SocketAddr;
use std::time::SystemTime;

use http::request::Parts;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use socketioxide::socket::Socket;
use socketioxide_core::Sid;

use crate::adapter::Adapter;
use crate::chosen::room_of;

/// What is to be known of a socket beside its request. Put it into `socket.extensions` when the client connects:
///
/// ```
/// use roomcast_adapter::{Adapter, Profile};
/// use serde_json::json;
/// use socketioxide::extract::{SocketRef, TryData};
///
/// async fn connected(socket: SocketRef<Adapter>, TryData(auth): TryData<serde_json::Value>) {
///     socket.join(socket.id);
///     socket.extensions.insert(Profile::new(auth.unwrap_or_default()).with_data(json!({"user": "ann"})));
/// }
/// ```
#[derive(Debug, Clone)]
pub struct Profile {
    since: SystemTime,
    auth: Value,
    data: Value,
}

impl Profile {
    /// A socket that has connected just now, with what it gave as `auth`. Other servers that ask see it, as in Node.
    #[must_use]
    pub fn new(auth: Value) -> Self {
        Self { since: SystemTime::now(), auth, data: Value::Object(Map::new()) }
    }

    /// The same with `socket.data`.
    #[must_use]
    pub fn with_data(self, data: Value) -> Self {
        Self { data, ..self }
    }
}

/// The client's address. A layer that knows it puts it into the request's extensions, for the handshake that other
/// servers see.
#[derive(Debug, Clone, Copy)]
pub struct ClientAddress(pub SocketAddr);

/// A socket of any server of the cluster, as it was when it was asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RemoteSocket {
    /// The id: 20 characters for a socket of a Node server, 16 for one of ours.
    pub id: String,
    /// The handshake, with `headers`, `time`, `address`, `xdomain`, `secure`, `issued`, `url`, `query` and `auth`.
    #[serde(default)]
    pub handshake: Value,
    /// The rooms, the one named by the id included.
    #[serde(default)]
    pub rooms: Vec<String>,
    /// What the server keeps with the socket.
    #[serde(default)]
    pub data: Value,
}

/// A socket of this node as `fetchSockets` shows it.
pub(crate) fn entry(adapter: &Adapter, sid: Sid) -> Value {
    let rooms: Vec<_> = adapter.local().socket_rooms(sid).into_iter().collect();
    let known = adapter.bus().socket(adapter.namespace(), sid, |socket| {
        let profile = socket.extensions.get::<Profile>();
        let (since, auth, data) = profile.map_or_else(
            || (SystemTime::UNIX_EPOCH, Value::Null, Value::Null),
            |Profile { since, auth, data }| (since, auth, data),
        );
        (handshake(socket, since, auth), data)
    });
    // Node needs both to be objects.
    let (handshake, data) =
        known.unwrap_or_else(|| (json!({"headers": {}, "query": {}, "auth": {}}), Value::Null));
    let data = if data.is_null() { json!({}) } else { data };
    json!({"id": room_of(sid), "handshake": handshake, "rooms": rooms, "data": data})
}

fn handshake(socket: &Socket<Adapter>, since: SystemTime, auth: Value) -> Value {
    let Parts { headers, uri, extensions, .. } = socket.req_parts();
    let mut names = Map::new();
    for name in headers.keys() {
        // Node joins a header that comes more than once.
        let values: Vec<_> =
            headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
        names.insert(name.as_str().to_owned(), Value::String(values.join(", ")));
    }
    let mut query = Map::new();
    for (key, value) in form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()) {
        let value = Value::String(value.into_owned());
        match query.get_mut(&*key) {
            None => _ = query.insert(key.into_owned(), value),
            Some(Value::Array(values)) => values.push(value),
            Some(first) => *first = Value::Array(vec![first.take(), value]),
        }
    }
    let issued = since.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_millis();
    let time = jiff::Timestamp::try_from(since).unwrap_or_default();
    json!({
        "headers": names,
        // As JavaScript prints a date in UTC.
        "time": time.strftime("%a %b %d %Y %H:%M:%S GMT+0000 (Coordinated Universal Time)").to_string(),
        "address": extensions.get::<ClientAddress>().map_or_else(String::new, |client| client.0.ip().to_string()),
        "xdomain": headers.contains_key(http::header::ORIGIN),
        "secure": false,
        "issued": u64::try_from(issued).unwrap_or(u64::MAX),
        "url": uri.path_and_query().map_or("", |url| url.as_str()),
        "query": query,
        "auth": if auth.is_null() { json!({}) } else { auth },
    })
}
