//! Names of instruction-set extensions, spelled as LLVM and rustc spell their target features.
//!
//! Translates the `flags` (x86) and `Features` (Arm) words of `/proc/cpuinfo`. Does not know
//! features that the kernel keeps out of that file (`avx_ifma`, `cmpccxadd`, `sha512` on x86 for
//! one): they are absent from its output although the processor may have them.

use std::collections::BTreeSet;

use crate::facts::Architecture;

/// x86 words that mean an extension and that LLVM spells the same.
const X86_SAME: &[&str] = &[
    "adx",
    "aes",
    "avx",
    "avx2",
    "avx512bw",
    "avx512cd",
    "avx512dq",
    "avx512er",
    "avx512f",
    "avx512ifma",
    "avx512pf",
    "avx512vbmi",
    "avx512vl",
    "bmi1",
    "bmi2",
    "cldemote",
    "clflushopt",
    "clwb",
    "clzero",
    "cmov",
    "cmpccxadd",
    "cx8",
    "enqcmd",
    "f16c",
    "fma",
    "fma4",
    "fsgsbase",
    "fxsr",
    "gfni",
    "invpcid",
    "lwp",
    "mmx",
    "movbe",
    "movdir64b",
    "movdiri",
    "movrs",
    "mwaitx",
    "pclmulqdq",
    "pku",
    "popcnt",
    "ptwrite",
    "rdpid",
    "rdpru",
    "rdrand",
    "rdseed",
    "rtm",
    "serialize",
    "sgx",
    "sha512",
    "sm3",
    "sm4",
    "sse",
    "sse2",
    "sse4a",
    "ssse3",
    "tbm",
    "tsxldtrk",
    "vaes",
    "vpclmulqdq",
    "waitpkg",
    "wbnoinvd",
    "xop",
    "xsave",
    "xsavec",
    "xsaveopt",
    "xsaves",
];

/// x86 words that LLVM spells differently.
const X86_RENAMED: &[(&str, &str)] = &[
    ("3dnowprefetch", "prfchw"),
    ("abm", "lzcnt"),
    ("amx_avx512", "amx-avx512"),
    ("amx_bf16", "amx-bf16"),
    ("amx_complex", "amx-complex"),
    ("amx_fp16", "amx-fp16"),
    ("amx_fp8", "amx-fp8"),
    ("amx_int8", "amx-int8"),
    ("amx_movrs", "amx-movrs"),
    ("amx_tf32", "amx-tf32"),
    ("amx_tile", "amx-tile"),
    ("apx", "apxf"),
    ("apx_f", "apxf"),
    ("avx10", "avx10.1"),
    ("avx10_1", "avx10.1"),
    ("avx10_2", "avx10.2"),
    ("avx512_bf16", "avx512bf16"),
    ("avx512_bitalg", "avx512bitalg"),
    ("avx512_bmm", "avx512bmm"),
    ("avx512_fp16", "avx512fp16"),
    ("avx512_vbmi2", "avx512vbmi2"),
    ("avx512_vnni", "avx512vnni"),
    ("avx512_vp2intersect", "avx512vp2intersect"),
    ("avx512_vpopcntdq", "avx512vpopcntdq"),
    ("avx_ifma", "avxifma"),
    ("avx_ne_convert", "avxneconvert"),
    ("avx_vnni", "avxvnni"),
    ("avx_vnni_int16", "avxvnniint16"),
    ("avx_vnni_int8", "avxvnniint8"),
    ("cx16", "cmpxchg16b"),
    ("erms", "ermsb"),
    ("fpu", "x87"),
    ("lahf_lm", "lahfsahf"),
    ("pni", "sse3"),
    ("sha_ni", "sha"),
    ("sse4_1", "sse4.1"),
    ("sse4_2", "sse4.2"),
];

