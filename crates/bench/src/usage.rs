//! What a process has used, as Linux tells it in `/proc`.

use std::fs;
use std::ops::Sub;
use std::time::Duration;

use anyhow::{Context, anyhow};

/// The unit of `/proc/PID/stat`. The kernel scales to this on all platforms that Rust's Linux targets have, whatever its
/// own clock; so a single reading is exact to 10 ms only.
const TICKS_PER_SECOND: u64 = 100;

/// CPU time of a process, all its threads included, user and system.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd)]
pub(crate) struct Cpu(pub(crate) Duration);

impl Cpu {
    pub(crate) fn of(pid: u32) -> anyhow::Result<Self> {
        Self::read(&format!("/proc/{pid}/stat"))
    }

    /// Of this process.
    pub(crate) fn own() -> anyhow::Result<Self> {
        Self::read("/proc/self/stat")
    }

    /// Of several processes together.
    pub(crate) fn sum(pids: &[u32]) -> anyhow::Result<Self> {
        pids.iter().map(|&pid| Self::of(pid)).try_fold(Self::default(), |sum, cpu| Ok(Self(sum.0 + cpu?.0)))
    }

    fn read(path: &str) -> anyhow::Result<Self> {
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {path}"))?;
        parse_cpu(&text).ok_or_else(|| anyhow!("{path} has an unknown form"))
    }

    pub(crate) fn micros(self) -> f64 {
        self.0.as_secs_f64() * 1e6
    }
}

impl Sub for Cpu {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self(self.0.saturating_sub(earlier.0))
    }
}

/// Resident memory of a process in KiB.
pub(crate) fn rss_kib(pid: u32) -> anyhow::Result<u64> {
    let path = format!("/proc/{pid}/status");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    parse_rss(&text).ok_or_else(|| anyhow!("{path} has an unknown form"))
}

/// How many files this process, and what it starts, may have open.
pub(crate) fn max_open_files() -> anyhow::Result<u64> {
    let path = "/proc/self/limits";
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {path}"))?;
    parse_open_files(&text).ok_or_else(|| anyhow!("{path} has an unknown form"))
}

fn parse_cpu(stat: &str) -> Option<Cpu> {
    // The second field is the program's name in parentheses, in which there may be anything, `)` and spaces included.
    let (_, fields) = stat.rsplit_once(')')?;
    // utime and stime are the 14th and 15th, and the name was the second.
    let mut times = fields.split_ascii_whitespace().skip(11).map(str::parse::<u64>);
    let ticks = times.next()?.ok()? + times.next()?.ok()?;
    Some(Cpu(Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND)))
}

fn parse_rss(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}

fn parse_open_files(limits: &str) -> Option<u64> {
    let soft = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?
        .split_ascii_whitespace()
        .next()?;
    if soft == "unlimited" { Some(u64::MAX) } else { soft.parse().ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_is_found_behind_any_name() {
        let rest = "S 1 2 3 4 5 6 7 8 9 10 250 75 99 99 20 0";
        for name in ["roomcast", "a b", "a) S 1 (b)"] {
            let cpu = parse_cpu(&format!("4711 ({name}) {rest}\n"));
            assert_eq!(cpu, Some(Cpu(Duration::from_millis(3250))), "{name}");
        }
        for malformed in ["", "1 (x)", "1 (x) S 1 2 3", "1 (x) S 1 2 3 4 5 6 7 8 9 10 a b"] {
            assert_eq!(parse_cpu(malformed), None, "{malformed}");
        }
    }

    #[test]
    fn cpu_between_two_readings_is_never_negative() {
        let (early, late) = (Cpu(Duration::from_millis(10)), Cpu(Duration::from_millis(30)));
        assert_eq!(late - early, Cpu(Duration::from_millis(20)));
        assert_eq!(early - late, Cpu::default());
    }

    #[test]
    fn memory_and_limits_are_found_among_the_rest() {
        assert_eq!(parse_rss("Name:\tx\nVmHWM:\t 900 kB\nVmRSS:\t     812 kB\n"), Some(812));
        assert_eq!(parse_rss("Name:\tzombie\n"), None);
        let limits =
            "Limit  Soft Limit  Hard Limit  Units\nMax open files            1024      4096     files\n";
        assert_eq!(parse_open_files(limits), Some(1024));
        assert_eq!(parse_open_files(&limits.replace("1024", "unlimited")), Some(u64::MAX));
    }

    #[test]
    fn this_process_can_be_read() {
        assert!(rss_kib(std::process::id()).unwrap() > 100);
        assert!(Cpu::of(std::process::id()).unwrap() <= Cpu::own().unwrap());
        assert!(Cpu::of(u32::MAX).is_err());
    }
}
