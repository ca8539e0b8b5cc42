//! Architecture levels: x86-64-v1 to v4 of the x86-64 psABI, and versions of the Arm architecture.
//!
//! Decides from features alone. Does not know whether a compiler accepts the level's name
//! (`march`) nor whether using the level makes code faster.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use crate::facts::Architecture;

/// What v2 adds to baseline x86-64 (x86-64 psABI, section 3.1.1, table 3.1).
pub(super) const X86_V2: &[&str] =
    &["cmpxchg16b", "lahfsahf", "popcnt", "sse3", "sse4.1", "sse4.2", "ssse3"];
/// What v3 adds to v2. The table's OSXSAVE means that the kernel saves AVX state; a kernel that
/// does not also hides `avx`.
pub(super) const X86_V3: &[&str] =
    &["avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "lzcnt", "movbe"];
/// What v4 adds to v3.
pub(super) const X86_V4: &[&str] = &["avx512bw", "avx512cd", "avx512dq", "avx512f", "avx512vl"];

// The extensions that a version of the Arm architecture makes mandatory (Arm ARM, chapter A2) and
// that both change generated code and show in the kernel's feature words.
const ARM_V8_1: &[&str] = &["crc", "lse", "rdm"];
// A cache instruction, never generated, but the surest mark of Armv8.2.
const ARM_V8_2: &[&str] = &["dpb"];
// Armv8.3 and 8.4 together. Pointer authentication is among them because GCC and Clang, told
// armv8.3-a and -mbranch-protection, use `retaa`, which older processors do not ignore.
const ARM_V8_4: &[&str] = &["dotprod", "fcma", "flagm", "jsconv", "lse2", "paca", "rcpc", "rcpc2"];
// Armv9.0 is Armv8.5 with SVE2, which compilers use as soon as they are told armv9-a.
const ARM_V9: &[&str] = &["frintts", "sb", "sve", "sve2"];

/// A level of the x86-64 psABI or a version of the Arm architecture.
///
/// Ordered within an architecture; the order between architectures means nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PsabiLevel {
    /// Every 64-bit x86 processor.
    X86V1,
    /// Nehalem and later.
    X86V2,
    /// Haswell, Excavator and later: AVX2, FMA, BMI.
    X86V3,
    /// AVX-512 F, BW, CD, DQ, VL.
    X86V4,
    /// Every 64-bit Arm processor.
    Armv8A,
    /// Atomics (LSE), CRC.
    Armv81A,
    /// Cleaning to the point of persistence.
    Armv82A,
    /// Dot product, complex arithmetic, pointer authentication.
    Armv84A,
    /// SVE2.
    Armv9A,
}

/// The text is not the name of a level.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an architecture level; one of {names}", names = PsabiLevel::names())]
pub struct UnknownLevel(pub String);

impl PsabiLevel {
    /// All levels, lowest first within each architecture.
    pub const ALL: [Self; 9] = [
        Self::X86V1,
        Self::X86V2,
        Self::X86V3,
        Self::X86V4,
        Self::Armv8A,
        Self::Armv81A,
        Self::Armv82A,
        Self::Armv84A,
        Self::Armv9A,
    ];

    /// The name that GCC and Clang take for `-march`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::X86V1 => "x86-64",
            Self::X86V2 => "x86-64-v2",
            Self::X86V3 => "x86-64-v3",
            Self::X86V4 => "x86-64-v4",
            Self::Armv8A => "armv8-a",
            Self::Armv81A => "armv8.1-a",
            Self::Armv82A => "armv8.2-a",
            Self::Armv84A => "armv8.4-a",
            Self::Armv9A => "armv9-a",
        }
    }

    /// The architecture that the level belongs to.
    pub const fn architecture(self) -> Architecture {
        match self {
            Self::X86V1 | Self::X86V2 | Self::X86V3 | Self::X86V4 => Architecture::X86_64,
            Self::Armv8A | Self::Armv81A | Self::Armv82A | Self::Armv84A | Self::Armv9A => {
                Architecture::Aarch64
            }
        }
    }

    fn names() -> String {
        Self::ALL.map(Self::as_str).join(", ")
    }
}

