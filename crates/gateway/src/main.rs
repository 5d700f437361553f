//! The binary: reads the command line and the configuration, and runs what they ask for.

mod cli;
mod healthcheck;
mod logging;

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use cli::{Cli, Command, ConfigCommand, ConfigFile};
use roomcast::config::{self, Origin, Settings};
use roomcast::{Gateway, Tls};
use tokio::signal::unix::{SignalKind, signal};

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
        Command::Serve(file) => with_settings(file.path(), serve),
        Command::Healthcheck(file) => with_settings(file.path(), |settings| healthcheck::run(&settings)),
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
    match config::load(&Origin::of_process(file)) {
        Ok(settings) => run(settings),
        Err(problems) => {
            complain(&problems.to_string());
            ExitCode::from(USAGE)
        }
    }
}

fn serve(settings: Settings) -> ExitCode {
    logging::init(&settings.log);
    let result = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(anyhow::Error::from)
        .and_then(|runtime| {
            let result = runtime.block_on(run(settings));
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
async fn run(settings: Settings) -> anyhow::Result<()> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let mut asked = async move || {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    let listening = Gateway::builder(settings).build()?.bind()?;
    reload_on_hangup(listening.tls())?;
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

/// Also without a certificate: the signal would end the process.
fn reload_on_hangup(tls: Option<Arc<Tls>>) -> anyhow::Result<()> {
    let mut hangup = signal(SignalKind::hangup())?;
    tokio::spawn(async move {
        while hangup.recv().await.is_some() {
            let Some(tls) = tls.clone() else {
                tracing::info!("there is no certificate to be read anew");
                continue;
            };
            match tokio::task::spawn_blocking(move || tls.reload()).await {
                Ok(Ok(())) => tracing::info!("certificate read anew"),
                Ok(Err(error)) => {
                    tracing::error!(%error, "the new certificate cannot be used; the old one stays");
                }
                Err(error) => tracing::error!(%error, "the certificate could not be read"),
            }
        }
    });
    Ok(())
}

fn print(text: &str) -> ExitCode {
    // A reader that has gone (`| head`) is no failure.
    let _ = std::io::stdout().write_all(text.as_bytes());
    ExitCode::SUCCESS
}

fn complain(text: &str) {
    let _ = writeln!(std::io::stderr(), "roomcast: {text}");
}
