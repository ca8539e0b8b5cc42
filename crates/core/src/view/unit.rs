//! A unit as it is shown.
//!
//! Does not know which notes lead to what.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::numbered::Numbered;
use super::{Asked, between_us, seconds};
use crate::govern::Waiting;
use crate::observe::unit::UnitOutcome;
use crate::units::Bytes;

/// What a unit does.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Its processes run.
    Running,
    /// It may start, and has not told that it did.
    Starting,
    /// Its processes are stopped; they keep their memory.
    Paused,
    /// Its processes were killed, and have not ended yet.
    Ending,
    /// It waits to start.
    Waiting,
}

/// A unit that has not ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct UnitView {
    /// What it asked for.
    pub asked: Asked,
    /// What it does.
    pub phase: Phase,
    /// Since when, microseconds since 1970.
    pub since_us: i64,
    /// Why it waits, as far as it was told.
    pub why: Option<Waiting>,
    /// Which attempt this is, from 1.
    pub attempt: u32,
    /// Leader of its process group.
    pub pid: Option<i32>,
    /// Memory that it holds.
    pub memory: Bytes,
    /// The most that it was seen to hold in this attempt.
    pub peak: Bytes,
    /// Microseconds that it ran in this attempt before its present phase, pauses not included.
    pub ran_before_us: u64,
}

impl Numbered for UnitView {
    fn number(&self) -> u64 {
        self.asked.unit
    }
}

impl UnitView {
    /// A unit that has just asked.
    pub(super) fn new(asked: Asked, at_us: i64) -> Self {
        Self {
            asked,
            phase: Phase::Waiting,
            since_us: at_us,
            why: None,
            attempt: 1,
            pid: None,
            memory: Bytes::ZERO,
            peak: Bytes::ZERO,
            ran_before_us: 0,
        }
    }

    /// Goes to another phase. The time that it ran is kept.
    pub(super) fn turn(&mut self, phase: Phase, at_us: i64) {
        if self.phase == Phase::Running {
            self.ran_before_us = self.ran_us(at_us);
        }
        self.phase = phase;
        self.since_us = at_us;
        if phase != Phase::Waiting {
            self.why = None;
        }
    }

    /// Waits for another attempt, of which nothing is known yet.
    pub(super) fn begin_again(&mut self, attempt: u32, at_us: i64) {
        self.turn(Phase::Waiting, at_us);
        self.attempt = attempt.max(1);
        self.pid = None;
        self.memory = Bytes::ZERO;
        self.peak = Bytes::ZERO;
        self.ran_before_us = 0;
    }

    /// Takes in the memory that it holds.
    pub(super) fn holds(&mut self, memory: Bytes) {
        self.memory = memory;
        self.peak = self.peak.max(memory);
    }

    /// Whether it has processes.
    pub const fn is_active(&self) -> bool {
        !matches!(self.phase, Phase::Waiting)
    }

    /// Microseconds that it ran in this attempt, pauses not included.
    pub fn ran_us(&self, now_us: i64) -> u64 {
        let now = if self.phase == Phase::Running { between_us(self.since_us, now_us) } else { 0 };
        self.ran_before_us.saturating_add(now)
    }

    /// Seconds since it is in its phase.
    pub fn in_phase_seconds(&self, now_us: i64) -> f64 {
        seconds(between_us(self.since_us, now_us))
    }

    /// Seconds that are left of what was expected; nothing when nothing was expected, zero when it
    /// takes longer than expected.
    pub fn expected_left_seconds(&self, now_us: i64) -> Option<f64> {
        let left = self.asked.seconds? - seconds(self.ran_us(now_us));
        Some(left.max(0.0))
    }

    /// Part of the expected time that it has run, 0 to 1.
    pub fn part_done(&self, now_us: i64) -> Option<f64> {
        let expected = self.asked.seconds.filter(|seconds| *seconds > 0.0)?;
        Some((seconds(self.ran_us(now_us)) / expected).clamp(0.0, 1.0))
    }
}

/// An attempt that ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EndedUnit {
    /// The unit as it was last seen.
    pub unit: UnitView,
    /// When, microseconds since 1970.
    pub at_us: i64,
    /// How.
    pub outcome: UnitOutcome,
    /// Its exit code, if it has one.
    pub exit: Option<i32>,
    /// Microseconds from its start, pauses included.
    pub wall_us: u64,
    /// Microseconds of processor time.
    pub cpu_us: u64,
    /// Most memory.
    pub peak: Bytes,
    /// What the user was told.
    pub message: Option<String>,
    /// It was run again afterwards.
    pub retried: bool,
}