impl fmt::Display for PsabiLevel {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

impl FromStr for PsabiLevel {
    type Err = UnknownLevel;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "x86-64-v1" {
            return Ok(Self::X86V1);
        }
        Self::ALL
            .into_iter()
            .find(|level| level.as_str() == text)
            .ok_or_else(|| UnknownLevel(text.to_owned()))
    }
}

/// The highest level whose features, and those of all levels below it, are present.
///
/// The lowest level needs no proof: the architecture itself implies it.
pub fn level(architecture: Architecture, features: &BTreeSet<String>) -> Option<PsabiLevel> {
    let (lowest, steps): (_, &[(PsabiLevel, &[&str])]) = match architecture {
        Architecture::X86_64 => (
            PsabiLevel::X86V1,
            &[
                (PsabiLevel::X86V2, X86_V2),
                (PsabiLevel::X86V3, X86_V3),
                (PsabiLevel::X86V4, X86_V4),
            ],
        ),
        Architecture::Aarch64 => (
            PsabiLevel::Armv8A,
            &[
                (PsabiLevel::Armv81A, ARM_V8_1),
                (PsabiLevel::Armv82A, ARM_V8_2),
                (PsabiLevel::Armv84A, ARM_V8_4),
                (PsabiLevel::Armv9A, ARM_V9),
            ],
        ),
        Architecture::Other => return None,
    };
    let reached = steps
        .iter()
        .take_while(|(_, needs)| needs.iter().all(|need| features.contains(*need)))
        .last();
    Some(reached.map_or(lowest, |(level, _)| *level))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn set(groups: &[&[&str]]) -> BTreeSet<String> {
        groups.iter().flat_map(|group| group.iter()).map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn x86_levels_build_on_each_other() {
        let x86 = |groups: &[&[&str]]| level(Architecture::X86_64, &set(groups));
        assert_eq!(x86(&[]), Some(PsabiLevel::X86V1));
        assert_eq!(x86(&[X86_V2]), Some(PsabiLevel::X86V2));
        assert_eq!(x86(&[X86_V2, X86_V3]), Some(PsabiLevel::X86V3));
        assert_eq!(x86(&[X86_V2, X86_V3, X86_V4]), Some(PsabiLevel::X86V4));
        assert_eq!(x86(&[X86_V3, X86_V4]), Some(PsabiLevel::X86V1), "v3 without v2 is v1");
    }

    #[test]
    fn one_missing_feature_lowers_the_level() {
        let mut features = set(&[X86_V2, X86_V3, X86_V4]);
        features.remove("movbe");
        assert_eq!(level(Architecture::X86_64, &features), Some(PsabiLevel::X86V2));
    }

    #[test]
    fn arm_levels() {
        let arm = |groups: &[&[&str]]| level(Architecture::Aarch64, &set(groups));
        assert_eq!(arm(&[&["neon", "crc"]]), Some(PsabiLevel::Armv8A));
        assert_eq!(arm(&[ARM_V8_1, ARM_V8_2]), Some(PsabiLevel::Armv82A));
        assert_eq!(arm(&[ARM_V8_1, ARM_V8_2, ARM_V8_4]), Some(PsabiLevel::Armv84A));
        assert_eq!(arm(&[ARM_V8_1, ARM_V8_2, ARM_V8_4, ARM_V9]), Some(PsabiLevel::Armv9A));
    }

    #[test]
    fn other_architectures_have_no_level() {
        assert_eq!(level(Architecture::Other, &set(&[X86_V2])), None);
    }

    #[test]
    fn names_round_trip() {
        for level in PsabiLevel::ALL {
            assert_eq!(level.as_str().parse(), Ok(level));
        }
        assert_eq!("x86-64-v1".parse(), Ok(PsabiLevel::X86V1));
        let error = "x86-64-v5".parse::<PsabiLevel>().unwrap_err().to_string();
        assert!(error.contains("`x86-64-v5`") && error.contains("x86-64-v4"), "{error}");
    }

    proptest! {
        #[test]
        fn parsing_never_panics(text in ".*") {
            let _ = text.parse::<PsabiLevel>();
        }
    }
}
