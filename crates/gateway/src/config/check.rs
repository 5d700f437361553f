//! Keys and types, checked against the schema of the settings, all at once.

use std::collections::BTreeMap;
use std::path::Path;

use config::ValueKind;
use schemars::Schema;
use serde_json::{Map, Value as Json};

use super::problem::Problem;
use super::settings::Settings;

/// Where a layer of settings comes from.
#[derive(Debug)]
pub(super) enum Layer {
    File(String),
    /// The names of the variables.
    Environment(Vec<String>),
}

pub(super) fn from_file(path: &Path) -> Layer {
    Layer::File(path.display().to_string())
}

pub(super) fn from_environment<'a>(names: impl Iterator<Item = &'a String>) -> Layer {
    Layer::Environment(names.filter(|name| name.starts_with("ROOMCAST__")).cloned().collect())
}

impl Layer {
    fn source(&self, key: &str) -> String {
        match self {
            Self::File(path) => path.clone(),
            Self::Environment(names) => {
                // What is inside of a list was given by the variable that has the whole list.
                let outer = key.split('[').next().unwrap_or(key);
                let wanted = format!("ROOMCAST__{}", outer.replace('.', "__")).to_uppercase();
                let upper = |name: &&String| name.to_uppercase();
                let exact = names.iter().find(|name| upper(name) == wanted);
                let below = || names.iter().find(|name| upper(name).starts_with(&format!("{wanted}__")));
                exact.or_else(below).cloned().unwrap_or(wanted)
            }
        }
    }
}

/// Collects what is right and what is wrong.
#[derive(Debug)]
pub(super) struct Checker {
    root: Json,
    pub(super) problems: Vec<Problem>,
    /// Where each key was set, for problems that are found later.
    pub(super) sources: BTreeMap<String, String>,
}

impl Checker {
    pub(super) fn new() -> Self {
        Self {
            root: Schema::to_value(schemars::schema_for!(Settings)),
            problems: Vec::new(),
            sources: BTreeMap::new(),
        }
    }

    /// Lays `values` over `tree`; what has an unknown key or a wrong type is reported and left out.
    pub(super) fn lay(&mut self, tree: &mut Json, values: config::Map<String, config::Value>, layer: &Layer) {
        let root = self.root.clone();
        let table = ValueKind::Table(values);
        if let Some(checked) = self.value(&root, &root, table, "", layer) {
            merge(tree, checked);
        }
    }

