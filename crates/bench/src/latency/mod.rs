//! Time from a client of one node to a client of another one, with a Redis between, at a fixed rate.
//!
//! The time of an event begins when it is due, not when it was sent, so what holds up the sending counts (no coordinated
//! omission). Both clients are in this process: one clock.

mod schedule;

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use hdrhistogram::Histogram;
use serde::Serialize;
use serde_json::Value;
use tokio::time::timeout;

use crate::cli::LatencyOptions;
use crate::client::Client;
use crate::cluster::Cluster;
use crate::packet;
use crate::report::{Report, print, table, warn};
use crate::statistics::{Verdict, median};
use schedule::Schedule;

const NAMESPACE: &str = "/chat";
const ROOM: &str = "room:bench";
const EVENT: &str = "message";
const NODES: usize = 2;

/// What the median of the rounds' p99 may be, in microseconds.
const TARGET_US: f64 = 2000.0;

/// The beginning of each round is not counted.
const WARM_UP: Duration = Duration::from_secs(1);

/// A generator that is late by more than this, in microseconds at p99, says something about itself.
const LATE_US: f64 = 500.0;

/// Between attempts to reach the other node: subscriptions may not be there yet.
const RETRY: Duration = Duration::from_millis(200);

/// Attempts to reach the other node.
const ATTEMPTS: u32 = 50;

/// Longest wait for the last event after the end.
const PATIENCE: Duration = Duration::from_secs(10);

/// The numbers that events carry: their moment in nanoseconds, but for these two.
const HELLO: u64 = u64::MAX;
const GOODBYE: u64 = u64::MAX - 1;

#[derive(Debug, Serialize)]
struct Round {
    events: u64,
    lost: u64,
    p50_us: f64,
    p99_us: f64,
    p999_us: f64,
    max_us: f64,
    /// How late events were sent, at p99; part of the times above.
    sent_late_p99_us: f64,
}

/// All figures.
#[derive(Debug, Serialize)]
pub(crate) struct Figures {
    rounds: Vec<Round>,
    /// The median of the rounds' p99, in microseconds.
    p99_us: Verdict,
}

pub(crate) async fn run(options: &LatencyOptions) -> anyhow::Result<Report<'_, LatencyOptions, Figures>> {
    let mut rounds = Vec::new();
    for number in 1..=options.cluster.rounds {
        let round = round(options).await?;
        print(&format!("round {number} of {}\n{}", options.cluster.rounds, show(&round)));
        doubt(&round);
        rounds.push(round);
    }
    let p99_us = Verdict::at_most(TARGET_US, median(&rounds, |round| round.p99_us));
    let (value, word) = (p99_us.value / 1000.0, p99_us.word());
    print(&format!("median of the p99s {value:.2} ms, target {} ms: {word}", TARGET_US / 1000.0));
    Ok(Report::new("latency", options, Figures { rounds, p99_us }))
}

/// One round, with processes of its own.
async fn round(options: &LatencyOptions) -> anyhow::Result<Round> {
    let mut cluster = Cluster::start(&options.cluster, NODES).await?;
    let (first, second) = (cluster.addresses()[0], cluster.addresses()[1]);
    let length = WARM_UP + Duration::from_secs(options.seconds);
    let work = async {
        let mut publisher = Client::connect(first, NAMESPACE).await?;
        let mut receiver = Client::connect(second, NAMESPACE).await?;
        publisher.join(ROOM).await?;
        receiver.join(ROOM).await?;
        let bytes = options.payload as usize;
        reach(&mut publisher, &mut receiver, bytes).await?;
        let schedule = Schedule { start: Instant::now(), rate: options.rate, length };
        let both = async {
            tokio::try_join!(publish(&mut publisher, schedule, bytes), receive(&mut receiver, schedule))
        };
        let (sent, received) = timeout(length + PATIENCE, both).await.context(
            "the last event has not arrived: either it is lost, or the nodes cannot keep this rate",
        )??;
        Ok(Round {
            events: sent.len(),
            lost: sent.len().saturating_sub(received.len()),
            p50_us: micros(received.value_at_quantile(0.5)),
            p99_us: micros(received.value_at_quantile(0.99)),
            p999_us: micros(received.value_at_quantile(0.999)),
            max_us: micros(received.max()),
            sent_late_p99_us: micros(sent.value_at_quantile(0.99)),
        })
    };
    let round = cluster.attended(work).await?;
    cluster.stop().await?;
    Ok(round)
}

