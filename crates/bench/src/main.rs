//! Measures what Roomcast costs: the codec, the bus between nodes, the latency across it, idle connections, rules. How to run it and
//! what the figures mean is in `docs/benchmarks.md`.
//!
//! Nodes and Redis run as processes of their own ([`cluster`]), the clients in this one ([`client`], [`crowd`]).
//! It says nothing about the network, which is the loopback here, nor about other machines than the one it runs on.

mod bus;
mod cli;
mod client;
mod cluster;
mod codec;
mod crowd;
mod idle;
mod latency;
mod packet;
mod process;
mod report;
mod rules;
mod statistics;
mod usage;

use std::fmt;
use std::process::ExitCode;

use clap::Parser;
use cli::{Cli, Command};
use report::Output;
use tokio::signal::unix::{SignalKind, signal};

/// Wrong usage (`EX_USAGE` of sysexits).
const USAGE: u8 = 64;

/// As shells report a program that was interrupted.
const INTERRUPTED: u8 = 130;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(USAGE) } else { ExitCode::SUCCESS };
        }
    };
    match run(cli.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report::complain(&format!("{error:#}"));
            if error.is::<Interrupted>() { ExitCode::from(INTERRUPTED) } else { ExitCode::FAILURE }
        }
    }
}

fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Codec(options) => {
            let output = Output::open(options.json.as_deref())?;
            output.write(&codec::run(&options)?)
        }
        Command::Bus(options) => {
            let output = Output::open(options.cluster.json.as_deref())?;
            output.write(&interruptible(bus::run(&options))?)
        }
        Command::Idle(options) => {
            let output = Output::open(options.cluster.json.as_deref())?;
            output.write(&interruptible(idle::run(&options))?)
        }
        Command::Rules(options) => {
            let output = Output::open(options.cluster.json.as_deref())?;
            output.write(&interruptible(rules::run(&options))?)
        }
        Command::Latency(options) => {
            let output = Output::open(options.cluster.json.as_deref())?;
            output.write(&interruptible(latency::run(&options))?)
        }
    }
}

/// Runs until a signal ends it. The processes that `work` has started belong to it: they end when it is dropped, which
/// happens here after a signal, and by unwinding after a panic.
fn interruptible<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    // One thread: what the clients cost is then easy to tell, and the other cores are left to the nodes.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut hangup = signal(SignalKind::hangup())?;
        tokio::select! {
            biased;
            _ = interrupt.recv() => Err(Interrupted.into()),
            _ = terminate.recv() => Err(Interrupted.into()),
            _ = hangup.recv() => Err(Interrupted.into()),
            result = work => result,
        }
    })
}

/// A signal has ended the measuring.
#[derive(Debug)]
struct Interrupted;

impl fmt::Display for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("interrupted; everything that was started is stopped")
    }
}

impl std::error::Error for Interrupted {}