    fn value(
        &mut self,
        root: &Json,
        schema: &Json,
        value: ValueKind,
        key: &str,
        layer: &Layer,
    ) -> Option<Json> {
        let schema = resolve(root, schema);
        let value = match (layer, value) {
            (Layer::Environment(_), ValueKind::String(text)) => from_text(schema, text),
            (_, value) => value,
        };
        self.sources.insert(key.to_owned(), layer.source(key));
        let wanted = schema["type"].as_str().unwrap_or("string");
        match (wanted, value) {
            ("object", ValueKind::Table(table)) => Some(self.table(root, schema, table, key, layer)),
            ("array", ValueKind::Array(items)) => Some(self.array(root, schema, items, key, layer)),
            ("integer", ValueKind::I64(number)) if number >= 0 => Some(number.into()),
            ("integer", ValueKind::U64(number)) => Some(number.into()),
            ("boolean", ValueKind::Boolean(value)) => Some(value.into()),
            ("string", ValueKind::String(text)) => self.text(schema, text, key, layer),
            (_, other) => {
                let article = if matches!(wanted, "integer" | "array" | "object") { "an" } else { "a" };
                let wanted = match wanted {
                    "integer" => "integer that is not negative",
                    "object" => "object (table)",
                    other => other,
                };
                let is_variable = matches!(layer, Layer::Environment(_));
                let hint =
                    (wanted == "array" && is_variable).then(|| r#"as in a file: ["a", "b"]"#.to_owned());
                let message = format!("must be {article} {wanted}, not {}", describe(&other, key));
                self.report(key, layer, message, hint);
                None
            }
        }
    }

    fn table(
        &mut self,
        root: &Json,
        schema: &Json,
        table: config::Map<String, config::Value>,
        key: &str,
        layer: &Layer,
    ) -> Json {
        let none = Map::new();
        let known = schema["properties"].as_object().unwrap_or(&none);
        let mut checked = Map::new();
        let mut table: Vec<_> = table.into_iter().collect();
        table.sort_by(|(a, _), (b, _)| a.cmp(b));
        for (name, value) in table {
            let path = join(key, &name);
            match known.get(&name) {
                Some(schema) => {
                    if let Some(value) = self.value(root, schema, value.kind, &path, layer) {
                        checked.insert(name, value);
                    }
                }
                None => {
                    let nearest = known.keys().max_by(|a, b| {
                        strsim::jaro_winkler(a, &name).total_cmp(&strsim::jaro_winkler(b, &name))
                    });
                    let close = nearest.filter(|near| strsim::jaro_winkler(near, &name) > 0.8);
                    let hint = match close {
                        Some(near) => format!("did you mean `{near}`?"),
                        None => {
                            format!("known keys: {}", known.keys().cloned().collect::<Vec<_>>().join(", "))
                        }
                    };
                    self.report(&path, layer, "unknown key".into(), Some(hint));
                }
            }
        }
        for required in schema["required"].as_array().into_iter().flatten().filter_map(Json::as_str) {
            let path = join(key, required);
            if !checked.contains_key(required) && !self.problems.iter().any(|problem| problem.key == path) {
                self.report(&path, layer, "is missing".into(), None);
            }
            checked.entry(required).or_insert_with(|| stand_in(&schema["properties"][required], &path));
        }
        Json::Object(checked)
    }

    fn array(
        &mut self,
        root: &Json,
        schema: &Json,
        items: Vec<config::Value>,
        key: &str,
        layer: &Layer,
    ) -> Json {
        let items = items.into_iter().enumerate().map(|(index, item)| {
            let path = format!("{key}[{index}]");
            let checked = self.value(root, &schema["items"], item.kind, &path, layer);
            checked.unwrap_or_else(|| stand_in(resolve(root, &schema["items"]), &path))
        });
        Json::Array(items.collect())
    }

    fn text(&mut self, schema: &Json, text: String, key: &str, layer: &Layer) -> Option<Json> {
        let allowed: Vec<&str> =
            schema["enum"].as_array().into_iter().flatten().filter_map(Json::as_str).collect();
        if allowed.is_empty() || allowed.contains(&text.as_str()) {
            return Some(Json::String(text));
        }
        self.report(key, layer, format!("`{text}` is none of the values"), Some(allowed.join(", ")));
        None
    }

    fn report(&mut self, key: &str, layer: &Layer, message: String, hint: Option<String>) {
        self.problems.push(Problem { key: key.to_owned(), source: layer.source(key), message, hint });
    }
}

/// Variables are text: numbers, booleans and lists are read from it where the schema wants them.
fn from_text(schema: &Json, text: String) -> ValueKind {
    match schema["type"].as_str() {
        Some("integer") => text.trim().parse().map_or(ValueKind::String(text), ValueKind::I64),
        Some("boolean") => text.trim().parse().map_or(ValueKind::String(text), ValueKind::Boolean),
        Some("array" | "object") => {
            toml::from_str::<config::Map<String, config::Value>>(&format!("value = {text}"))
                .ok()
                .and_then(|mut table| table.remove("value"))
                .map_or(ValueKind::String(text), |value| value.kind)
        }
        _ => ValueKind::String(text),
    }
}

/// Something in the place of a value that was reported, so that the checks for sense can go on and count right. Such
/// settings are never used.
fn stand_in(schema: &Json, path: &str) -> Json {
    match schema["type"].as_str() {
        Some("object") => {
            let required = schema["required"].as_array().into_iter().flatten().filter_map(Json::as_str);
            required.map(|name| (name.to_owned(), stand_in(&schema["properties"][name], path))).collect()
        }
        _ => schema["examples"].get(0).cloned().unwrap_or_else(|| Json::String(format!("/{path}"))),
    }
}

fn describe(value: &ValueKind, key: &str) -> String {
    match value {
        // It may be the URL, with a password, in the wrong place, or a key.
        ValueKind::String(_) if is_secret(key) => "a text".into(),
        ValueKind::Nil => "nothing".into(),
        ValueKind::Boolean(value) => format!("`{value}`"),
        ValueKind::I64(value) => format!("`{value}`"),
        ValueKind::Float(value) => format!("`{value}`"),
        ValueKind::String(text) => format!("the text \"{text}\""),
        ValueKind::Table(_) => "a table".into(),
        ValueKind::Array(_) => "an array".into(),
        _ => "a number".into(),
    }
}

fn is_secret(key: &str) -> bool {
    key.starts_with("redis") || key.starts_with("server.session_keys") || key.contains(".secret")
}

fn join(key: &str, name: &str) -> String {
    if key.is_empty() { name.to_owned() } else { format!("{key}.{name}") }
}

/// Follows a `$ref` into the schema's definitions.
pub(super) fn resolve<'a>(root: &'a Json, schema: &'a Json) -> &'a Json {
    schema["$ref"].as_str().and_then(|path| root.pointer(path.trim_start_matches('#'))).unwrap_or(schema)
}

fn merge(under: &mut Json, over: Json) {
    match (under, over) {
        (Json::Object(under), Json::Object(over)) => {
            for (key, value) in over {
                merge(under.entry(key).or_insert(Json::Null), value);
            }
        }
        (under, over) => *under = over,
    }
}
