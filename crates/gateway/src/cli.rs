//! The command line.

use std::path::{Path, PathBuf};

use clap::{Parser, Subcommand};

/// A Socket.IO gateway node.
#[derive(Debug, Parser)]
#[command(name = "roomcast", version, about, disable_help_subcommand = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Runs the node (the default).
    Serve(ConfigFile),
    /// Checks, shows and explains the configuration.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Asks the node that this configuration describes whether it is ready; exit code 0 or 1.
    Healthcheck(ConfigFile),
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Checks a file, together with the environment, and reports every mistake.
    Check {
        /// The TOML file.
        file: PathBuf,
    },
    /// Prints the settings in effect as TOML, secrets masked.
    Print(ConfigFile),
    /// Prints the annotated sample file with all defaults.
    Default,
}

#[derive(Debug, Default, clap::Args)]
pub(crate) struct ConfigFile {
    /// TOML file; without it the built-in defaults and the environment count.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl ConfigFile {
    pub(crate) fn path(&self) -> Option<&Path> {
        self.config.as_deref()
    }
}
