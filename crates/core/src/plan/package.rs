//! What a package is expected to take: from its own past runs, else from its units.
//!
//! Does not know where runs are kept, nor what a unit is made of.

use schemars::JsonSchema;
use serde::Serialize;

use super::band::Band;
use super::manager::{self, Configured};
use super::past::{disk, of_past};
use super::schedule::{ENDLESS, Runner};
use super::tier::{Tier, TierLimits};
use super::unit::{Basis, UnitEstimate};
use super::work::Work;
use crate::govern::simulate::Rule;
use crate::inventory::Language;
use crate::observe::{RunFacts, summarise};
use crate::units::Bytes;

/// What a past run of a package took.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PackagePast {
    /// The very same source, version included.
    pub same: bool,
    /// It ended well. One that did not shows only that at least so much is wanted.
    pub complete: bool,
    /// Seconds from start to end.
    pub wall_seconds: f64,
    /// Processor seconds.
    pub cpu_seconds: f64,
    /// Largest memory of the tree.
    pub peak: Bytes,
    /// Threads that it could use.
    pub threads: u32,
    /// Size of what it wrote to disk, where somebody measured it.
    pub disk: Option<Bytes>,
    /// Whether it was ended because it took too long.
    pub overran: bool,
    /// Units that ran, where somebody counted them.
    pub units: Option<u32>,
}

impl PackagePast {
    /// Of a run, for whoever wants to build `source`.
    pub fn of(facts: &RunFacts, source: &str) -> Self {
        let summary = summarise(facts);
        Self {
            same: facts.source.as_deref() == Some(source),
            complete: summary.exit_code == Some(0),
            wall_seconds: summary.wall.as_secs_f64(),
            cpu_seconds: summary.cpu.as_secs_f64(),
            peak: summary.peak_tree,
            threads: facts.threads,
            disk: facts.disk.map(|disk| disk.written),
            overran: facts.overran().is_some(),
            units: facts.governed.map(|governed| governed.units),
        }
    }
}

/// What is asked about a package.
#[derive(Clone, Copy, Debug, Default)]
pub struct PackageQuery<'a> {
    /// Its past runs, newest first.
    pub past: &'a [PackagePast],
    /// Its units, where they are known.
    pub work: Option<&'a Work>,
    /// Threads that it may use; at least one is counted.
    pub threads: f64,
    /// Size of its sources.
    pub source_bytes: Option<Bytes>,
    /// Language of what builds it, which is that of most of it.
    pub language: Option<Language>,
    /// Packages that its package manager fetches and unpacks, where they are known.
    pub fetched: usize,
    /// What looks at the machine before its units run.
    pub configured: Option<Configured>,
}

/// Memory at a parallelism.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct AtThreads {
    /// Units at a time.
    pub threads: u32,
    /// Peak.
    pub peak: Bytes,
}

/// What a package is expected to take.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct PackageEstimate {
    /// Largest memory of its process tree, when all threads start units.
    pub peak: Band<Bytes>,
    /// The same with 1, 2, 4, … units at a time.
    pub peak_by_threads: Vec<AtThreads>,
    /// Its largest unit; below this it cannot be built.
    pub largest_unit: Band<Bytes>,
    /// Seconds of its longest unit in the worst case.
    pub longest_unit_seconds: f64,
    /// Processor seconds.
    pub cpu_seconds: Band<f64>,
    /// Seconds from start to end.
    pub wall_seconds: Band<f64>,
    /// What it writes to disk, intermediate files included; absent when neither history nor sources
    /// tell.
    pub disk: Option<Band<Bytes>>,
    /// Units, where they are known.
    pub units: usize,
    /// What this rests on.
    pub basis: Basis,
    /// How sure the peak is, from 0 to 1: one half for a band whose ends are a factor of two apart.
    pub confidence: f64,
}

