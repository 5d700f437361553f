//! Takes the demo page into the binary, and remembers the commit.
//!
//! The page is built by npm from `demo/`, with the stock Socket.IO client as its dependency. If it was not built yet
//! and npm is at hand, that happens here, so that `cargo run` gives a working chat; without npm the build goes on and
//! the page says what is missing.

#![allow(clippy::disallowed_macros, reason = "cargo reads what a build script prints")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;
use std::{env, fs, io};

const FILES: [&str; 3] = ["index.html", "app.js", "style.css"];

fn main() {
    let crate_dir = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let out_dir = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    demo(&crate_dir.join("demo"), &out_dir.join("demo")).expect("the demo page can be copied");
    git_sha(&crate_dir);
}

fn demo(source: &Path, target: &Path) -> io::Result<()> {
    for watched in ["src", "package-lock.json", "build.js", "dist"] {
        println!("cargo::rerun-if-changed={}", source.join(watched).display());
    }
    let built = || FILES.iter().all(|file| source.join("dist").join(file).is_file());
    if !built() || is_stale(source)? {
        npm(source, &["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
            .and_then(|()| npm(source, &["run", "build"]))
            .and_then(|()| as_old_as_its_sources(source).map_err(|error| error.to_string()))
            .unwrap_or_else(|reason| println!("cargo::warning=the demo page could not be built: {reason}"));
    }
    fs::create_dir_all(target)?;
    for file in FILES {
        if built() {
            fs::copy(source.join("dist").join(file), target.join(file))?;
        } else {
            let note = "This node was built without its demo page: npm was missing or failed. \
                        Run `npm ci && npm run build` in crates/gateway/demo and build again.";
            fs::write(target.join(file), if file == "index.html" { note } else { "" })?;
        }
    }
    Ok(())
}

/// Whether a source is newer than what was built from it.
fn is_stale(source: &Path) -> io::Result<bool> {
    Ok(newest_source(source)? > source.join("dist/app.js").metadata()?.modified()?)
}

fn newest_source(source: &Path) -> io::Result<SystemTime> {
    let mut newest = source.join("package-lock.json").metadata()?.modified()?;
    for entry in fs::read_dir(source.join("src"))? {
        newest = newest.max(entry?.metadata()?.modified()?);
    }
    Ok(newest)
}

/// What this script has written must not look changed to cargo the next time: everything would be compiled again.
fn as_old_as_its_sources(source: &Path) -> io::Result<()> {
    let time = newest_source(source)?;
    for file in FILES {
        fs::File::options().write(true).open(source.join("dist").join(file))?.set_modified(time)?;
    }
    fs::File::open(source.join("dist"))?.set_modified(time)
}

fn npm(dir: &Path, arguments: &[&str]) -> Result<(), String> {
    let output =
        Command::new("npm").args(arguments).current_dir(dir).output().map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    let complaint = String::from_utf8_lossy(&output.stderr);
    Err(complaint.lines().last().unwrap_or("npm failed").to_owned())
}

fn git_sha(crate_dir: &Path) {
    println!("cargo::rerun-if-env-changed=ROOMCAST_GIT_SHA");
    let head = || {
        let output = Command::new("git").args(["rev-parse", "HEAD"]).current_dir(crate_dir).output().ok()?;
        // A commit moves the branch, and with it this log.
        let log = crate_dir.join("../../.git/logs/HEAD");
        if log.is_file() {
            println!("cargo::rerun-if-changed={}", log.display());
        }
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let given = env::var("ROOMCAST_GIT_SHA").ok().filter(|sha| !sha.is_empty());
    let sha = given.or_else(head).unwrap_or_else(|| "unknown".to_owned());
    println!("cargo::rustc-env=ROOMCAST_GIT_SHA={sha}");
}
