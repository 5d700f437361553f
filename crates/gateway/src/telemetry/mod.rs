//! Spans of some events and connections, for a collector of OpenTelemetry (`[telemetry]`).
//!
//! Which event gets one is decided before anything is done for it: the others cost one random number, and nothing at all
//! where no collector is configured. What spans have is bounded by the configuration: namespaces, events by the names
//! that it gives them, codes. Never a room, an argument, a token or a user.
//!
//! The spans are those of `tracing`, with a target of their own, [`TARGET`]; who sets up a subscriber for a program with a
//! gateway in it adds the layer of `Traces`, which the feature `otel` brings.

mod endpoint;
#[cfg(feature = "otel")]
mod otel;
mod sampling;
mod stats;
mod trace;

pub(crate) use endpoint::collector;
#[cfg(feature = "otel")]
pub use otel::{Traces, TracesError};
pub(crate) use sampling::Sampling;
pub(crate) use stats::SPANS;
pub(crate) use trace::Trace;

/// The target of all spans; nothing else has it.
pub const TARGET: &str = "roomcast::trace";
