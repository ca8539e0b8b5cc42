//! x86 processors as compilers know them: the features that `-march=NAME` lets a compiler use in
//! the code it generates, and the first compiler version that accepts the name.
//!
//! Left out of the features are those that change no generated code: memory protection keys,
//! cache control, prefetch hints, XSAVE variants, random numbers. Virtual machines hide them
//! freely, and Linux hides RDSEED on early Zen 5.
//! Does not know tuning, and does not know how to recognise a processor (`identify`).
//!
//! Sources: the lists that gcc 11.3, 12.2, 13.3 and 14.2 print for a wrong `-march`, the names in
//! LLVM 14, 15, 17, 18, 19 and 22, the GCC and LLVM release notes for other versions.

use std::collections::BTreeSet;

use super::psabi::{X86_V2, X86_V3};
use super::version::Version;

/// A processor that GCC or LLVM has a name for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Processor {
    /// Name as GCC and LLVM write it.
    pub name: &'static str,
    /// The processor whose features this one has too; empty for a root.
    base: &'static str,
    /// Features that it adds to those of its base.
    adds: &'static [&'static str],
    /// First GCC that accepts the name.
    pub gcc: Version,
    /// First LLVM that accepts the name.
    pub llvm: Version,
}

const fn processor(
    name: &'static str,
    base: &'static str,
    adds: &'static [&'static str],
    gcc: (u16, u16),
    llvm: (u16, u16),
) -> Processor {
    Processor {
        name,
        base,
        adds,
        gcc: Version::new(gcc.0, gcc.1),
        llvm: Version::new(llvm.0, llvm.1),
    }
}

const AVX512: &[&str] = &["avx512bw", "avx512cd", "avx512dq", "avx512f", "avx512vl"];
const ICE_LAKE: &[&str] =
    &["avx512bitalg", "avx512vbmi2", "avx512vnni", "avx512vpopcntdq", "gfni", "vaes", "vpclmulqdq"];
const SAPPHIRE_RAPIDS: &[&str] =
    &["amx-bf16", "amx-int8", "amx-tile", "avx512bf16", "avx512fp16", "avxvnni"];
const ALDER_LAKE: &[&str] = &["avxvnni", "gfni", "sha", "vaes", "vpclmulqdq"];
const SIERRA_FOREST: &[&str] = &["avxifma", "avxneconvert", "avxvnniint8", "cmpccxadd"];
const ARROW_LAKE_S: &[&str] = &["avxvnniint16", "sha512", "sm3", "sm4"];
const DIAMOND_RAPIDS: &[&str] = &[
    "amx-avx512",
    "amx-fp8",
    "amx-movrs",
    "amx-tf32",
    "apxf",
    "avx10.2",
    "avxifma",
    "avxneconvert",
    "avxvnniint16",
    "avxvnniint8",
    "cmpccxadd",
    "movrs",
    "sha512",
    "sm3",
    "sm4",
];
const NOVA_LAKE: &[&str] = &[
    "apxf",
    "avx10.2",
    "avx512bf16",
    "avx512bitalg",
    "avx512bw",
    "avx512cd",
    "avx512dq",
    "avx512f",
    "avx512fp16",
    "avx512ifma",
    "avx512vbmi",
    "avx512vbmi2",
    "avx512vl",
    "avx512vnni",
    "avx512vpopcntdq",
    "movrs",
];
const BULLDOZER: &[&str] = &["aes", "avx", "fma4", "lzcnt", "pclmulqdq", "sse4a", "xop"];
const JAGUAR: &[&str] = &["aes", "avx", "bmi1", "f16c", "lzcnt", "movbe", "pclmulqdq", "sse4a"];
const ZEN: &[&str] = &["adx", "aes", "pclmulqdq", "sha", "sse4a"];
const ZEN_4: &[&str] = &[
    "avx512bf16",
    "avx512bitalg",
    "avx512bw",
    "avx512cd",
    "avx512dq",
    "avx512f",
    "avx512ifma",
    "avx512vbmi",
    "avx512vbmi2",
    "avx512vl",
    "avx512vnni",
    "avx512vpopcntdq",
    "gfni",
];

