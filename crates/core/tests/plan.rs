//! Estimates held against real builds: `fixtures/history` has the units of repeated builds of real
//! packages in Rust, C, C++ and Go on a busy machine of two threads.
//!
//! Does not know how they were recorded.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};

use ironwright_core::observe::unit::{UnitOutcome, UnitRecord};
use ironwright_core::plan::{
    AtThreads, Basis, Knowledge, PackagePast, PackageQuery, estimate_package, replayed, took,
};
use ironwright_core::units::Bytes;
use serde::Deserialize;

const UNITS: &str = include_str!("../../../fixtures/history/units.jsonl");
const RUNS: &str = include_str!("../../../fixtures/history/runs.jsonl");

#[derive(Clone, Debug, Deserialize)]
struct Run {
    #[serde(rename = "run")]
    id: i64,
    package: String,
    succeeded: bool,
    threads: u32,
    wall_seconds: f64,
    cpu_seconds: f64,
    peak: Bytes,
}

impl Run {
    fn past(&self) -> PackagePast {
        PackagePast {
            same: true,
            complete: self.succeeded,
            wall_seconds: self.wall_seconds,
            cpu_seconds: self.cpu_seconds,
            peak: self.peak,
            threads: self.threads,
            disk: None,
            overran: false,
            units: None,
        }
    }
}

struct History {
    runs: Vec<Run>,
    units: Vec<UnitRecord>,
}

