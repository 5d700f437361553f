//! Gateway nodes, and the Redis between them, as processes on free ports.

use std::fmt::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::time::Duration;
use std::{env, fs};

use anyhow::{Context, bail};
use futures_util::future::select_all;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::time::{sleep, timeout};

use crate::cli::ClusterOptions;
use crate::process::{Process, Scratch};
use crate::usage::{self, Cpu};

/// Longest wait for processes to be ready.
const PATIENCE: Duration = Duration::from_secs(15);

/// Between two questions whether somebody is ready.
const PAUSE: Duration = Duration::from_millis(10);

/// After a failure: long enough to learn that the death of a process was the cause.
const AFTERMATH: Duration = Duration::from_millis(500);

/// Running nodes, joined by a Redis of their own unless there is only one.
#[derive(Debug)]
pub(crate) struct Cluster {
    // In this order they are dropped: processes first, then the directory that they write to.
    processes: Vec<Process>,
    _scratch: Scratch,
    meter: Meter,
    addresses: Vec<SocketAddr>,
}

/// Reads what the processes of a cluster have used.
#[derive(Debug, Clone)]
pub(crate) struct Meter {
    nodes: Vec<u32>,
    redis: Option<u32>,
}

/// CPU times at one moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reading {
    pub(crate) nodes: Cpu,
    pub(crate) redis: Cpu,
    pub(crate) own: Cpu,
}

impl Meter {
    pub(crate) fn read(&self) -> anyhow::Result<Reading> {
        let redis: Vec<u32> = self.redis.into_iter().collect();
        Ok(Reading { nodes: Cpu::sum(&self.nodes)?, redis: Cpu::sum(&redis)?, own: Cpu::own()? })
    }

    /// Resident memory of each node, in KiB.
    pub(crate) fn rss_kib(&self) -> anyhow::Result<Vec<u64>> {
        self.nodes.iter().map(|&pid| usage::rss_kib(pid)).collect()
    }
}

impl Cluster {
    /// Starts one node alone, or several with a Redis, and waits until all are ready.
    pub(crate) async fn start(options: &ClusterOptions, nodes: usize) -> anyhow::Result<Self> {
        Self::start_with(options, nodes, "").await
    }

    /// The same, with more in the configuration of each node.
    pub(crate) async fn start_with(
        options: &ClusterOptions,
        nodes: usize,
        more: &str,
    ) -> anyhow::Result<Self> {
        let scratch = Scratch::new()?;
        let (mut processes, mut redis_address, mut redis_pid) = (Vec::new(), None, None);
        if nodes > 1 {
            let address = free_address()?;
            let redis = Process::start("Redis", redis(options, address, scratch.path()), scratch.path())
                .context("several nodes need a Redis: install it, or give its path by --redis-server")?;
            (redis_address, redis_pid) = (Some(address), Some(redis.pid()));
            processes.push(redis);
        }
        let (mut pids, mut addresses) = (Vec::new(), Vec::new());
        for number in 1..=nodes {
            let address = free_address()?;
            let name = format!("node-{number}");
            let config = scratch.path().join(format!("{name}.toml"));
            fs::write(&config, config_text(options, &name, address, redis_address) + more)?;
            let node = Process::start(&name, gateway(&options.gateway, &config), scratch.path()).context(
                "build it with `cargo build --release --bin roomcast` and give its path by --gateway",
            )?;
            pids.push(node.pid());
            addresses.push(address);
            processes.push(node);
        }
        let meter = Meter { nodes: pids, redis: redis_pid };
        let mut cluster = Self { processes, _scratch: scratch, meter, addresses: addresses.clone() };
        let ready = async {
            for &address in &addresses {
                timeout(PATIENCE, until_ready(address))
                    .await
                    .with_context(|| format!("the node at {address} is not ready after {PATIENCE:?}"))?;
            }
            Ok(())
        };
        cluster.attended(ready).await?;
        Ok(cluster)
    }

    pub(crate) fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    pub(crate) fn meter(&self) -> Meter {
        self.meter.clone()
    }

    /// Does the work while the processes live; if one ends, that is the error.
    pub(crate) async fn attended<T>(
        &mut self,
        work: impl Future<Output = anyhow::Result<T>>,
    ) -> anyhow::Result<T> {
        let ended = select_all(self.processes.iter_mut().map(|process| Box::pin(process.ended())));
        tokio::pin!(ended);
        let failure = tokio::select! {
            (error, ..) = &mut ended => return Err(error),
            result = work => match result {
                Ok(done) => return Ok(done),
                Err(failure) => failure,
            }
        };
        // That a client has lost its connection is seen before the end of the process that it was connected to.
        match timeout(AFTERMATH, ended).await {
            Ok((error, ..)) => Err(error),
            Err(_) => Err(failure),
        }
    }

