//! The annotated sample file: every key with its meaning and its default.

use std::fmt::Write;

use serde_json::Value as Json;

use super::reference::{Field, fields, schema};
use super::settings::Settings;

const WIDTH: usize = 110;

/// The sample file. Loaded as it is, it gives exactly the defaults.
///
/// # Panics
/// Never: settings always have a JSON form.
#[must_use]
pub fn sample() -> String {
    let root = schema();
    let defaults = serde_json::to_value(Settings::default()).expect("settings always have a JSON form");
    let mut out = String::from(
        "# Roomcast. All keys with their defaults; leave out what you do not change.\n\
         # Environment variables win over this file: ROOMCAST__SERVER__LISTEN=0.0.0.0:3000\n",
    );
    for section in fields(&root, &root) {
        out.push('\n');
        comment(&mut out, &section.doc);
        if section.name == "namespaces" {
            let item = &section.schema["items"];
            for (at, namespace) in defaults["namespaces"].as_array().into_iter().flatten().enumerate() {
                namespace_block(&mut out, &root, item, namespace, at == 0);
            }
        } else {
            let _ = writeln!(out, "[{}]", section.name);
            keys(&mut out, &root, &fields(&root, section.schema), &defaults[section.name], true);
        }
    }
    out
}

/// Meanings are told the first time only: each key of an event at the first event.
fn namespace_block(out: &mut String, root: &Json, item: &Json, namespace: &Json, first: bool) {
    if !first {
        out.push('\n');
    }
    out.push_str("[[namespaces]]\n");
    let own = fields(root, item);
    table(out, root, "namespaces", &own, namespace, first);
    for list in own.iter().filter(|field| first && field.is_list(root) && field.name != "events") {
        example(out, root, "namespaces", list);
    }
    for field in own.iter().filter(|field| field.name == "events") {
        for (at, event) in namespace["events"].as_array().into_iter().flatten().enumerate() {
            out.push('\n');
            let explain = first && at == 0;
            if explain {
                comment(out, &field.doc);
            }
            out.push_str("[[namespaces.events]]\n");
            let own = fields(root, &field.schema["items"]);
            keys(out, root, &own, event, explain);
            for list in own.iter().filter(|field| explain && field.is_list(root)) {
                example(out, root, "namespaces.events", list);
            }
        }
    }
}

/// One entry of a list that has none by default, as a comment.
fn example(out: &mut String, root: &Json, path: &str, list: &Field<'_>) {
    out.push('\n');
    comment(out, &list.doc);
    let own = fields(root, &list.schema["items"]);
    // What must be given has no default, but an example.
    let value = |field: &Field<'_>| match field.schema.get("default") {
        Some(default) => default.clone(),
        None => field.schema["examples"][0].clone(),
    };
    let values = own.iter().map(|field| (field.name.to_owned(), value(field))).collect();
    let mut text = format!("[[{path}.{}]]\n", list.name);
    keys(&mut text, root, &own, &Json::Object(values), true);
    for line in text.lines() {
        let _ = writeln!(out, "# {line}");
    }
}

/// The keys of a table, and the tables in it.
fn table(out: &mut String, root: &Json, path: &str, own: &[Field<'_>], values: &Json, explain: bool) {
    keys(out, root, own, values, explain);
    for field in own.iter().filter(|field| field.is_table(root)) {
        let value = &values[field.name];
        if !explain && Some(value) == field.schema.get("default") {
            continue;
        }
        out.push('\n');
        if explain {
            comment(out, &field.doc);
        }
        let path = format!("{path}.{}", field.name);
        let _ = writeln!(out, "[{path}]");
        table(out, root, &path, &fields(root, field.schema), value, explain);
    }
}

fn keys(out: &mut String, root: &Json, fields: &[Field<'_>], values: &Json, explain: bool) {
    for field in fields.iter().filter(|field| !field.is_table(root) && !field.is_list(root)) {
        let value = &values[field.name];
        // Later blocks show only what they change, so that they stay readable.
        if !explain && Some(value) == field.schema.get("default") {
            continue;
        }
        if explain {
            comment(out, &field.doc);
        }
        // Strings, numbers, booleans and arrays of strings look the same in TOML and JSON.
        let _ = writeln!(out, "{} = {}", field.name, value.to_string().replace("\",\"", "\", \""));
    }
}

fn comment(out: &mut String, text: &str) {
    let mut line = String::from("#");
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        if line.len() + 1 + word.len() > WIDTH {
            let _ = writeln!(out, "{line}");
            line = String::from("#");
        }
        line.push(' ');
        line.push_str(word);
    }
    if line.len() > 1 {
        let _ = writeln!(out, "{line}");
    }
}
