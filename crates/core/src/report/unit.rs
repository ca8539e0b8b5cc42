//! A unit as a report tells of it: its attempts, and what it did when.
//!
//! Does not know which facts it was derived from.

use schemars::JsonSchema;
use serde::Serialize;

use super::IncidentKind;
use crate::govern::Waiting;
use crate::observe::unit::UnitOutcome;
use crate::units::Bytes;

/// What a unit did for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", tag = "doing")]
pub enum Doing {
    /// It waited to start.
    Waiting {
        /// Why, as far as it was told.
        why: Option<Waiting>,
    },
    /// Its processes ran.
    Running,
    /// Its processes were stopped.
    Paused,
}

/// A time in which a unit did one thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Span {
    /// Microseconds from the run's start to the beginning of the span.
    pub from_us: u64,
    /// The same to its end.
    pub to_us: u64,
    /// What it did.
    #[serde(flatten)]
    pub doing: Doing,
}

impl Span {
    /// How long it was.
    pub const fn us(&self) -> u64 {
        self.to_us.saturating_sub(self.from_us)
    }

    /// Whether the unit had processes.
    pub const fn is_active(&self) -> bool {
        !matches!(self.doing, Doing::Waiting { .. })
    }

    /// Microseconds that it shares with another time.
    pub(super) fn overlap(&self, from_us: u64, to_us: u64) -> u64 {
        self.to_us.min(to_us).saturating_sub(self.from_us.max(from_us))
    }
}

/// One attempt at a unit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Attempt {
    /// Which it is; the first is 1.
    pub attempt: u32,
    /// What happened when, in the order of time.
    pub spans: Vec<Span>,
    /// How it ended; absent when it did not while somebody looked.
    pub outcome: Option<UnitOutcome>,
    /// Its exit code.
    pub exit: Option<i32>,
    /// Most memory.
    pub peak: Option<Bytes>,
    /// Processor microseconds.
    pub cpu_us: Option<u64>,
    /// Its place among those that had processes at the same time, from 0.
    pub slot: Option<usize>,
    /// Microseconds that it was paused where it is not known when.
    #[serde(skip)]
    pub(super) paused_sometime_us: u64,
}

impl Attempt {
    /// When its processes began and when they were gone.
    pub fn active(&self) -> Option<(u64, u64)> {
        let from = self.spans.iter().find(|span| span.is_active())?.from_us;
        let to = self.spans.iter().rev().find(|span| span.is_active())?.to_us;
        Some((from, to))
    }

    fn sum(&self, of: impl Fn(Doing) -> bool) -> u64 {
        let spans = self.spans.iter().filter(|span| of(span.doing));
        spans.map(Span::us).fold(0, u64::saturating_add)
    }

    fn paused_us(&self) -> u64 {
        self.sum(|doing| doing == Doing::Paused).saturating_add(self.paused_sometime_us)
    }

    fn ran_us(&self) -> u64 {
        let ran = self.sum(|doing| doing == Doing::Running);
        ran.saturating_sub(self.paused_sometime_us)
    }
}

/// Whether what a unit took was inside what was expected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Estimate {
    /// It took at most what was reserved when it first asked.
    Inside,
    /// It took more.
    Above,
    /// It did not end well, so its peak says nothing.
    #[default]
    Unknown,
}

/// The unit that a unit waited behind most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Behind {
    /// Which, as a place in the report's units.
    pub unit: usize,
    /// Its part of the waiting, in microseconds.
    pub us: u64,
}

/// A unit.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct UnitReport {
    /// What a person calls it (`regex-syntax`, `src/parser.cpp`).
    pub label: String,
    /// The recognised tool (`rustc`, `cc1plus`, `lld`).
    pub tool: String,
    /// Package that was being built.
    pub package: Option<String>,
    /// What its estimates rest on.
    pub basis: Option<String>,
    /// Memory that was reserved for it when it first asked.
    pub reserved: Bytes,
    /// Most memory of all attempts.
    pub peak: Option<Bytes>,
    /// Whether the peak was inside what was reserved.
    pub estimate: Estimate,
    /// Seconds that it was expected to run.
    pub expected_seconds: Option<f64>,
    /// Microseconds that the last attempt ran, pauses not included.
    pub ran_us: u64,
    /// Processor microseconds of all attempts.
    pub cpu_us: u64,
    /// Microseconds that it waited.
    pub waited_us: u64,
    /// Microseconds that it was paused.
    pub paused_us: u64,
    /// Processor microseconds of attempts before the last.
    pub lost_cpu_us: u64,
    /// How it ended; absent when it did not while somebody looked.
    pub outcome: Option<UnitOutcome>,
    /// The unit that it waited behind most.
    pub behind: Option<Behind>,
    /// Its attempts.
    pub attempts: Vec<Attempt>,
}

impl UnitReport {
    /// The figures that follow from the attempts.
    pub(super) fn sum_up(&mut self) {
        let attempts = &self.attempts;
        let add = |of: fn(&Attempt) -> u64| attempts.iter().map(of).fold(0, u64::saturating_add);
        self.waited_us = add(|attempt| attempt.sum(|doing| matches!(doing, Doing::Waiting { .. })));
        self.paused_us = add(Attempt::paused_us);
        self.cpu_us = add(|attempt| attempt.cpu_us.unwrap_or(0));
        let last = attempts.last();
        let last_cpu = last.and_then(|attempt| attempt.cpu_us).unwrap_or(0);
        self.lost_cpu_us = self.cpu_us.saturating_sub(last_cpu);
        self.ran_us = last.map_or(0, Attempt::ran_us);
        self.outcome = last.and_then(|attempt| attempt.outcome);
        self.peak = attempts.iter().filter_map(|attempt| attempt.peak).max();
        self.estimate = match (self.outcome, self.peak) {
            (Some(UnitOutcome::Succeeded), Some(peak)) if peak <= self.reserved => Estimate::Inside,
            (Some(UnitOutcome::Succeeded), Some(_)) => Estimate::Above,
            _ => Estimate::Unknown,
        };
    }

    /// All spans in the order of time.
    pub fn spans(&self) -> impl Iterator<Item = &Span> {
        self.attempts.iter().flat_map(|attempt| &attempt.spans)
    }

    /// When it asked, microseconds since the run's start.
    pub fn asked_us(&self) -> Option<u64> {
        self.spans().next().map(|span| span.from_us)
    }

    /// The last that is known of it.
    pub fn last_us(&self) -> Option<u64> {
        self.spans().map(|span| span.to_us).max()
    }

    /// What happened to it, with the times.
    pub(super) fn incidents(&self) -> Vec<(u64, IncidentKind)> {
        let mut all = Vec::new();
        for attempt in &self.attempts {
            let pauses = attempt.spans.iter().filter(|span| span.doing == Doing::Paused);
            all.extend(pauses.map(|span| (span.from_us, IncidentKind::Paused)));
            let Some(end_us) = attempt.spans.last().map(|span| span.to_us) else { continue };
            let what = match attempt.outcome {
                Some(UnitOutcome::Evicted) => IncidentKind::Evicted,
                Some(UnitOutcome::OomKilled) => IncidentKind::KilledByKernel,
                Some(UnitOutcome::Failed) => IncidentKind::Failed,
                _ => continue,
            };
            all.push((end_us, what));
        }
        all
    }
}
