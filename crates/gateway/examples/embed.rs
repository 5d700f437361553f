//! The gateway as a library: namespaces with handlers of one's own beside those of the configuration.
//!
//! ```sh
//! cargo run --example embed -- --listen 127.0.0.1:3000 --namespace /echo
//! ```
//!
//! Each of the namespaces sends the client's `auth` back as event `auth`, answers `message` by `message-back` with the
//! same arguments, and acknowledges `message-with-ack` with its arguments.

#![allow(clippy::disallowed_macros, reason = "a program that prints its address")]

use clap::Parser;
use roomcast::Gateway;
use roomcast::config::Settings;
use roomcast::sockets::Namespace;

#[derive(Debug, Parser)]
struct Options {
    /// Address and port; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:3000")]
    listen: String,
    /// How often the server pings, in milliseconds.
    #[arg(long, default_value_t = 25_000)]
    ping_interval_ms: u64,
    /// How long it waits for the answer, in milliseconds.
    #[arg(long, default_value_t = 20_000)]
    ping_timeout_ms: u64,
    /// Namespaces that echo; may be given several times. They take the place of configured ones with the same path.
    #[arg(long = "namespace", default_value = "/echo")]
    namespaces: Vec<String>,
}

fn echo(path: &str) -> Namespace {
    Namespace::new(path)
        .on_connect(|socket, auth| {
            // A client that is gone already needs no greeting.
            let _ = socket.emit("auth", auth);
        })
        .on("message", |socket, event| async move {
            if let Ok(arguments) = event.arguments() {
                let _ = socket.emit("message-back", arguments);
            }
        })
        .on("message-with-ack", |_socket, event| async move {
            if let Ok(arguments) = event.arguments() {
                event.ack().send(arguments);
            }
        })
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let mut settings = Settings::default();
    settings.server.listen = options.listen;
    settings.socketio.ping_interval_ms = options.ping_interval_ms;
    settings.socketio.ping_timeout_ms = options.ping_timeout_ms;
    settings.namespaces.retain(|namespace| !options.namespaces.contains(&namespace.path));

    let mut builder = Gateway::builder(settings);
    for path in &options.namespaces {
        builder = builder.namespace(echo(path));
    }
    let node = builder.build()?.bind()?;
    println!("listening on http://{}", node.address());
    node.serve(async { drop(tokio::signal::ctrl_c().await) }).await;
    Ok(())
}
