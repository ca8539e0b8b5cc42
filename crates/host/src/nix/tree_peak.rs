//! The most memory that the processes below others took, by looking often.
//!
//! The process that starts a builder reaps it, so that nobody else is told what it took. The kernel keeps each
//! process's own peak while it lives, so that only what was allocated after the last look is missed. Does not
//! know what is built.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use ironwright_core::units::Bytes;

/// The shortest time between two looks.
const SOONEST: Duration = Duration::from_millis(3);
/// Time between two looks, as a part of the time since the first: what has run for long changes slowly.
const PART: u32 = 40;
/// Time between two looks, in times of what a look takes, for each tree that is looked at: all looks together
/// take at most a fiftieth of a processor.
const COSTS: u32 = 50;

/// Trees that are looked at in this process.
static LOOKED_AT: AtomicU32 = AtomicU32::new(0);

/// Looks at trees of processes.
#[derive(Debug)]
pub struct TreePeak {
    proc: PathBuf,
    began: Instant,
    due: Instant,
    /// Most memory at one time of all processes that no file backs.
    pub tree: Bytes,
    /// Resident size of the largest process.
    pub largest: Bytes,
}

/// What a process takes, in KiB.
struct Taken {
    /// Resident at its peak.
    peak: u64,
    /// The part of that which no file backs.
    own_peak: u64,
    /// What no file backs now.
    own: u64,
}

impl Drop for TreePeak {
    fn drop(&mut self) {
        LOOKED_AT.fetch_sub(1, Ordering::Relaxed);
    }
}

impl TreePeak {
    /// Looks from now on.
    pub fn new(proc: impl Into<PathBuf>) -> Self {
        LOOKED_AT.fetch_add(1, Ordering::Relaxed);
        let now = Instant::now();
        let (tree, largest) = (Bytes::ZERO, Bytes::ZERO);
        Self { proc: proc.into(), began: now, due: now, tree, largest }
    }

    /// When the next look is due.
    pub const fn due(&self) -> Instant {
        self.due
    }

    /// Looks at all that descends from these processes, if that is due.
    pub fn look(&mut self, roots: impl IntoIterator<Item = i32>) {
        let now = Instant::now();
        if now < self.due {
            return;
        }
        let mut found = BTreeMap::new();
        for root in roots {
            children(&self.proc, root, &mut |pid| {
                taken(&self.proc, pid).is_some_and(|taken| found.insert(pid, taken).is_none())
            });
        }
        // What several take meets now; the peak of one may have been at any time.
        let together = found.values().fold(0_u64, |sum, taken| sum.saturating_add(taken.own));
        let most = |of: fn(&Taken) -> u64| found.values().map(of).max().unwrap_or(0);
        self.tree = self.tree.max(Bytes::kib(together.max(most(|taken| taken.own_peak))));
        self.largest = self.largest.max(Bytes::kib(most(|taken| taken.peak)));
        let cost = now.elapsed() * COSTS * LOOKED_AT.load(Ordering::Relaxed).max(1);
        let wait = ((now - self.began) / PART).max(cost).max(SOONEST);
        self.due = Instant::now() + wait;
    }
}

/// Calls `visit` with each process below another; those below one follow where it is true.
fn children(proc: &Path, pid: i32, visit: &mut impl FnMut(i32) -> bool) {
    let tasks = fs::read_dir(proc.join(format!("{pid}/task"))).into_iter().flatten().flatten();
    for task in tasks {
        let listed = fs::read_to_string(task.path().join("children")).unwrap_or_default();
        for child in listed.split_ascii_whitespace().filter_map(|word| word.parse().ok()) {
            if visit(child) {
                children(proc, child, visit);
            }
        }
    }
}

/// What a process takes. The pages of files that it had at its peak nobody knows; those that it has now are
/// taken for them.
fn taken(proc: &Path, pid: i32) -> Option<Taken> {
    let text = fs::read_to_string(proc.join(format!("{pid}/status"))).ok()?;
    let kib = |name: &str| -> Option<u64> {
        let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
        rest.trim().strip_suffix("kB")?.trim_end().parse().ok()
    };
    let peak = kib("VmHWM:")?;
    let own = kib("RssAnon:").unwrap_or(0).saturating_add(kib("RssShmem:").unwrap_or(0));
    let own_peak = peak.saturating_sub(kib("RssFile:").unwrap_or(0));
    Some(Taken { peak, own_peak, own })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A process that takes half of its peak now.
    fn process(proc: &Path, pid: i32, peak: u64, files: u64, children: &str) {
        let directory = proc.join(pid.to_string());
        let task = directory.join(format!("task/{pid}"));
        fs::create_dir_all(&task).unwrap();
        fs::write(task.join("children"), children).unwrap();
        let now = peak / 2;
        let status = format!(
            "Name:\tx\nVmHWM:\t  {peak} kB\nRssAnon:\t  {now} kB\nRssFile:\t {files} kB\nRssShmem:\t 0 kB\n"
        );
        fs::write(directory.join("status"), status).unwrap();
    }

    #[test]
    fn what_is_below_counts_and_the_root_does_not() {
        let proc = tempfile::tempdir().unwrap();
        process(proc.path(), 1, 9000, 0, "2 3 ");
        process(proc.path(), 2, 100, 40, "4 ");
        process(proc.path(), 3, 900, 0, "");
        process(proc.path(), 4, 1000, 10, "");
        let mut seen = TreePeak::new(proc.path());
        seen.look([1]);
        // Together now, which is more than the peak of one.
        assert_eq!((seen.tree, seen.largest), (Bytes::kib(50 + 450 + 500), Bytes::kib(1000)));
        // The next look is not due yet.
        process(proc.path(), 3, 5000, 0, "");
        seen.look([1]);
        assert_eq!(seen.largest, Bytes::kib(1000));
        std::thread::sleep(seen.due().saturating_duration_since(Instant::now()));
        seen.look([1, 77]);
        // The peak of one, which is more than all take together now.
        assert_eq!((seen.tree, seen.largest), (Bytes::kib(5000), Bytes::kib(5000)));
    }
}
