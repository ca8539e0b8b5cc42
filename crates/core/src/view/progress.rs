//! Figures that are derived from a view when it is shown.
//!
//! Units that are still to come are not known, so a time left is always a lower bound. Does not
//! know how it is drawn.

use super::{Phase, RunView, UnitView, View};
use crate::units::Bytes;

/// How many units are in which phase.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// They run, start, or are just being killed.
    pub running: usize,
    /// They are paused.
    pub paused: usize,
    /// They wait.
    pub waiting: usize,
}

impl Tally {
    fn count(mut self, unit: &UnitView) -> Self {
        match unit.phase {
            Phase::Running | Phase::Starting | Phase::Ending => self.running += 1,
            Phase::Paused => self.paused += 1,
            Phase::Waiting => self.waiting += 1,
        }
        self
    }

    /// All of them.
    pub const fn all(&self) -> usize {
        self.running + self.paused + self.waiting
    }
}

/// How far a run is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Progress {
    /// Units that ended for good.
    pub ended: u64,
    /// Units that have been seen so far; more may come.
    pub seen: u64,
    /// Seconds that it takes at least, from what is expected of units that have been seen; nothing
    /// when nothing is expected of any.
    pub at_least_seconds: Option<f64>,
}

impl Progress {
    /// Part of the units seen that ended, 0 to 1.
    pub fn part(&self) -> f64 {
        if self.seen == 0 { 0.0 } else { (self.ended as f64 / self.seen as f64).clamp(0.0, 1.0) }
    }
}

impl View {
    /// Units of a run that have not ended.
    pub fn units_of(&self, run: u64) -> impl Iterator<Item = &UnitView> {
        self.units.values().filter(move |unit| unit.asked.run == Some(run))
    }

    /// Phases of all units.
    pub fn tally(&self) -> Tally {
        self.units.values().fold(Tally::default(), Tally::count)
    }

    /// Phases of a run's units.
    pub fn tally_of(&self, run: u64) -> Tally {
        self.units_of(run).fold(Tally::default(), Tally::count)
    }

    /// Memory that is kept for units that have processes: what was reserved for each, or what it
    /// holds where that is more.
    pub fn reserved(&self) -> Bytes {
        let active = self.units.values().filter(|unit| unit.is_active());
        active
            .map(|unit| unit.asked.memory.max(unit.memory))
            .fold(Bytes::ZERO, Bytes::saturating_add)
    }

    /// How far a run is. It takes at least as long as the longest unit that is left, and at least
    /// as long as all that is left takes on all threads.
    pub fn progress(&self, run: &RunView, now_us: i64) -> Progress {
        let ended = run.counts.done.saturating_add(run.counts.failed);
        let open = self.tally_of(run.run).all();
        let (mut longest, mut work) = (None::<f64>, 0.0);
        for unit in self.units_of(run.run) {
            if let Some(left) = unit.expected_left_seconds(now_us) {
                longest = Some(longest.unwrap_or(0.0).max(left));
                work += left * unit.asked.threads.max(0.0);
            }
        }
        let spread = if self.threads > 0.0 { work / self.threads } else { 0.0 };
        Progress {
            ended,
            seen: ended.saturating_add(u64::try_from(open).unwrap_or(u64::MAX)),
            at_least_seconds: longest.map(|longest| longest.max(spread)),
        }
    }
}