/// Deviation of the time of a build whose units are known.
const REPEATED: f64 = 0.15;
/// Deviation of a peak that a schedule made of units, beside that of the units: which of them meet.
const MEETING: f64 = 0.2;
/// MiB and seconds of a package of which only the language is known: round numbers, with a deviation
/// that leaves a factor of seven on either side.
const fn unknown_of(language: Option<Language>) -> (f64, f64) {
    match language {
        Some(Language::Rust) => (400.0, 90.0),
        Some(Language::Go) => (250.0, 40.0),
        Some(Language::Npm) => (300.0, 30.0),
        Some(Language::Python) => (200.0, 40.0),
        Some(Language::CFamily) => (500.0, 120.0),
        Some(Language::Nix) | None => (600.0, 120.0),
    }
}

/// Deviation of the logarithm of a peak of which only the language is known; times half again.
const UNKNOWN: f64 = 1.0;

/// Estimates a package.
pub fn estimate_package(query: &PackageQuery<'_>) -> PackageEstimate {
    let mut estimate =
        query.work.map_or_else(|| unknown(query.language), |work| of_units(work, query));
    if query.work.is_some() {
        manager::add(query, &mut estimate);
    }
    of_past(query, &mut estimate);
    estimate.confidence = estimate.peak.numbers().confidence();
    estimate.disk = disk(query);
    estimate
}

impl PackageEstimate {
    /// The tier of the most that is expected.
    pub fn tier(&self, limits: &TierLimits) -> Tier {
        limits.tier(self.peak.max)
    }

    /// The whole package as one unit, for schedules of what has no known parts.
    pub fn whole(&self) -> UnitEstimate {
        let busy = self.cpu_seconds.expected / self.wall_seconds.expected.max(1e-3);
        UnitEstimate {
            peak: self.peak,
            cpu_seconds: self.cpu_seconds,
            wall_seconds: self.wall_seconds,
            threads: busy.clamp(1.0, 4096.0),
            basis: self.basis,
            confidence: self.confidence,
        }
    }
}

fn unknown(language: Option<Language>) -> PackageEstimate {
    let (mib, seconds) = unknown_of(language);
    let peak = Band::around(mib * 1024.0 * 1024.0, UNKNOWN);
    let seconds = Band::around(seconds, UNKNOWN * 1.5);
    PackageEstimate {
        peak: peak.bytes(),
        peak_by_threads: Vec::new(),
        largest_unit: peak.bytes(),
        longest_unit_seconds: seconds.max,
        cpu_seconds: seconds,
        wall_seconds: seconds,
        disk: None,
        units: 0,
        basis: Basis::Cold,
        confidence: 0.0,
    }
}

/// From its units, by the simulator.
fn of_units(work: &Work, query: &PackageQuery<'_>) -> PackageEstimate {
    let (threads, tool) = (query.threads, manager::beside_compilers(query.language));
    let largest = work.estimates().iter().map(|unit| unit.peak).max_by_key(|peak| peak.expected);
    let largest = largest.unwrap_or_default();
    let runner = Runner::new(work.workload(), work.network());
    let at = |threads: u32| {
        let outcome = runner.run(ENDLESS, f64::from(threads), Rule::Make(threads));
        (outcome.peak.saturating_add(tool), outcome.makespan.as_secs_f64())
    };
    let steps: Vec<(u32, (Bytes, f64))> = doubling(threads).map(|n| (n, at(n))).collect();
    let (peak, wall) = steps.last().map_or((tool, 0.0), |(_, figures)| *figures);
    let deviation = largest.numbers().deviation().hypot(MEETING);
    let cpu: f64 = work.estimates().iter().map(|unit| unit.cpu_seconds.expected).sum();
    let time = time_deviation(work);
    PackageEstimate {
        peak: Band::around(peak.0 as f64, deviation).bytes(),
        peak_by_threads: steps
            .iter()
            .map(|(threads, (peak, _))| AtThreads { threads: *threads, peak: *peak })
            .collect(),
        largest_unit: largest,
        longest_unit_seconds: work
            .estimates()
            .iter()
            .map(|unit| unit.wall_seconds.max)
            .fold(0.0, f64::max),
        cpu_seconds: Band::around(cpu, time),
        wall_seconds: Band::around(wall.max(0.1), time.hypot(REPEATED)),
        disk: None,
        units: work.estimates().len(),
        basis: rests_on(work),
        confidence: 0.0,
    }
}

