//! CPU per delivered message: several nodes with a Redis against one node alone, with the same clients in the same room.
//!
//! The two take turns within each round, so that whatever else the machine does meets both.

mod load;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::cli::BusOptions;
use crate::client::Client;
use crate::cluster::{self, Cluster, Reading};
use crate::crowd::Crowd;
use crate::report::{Report, print, table, warn};
use crate::statistics::{Verdict, median};
use load::Load;

const NAMESPACE: &str = "/chat";
const ROOM: &str = "room:bench";
const EVENT: &str = "message";

/// The nodes of the second half of each round.
const NODES: usize = 3;

/// What the bus may cost: CPU per delivered message, as a multiple of that of one node alone.
const TARGET: f64 = 1.15;

/// Not measured: caches, pools and queues get to their usual state.
const WARM_UP: Duration = Duration::from_millis(700);

/// The clients' thread was busy for this part of the time: then it, rather than the nodes, set the pace.
const LIMIT: f64 = 0.9;

/// One half of a round.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Half {
    nodes: usize,
    seconds: f64,
    events: u64,
    delivered: u64,
    lost: u64,
    deliveries_per_second: f64,
    /// Of all nodes together.
    node_cpu_us_per_delivery: f64,
    redis_cpu_us_per_delivery: f64,
    redis_cpu_us_per_event: f64,
    node_rss_kib: Vec<u64>,
    /// The part of the time that the clients' thread was busy.
    generator_busy: f64,
}

#[derive(Debug, Serialize)]
struct Round {
    alone: Half,
    joined: Half,
    ratio: f64,
}

/// All figures.
#[derive(Debug, Serialize)]
pub(crate) struct Figures {
    rounds: Vec<Round>,
    /// CPU microseconds per delivered message, medians of the rounds.
    alone_us: f64,
    joined_us: f64,
    redis_us: f64,
    ratio: Verdict,
}

pub(crate) async fn run(options: &BusOptions) -> anyhow::Result<Report<'_, BusOptions, Figures>> {
    cluster::check_open_files(options.clients)?;
    let mut rounds = Vec::new();
    for number in 1..=options.cluster.rounds {
        let alone = half(options, 1).await?;
        let joined = half(options, NODES).await?;
        print(&format!("round {number} of {}\n{}", options.cluster.rounds, show(&[&alone, &joined])));
        let ratio = joined.node_cpu_us_per_delivery / alone.node_cpu_us_per_delivery;
        rounds.push(Round { alone, joined, ratio });
    }
    let alone_us = median(&rounds, |round| round.alone.node_cpu_us_per_delivery);
    let joined_us = median(&rounds, |round| round.joined.node_cpu_us_per_delivery);
    let redis_us = median(&rounds, |round| round.joined.redis_cpu_us_per_delivery);
    let ratio = Verdict::at_most(TARGET, joined_us / alone_us);
    print(&format!(
        "medians: alone {alone_us:.2} us, {NODES} nodes {joined_us:.2} us (and Redis {redis_us:.3} us) of CPU per \
         delivered message\nratio {:.3}, target {TARGET}: {}",
        ratio.value,
        ratio.word()
    ));
    Ok(Report::new("bus", options, Figures { rounds, alone_us, joined_us, redis_us, ratio }))
}

/// One half of a round, with processes of its own.
async fn half(options: &BusOptions, nodes: usize) -> anyhow::Result<Half> {
    let mut cluster = Cluster::start(&options.cluster, nodes).await?;
    let addresses = cluster.addresses().to_vec();
    let meter = cluster.meter();
    let work = async {
        let mut publisher = Client::connect(addresses[0], NAMESPACE).await?;
        publisher.join(ROOM).await?;
        let mut crowd = Crowd::gather(places(&addresses, options.clients), NAMESPACE, ROOM, EVENT).await?;
        let receivers = crowd.size();
        let mut load = Load::new(publisher, receivers, options);
        crowd
            .attended(async |tally| {
                load.reach_everybody(tally).await?;
                load.publish(tally, WARM_UP).await?;
                let (began, before) = (Instant::now(), meter.read()?);
                let events = load.publish(tally, Duration::from_secs(options.seconds)).await?;
                let (after, seconds) = (meter.read()?, began.elapsed().as_secs_f64());
                let delivered = tally.delivered();
                let spent = Spent { before, after, seconds, events, delivered, receivers };
                Ok(spent.half(nodes, meter.rss_kib()?))
            })
            .await
    };
    let half = cluster.attended(work).await?;
    cluster.stop().await?;
    doubt(&half);
    Ok(half)
}

