//! Tests of the table of x86 processors, against archspec's data among others.
//!
//! Does not know compilers' own tables; where archspec is wrong about one, the exception is listed
//! with what the compiler says.

use archspec::schema::{CompilerSet, Microarchitecture, MicroarchitecturesSchema};

use super::*;
use crate::cpu::from_cpuinfo;
use crate::facts::Architecture;

/// Our names and archspec's.
const SAME: &[(&str, &str)] = &[
    ("nocona", "nocona"),
    ("core2", "core2"),
    ("nehalem", "nehalem"),
    ("westmere", "westmere"),
    ("sandybridge", "sandybridge"),
    ("ivybridge", "ivybridge"),
    ("haswell", "haswell"),
    ("broadwell", "broadwell"),
    ("skylake", "skylake"),
    ("skylake-avx512", "skylake_avx512"),
    ("cannonlake", "cannonlake"),
    ("cascadelake", "cascadelake"),
    ("icelake-client", "icelake"),
    ("sapphirerapids", "sapphirerapids"),
    ("amdfam10", "k10"),
    ("bdver1", "bulldozer"),
    ("bdver2", "piledriver"),
    ("bdver3", "steamroller"),
    ("bdver4", "excavator"),
    ("znver1", "zen"),
    ("znver2", "zen2"),
    ("znver3", "zen3"),
    ("znver4", "zen4"),
    ("znver5", "zen5"),
];

/// Features on which archspec and the compilers disagree; here as the compilers have them (gcc
/// 12.2 to 14.2 `-Q --help=target`, `rustc --print cfg` with LLVM 22).
const FEATURES_THAT_DIFFER: &[(&str, &[&str])] = &[
    ("nocona", &["cmpxchg16b"]),
    ("core2", &["cmpxchg16b", "lahfsahf"]),
    ("westmere", &["aes"]),
    ("sandybridge", &["aes"]),
    ("ivybridge", &["aes"]),
    ("haswell", &["aes"]),
    ("broadwell", &["aes"]),
    ("sapphirerapids", &["avx512fp16", "avxvnni"]),
    ("amdfam10", &["lahfsahf", "popcnt"]),
    ("znver1", &["adx", "sha"]),
    ("znver2", &["adx", "sha"]),
    ("znver3", &["adx", "sha"]),
    ("znver4", &["adx", "sha"]),
    ("znver5", &["adx", "sha"]),
];

fn archspec(name: &str) -> &'static Microarchitecture {
    &MicroarchitecturesSchema::schema().microarchitectures[name]
}

fn known_difference(name: &str) -> &'static [&'static str] {
    FEATURES_THAT_DIFFER
        .iter()
        .find(|(processor, _)| *processor == name)
        .map_or(&[], |(_, features)| *features)
}

#[test]
fn features_agree_with_archspec() {
    // A feature that no processor here needs is one that changes no generated code. archspec
    // spells sse3 its own way.
    let generated: BTreeSet<_> = PROCESSORS
        .iter()
        .flat_map(Processor::essential)
        .filter(|feature| *feature != "sse3")
        .collect();
    for (ours, theirs) in SAME {
        let words = archspec(theirs).features.iter().map(String::as_str);
        let listed = from_cpuinfo(Architecture::X86_64, words);
        let listed: BTreeSet<_> = listed.iter().map(String::as_str).collect();
        let essential = Processor::named(ours).unwrap().essential();
        let difference: Vec<_> = essential
            .symmetric_difference(&listed)
            .copied()
            .filter(|feature| generated.contains(feature))
            .collect();
        assert_eq!(difference, known_difference(ours), "{ours}");
    }
}

/// First version for which archspec passes `name` to the compiler.
fn first_version(compiler: &str, ours: &str, theirs: &str) -> Option<Version> {
    let set = archspec(theirs).compilers.as_ref()?.get(compiler)?;
    let entries = match set {
        CompilerSet::Several(entries) => entries.clone(),
        CompilerSet::Single(entry) => vec![entry.clone()],
    };
    let uses = |name: &Option<String>| name.as_deref().unwrap_or(theirs) == ours;
    let first = entries
        .iter()
        .filter(|entry| uses(&entry.name))
        .filter_map(|entry| Version::parse(entry.versions.split(':').next().unwrap_or_default()));
    first.min()
}

#[test]
fn compiler_versions_agree_with_archspec() {
    // gcc 13.3 lists znver5 among its valid arguments; archspec waits for 14.1. Sapphire Rapids'
    // name is older than the GCC that gets its features right.
    let known = [("gcc", "znver5"), ("gcc", "sapphirerapids")];
    for (ours, theirs) in SAME {
        let processor = Processor::named(ours).unwrap();
        for (compiler, version) in [("gcc", processor.gcc), ("clang", processor.llvm)] {
            let Some(first) = first_version(compiler, ours, theirs) else { continue };
            let same = version.major == first.major && version.minor.abs_diff(first.minor) <= 1;
            assert!(
                same || known.contains(&(compiler, *ours)),
                "{ours}: {compiler} {version} here, {first} in archspec"
            );
        }
    }
}

#[test]
fn every_base_exists_and_no_name_repeats() {
    let mut names = BTreeSet::new();
    for processor in PROCESSORS {
        assert!(names.insert(processor.name), "{} stands twice", processor.name);
        let defined = processor.base.is_empty() || Processor::named(processor.base).is_some();
        assert!(defined, "{} extends an unknown {}", processor.name, processor.base);
        let earlier = processor.base.is_empty() || names.contains(processor.base);
        assert!(earlier, "{} stands before its base", processor.name);
    }
}

#[test]
fn znver5_needs_no_protection_keys() {
    let essential = Processor::named("znver5").unwrap().essential();
    assert!(essential.contains("avx512vp2intersect") && essential.contains("sse4.2"));
    for harmless in ["pku", "clzero", "wbnoinvd", "movdiri", "prfchw", "rdpid"] {
        assert!(!essential.contains(harmless), "{harmless}");
    }
}

#[test]
fn gcc_15_gave_up_knights_landing() {
    let knl = Processor::named("knl").unwrap();
    assert!(knl.known_to_gcc(Version::new(14, 2)));
    assert!(!knl.known_to_gcc(Version::new(15, 1)));
}