/// 1, 2, 4, … and the number itself.
fn doubling(threads: f64) -> impl Iterator<Item = u32> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
    let all = threads.max(1.0).round() as u32;
    let powers = std::iter::successors(Some(1_u32), |n| n.checked_mul(2));
    powers.take_while(move |n| *n < all).chain([all])
}

/// Half of the error of units is one that they share.
fn time_deviation(work: &Work) -> f64 {
    let weight = |of: fn(f64, f64) -> f64| -> f64 {
        let units = work.estimates().iter().map(|unit| unit.cpu_seconds);
        units.map(|cpu| of(cpu.expected, cpu.deviation())).sum()
    };
    let total = weight(|seconds, _| seconds).max(1e-9);
    let shared = weight(|seconds, deviation| seconds * deviation) / total;
    let own = weight(|seconds, deviation| (seconds * deviation).powi(2)).sqrt() / total;
    (shared * 0.5).hypot(own)
}

/// What its units rest on: their own past where any has one, else the largest of the rest.
fn rests_on(work: &Work) -> Basis {
    let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    let is_measured = |basis: Basis| matches!(basis, Basis::Measured(_) | Basis::Other(_));
    let measured = work.estimates().iter().filter(|unit| is_measured(unit.basis)).count();
    if measured > 0 {
        return Basis::Units(number(measured), number(work.estimates().len()));
    }
    let seconds = |unit: &&UnitEstimate| unit.cpu_seconds.expected;
    let largest = work.estimates().iter().max_by(|a, b| seconds(a).total_cmp(&seconds(b)));
    largest.map_or(Basis::Cold, |unit| unit.basis)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::oom_risk;

    fn past(same: bool, complete: bool, mib: u64, seconds: f64) -> PackagePast {
        PackagePast {
            same,
            complete,
            wall_seconds: seconds,
            cpu_seconds: seconds * 1.5,
            peak: Bytes::mib(mib),
            threads: 4,
            disk: None,
            overran: false,
            units: None,
        }
    }

    fn of(past: &[PackagePast]) -> PackageEstimate {
        estimate_package(&query(past, Bytes::mib(2)))
    }

    fn query(past: &[PackagePast], source: Bytes) -> PackageQuery<'_> {
        PackageQuery {
            past,
            work: None,
            threads: 4.0,
            source_bytes: Some(source),
            language: Some(Language::Rust),
            ..PackageQuery::default()
        }
    }

    #[test]
    fn bands_narrow_with_evidence() {
        let one = of(&[past(true, true, 500, 60.0)]);
        let many = of(&[past(true, true, 500, 60.0); 6]);
        assert_eq!((one.basis, many.basis), (Basis::Measured(1), Basis::Measured(6)));
        assert!(many.confidence > one.confidence && one.confidence > of(&[]).confidence);
        assert!(many.wall_seconds.max < one.wall_seconds.max);
        assert!(one.peak.min < Bytes::mib(500) && one.peak.max > Bytes::mib(500));
    }

    #[test]
    fn other_versions_count_less() {
        let mixed = of(&[past(false, true, 900, 60.0), past(true, true, 500, 60.0)]);
        assert!(mixed.peak.expected < Bytes::mib(600), "{mixed:?}");
        let other = of(&[past(false, true, 500, 60.0)]);
        assert_eq!(other.basis, Basis::Other(1));
        assert!(other.confidence < of(&[past(true, true, 500, 60.0)]).confidence);
    }

    #[test]
    fn what_was_built_already_teaches_nothing() {
        let run = |units, mib, seconds| PackagePast {
            units: Some(units),
            ..past(true, true, mib, seconds)
        };
        let whole = of(&[run(20, 500, 60.0)]);
        let mixed = of(&[run(0, 9, 0.3), run(2, 90, 3.0), run(20, 500, 60.0)]);
        assert_eq!((mixed.basis, mixed.peak), (Basis::Measured(1), whole.peak));
        // A package without units that anybody sees has only such runs.
        assert_eq!(of(&[run(0, 500, 60.0)]).peak, whole.peak);
        // One with units that ran none did not build anything.
        let mut work = Work::default();
        work.push("a.c".to_owned(), of(&[]).whole(), Vec::new());
        let of_work = |past| {
            estimate_package(&PackageQuery { work: Some(&work), ..query(past, Bytes::ZERO) })
        };
        assert_eq!(of_work(&[run(0, 9, 0.3)]).peak, of_work(&[]).peak);
        // What npm's scripts start is seldom a compiler, and they run each time.
        let language = Some(Language::Npm);
        let past = &[run(0, 90, 2.0)];
        let of_npm = PackageQuery { work: Some(&work), language, ..query(past, Bytes::ZERO) };
        let measured = estimate_package(&of_npm);
        assert_eq!(measured.basis, Basis::Measured(1));
        // Of a unit that nobody measured is expected what the whole left for it.
        let within = work.clone().within(&measured);
        let unit = within.estimates()[0];
        assert!((unit.cpu_seconds.expected - measured.cpu_seconds.expected).abs() < 1e-9);
        assert_eq!(unit.peak, measured.peak);
        assert_eq!(within.workload().jobs[0].memory, measured.peak.expected);
        let unmeasured = estimate_package(&PackageQuery { past: &[], ..of_npm });
        assert_eq!(work.clone().within(&unmeasured).estimates(), work.estimates());
    }

    #[test]
    fn chance_makes_small_builds_no_risk() {
        let small = of(&[past(true, true, 9, 1.0); 3]);
        assert!(small.confidence > 0.2, "{small:?}");
        let room = oom_risk(small.peak, Bytes::gib(20));
        assert!(room.probability < 0.01, "{room:?}");
    }

    #[test]
    fn a_failure_never_teaches_a_low_peak() {
        assert_eq!(of(&[past(true, false, 10, 1.0)]).peak, of(&[]).peak);
        let low = of(&[past(true, false, 10, 1.0), past(true, true, 500, 60.0)]);
        assert_eq!(low.peak, of(&[past(true, true, 500, 60.0)]).peak);
        let grown = of(&[past(true, false, 800, 1.0), past(true, true, 500, 60.0)]);
        assert!(grown.peak.expected >= Bytes::mib(1000));
    }

    #[test]
    fn disk_follows_from_sources_until_it_is_measured() {
        assert!(of(&[]).disk.unwrap().expected >= Bytes::mib(11));
        let mut run = past(true, true, 500, 60.0);
        run.disk = Some(Bytes::mib(300));
        let disk = of(&[run]).disk.unwrap();
        assert!(disk.min > Bytes::mib(200) && disk.max < Bytes::mib(400));
        assert_eq!(estimate_package(&query(&[], Bytes::ZERO)).disk, None);
    }

    #[test]
    fn waiting_and_node_make_bands_wider() {
        let width = |language, cpu_seconds| {
            let run = PackagePast { cpu_seconds, ..past(true, true, 500, 60.0) };
            let query = PackageQuery {
                past: &[run],
                threads: 4.0,
                language: Some(language),
                ..PackageQuery::default()
            };
            let estimate = estimate_package(&query);
            (estimate.wall_seconds.deviation(), estimate.peak.numbers().deviation())
        };
        let (busy, idle) = (width(Language::Rust, 200.0), width(Language::Rust, 20.0));
        assert!(idle.0 > busy.0 * 1.5 && (idle.1 - busy.1).abs() < 1e-9, "{busy:?} {idle:?}");
        let npm = width(Language::Npm, 200.0);
        assert!(npm.0 > busy.0 && npm.1 > busy.1 * 2.0, "{npm:?}");
    }

    #[test]
    fn what_ran_out_of_time_gets_more_of_it() {
        let short = past(true, true, 500, 60.0);
        let ended = PackagePast { overran: true, ..past(true, false, 100, 600.0) };
        let before = of(&[short]).wall_seconds;
        let after = of(&[ended, short]).wall_seconds;
        assert!(after.max > 600.0 && before.max < 600.0, "{before:?} {after:?}");
        assert!((after.expected - before.expected).abs() < 1e-9);
        assert!(of(&[short, ended]).wall_seconds.max < 600.0);
    }

    #[test]
    fn parallelism_is_asked_at_powers_of_two() {
        assert_eq!(doubling(6.0).collect::<Vec<_>>(), [1, 2, 4, 6]);
        assert_eq!(doubling(0.0).collect::<Vec<_>>(), [1]);
    }
}
