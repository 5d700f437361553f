//! JSON Schemas: compiled when the node starts, without a look at anything outside of them.

use std::borrow::Cow;
use std::fs;

use jsonschema::error::ValidationErrorKind;
use jsonschema::{PatternOptions, ValidationError, Validator};
use roomcast_adapter::wire::text;
use serde_json::Value;

use super::{Misshapen, clip, strict};
use crate::config::EventSettings;

/// Largest arguments, in bytes of JSON text, of which is told what does not fit and where. To find that out takes time and
/// memory for each value that fits none of several schemas; to find out whether they fit does not.
const MAX_EXPLAINED: usize = 4096;
/// The same for schemas that refer to themselves: how deep arguments may nest. If several ways lead from one level to the
/// next, as with `anyOf`, each level multiplies the time. Whether they fit is remembered, so that takes no time.
const MAX_EXPLAINED_DEPTH: usize = 4;
/// Most characters of what a client sent that are told back to it.
const MAX_ECHO: usize = 60;

/// A compiled schema.
#[derive(Debug)]
pub(super) struct Schema {
    validator: Validator,
    is_recursive: bool,
}

impl Schema {
    /// The schema of an event, if it has one.
    ///
    /// # Errors
    /// The key that is wrong, and why.
    pub(super) fn of(settings: &EventSettings) -> Result<Option<Self>, (&'static str, String)> {
        let (key, text): (_, Cow<'_, str>) = match (settings.schema.as_str(), settings.schema_file.as_str()) {
            ("", "") => return Ok(None),
            (text, "") => ("schema", text.into()),
            ("", file) => match fs::read_to_string(file) {
                Ok(text) => ("schema_file", text.into()),
                Err(error) => return Err(("schema_file", format!("cannot be read: {error}"))),
            },
            _ => return Err(("schema_file", "cannot be set together with `schema`".into())),
        };
        Self::compile(&text).map(Some).map_err(|message| (key, message))
    }

    fn compile(text: &str) -> Result<Self, String> {
        let schema: Value = serde_json::from_str(text).map_err(|error| format!("is no JSON: {error}"))?;
        let options = jsonschema::options()
            .offline()
            // In linear time: others go back and forth, for ever if a client wants it.
            .with_pattern_options(PatternOptions::regex());
        let validator = options.build(&schema).map_err(|error| clip(&mistake(&error), 500))?;
        // Of all references those are left that lead into a circle.
        let is_recursive = options.dereference(&schema).map_or(true, |schema| has_reference(&schema));
        Ok(Self { validator, is_recursive })
    }

    fn explains(&self, list: &str) -> bool {
        list.len() <= MAX_EXPLAINED && !(self.is_recursive && text::is_deeper(list, MAX_EXPLAINED_DEPTH))
    }

    /// Whether a list of arguments fits.
    ///
    /// # Errors
    /// [`Misshapen`]: the first thing that does not.
    pub(super) fn check(&self, list: &str) -> Result<(), Misshapen> {
        let value = strict::parse(list)?;
        if self.validator.is_valid(&value) {
            return Ok(());
        }
        let explanation = if self.explains(list) { self.validator.validate(&value).err() } else { None };
        Err(match explanation {
            Some(error) => {
                Misshapen { path: error.instance_path().as_str().to_owned(), message: explained(&error) }
            }
            None => {
                Misshapen { path: String::new(), message: "the arguments do not fit their schema".into() }
            }
        })
    }
}

/// Whether there is a reference anywhere, or what looks like one.
fn has_reference(schema: &Value) -> bool {
    match schema {
        Value::Array(items) => items.iter().any(has_reference),
        Value::Object(members) => members.iter().any(|(name, value)| {
            matches!(name.as_str(), "$ref" | "$dynamicRef" | "$recursiveRef") || has_reference(value)
        }),
        _ => false,
    }
}

/// What is wrong with a schema, and where in it.
fn mistake(error: &ValidationError<'_>) -> String {
    match error.kind() {
        ValidationErrorKind::Referencing(cause) => {
            format!(
                "a reference leads nowhere, or out of the schema, which must have all it needs in it: {cause}"
            )
        }
        _ => match error.instance_path().as_str() {
            "" => format!("is no JSON Schema: {error}"),
            path => format!("is no JSON Schema: {path}: {error}"),
        },
    }
}

/// What does not fit, with no more than a little of the value that the client knows anyway.
fn explained(error: &ValidationError<'_>) -> String {
    match error.kind() {
        ValidationErrorKind::AdditionalProperties { unexpected }
        | ValidationErrorKind::UnevaluatedProperties { unexpected } => {
            let first = unexpected.first().map(String::as_str).unwrap_or_default();
            format!("{:?} is not expected here", clip(first, MAX_ECHO))
        }
        ValidationErrorKind::PropertyNames { error } => {
            format!("the name of a property: {}", explained(error))
        }
        _ => {
            let value = match error.instance().as_ref() {
                Value::Array(_) => "the list".into(),
                Value::Object(_) => "the object".into(),
                Value::String(text) => format!("{:?}", clip(text, MAX_ECHO)),
                other => clip(&other.to_string(), MAX_ECHO),
            };
            error.masked_with(value).to_string()
        }
    }
}
