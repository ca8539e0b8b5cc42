//! What each derivation is expected to take, how many cores it is told of, and how long it is waited
//! for.
//!
//! A heavy derivation gets all cores, a medium one half of them and a light one a quarter, as the
//! tiers of `plan` have it; who has nothing beside it gets all. What asks for a large machine is heavy however
//! little memory it takes. Does not know which derivations
//! run: the governor admits them.

use schemars::JsonSchema;
use serde::Serialize;

use super::facts::Facts;
use crate::inventory::{Kind, Language, Node};
use crate::plan::{Band, Basis, Knowledge, Tier, TierLimits, UnitEstimate, silence_limit, timeout};
use crate::unit::DerivationUnit;
use crate::units::Bytes;

/// A file among the sources of a derivation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// Its name.
    pub name: String,
    /// Its size in bytes.
    pub bytes: u64,
}

/// What a machine gives to builds.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    /// Memory by which tiers are told apart.
    pub budget: Bytes,
    /// Threads for all builds.
    pub threads: u32,
}

/// What a derivation is given.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Allotment {
    /// How much of the machine it takes.
    pub tier: Tier,
    /// Cores that it is told of (`NIX_BUILD_CORES`) while others are built beside it.
    pub cores: u32,
    /// Seconds after which it is ended; absent where nothing like it was measured.
    pub timeout_seconds: Option<f64>,
    /// Seconds without output after which it is ended; absent likewise.
    pub silence_seconds: Option<f64>,
    /// What it is expected to take with these cores.
    pub estimate: UnitEstimate,
}

/// What a derivation is given on a machine.
pub fn allot(facts: &Facts, sources: &[SourceFile], room: Room, known: &Knowledge) -> Allotment {
    let limits = TierLimits::of(room.budget);
    let all = room.threads.max(1);
    let with = |cores: u32| estimate(facts, sources, cores, known);
    let whole = with(all);
    let tier = if is_long(facts, &whole) { Tier::Heavy } else { limits.tier(whole.peak.expected) };
    let wanted = if facts.parallel { cores_of(tier, all) } else { 1 };
    // Fewer compilers at a time may fit where as many as there are cores do not.
    let fits = |cores: &u32| with(*cores).peak.expected <= room.budget;
    let halves = std::iter::successors(Some(wanted), |cores| (*cores > 1).then(|| cores / 2));
    let cores = halves.clone().find(fits).or_else(|| halves.last()).unwrap_or(1);
    let estimate = with(cores);
    let limit = timeout(estimate.wall_seconds, estimate.basis);
    let silence = silence_limit(estimate.wall_seconds.max, limit);
    Allotment {
        tier,
        cores,
        timeout_seconds: limit.known.then_some(limit.seconds),
        silence_seconds: limit.known.then_some(silence.seconds),
        estimate,
    }
}

/// Processor seconds from which a derivation that asks for a large machine is given one.
const LONG: f64 = 300.0;

/// Whether whoever wrote it asks for a large machine, and nothing measured says that it needs none.
fn is_long(facts: &Facts, estimate: &UnitEstimate) -> bool {
    facts.big && facts.parallel && estimate.cpu_seconds.expected >= LONG
}

/// Cores of a tier: all, half, a quarter.
const fn cores_of(tier: Tier, all: u32) -> u32 {
    match tier {
        Tier::Heavy => all,
        Tier::Medium => all.div_ceil(2),
        Tier::Light => all.div_ceil(4),
    }
}

/// Cores for an attempt: those that were allotted, all where nothing else wants any, and half as many
/// each time that it was killed for want of memory.
pub const fn cores_now(
    tier: Tier,
    parallel: bool,
    allotted: u32,
    threads: u32,
    alone: bool,
    killed: u32,
) -> u32 {
    let more = alone && parallel && !matches!(tier, Tier::Heavy) && threads > 1;
    let wanted = if more { threads } else { allotted };
    let cores = if killed < 31 { wanted >> killed } else { 1 };
    if cores == 0 { 1 } else { cores }
}

