//! When a run takes too long, or shows no sign of life: it is told first, and ended later.
//!
//! Does not know how a run is ended, nor how its limits were found.

use std::time::{Duration, Instant};

use ironwright_core::observe::{Overrun, OverrunLimit};

/// How long to wait for a run. Nothing limits it where nothing is set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Patience {
    /// Time for all of it.
    pub timeout: Option<Duration>,
    /// Time without output and without use of a processor.
    pub silence: Option<Duration>,
    /// Nothing is ended, only told.
    pub only_tells: bool,
}

/// What follows from the time that went by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Tell it.
    Tell(String),
    /// Tell it, and end everything for this.
    End(String, Overrun),
}

/// Longest time between telling and ending, which is a tenth of the limit otherwise.
const LONGEST_NOTICE: Duration = Duration::from_mins(1);
/// Processor time a second below which a tree does nothing: what waits wakes up now and then.
const ASLEEP: f64 = 0.01;

fn notice(limit: Duration) -> Duration {
    (limit / 10).min(LONGEST_NOTICE)
}

/// Watches the clock for one run.
#[derive(Debug)]
pub(super) struct Watchdog {
    patience: Patience,
    began: Instant,
    active: Instant,
    /// Processor time at the last sign of life.
    used: Duration,
    told_timeout: bool,
    told_silence: bool,
}

impl Watchdog {
    pub(super) fn new(patience: Patience, now: Instant) -> Self {
        let used = Duration::ZERO;
        Self { patience, began: now, active: now, used, told_timeout: false, told_silence: false }
    }

    /// A sign of life.
    pub(super) fn active(&mut self, now: Instant) {
        self.active = now;
        self.told_silence = false;
    }

    /// Processor time of the tree so far, of what ended and what runs.
    pub(super) fn used(&mut self, used: Duration, now: Instant) {
        let waited = now.saturating_duration_since(self.active).as_secs_f64();
        // What ended between two looks may be missing for a moment.
        let more = used.saturating_sub(self.used).as_secs_f64();
        if more > (waited * ASLEEP).max(ASLEEP) {
            self.used = used;
            self.active(now);
        }
    }

    /// What to do now; each thing is said once.
    pub(super) fn check(&mut self, now: Instant) -> Option<Verdict> {
        self.check_timeout(now).or_else(|| self.check_silence(now))
    }

    fn check_timeout(&mut self, now: Instant) -> Option<Verdict> {
        let limit = self.patience.timeout?;
        let over = now.saturating_duration_since(self.began).checked_sub(limit)?;
        let what = format!("it takes longer than {}", shown(limit));
        let overrun = Overrun { limit: OverrunLimit::Time, seconds: limit.as_secs() };
        self.verdict(over, limit, &what, overrun)
    }

    fn check_silence(&mut self, now: Instant) -> Option<Verdict> {
        let limit = self.patience.silence?;
        let over = now.saturating_duration_since(self.active).checked_sub(limit)?;
        let what = format!("nothing was printed or computed for {}", shown(limit));
        let overrun = Overrun { limit: OverrunLimit::Silence, seconds: limit.as_secs() };
        self.verdict(over, limit, &what, overrun)
    }

    fn verdict(
        &mut self,
        over: Duration,
        limit: Duration,
        what: &str,
        overrun: Overrun,
    ) -> Option<Verdict> {
        let notice = notice(limit);
        let told = match overrun.limit {
            OverrunLimit::Time => &mut self.told_timeout,
            OverrunLimit::Silence => &mut self.told_silence,
        };
        if !std::mem::replace(told, true) {
            let then = if self.patience.only_tells {
                "it goes on".to_owned()
            } else {
                format!("it is ended in {} (--timeout never waits)", shown(notice))
            };
            return Some(Verdict::Tell(format!("{what}; {then}")));
        }
        (over >= notice && !self.patience.only_tells)
            .then(|| Verdict::End(format!("{what}: ending everything that was started"), overrun))
    }
}

fn shown(duration: Duration) -> String {
    ironwright_core::units::human_duration(duration)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn dog(timeout: u32, silence: u32, only_tells: bool) -> (Watchdog, Instant) {
        let limit = |seconds: u32| (seconds > 0).then(|| SECOND * seconds);
        let now = Instant::now();
        let patience = Patience { timeout: limit(timeout), silence: limit(silence), only_tells };
        (Watchdog::new(patience, now), now)
    }

    #[test]
    fn it_is_told_before_it_is_ended() {
        let (mut dog, began) = dog(100, 0, false);
        assert_eq!(dog.check(began + SECOND * 99), None);
        let told = dog.check(began + SECOND * 100);
        assert!(
            matches!(&told, Some(Verdict::Tell(text)) if text.contains("ended in 10.0 s")),
            "{told:?}"
        );
        assert_eq!(dog.check(began + SECOND * 109), None);
        assert!(matches!(dog.check(began + SECOND * 110), Some(Verdict::End(..))));
    }

    #[test]
    fn signs_of_life_start_the_silence_anew() {
        let (mut dog, began) = dog(0, 60, false);
        assert!(matches!(dog.check(began + SECOND * 60), Some(Verdict::Tell(_))));
        dog.active(began + SECOND * 61);
        assert_eq!(dog.check(began + SECOND * 120), None);
        // A little processor time, as of a shell that looks around, is none.
        dog.used(SECOND / 10, began + SECOND * 120);
        assert!(matches!(dog.check(began + SECOND * 121), Some(Verdict::Tell(_))));
        dog.used(SECOND * 30, began + SECOND * 122);
        assert_eq!(dog.check(began + SECOND * 181), None);
        assert!(matches!(dog.check(began + SECOND * 182), Some(Verdict::Tell(_))));
        assert!(matches!(dog.check(began + SECOND * 188), Some(Verdict::End(..))));
    }

    #[test]
    fn what_only_tells_ends_nothing() {
        let (mut dog, began) = dog(100, 100, true);
        assert!(matches!(dog.check(began + SECOND * 100), Some(Verdict::Tell(_))));
        assert!(matches!(dog.check(began + SECOND * 101), Some(Verdict::Tell(_))));
        assert_eq!(dog.check(began + SECOND * 10_000), None);
    }

    #[test]
    fn without_limits_nothing_happens() {
        let (mut dog, began) = dog(0, 0, false);
        assert_eq!(dog.check(began + SECOND * 1_000_000), None);
    }
}
