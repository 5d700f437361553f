//! Connections to the right server: pooled ones for commands, one of its own for listening.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use deadpool_redis::{Connection, Manager, Pool, PoolError};
use redis::aio::MultiplexedConnection;
use redis::io::tcp::TcpSettings;
use redis::{
    AsyncConnectionConfig, Client, ClientTlsConfig, Cmd, ConnectionAddr, ErrorKind, FromRedisValue, Pipeline,
    ProtocolVersion, PushInfo, RedisError, ServerErrorKind, TlsCertificates,
};
use tokio::sync::watch;

use super::target::{Address, Kind, Target};
use super::topology::Topology;
use crate::bus::BusError;
use crate::settings::RedisSettings;

/// Commands that are not publishing (counting, the registry, the probe) run side by side on so many connections.
const POOLED: usize = 4;
/// How long a server that has failed is not chosen where there is a choice.
const AVOIDED: Duration = Duration::from_secs(10);

pub(crate) struct Dialer {
    target: Target,
    timeout: Duration,
    pools: Mutex<HashMap<Address, Pool>>,
    topology: watch::Sender<Option<Arc<Topology>>>,
    /// Servers that have failed, and when.
    avoided: Mutex<HashMap<Address, Instant>>,
    /// Held while somebody finds out about the servers, so that not everybody does at the same time.
    refreshing: tokio::sync::Mutex<()>,
}

