//! A Redis of the tests' own.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::sync::OnceCell;

use crate::patience::until;

/// Starts Redis and stops it when the standard input ends: when the guard is dropped, and also when this process ends in
/// whatever way. Then nothing is left, not even the directory.
const KEEPER: &str = r#"
trap '' INT TERM
dir=$1; shift
# Not ignored by Redis: it may be told to end before it listens to signals.
(trap - INT TERM; exec redis-server "$@") >"$dir/log" 2>&1 &
redis=$!
cat >/dev/null
kill "$redis" 2>/dev/null
wait "$redis"
rm -r "$dir"
"#;

/// A running Redis; it stops when dropped.
pub struct RedisServer {
    keeper: Child,
    dir: PathBuf,
    pub port: u16,
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}

/// A port that nobody listens to.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl RedisServer {
    pub async fn start(options: &[&str]) -> Self {
        // Somebody else may take the port in between.
        for _ in 0..5 {
            if let Some(server) = Self::start_on(free_port(), options).await {
                return server;
            }
        }
        panic!("redis-server does not start");
    }

    /// `None` if it ends at once.
    pub async fn start_on(port: u16, options: &[&str]) -> Option<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("roomcast-redis-{}-{number}", std::process::id()));
        std::fs::create_dir(&dir).unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", KEEPER, "keeper"]).arg(&dir).arg("--dir").arg(&dir);
        command.args(["--bind", "127.0.0.1", "--save", "", "--port", &port.to_string()]).args(options);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let server = Self { keeper: command.spawn().unwrap(), dir, port };
        let mut runs = None;
        until("redis has started or failed", async || {
            let log = std::fs::read_to_string(server.dir.join("log")).unwrap_or_default();
            let ready = log.contains("Ready to accept connections");
            let failed =
                ["Failed listening", "Fatal config", "FATAL CONFIG"].iter().any(|text| log.contains(text));
            runs = (ready || failed).then_some(ready);
            runs.is_some()
        })
        .await;
        runs.filter(|ready| *ready).map(|_| server)
    }

    /// The one that the stories share, each with a prefix of its own.
    pub async fn shared() -> &'static Self {
        static SHARED: OnceCell<RedisServer> = OnceCell::const_new();
        SHARED.get_or_init(|| Self::start(&[])).await
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// A connection to speak on the bus as somebody else.
    pub async fn connection(&self) -> redis::aio::MultiplexedConnection {
        let client = redis::Client::open(self.url()).unwrap();
        let patient =
            redis::AsyncConnectionConfig::new().set_response_timeout(Some(crate::patience::PATIENCE));
        client.get_multiplexed_async_connection_with_config(&patient).await.unwrap()
    }
}
