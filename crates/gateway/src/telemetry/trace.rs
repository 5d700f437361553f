//! The span of one event or connection.

use std::sync::Arc;

use tracing::Span;

use crate::codes::Code;

/// A span, or none, as for most. It ends with its last copy.
#[derive(Debug, Clone, Default)]
pub(crate) struct Trace(Option<Arc<Span>>);

impl Trace {
    /// None if nobody listens to it.
    pub(super) fn of(span: Span) -> Self {
        Self((!span.is_disabled()).then(|| Arc::new(span)))
    }

    /// It ended in a refusal.
    pub(crate) fn refused(&self, code: Code) {
        if let Some(span) = &self.0 {
            span.record("code", code.as_str());
        }
    }

    /// What came of asking who the client is.
    pub(crate) fn identity(&self, outcome: &'static str) {
        if let Some(span) = &self.0 {
            span.record("identity", outcome);
        }
    }
}
