//! What build tools and package managers take beside the compilers that they start.
//!
//! Does not know what is compiled.

use super::band::Band;
use super::package::{PackageEstimate, PackageQuery};
use crate::inventory::Language;
use crate::units::Bytes;

/// What the build tool and the shells around its compilers hold.
pub(super) const fn beside_compilers(language: Option<Language>) -> Bytes {
    match language {
        Some(Language::Rust) => Bytes::mib(40),
        // pip and a backend; and what a compiler keeps of the interpreter's headers.
        Some(Language::Python) => Bytes::mib(85),
        Some(Language::Go | Language::CFamily) => Bytes::mib(16),
        // It is added with what it fetches.
        Some(Language::Npm) => Bytes::ZERO,
        Some(Language::Nix) | None => Bytes::mib(48),
    }
}

/// MiB and seconds of npm itself, and what each package adds. Installations of 1 to 3 packages took 81 to 444
/// MiB, of 12 to 41 116 to 319, of 68 to 100 133 to 184, of 118 to 195 200 to 321 MiB; and of 1, 12, 100, 136
/// and 195 4.1, 3.4, 2.3, 5.1 and 7.2 s: packages differ in size by a factor of a thousand, and nobody tells
/// it before.
const NPM: ((f64, f64), (f64, f64)) = ((120.0, 0.6), (1.8, 0.025));
/// Deviations of its memory and of its time.
const NPM_DEVIATION: (f64, f64) = (0.7, 0.7);

/// MiB and seconds of pip and of the build backend that it starts: wheels of text took 80 and 89 MiB.
const PIP: (f64, f64) = (90.0, 3.0);
/// Deviations of its memory and of its time, which is that of downloads.
const PIP_DEVIATION: (f64, f64) = (0.2, 0.7);

/// What finds out before anything is compiled what a project can use of a machine, by compiling and running
/// many small programs one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Configured {
    /// CMake.
    ByCmake,
    /// A `configure` script, mostly of Autoconf.
    ByScript,
}

impl Configured {
    /// Seconds with the deviation of their logarithm. CMake took 0.3 to 4.3 s for ten libraries of Debian 12
    /// (half of them below 0.6 s), scripts took 4 to 40 s.
    const fn seconds(self) -> (f64, f64) {
        match self {
            Self::ByCmake => (0.9, 0.8),
            Self::ByScript => (8.0, 0.7),
        }
    }
}

/// Adds what configures, and what a package manager takes, to what its scripts and compilers do.
pub(super) fn add(query: &PackageQuery<'_>, estimate: &mut PackageEstimate) {
    if let Some(configured) = query.configured {
        let (seconds, deviation) = configured.seconds();
        lengthen(estimate, Band::around(seconds, deviation));
    }
    match query.language {
        Some(Language::Npm) => by_npm(query.fetched, estimate),
        Some(Language::Python) => by_pip(estimate),
        _ => {}
    }
}

/// Adds pip, which holds most before any compiler runs.
fn by_pip(estimate: &mut PackageEstimate) {
    let memory = Band::around(PIP.0 * 1024.0 * 1024.0, PIP_DEVIATION.0).bytes();
    let time = Band::around(PIP.1, PIP_DEVIATION.1);
    let own = estimate.peak;
    estimate.peak = Band {
        min: own.min.max(memory.min),
        expected: own.expected.max(memory.expected),
        max: own.max.max(memory.max),
    };
    for at in &mut estimate.peak_by_threads {
        at.peak = at.peak.max(memory.expected);
    }
    if estimate.units == 0 {
        (estimate.wall_seconds, estimate.cpu_seconds) = (time, time);
        estimate.largest_unit = estimate.peak;
        estimate.longest_unit_seconds = time.max;
        return;
    }
    lengthen(estimate, time);
}

/// Adds what one processor does before or after all units.
fn lengthen(estimate: &mut PackageEstimate, time: Band<f64>) {
    estimate.wall_seconds = estimate.wall_seconds.plus(time);
    estimate.cpu_seconds = estimate.cpu_seconds.plus(time);
}

/// Adds npm, which is there while scripts run.
fn by_npm(fetched: usize, estimate: &mut PackageEstimate) {
    const MIB: f64 = 1024.0 * 1024.0;
    let ((mib, mib_each), (seconds, seconds_each)) = NPM;
    let count = fetched as f64;
    let memory = Band::around((mib + mib_each * count) * MIB, NPM_DEVIATION.0);
    let time = Band::around(seconds + seconds_each * count, NPM_DEVIATION.1);
    let scripts = estimate.units > 0;
    let sum = |own: Band<f64>, more: Band<f64>| if scripts { own.plus(more) } else { own };
    estimate.peak = sum(memory, estimate.peak.numbers()).bytes();
    estimate.wall_seconds = sum(time, estimate.wall_seconds);
    estimate.cpu_seconds = sum(time, estimate.cpu_seconds);
    for at in &mut estimate.peak_by_threads {
        at.peak = at.peak.saturating_add(memory.bytes().expected);
    }
    if !scripts {
        estimate.largest_unit = estimate.peak;
        estimate.longest_unit_seconds = estimate.wall_seconds.max;
    }
}

#[cfg(test)]
mod tests {
    use super::super::package::estimate_package;
    use super::super::work::Work;
    use super::*;

    fn of(language: Language, fetched: usize) -> PackageEstimate {
        let work = Work::default();
        estimate_package(&PackageQuery {
            work: Some(&work),
            threads: 2.0,
            fetched,
            language: Some(language),
            ..PackageQuery::default()
        })
    }

    #[test]
    fn npm_takes_more_for_more_packages() {
        let of = |fetched| of(Language::Npm, fetched);
        let (few, many) = (of(10), of(1000));
        assert!(few.peak.expected < many.peak.expected && many.wall_seconds.expected > 20.0);
        // What was measured lies inside.
        for (fetched, mib, seconds) in
            [(1, 444, 4.1), (12, 319, 3.4), (100, 133, 2.3), (195, 245, 7.2)]
        {
            let (peak, wall) = (of(fetched).peak, of(fetched).wall_seconds);
            assert!(peak.min <= Bytes::mib(mib) && Bytes::mib(mib) <= peak.max, "{peak:?}");
            assert!(wall.min <= seconds && seconds <= wall.max, "{wall:?}");
        }
    }

    #[test]
    fn a_wheel_of_text_takes_what_pip_takes() {
        let wheel = of(Language::Python, 0);
        for mib in [80, 89, 97] {
            assert!(wheel.peak.min <= Bytes::mib(mib) && Bytes::mib(mib) <= wheel.peak.max);
        }
        assert_eq!((wheel.units, wheel.largest_unit), (0, wheel.peak));
    }

    #[test]
    fn what_is_configured_takes_longer_and_no_more_memory() {
        let work = Work::default();
        let of = |configured| {
            estimate_package(&PackageQuery {
                work: Some(&work),
                configured,
                language: Some(Language::CFamily),
                ..PackageQuery::default()
            })
        };
        let (plain, cmake) = (of(None), of(Some(Configured::ByCmake)));
        let script = of(Some(Configured::ByScript));
        assert_eq!((cmake.peak, script.peak), (plain.peak, plain.peak));
        let inside = |estimate: &PackageEstimate, seconds: f64| {
            let wall = estimate.wall_seconds;
            wall.min <= seconds && seconds <= wall.max
        };
        assert!([0.4, 0.8, 4.3].iter().all(|seconds| inside(&cmake, *seconds)), "{cmake:?}");
        assert!([4.0, 8.0, 27.0].iter().all(|seconds| inside(&script, *seconds)), "{script:?}");
    }
}
