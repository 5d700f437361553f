//! The spans, on their way to the collector: OTLP over HTTP.
//!
//! A thread of its own takes them from a bounded queue, at most a second later; nothing that clients wait for waits for
//! it. A collector that is away costs spans, which are counted (`roomcast_trace_spans_total`), and a line in the log now
//! and then.

mod http;
mod queue;

use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{ExporterBuildError, Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use tokio::runtime::Handle;
use tracing::{Subscriber, info, warn};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::registry::LookupSpan;

use super::{TARGET, collector};
use crate::config::Settings;
use crate::http::VERSION;
use queue::Queue;

/// What sends spans to the collector that the configuration names.
#[derive(Debug)]
pub struct Traces {
    provider: SdkTracerProvider,
    timeout: Duration,
}

/// The collector cannot be used so.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TracesError {
    /// Its URL cannot be one.
    #[error("telemetry.otlp_endpoint {0}")]
    Endpoint(&'static str),
    /// No connection to it can be set up.
    #[error("the collector cannot be connected to: {0}")]
    Client(String),
    /// What OpenTelemetry makes of the environment's variables (`OTEL_*`) does not work here.
    #[error(transparent)]
    Exporter(#[from] ExporterBuildError),
}

impl Traces {
    /// Starts it; `None` if no collector is configured. Requests to it run on `runtime`.
    ///
    /// # Errors
    /// [`TracesError`]. A collector that does not answer is none.
    pub fn start(settings: &Settings, runtime: Handle) -> Result<Option<Self>, TracesError> {
        let telemetry = &settings.telemetry;
        if telemetry.otlp_endpoint.is_empty() {
            return Ok(None);
        }
        let endpoint = collector(&telemetry.otlp_endpoint).map_err(TracesError::Endpoint)?;
        let timeout = Duration::from_millis(telemetry.timeout_ms);
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(http::Client::new(&endpoint, timeout, runtime).map_err(TracesError::Client)?)
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(endpoint)
            .with_timeout(timeout)
            .build()?;
        let node = [
            KeyValue::new("service.version", VERSION),
            KeyValue::new("service.instance.id", settings.node.name.clone()),
        ];
        let service = telemetry.service_name.clone();
        let resource = Resource::builder_empty().with_service_name(service).with_attributes(node).build();
        let provider = SdkTracerProvider::builder()
            // Decided before there is a span.
            .with_sampler(Sampler::AlwaysOn)
            .with_span_processor(Queue::new(exporter))
            .with_resource(resource)
            .build();
        Ok(Some(Self { provider, timeout }))
    }

    /// The layer to be added to the program's subscriber. It takes the gateway's spans and nothing else.
    pub fn layer<S>(&self) -> impl Layer<S> + Send + Sync + use<S>
    where
        S: Subscriber + for<'span> LookupSpan<'span> + Send + Sync,
    {
        tracing_opentelemetry::layer()
            .with_tracer(self.provider.tracer("roomcast"))
            .with_location(false)
            .with_threads(false)
            .with_level(false)
            .with_target(false)
            .with_tracked_inactivity(false)
            .with_context_activation(false)
            .with_filter(filter_fn(|metadata| metadata.is_span() && metadata.target() == TARGET))
    }

    /// Sends what is left, and stops; blocks for that, but not longer than `telemetry.timeout_ms`. The runtime must still
    /// run, and this must not be called on one of its threads.
    pub fn stop(self) {
        match self.provider.shutdown_with_timeout(self.timeout) {
            Ok(()) => info!("the last spans were sent"),
            Err(error) => warn!(%error, "the last spans were not sent in time"),
        }
    }
}
