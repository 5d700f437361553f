//! A client connects to a namespace.

use std::fmt;
use std::num::NonZeroU32;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use roomcast_adapter::{Adapter, Bus, Profile};
use roomcast_edge::ConnectionHandle;
use roomcast_rates::KeyedRate;
use serde_json::{Value as Json, json};
use socketioxide::handler::ConnectHandler;
use socketioxide::socket::Socket as Inner;
use socketioxide_core::{Sid, Value};
use tracing::{debug, error};

use super::disconnect::Gone;
use super::dispatch::{self, Inbound, Ours};
use super::handler::{Handler, Refused};
use super::known::LiveEvents;
use super::socket::Socket;
use crate::codes::Code;
use crate::identity::{Expiries, LiveIdentity};
use crate::metrics::NamespaceMetrics;
use crate::presence::Presence;
use crate::telemetry::{Sampling, Trace};

/// What the sockets of one namespace share.
pub(crate) struct Entry {
    pub(crate) path: String,
    pub(crate) handler: Box<dyn Handler>,
    pub(crate) bus: Bus,
    pub(crate) metrics: NamespaceMetrics,
    pub(crate) events: Arc<LiveEvents>,
    /// Which events and connections get a span.
    pub(crate) sampling: Sampling,
    /// Most events of one socket that wait for a handler.
    pub(crate) event_queue: usize,
    /// Longest time for admitting a client, and for saying goodbye to one.
    pub(crate) handler_timeout: Duration,
    /// Most namespaces that one session may be in.
    pub(crate) max_namespaces: u32,
    /// How often a session connects to any of them. All namespaces have the same.
    pub(crate) connects: Arc<KeyedRate<Sid>>,
    /// How it is found out who clients are, if that is asked for.
    pub(crate) identity: Arc<LiveIdentity>,
    pub(crate) expiries: Expiries,
    /// Who is in which room, if that is shown.
    pub(crate) presence: Option<Presence>,
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry").field("path", &self.path).finish_non_exhaustive()
    }
}

/// The connect handler of a namespace. A type of its own, since closures are spawned *after* CONNECT was sent.
#[derive(Debug, Clone)]
pub(crate) struct Connect(pub(crate) Arc<Entry>);

type Admitted<'a> = Pin<Box<dyn Future<Output = Result<(), Box<dyn fmt::Display + Send>>> + Send + 'a>>;

impl ConnectHandler<Adapter, Ours> for Connect {
    /// Before CONNECT is sent, and before the socket can be found by anybody.
    fn call_middleware<'a>(&'a self, inner: Arc<Inner<Adapter>>, auth: &'a Option<Value>) -> Admitted<'a> {
        Box::pin(async move {
            self.admit(&inner, auth.as_ref()).await.map_err(|refused| {
                debug!(namespace = self.0.path, id = %inner.id, reason = %refused, "client refused");
                Box::new(refused) as Box<dyn fmt::Display + Send>
            })
        })
    }

    /// After CONNECT was sent.
    fn call(&self, inner: Arc<Inner<Adapter>>, auth: Option<Value>) {
        let Some(socket) = inner.extensions.get::<Socket>() else {
            return;
        };
        // It may have gone between the two.
        if !socket.core.membership.connect() {
            return;
        }
        if let Some(connection) = inner.req_parts().extensions.get::<ConnectionHandle>() {
            connection.connected();
        }
        self.0.metrics.sockets.inc();
        socket.is_present();
        // Checked when the client was admitted.
        let auth = parse_auth(auth.as_ref()).unwrap_or_default();
        if catch_unwind(AssertUnwindSafe(|| self.0.handler.connected(&socket, auth))).is_err() {
            error!(namespace = self.0.path, id = %inner.id, "connect handler panicked");
        }
        dispatch::release(&socket);
    }
}