/// Publishes until the other node's client hears it.
async fn reach(publisher: &mut Client, receiver: &mut Client, bytes: usize) -> anyhow::Result<()> {
    let start = receiver.packets().start_of(EVENT);
    for _ in 0..ATTEMPTS {
        publisher.emit(&event(HELLO, bytes)).await?;
        publisher.flush().await?;
        let heard = async {
            while packet::number(&receiver.packet().await?, &start) != Some(HELLO) {}
            anyhow::Ok(())
        };
        if let Ok(result) = timeout(RETRY, heard).await {
            return result;
        }
    }
    bail!("the second node does not hear the first one")
}

/// Sends each event when it is due. Gives how late they were.
async fn publish(client: &mut Client, schedule: Schedule, bytes: usize) -> anyhow::Result<Histogram<u64>> {
    let (mut ticks, mut late) = (schedule.run(), histogram()?);
    loop {
        tokio::select! {
            tick = ticks.recv() => {
                let Some(moment) = tick else { break };
                record(&mut late, schedule, moment);
                client.emit(&event(nanos(moment), bytes)).await?;
                client.flush().await?;
            }
            // For the heartbeat; nothing else comes.
            packet = client.packet() => drop(packet?),
        }
    }
    client.emit(&event(GOODBYE, bytes)).await?;
    client.flush().await?;
    Ok(late)
}

/// Hears events until the last one. Gives the times since they were due.
async fn receive(client: &mut Client, schedule: Schedule) -> anyhow::Result<Histogram<u64>> {
    let (start, mut times) = (client.packets().start_of(EVENT), histogram()?);
    loop {
        match packet::number(&client.packet().await?, &start) {
            Some(GOODBYE) => return Ok(times),
            Some(HELLO) | None => {}
            Some(moment) => record(&mut times, schedule, Duration::from_nanos(moment)),
        }
    }
}

fn record(times: &mut Histogram<u64>, schedule: Schedule, moment: Duration) {
    if moment >= WARM_UP {
        times.saturating_record(nanos(schedule.start.elapsed().saturating_sub(moment)));
    }
}

fn event(number: u64, bytes: usize) -> String {
    format!("[{},{},{}]", Value::from(EVENT), Value::from(ROOM), packet::argument(number, bytes))
}

/// Nanoseconds, up to a minute, to three digits.
fn histogram() -> anyhow::Result<Histogram<u64>> {
    Ok(Histogram::new_with_bounds(1, 60_000_000_000, 3)?)
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

fn micros(nanos: u64) -> f64 {
    nanos as f64 / 1000.0
}

fn doubt(round: &Round) {
    if round.lost > 0 {
        warn(&format!("{} of {} events did not arrive", round.lost, round.events));
    }
    if round.sent_late_p99_us > LATE_US {
        warn(&format!(
            "events were sent up to {:.0} us late (p99): the machine is too busy for the generator, or the rate too high",
            round.sent_late_p99_us
        ));
    }
}

fn show(round: &Round) -> String {
    let headings = ["events", "lost", "p50 us", "p99 us", "p99.9 us", "max us", "sent late, p99 us"];
    let times = [round.p50_us, round.p99_us, round.p999_us, round.max_us, round.sent_late_p99_us];
    let [p50, p99, p999, max, late] = times.map(|time| format!("{time:.0}"));
    table(headings, &[[round.events.to_string(), round.lost.to_string(), p50, p99, p999, max, late]])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_counts_from_when_an_event_was_due() {
        let long_ago = Instant::now().checked_sub(Duration::from_secs(5)).unwrap();
        let schedule = Schedule { start: long_ago, rate: 1, length: Duration::from_secs(5) };
        let mut times = histogram().unwrap();
        record(&mut times, schedule, Duration::from_millis(999));
        assert_eq!(times.len(), 0, "the warm-up is not counted");
        record(&mut times, schedule, Duration::from_secs(2));
        let measured = micros(times.max());
        assert!((2_990_000.0..60_000_000.0).contains(&measured), "{measured}");
    }

    #[test]
    fn events_carry_their_moment() {
        let json: Value = serde_json::from_str(&event(1_000_000, 100)).unwrap();
        assert_eq!((json[0].as_str(), json[1].as_str()), (Some(EVENT), Some(ROOM)));
        assert!(json[2].as_str().unwrap().starts_with("00000000000001000000x"));
    }
}