/// Intel's server and older client line, its client line since Alder Lake, its small cores, AMD's
/// lines; oldest first within a line.
pub const PROCESSORS: &[Processor] = &[
    processor("x86-64", "", &["sse", "sse2"], (4, 2), (3, 0)),
    processor("x86-64-v2", "x86-64", X86_V2, (11, 1), (12, 0)),
    processor("x86-64-v3", "x86-64-v2", X86_V3, (11, 1), (12, 0)),
    processor("nocona", "x86-64", &["cmpxchg16b", "sse3"], (4, 1), (3, 9)),
    processor("core2", "nocona", &["lahfsahf", "ssse3"], (4, 3), (3, 9)),
    processor("nehalem", "x86-64-v2", &[], (4, 9), (3, 9)),
    processor("westmere", "nehalem", &["pclmulqdq"], (4, 9), (3, 9)),
    processor("sandybridge", "westmere", &["avx"], (4, 9), (3, 9)),
    processor("ivybridge", "sandybridge", &["f16c"], (4, 9), (3, 9)),
    processor("haswell", "ivybridge", X86_V3, (4, 9), (3, 9)),
    processor("broadwell", "haswell", &["adx"], (4, 9), (3, 9)),
    processor("skylake", "broadwell", &["aes"], (6, 1), (3, 9)),
    processor("skylake-avx512", "skylake", AVX512, (6, 1), (3, 9)),
    processor("cascadelake", "skylake-avx512", &["avx512vnni"], (9, 1), (8, 0)),
    processor("cooperlake", "cascadelake", &["avx512bf16"], (10, 1), (9, 0)),
    processor("cannonlake", "skylake-avx512", &["avx512ifma", "avx512vbmi", "sha"], (8, 1), (3, 9)),
    processor("icelake-client", "cannonlake", ICE_LAKE, (8, 1), (7, 0)),
    processor("icelake-server", "icelake-client", &[], (8, 1), (7, 0)),
    processor("rocketlake", "icelake-client", &[], (11, 1), (13, 0)),
    processor("tigerlake", "icelake-client", &["avx512vp2intersect"], (10, 1), (10, 0)),
    // GCC 11 and 12 know the name but define AVX512VP2INTERSECT for it, which it lacks.
    processor("sapphirerapids", "icelake-server", SAPPHIRE_RAPIDS, (13, 1), (12, 0)),
    processor("emeraldrapids", "sapphirerapids", &[], (13, 1), (16, 0)),
    processor("graniterapids", "sapphirerapids", &["amx-fp16"], (13, 1), (16, 0)),
    processor("graniterapids-d", "graniterapids", &["amx-complex"], (13, 3), (17, 0)),
    processor("diamondrapids", "graniterapids-d", DIAMOND_RAPIDS, (15, 1), (20, 0)),
    processor("alderlake", "skylake", ALDER_LAKE, (11, 1), (12, 0)),
    processor("raptorlake", "alderlake", &[], (13, 1), (16, 0)),
    processor("meteorlake", "alderlake", &[], (13, 1), (16, 0)),
    processor("arrowlake", "meteorlake", SIERRA_FOREST, (14, 1), (18, 0)),
    processor("arrowlake-s", "arrowlake", ARROW_LAKE_S, (14, 1), (18, 0)),
    processor("lunarlake", "arrowlake-s", &[], (14, 1), (18, 0)),
    processor("pantherlake", "lunarlake", &[], (14, 1), (18, 0)),
    processor("wildcatlake", "pantherlake", &[], (16, 1), (22, 0)),
    processor("novalake", "pantherlake", NOVA_LAKE, (16, 1), (22, 0)),
    processor("bonnell", "core2", &["movbe"], (4, 9), (3, 9)),
    processor("silvermont", "nehalem", &["movbe", "pclmulqdq"], (4, 9), (3, 9)),
    processor("goldmont", "silvermont", &["aes", "sha"], (9, 1), (5, 0)),
    processor("goldmont-plus", "goldmont", &[], (9, 1), (7, 0)),
    processor("tremont", "goldmont-plus", &["gfni"], (9, 1), (7, 0)),
    processor("gracemont", "alderlake", &[], (13, 3), (18, 0)),
    processor("sierraforest", "gracemont", SIERRA_FOREST, (13, 1), (16, 0)),
    processor("grandridge", "sierraforest", &[], (13, 1), (16, 0)),
    processor("clearwaterforest", "sierraforest", ARROW_LAKE_S, (14, 1), (18, 0)),
    processor("knl", "skylake", &["avx512cd", "avx512er", "avx512f", "avx512pf"], (5, 1), (3, 9)),
    processor("knm", "knl", &["avx512vpopcntdq"], (8, 1), (7, 0)),
    processor("k8", "x86-64", &[], (4, 0), (3, 9)),
    processor("k8-sse3", "k8", &["cmpxchg16b", "sse3"], (4, 3), (3, 9)),
    processor("amdfam10", "k8-sse3", &["lahfsahf", "lzcnt", "popcnt", "sse4a"], (4, 3), (3, 9)),
    processor("btver1", "amdfam10", &["ssse3"], (4, 6), (3, 9)),
    processor("btver2", "x86-64-v2", JAGUAR, (4, 8), (3, 9)),
    processor("bdver1", "x86-64-v2", BULLDOZER, (4, 7), (3, 9)),
    processor("bdver2", "bdver1", &["bmi1", "f16c", "fma", "tbm"], (4, 7), (3, 9)),
    processor("bdver3", "bdver2", &[], (4, 8), (3, 9)),
    processor("bdver4", "bdver3", &["avx2", "bmi2", "movbe"], (4, 9), (3, 9)),
    processor("znver1", "x86-64-v3", ZEN, (6, 1), (4, 0)),
    processor("znver2", "znver1", &[], (9, 1), (9, 0)),
    processor("znver3", "znver2", &["vaes", "vpclmulqdq"], (10, 3), (12, 0)),
    processor("znver4", "znver3", ZEN_4, (12, 3), (16, 0)),
    processor("znver5", "znver4", &["avx512vp2intersect", "avxvnni"], (13, 3), (19, 0)),
    processor(
        "znver6",
        "znver5",
        &["avx512bmm", "avx512fp16", "avxifma", "avxneconvert", "avxvnniint8"],
        (16, 1),
        (23, 0),
    ),
];

