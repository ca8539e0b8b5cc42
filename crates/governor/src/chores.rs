//! What need not be done at each look at processes: how often it pays, and whether there is anything new.
//!
//! Does not know what is done.

use std::path::Path;
use std::time::{Duration, Instant};

use ironwright_host::procfs::births;

/// Shortest time after which processor time is read again, and new processes are looked for.
const SOONEST: Duration = Duration::from_millis(50);
/// Longest time until then, however many there are to be looked through.
const LATEST: Duration = Duration::from_secs(1);
/// Either costs at most this part of the time until the next.
const COST: u32 = 200;
/// A process that is in no unit may still become one's: it is forked before it is in its group.
pub(crate) const UNSURE_FOR: Duration = Duration::from_secs(1);
/// Births after which all are read again: what ended may have left its number to another. The kernel gives
/// a number anew when all others had their turn, of which there are 32,768 at least (`proc_sys_kernel(5)`,
/// `pid_max`).
const KNOWN_FOR: u64 = 8192;

/// Something that costs more the more processes there are.
#[derive(Debug, Default)]
pub(crate) struct Chore {
    done: Option<Instant>,
    took: Duration,
}

impl Chore {
    /// Whether it is time to do it again.
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        let pause = (self.took * COST).clamp(SOONEST, LATEST);
        self.done.is_none_or(|then| now.duration_since(then) >= pause)
    }

    /// It was begun then, and is done now.
    pub(crate) fn is_done(&mut self, began: Instant) {
        self.done = Some(began);
        self.took = began.elapsed();
    }

    /// It is to be done again at once.
    pub(crate) fn hurry(&mut self) {
        self.done = None;
    }

    /// When it was last begun, unless it is to be done at once.
    pub(crate) fn last(&self) -> Option<Instant> {
        self.done
    }

    /// Time that it took.
    pub(crate) fn took(&self) -> Duration {
        self.took
    }
}

/// When processes were last born, by how many there have ever been.
#[derive(Debug, Default)]
pub(crate) struct Births {
    count: Option<u64>,
    seen: Option<Instant>,
    forgot: u64,
}

impl Births {
    /// Whether a search may find what the last one did not: one that was just born is not in its group
    /// yet. Always where they are not counted.
    pub(crate) fn may_be_missed(
        &mut self,
        proc: &Path,
        searched: Option<Instant>,
        now: Instant,
    ) -> bool {
        let count = births(proc);
        if count.is_none() || count != self.count {
            (self.count, self.seen) = (count, Some(now));
        }
        let known = self.seen.zip(searched);
        known.is_none_or(|(seen, searched)| searched < seen + UNSURE_FOR)
    }

    /// Whether there were so many since the last time that a number may be another's by now.
    pub(crate) fn are_many(&mut self) -> bool {
        let many = self.count.is_none_or(|count| count.abs_diff(self.forgot) > KNOWN_FOR);
        if many {
            self.forgot = self.count.unwrap_or(0);
        }
        many
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chore_costs_a_small_part_of_the_time() {
        let now = Instant::now();
        let mut chore = Chore::default();
        assert!(chore.is_due(now));
        (chore.done, chore.took) = (Some(now), Duration::from_micros(10));
        assert!(!chore.is_due(now + SOONEST / 2) && chore.is_due(now + SOONEST));
        chore.took = Duration::from_millis(1);
        let pause = chore.took * COST;
        assert!(!chore.is_due(now + pause / 2) && chore.is_due(now + pause));
        chore.took = LATEST;
        assert!(chore.is_due(now + LATEST));
        chore.took = Duration::from_millis(1);
        chore.hurry();
        assert!(chore.is_due(now));
    }

    #[test]
    fn nothing_is_missed_once_a_search_came_late_enough_after_the_last_birth() {
        let proc = tempfile::tempdir().unwrap();
        let count = |count: u64| {
            std::fs::write(proc.path().join("stat"), format!("processes {count}\n")).unwrap();
        };
        let began = Instant::now();
        let at = |seconds: f64| began + UNSURE_FOR.mul_f64(seconds);
        let mut births = Births::default();
        count(7);
        assert!(births.may_be_missed(proc.path(), None, at(0.0)));
        assert!(births.may_be_missed(proc.path(), Some(at(0.5)), at(0.6)));
        assert!(!births.may_be_missed(proc.path(), Some(at(1.0)), at(2.0)));
        count(8);
        assert!(births.may_be_missed(proc.path(), Some(at(1.0)), at(2.1)));
        assert!(births.may_be_missed(proc.path(), Some(at(2.1)), at(3.2)));
        assert!(!births.may_be_missed(proc.path(), Some(at(3.2)), at(4.0)));
        assert!(!births.are_many());
        count(8 + KNOWN_FOR + 1);
        births.may_be_missed(proc.path(), None, at(5.0));
        assert!(births.are_many() && !births.are_many());
        std::fs::remove_file(proc.path().join("stat")).unwrap();
        assert!(births.may_be_missed(proc.path(), Some(at(9.0)), at(9.0)) && births.are_many());
    }
}
