//! The shape of an event's arguments: how many they are, what is done with texts among them, and their JSON Schema.
//!
//! In this order, so that the schema is asked about what receivers get. Whatever no rule concerns is passed on byte for
//! byte.

mod html;
mod pointer;
mod schema;
mod strict;
mod text;

use roomcast_adapter::wire;
use serde_json::value::RawValue;

use super::Refusal;
use crate::codes::Code;
use crate::config::EventSettings;
use crate::sockets::push_items;
use html::Effort;
use schema::Schema;
use text::TextRule;

/// Most rules for texts of one event: each goes through all arguments.
const MAX_RULES: usize = 32;
/// Longest message of a refusal, in characters.
const MAX_MESSAGE: usize = 300;
/// Longest path of a refusal, in bytes; a longer one is cut to that of a value around the one that is meant.
const MAX_PATH: usize = 300;

/// What the arguments of one event must look like.
#[derive(Debug)]
pub(super) struct Shape {
    max_arguments: usize,
    max_bytes: usize,
    text: Vec<TextRule>,
    schema: Option<Schema>,
}

/// What is wrong with the rules for the shape of an event: the key of the event, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("event `{event}`: {key}: {message}")]
pub struct ShapeError {
    event: String,
    pub(crate) key: String,
    pub(crate) message: String,
}

/// Arguments that have another shape.
#[derive(Debug, PartialEq, Eq)]
struct Misshapen {
    /// JSON Pointer into the list of arguments.
    path: String,
    message: String,
}

/// Everything that is wrong.
pub(crate) fn problems(settings: &EventSettings) -> Vec<ShapeError> {
    Shape::compile(settings).err().unwrap_or_default()
}

impl Shape {
    /// # Errors
    /// The first of all that is wrong.
    pub(super) fn new(settings: &EventSettings) -> Result<Self, ShapeError> {
        Self::compile(settings).map_err(|mut wrong| wrong.swap_remove(0))
    }

    /// # Errors
    /// Everything that is wrong, at least one thing.
    fn compile(settings: &EventSettings) -> Result<Self, Vec<ShapeError>> {
        let mut wrong = Vec::new();
        let mut add = |key: String, message: String| {
            wrong.push(ShapeError { event: settings.name.clone(), key, message });
        };
        if settings.text.len() > MAX_RULES {
            add("text".into(), format!("has {} rules, at most {MAX_RULES} are allowed", settings.text.len()));
        }
        let mut text = Vec::new();
        for (at, rule) in settings.text.iter().enumerate() {
            match TextRule::new(rule) {
                Ok(rule) => text.push(rule),
                Err(all) => {
                    all.into_iter().for_each(|(key, message)| add(format!("text[{at}].{key}"), message));
                }
            }
        }
        let schema = Schema::of(settings).unwrap_or_else(|(key, message)| {
            add(key.into(), message);
            None
        });
        let (max_arguments, max_bytes) = (settings.max_arguments, settings.max_payload_bytes);
        if wrong.is_empty() { Ok(Self { max_arguments, max_bytes, text, schema }) } else { Err(wrong) }
    }

    /// Whether there is a schema, or a rule for texts.
    pub(super) fn asks_for_something(&self) -> bool {
        self.schema.is_some() || !self.text.is_empty()
    }

    /// The arguments as they are to be passed on, separated by commas; `None` if they may go as they came.
    pub(super) fn apply(&self, arguments: &[&RawValue]) -> Result<Option<String>, Refusal> {
        if arguments.len() > self.max_arguments {
            let message = format!(
                "the event has {} arguments, its rule allows {}",
                arguments.len(),
                self.max_arguments
            );
            return Err(Refusal::new(Code::InvalidArguments, message));
        }
        if !self.asks_for_something() {
            return Ok(None);
        }
        let mut list = String::from("[");
        push_items(&mut list, arguments);
        list.push(']');
        // As receivers see it.
        let mut list = wire::text::well_formed(&list).into_owned();
        let changed = self.check(&mut list).map_err(refusal)?;
        if changed && list.len() > self.max_bytes {
            let message =
                format!("cleaned, the event has {} bytes, its rule allows {}", list.len(), self.max_bytes);
            return Err(Refusal::new(Code::PayloadTooLarge, message));
        }
        Ok(changed.then(|| list[1..list.len() - 1].to_owned()))
    }

    /// Applies the rules to a list of arguments; tells whether one has changed it.
    fn check(&self, list: &mut String) -> Result<bool, Misshapen> {
        let mut changed = false;
        let mut effort = Effort::default();
        for rule in &self.text {
            if let Some(new) = rule.apply(list, &mut effort)? {
                *list = new;
                changed = true;
            }
        }
        if let Some(schema) = &self.schema {
            schema.check(list)?;
        }
        Ok(changed)
    }
}

fn refusal(Misshapen { mut path, message }: Misshapen) -> Refusal {
    while path.len() > MAX_PATH {
        path.truncate(path.rfind('/').unwrap_or(0));
    }
    Refusal::new(Code::InvalidShape, clip(&message, MAX_MESSAGE)).with("path", path)
}

/// The text, or its beginning.
fn clip(text: &str, max_chars: usize) -> String {
    match text.char_indices().nth(max_chars) {
        None => text.to_owned(),
        Some(_) => text.chars().take(max_chars.saturating_sub(3)).chain("...".chars()).collect(),
    }
}

#[cfg(test)]
mod tests;
