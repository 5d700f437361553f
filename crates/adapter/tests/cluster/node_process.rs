//! A server in a process of its own, so that its memory and its log are nobody else's: the example `peer`.

use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use tokio::sync::mpsc;

use crate::patience::in_time;

/// A running server; it stops when dropped.
pub struct NodeProcess {
    child: Child,
    orders: Option<ChildStdin>,
    answers: mpsc::Receiver<Value>,
    log: Arc<Mutex<Vec<String>>>,
    pub port: u16,
}

impl Drop for NodeProcess {
    fn drop(&mut self) {
        // It ends with its standard input, if it still can.
        drop(self.orders.take());
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An example of this crate; `cargo test` builds them all.
pub fn example(name: &str) -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let example = tests.ancestors().nth(2).unwrap().join("examples").join(name);
    assert!(example.try_exists().unwrap(), "{} is missing: cargo build --examples", example.display());
    example
}

impl NodeProcess {
    pub async fn start(config: &Value) -> Self {
        let mut command = Command::new(example("peer"));
        command.arg(config.to_string()).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (sender, mut answers) = mpsc::channel::<Value>(64);
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if sender.blocking_send(serde_json::from_str(&line).unwrap()).is_err() {
                    return;
                }
            }
        });
        let log = Arc::<Mutex<Vec<String>>>::default();
        let (lines, lines_of) = (BufReader::new(child.stderr.take().unwrap()).lines(), Arc::clone(&log));
        std::thread::spawn(move || {
            lines.map_while(Result::ok).for_each(|line| lines_of.lock().unwrap().push(line));
        });
        let orders = child.stdin.take();
        let hello = in_time("a server", answers.recv()).await.expect("the server has ended");
        let port = hello["port"].as_u64().unwrap().try_into().unwrap();
        Self { child, orders, answers, log, port }
    }

    /// Has it do something, and gives the result.
    pub async fn run(&mut self, op: &str) -> Value {
        let orders = self.orders.as_mut().unwrap();
        writeln!(orders, "{}", json!({"id": 1, "op": op})).unwrap();
        let mut answer = in_time(op, self.answers.recv()).await.expect("the server has ended");
        assert!(answer["error"].is_null(), "{answer}");
        answer["result"].take()
    }

    pub fn log_lines(&self, part: &str) -> usize {
        self.log.lock().unwrap().iter().filter(|line| line.contains(part)).count()
    }

    /// The most memory that it has used since the last call, in bytes.
    pub fn peak_memory(&self) -> u64 {
        let of = format!("/proc/{}", self.child.id());
        let status = std::fs::read_to_string(format!("{of}/status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        let kib: u64 = line.trim().trim_end_matches(" kB").parse().unwrap();
        // Begins anew.
        std::fs::write(format!("{of}/clear_refs"), "5").unwrap();
        kib * 1024
    }
}