/// Arm words and what LLVM calls them. `fphp` and `asimdhp` mean the same extension for scalars
/// and vectors; the kernel always shows both.
const ARM: &[(&str, &str)] = &[
    ("aes", "aes"),
    ("asimd", "neon"),
    ("asimddp", "dotprod"),
    ("asimdfhm", "fhm"),
    ("asimdhp", "fp16"),
    ("asimdrdm", "rdm"),
    ("atomics", "lse"),
    ("bf16", "bf16"),
    ("bti", "bti"),
    ("crc32", "crc"),
    ("cssc", "cssc"),
    ("dcpodp", "dpb2"),
    ("dcpop", "dpb"),
    ("dit", "dit"),
    ("ecv", "ecv"),
    ("fcma", "fcma"),
    ("flagm", "flagm"),
    ("flagm2", "flagm2"),
    ("fphp", "fp16"),
    ("frint", "frintts"),
    ("i8mm", "i8mm"),
    ("ilrcpc", "rcpc2"),
    ("jscvt", "jsconv"),
    ("lrcpc", "rcpc"),
    ("lrcpc3", "rcpc3"),
    ("lse128", "lse128"),
    ("mops", "mops"),
    ("mte", "mte"),
    ("paca", "paca"),
    ("pacg", "pacg"),
    ("rng", "rand"),
    ("sb", "sb"),
    ("sha2", "sha2"),
    ("sha3", "sha3"),
    ("sm4", "sm4"),
    ("sme", "sme"),
    ("sme2", "sme2"),
    ("ssbs", "ssbs"),
    ("sve", "sve"),
    ("sve2", "sve2"),
    ("sve2p1", "sve2p1"),
    ("sveaes", "sve2-aes"),
    ("svebitperm", "sve2-bitperm"),
    ("svef32mm", "f32mm"),
    ("svef64mm", "f64mm"),
    ("svesha3", "sve2-sha3"),
    ("svesm4", "sve2-sm4"),
    ("uscat", "lse2"),
    ("wfxt", "wfxt"),
];

/// Translates the `flags` (x86) or `Features` (Arm) words of `/proc/cpuinfo`.
///
/// Words that are not instruction-set extensions (mitigations, `hypervisor`, virtualisation,
/// power management) and words that are unknown here are dropped.
pub fn from_cpuinfo<'a>(
    architecture: Architecture,
    words: impl Iterator<Item = &'a str>,
) -> BTreeSet<String> {
    let translate = match architecture {
        Architecture::X86_64 => x86,
        Architecture::Aarch64 => arm,
        Architecture::Other => |_: &str| None,
    };
    words.filter_map(translate).map(str::to_owned).collect()
}

fn x86(word: &str) -> Option<&'static str> {
    renamed(X86_RENAMED, word).or_else(|| X86_SAME.iter().find(|same| **same == word).copied())
}

fn arm(word: &str) -> Option<&'static str> {
    renamed(ARM, word)
}

fn renamed(table: &[(&str, &'static str)], word: &str) -> Option<&'static str> {
    table.iter().find(|(from, _)| *from == word).map(|(_, to)| *to)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn names(architecture: Architecture, words: &str) -> Vec<String> {
        from_cpuinfo(architecture, words.split_whitespace()).into_iter().collect()
    }

    #[test]
    fn x86_words_get_llvm_names() {
        let words = "fpu pni abm sse4_1 avx512_vbmi2 sha_ni cx16 lahf_lm avx_vnni amx_tile bmi1";
        let expected = [
            "amx-tile",
            "avx512vbmi2",
            "avxvnni",
            "bmi1",
            "cmpxchg16b",
            "lahfsahf",
            "lzcnt",
            "sha",
            "sse3",
            "sse4.1",
            "x87",
        ];
        assert_eq!(names(Architecture::X86_64, words), expected);
    }

    #[test]
    fn words_that_are_no_extension_are_dropped() {
        let words = "hypervisor ibrs stibp constant_tsc rep_good nopl vmx ept lm nx pti arat";
        assert_eq!(names(Architecture::X86_64, words), Vec::<String>::new());
    }

    #[test]
    fn arm_words_get_llvm_names() {
        let words = "fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid \
                     asimdrdm lrcpc dcpop asimddp";
        let expected =
            ["aes", "crc", "dotprod", "dpb", "fp16", "lse", "neon", "rcpc", "rdm", "sha2"];
        assert_eq!(names(Architecture::Aarch64, words), expected);
    }

    #[test]
    fn words_of_the_other_architecture_mean_nothing() {
        assert_eq!(names(Architecture::X86_64, "asimd atomics"), Vec::<String>::new());
        assert_eq!(names(Architecture::Other, "sse2 asimd"), Vec::<String>::new());
    }

    proptest! {
        #[test]
        fn never_panics(text in ".*") {
            from_cpuinfo(Architecture::X86_64, text.split_whitespace());
            from_cpuinfo(Architecture::Aarch64, text.split_whitespace());
        }
    }
}