impl Connect {
    async fn admit(&self, inner: &Arc<Inner<Adapter>>, auth: Option<&Value>) -> Result<(), Refused> {
        let entry = &self.0;
        let trace = entry.sampling.connect(&entry.path);
        let auth = parse_auth(auth).ok_or_else(|| Refused("auth must be an object".into()))?;
        // All sockets of a session have its id.
        if entry.connects.check(&inner.id, NonZeroU32::MIN).is_err() {
            self.refused(&trace, Code::TooManyConnects);
            return Err(Refused(format!("{}: wait a second", Code::TooManyConnects)));
        }
        let connection = inner.req_parts().extensions.get::<ConnectionHandle>();
        if connection.is_some_and(|connection| !connection.enter_namespace(entry.max_namespaces)) {
            self.refused(&trace, Code::TooManyNamespaces);
            return Err(Refused("too many namespaces".into()));
        }
        let result = self.admit_to(inner, auth, &trace).await;
        if result.is_err()
            && let Some(connection) = connection
        {
            connection.leave_namespace();
        }
        result
    }

    async fn admit_to(&self, inner: &Arc<Inner<Adapter>>, auth: Json, trace: &Trace) -> Result<(), Refused> {
        let entry = &self.0;
        let adapter = entry.bus.adapter(&entry.path).ok_or_else(|| Refused("namespace is closing".into()))?;
        let socket = Socket::new(inner, adapter, Arc::clone(entry));
        match tokio::time::timeout(entry.handler_timeout, socket.identify(inner, &auth)).await {
            Ok(Ok(())) => {
                trace.identity(if entry.identity.check().is_some() { "identified" } else { "not_asked" });
            }
            Ok(Err((code, message))) => {
                trace.identity(code.as_str());
                self.refused(trace, code);
                return Err(Refused(format!("{code}: {message}")));
            }
            Err(_) => {
                trace.identity(Code::IdentityUnavailable.as_str());
                self.refused(trace, Code::IdentityUnavailable);
                let message = "who you are could not be found out in time";
                return Err(Refused(format!("{}: {message}", Code::IdentityUnavailable)));
            }
        }
        socket.join(&socket.id()).map_err(|error| Refused(error.to_string()))?;
        inner.extensions.insert(socket.clone());
        inner.extensions.insert(profile(&socket, auth.clone()));
        inner.on_fallback(Inbound(socket.clone()));
        inner.on_disconnect(Gone(socket.clone()));

        let decision = AssertUnwindSafe(entry.handler.admit(&socket, &auth)).catch_unwind();
        let result = match tokio::time::timeout(entry.handler_timeout, decision).await {
            Ok(Ok(decision)) => decision,
            Ok(Err(_)) => {
                error!(namespace = entry.path, id = %inner.id, "admission panicked");
                Err(Refused("internal error".into()))
            }
            Err(_) => Err(Refused("admission took too long".into())),
        };
        if result.is_err() {
            self.refused(trace, Code::NotAdmitted);
            // socketioxide forgets the socket and its rooms now; nothing may join any more.
            socket.core.membership.close();
        }
        result
    }

    fn refused(&self, trace: &Trace, code: Code) {
        self.0.metrics.refused(code);
        trace.refused(code);
    }
}

/// What other servers may see of it: not its token, but who it is.
fn profile(socket: &Socket, auth: Json) -> Profile {
    let auth = match socket.core.entry.identity.check() {
        Some(check) => check.place.without_token(auth),
        None => auth,
    };
    match socket.identity() {
        Some(identity) => Profile::new(auth).with_data(json!({"user": identity.user})),
        None => Profile::new(auth),
    }
}

/// The client's `auth` object, `{}` if it gave none.
fn parse_auth(auth: Option<&Value>) -> Option<Json> {
    match auth {
        None => Some(Json::Object(serde_json::Map::new())),
        Some(Value::Str(text, _)) => serde_json::from_str(text).ok().filter(Json::is_object),
        Some(Value::Bytes(_)) => None,
    }
}
