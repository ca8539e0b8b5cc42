//! Watches a process tree: samples its memory and keeps the figures that a run's facts need.
//!
//! Does not know when to look; the run's loop decides.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use ironwright_core::observe::{Sample, thin};
use ironwright_core::units::Bytes;

use crate::procfs::{Process, TreeReader};

/// Longest time between two looks.
const STEADY: Duration = Duration::from_millis(100);
/// First time between two looks, so that short commands are seen at all.
const FIRST: Duration = Duration::from_millis(10);
/// The time between looks is at least this many times the cost of one: watching takes at most a
/// hundredth of one thread.
const COST_FACTOR: u32 = 100;

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
}

impl Watch {
    pub(crate) fn new(proc: impl Into<PathBuf>, root: i32) -> Self {
        let now = Instant::now();
        Self {
            reader: TreeReader::new(proc, root),
            began: now,
            next: now,
            interval: FIRST,
            peak: Bytes::ZERO,
            largest: Bytes::ZERO,
            largest_name: None,
            seen: BTreeSet::new(),
            samples: Vec::new(),
        }
    }

    /// Looks at the tree and plans the next look.
    pub(crate) fn look(&mut self) -> Sample {
        let before = Instant::now();
        let tree = self.reader.snapshot();
        let sample = self.account(&tree, before);
        let cost = before.elapsed();
        self.interval = (self.interval * 3 / 2).min(STEADY).max(cost * COST_FACTOR);
        self.next = before + self.interval;
        sample
    }

    fn account(&mut self, tree: &[Process], now: Instant) -> Sample {
        let memory = tree.iter().fold(Bytes::ZERO, |sum, p| sum.saturating_add(p.memory));
        self.peak = self.peak.max(memory);
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

    /// Descendants that still run.
    pub(crate) fn running(&mut self) -> Vec<Process> {
        self.reader.snapshot().into_iter().filter(|p| !p.zombie).collect()
    }

    pub(crate) fn processes_seen(&self) -> u32 {
        u32::try_from(self.seen.len()).unwrap_or(u32::MAX)
    }
}
