//! What can go wrong: memory that does not suffice, time that runs out; and how long to wait.
//!
//! Peaks and times are taken as log-normal, with the deviation that their bands show. Does not know
//! how a build is ended.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;

use super::band::Band;
use super::unit::Basis;
use crate::units::Bytes;

/// How likely something is, in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// Below one in twenty.
    Low,
    /// Below one in four.
    Medium,
    /// One in four, or more.
    High,
}

/// Probabilities below which a risk is low, and below which it is medium.
const LEVELS: (f64, f64) = (0.05, 0.25);

/// A probability.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Risk {
    /// From 0 to 1.
    pub probability: f64,
    /// In words: low below 0.05, medium below 0.25, else high.
    pub level: Level,
}

/// The risks of a package.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Risks {
    /// That it takes more than the budget when all threads start units and nobody governs them.
    pub oom_ungoverned: Risk,
    /// That even its largest unit alone does not fit; more than one is the governor's business.
    pub oom: Risk,
    /// That it takes longer than its timeout.
    pub timeout: Risk,
}

/// How long to wait for a build.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Timeout {
    /// Seconds after which it is ended.
    pub seconds: f64,
    /// What was added to the worst case: 0.2 where much is known, 2 where nothing is.
    pub margin: f64,
    /// Whether anything like it was ever measured; else a timeout only warns.
    pub known: bool,
}

/// How long to wait for a sign of life.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, JsonSchema)]
pub struct SilenceLimit {
    /// Seconds without output and without processor use.
    pub seconds: f64,
}

impl Level {
    /// The name for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

impl Risk {
    /// Of a probability.
    pub fn of(probability: f64) -> Self {
        let probability = probability.clamp(0.0, 1.0);
        let level = match probability {
            p if p < LEVELS.0 => Level::Low,
            p if p < LEVELS.1 => Level::Medium,
            _ => Level::High,
        };
        Self { probability, level }
    }
}

/// The chance that a log-normal figure is above a limit.
fn above(band: Band<f64>, limit: f64) -> Risk {
    let (expected, deviation) = (band.expected.max(1e-9), band.deviation().max(1e-3));
    Risk::of(1.0 - normal((limit.max(1e-9) / expected).ln() / deviation))
}

/// The normal distribution function (Abramowitz and Stegun 1964, 7.1.26; off by 1e-7 at most).
fn normal(z: f64) -> f64 {
    let x = z.abs() / std::f64::consts::SQRT_2;
    let t = 1.0 / 0.327_591_1_f64.mul_add(x, 1.0);
    let terms = [0.254_829_592, -0.284_496_736, 1.421_413_741, -1.453_152_027, 1.061_405_429];
    let sum = terms.iter().rev().fold(0.0, |sum, term| (sum + term) * t);
    let half = sum * (-x * x).exp() / 2.0;
    if z >= 0.0 { 1.0 - half } else { half }
}

/// The chance that a peak is above what there is.
pub fn oom_risk(peak: Band<Bytes>, available: Bytes) -> Risk {
    above(peak.numbers(), available.0 as f64)
}

/// The chance that it takes longer than a timeout.
pub fn timeout_risk(wall_seconds: Band<f64>, timeout: Timeout) -> Risk {
    above(wall_seconds, timeout.seconds)
}

/// Margins over the worst case: nothing known, and everything.
const MARGINS: (f64, f64) = (2.0, 0.2);
/// Shortest timeout: a machine that is busy or waits for a lock is no reason to end a build.
const SHORTEST: f64 = 600.0;
/// Shortest and longest wait for a sign of life, in seconds.
const SILENCE: (f64, f64) = (600.0, 7200.0);

/// Runs that a basis counts for.
fn evidence(basis: Basis) -> f64 {
    match basis {
        Basis::Measured(count) => f64::from(count),
        Basis::Other(count) => f64::from(count).min(3.0) / 2.0,
        Basis::Alike(_) | Basis::Logged(_) | Basis::Units(..) => 0.5,
        Basis::Cold => 0.0,
    }
}

/// When to give a build up: the worst of twenty cases and a margin that shrinks with evidence.
pub fn timeout(wall_seconds: Band<f64>, basis: Basis) -> Timeout {
    let (most, least) = MARGINS;
    let margin = least + (most - least) / (1.0 + evidence(basis)).powi(2);
    let seconds = (wall_seconds.max * (1.0 + margin)).max(SHORTEST);
    let known = matches!(basis, Basis::Measured(_) | Basis::Other(_));
    Timeout { seconds, margin, known }
}

/// How long a build may be silent: as long as its longest unit in the worst case, with the margin of
/// its timeout. Compilers say nothing while they work.
pub fn silence_limit(longest_unit_seconds: f64, timeout: Timeout) -> SilenceLimit {
    let (shortest, longest) = SILENCE;
    let wanted = longest_unit_seconds * (1.0 + timeout.margin);
    SilenceLimit { seconds: wanted.clamp(shortest, longest) }
}

impl Timeout {
    /// As a duration.
    pub fn duration(&self) -> Duration {
        Duration::from_secs_f64(self.seconds.clamp(0.0, 1e9))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_distribution_is_the_normal_one() {
        // Tables of the standard normal distribution.
        for (z, expected) in [(0.0, 0.5), (1.0, 0.841_345), (1.96, 0.975_002), (-2.0, 0.022_750)] {
            assert!((normal(z) - expected).abs() < 1e-5, "{z}: {}", normal(z));
        }
    }

    #[test]
    fn margins_shrink_with_evidence() {
        let margin = |basis| timeout(Band::around(1000.0, 0.2), basis).margin;
        assert!((margin(Basis::Cold) - 2.0).abs() < 1e-9);
        assert!(
            margin(Basis::Alike(90)) < 2.0 && margin(Basis::Measured(1)) < margin(Basis::Other(1))
        );
        assert!(margin(Basis::Measured(30)) < 0.21);
        assert!(!timeout(Band::around(1.0, 0.2), Basis::Alike(9)).known);
    }

    #[test]
    fn risks_have_levels() {
        let peak = Band::around(2e9, 0.3).bytes();
        assert_eq!(oom_risk(peak, Bytes::gib(8)).level, Level::Low);
        assert_eq!(oom_risk(peak, Bytes(2_800_000_000)).level, Level::Medium);
        let half = oom_risk(peak, Bytes(2_000_000_000));
        assert!((half.probability - 0.5).abs() < 1e-3 && half.level == Level::High);
        let wall = Band::around(1000.0, 0.3);
        assert_eq!(timeout_risk(wall, timeout(wall, Basis::Measured(5))).level, Level::Low);
    }

    #[test]
    fn nobody_is_ended_for_a_short_silence() {
        let limit =
            |unit| silence_limit(unit, timeout(Band::around(9.0, 0.1), Basis::Cold)).seconds;
        assert!((limit(1.0) - 600.0).abs() < 1e-9 && (limit(1e9) - 7200.0).abs() < 1e-9);
    }
}
