//! A run's figures within the range that earlier runs of the same make likely.
//!
//! The range reaches from the smallest to the largest earlier figure, widened by a part that shrinks
//! with the root of their number: one run says little of how much the next may differ. Does not know
//! which runs did the same: the caller tells.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;

use super::{Given, Standing};
use crate::observe::{RunFacts, Summary, summarise};
use crate::units::Bytes;

/// Part by which the range of a single earlier run is widened. Builds of the same on an idle machine
/// differ by some percent; caches of files, clocks and other programs make it more.
const WIDENED: f64 = 0.3;

/// Figures of an earlier run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Earlier {
    /// Its number in the history.
    pub run: i64,
    /// Wall-clock time.
    pub wall: Duration,
    /// Processor time.
    pub cpu: Duration,
    /// Largest memory of its process tree.
    pub peak: Bytes,
}

impl Earlier {
    /// Figures that follow from a run's facts.
    pub fn of(run: i64, facts: &RunFacts) -> Self {
        let summary = summarise(facts);
        Self { run, wall: summary.wall, cpu: summary.cpu, peak: summary.peak_tree }
    }
}

/// A figure and its range.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Judged {
    /// The run's own figure, in seconds or bytes.
    pub value: f64,
    /// Least that was likely.
    pub low: f64,
    /// Most that was likely.
    pub high: f64,
    /// The earlier figures, newest first.
    pub earlier: Vec<f64>,
    /// Whether the figure is inside.
    pub inside: bool,
}

/// A run's figures with their ranges.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Ranges {
    /// Numbers of the earlier runs, newest first.
    pub runs: Vec<i64>,
    /// Wall-clock time, in seconds.
    pub wall: Judged,
    /// Processor time, in seconds.
    pub cpu: Judged,
    /// Largest memory of the process tree, in bytes.
    pub peak: Judged,
}

/// Nothing without earlier runs, or when the run itself did not end well: half a build is no build.
pub(super) fn judge(given: &Given<'_>, summary: &Summary) -> Option<Ranges> {
    let is_whole = given.standing == Standing::Finished && summary.exit_code == 0;
    if given.earlier.is_empty() || !is_whole {
        return None;
    }
    let of = |value: f64, figure: fn(&Earlier) -> f64| {
        judged(value, given.earlier.iter().map(figure).collect())
    };
    Some(Ranges {
        runs: given.earlier.iter().map(|earlier| earlier.run).collect(),
        wall: of(summary.wall.as_secs_f64(), |earlier| earlier.wall.as_secs_f64()),
        cpu: of(summary.cpu.as_secs_f64(), |earlier| earlier.cpu.as_secs_f64()),
        peak: of(summary.peak_tree.0 as f64, |earlier| earlier.peak.0 as f64),
    })
}

fn judged(value: f64, earlier: Vec<f64>) -> Judged {
    let wide = WIDENED / (earlier.len().max(1) as f64).sqrt();
    let low = earlier.iter().copied().fold(f64::INFINITY, f64::min) / (1.0 + wide);
    let high = earlier.iter().copied().fold(0.0, f64::max) * (1.0 + wide);
    Judged { value, low, high, inside: (low..=high).contains(&value), earlier }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_narrows_with_the_number_of_runs() {
        let one = judged(12.0, vec![10.0]);
        assert!((one.high - 13.0).abs() < 1e-9 && one.inside);
        let nine = judged(12.0, vec![10.0; 9]);
        assert!((nine.high - 11.0).abs() < 1e-9 && !nine.inside);
        assert!((nine.low - 10.0 / 1.1).abs() < 1e-9);
    }
}