/// What a derivation is expected to take with so many cores: from its past, else from its sources,
/// else from its language.
fn estimate(facts: &Facts, sources: &[SourceFile], cores: u32, known: &Knowledge) -> UnitEstimate {
    let nothing = Bytes::ZERO;
    let (name, digest) = (facts.name.as_str(), facts.digest.as_str());
    let unit = DerivationUnit { name, digest, cores, memory: nothing, threads: 1.0 }.facts();
    let mut node = Node::new(facts.language, Kind::Derivation, &*facts.path, &*facts.name);
    (node.key, node.family) = (Some(unit.key), Some(unit.family));
    let past = known.node(&node);
    if matches!(past.basis, Basis::Measured(_) | Basis::Other(_)) {
        return past;
    }
    let at_a_time = if facts.parallel { cores.max(1) } else { 1 };
    by_sources(sources, at_a_time, known).unwrap_or_else(|| by_language(facts, at_a_time))
}

/// Memory of shells and tools around the compilers of a derivation.
const AROUND: Bytes = Bytes::mib(24);

/// From the files that it compiles: the largest that meet, and the time of all.
fn by_sources(sources: &[SourceFile], at_a_time: u32, known: &Knowledge) -> Option<UnitEstimate> {
    let mut files: Vec<UnitEstimate> =
        sources.iter().filter_map(|source| Some(known.node(&node_of(source)?))).collect();
    files.sort_by_key(|file| std::cmp::Reverse(file.peak.expected));
    let largest = files.first()?;
    let meeting = files.iter().take(at_a_time as usize);
    let peak = meeting.fold(AROUND, |sum, file| sum.saturating_add(file.peak.expected));
    let cpu: f64 = files.iter().map(|file| file.cpu_seconds.expected).sum();
    let threads = f64::from(at_a_time).min(files.len() as f64).max(1.0);
    let (memory, time) = (largest.peak.numbers().deviation(), largest.cpu_seconds.deviation());
    Some(cold(peak.0 as f64, cpu, threads, (memory, time)))
}

/// A source as something to compile; nothing for a file that no compiler reads.
fn node_of(source: &SourceFile) -> Option<Node> {
    let ending = source.name.rsplit_once('.')?.1;
    let (language, kind) = match ending {
        "c" | "cc" | "cpp" | "cxx" | "C" | "c++" | "cu" | "S" | "s" => {
            (Language::CFamily, Kind::TranslationUnit)
        }
        "rs" => (Language::Rust, Kind::Library),
        "go" => (Language::Go, Kind::Package),
        _ => return None,
    };
    let node = Node::new(language, kind, &*source.name, &*source.name);
    Some(node.sized(Some(source.bytes)))
}

/// Deviations of peak and time of which only the language is known.
const UNKNOWN: (f64, f64) = (0.7, 1.2);

/// MiB, MiB more for each further compiler, and processor seconds, by what a derivation is. Round
/// numbers: `cc1plus` takes 200 to 300 MB, a crate rustc 300 to 500, and what asks for a large
/// machine is known to take hours.
fn by_language(facts: &Facts, at_a_time: u32) -> UnitEstimate {
    let (base, each, seconds) = match (facts.kind, facts.language) {
        (Kind::FixedOutput, _) => (64.0, 0.0, 2.0),
        (Kind::Generated, _) => (32.0, 0.0, 1.0),
        (Kind::Repackaged, _) => (200.0, 0.0, 10.0),
        _ if facts.big => (1024.0, 512.0, 3600.0),
        (_, Language::Rust) => (600.0, 250.0, 240.0),
        (_, Language::Go) => (400.0, 100.0, 90.0),
        (_, Language::Npm) => (700.0, 0.0, 60.0),
        (_, Language::Python) => (200.0, 100.0, 40.0),
        (_, Language::CFamily) => (250.0, 200.0, 120.0),
        (_, Language::Nix) => (200.0, 100.0, 20.0),
    };
    let more = f64::from(at_a_time.saturating_sub(1));
    let threads = if facts.kind == Kind::FixedOutput { 0.3 } else { f64::from(at_a_time) };
    cold((base + each * more) * 1024.0 * 1024.0, seconds, threads, UNKNOWN)
}

