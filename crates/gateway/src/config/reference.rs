//! `docs/config.md`, written from the settings themselves.

use std::fmt::Write;

use schemars::Schema;
use serde_json::Value as Json;

use super::check::resolve;
use super::settings::Settings;

/// One setting.
pub(super) struct Field<'a> {
    pub(super) name: &'a str,
    pub(super) doc: String,
    pub(super) schema: &'a Json,
}

impl Field<'_> {
    /// Whether it is a table in a file.
    pub(super) fn is_table(&self, root: &Json) -> bool {
        resolve(root, self.schema)["type"] == "object"
    }

    /// Whether it is a list of tables in a file, `[[name]]`.
    pub(super) fn is_list(&self, root: &Json) -> bool {
        resolve(root, &self.schema["items"])["type"] == "object"
    }
}

/// The fields of an object schema, in the order of the struct.
pub(super) fn fields<'a>(root: &'a Json, schema: &'a Json) -> Vec<Field<'a>> {
    let properties = resolve(root, schema)["properties"].as_object();
    properties
        .into_iter()
        .flatten()
        .map(|(name, schema)| {
            let doc = schema["description"].as_str().unwrap_or_default();
            Field { name, doc: doc.split_whitespace().collect::<Vec<_>>().join(" "), schema }
        })
        .collect()
}

pub(super) fn schema() -> Json {
    Schema::to_value(schemars::schema_for!(Settings))
}

/// The reference of all settings, as Markdown.
///
/// # Panics
/// Never: settings always have a JSON form.
#[must_use]
pub fn reference() -> String {
    let root = schema();
    let defaults = serde_json::to_value(Settings::default()).expect("settings always have a JSON form");
    let mut out = String::from(
        "# Configuration\n\n<!-- Generated from crates/gateway/src/config/settings.rs; a test keeps it current. -->\n\n\
         Built-in defaults, then the TOML file (`roomcast serve --config FILE`), then environment variables. Unknown \
         keys and wrong values are errors: `roomcast config check FILE` reports all of them at once. \
         `roomcast config default` prints the annotated sample file, `roomcast config print` the settings in effect.\n",
    );
    for section in fields(&root, &root) {
        if section.name == "namespaces" {
            continue;
        }
        let _ = write!(out, "\n## `[{}]`\n\n{}\n\n", section.name, section.doc);
        out.push_str("| key | default | variable | meaning |\n|---|---|---|---|\n");
        for field in fields(&root, section.schema) {
            let default = &defaults[section.name][field.name];
            let variable = format!("ROOMCAST__{}__{}", section.name, field.name).to_uppercase();
            let doc = with_values(&field, &root);
            let _ = writeln!(out, "| `{}` | `{default}` | `{variable}` | {doc} |", field.name);
        }
    }
    let namespaces = fields(&root, &root).into_iter().find(|field| field.name == "namespaces");
    if let Some(namespaces) = namespaces {
        let item = &namespaces.schema["items"];
        let _ = write!(out, "\n## `[[namespaces]]`\n\n{}\n\n", namespaces.doc);
        table(&mut out, &root, "namespaces", item);
    }
    out
}

/// The keys of a table, and the tables and lists of tables in it.
fn table(out: &mut String, root: &Json, path: &str, item: &Json) {
    out.push_str("| key | default | meaning |\n|---|---|---|\n");
    let required = &resolve(root, item)["required"];
    let (tables, keys): (Vec<_>, Vec<_>) =
        fields(root, item).into_iter().partition(|field| field.is_table(root) || field.is_list(root));
    for field in keys {
        let must = required.as_array().is_some_and(|names| names.iter().any(|name| name == field.name));
        let default = if must { "required".to_owned() } else { format!("`{}`", field.schema["default"]) };
        let _ = writeln!(out, "| `{}` | {default} | {} |", field.name, with_values(&field, root));
    }
    for field in tables {
        let path = format!("{path}.{}", field.name);
        let (head, item) = if field.is_list(root) {
            (format!("[[{path}]]"), &field.schema["items"])
        } else {
            (format!("[{path}]"), field.schema)
        };
        let _ = write!(out, "\n## `{head}`\n\n{}\n\n", field.doc);
        table(out, root, &path, item);
    }
}

fn with_values(field: &Field<'_>, root: &Json) -> String {
    let values = resolve(root, field.schema)["enum"].as_array();
    let values: Vec<_> = values.into_iter().flatten().map(|value| format!("`{value}`")).collect();
    if values.is_empty() { field.doc.clone() } else { format!("{} One of {}.", field.doc, values.join(", ")) }
}