enum Work<'a> {
    Command(&'a Cmd),
    Pipeline(&'a Pipeline),
}

impl Dialer {
    pub(crate) fn new(settings: &RedisSettings) -> Result<Self, BusError> {
        let mut target = Target::parse(&settings.url)?;
        let keepalive = socket2::TcpKeepalive::new()
            .with_time(settings.timeout)
            .with_interval(settings.timeout)
            .with_retries(2);
        let tcp = TcpSettings::default()
            .set_nodelay(true)
            .set_keepalive(keepalive)
            .set_user_timeout(settings.timeout.saturating_mul(3));
        target.info = target.info.set_tcp_settings(tcp);
        if let ConnectionAddr::TcpTls { .. } = target.info.addr() {
            let identity = |cert: &Vec<u8>, key: &Vec<u8>| ClientTlsConfig {
                client_cert: cert.clone(),
                client_key: key.clone(),
            };
            let certificates = TlsCertificates {
                client_tls: settings.tls_identity.as_ref().map(|(cert, key)| identity(cert, key)),
                root_cert: settings.tls_ca.clone(),
            };
            let client = Client::build_with_tls(target.info.clone(), certificates)?;
            target.info = client.get_connection_info().clone();
        }
        // What cannot even be a connection is found now, not in the background.
        Client::open(target.info.clone())?;
        let first = target.seeds.first().filter(|_| target.kind == Kind::Single);
        let topology = watch::Sender::new(first.map(|only| Arc::new(Topology::single(only.clone()))));
        Ok(Self {
            target,
            timeout: settings.timeout,
            pools: Mutex::default(),
            topology,
            avoided: Mutex::default(),
            refreshing: tokio::sync::Mutex::default(),
        })
    }

    pub(crate) fn is_sentinel(&self) -> bool {
        matches!(self.target.kind, Kind::Sentinel(_))
    }

    /// The servers as far as known, to read and to watch.
    pub(crate) fn topology(&self) -> watch::Receiver<Option<Arc<Topology>>> {
        self.topology.subscribe()
    }

    /// One of the masters, where any will do: always the same for the same seed, as long as it works.
    pub(crate) fn any<'a>(&self, topology: &'a Topology, seed: &str) -> &'a Address {
        let mut avoided = self.avoided.lock().unwrap_or_else(PoisonError::into_inner);
        avoided.retain(|_, since| since.elapsed() < AVOIDED);
        topology.any(seed, |address| !avoided.contains_key(address))
    }

    /// A connection to this server has failed, so that another one should be used where any will do.
    pub(crate) fn avoid(&self, address: &Address) {
        let mut avoided = self.avoided.lock().unwrap_or_else(PoisonError::into_inner);
        avoided.insert(address.clone(), Instant::now());
    }

    /// The servers, asking for them if they are not known yet.
    pub(crate) async fn known(&self) -> Result<Arc<Topology>, RedisError> {
        let known = self.topology.borrow().clone();
        match known {
            Some(topology) => Ok(topology),
            None => self.refresh().await,
        }
    }

    /// Asks again which servers there are.
    pub(crate) async fn refresh(&self) -> Result<Arc<Topology>, RedisError> {
        let _turn = self.refreshing.lock().await;
        let known = self.topology.borrow().clone();
        let found = match &self.target.kind {
            Kind::Single => self.target.seeds.first().cloned().map(Topology::single),
            Kind::Cluster => Some(self.ask_cluster(known.as_deref()).await?),
            Kind::Sentinel(master) => Some(Topology::single(self.ask_sentinels(master).await?)),
        };
        let found = Arc::new(found.ok_or_else(no_server)?);
        self.topology.send_if_modified(|known| {
            let changed = known.as_ref() != Some(&found);
            if changed {
                *known = Some(Arc::clone(&found));
            }
            changed
        });
        Ok(found)
    }

    async fn ask_cluster(&self, known: Option<&Topology>) -> Result<Topology, RedisError> {
        let mut last = None;
        let known: Vec<Address> = known.iter().flat_map(|known| known.servers().cloned()).collect();
        for server in known.iter().chain(&self.target.seeds) {
            // Commands of the pool: one connection per server is kept for this and for others.
            match self.query(server, redis::cmd("CLUSTER").arg("SLOTS")).await {
                Ok(reply) => match Topology::from_slots(reply, server) {
                    Ok(topology) => return Ok(topology),
                    Err(error) => last = Some(error),
                },
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(no_server))
    }

    /// Sentinels often want no credentials while the servers do, so they are given only if asked for.
    async fn ask_sentinels(&self, master: &str) -> Result<Address, RedisError> {
        let mut last = None;
        let question = redis::cmd("SENTINEL").arg("GET-MASTER-ADDR-BY-NAME").arg(master).clone();
        for sentinel in &self.target.seeds {
            let info = self.target.at(sentinel);
            let bare = info.clone().set_redis_settings(redis::RedisConnectionInfo::default());
            let with_credentials = info.redis_settings().clone().set_db(0);
            for info in [bare, info.clone().set_redis_settings(with_credentials)] {
                let answer = async {
                    let mut connection = Client::open(info)?
                        .get_multiplexed_async_connection_with_config(&self.limits(self.timeout))
                        .await?;
                    question.query_async::<Option<(String, u16)>>(&mut connection).await
                };
                match answer.await {
                    Ok(Some((host, port))) => return Ok(Address { host, port }),
                    Ok(None) => {
                        last = Some(RedisError::from((
                            ErrorKind::InvalidClientConfig,
                            "the sentinels know no master of this name",
                            master.to_owned(),
                        )));
                        break;
                    }
                    Err(error) if error.code() == Some("NOAUTH") => last = Some(error),
                    Err(error) => {
                        last = Some(error);
                        break;
                    }
                }
            }
        }
        Err(last.unwrap_or_else(no_server))
    }

    /// A connection for commands, of which the pool keeps a few.
    pub(crate) async fn connection(&self, at: &Address) -> Result<Connection, RedisError> {
        self.pool(at)?.get().await.map_err(|error| match error {
            PoolError::Backend(error) => error,
            PoolError::Timeout(_) => no_answer(at),
            other => std::io::Error::other(other.to_string()).into(),
        })
    }

    fn pool(&self, at: &Address) -> Result<Pool, RedisError> {
        let mut pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pool) = pools.get(at) {
            return Ok(pool.clone());
        }
        // Without an own limit for answers: who asks has one, and the publisher must be able to wait longer.
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.timeout))
            .set_response_timeout(None);
        let pool = Pool::builder(Manager::new_with_config(self.target.at(at), config)?)
            .max_size(POOLED)
            .wait_timeout(Some(self.timeout))
            .create_timeout(Some(self.timeout))
            .recycle_timeout(Some(self.timeout))
            .runtime(deadpool_redis::Runtime::Tokio1)
            .build()
            .map_err(std::io::Error::other)?;
        pools.insert(at.clone(), pool.clone());
        Ok(pool)
    }

    /// Runs a command; a connection that fails or is too slow is not used again.
    pub(crate) async fn query<T: FromRedisValue>(
        &self,
        at: &Address,
        command: &Cmd,
    ) -> Result<T, RedisError> {
        self.run(at, &Work::Command(command)).await
    }

    /// Runs commands in one round trip.
    pub(crate) async fn pipeline<T: FromRedisValue>(
        &self,
        at: &Address,
        commands: &Pipeline,
    ) -> Result<T, RedisError> {
        self.run(at, &Work::Pipeline(commands)).await
    }

    async fn run<T: FromRedisValue>(&self, at: &Address, work: &Work<'_>) -> Result<T, RedisError> {
        let attempt = async {
            let mut connection = self.connection(at).await?;
            let result = match work {
                Work::Command(command) => command.query_async(&mut connection).await,
                Work::Pipeline(commands) => commands.query_async(&mut connection).await,
            };
            if result.as_ref().is_err_and(RedisError::is_unrecoverable_error) {
                drop(Connection::take(connection));
            }
            result
        };
        // When the time is up the connection goes back to the pool, which finds out whether it still lives.
        tokio::time::timeout(self.timeout, attempt).await.unwrap_or_else(|_| Err(no_answer(at)))
    }

    /// Whether the server answers on a connection made for this question.
    pub(crate) async fn answers(&self, at: &Address, within: Duration) -> bool {
        let asked = async {
            let client = Client::open(self.target.at(at))?;
            let mut connection =
                client.get_multiplexed_async_connection_with_config(&self.limits(within)).await?;
            redis::cmd("PING").query_async::<()>(&mut connection).await
        };
        matches!(tokio::time::timeout(within, asked).await, Ok(Ok(())))
    }

    /// A connection that hears: `on_push` is called for every message, on the connection's own task.
    pub(crate) async fn listen(
        &self,
        at: &Address,
        on_push: impl Fn(PushInfo) -> Result<(), Infallible> + Send + Sync + 'static,
    ) -> Result<MultiplexedConnection, RedisError> {
        let info = self.target.at(at);
        let resp3 = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
        let client = Client::open(info.set_redis_settings(resp3))?;
        let config = self.limits(self.timeout).set_push_sender(on_push);
        let mut connection = client.get_multiplexed_async_connection_with_config(&config).await?;
        if self.is_sentinel() {
            // After a failover the sentinels may name the old master for a moment.
            let role: Vec<redis::Value> = redis::cmd("ROLE").query_async(&mut connection).await?;
            let is_master = matches!(role.first(), Some(redis::Value::BulkString(role)) if role == b"master");
            if !is_master {
                return Err(RedisError::from((
                    ErrorKind::Server(ServerErrorKind::ReadOnly),
                    "the server that the sentinels name is not master yet",
                )));
            }
        }
        Ok(connection)
    }

    fn limits(&self, timeout: Duration) -> AsyncConnectionConfig {
        // The library's own limit for an answer, 500 ms, is too short for a busy Redis.
        AsyncConnectionConfig::new().set_connection_timeout(Some(timeout)).set_response_timeout(Some(timeout))
    }
}

pub(super) fn no_answer(at: &Address) -> RedisError {
    std::io::Error::new(std::io::ErrorKind::TimedOut, format!("no answer from {at}")).into()
}

fn no_server() -> RedisError {
    RedisError::from((ErrorKind::ClusterConnectionNotFound, "no server to ask"))
}

impl std::fmt::Debug for Dialer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dialer").field("topology", &*self.topology.borrow()).finish_non_exhaustive()
    }
}
