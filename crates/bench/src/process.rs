//! A process that is gone when its [`Process`] is: dropped, also by a panic or an interrupted measurement, it is killed.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use std::{fs, io, thread};

use anyhow::{Context, anyhow};
use tokio::process::{Child, Command};

/// Lines of a dead process's output that an error quotes.
const LAST_WORDS: usize = 5;

/// Longest wait for a process that was killed. It has no say in it, but the kernel has to free its memory.
const LAST_BREATH: Duration = Duration::from_secs(1);

/// A directory for one measurement, removed with everything in it when dropped.
#[derive(Debug)]
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new() -> anyhow::Result<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("roomcast-bench-{}-{number}", std::process::id()));
        fs::create_dir(&path).with_context(|| format!("cannot create {}", path.display()))?;
        Ok(Self(path))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A running process.
#[derive(Debug)]
pub(crate) struct Process {
    name: String,
    pid: u32,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts a program; what it prints goes into the directory. Must be called in a tokio runtime.
    pub(crate) fn start(name: &str, mut command: Command, directory: &Path) -> anyhow::Result<Self> {
        let log = directory.join(format!("{name}.log"));
        let output = fs::File::create(&log).with_context(|| format!("cannot create {}", log.display()))?;
        let program = command.as_std().get_program().to_owned();
        command
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            // A ctrl-c in the terminal is for the measurement, which then stops the others.
            .process_group(0);
        let child = command.spawn().map_err(|error| cannot_start(name, Path::new(&program), &error))?;
        let pid = child.id().ok_or_else(|| anyhow!("{name} has no process id"))?;
        Ok(Self { name: name.to_owned(), pid, child, log })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// Resolves with what to tell when the process ends, which it must not do by itself.
    pub(crate) async fn ended(&mut self) -> anyhow::Error {
        match self.child.wait().await {
            Ok(status) => anyhow!("{} ended in the middle, {status}{}", self.name, self.last_words()),
            Err(error) => anyhow!("{} cannot be waited for: {error}", self.name),
        }
    }

    /// Kills it and waits until it is gone.
    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        self.child.kill().await.with_context(|| format!("cannot stop {}", self.name))
    }

    fn last_words(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let last = &lines[lines.len().saturating_sub(LAST_WORDS)..];
        if last.is_empty() { String::new() } else { format!("; it said last:\n  {}", last.join("\n  ")) }
    }
}

impl Drop for Process {
    /// Waits, too: who comes next must find the CPU and the ports free, and the directory is removed after this.
    fn drop(&mut self) {
        let _ = self.child.start_kill();
        let start = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) && start.elapsed() < LAST_BREATH {
            thread::yield_now();
        }
    }
}

fn cannot_start(name: &str, program: &Path, error: &io::Error) -> anyhow::Error {
    let program = program.display();
    match error.kind() {
        ErrorKind::NotFound => anyhow!("cannot start {name}: there is no program `{program}`"),
        ErrorKind::PermissionDenied => anyhow!("cannot start {name}: `{program}` may not be run"),
        _ => anyhow!("cannot start {name}, `{program}`: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    fn is_alive(pid: u32) -> bool {
        // A zombie has been killed, only nobody has asked for it yet.
        fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
    }

    #[tokio::test]
    async fn a_process_that_ends_is_reported_with_its_last_words() {
        let scratch = Scratch::new().unwrap();
        let script = "echo one; echo 'no such port' >&2; exit 3";
        let mut process = Process::start("node-1", sh(script), scratch.path()).unwrap();
        let error = process.ended().await.to_string();
        assert!(error.contains("node-1 ended in the middle, exit status: 3"), "{error}");
        assert!(error.ends_with("one\n  no such port"), "{error}");
    }

    #[tokio::test]
    async fn a_process_goes_with_its_owner_and_so_does_the_directory() {
        let scratch = Scratch::new().unwrap();
        let (kept, path) = (scratch.path().to_owned(), scratch.path());
        let dropped = Process::start("a", sh("exec sleep 1000"), path).unwrap();
        let stopped = Process::start("b", sh("exec sleep 1000"), path).unwrap();
        let (first, second) = (dropped.pid(), stopped.pid());
        assert!(is_alive(first) && is_alive(second));
        stopped.stop().await.unwrap();
        assert!(!is_alive(second));
        drop(dropped);
        assert!(!is_alive(first));
        drop(scratch);
        assert!(!kept.try_exists().unwrap());
    }

    #[tokio::test]
    async fn a_process_does_not_outlive_a_panic() {
        let scratch = Scratch::new().unwrap();
        let process = Process::start("a", sh("exec sleep 1000"), scratch.path()).unwrap();
        let pid = process.pid();
        let owner = tokio::spawn(async move {
            let _owned = process;
            panic!("on purpose");
        });
        assert!(owner.await.unwrap_err().is_panic());
        assert!(!is_alive(pid));
    }

    #[tokio::test]
    async fn a_missing_program_is_named() {
        let scratch = Scratch::new().unwrap();
        let missing = Process::start("Redis", Command::new("/nowhere/redis-server"), scratch.path());
        let error = missing.unwrap_err().to_string();
        assert_eq!(error, "cannot start Redis: there is no program `/nowhere/redis-server`");
    }
}
