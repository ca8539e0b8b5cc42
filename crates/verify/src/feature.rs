//! Instruction-set extensions: their names, the level of the x86-64 psABI that brings each, and sets
//! of them.
//!
//! Does not know instructions; `decode` says which extension each needs.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::LazyLock;

use iced_x86::CpuidFeature as F;
use ironwright_core::cpu::PsabiLevel;

/// An extension that a processor may lack.
struct Row {
    /// The name that LLVM and rustc use.
    name: &'static str,
    /// What the decoder calls it; several where it divides more finely.
    features: &'static [F],
    /// Level of the psABI that brings it; 0 where none does.
    level: u8,
}

const fn row(name: &'static str, features: &'static [F], level: u8) -> Row {
    Row { name, features, level }
}

/// Every extension beyond baseline x86-64 whose instructions a processor without it refuses or
/// misreads. Instructions that old processors take for a no-op (`endbr64`, `rdssp`, `prefetchw`,
/// `cldemote`, hardware lock elision) are none: they need nothing.
const ROWS: &[Row] = &[
    row("sse3", &[F::SSE3], 2),
    row("ssse3", &[F::SSSE3], 2),
    row("sse4.1", &[F::SSE4_1], 2),
    row("sse4.2", &[F::SSE4_2], 2),
    row("popcnt", &[F::POPCNT], 2),
    row("cmpxchg16b", &[F::CMPXCHG16B], 2),
    row("avx", &[F::AVX], 3),
    row("avx2", &[F::AVX2], 3),
    row("bmi1", &[F::BMI1], 3),
    row("bmi2", &[F::BMI2], 3),
    row("f16c", &[F::F16C], 3),
    row("fma", &[F::FMA], 3),
    row("lzcnt", &[F::LZCNT], 3),
    row("movbe", &[F::MOVBE], 3),
    row("avx512f", &[F::AVX512F], 4),
    row("avx512bw", &[F::AVX512BW], 4),
    row("avx512cd", &[F::AVX512CD], 4),
    row("avx512dq", &[F::AVX512DQ], 4),
    row("avx512vl", &[F::AVX512VL], 4),
    row("adx", &[F::ADX], 0),
    row("aes", &[F::AES], 0),
    row("avx512bf16", &[F::AVX512_BF16], 0),
    row("avx512bitalg", &[F::AVX512_BITALG], 0),
    row("avx512er", &[F::AVX512ER], 0),
    row("avx512fp16", &[F::AVX512_FP16], 0),
    row("avx512ifma", &[F::AVX512_IFMA], 0),
    row("avx512pf", &[F::AVX512PF], 0),
    row("avx512vbmi", &[F::AVX512_VBMI], 0),
    row("avx512vbmi2", &[F::AVX512_VBMI2], 0),
    row("avx512vnni", &[F::AVX512_VNNI], 0),
    row("avx512vp2intersect", &[F::AVX512_VP2INTERSECT], 0),
    row("avx512vpopcntdq", &[F::AVX512_VPOPCNTDQ], 0),
    row("avx5124fmaps", &[F::AVX512_4FMAPS], 0),
    row("avx5124vnniw", &[F::AVX512_4VNNIW], 0),
    row("avxifma", &[F::AVX_IFMA], 0),
    row("avxneconvert", &[F::AVX_NE_CONVERT], 0),
    row("avxvnni", &[F::AVX_VNNI], 0),
    row("avxvnniint16", &[F::AVX_VNNI_INT16], 0),
    row("avxvnniint8", &[F::AVX_VNNI_INT8], 0),
    row("amx-bf16", &[F::AMX_BF16], 0),
    row("amx-complex", &[F::AMX_COMPLEX], 0),
    row("amx-fp16", &[F::AMX_FP16], 0),
    row("amx-int8", &[F::AMX_INT8], 0),
    row("amx-tile", &[F::AMX_TILE], 0),
    row("clflushopt", &[F::CLFLUSHOPT], 0),
    row("clwb", &[F::CLWB], 0),
    row("clzero", &[F::CLZERO], 0),
    row("cmpccxadd", &[F::CMPCCXADD], 0),
    row("enqcmd", &[F::ENQCMD], 0),
    row("fma4", &[F::FMA4], 0),
    row("fsgsbase", &[F::FSGSBASE], 0),
    row("gfni", &[F::GFNI], 0),
    row("kl", &[F::KL, F::AESKLE, F::WIDE_KL], 0),
    row("lwp", &[F::LWP], 0),
    row("movdir64b", &[F::MOVDIR64B], 0),
    row("movdiri", &[F::MOVDIRI], 0),
    row("mwaitx", &[F::MONITORX], 0),
    row("3dnow", &[F::D3NOW, F::D3NOWEXT, F::CYRIX_D3NOW], 0),
    row(
        "padlock",
        &[F::PADLOCK_ACE, F::PADLOCK_PHE, F::PADLOCK_PMM, F::PADLOCK_RNG, F::PADLOCK_GMI],
        0,
    ),
    row("pclmulqdq", &[F::PCLMULQDQ], 0),
    row("pku", &[F::PKU], 0),
    row("ptwrite", &[F::PTWRITE], 0),
    row("raoint", &[F::RAO_INT], 0),
    row("rdpid", &[F::RDPID], 0),
    row("rdpru", &[F::RDPRU], 0),
    row("rdrand", &[F::RDRAND], 0),
    row("rdseed", &[F::RDSEED], 0),
    row("rdtscp", &[F::RDTSCP], 0),
    row("rtm", &[F::RTM], 0),
    row("serialize", &[F::SERIALIZE], 0),
    row("sgx", &[F::SGX1], 0),
    row("sha", &[F::SHA], 0),
    row("sha512", &[F::SHA512], 0),
    row("sm3", &[F::SM3], 0),
    row("sm4", &[F::SM4], 0),
    row("sse4a", &[F::SSE4A], 0),
    row("tbm", &[F::TBM], 0),
    row("tsxldtrk", &[F::TSXLDTRK], 0),
    row("uintr", &[F::UINTR], 0),
    row("vaes", &[F::VAES], 0),
    row("vpclmulqdq", &[F::VPCLMULQDQ], 0),
    row("waitpkg", &[F::WAITPKG], 0),
    row("xop", &[F::XOP], 0),
    row("xsave", &[F::XSAVE], 0),
    row("xsavec", &[F::XSAVEC], 0),
    row("xsaveopt", &[F::XSAVEOPT], 0),
    row("xsaves", &[F::XSAVES], 0),
];

