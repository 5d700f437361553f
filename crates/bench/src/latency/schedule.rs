//! When each event is due, whatever became of the ones before: a slow answer must not hide how long the next would have
//! waited.

use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

/// Ticks that wait to be taken. They keep their time, so it matters only for memory.
const WAITING: usize = 4096;

/// Evenly spread moments.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Schedule {
    pub(crate) start: Instant,
    pub(crate) rate: u32,
    pub(crate) length: Duration,
}

impl Schedule {
    /// The moments, as time since the start.
    fn moments(self) -> impl Iterator<Item = Duration> {
        let at = move |number: u64| Duration::from_nanos(number * 1_000_000_000 / u64::from(self.rate));
        (0..).map(at).take_while(move |&moment| moment < self.length)
    }

    /// Gives each moment when it has come. From a thread of its own: tokio's timers are exact to a millisecond only.
    pub(crate) fn run(self) -> mpsc::Receiver<Duration> {
        let (ticks, receiver) = mpsc::channel(WAITING);
        thread::spawn(move || {
            for moment in self.moments() {
                sleep(moment.saturating_sub(self.start.elapsed()));
                if ticks.blocking_send(moment).is_err() {
                    return;
                }
            }
        });
        receiver
    }
}

#[expect(clippy::disallowed_methods, reason = "this thread has no runtime to block")]
fn sleep(time: Duration) {
    if !time.is_zero() {
        thread::sleep(time);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(rate: u32, length: Duration) -> Schedule {
        Schedule { start: Instant::now(), rate, length }
    }

    #[test]
    fn moments_do_not_drift() {
        let moments: Vec<Duration> = schedule(3, Duration::from_secs(1000)).moments().collect();
        assert_eq!(moments.len(), 3000);
        assert_eq!(moments[0], Duration::ZERO);
        assert_eq!(moments[1], Duration::from_nanos(333_333_333));
        assert_eq!(moments[2997], Duration::from_secs(999));
    }

    #[tokio::test]
    async fn no_moment_comes_early_and_all_come() {
        let schedule = schedule(1000, Duration::from_millis(30));
        let (mut ticks, mut count) = (schedule.run(), 0);
        while let Some(moment) = ticks.recv().await {
            assert!(schedule.start.elapsed() >= moment);
            count += 1;
        }
        assert_eq!(count, 30);
    }
}
