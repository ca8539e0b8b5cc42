//! A run as it is shown, and what became of units in numbers.
//!
//! Does not know which notes lead to what.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::numbered::Numbered;
use super::{between_us, seconds};
use crate::observe::unit::UnitOutcome;

/// A run of build tools, which asks for its units.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RunView {
    /// The governor's number for it.
    pub run: u64,
    /// Its number in the history.
    pub recorded: Option<i64>,
    /// Its process.
    pub pid: i32,
    /// What it does, for people.
    pub label: String,
    /// What is built.
    pub source: Option<String>,
    /// When it began, microseconds since 1970.
    pub since_us: i64,
    /// When its connection ended, if it did.
    pub ended_us: Option<i64>,
    /// Its jobserver, if it serves one.
    pub pool: Option<Pool>,
    /// What became of its units.
    pub counts: Counts,
}

/// A jobserver.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Pool {
    /// Tokens, the implicit one not counted.
    pub size: u32,
    /// Tokens that nobody held when it was last told.
    pub free: u32,
}

/// What became of units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Counts {
    /// Ended by themselves with exit code 0.
    pub done: u64,
    /// Ended in any other way, and were not run again.
    pub failed: u64,
    /// Times that a unit was to be run again.
    pub retries: u64,
    /// Times that the governor killed one to make room.
    pub evictions: u64,
    /// Times that the kernel killed one for want of memory.
    pub kernel_kills: u64,
    /// Microseconds of processor time of all attempts that ended.
    pub cpu_us: u64,
    /// Those of attempts that were run again, and so were lost.
    pub lost_cpu_us: u64,
}

impl Numbered for RunView {
    fn number(&self) -> u64 {
        self.run
    }
}

impl RunView {
    /// Seconds since it began, until now or until its end.
    pub fn seconds(&self, now_us: i64) -> f64 {
        seconds(between_us(self.since_us, self.ended_us.unwrap_or(now_us)))
    }
}

impl Counts {
    /// An attempt ended; as far as is known, for good.
    pub(super) fn end(&mut self, outcome: UnitOutcome, cpu_us: u64) {
        match outcome {
            UnitOutcome::Succeeded => self.done = self.done.saturating_add(1),
            _ => self.failed = self.failed.saturating_add(1),
        }
        self.cpu_us = self.cpu_us.saturating_add(cpu_us);
    }

    /// A unit is run again. Takes back that its attempt ended for good, if one did.
    pub(super) fn retry(&mut self, attempt: Option<(UnitOutcome, u64)>, by_kernel: bool) {
        self.retries = self.retries.saturating_add(1);
        self.kernel_kills = self.kernel_kills.saturating_add(u64::from(by_kernel));
        let Some((outcome, cpu_us)) = attempt else { return };
        match outcome {
            UnitOutcome::Succeeded => self.done = self.done.saturating_sub(1),
            _ => self.failed = self.failed.saturating_sub(1),
        }
        self.lost_cpu_us = self.lost_cpu_us.saturating_add(cpu_us);
    }

    /// The governor killed one.
    pub(super) fn evict(&mut self) {
        self.evictions = self.evictions.saturating_add(1);
    }
}
