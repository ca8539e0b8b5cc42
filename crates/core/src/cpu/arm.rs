//! 64-bit Arm processors: implementer and part number, the name that LLVM gives them, the first
//! LLVM that knows it, and the features that generated code may use.
//!
//! Does not know mixtures: a board with two kinds of cores is described one core at a time. Leaves
//! out names that only GCC has.

use std::collections::BTreeSet;

use super::version::Version;

/// A 64-bit Arm processor.
pub(super) struct ArmCore {
    implementer: u32,
    parts: &'static [u32],
    /// Name as LLVM writes it.
    pub(super) name: &'static str,
    /// First major version of LLVM that accepts the name.
    llvm: u16,
    sets: &'static [&'static [&'static str]],
}

const fn core(
    implementer: u32,
    parts: &'static [u32],
    name: &'static str,
    llvm: u16,
    sets: &'static [&'static [&'static str]],
) -> ArmCore {
    ArmCore { implementer, parts, name, llvm, sets }
}

const ARM: u32 = 0x41;
const BROADCOM: u32 = 0x42;
const CAVIUM: u32 = 0x43;
const FUJITSU: u32 = 0x46;
const HISILICON: u32 = 0x48;
const NVIDIA: u32 = 0x4e;
const QUALCOMM: u32 = 0x51;
const SAMSUNG: u32 = 0x53;
const APPLE: u32 = 0x61;
const MICROSOFT: u32 = 0x6d;
const AMPERE_COMPUTING: u32 = 0xc0;

// LLVM assumes the cryptography extension for these names although licensees may leave it out, as
// the Raspberry Pi's Cortex-A72 does: that is why they are asked for.
const V8: &[&str] = &["aes", "crc", "neon", "sha2"];
const V8_1: &[&str] = &["lse", "rdm"];
const V8_2: &[&str] = &["fp16"];
const DOTPROD: &[&str] = &["dotprod", "rcpc"];
const V8_3: &[&str] = &["fcma", "jsconv", "paca", "rcpc"];
const V8_4: &[&str] = &["dotprod", "fhm", "flagm", "lse2", "rcpc2"];
const V8_5: &[&str] = &["frintts", "sb"];
const MATRIX: &[&str] = &["bf16", "i8mm"];
const AMPERE: &[&str] = &["dotprod", "flagm", "lse2", "rand", "rcpc2", "sha3"];
const RAND_AND_CRYPTO: &[&str] = &["rand", "sha3", "sm4"];
const SVE: &[&str] = &["sve"];
const SVE2: &[&str] = &["sve", "sve2"];

const A53: &[&[&str]] = &[V8];
const A76: &[&[&str]] = &[V8, V8_1, V8_2, DOTPROD];
const M1: &[&[&str]] = &[V8, V8_1, V8_2, V8_3, V8_4, V8_5, &["sha3"]];
const M2: &[&[&str]] = &[V8, V8_1, V8_2, V8_3, V8_4, V8_5, MATRIX, &["sha3"]];
const AMPERE1: &[&[&str]] = &[V8, V8_1, V8_2, V8_3, AMPERE, V8_5, MATRIX];
const AMPERE1A: &[&[&str]] = &[V8, V8_1, V8_2, V8_3, AMPERE, V8_5, MATRIX, &["sm4"]];
const ORYON: &[&[&str]] = &[V8, V8_1, V8_2, V8_3, V8_4, V8_5, MATRIX, RAND_AND_CRYPTO];
const NEOVERSE_V1: &[&[&str]] = &[V8, V8_1, V8_2, V8_3, V8_4, MATRIX, SVE, RAND_AND_CRYPTO];
const V9: &[&[&str]] = &[V8, V8_1, V8_2, V8_3, V8_4, V8_5, MATRIX, SVE2];
const V9_CRYPTO: &[&[&str]] = &[V8, V8_1, V8_2, V8_3, V8_4, V8_5, MATRIX, SVE2, RAND_AND_CRYPTO];
const V9_RAND: &[&[&str]] = &[V8, V8_1, V8_2, V8_3, V8_4, V8_5, MATRIX, SVE2, &["rand"]];

// The Arm and vendor part numbers are those of the MIDR_EL1 descriptions in the processors'
// technical reference manuals. LLVM 12 is the oldest asked about; older names say 12.
const CORES: &[ArmCore] = &[
    core(ARM, &[0xd02], "cortex-a34", 12, A53),
    core(ARM, &[0xd04], "cortex-a35", 12, A53),
    core(ARM, &[0xd03], "cortex-a53", 12, A53),
    core(ARM, &[0xd05], "cortex-a55", 12, A76),
    core(ARM, &[0xd06], "cortex-a65", 12, A76),
    core(ARM, &[0xd43], "cortex-a65ae", 12, A76),
    core(ARM, &[0xd07], "cortex-a57", 12, A53),
    core(ARM, &[0xd08], "cortex-a72", 12, A53),
    core(ARM, &[0xd09], "cortex-a73", 12, A53),
    core(ARM, &[0xd0a], "cortex-a75", 12, A76),
    core(ARM, &[0xd0b], "cortex-a76", 12, A76),
    core(ARM, &[0xd0e], "cortex-a76ae", 12, A76),
    core(ARM, &[0xd0d], "cortex-a77", 12, A76),
    core(ARM, &[0xd41], "cortex-a78", 12, A76),
    core(ARM, &[0xd42], "cortex-a78ae", 19, A76),
    core(ARM, &[0xd4b], "cortex-a78c", 13, &[V8, V8_1, V8_2, DOTPROD, &["flagm", "paca"]]),
    core(ARM, &[0xd46], "cortex-a510", 14, V9),
    core(ARM, &[0xd80], "cortex-a520", 18, V9),
    core(ARM, &[0xd88], "cortex-a520ae", 19, V9),
    core(ARM, &[0xd47], "cortex-a710", 14, V9),
    core(ARM, &[0xd4d], "cortex-a715", 16, V9),
    core(ARM, &[0xd81], "cortex-a720", 18, V9),
    core(ARM, &[0xd89], "cortex-a720ae", 19, V9),
    core(ARM, &[0xd87], "cortex-a725", 19, V9),
    core(ARM, &[0xd8f], "cortex-a320", 22, V9),
    core(ARM, &[0xd44], "cortex-x1", 12, A76),
    core(ARM, &[0xd4c], "cortex-x1c", 14, &[V8, V8_1, V8_2, DOTPROD, &["flagm", "paca", "rcpc2"]]),
    core(ARM, &[0xd48], "cortex-x2", 14, V9),
    core(ARM, &[0xd4e], "cortex-x3", 16, V9),
    core(ARM, &[0xd82], "cortex-x4", 18, V9),
    core(ARM, &[0xd85], "cortex-x925", 19, V9),
    core(ARM, &[0xd4a], "neoverse-e1", 12, A76),
    core(ARM, &[0xd0c], "neoverse-n1", 12, A76),
    core(ARM, &[0xd49], "neoverse-n2", 12, V9),
    core(MICROSOFT, &[0xd49], "neoverse-n2", 12, V9),
    core(ARM, &[0xd8e], "neoverse-n3", 19, V9_RAND),
    core(ARM, &[0xd40], "neoverse-v1", 12, NEOVERSE_V1),
    core(ARM, &[0xd4f], "neoverse-v2", 16, V9_RAND),
    core(ARM, &[0xd84], "neoverse-v3", 19, V9_RAND),
    core(ARM, &[0xd83], "neoverse-v3ae", 19, V9_RAND),
    core(CAVIUM, &[0x0a1], "thunderxt88", 12, A53),
    core(CAVIUM, &[0x0a2], "thunderxt81", 12, A53),
    core(CAVIUM, &[0x0a3], "thunderxt83", 12, A53),
    core(CAVIUM, &[0x0af], "thunderx2t99", 12, &[V8, V8_1]),
    core(BROADCOM, &[0x516], "thunderx2t99", 12, &[V8, V8_1]),
    core(CAVIUM, &[0x0b8], "thunderx3t110", 12, &[V8, V8_1, V8_3]),
    core(FUJITSU, &[0x001], "a64fx", 12, &[V8, V8_1, V8_2, &["fcma"], SVE]),
    core(FUJITSU, &[0x003], "fujitsu-monaka", 20, V9_CRYPTO),
    core(
        HISILICON,
        &[0xd01],
        "tsv110",
        12,
        &[V8, V8_1, V8_2, &["dotprod", "fcma", "fhm", "jsconv"]],
    ),
    core(NVIDIA, &[0x004], "carmel", 12, &[V8, V8_1, V8_2]),
    core(NVIDIA, &[0x010], "olympus", 22, V9_CRYPTO),
    core(QUALCOMM, &[0x001], "oryon-1", 19, ORYON),
    core(QUALCOMM, &[0x800], "cortex-a73", 12, A53),
    core(QUALCOMM, &[0x801], "cortex-a53", 12, A53),
    core(QUALCOMM, &[0x802], "cortex-a75", 12, A76),
    core(QUALCOMM, &[0x803, 0x805], "cortex-a55", 12, A76),
    core(QUALCOMM, &[0x804], "cortex-a76", 12, A76),
    core(QUALCOMM, &[0xc00], "falkor", 12, &[V8, &["rdm"]]),
    core(
        QUALCOMM,
        &[0xc01],
        "saphira",
        12,
        &[V8, V8_1, V8_3, &["dotprod", "flagm", "lse2", "rcpc2"]],
    ),
    core(SAMSUNG, &[0x002], "exynos-m3", 12, A53),
    core(SAMSUNG, &[0x003], "exynos-m4", 12, &[V8, V8_1, V8_2, &["dotprod"]]),
    core(SAMSUNG, &[0x004], "exynos-m5", 12, &[V8, V8_1, V8_2, &["dotprod"]]),
    core(APPLE, &[0x020, 0x021], "apple-a14", 12, M1),
    core(APPLE, &[0x022, 0x023, 0x024, 0x025, 0x028, 0x029], "apple-m1", 13, M1),
    core(APPLE, &[0x032, 0x033, 0x034, 0x035, 0x038, 0x039], "apple-m2", 16, M2),
    core(APPLE, &[0x042, 0x043, 0x044, 0x045, 0x048, 0x049], "apple-m3", 18, M2),
    core(APPLE, &[0x052, 0x053, 0x054, 0x055, 0x058, 0x059], "apple-m4", 19, M2),
    core(AMPERE_COMPUTING, &[0xac3], "ampere1", 14, AMPERE1),
    core(AMPERE_COMPUTING, &[0xac4], "ampere1a", 16, AMPERE1A),
    core(AMPERE_COMPUTING, &[0xac5], "ampere1b", 18, AMPERE1A),
];

impl ArmCore {
    /// The core with that implementer code and part number.
    pub(super) fn by_part(implementer: u32, part: u32) -> Option<&'static Self> {
        CORES.iter().find(|core| core.implementer == implementer && core.parts.contains(&part))
    }

    /// The core of that name.
    pub(super) fn named(name: &str) -> Option<&'static Self> {
        CORES.iter().find(|core| core.name == name)
    }

    /// Features that generated code may use and that are not in `features`.
    pub(super) fn missing(&self, features: &BTreeSet<String>) -> Vec<&'static str> {
        let essential: BTreeSet<_> = self.sets.iter().copied().flatten().copied().collect();
        essential.into_iter().filter(|name| !features.contains(*name)).collect()
    }

    /// Whether this LLVM accepts the name.
    pub(super) fn known_to_llvm(&self, version: Version) -> bool {
        version.major >= self.llvm
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_part_is_named_twice() {
        let mut seen = BTreeSet::new();
        for core in CORES {
            for part in core.parts {
                assert!(seen.insert((core.implementer, *part)), "{} {part:#x}", core.name);
            }
        }
    }

    #[test]
    fn a_board_without_cryptography_lacks_it() {
        let features = ["neon", "crc"].map(String::from).into();
        let core = ArmCore::by_part(0x41, 0xd08).unwrap();
        assert_eq!(core.missing(&features), ["aes", "sha2"]);
    }
}
