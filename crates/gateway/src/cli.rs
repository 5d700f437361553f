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
    /// Explains the rules of the configuration.
    #[command(subcommand)]
    Rules(RulesCommand),
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

#[derive(Debug, Subcommand)]
pub(crate) enum RulesCommand {
    /// Tells what would happen to an event, and why; exit code 0 if it is accepted, 1 if it is refused.
    Explain(Explain),
}

#[derive(Debug, clap::Args)]
pub(crate) struct Explain {
    #[command(flatten)]
    pub(crate) file: ConfigFile,
    /// The namespace, such as /chat.
    #[arg(long, value_name = "PATH")]
    pub(crate) namespace: String,
    /// The event that is sent; join, leave, whoami, refresh and presence, too.
    #[arg(long, value_name = "NAME")]
    pub(crate) event: String,
    /// JSON file with the claims of who sends it; without it nobody is known.
    #[arg(long, value_name = "FILE")]
    pub(crate) claims: Option<PathBuf>,
    /// The room that it is for.
    #[arg(long, value_name = "ROOM")]
    pub(crate) room: Option<String>,
    /// Who sends it has joined that room.
    #[arg(long, requires = "room")]
    pub(crate) member: bool,
    /// The arguments behind the room, as a JSON array.
    #[arg(long, value_name = "JSON")]
    pub(crate) arguments: Option<String>,
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
