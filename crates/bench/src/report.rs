//! What is told: tables to read, and all figures as JSON.

use std::fs::File;
use std::io::{Write, stderr, stdout};
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::Serialize;

/// Where the figures go as JSON, if anywhere.
#[derive(Debug)]
pub(crate) struct Output(Option<(PathBuf, File)>);

impl Output {
    /// Opened before anything is measured: minutes of work must not end with a file that cannot be written.
    pub(crate) fn open(path: Option<&Path>) -> anyhow::Result<Self> {
        let open = |path: &Path| {
            let file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
            anyhow::Ok((path.to_owned(), file))
        };
        Ok(Self(path.map(open).transpose()?))
    }

    pub(crate) fn write(self, report: &impl Serialize) -> anyhow::Result<()> {
        let Some((path, mut file)) = self.0 else { return Ok(()) };
        let mut text = serde_json::to_string_pretty(report)?;
        text.push('\n');
        file.write_all(text.as_bytes()).with_context(|| format!("cannot write {}", path.display()))
    }
}

/// What was measured, on which machine, with what result.
#[derive(Debug, Serialize)]
pub(crate) struct Report<'a, O, F> {
    pub(crate) benchmark: &'static str,
    pub(crate) version: &'static str,
    pub(crate) machine: Machine,
    pub(crate) options: &'a O,
    #[serde(flatten)]
    pub(crate) figures: F,
}

impl<'a, O, F> Report<'a, O, F> {
    pub(crate) fn new(benchmark: &'static str, options: &'a O, figures: F) -> Self {
        Self { benchmark, version: env!("CARGO_PKG_VERSION"), machine: Machine::this(), options, figures }
    }
}

/// What one should know of a machine to compare figures.
#[derive(Debug, Serialize)]
pub(crate) struct Machine {
    cores: usize,
    processor: String,
    kernel: String,
}

impl Machine {
    fn this() -> Self {
        let read = |path| std::fs::read_to_string(path).unwrap_or_default();
        let cpuinfo = read("/proc/cpuinfo");
        let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        Self {
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            processor: model.map_or("unknown", |(_, model)| model).to_owned(),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
        }
    }
}

/// Columns of figures, all but the first aligned to the right.
pub(crate) fn table<const COLUMNS: usize>(headings: [&str; COLUMNS], rows: &[[String; COLUMNS]]) -> String {
    let width = |at: usize| rows.iter().map(|row| row[at].chars().count()).max().unwrap_or(0);
    let widths: [usize; COLUMNS] = std::array::from_fn(|at| width(at).max(headings[at].chars().count()));
    let line = |cells: [&str; COLUMNS]| {
        let mut line = String::new();
        for (at, (cell, width)) in cells.iter().zip(widths).enumerate() {
            line += &if at == 0 { format!("{cell:<width$}") } else { format!("  {cell:>width$}") };
        }
        format!("{}\n", line.trim_end())
    };
    let mut text = line(headings);
    for row in rows {
        text += &line(std::array::from_fn(|at| row[at].as_str()));
    }
    text
}

/// Prints a line, or several.
pub(crate) fn print(text: &str) {
    // A reader that has gone (`| head`) does not end the measuring.
    let _ = writeln!(stdout(), "{text}");
}

/// Something that makes the figures doubtful.
pub(crate) fn warn(text: &str) {
    let _ = writeln!(stderr(), "warning: {text}");
}

pub(crate) fn complain(text: &str) {
    let _ = writeln!(stderr(), "roomcast-bench: {text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_aligned() {
        let rows = [["é".to_owned(), "1.25".to_owned()], ["long name".to_owned(), "10".to_owned()]];
        let expected =
            "what       µs\n".replace("       µs", "         µs") + "é          1.25\n" + "long name    10\n";
        assert_eq!(table(["what", "µs"], &rows), expected);
    }

    #[test]
    fn a_file_that_cannot_be_written_is_known_before() {
        let error = Output::open(Some(Path::new("/nowhere/figures.json"))).unwrap_err();
        assert_eq!(error.to_string(), "cannot write /nowhere/figures.json");
        assert!(Output::open(None).unwrap().write(&1).is_ok());
    }
}
