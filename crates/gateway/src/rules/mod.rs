//! The built-in behaviour of a namespace that the configuration declares: who may join which rooms, and which events
//! are relayed where.
//!
//! A refusal never costs the connection: it is counted, and goes into the acknowledgement if the client asked for one.

mod event;
mod pattern;
mod requests;
mod room;

use std::collections::HashMap;

use prometheus_client::metrics::counter::Counter;
use serde_json::Value;

pub use pattern::{Claims, Pattern, PatternError};

use crate::codes::Code;
use crate::config::{EventSettings, NamespaceSettings};
use crate::metrics::NamespaceMetrics;

/// The rules of one namespace, ready to be applied.
#[derive(Debug)]
pub struct Rules {
    node: String,
    rooms: Vec<Pattern>,
    auto_join: Vec<Pattern>,
    max_rooms: usize,
    roles_claim: String,
    events: HashMap<String, Rule>,
}

#[derive(Debug)]
struct Rule {
    settings: EventSettings,
    accepted: Counter,
}

/// Why an event was refused.
#[derive(Debug)]
struct Refusal {
    code: Code,
    message: String,
}

impl Refusal {
    fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

type Reply = Result<Value, Refusal>;

impl Rules {
    /// Compiles the rules of a namespace.
    ///
    /// # Errors
    /// [`PatternError`] for a room pattern that is none.
    pub(crate) fn new(
        node: &str,
        settings: &NamespaceSettings,
        metrics: &NamespaceMetrics,
    ) -> Result<Self, PatternError> {
        let rule = |event: &EventSettings| {
            let accepted = metrics.event(&event.name);
            (event.name.clone(), Rule { settings: event.clone(), accepted })
        };
        Ok(Self {
            node: node.to_owned(),
            rooms: patterns(&settings.rooms)?,
            auto_join: patterns(&settings.auto_join)?,
            roles_claim: settings.identity.roles_claim.clone(),
            max_rooms: settings.max_rooms_per_socket,
            events: settings.events.iter().map(rule).collect(),
        })
    }
}

fn patterns(texts: &[String]) -> Result<Vec<Pattern>, PatternError> {
    texts.iter().map(|text| text.parse()).collect()
}
