//! The command line.

use std::fmt;
use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};
use serde::Serialize;

/// Measures what Roomcast costs; see docs/benchmarks.md.
#[derive(Debug, Parser)]
#[command(name = "roomcast-bench", version, about, disable_help_subcommand = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Times the adapter's encoding and decoding, within this process.
    Codec(CodecOptions),
    /// CPU per delivered message: three nodes with Redis against one node alone.
    Bus(BusOptions),
    /// Time from a client of one node to a client of another one.
    Latency(LatencyOptions),
    /// Memory of a node for each idle websocket.
    Idle(IdleOptions),
    /// CPU per relayed event: with identity, patterns, roles, limits and sizes against without.
    Rules(RulesOptions),
}

#[derive(Debug, clap::Args, Serialize)]
pub(crate) struct CodecOptions {
    /// Rounds, of which the median counts.
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) rounds: u32,
    /// Writes all figures to this file, too.
    #[arg(long, value_name = "FILE")]
    #[serde(skip)]
    pub(crate) json: Option<PathBuf>,
}

/// What all measurements with nodes have.
#[derive(Debug, clap::Args, Serialize)]
pub(crate) struct ClusterOptions {
    /// The binary `roomcast`, a release build.
    #[arg(long, value_name = "PATH")]
    pub(crate) gateway: PathBuf,
    /// The program that is started as Redis.
    #[arg(long, value_name = "PATH", default_value = "redis-server")]
    pub(crate) redis_server: PathBuf,
    /// Rounds, of which the median counts; each has fresh processes.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) rounds: u32,
    /// How the nodes speak over Redis: the config key `redis.mode`.
    #[arg(long, value_enum, default_value_t = Mode::Classic)]
    pub(crate) mode: Mode,
    /// With `--mode sharded`: the config key `redis.subscriptions`.
    #[arg(long, value_enum, default_value_t = Subscriptions::Dynamic)]
    pub(crate) subscriptions: Subscriptions,
    /// Writes all figures to this file, too.
    #[arg(long, value_name = "FILE")]
    #[serde(skip)]
    pub(crate) json: Option<PathBuf>,
}

#[derive(Debug, clap::Args, Serialize)]
pub(crate) struct BusOptions {
    #[command(flatten)]
    #[serde(flatten)]
    pub(crate) cluster: ClusterOptions,
    /// Clients in the room, the publisher among them.
    #[arg(long, default_value_t = 900, value_parser = clap::value_parser!(u32).range(4..))]
    pub(crate) clients: u32,
    /// Events under way at the same time.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) in_flight: u32,
    /// When an event is no longer under way.
    #[arg(long, value_enum, default_value_t = Until::Acked)]
    pub(crate) until: Until,
    /// How long each half of a round publishes.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) seconds: u64,
    /// Bytes of the event's argument, as JSON.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(32..=60_000))]
    pub(crate) payload: u32,
}

#[derive(Debug, clap::Args, Serialize)]
pub(crate) struct LatencyOptions {
    #[command(flatten)]
    #[serde(flatten)]
    pub(crate) cluster: ClusterOptions,
    /// Events per second.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=50_000))]
    pub(crate) rate: u32,
    /// How long each round publishes; one second of warm-up comes before it.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) seconds: u64,
    /// Bytes of the event's argument, as JSON.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(32..=60_000))]
    pub(crate) payload: u32,
}

#[derive(Debug, clap::Args, Serialize)]
pub(crate) struct IdleOptions {
    #[command(flatten)]
    #[serde(flatten)]
    pub(crate) cluster: ClusterOptions,
    /// Websockets at the same time.
    #[arg(long, default_value_t = 9000, value_parser = clap::value_parser!(u32).range(1..=50_000))]
    pub(crate) clients: u32,
    /// How often all come and go.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) waves: u32,
}

#[derive(Debug, clap::Args, Serialize)]
pub(crate) struct RulesOptions {
    #[command(flatten)]
    #[serde(flatten)]
    pub(crate) cluster: ClusterOptions,
    /// How long each half of a round talks.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) seconds: u64,
    /// Events under way at the same time.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) in_flight: u32,
    /// Bytes of the event's argument, as JSON.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(32..=9_000))]
    pub(crate) payload: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Mode {
    /// As Node's `@socket.io/redis-adapter`.
    Classic,
    /// As Node's `createShardedAdapter`.
    Sharded,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Subscriptions {
    /// Everything on one channel.
    Static,
    /// A channel for each room.
    Dynamic,
    /// A channel for each room and each socket.
    DynamicPrivate,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Until {
    /// The publisher's node has acknowledged it.
    Acked,
    /// As many deliveries as all events so far should cause have arrived, too: no queue grows, whatever the nodes do.
    Delivered,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Classic => "classic",
            Self::Sharded => "sharded",
        })
    }
}

impl fmt::Display for Subscriptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Static => "static",
            Self::Dynamic => "dynamic",
            Self::DynamicPrivate => "dynamic-private",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn modes_are_named_as_in_the_configuration() {
        for mode in Mode::value_variants() {
            assert_eq!(mode.to_possible_value().unwrap().get_name(), mode.to_string());
        }
        for subscriptions in Subscriptions::value_variants() {
            assert_eq!(subscriptions.to_possible_value().unwrap().get_name(), subscriptions.to_string());
        }
    }
}
