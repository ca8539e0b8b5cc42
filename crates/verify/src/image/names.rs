//! What the name of a function or of data tells about run-time dispatch.
//!
//! Names are evidence where the compiler made them (`.avx2` of function multiversioning, the vector
//! function ABI) or where a library publishes what it found out about the processor. Does not
//! demangle more than it needs: words stand in mangled names as they are.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::LazyLock;

use aho_corasick::Span;
use aho_corasick::packed::Searcher;
use memchr::memmem;
use rayon::prelude::*;

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

/// A name, of which only the beginning is known until it is asked for: most never are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Name<'a>(&'a [u8]);

impl<'a> Name<'a> {
    /// The name that begins with these bytes, and ends with them or before the first zero byte.
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The whole name.
    pub(crate) fn text(self) -> Cow<'a, str> {
        let end = memchr::memchr(0, self.0).unwrap_or(self.0.len());
        String::from_utf8_lossy(&self.0[..end])
    }
}

impl fmt::Debug for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text().fmt(f)
    }
}

/// Whether data or a function of this name tells about the processor: one of the words stands in it, in
/// any case.
pub(crate) fn tells_of_processor(name: &str) -> bool {
    !words(name.as_bytes()).is_empty()
}

/// Which names of a string table tell about the processor: where each begins, and the last word in it.
#[derive(Debug, Default)]
pub(crate) struct Telling(Vec<(usize, usize)>);

/// Bytes of a string table that are searched at once.
const PART: usize = 1 << 16;

/// A search of many bytes at a time, in small letters. `None` where the processor that this runs on has no
/// instructions for it.
static SEARCH: LazyLock<Option<Searcher>> = LazyLock::new(|| Searcher::new(ASKED));

impl Telling {
    /// Searches a table as a whole, which takes less than to search each name.
    pub(crate) fn of(table: &[u8]) -> Self {
        let words = (0..table.len().div_ceil(PART)).into_par_iter().flat_map_iter(|part| {
            let offset = part * PART;
            let part = &table[offset..table.len().min(offset + PART + LONGEST)];
            let words = words(part).into_iter().filter(|at| *at < PART);
            words.map(move |at| at + offset)
        });
        let first = |word: usize| memchr::memrchr(0, &table[..word]).map_or(0, |zero| zero + 1);
        Self(words.map(|word| (first(word), word)).collect())
    }

    /// Whether a word stands in the name that begins here: behind the beginning, and no other name's.
    pub(crate) fn holds(&self, name: usize) -> bool {
        let next = self.0.partition_point(|(_, word)| *word < name);
        self.0.get(next).is_some_and(|(first, _)| *first <= name)
    }
}

/// Where words begin, in the order of their places.
fn words(text: &[u8]) -> Vec<usize> {
    let text = text.to_ascii_lowercase();
    let Some(search) = &*SEARCH else { return words_one_by_one(&text) };
    let next = |from: usize| {
        let found = search.find_in(&text, Span { start: from, end: text.len() });
        found.map(|found| found.start())
    };
    std::iter::successors(next(0), |from| next(from + 1)).collect()
}

/// The same, for any processor.
fn words_one_by_one(text: &[u8]) -> Vec<usize> {
    let all = ASKED.iter().flat_map(|word| memmem::find_iter(text, word));
    all.collect::<BTreeSet<_>>().into_iter().collect()
}

/// As long as the longest of the words, at least.
const LONGEST: usize = 32;

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
        fn words_are_found_wherever_they_stand(
            before in "[a-zA-Z_0-9]{0,12}",
            word in proptest::sample::select(ASKED),
            cut in 0_usize..4,
            upper in any::<bool>(),
            after in "[a-zA-Z_0-9]{0,12}",
        ) {
            let word = if upper { word.to_ascii_uppercase() } else { word.to_owned() };
            let name = format!("{before}{}{after}", &word[cut.min(word.len())..]);
            let expected = words_one_by_one(name.to_ascii_lowercase().as_bytes());
            prop_assert_eq!(words(name.as_bytes()), expected);
        }

        #[test]
        fn a_table_tells_what_its_names_tell(
            names in proptest::collection::vec("[a-zA-Z_0-9]{0,6}(cpuid|hwcap|cpu_is)?[a-z]{0,3}", 0..9),
        ) {
            let table = names.join("\0");
            let telling = Telling::of(table.as_bytes());
            for at in 0..table.len() {
                let name = Name::new(&table.as_bytes()[at..]).text();
                prop_assert_eq!(telling.holds(at), tells_of_processor(&name), "{}", name);
            }
        }

        #[test]
        fn any_name_is_read(name in ".{0,40}") {
            let _ = (is_version(&name), says_extension(&name), tells_of_processor(&name));
        }
    }
}
