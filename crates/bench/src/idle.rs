//! Memory of websockets that are connected to a namespace and do nothing, in waves: all come, all go, and others come.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context;
use futures_util::future::try_join_all;
use serde::Serialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::cli::IdleOptions;
use crate::client::Client;
use crate::cluster::{Cluster, Meter, check_open_files};
use crate::report::{Report, print, table};
use crate::statistics::Verdict;

const NAMESPACE: &str = "/chat";

/// What one connection may take, in KiB.
const TARGET_KIB: f64 = 18.0;

/// Clients that connect at the same time.
const AT_ONCE: usize = 50;

/// Between two readings that must agree.
const PAUSE: Duration = Duration::from_millis(500);

/// By how much they may differ.
const SETTLED: f64 = 0.005;

/// Readings until the last one is taken as it is.
const READINGS: u32 = 20;

#[derive(Debug, Serialize)]
struct Wave {
    /// Of the node with all clients, less what it had without any, for each client.
    kib_each: f64,
    rss_kib: u64,
    /// When all have gone.
    rss_left_kib: u64,
}

/// All figures.
#[derive(Debug, Serialize)]
pub(crate) struct Figures {
    rss_before_kib: u64,
    waves: Vec<Wave>,
    /// Of the worst wave.
    kib_each: Verdict,
}

pub(crate) async fn run(options: &IdleOptions) -> anyhow::Result<Report<'_, IdleOptions, Figures>> {
    check_open_files(options.clients)?;
    let mut cluster = Cluster::start(&options.cluster, 1).await?;
    let (node, meter) = (cluster.addresses()[0], cluster.meter());
    let work = async {
        let before = settled(&meter).await?;
        let mut waves = Vec::new();
        for number in 1..=options.waves {
            let mut clients = JoinSet::new();
            while clients.len() < options.clients as usize {
                let some = AT_ONCE.min(options.clients as usize - clients.len());
                let some = try_join_all((0..some).map(|_| Client::connect(node, NAMESPACE))).await;
                for mut client in some.context("not all clients came in")? {
                    // It answers pings until it is dropped.
                    clients.spawn(async move { while client.packet().await.is_ok() {} });
                }
            }
            let rss_kib = settled(&meter).await?;
            clients.shutdown().await;
            settled(&meter).await?;
            ordinary_requests(node).await?;
            let rss_left_kib = settled(&meter).await?;
            let kib_each = rss_kib.saturating_sub(before) as f64 / f64::from(options.clients);
            print(&format!("wave {number} of {}: {kib_each:.1} KiB each", options.waves));
            waves.push(Wave { kib_each, rss_kib, rss_left_kib });
        }
        anyhow::Ok((before, waves))
    };
    let (rss_before_kib, waves) = cluster.attended(work).await?;
    cluster.stop().await?;
    print(&show(rss_before_kib, &waves));
    let worst = waves.iter().map(|wave| wave.kib_each).fold(f64::NAN, f64::max);
    let kib_each = Verdict::at_most(TARGET_KIB, worst);
    print(&format!("{:.1} KiB each, target {TARGET_KIB}: {}", kib_each.value, kib_each.word()));
    Ok(Report::new("idle", options, Figures { rss_before_kib, waves, kib_each }))
}

/// What a node that is in use gets all the time: tokio frees the registrations of closed connections sixteen at a time, so
/// that the last ones of a wave wait for others.
async fn ordinary_requests(node: SocketAddr) -> anyhow::Result<()> {
    for _ in 0..64 {
        let mut stream = TcpStream::connect(node).await?;
        stream.write_all(b"GET /live HTTP/1.1\r\nhost: node\r\nconnection: close\r\n\r\n").await?;
        stream.read_to_end(&mut Vec::new()).await?;
    }
    Ok(())
}

/// The node's memory, when it has stopped to change.
async fn settled(meter: &Meter) -> anyhow::Result<u64> {
    let read = || anyhow::Ok(meter.rss_kib()?.iter().sum::<u64>());
    let mut last = read()?;
    for _ in 0..READINGS {
        sleep(PAUSE).await;
        let now = read()?;
        let is_settled = (now as f64 - last as f64).abs() <= now as f64 * SETTLED;
        last = now;
        if is_settled {
            break;
        }
    }
    Ok(last)
}

fn show(before: u64, waves: &[Wave]) -> String {
    let mib = |kib: u64| format!("{:.0}", kib as f64 / 1024.0);
    let rows: Vec<_> = waves
        .iter()
        .enumerate()
        .map(|(at, wave)| {
            [(at + 1).to_string(), format!("{:.1}", wave.kib_each), mib(wave.rss_kib), mib(wave.rss_left_kib)]
        })
        .collect();
    let table = table(["wave", "KiB each", "MiB", "MiB when all have gone"], &rows);
    format!("before the first: {} MiB\n{table}", mib(before))
}