    /// Stops all processes.
    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        // The nodes first, or they would complain about Redis.
        for process in self.processes.into_iter().rev() {
            process.stop().await?;
        }
        Ok(())
    }
}

/// A port that nobody listens on. Somebody else may take it in between; the process then says so and ends.
fn free_address() -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("there is no free port")?;
    Ok(listener.local_addr()?)
}

fn redis(options: &ClusterOptions, address: SocketAddr, directory: &Path) -> Command {
    let mut command = Command::new(&options.redis_server);
    command.args(["--bind", &address.ip().to_string(), "--port", &address.port().to_string()]);
    // Nothing is stored, so nothing has to be written.
    command.args(["--save", "", "--appendonly", "no", "--dir"]).arg(directory);
    command
}

/// How the allocator is set in `deploy/`, unless the caller says otherwise.
const TUNABLES: &str =
    "glibc.malloc.tcache_count=0:glibc.malloc.mmap_threshold=8192:glibc.malloc.trim_threshold=131072";

fn gateway(program: &Path, config: &Path) -> Command {
    let mut command = Command::new(program);
    if env::var_os("GLIBC_TUNABLES").is_none() {
        command.env("GLIBC_TUNABLES", TUNABLES);
    }
    command.args(["serve", "--config"]).arg(config);
    // Variables win over the file, and those of the caller are about something else.
    for (name, _) in env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("ROOMCAST__")) {
        command.env_remove(name);
    }
    command
}

/// Clients come as fast as they can; nobody asks the nodes anything.
const UNHINDERED: &str =
    "max_handshakes_per_second = 1000000\nmax_connections_per_second = 0\n[internal]\nlisten = \"\"\n";

/// The defaults, but for what tells the nodes apart and joins them.
fn config_text(
    options: &ClusterOptions,
    name: &str,
    address: SocketAddr,
    redis: Option<SocketAddr>,
) -> String {
    let mut text = format!(
        "[node]\nname = \"{name}\"\n[server]\nlisten = \"{address}\"\ndemo = false\n{UNHINDERED}[log]\nlevel = \"warn\"\n"
    );
    if let Some(redis) = redis {
        let ClusterOptions { mode, subscriptions, .. } = options;
        let _ = write!(
            text,
            "[redis]\nurl = \"redis://{redis}\"\nmode = \"{mode}\"\nsubscriptions = \"{subscriptions}\"\n"
        );
    }
    text
}

async fn until_ready(address: SocketAddr) {
    while !is_ready(address).await.unwrap_or(false) {
        sleep(PAUSE).await;
    }
}

async fn is_ready(address: SocketAddr) -> anyhow::Result<bool> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET /ready HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    Ok(answer.starts_with(b"HTTP/1.1 200 "))
}

/// Fails if that many clients cannot be connected for want of file descriptors, here or on one node.
pub(crate) fn check_open_files(clients: u32) -> anyhow::Result<()> {
    // Beside the clients there are logs, timers, and the connections to Redis.
    let (needed, allowed) = (u64::from(clients) + 100, usage::max_open_files()?);
    if needed > allowed {
        bail!(
            "{clients} clients need {needed} open files, {allowed} are allowed: run `ulimit -n {needed}` first"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command as CliCommand};
    use clap::Parser;

    fn options(arguments: &[&str]) -> ClusterOptions {
        match Cli::parse_from([&["roomcast-bench", "bus"], arguments].concat()).command {
            CliCommand::Bus(options) => options.cluster,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn only_several_nodes_know_of_redis() {
        let options = options(&["--gateway", "x", "--mode", "sharded", "--subscriptions", "static"]);
        let address = "127.0.0.1:1".parse().unwrap();
        let alone = config_text(&options, "node-1", address, None);
        assert!(alone.contains("listen = \"127.0.0.1:1\"\n") && !alone.contains("redis"), "{alone}");
        let joined = config_text(&options, "node-1", address, Some("127.0.0.1:2".parse().unwrap()));
        let redis =
            "[redis]\nurl = \"redis://127.0.0.1:2\"\nmode = \"sharded\"\nsubscriptions = \"static\"\n";
        assert!(joined.ends_with(redis), "{joined}");
    }

    #[tokio::test]
    async fn a_missing_gateway_is_named_with_what_to_do() {
        let error = Cluster::start(&options(&["--gateway", "/nowhere/roomcast"]), 1).await.unwrap_err();
        let text = format!("{error:#}");
        assert!(text.contains("cargo build --release --bin roomcast"), "{text}");
        assert!(text.ends_with("there is no program `/nowhere/roomcast`"), "{text}");
    }

    #[test]
    fn too_many_clients_are_refused_before_anything_is_started() {
        assert!(check_open_files(4).is_ok());
        if usage::max_open_files().unwrap() < u64::from(u32::MAX) {
            assert!(check_open_files(u32::MAX).unwrap_err().to_string().contains("ulimit -n"));
        }
    }
}
