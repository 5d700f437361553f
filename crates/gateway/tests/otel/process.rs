//! The binary as a process, with its log.

use std::net::SocketAddr;
use std::process::Stdio;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;

use crate::support::{request, soon};

/// A node that runs; it is killed when dropped.
pub struct Process {
    pub address: SocketAddr,
    internal: SocketAddr,
    child: Child,
    log: JoinHandle<Vec<Value>>,
}

impl Process {
    pub async fn start(env: &[(&str, &str)]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_roomcast"))
            .env("ROOMCAST__SERVER__LISTEN", "127.0.0.1:0")
            .env("ROOMCAST__SERVER__DRAIN_DELAY_MS", "0")
            .env("ROOMCAST__INTERNAL__LISTEN", "127.0.0.1:0")
            .env("ROOMCAST__LOG__FORMAT", "json")
            .envs(env.iter().copied())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut next = async move || {
            let line = lines.next_line().await.unwrap()?;
            Some(
                serde_json::from_str::<Value>(&line).unwrap_or_else(|_| panic!("no line of the log: {line}")),
            )
        };
        let listening = loop {
            let line = soon(next()).await.expect("the node has ended");
            if line["message"] == "listening" {
                break line;
            }
        };
        let address = |key: &str| listening[key].as_str().unwrap().parse().unwrap();
        let log = tokio::spawn(async move {
            let mut log = Vec::new();
            while let Some(line) = next().await {
                log.push(line);
            }
            log
        });
        Self { address: address("address"), internal: address("internal"), child, log }
    }

    /// Spans with that outcome.
    pub async fn spans(&self, outcome: &str) -> u64 {
        let (_, text) = request(self.internal, "GET", "/metrics", "").await;
        let line = format!("roomcast_trace_spans_total{{outcome=\"{outcome}\"}} ");
        text.lines().find_map(|candidate| candidate.strip_prefix(&line)).unwrap().parse().unwrap()
    }

    /// Stops it in order; its log.
    pub async fn stop(mut self) -> Vec<Value> {
        assert_eq!(request(self.internal, "POST", "/drain", "").await.0, 202);
        assert!(soon(self.child.wait()).await.unwrap().success());
        soon(self.log).await.unwrap()
    }
}
