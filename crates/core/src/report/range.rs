//! A run's figures within the ranges that were predicted from the runs before it.
//!
//! The ranges are those that `plan` gave before the run: the same estimate from the same past. Does
//! not know which runs did the same: the caller tells.

use schemars::JsonSchema;
use serde::Serialize;

use super::{Given, Standing};
use crate::build::Driver;
use crate::inventory::Language;
use crate::observe::{RunFacts, Summary};
use crate::plan::{Band, Basis, PackagePast, PackageQuery, estimate_package, is_whole_build};

/// An earlier run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Earlier {
    /// Its number in the history.
    pub run: i64,
    /// What it took.
    pub past: PackagePast,
}

/// A figure and its range.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Judged {
    /// The run's own figure, in seconds or bytes.
    pub value: f64,
    /// What was expected.
    pub expected: f64,
    /// Least that was likely.
    pub low: f64,
    /// Most that was likely.
    pub high: f64,
    /// The earlier figures, newest first.
    pub earlier: Vec<f64>,
    /// Whether the figure is inside.
    pub inside: bool,
}

/// Why no range is given for a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Unjudged {
    /// It has not ended, or not well.
    NotWell,
    /// No earlier build of the same ended well.
    First,
    /// It found most of it built already: half a build is no build.
    MostlyBuilt,
}

/// A run's figures with their ranges.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Ranges {
    /// Numbers of the earlier runs that ended well, newest first.
    pub runs: Vec<i64>,
    /// What the ranges rest on.
    pub basis: Basis,
    /// Wall-clock time, in seconds.
    pub wall: Judged,
    /// Processor time, in seconds.
    pub cpu: Judged,
    /// Largest memory of the process tree, in bytes.
    pub peak: Judged,
}

impl Ranges {
    /// Whether time and peak are both as predicted.
    pub const fn are_kept(&self) -> bool {
        self.wall.inside && self.peak.inside
    }
}

/// The language that a run's build system mostly compiles.
pub fn language_of(facts: &RunFacts) -> Option<Language> {
    let driver = facts.driver.as_deref()?;
    Driver::ALL.iter().find(|known| known.name() == driver).copied().map(Language::of_driver)
}

/// The ranges of a run, or why there are none.
pub(super) fn judge(given: &Given<'_>, summary: &Summary) -> Result<Ranges, Unjudged> {
    if given.standing != Standing::Finished || summary.exit_code != Some(0) {
        return Err(Unjudged::NotWell);
    }
    let past: Vec<PackagePast> = given.earlier.iter().map(|run| run.past).collect();
    let is_build = is_whole_build(&past);
    let good: Vec<&Earlier> = given.earlier.iter().filter(|run| is_build(&run.past)).collect();
    let own = PackagePast { same: true, complete: true, ..PackagePast::of(given.facts, "") };
    if good.is_empty() {
        return Err(Unjudged::First);
    }
    if !is_build(&own) {
        return Err(Unjudged::MostlyBuilt);
    }
    let estimate = estimate_package(&PackageQuery {
        past: &past,
        threads: f64::from(given.facts.threads),
        language: language_of(given.facts),
        ..PackageQuery::default()
    });
    let of = |value: f64, band: Band<f64>, figure: fn(&PackagePast) -> f64| {
        judged(value, band, good.iter().map(|run| figure(&run.past)).collect())
    };
    Ok(Ranges {
        runs: good.iter().map(|run| run.run).collect(),
        basis: estimate.basis,
        wall: of(summary.wall.as_secs_f64(), estimate.wall_seconds, |past| past.wall_seconds),
        cpu: of(summary.cpu.as_secs_f64(), estimate.cpu_seconds, |past| past.cpu_seconds),
        peak: of(summary.peak_tree.0 as f64, estimate.peak.numbers(), |past| past.peak.0 as f64),
    })
}

fn judged(value: f64, band: Band<f64>, earlier: Vec<f64>) -> Judged {
    Judged {
        value,
        expected: band.expected,
        low: band.min,
        high: band.max,
        inside: (band.min..=band.max).contains(&value),
        earlier,
    }
}
