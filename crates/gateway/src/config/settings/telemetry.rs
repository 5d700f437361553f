//! Spans for a collector.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `[telemetry]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TelemetrySettings {
    /// Where a collector takes spans by OTLP over HTTP, such as `http://127.0.0.1:4318`; without a path it is
    /// `/v1/traces`. Empty: there are none. Only in a program built with the feature `otel`.
    pub otlp_endpoint: String,
    /// How many of a million events and connections get a span.
    pub sample_per_million: u32,
    /// What the collector is told as `service.name`.
    pub service_name: String,
    /// Longest wait for the collector to take spans, and for all that are left when the node stops, in milliseconds.
    pub timeout_ms: u64,
}

impl Default for TelemetrySettings {
    fn default() -> Self {
        Self {
            otlp_endpoint: String::new(),
            sample_per_million: 1_000,
            service_name: "roomcast".into(),
            timeout_ms: 3_000,
        }
    }
}
