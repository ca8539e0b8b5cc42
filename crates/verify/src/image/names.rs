//! What the name of a function or of data tells about run-time dispatch.
//!
//! Names are evidence where the compiler made them (`.avx2` of function multiversioning, the vector
//! function ABI) or where a library publishes what it found out about the processor. Does not
//! demangle more than it needs: words stand in mangled names as they are.

use std::sync::LazyLock;

use aho_corasick::AhoCorasick;

/// Words by which names say that something was found out about the processor.
const ASKED: &[&str] = &[
    "cpuid",
    "cpu_model",
    "cpu_features",
    "cpu_feature",
    "cpufeatures",
    "cpu_flags",
    "cpuflags",
    "cpu_caps",
    "cpucaps",
    "cpu_cap",
    "cpuinfo",
    "cpu_info",
    "cpu_supports",
    "cpu_indicator",
    "cpu_is",
    "cpu_has",
    "ia32cap",
    "x86_features",
    "x86_cpu",
    "qt_cpu",
    "std_detect",
    "hwcap",
    "has_avx",
    "hasavx",
    "has_sse",
    "hassse",
    "have_avx",
    "have_sse",
    "has_bmi",
    "internal/cpu.x86",
    "rtld_global_ro",
    "get_cpu_feat",
    "cpu_detect",
    "detect_cpu",
    "simd_level",
    "simd_flags",
    "checkcpu",
    "check_cpu",
    "x86haspopcnt",
    "x86hassse41",
    "x86hasfma",
    "gcry_get_hw_features",
    "orc_target_get",
    "hw_features",
    "cpu_arch",
    "cpu_type",
];

static ASKED_WORDS: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| words(ASKED));

/// A search for all words at once, in any case. `None` only for more words than there is memory for.
fn words(words: &[&str]) -> Option<AhoCorasick> {
    let mut builder = AhoCorasick::builder();
    let kind = Some(aho_corasick::AhoCorasickKind::DFA);
    builder.ascii_case_insensitive(true).kind(kind).build(words).ok()
}

/// Whether data or a function of this name tells about the processor.
pub(crate) fn tells_of_processor(name: &str) -> bool {
    ASKED_WORDS.as_ref().is_some_and(|words| words.is_match(name))
}

/// Suffixes of function multiversioning (GCC and clang: `target_clones`, `target` with versions).
const VERSIONS: &[&str] = &[
    "popcnt",
    "sse3",
    "ssse3",
    "sse4.1",
    "sse4.2",
    "sse4_1",
    "sse4_2",
    "avx",
    "avx2",
    "bmi",
    "bmi2",
    "fma",
    "fma4",
    "xop",
    "sse4a",
    "avx512f",
    "avx512vl",
    "avx512bw",
    "avx512dq",
    "avx512cd",
    "avx512vbmi",
    "avx512ifma",
    "avx512vnni",
    "aes",
    "pclmul",
    "gfni",
    "vpclmulqdq",
    "f16c",
    "movbe",
    "lzcnt",
];

/// Whether a compiler named it as one of several versions of a function, chosen at run time.
pub(crate) fn is_version(name: &str) -> bool {
    // gcc appends `.constprop.0` and the like behind the version.
    name.split('.').skip(1).any(|part| {
        let plain = part.trim_start_matches("arch_");
        part.starts_with("arch_")
            || VERSIONS.contains(&plain)
            || VERSIONS.iter().any(|version| {
                plain.strip_prefix(version).is_some_and(|rest| rest.starts_with('_'))
            })
    }) || is_dotted_version(name)
        || is_vector_variant(name)
}

/// `f.sse4.2`: the version itself has a dot.
fn is_dotted_version(name: &str) -> bool {
    name.contains(".sse4.1") || name.contains(".sse4.2")
}

/// A variant of the vector function ABI (`_ZGVdN4v_sin`): called by code of that extension only.
fn is_vector_variant(name: &str) -> bool {
    let rest = name.strip_prefix("_ZGV").unwrap_or_default().as_bytes();
    matches!(rest, [b'b'..=b'e', b'N' | b'M', ..])
}

/// Words by which people name what is chosen at run time.
const SPOKEN: &[&str] = &[
    "avx512",
    "avx2",
    "avx",
    "sse4",
    "sse41",
    "sse42",
    "ssse3",
    "sse3",
    "bmi2",
    "bmi1",
    "fma3",
    "fma",
    "aesni",
    "vaes",
    "pclmul",
    "vpclmul",
    "clmul",
    "shani",
    "sha_ni",
    "popcnt",
    "avx10",
    "haswell",
    "skylake",
    "skylakex",
    "icelake",
    "westmere",
    "zen",
    "sandybridge",
    "xop",
    "avx512vl",
    "avx512bw",
    "icl",
    "skx",
    "gfni",
    "rdrand",
    "rdseed",
    "aes_ni",
    "avxvnni",
    "evex",
    "fma4",
    "xsavec",
    "xsave",
    "xtest",
    "lzcnt",
    "adx",
    "hsw",
    "x86_64_v3",
];

/// Whether a name says for which processors it is.
pub(crate) fn says_extension(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    SPOKEN.iter().any(|word| lower.match_indices(word).any(|(at, _)| begins_word(name, at)))
}

/// Whether a word begins here: after no letter (digits precede names when mangled), or with a capital
/// after a small one or after another word in capitals (`ExtendSse42`, `ieeeCLMUL`).
fn begins_word(name: &str, at: usize) -> bool {
    let (before, first) = (name[..at].bytes().next_back(), name.as_bytes().get(at));
    before.is_none_or(|byte| !byte.is_ascii_alphabetic())
        || before.is_some_and(|byte| byte.is_ascii_lowercase())
            && first.is_some_and(u8::is_ascii_uppercase)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn versions_are_told_from_other_suffixes() {
        for name in [
            "dot.avx2",
            "dot.arch_x86_64_v3",
            "dot.avx512f.constprop.0",
            "f.sse4.2",
            "_ZGVdN4v_sin",
            "f.arch_haswell",
        ] {
            assert!(is_version(name), "{name}");
        }
        for name in
            ["dot", "dot.cold", "dot.part.0", "dot.isra.0", "dot.default", "_ZGV", "_ZGVN1a1bE"]
        {
            assert!(!is_version(name), "{name}");
        }
    }

    #[test]
    fn words_in_names() {
        assert!(says_extension("ZSTD_decompressSequences_bmi2"));
        assert!(says_extension("_ZN6simdjson7haswell14implementation"));
        assert!(says_extension("__memcpy_avx_unaligned"));
        assert!(says_extension("_ZN6crc32c11ExtendSse42EjPKhm"));
        assert!(says_extension("hash/crc32.ieeeCLMUL"));
        assert!(!says_extension("make_sofmax") && !says_extension("main"));
        assert!(tells_of_processor("OPENSSL_ia32cap_P") && tells_of_processor("__cpu_model"));
        assert!(!tells_of_processor("main"));
    }

    proptest! {
        #[test]
        fn any_name_is_read(name in ".{0,40}") {
            let _ = (is_version(&name), says_extension(&name), tells_of_processor(&name));
        }
    }
}