fn cold(peak: f64, cpu: f64, threads: f64, (memory, time): (f64, f64)) -> UnitEstimate {
    let peak = Band::around(peak, memory);
    let wall = cpu / threads.max(1.0);
    UnitEstimate {
        confidence: peak.confidence(),
        peak: peak.bytes(),
        cpu_seconds: Band::around(cpu, time),
        wall_seconds: Band::around(wall, time),
        threads,
        basis: Basis::Cold,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logs::timed;
    use crate::observe::unit::{UnitOutcome, UnitRecord};

    fn facts(name: &str, parallel: bool) -> Facts {
        Facts {
            path: format!("/nix/store/{name}.drv"),
            name: name.to_owned(),
            outputs: Vec::new(),
            inputs: Vec::new(),
            sources: Vec::new(),
            kind: Kind::Derivation,
            language: Language::CFamily,
            parallel,
            big: false,
            digest: "00ff00ff".to_owned(),
        }
    }

    const ROOM: Room = Room { budget: Bytes::gib(21), threads: 8 };

    fn measured(name: &str, cores: u32, mib: u64) -> UnitRecord {
        let (memory, threads, digest) = (Bytes::ZERO, 1.0, "00ff00ff");
        let unit = DerivationUnit { name, digest, cores, memory, threads }.facts();
        let outcome = UnitOutcome::Succeeded;
        let peak = Bytes::mib(mib);
        UnitRecord { outcome, peak, ..timed(&unit, 1, 60_000_000) }
    }

    #[test]
    fn heavy_ones_get_all_cores_and_light_ones_few() {
        let known = Knowledge::new(&[
            measured("llvm-17", 8, 14_000),
            measured("mid-1", 8, 4000),
            measured("zlib-1", 8, 90),
        ]);
        let of = |name: &str, parallel| allot(&facts(name, parallel), &[], ROOM, &known);
        let (heavy, medium, light) = (of("llvm-17", true), of("mid-1", true), of("zlib-1", true));
        assert_eq!((heavy.tier, heavy.cores), (Tier::Heavy, 8));
        assert_eq!((medium.tier, medium.cores), (Tier::Medium, 4));
        assert_eq!((light.tier, light.cores), (Tier::Light, 2));
        assert!(heavy.timeout_seconds.is_some());
        assert_eq!(of("zlib-1", false).cores, 1);
        let unknown = of("other-1", true);
        assert_eq!((unknown.timeout_seconds, unknown.estimate.basis), (None, Basis::Cold));
    }

    #[test]
    fn what_asks_for_a_large_machine_gets_it_until_it_was_quick() {
        let big = Facts { big: true, ..facts("big-1", true) };
        let of = |known: &Knowledge| allot(&big, &[], ROOM, known);
        let unknown = of(&Knowledge::default());
        assert_eq!((unknown.tier, unknown.cores), (Tier::Heavy, 8));
        let quick = of(&Knowledge::new(&[measured("big-1", 8, 90)]));
        assert_eq!((quick.tier, quick.cores), (Tier::Light, 2));
        let lone = Facts { parallel: false, ..big.clone() };
        assert_eq!(allot(&lone, &[], ROOM, &Knowledge::default()).cores, 1);
    }

    #[test]
    fn what_does_not_fit_with_all_cores_gets_fewer() {
        let room = Room { budget: Bytes::mib(900), threads: 8 };
        let given = allot(&facts("big-1", true), &[], room, &Knowledge::default());
        assert_eq!((given.tier, given.cores), (Tier::Heavy, 4));
        let smaller = Room { budget: Bytes::mib(100), threads: 8 };
        assert_eq!(allot(&facts("big-1", true), &[], smaller, &Knowledge::default()).cores, 1);
    }

    #[test]
    fn sources_tell_more_than_the_language() {
        let file = |name: &str, bytes| SourceFile { name: name.to_owned(), bytes };
        let small = [file("a.c", 20_000)];
        let large = [file("a.cpp", 400_000), file("b.cpp", 400_000), file("README", 9_000_000)];
        let of = |sources: &[SourceFile]| {
            let known = Knowledge::default();
            allot(&facts("x-1", false), sources, ROOM, &known).estimate.peak.expected
        };
        assert!(of(&small) < Bytes::mib(60), "{}", of(&small));
        assert!(of(&large) > Bytes::mib(250), "{}", of(&large));
    }

    #[test]
    fn who_is_alone_gets_all_and_who_was_killed_fewer() {
        let of = |tier, parallel, alone, killed| cores_now(tier, parallel, 2, 8, alone, killed);
        assert_eq!(of(Tier::Light, true, false, 0), 2);
        assert_eq!(of(Tier::Light, true, true, 0), 8);
        assert_eq!(of(Tier::Light, false, true, 0), 2);
        assert_eq!(of(Tier::Light, true, true, 2), 2);
        assert_eq!(of(Tier::Heavy, true, true, 99), 1);
    }
}