/// Names that GCC gave up again: the major version that no longer accepts them.
const REMOVED_FROM_GCC: &[(&str, u16)] = &[("knl", 15), ("knm", 15)];

impl Processor {
    /// The processor of that name.
    pub fn named(name: &str) -> Option<&'static Self> {
        PROCESSORS.iter().find(|processor| processor.name == name)
    }

    /// Itself, the processor whose features it extends, and so on to the root.
    pub fn ancestry(&'static self) -> impl Iterator<Item = &'static Self> {
        std::iter::successors(Some(self), |processor| Self::named(processor.base))
    }

    /// Every feature that a compiler told `-march=NAME` may use in generated code.
    pub fn essential(&'static self) -> BTreeSet<&'static str> {
        self.ancestry().flat_map(|processor| processor.adds).copied().collect()
    }

    /// The essential features that are not in `features`.
    pub fn missing(&'static self, features: &BTreeSet<String>) -> Vec<&'static str> {
        self.essential().into_iter().filter(|name| !features.contains(*name)).collect()
    }

    /// Whether this GCC accepts the name.
    pub fn known_to_gcc(&self, version: Version) -> bool {
        let removed = REMOVED_FROM_GCC.iter().find(|(name, _)| *name == self.name);
        version >= self.gcc && removed.is_none_or(|(_, major)| version.major < *major)
    }

    /// Whether this LLVM accepts the name.
    pub fn known_to_llvm(&self, version: Version) -> bool {
        version >= self.llvm
    }
}

#[cfg(test)]
#[path = "processors_tests.rs"]
mod tests;