fn history() -> History {
    fn lines<T: serde::de::DeserializeOwned>(text: &str) -> Vec<T> {
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
    History { runs: lines(RUNS), units: lines(UNITS) }
}

impl History {
    /// Runs that ended well, by package, oldest first.
    fn builds(&self) -> BTreeMap<&str, Vec<&Run>> {
        let mut builds: BTreeMap<&str, Vec<&Run>> = BTreeMap::new();
        for run in self.runs.iter().filter(|run| run.succeeded) {
            builds.entry(&run.package).or_default().push(run);
        }
        builds
    }

    fn units_of(&self, run: i64) -> Vec<UnitRecord> {
        self.units.iter().filter(|unit| unit.run == Some(run)).cloned().collect()
    }

    /// Everything but the units of some runs, newest first.
    fn known_without(&self, runs: &[i64]) -> Knowledge {
        let others = |unit: &&UnitRecord| unit.run.is_none_or(|run| !runs.contains(&run));
        Knowledge::new(self.units.iter().rev().filter(others))
    }
}

/// Under these a unit is found again.
fn names_of(unit: &UnitRecord) -> [&str; 2] {
    [&unit.family, unit.key.rsplit_once(' ').map_or(&*unit.key, |(stem, _)| stem)]
}

#[derive(Debug, Default)]
struct Tally {
    units: u32,
    covered: u32,
    predicted: f64,
    peaks: f64,
}

impl Tally {
    fn add(&mut self, predicted: Bytes, peak: Bytes) {
        self.units += 1;
        self.covered += u32::from(peak <= predicted);
        self.predicted += predicted.0 as f64;
        self.peaks += peak.0 as f64;
    }

    fn coverage(&self) -> f64 {
        f64::from(self.covered) / f64::from(self.units)
    }

    fn ratio(&self) -> f64 {
        self.predicted / self.peaks
    }
}

/// After two builds of a package, 95 % of the next build's units peak below their prediction, and
/// the predictions sum up to at most 1.3 times the peaks. Each build is left out in turn, and two
/// others of its package are known.
#[test]
fn two_builds_predict_the_next_one() {
    let history = history();
    let mut all = Tally::default();
    let mut packages = 0;
    for (package, builds) in history.builds().into_iter().filter(|(_, builds)| builds.len() >= 3) {
        packages += 1;
        let mut own = Tally::default();
        for (at, next) in builds.iter().enumerate() {
            let known: BTreeSet<i64> =
                [1, 2].iter().map(|step| builds[(at + step) % builds.len()].id).collect();
            let runs = history.runs.iter().filter(|run| run.package == package);
            let hidden: Vec<i64> = runs.map(|r| r.id).filter(|run| !known.contains(run)).collect();
            let knowledge = history.known_without(&hidden);
            for unit in history.units_of(next.id) {
                if unit.outcome == UnitOutcome::Succeeded {
                    let predicted = knowledge.record(&unit).peak.max;
                    own.add(predicted, took(&unit));
                    all.add(predicted, took(&unit));
                }
            }
        }
        assert!(own.coverage() >= 0.95 && own.ratio() <= 1.3, "{package}: {own:?}");
        println!(
            "{package}: {:.3} of {} covered, sum x {:.3}",
            own.coverage(),
            own.units,
            own.ratio()
        );
    }
    println!("all: {:.3} of {} covered, sum x {:.3}", all.coverage(), all.units, all.ratio());
    assert!(packages >= 5, "{packages}");
    assert!(all.coverage() >= 0.95 && all.ratio() <= 1.3, "{all:?}");
}

/// The peak of a package of which nothing was ever seen, nor of anything that it is built from, is
/// expected within a factor of two for four of five packages.
#[test]
fn packages_never_seen_are_within_a_factor_of_two() {
    let history = history();
    let (mut good, mut count) = (0, 0);
    for (package, builds) in history.builds() {
        let units = history.units_of(builds[0].id);
        let names: BTreeSet<&str> = units.iter().flat_map(names_of).collect();
        let own: Vec<i64> =
            history.runs.iter().filter(|run| run.package == package).map(|run| run.id).collect();
        let others = |unit: &&UnitRecord| {
            unit.run.is_none_or(|run| !own.contains(&run))
                && names_of(unit).iter().all(|name| !names.contains(name))
        };
        let knowledge = Knowledge::new(history.units.iter().rev().filter(others));
        let work = replayed(std::slice::from_ref(&units), &knowledge);
        assert!(
            work.estimates().iter().all(|unit| matches!(unit.basis, Basis::Alike(_) | Basis::Cold))
        );
        let estimate = estimate_package(&PackageQuery {
            work: Some(&work),
            threads: f64::from(builds[0].threads),
            ..PackageQuery::default()
        });
        let measured = builds[0].peak.0 as f64;
        let ratio = estimate.peak.expected.0 as f64 / measured;
        let inside = estimate.peak.min <= builds[0].peak && builds[0].peak <= estimate.peak.max;
        let cpu = estimate.cpu_seconds.expected / builds[0].cpu_seconds;
        println!(
            "{package}: {} expected, {} measured, x {ratio:.2}, inside {inside}; cpu x {cpu:.2}",
            estimate.peak.expected, builds[0].peak
        );
        good += u32::from((0.5..=2.0).contains(&ratio));
        count += 1;
    }
    println!("{good} of {count}");
    assert!(count >= 5 && f64::from(good) >= 0.8 * f64::from(count), "{good} of {count}");
}

/// A second build lies inside the bands that the first one left, in nine of ten packages.
#[test]
fn the_first_build_gives_bands_for_the_second() {
    let history = history();
    let (mut inside, mut in_time, mut count) = (0, 0, 0);
    for (package, builds) in history.builds().into_iter().filter(|(_, builds)| builds.len() >= 2) {
        for pair in builds.windows(2) {
            let past = [pair[0].past()];
            let units = history.units_of(pair[0].id);
            let work = replayed(std::slice::from_ref(&units), &Knowledge::new(&units));
            let estimate = estimate_package(&PackageQuery {
                past: &past,
                work: Some(&work),
                threads: f64::from(pair[1].threads),
                ..PackageQuery::default()
            });
            let next = pair[1].peak;
            let within = estimate.peak.min <= next && next <= estimate.peak.max;
            println!(
                "{package}: {next} in {} .. {}: {within}",
                estimate.peak.min, estimate.peak.max
            );
            let (wall, took) = (estimate.wall_seconds, pair[1].wall_seconds);
            in_time += u32::from(wall.min <= took && took <= wall.max);
            inside += u32::from(within);
            count += 1;
            let curve: Vec<AtThreads> = estimate.peak_by_threads;
            assert!(curve.windows(2).all(|two| two[0].peak <= two[1].peak), "{curve:?}");
        }
    }
    // The machine was loaded tenfold at times and not at others, so no time is asserted.
    println!("peaks {inside}, times {in_time} of {count}");
    assert!(f64::from(inside) >= 0.9 * f64::from(count), "{inside} of {count}");
}
