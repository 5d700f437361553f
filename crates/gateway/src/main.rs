//! The binary: reads the command line and the configuration, and runs what they ask for.

mod cli;
mod explain;
mod healthcheck;
mod logging;

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use clap::Parser;
use cli::{Cli, Command, ConfigCommand, ConfigFile, RulesCommand};
use logging::Logging;
use roomcast::config::{self, Origin, Settings};
use roomcast::{Gateway, Reload};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Wrong usage or configuration; nothing was bound (`EX_USAGE` of sysexits).
const USAGE: u8 = 64;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(USAGE) } else { ExitCode::SUCCESS };
        }
    };
    match cli.command.unwrap_or(Command::Serve(ConfigFile::default())) {
        Command::Serve(file) => {
            let origin = Origin::of_process(file.path());
            with_origin(&origin, |settings| serve(settings, origin.clone()))
        }
        Command::Healthcheck(file) => with_settings(file.path(), |settings| healthcheck::run(&settings)),
        Command::Rules(RulesCommand::Explain(asked)) => {
            with_settings(asked.file.path(), |settings| explain::run(&asked, &settings))
        }
        Command::Config(ConfigCommand::Default) => print(&config::sample()),
        Command::Config(ConfigCommand::Print(file)) => {
            with_settings(file.path(), |settings| print(&config::masked_toml(&settings)))
        }
        Command::Config(ConfigCommand::Check { file }) => {
            with_settings(Some(&file), |_| print(&format!("{}: ok\n", file.display())))
        }
    }
}

fn with_settings(file: Option<&Path>, run: impl FnOnce(Settings) -> ExitCode) -> ExitCode {
    with_origin(&Origin::of_process(file), run)
}

fn with_origin(origin: &Origin, run: impl FnOnce(Settings) -> ExitCode) -> ExitCode {
    match config::load(origin) {
        Ok(settings) => run(settings),
        Err(problems) => {
            complain(&problems.to_string());
            ExitCode::from(USAGE)
        }
    }
}

fn serve(settings: Settings, origin: Origin) -> ExitCode {
    let result = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(anyhow::Error::from)
        .and_then(|runtime| {
            let logging = Logging::init(&settings, runtime.handle())?;
            let result = runtime.block_on(run(settings, origin));
            logging.finish();
            // A name that is being looked up must not hold the process.
            runtime.shutdown_background();
            result
        });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Runs until the first signal, and then until all clients were let go or a second one comes.
async fn run(settings: Settings, origin: Origin) -> anyhow::Result<()> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let mut asked = async move || {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    // From now on it does not end the process.
    let hangup = signal(SignalKind::hangup())?;
    let listening = Gateway::builder(settings).loaded_from(origin).build()?.bind()?;
    reload_on_hangup(hangup, listening.reload());
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let signals = async move {
        asked().await;
        drop(stop);
        asked().await;
    };
    tokio::select! {
        _ = listening.serve(async { drop(stopped.await) }) => {}
        () = signals => tracing::warn!("stopped by a second signal; clients were not let go in order"),
    }
    Ok(())
}

fn reload_on_hangup(mut hangup: Signal, reload: Reload) {
    tokio::spawn(async move {
        while hangup.recv().await.is_some() {
            let reload = reload.clone();
            // It tells the log what came of it.
            let read = tokio::task::spawn_blocking(move || reload.run()).await;
            if let Err(error) = read {
                tracing::error!(%error, "nothing has changed: reading the configuration failed");
            }
        }
    });
}

fn print(text: &str) -> ExitCode {
    // A reader that has gone (`| head`) is no failure.
    let _ = std::io::stdout().write_all(text.as_bytes());
    ExitCode::SUCCESS
}

fn complain(text: &str) {
    let _ = writeln!(std::io::stderr(), "roomcast: {text}");
}
