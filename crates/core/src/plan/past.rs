//! What past runs of a package tell of the next one.
//!
//! They know more than all units: what meets what, and the build tool itself. Does not know where runs are
//! kept.

use super::band::Band;
use super::package::{AtThreads, PackageEstimate, PackagePast, PackageQuery};
use super::unit::Basis;
use crate::govern::{BEYOND_SEEN, DECAY};
use crate::inventory::Language;
use crate::units::Bytes;

/// Deviation of peaks and of times between two runs of the same, before any was compared. Node.js
/// collects its garbage by the clock, and a package that lies in npm's cache is unpacked faster than
/// it is collected: installations that took 94, 193 and 263 MiB at first took 154, 444 and 319 MiB
/// later. Python stands between: a wheel is built by whatever its sources are made for.
const fn noise(language: Option<Language>) -> (f64, f64) {
    match language {
        Some(Language::Npm) => (0.35, 0.35),
        Some(Language::Python) => (0.15, 0.2),
        _ => (0.08, 0.15),
    }
}

/// Deviation of the part of a run's time in which no processor is used: networks and disks.
const IDLE_NOISE: f64 = 0.7;
/// Seconds and bytes on either side of a band: what starting and looking add by chance.
const SLACK: (f64, f64) = (1.0, 16.0 * 1024.0 * 1024.0);
/// Deviation of disk space between two runs of the same.
const DISK_NOISE: f64 = 0.08;
/// Runs that this counts for.
const PRIOR: f64 = 2.0;
/// Deviation that another version adds.
const UNLIKE: f64 = 0.25;
/// Deviation that another number of threads adds.
const OTHER_THREADS: f64 = 0.3;
/// Weight of a run of another version.
const OTHER_VERSION: f64 = 0.25;
/// Takes in past runs of the whole, which know more than all units: what meets what, and the tool.
pub(super) fn of_past(query: &PackageQuery<'_>, estimate: &mut PackageEstimate) {
    let is_whole = is_whole(query.past);
    // What ran no compiler where there is something to compile did not build it; but npm installs anew each
    // time, and what its scripts start may be no compiler.
    let is_npm = query.language == Some(Language::Npm);
    let was_built = |run: &&PackagePast| run.units != Some(0) || estimate.units == 0 || is_npm;
    let good: Vec<&PackagePast> =
        query.past.iter().filter(|run| is_whole(run)).filter(was_built).collect();
    let grown = query
        .past
        .iter()
        .take_while(|run| !run.complete)
        .map(|run| run.peak.scaled(BEYOND_SEEN))
        .max()
        .unwrap_or_default();
    if good.is_empty() {
        estimate.peak.expected = estimate.peak.expected.max(grown);
        estimate.peak.max = estimate.peak.max.max(grown);
        overrun(query, &mut estimate.wall_seconds);
        return;
    }
    let same = good.iter().filter(|run| run.same).count();
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    estimate.basis =
        if same > 0 { Basis::Measured(count(same)) } else { Basis::Other(count(good.len())) };
    let weights = weights(&good);
    let threads_differ =
        good.first().is_some_and(|run| (f64::from(run.threads) - query.threads).abs() > 0.5);
    let mut extra = if same > 0 { 0.0 } else { UNLIKE };
    if threads_differ {
        extra = f64::hypot(extra, OTHER_THREADS);
    }
    let band = |of: fn(&PackagePast) -> f64, noise| {
        let values: Vec<f64> = good.iter().map(|run| of(run)).collect();
        weighted(&values, &weights, noise, extra)
    };
    let (peak_noise, time_noise) = noise(query.language);
    let idle = idle_part(&good, &weights);
    let mut peak = slack(band(|run| run.peak.0 as f64, peak_noise), SLACK.1).bytes();
    peak.expected = peak.expected.max(grown);
    peak.max = peak.max.max(grown);
    scale(&mut estimate.peak_by_threads, peak.expected);
    estimate.peak = peak;
    estimate.cpu_seconds = slack(band(|run| run.cpu_seconds, time_noise), SLACK.0 / 2.0);
    let wall = band(|run| run.wall_seconds, time_noise.hypot(idle * IDLE_NOISE));
    estimate.wall_seconds = slack(wall, SLACK.0);
    overrun(query, &mut estimate.wall_seconds);
    if estimate.units == 0 {
        estimate.largest_unit = peak;
        estimate.longest_unit_seconds = estimate.wall_seconds.max;
    }
}

