//! Logs of other build tools, read for how long units took.
//!
//! None of them tells memory: their records are [`UnitOutcome::Timed`] and teach durations only.
//! Does not know files: texts, and the times at which files were written, are parameters.

pub mod cargo_timings;
pub mod commands;
pub mod ninja;
pub mod nix;
pub mod time;

use std::collections::BTreeMap;

use crate::observe::unit::{UnitOutcome, UnitRecord};
use crate::unit::UnitFacts;
use crate::units::Bytes;

/// What was read from a log.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Log {
    /// Units with their durations.
    pub records: Vec<UnitRecord>,
    /// What was left out, by reason.
    pub left_out: BTreeMap<&'static str, usize>,
}

impl Log {
    fn leave_out(&mut self, why: &'static str) {
        *self.left_out.entry(why).or_default() += 1;
    }
}

/// A log that is not what it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct LogError {
    /// Counted from 1.
    pub line: usize,
    /// What is wrong, and what would be right.
    pub problem: String,
}

impl LogError {
    fn new(line: usize, problem: impl Into<String>) -> Self {
        Self { line, problem: problem.into() }
    }
}

/// A unit of which a log tells when it began, in microseconds since 1970 or 0, and how long it
/// took, in microseconds.
pub fn timed(facts: &UnitFacts, started_unix_us: i64, wall_us: u64) -> UnitRecord {
    UnitRecord {
        run: None,
        key: facts.key.clone(),
        family: facts.family.clone(),
        tool: facts.tool.clone(),
        label: facts.label.clone(),
        package: facts.package.clone(),
        attempt: 1,
        outcome: UnitOutcome::Timed,
        exit: Some(0),
        started_unix_us,
        waited_us: 0,
        wall_us,
        paused_us: 0,
        user_us: 0,
        system_us: 0,
        delay_us: 0,
        peak: Bytes::ZERO,
        peak_process: Bytes::ZERO,
        reserved: Bytes::ZERO,
        curve: Vec::new(),
        input_bytes: 0,
        alone: false,
    }
}

/// Logs that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `.ninja_log`.
    Ninja,
    /// `cargo build --timings`: its page, or its JSON messages.
    CargoTimings,
    /// `nix build --log-format internal-json`, each line with its time.
    NixLog,
}

/// The format that a text seems to have.
pub fn guess(text: &str) -> Option<Format> {
    let mut lines = text.lines().take(1000);
    if text.starts_with(ninja::HEADER) {
        Some(Format::Ninja)
    } else if text.contains(cargo_timings::DATA) || text.contains(cargo_timings::MESSAGE) {
        Some(Format::CargoTimings)
    } else if lines.any(|line| line.contains(nix::MARK)) {
        Some(Format::NixLog)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_told_apart() {
        assert_eq!(guess("# ninja log v5\n"), Some(Format::Ninja));
        assert_eq!(guess("<html>const UNIT_DATA = [];"), Some(Format::CargoTimings));
        assert_eq!(guess("1.5 @nix {\"action\":\"start\"}"), Some(Format::NixLog));
        assert_eq!(guess("make: nothing to be done"), None);
    }
}