/// Where the listeners connect: spread evenly, the publisher being the first client of the first node.
fn places(nodes: &[SocketAddr], clients: u32) -> impl Iterator<Item = SocketAddr> {
    nodes.iter().copied().cycle().take(clients as usize).skip(1)
}

struct Spent {
    before: Reading,
    after: Reading,
    seconds: f64,
    events: u64,
    delivered: u64,
    receivers: u64,
}

impl Spent {
    fn half(&self, nodes: usize, node_rss_kib: Vec<u64>) -> Half {
        let Self { before, after, seconds, events, delivered, receivers } = *self;
        let redis = (after.redis - before.redis).micros();
        Half {
            nodes,
            seconds,
            events,
            delivered,
            lost: events * receivers - delivered,
            deliveries_per_second: delivered as f64 / seconds,
            node_cpu_us_per_delivery: (after.nodes - before.nodes).micros() / delivered as f64,
            redis_cpu_us_per_delivery: redis / delivered as f64,
            redis_cpu_us_per_event: redis / events as f64,
            node_rss_kib,
            generator_busy: (after.own - before.own).micros() / 1e6 / seconds,
        }
    }
}

fn doubt(half: &Half) {
    let Half { nodes, lost, generator_busy, .. } = half;
    if *generator_busy > LIMIT {
        let percent = generator_busy * 100.0;
        warn(&format!(
            "nodes: {nodes}: the clients' thread was busy for {percent:.0} % of the time and set the pace; deliveries per \
             second are those of the generator, use fewer --clients or less --in-flight"
        ));
    }
    if *lost > 0 {
        warn(&format!(
            "nodes: {nodes}: {lost} deliveries are missing, clients' queues were full; the figures of this half are not \
             comparable, use less --in-flight or --until delivered"
        ));
    }
}

fn show(halves: &[&Half]) -> String {
    let headings = [
        "nodes",
        "deliveries/s",
        "events/s",
        "CPU us/delivery",
        "Redis us/event",
        "generator",
        "lost",
        "RSS MiB",
    ];
    let row = |half: &&Half| {
        let rss: Vec<String> = half.node_rss_kib.iter().map(|kib| (kib / 1024).to_string()).collect();
        [
            half.nodes.to_string(),
            format!("{:.0}", half.deliveries_per_second),
            format!("{:.0}", half.events as f64 / half.seconds),
            format!("{:.2}", half.node_cpu_us_per_delivery),
            format!("{:.1}", half.redis_cpu_us_per_event),
            format!("{:.0} %", half.generator_busy * 100.0),
            half.lost.to_string(),
            rss.join(" "),
        ]
    };
    table(headings, &halves.iter().map(row).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::usage::Cpu;

    #[test]
    fn clients_are_spread_evenly_with_the_publisher_on_the_first_node() {
        let nodes: Vec<SocketAddr> = (1..=3).map(|port| SocketAddr::from(([127, 0, 0, 1], port))).collect();
        let ports: Vec<u16> = places(&nodes, 9).map(|node| node.port()).collect();
        assert_eq!(ports, [2, 3, 1, 2, 3, 1, 2, 3]);
        assert_eq!(places(&nodes[..1], 4).count(), 3);
    }

    #[test]
    fn cost_is_per_delivery_and_redis_apart() {
        let reading = |nodes, redis, own| Reading {
            nodes: Cpu(Duration::from_millis(nodes)),
            redis: Cpu(Duration::from_millis(redis)),
            own: Cpu(Duration::from_millis(own)),
        };
        let (before, after) = (reading(100, 50, 1000), reading(2100, 70, 2500));
        let spent = Spent { before, after, seconds: 2.0, events: 10, delivered: 990, receivers: 100 };
        let half = spent.half(1, Vec::new());
        assert_eq!((half.lost, half.deliveries_per_second), (10, 495.0));
        assert_eq!((half.node_cpu_us_per_delivery * 990.0).round(), 2_000_000.0);
        assert_eq!((half.redis_cpu_us_per_event, half.generator_busy), (2000.0, 0.75));
    }
}