/// What each of the decoder's features means, by its number.
static OF_FEATURE: LazyLock<Vec<Extensions>> = LazyLock::new(|| {
    let row = |feature| ROWS.iter().position(|row| row.features.contains(&feature));
    F::values().map(|feature| Extensions(row(feature).map_or(0, |at| 1 << at))).collect()
});

/// Extensions that other processors do without, as a set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Extensions(u128);

impl Extensions {
    /// None: baseline x86-64.
    pub const NONE: Self = Self(0);

    /// What the decoder's features mean; baseline features and hints mean nothing.
    pub(crate) fn from_features(features: &[F]) -> Self {
        features.iter().fold(Self::NONE, |set, feature| set.union(OF_FEATURE[*feature as usize]))
    }

    /// The set of one extension; `None` for a name that is not known here.
    pub fn named(name: &str) -> Option<Self> {
        let at = ROWS.iter().position(|row| row.name == name)?;
        Some(Self(1 << at))
    }

    /// Both sets together.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What is in this one only.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// What is in both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether nothing is in it.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Each extension as a set of its own, in the order of the table.
    pub fn each(self) -> impl Iterator<Item = Self> {
        (0..ROWS.len()).map(|at| Self(1 << at)).filter(move |one| !self.and(*one).is_empty())
    }

