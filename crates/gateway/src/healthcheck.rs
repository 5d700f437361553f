//! `roomcast healthcheck`: for images that have no HTTP client.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::process::ExitCode;
use std::time::Duration;

use roomcast::config::Settings;

const TIMEOUT: Duration = Duration::from_secs(3);

pub(crate) fn run(settings: &Settings) -> ExitCode {
    // The internal listener never speaks TLS.
    let listen = match settings.internal.listen.as_str() {
        "" => &settings.server.listen,
        listen => listen,
    };
    match ask(listen) {
        Ok(status) if status.starts_with("HTTP/1.1 200 ") => ExitCode::SUCCESS,
        Ok(status) => fail(&format!("not ready: {status}")),
        Err(error) => fail(&format!("{listen} not reachable: {error}")),
    }
}

fn ask(listen: &str) -> anyhow::Result<String> {
    let mut address: SocketAddr = listen.parse()?;
    // "Everywhere" is no address to connect to.
    if address.ip().is_unspecified() {
        address.set_ip(match address.ip() {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    write!(stream, "GET /ready HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.take(4096).read_to_string(&mut answer)?;
    Ok(answer.lines().next().unwrap_or_default().to_owned())
}

fn fail(message: &str) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "roomcast: {message}");
    ExitCode::FAILURE
}
