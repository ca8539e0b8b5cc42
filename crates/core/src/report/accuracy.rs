//! Estimates of units against what they took.
//!
//! Does not know how estimates are made.

use schemars::JsonSchema;
use serde::Serialize;

use super::unit::{Estimate, UnitReport};
use crate::units::Bytes;

/// Reserved memory and expected times against reality. Units that did not end well are not counted:
/// what they took says nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct Accuracy {
    /// Units that are judged by memory.
    pub judged: usize,
    /// Those whose peak was inside what was reserved.
    pub inside: usize,
    /// Sum of what was reserved for them.
    pub reserved: Bytes,
    /// Sum of their peaks.
    pub peaks: Bytes,
    /// Times; absent when none was expected of any unit.
    pub times: Option<Times>,
}

/// Expected times against reality.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Times {
    /// Units that a time was expected of.
    pub judged: usize,
    /// Sum of what was expected, in seconds.
    pub expected_seconds: f64,
    /// Sum of what they ran, pauses not included, in seconds.
    pub seconds: f64,
    /// Middle one of the ratios of real to expected times.
    pub median_ratio: f64,
}

impl Accuracy {
    /// Part of the judged units whose peak was inside, 0 to 1; nothing when none was judged.
    pub fn inside_part(&self) -> Option<f64> {
        (self.judged > 0).then(|| self.inside as f64 / self.judged as f64)
    }

    /// What was reserved through what was taken; nothing when nothing was taken.
    pub fn reserved_ratio(&self) -> Option<f64> {
        (self.peaks.0 > 0).then(|| self.reserved.0 as f64 / self.peaks.0 as f64)
    }
}

pub(super) fn accuracy(units: &[UnitReport]) -> Accuracy {
    let mut accuracy = Accuracy::default();
    let judged: Vec<_> = units.iter().filter(|unit| unit.estimate != Estimate::Unknown).collect();
    for unit in &judged {
        accuracy.judged += 1;
        accuracy.inside += usize::from(unit.estimate == Estimate::Inside);
        accuracy.reserved = accuracy.reserved.saturating_add(unit.reserved);
        accuracy.peaks = accuracy.peaks.saturating_add(unit.peak.unwrap_or_default());
    }
    accuracy.times = times(&judged);
    accuracy
}

fn times(units: &[&UnitReport]) -> Option<Times> {
    let pair = |unit: &&UnitReport| {
        let expected = unit.expected_seconds.filter(|seconds| *seconds > 0.0)?;
        Some((expected, unit.ran_us as f64 / 1e6))
    };
    let pairs: Vec<_> = units.iter().filter_map(pair).collect();
    let mut ratios: Vec<_> = pairs.iter().map(|(expected, real)| real / expected).collect();
    ratios.sort_by(f64::total_cmp);
    Some(Times {
        judged: pairs.len(),
        expected_seconds: pairs.iter().map(|pair| pair.0).sum(),
        seconds: pairs.iter().map(|pair| pair.1).sum(),
        median_ratio: *ratios.get(ratios.len() / 2)?,
    })
}