    /// The names, in the order of the table.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        let bits = self.0;
        ROWS.iter().enumerate().filter(move |(at, _)| bits >> at & 1 == 1).map(|(_, row)| row.name)
    }

    /// The names as a sorted set.
    pub fn to_set(self) -> BTreeSet<String> {
        self.names().map(str::to_owned).collect()
    }

    /// The lowest level of the psABI that brings all of them that some level brings.
    pub fn level(self) -> PsabiLevel {
        let highest = ROWS.iter().enumerate().filter(|(at, _)| self.0 >> at & 1 == 1);
        match highest.map(|(_, row)| row.level).max().unwrap_or(0) {
            4 => PsabiLevel::X86V4,
            3 => PsabiLevel::X86V3,
            2 => PsabiLevel::X86V2,
            _ => PsabiLevel::X86V1,
        }
    }

    /// Everything that a level brings, with the levels below it.
    pub fn of_level(level: PsabiLevel) -> Self {
        let most = match level {
            PsabiLevel::X86V2 => 2,
            PsabiLevel::X86V3 => 3,
            PsabiLevel::X86V4 => 4,
            _ => 0,
        };
        let brought = |row: &&Row| row.level != 0 && row.level <= most;
        ROWS.iter()
            .filter(brought)
            .filter_map(|row| Self::named(row.name))
            .fold(Self::NONE, Self::union)
    }

    /// What no compiler writes unless code asks for it by name, and what the operating system must
    /// offer: an exported function with it is an offer to whoever asked the processor.
    pub(crate) fn by_name_only() -> Self {
        Self::of(&["pku", "rtm", "waitpkg", "uintr", "enqcmd", "sgx", "ptwrite", "rdpid", "rdtscp"])
    }

    /// What a processor without it takes for something else and does not refuse: part of finding out
    /// what the processor is, where that is done.
    pub(crate) fn probed() -> Self {
        Self::of(&["lzcnt"])
    }

    fn of(names: &[&str]) -> Self {
        names.iter().filter_map(|name| Self::named(name)).fold(Self::NONE, Self::union)
    }

    /// What no level brings.
    #[must_use]
    pub fn beyond_levels(self) -> Self {
        self.without(Self::of_level(PsabiLevel::X86V4))
    }
}

impl fmt::Display for Extensions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.names().collect::<Vec<_>>().join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_extension_has_a_bit_and_a_name_of_its_own() {
        assert!(ROWS.len() <= 128);
        let names: BTreeSet<_> = ROWS.iter().map(|row| row.name).collect();
        assert_eq!(names.len(), ROWS.len());
        for row in ROWS {
            let set = Extensions::from_features(row.features);
            assert_eq!(Some(set), Extensions::named(row.name));
            assert_eq!(set.to_string(), row.name);
        }
    }

    #[test]
    fn levels_hold_what_the_psabi_lists() {
        let v3 = Extensions::of_level(PsabiLevel::X86V3);
        assert_eq!(v3.level(), PsabiLevel::X86V3);
        let names = v3.to_set();
        let level = ironwright_core::cpu::level;
        // The processor's own table holds lahfsahf too, which the decoder takes for baseline.
        let with_lahf = names.into_iter().chain(["lahfsahf".to_owned()]).collect();
        assert_eq!(
            level(ironwright_core::facts::Architecture::X86_64, &with_lahf),
            Some(PsabiLevel::X86V3)
        );
        let aes = Extensions::named("aes").unwrap();
        assert_eq!(aes.level(), PsabiLevel::X86V1);
        assert_eq!(aes.union(v3).beyond_levels(), aes);
    }

    #[test]
    fn hints_need_nothing() {
        assert!(Extensions::from_features(&[F::CET_IBT, F::CET_SS, F::PAUSE]).is_empty());
        assert!(Extensions::from_features(&[F::SSE2, F::CMOV, F::FXSR]).is_empty());
    }
}
