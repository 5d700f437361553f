//! Logs: fields on standard error, as text or JSON. And the spans that go to a collector, which are none of them.

use roomcast::config::{LogFormat, LogSettings, Settings};
use tokio::runtime::Handle;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

/// What is to be finished when the node has stopped.
#[derive(Debug)]
pub(crate) struct Logging {
    #[cfg(feature = "otel")]
    traces: Option<roomcast::telemetry::Traces>,
}

impl Logging {
    /// Requests to a collector run on `runtime`.
    #[cfg(not(feature = "otel"))]
    pub(crate) fn init(settings: &Settings, _runtime: &Handle) -> anyhow::Result<Self> {
        logs_alone(&settings.log);
        Ok(Self {})
    }

    /// Requests to a collector run on `runtime`.
    #[cfg(feature = "otel")]
    pub(crate) fn init(settings: &Settings, runtime: &Handle) -> anyhow::Result<Self> {
        let traces = roomcast::telemetry::Traces::start(settings, runtime.clone())?;
        match &traces {
            Some(traces) => logs_and(traces, &settings.log)?,
            None => logs_alone(&settings.log),
        }
        Ok(Self { traces })
    }

    /// Sends what is left for the collector; blocks for a bounded time.
    pub(crate) fn finish(self) {
        #[cfg(feature = "otel")]
        if let Some(traces) = self.traces {
            traces.stop();
        }
    }
}

fn logs_alone(settings: &LogSettings) {
    let builder = tracing_subscriber::fmt().with_env_filter(filter(settings)).with_writer(std::io::stderr);
    match settings.format {
        LogFormat::Json => builder.json().flatten_event(true).init(),
        LogFormat::Text => builder.with_ansi(is_terminal()).init(),
    }
}

#[cfg(feature = "otel")]
fn logs_and(traces: &roomcast::telemetry::Traces, settings: &LogSettings) -> anyhow::Result<()> {
    use tracing_subscriber::Layer;
    use tracing_subscriber::layer::SubscriberExt;
    use tracing_subscriber::util::SubscriberInitExt;

    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let logs = match settings.format {
        LogFormat::Json => layer.json().flatten_event(true).boxed(),
        LogFormat::Text => layer.with_ansi(is_terminal()).boxed(),
    };
    // Spans are no matter of the log, whatever its level.
    let without_spans = format!("{}=off", roomcast::telemetry::TARGET).parse()?;
    let filter = filter(settings).add_directive(without_spans);
    tracing_subscriber::registry().with(logs.with_filter(filter)).with(traces.layer()).init();
    Ok(())
}

/// A level alone is for our own crates: libraries write what clients say into their debug lines.
fn filter(settings: &LogSettings) -> EnvFilter {
    let level = settings.level.trim();
    match level.parse::<LevelFilter>() {
        Ok(ours) if ours > LevelFilter::INFO => {
            // A prefix: `roomcast_adapter` and all others are meant as well.
            EnvFilter::builder().parse_lossy(format!("info,roomcast={level}"))
        }
        _ => EnvFilter::builder().parse_lossy(level),
    }
}
fn is_terminal() -> bool {
    std::io::IsTerminal::is_terminal(&std::io::stderr())
}
