//! Defaults, file and environment, laid over each other.

use std::collections::BTreeMap;
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
}

impl Origin {
    /// This file, if any, and the environment of the process.
    #[must_use]
    pub fn of_process(file: Option<&Path>) -> Self {
        // Variables that are not UTF-8 cannot be ours: all our keys and values are.
        let text = |name: std::ffi::OsString| name.into_string().ok();
        let env = std::env::vars_os().filter_map(|(name, value)| Some((text(name)?, text(value)?))).collect();
        Self { file: file.map(Path::to_path_buf), env }
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
    match environment(&origin.env) {
        Ok(values) => checker.lay(&mut tree, values, &check::from_environment()),
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
        problem(format!("cannot be read: {error}"), "`roomcast config default` prints a sample file")
    })?;
    File::from_str(&text, FileFormat::Toml)
        .collect()
        .map_err(|error| problem(error.to_string().trim_end().to_owned(), "the file must be TOML 1.0"))
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
