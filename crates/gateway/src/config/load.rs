//! Defaults, file and environment, laid over each other.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use config::{Config, Environment, File, FileFormat, Source};
use serde_json::Value as Json;

use super::check::{self, Checker};
use super::problem::{Problem, Problems};
use super::settings::Settings;
use super::validate;

const PREFIX: &str = "ROOMCAST";

/// Where settings come from.
#[derive(Debug, Clone, Default)]
pub struct Origin {
    /// The TOML file, if any.
    pub file: Option<PathBuf>,
    /// The environment's variables; those that begin with `ROOMCAST__` count.
    pub env: BTreeMap<String, String>,
    /// Names of variables of ours whose values are not UTF-8.
    pub unreadable: Vec<String>,
}

impl Origin {
    /// This file, if any, and the environment of the process.
    #[must_use]
    pub fn of_process(file: Option<&Path>) -> Self {
        let mut origin = Self { file: file.map(Path::to_path_buf), ..Self::default() };
        // Names that are not UTF-8 are not ours.
        let ours = |name: &String| name.to_uppercase().starts_with("ROOMCAST__");
        for (name, value) in std::env::vars_os() {
            match (name.into_string(), value.into_string()) {
                (Ok(name), Ok(value)) => _ = origin.env.insert(name, value),
                (Ok(name), Err(_)) if ours(&name) => origin.unreadable.push(name),
                _ => {}
            }
        }
        origin
    }
}

/// Loads and checks the settings.
///
/// # Errors
/// [`Problems`] with every mistake that was found.
pub fn load(origin: &Origin) -> Result<Settings, Problems> {
    let mut checker = Checker::new();
    let mut tree = Json::Object(serde_json::Map::new());
    if let Some(path) = &origin.file {
        match read_file(path) {
            Ok(values) => checker.lay(&mut tree, values, &check::from_file(path)),
            Err(problem) => checker.problems.push(problem),
        }
    }
    checker.problems.extend(origin.unreadable.iter().map(|name| Problem {
        key: String::new(),
        source: name.clone(),
        message: "is not UTF-8".into(),
        hint: None,
    }));
    match environment(&origin.env) {
        Ok(values) => checker.lay(&mut tree, values, &check::from_environment(origin.env.keys())),
        Err(problem) => checker.problems.push(problem),
    }

    // What is wrong in shape has been left out of the tree, so that the rest can be checked for sense.
    match serde_json::from_value::<Settings>(tree) {
        Ok(settings) => {
            validate::validate(&settings, &checker.sources, &mut checker.problems);
            if checker.problems.is_empty() {
                return Ok(settings);
            }
        }
        Err(error) if checker.problems.is_empty() => checker.problems.push(Problem {
            key: String::new(),
            source: "the settings".into(),
            message: error.to_string(),
            hint: None,
        }),
        Err(_) => {}
    }
    Err(Problems(checker.problems))
}

type Values = config::Map<String, config::Value>;

fn read_file(path: &Path) -> Result<Values, Problem> {
    let problem = |message: String, hint: &str| Problem {
        key: String::new(),
        source: path.display().to_string(),
        message,
        hint: Some(hint.to_owned()),
    };
    let text = std::fs::read_to_string(path).map_err(|error| {
        let hint = match error.kind() {
            ErrorKind::NotFound => "`roomcast config default` prints a sample file",
            _ => "it must be a text file that this user may read",
        };
        problem(format!("cannot be read: {error}"), hint)
    })?;
    // The parser's own text would show the line, which may hold a password.
    if let Err(error) = text.parse::<toml::Table>() {
        let line = error.span().map_or(1, |span| text[..span.start].lines().count().max(1));
        return Err(problem(format!("line {line}: {}", error.message()), "the file must be TOML 1.0"));
    }
    File::from_str(&text, FileFormat::Toml)
        .collect()
        .map_err(|_| problem("cannot be read as TOML".into(), "the file must be TOML 1.0"))
}

fn environment(env: &BTreeMap<String, String>) -> Result<Values, Problem> {
    let variables = env.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    let source =
        Environment::with_prefix(PREFIX).prefix_separator("__").separator("__").source(Some(variables));
    // Only a built configuration has the keys as a tree.
    Config::builder().add_source(source).build().and_then(|config| config.collect()).map_err(|error| {
        Problem {
            key: String::new(),
            source: "the environment".into(),
            message: error.to_string(),
            hint: None,
        }
    })
}
