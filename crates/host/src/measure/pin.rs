//! Keeps this program, and what it starts, on one hardware thread.
//!
//! Does not know whether that is right for a command; one with several threads would be held back.

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Pinned until dropped.
#[derive(Debug)]
pub struct Pinned {
    before: CpuSet,
    /// The hardware thread.
    pub thread: usize,
}

impl Pinned {
    /// Pins this thread and what it starts from now on; nothing where the system refuses.
    pub fn to(thread: usize) -> Option<Self> {
        let before = sched_getaffinity(None).ok()?;
        let mut one = CpuSet::new();
        (thread < CpuSet::MAX_CPU).then(|| one.set(thread))?;
        sched_setaffinity(None, &one).ok()?;
        Some(Self { before, thread })
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        let _ = sched_setaffinity(None, &self.before);
    }
}

/// The last hardware thread that this program may use, when it may use several: the first ones
/// tend to serve interrupts.
pub fn last_usable() -> Option<usize> {
    let usable = sched_getaffinity(None).ok()?;
    (usable.count() > 1).then(|| (0..CpuSet::MAX_CPU).rfind(|n| usable.is_set(*n)))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_lasts_until_it_is_dropped() {
        let count = || sched_getaffinity(None).unwrap().count();
        let before = count();
        let Some(last) = last_usable() else {
            assert_eq!(before, 1);
            return;
        };
        let pinned = Pinned::to(last).unwrap();
        assert_eq!((count(), pinned.thread), (1, last));
        drop(pinned);
        assert_eq!(count(), before);
        assert!(Pinned::to(CpuSet::MAX_CPU).is_none());
    }
}
