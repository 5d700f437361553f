//! The built-in behaviour of a namespace that the configuration declares: who may join which rooms, and which events
//! are relayed where, how often.
//!
//! A refusal never costs the connection, unless a limit says so: it is counted, and goes into the acknowledgement if the
//! client asked for one. `LiveRules` holds the rules in effect, which may be replaced at any time.

mod crowds;
mod event;
mod explain;
mod live;
mod pattern;
mod permit;
mod presence;
mod requests;
mod room;
mod shape;

use std::collections::HashMap;

use prometheus_client::metrics::counter::Counter;
use roomcast_adapter::Bus;
use serde_json::{Map, Value};

pub use explain::{Explanation, Question, explain};
pub(crate) use live::LiveRules;
pub(crate) use pattern::claim;
pub use pattern::{Claims, Pattern, PatternError};
pub use shape::ShapeError;

pub(crate) use shape::problems as shape_problems;

use crate::codes::Code;
use crate::config::{EventSettings, NamespaceSettings};
use crate::limits::Limits;
use crate::metrics::NamespaceMetrics;
use shape::Shape;

/// The events that every namespace of the configuration has.
pub(crate) const BUILT_IN: [&str; 5] = ["join", "leave", "whoami", "refresh", "presence"];

/// The rules of one namespace, ready to be applied.
#[derive(Debug)]
pub(crate) struct Rules {
    node: String,
    settings: NamespaceSettings,
    rooms: Vec<Pattern>,
    auto_join: Vec<Pattern>,
    events: HashMap<String, Rule>,
    limits: Limits,
}

#[derive(Debug)]
struct Rule {
    settings: EventSettings,
    shape: Shape,
    accepted: Counter,
}

/// Rules that cannot be compiled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RulesError {
    /// A room pattern that is none.
    #[error(transparent)]
    Pattern(#[from] PatternError),
    /// An event whose shape cannot be checked.
    #[error(transparent)]
    Shape(#[from] ShapeError),
}

/// Why an event was refused.
#[derive(Debug)]
struct Refusal {
    code: Code,
    message: String,
    /// What else the acknowledgement has.
    details: Map<String, Value>,
}

impl Refusal {
    fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), details: Map::new() }
    }

    fn with(mut self, detail: &str, value: impl Into<Value>) -> Self {
        self.details.insert(detail.to_owned(), value.into());
        self
    }
}

type Reply = Result<Value, Refusal>;

impl Rules {
    /// Compiles the rules of a namespace; limits that `former` had, too, keep what they have counted.
    ///
    /// # Errors
    /// [`RulesError`]: the first mistake; the configuration was checked before.
    fn new(
        node: &str,
        settings: &NamespaceSettings,
        bus: Option<&Bus>,
        metrics: &NamespaceMetrics,
        former: Option<&Self>,
    ) -> Result<Self, RulesError> {
        let rule = |event: &EventSettings| {
            let (shape, accepted) = (Shape::new(event)?, metrics.event(&event.name));
            Ok((event.name.clone(), Rule { settings: event.clone(), shape, accepted }))
        };
        let former = former.map(|former| &former.limits);
        Ok(Self {
            node: node.to_owned(),
            rooms: patterns(&settings.rooms)?,
            auto_join: patterns(&settings.auto_join)?,
            events: settings.events.iter().map(rule).collect::<Result<_, ShapeError>>()?,
            limits: Limits::new(&settings.path, &settings.limits, bus, metrics, former),
            settings: settings.clone(),
        })
    }

    /// The configuration that they come from.
    pub(crate) fn settings(&self) -> &NamespaceSettings {
        &self.settings
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }
}

fn patterns(texts: &[String]) -> Result<Vec<Pattern>, PatternError> {
    texts.iter().map(|text| text.parse()).collect()
}