/// Tells builds of all of it, by the units of those that are known: one that found most of it built already
/// says nothing of the next that does not.
pub(crate) fn is_whole(past: &[PackagePast]) -> impl Fn(&PackagePast) -> bool + use<> {
    let most = |same: bool| {
        let alike = past.iter().filter(|run| run.complete && run.same == same);
        alike.filter_map(|run| run.units).max()
    };
    let (same, other) = (most(true), most(false));
    move |run| {
        let most = if run.same { same.or(other) } else { other };
        run.complete && run.units.zip(most).is_none_or(|(units, most)| units >= most.div_ceil(2))
    }
}

/// Part of the time in which no processor was used at all, at least.
fn idle_part(runs: &[&PackagePast], weights: &[f64]) -> f64 {
    let total: f64 = weights.iter().sum::<f64>().max(1e-9);
    let idle = |run: &PackagePast| 1.0 - (run.cpu_seconds / run.wall_seconds.max(1e-3)).min(1.0);
    runs.iter().zip(weights).map(|(run, weight)| idle(run) * weight).sum::<f64>() / total
}

fn slack(band: Band<f64>, by: f64) -> Band<f64> {
    Band { min: (band.min - by).max(0.0), max: band.max + by, ..band }
}

/// A newer run that was ended for its time wants more than it had: else it would be ended again.
fn overrun(query: &PackageQuery<'_>, wall: &mut Band<f64>) {
    let newer = query.past.iter().take_while(|run| !run.complete).filter(|run| run.overran);
    let wanted = newer.map(|run| run.wall_seconds * BEYOND_SEEN).fold(0.0, f64::max);
    wall.max = wall.max.max(wanted);
}

/// Newer runs of the same version count most.
fn weights(runs: &[&PackagePast]) -> Vec<f64> {
    let any_same = runs.iter().any(|run| run.same);
    let fades = std::iter::successors(Some(1.0), |weight| Some(weight * DECAY));
    let weight = |(run, fade): (&&PackagePast, f64)| {
        if any_same && !run.same { fade * OTHER_VERSION } else { fade }
    };
    runs.iter().zip(fades).map(weight).collect()
}

fn weighted(values: &[f64], weights: &[f64], noise: f64, extra: f64) -> Band<f64> {
    let logs: Vec<f64> = values.iter().map(|value| value.max(1e-3).ln()).collect();
    let total: f64 = weights.iter().sum::<f64>().max(1e-9);
    let mean = logs.iter().zip(weights).map(|(log, w)| log * w).sum::<f64>() / total;
    let squares: f64 = logs.iter().zip(weights).map(|(log, w)| w * (log - mean).powi(2)).sum();
    let freedom = (total - 1.0).max(0.0);
    let variance = (squares + PRIOR * noise * noise) / (freedom + PRIOR);
    Band::around(mean.exp(), (variance * (1.0 + 1.0 / total)).sqrt().hypot(extra))
}

/// The curve over threads keeps its form and ends at what was measured.
fn scale(curve: &mut [AtThreads], measured: Bytes) {
    let Some(last) = curve.last().map(|at| at.peak.0 as f64).filter(|last| *last > 0.0) else {
        return;
    };
    for at in curve {
        at.peak = at.peak.scaled(measured.0 as f64 / last);
    }
}

/// Bytes on disk for a byte of source (objects, debug information and what is linked from them, of release
/// builds), and the deviation of its logarithm. Four crates with 16 to 50 MB of sources wrote 2.8, 4.7, 8.3
/// and 10.2 times as much; C libraries 0.6 and 2.2 times, one of C++ 12 times. The others are round numbers.
const fn disk_factor(language: Option<Language>) -> (f64, f64) {
    match language {
        Some(Language::Rust) => (6.0, 0.5),
        Some(Language::CFamily) => (2.5, 0.9),
        Some(Language::Npm) => (3.0, 0.8),
        Some(Language::Go) => (4.0, 0.8),
        Some(Language::Python | Language::Nix) | None => (5.0, 0.8),
    }
}

/// What even the smallest build writes: a program with its runtime, files of the build system.
const LEAST_WRITTEN: f64 = 1024.0 * 1024.0;

/// What a package writes to disk: as before, else by the size of its sources.
pub(super) fn disk(query: &PackageQuery<'_>) -> Option<Band<Bytes>> {
    // What is there already is not written again, so the most that was ever written tells.
    let known = query.past.iter().filter(|run| run.complete).filter_map(|run| run.disk).max();
    if let Some(known) = known.filter(|known| *known > Bytes::ZERO) {
        return Some(Band::around(known.0 as f64, DISK_NOISE).bytes());
    }
    // Sources whose sizes nobody told add up to nothing.
    let source = query.source_bytes.filter(|source| *source > Bytes::ZERO)?.0 as f64;
    let (factor, deviation) = disk_factor(query.language);
    Some(Band::around(source * factor + LEAST_WRITTEN, deviation).bytes())
}
