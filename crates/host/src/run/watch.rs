//! Watches a process tree: samples its memory and keeps the figures that a run's facts need.
//!
//! Does not know when to look; the run's loop decides.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

use ironwright_core::observe::{Sample, thin};
use ironwright_core::units::Bytes;

use super::Strangers;
use crate::procfs::{Process, TreeReader};

/// Longest time between two looks.
const STEADY: Duration = Duration::from_millis(100);
/// First time between two looks, so that short commands are seen at all.
const FIRST: Duration = Duration::from_millis(10);
/// The time between looks is at least this many times the cost of one: watching takes at most a
/// hundredth of one thread.
const COST_FACTOR: u32 = 100;
/// Longest time between two looks at whatever cost: a compiler can take 0.5 GB more in a second.
const LONGEST: Duration = Duration::from_millis(500);

/// Processor time of this thread. Wall-clock time would count the time in which the build keeps
/// us from running, and the watch would look away when there is most to see.
fn spent() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default()
}

#[derive(Debug)]
pub(crate) struct Watch {
    reader: TreeReader,
    began: Instant,
    pub(crate) next: Instant,
    interval: Duration,
    pub(crate) peak: Bytes,
    pub(crate) largest: Bytes,
    pub(crate) largest_name: Option<String>,
    seen: BTreeSet<(i32, u64)>,
    pub(crate) samples: Vec<Sample>,
    strangers: Strangers,
    /// Clock ticks of what runs.
    used: u64,
}

impl Watch {
    /// A watch over what `root` starts from now on.
    pub(crate) fn new(proc: impl Into<PathBuf>, root: i32, strangers: Strangers) -> Self {
        let mut reader = TreeReader::new(proc, root);
        reader.disown_existing();
        let now = Instant::now();
        Self {
            reader,
            began: now,
            next: now,
            interval: FIRST,
            peak: Bytes::ZERO,
            largest: Bytes::ZERO,
            largest_name: None,
            seen: BTreeSet::new(),
            samples: Vec::new(),
            strangers,
            used: 0,
        }
    }

    /// Counts time from now, with a look due at once.
    pub(crate) fn restart(&mut self) {
        self.began = Instant::now();
        self.next = self.began;
    }

    /// Looks at the tree and plans the next look.
    pub(crate) fn look(&mut self) -> Sample {
        let (before, spent_before) = (Instant::now(), spent());
        let tree = self.snapshot();
        let sample = self.account(&tree, before);
        let cost = spent().saturating_sub(spent_before);
        self.interval = (self.interval * 3 / 2).min(STEADY).max(cost * COST_FACTOR).min(LONGEST);
        self.next = before + self.interval;
        sample
    }

    fn account(&mut self, tree: &[Process], now: Instant) -> Sample {
        let memory = tree.iter().fold(Bytes::ZERO, |sum, p| sum.saturating_add(p.memory));
        self.peak = self.peak.max(memory);
        self.used = tree.iter().map(|process| process.used).fold(0, u64::saturating_add);
        for process in tree {
            self.seen.insert((process.pid, process.started));
            if process.resident > self.largest {
                self.largest = process.resident;
                self.largest_name = Some(process.name.clone());
            }
        }
        let millis = now.duration_since(self.began).as_millis();
        let sample = Sample {
            at_ms: u64::try_from(millis).unwrap_or(u64::MAX),
            memory,
            processes: u32::try_from(tree.len()).unwrap_or(u32::MAX),
        };
        self.samples.push(sample);
        thin(&mut self.samples);
        sample
    }

    /// Processor time of what ran at the last look.
    pub(crate) fn used(&self) -> Duration {
        Duration::from_secs_f64(self.used as f64 / rustix::param::clock_ticks_per_second() as f64)
    }

    /// Descendants that still run.
    pub(crate) fn running(&mut self) -> Vec<Process> {
        self.snapshot().into_iter().filter(|p| !p.zombie).collect()
    }

    fn snapshot(&mut self) -> Vec<Process> {
        for pid in self.strangers.take() {
            self.reader.disown(pid);
        }
        self.reader.snapshot()
    }

    /// True for a child that there was before the watch began.
    pub(crate) fn is_disowned(&mut self, pid: i32) -> bool {
        for pid in self.strangers.take() {
            self.reader.disown(pid);
        }
        self.reader.is_disowned(pid)
    }

    pub(crate) fn processes_seen(&self) -> u32 {
        u32::try_from(self.seen.len()).unwrap_or(u32::MAX)
    }
}
