//! What rules cost: the CPU of a node for each event that is relayed in a namespace with identity, patterns, roles, limits
//! and sizes, against one without. Both namespaces are of one node, and take turns.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, bail};
use jsonwebtoken::{EncodingKey, Header, encode};
use serde::Serialize;
use serde_json::json;
use tokio::time::{Instant, timeout};

use crate::cli::RulesOptions;
use crate::client::Client;
use crate::cluster::{Cluster, Meter};
use crate::packet;
use crate::report::{Report, print, table};
use crate::statistics::{Spread, Verdict};

/// What the rules may add to an event, in microseconds.
const TARGET_MICROS: f64 = 2.0;

const ROOM: &str = "team:red:1";

const SECRET: &str = "a secret of the benchmark, which means nothing";

/// Longest wait for acknowledgements.
const PATIENCE: Duration = Duration::from_secs(5);

const PLAIN: &str = "/plain";

const RULED: &str = "/ruled";

/// Nothing is ever too often here: what is measured is the counting.
const NAMESPACES: &str = r#"
[[namespaces]]
path = "/plain"
rooms = ["team:*"]
[[namespaces.events]]
name = "message"
publish = "anyone"

[[namespaces]]
path = "/ruled"
rooms = ["hall", "user:{sub}", "team:{team}:*"]
auto_join = ["user:{sub}"]
[namespaces.identity]
kind = "jwt"
[namespaces.identity.jwt]
algorithms = ["HS256"]
secrets = ["a secret of the benchmark, which means nothing"]
require_exp = false
[[namespaces.events]]
name = "message"
publish = "anyone"
roles = ["talker"]
max_payload_bytes = 10_000
[[namespaces.limits]]
name = "all"
count = 10_000_000
[[namespaces.limits]]
name = "user"
events = ["message"]
per = "user"
count = 10_000_000
[[namespaces.limits]]
name = "address"
events = ["message"]
per = "address"
count = 10_000_000
receivers_per_count = 1000
"#;

#[derive(Debug, Serialize)]
struct Round {
    plain_micros: f64,
    ruled_micros: f64,
}

/// All figures.
#[derive(Debug, Serialize)]
pub(crate) struct Figures {
    rounds: Vec<Round>,
    /// The median of what the rules add in each round.
    added_micros: Verdict,
}

pub(crate) async fn run(options: &RulesOptions) -> anyhow::Result<Report<'_, RulesOptions, Figures>> {
    let mut cluster = Cluster::start_with(&options.cluster, 1, NAMESPACES).await?;
    let (node, meter) = (cluster.addresses()[0], cluster.meter());
    let work = async {
        let mut plain = Talk::begin(node, PLAIN, "", options).await?;
        let claims = json!({"sub": "ann", "team": "red", "roles": ["talker", "guest"]});
        let token = encode(&Header::default(), &claims, &EncodingKey::from_secret(SECRET.as_bytes()))?;
        let mut ruled = Talk::begin(node, RULED, &json!({"token": token}).to_string(), options).await?;
        let time = Duration::from_secs(options.seconds);
        // A warm-up.
        for talk in [&mut plain, &mut ruled] {
            talk.cost(&meter, Duration::from_secs(1)).await?;
        }
        let mut rounds = Vec::new();
        for number in 1..=options.cluster.rounds {
            let plain_micros = plain.cost(&meter, time).await?;
            let ruled_micros = ruled.cost(&meter, time).await?;
            print(&format!("round {number}: {plain_micros:.2} and {ruled_micros:.2} µs for each event"));
            rounds.push(Round { plain_micros, ruled_micros });
        }
        anyhow::Ok(rounds)
    };
    let rounds = cluster.attended(work).await?;
    cluster.stop().await?;
    print(&show(&rounds));
    let added: Vec<_> = rounds.iter().map(|round| round.ruled_micros - round.plain_micros).collect();
    let added_micros = Verdict::at_most(TARGET_MICROS, Spread::of(&added).median);
    print(&format!(
        "the rules add {:.2} µs to an event, target {TARGET_MICROS}: {}",
        added_micros.value,
        added_micros.word()
    ));
    Ok(Report::new("rules", options, Figures { rounds, added_micros }))
}

/// One who talks, and one who hears.
struct Talk {
    speaker: Client,
    json: String,
    in_flight: u64,
}

impl Talk {
    async fn begin(
        node: SocketAddr,
        namespace: &str,
        auth: &str,
        options: &RulesOptions,
    ) -> anyhow::Result<Self> {
        let mut hearer = Client::connect_as(node, namespace, auth).await?;
        hearer.join(ROOM).await?;
        tokio::spawn(async move { while hearer.packet().await.is_ok() {} });
        let speaker = Client::connect_as(node, namespace, auth).await?;
        let argument = packet::argument(0, options.payload as usize);
        let json = format!("[\"message\",\"{ROOM}\",{argument}]");
        Ok(Self { speaker, json, in_flight: options.in_flight.into() })
    }

    /// Talks for so long; gives the node's CPU for each event, in microseconds.
    async fn cost(&mut self, meter: &Meter, time: Duration) -> anyhow::Result<f64> {
        let before = meter.read()?.nodes;
        let (begun, mut sent, mut acked) = (Instant::now(), 0u64, 0u64);
        while acked < sent || begun.elapsed() < time {
            if begun.elapsed() < time {
                while sent - acked < self.in_flight {
                    self.speaker.ask(&self.json).await?;
                    sent += 1;
                }
                self.speaker.flush().await?;
            }
            let answer =
                timeout(PATIENCE, self.speaker.packet()).await.context("events are not acknowledged")??;
            match self.speaker.packets().acknowledgement(&answer) {
                Some((_, arguments)) if packet::is_ok(arguments) => acked += 1,
                Some((_, arguments)) => bail!("the node has refused an event: {arguments}"),
                None => {}
            }
        }
        Ok((meter.read()?.nodes - before).micros() / sent as f64)
    }
}

fn show(rounds: &[Round]) -> String {
    let row = |name: &str, figures: Vec<f64>| {
        let Spread { min, median, max } = Spread::of(&figures);
        [name.to_owned(), format!("{min:.2}"), format!("{median:.2}"), format!("{max:.2}")]
    };
    let rows = [
        row("without rules", rounds.iter().map(|round| round.plain_micros).collect()),
        row("with all of them", rounds.iter().map(|round| round.ruled_micros).collect()),
    ];
    table(["CPU for each event, µs", "min", "median", "max"], &rows)
}
