//! LLVM's profiles: which `llvm-profdata` merges what a compiler writes, and what a merged one holds.
//!
//! Does not know where tools are. A tool's version only says which to try first; whether it really reads
//! what a compiler writes is tried out (`ironwright_host::pgo`).

use super::check::{Coverage, Hot};
use super::toolchain::{Toolchain, Unfit};
use crate::cpu::version::Version;

/// Bytes that a raw profile of a 64-bit program begins with, as this machine's bytes lie.
const MAGIC: u64 = 0xff6c_7072_6f66_7281;

/// Raw profile format by the first LLVM that writes it (`INSTR_PROF_RAW_VERSION`; 8 and 10 were seen in
/// profiles of clang 14 and of rustc 1.95's LLVM 22).
const RAW: &[(u16, u64)] = &[(19, 10), (18, 9), (14, 8), (13, 7), (11, 5)];

/// The raw format that an LLVM writes; `None` before 11.
pub fn raw_format(llvm: u16) -> Option<u64> {
    RAW.iter().find(|(first, _)| llvm >= *first).map(|(_, format)| *format)
}

/// The raw format of a profile that a program wrote; `None` where it is none.
pub fn format_of(profile: &[u8]) -> Option<u64> {
    let word = |at: usize| {
        let bytes: [u8; 8] = profile.get(at..at + 8)?.try_into().ok()?;
        Some(u64::from_ne_bytes(bytes))
    };
    // The upper byte says what kind of counters it has.
    (word(0)? == MAGIC).then(|| word(8)).flatten().map(|version| version & 0x00ff_ffff_ffff_ffff)
}

/// The LLVM that a `--version` text tells of: `LLVM version 19.1.7`.
pub fn version_of_tool(text: &str) -> Option<Version> {
    let (_, rest) = text.split_once("LLVM version ")?;
    Version::parse(rest.lines().next()?)
}

/// The LLVM inside a compiler: `LLVM version: 22.1.2` of `rustc -vV`, clang's own version.
pub fn version_of_compiler(toolchain: Toolchain, text: &str) -> Option<Version> {
    match toolchain {
        Toolchain::Rustc => {
            let (_, rest) = text.split_once("LLVM version: ")?;
            Version::parse(rest.lines().next()?)
        }
        Toolchain::Clang => {
            let (_, rest) = text.split_once("clang version ")?;
            Version::parse(rest.lines().next()?)
        }
        Toolchain::Gcc | Toolchain::Go | Toolchain::Cpython => None,
    }
}

/// Whether a merger may do: it must read the raw format, and what it writes must be no newer than what
/// the compiler reads.
pub fn may_fit(compiler: Version, tool: Version) -> bool {
    let same_format = raw_format(compiler.major).is_some()
        && raw_format(compiler.major) == raw_format(tool.major);
    tool.major == compiler.major || (same_format && tool.major <= compiler.major)
}

/// Orders mergers by how close they are to the compiler: its own LLVM first, then older ones, newest
/// first; those that cannot fit come last, in their order.
pub fn by_fitness<T>(compiler: Version, tools: &mut [(Version, T)]) {
    tools.sort_by_key(|(version, _)| {
        (!may_fit(compiler, *version), compiler.major.abs_diff(version.major))
    });
}

/// Why no merger will do.
pub fn no_merger(toolchain: Toolchain, compiler: Version, found: &[Version]) -> Unfit {
    let found = if found.is_empty() {
        "there is none on PATH, in /usr/lib/llvm-*/bin or in rustc's sysroot".to_owned()
    } else {
        let versions: Vec<_> = found.iter().map(ToString::to_string).collect();
        format!("there is LLVM {}", versions.join(", "))
    };
    Unfit::NoMerger {
        compiler: format!("{toolchain} (LLVM {compiler})"),
        found,
        right: right(toolchain, compiler),
    }
}

fn right(toolchain: Toolchain, compiler: Version) -> String {
    let oldest = RAW.iter().map(|(first, _)| *first).find(|first| compiler.major >= *first);
    let range = match oldest {
        Some(first) if first < compiler.major => format!("{first} to {}", compiler.major),
        _ => compiler.major.to_string(),
    };
    let debian = format!("Debian's llvm-{}", oldest.unwrap_or(compiler.major));
    match toolchain {
        Toolchain::Rustc => {
            format!("right would be LLVM {range}: `rustup component add llvm-tools`, or {debian}")
        }
        _ => format!("right would be LLVM {range}: Debian's llvm-{}", compiler.major),
    }
}

/// Sums up what `llvm-profdata show --all-functions --counts` prints. `None` where that is no profile.
pub fn coverage(text: &str) -> Option<Coverage> {
    let is_profile = text.lines().any(|line| line.starts_with("Total functions:"));
    if !is_profile {
        return None;
    }
    let mut functions: Vec<Hot> = Vec::new();
    for line in text.lines() {
        if let Some(name) = function_name(line) {
            functions.push(Hot { name: name.to_owned(), counts: 0 });
        } else if let Some(counts) = line.trim().strip_prefix("Block counts: [")
            && let Some(function) = functions.last_mut()
        {
            function.counts = sum(counts);
        } else if let Some(count) = line.trim().strip_prefix("Function count: ")
            && let Some(function) = functions.last_mut()
        {
            function.counts = function.counts.saturating_add(sum(count));
        }
    }
    Some(Coverage::of(functions))
}

/// A name stands alone, indented by two, and ends with a colon.
fn function_name(line: &str) -> Option<&str> {
    let name = line.strip_prefix("  ")?.strip_suffix(':')?;
    (!name.starts_with(' ') && !name.is_empty()).then_some(name)
}

fn sum(list: &str) -> u128 {
    let numbers = list.trim_end().trim_end_matches(']').split(", ");
    numbers.filter_map(|number| number.parse::<u128>().ok()).fold(0, u128::saturating_add)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const V: fn(u16) -> Version = |major| Version::new(major, 0);

    #[test]
    fn the_nearest_merger_that_may_fit_comes_first() {
        let mut tools = [(V(14), 'a'), (V(23), 'b'), (V(19), 'c'), (V(21), 'd')];
        by_fitness(V(22), &mut tools);
        assert_eq!(tools.map(|(_, name)| name), ['d', 'c', 'b', 'a']);
        assert!(may_fit(V(22), V(19)) && may_fit(V(14), V(14)) && may_fit(V(17), V(14)));
        assert!(!may_fit(V(14), V(19)) && !may_fit(V(22), V(18)) && !may_fit(V(19), V(22)));
    }

    #[test]
    fn what_would_be_right_is_told() {
        let error = no_merger(Toolchain::Rustc, Version::new(22, 1), &[V(14)]).to_string();
        assert_eq!(
            error,
            "no llvm-profdata reads the profiles of rustc (LLVM 22.1): there is LLVM 14.0; right would be LLVM 19 to 22: `rustup component add llvm-tools`, or Debian's llvm-19"
        );
        let error = no_merger(Toolchain::Clang, Version::new(14, 0), &[]).to_string();
        assert!(error.ends_with("right would be LLVM 14: Debian's llvm-14"), "{error}");
    }

    #[test]
    fn versions_are_read() {
        let tool = "LLVM (http://llvm.org/):\n  LLVM version 14.0.6\n  Optimized build.";
        assert_eq!(version_of_tool(tool), Some(V(14)));
        let rustc = "rustc 1.95.0 (x)\nhost: x86_64-unknown-linux-gnu\nLLVM version: 22.1.2\n";
        let of = version_of_compiler;
        assert_eq!(of(Toolchain::Rustc, rustc), Some(Version::new(22, 1)));
        assert_eq!(of(Toolchain::Clang, "Debian clang version 14.0.6\n"), Some(V(14)));
        assert_eq!(of(Toolchain::Gcc, "gcc 12"), None);
    }

    #[test]
    fn raw_profiles_have_their_format() {
        let mut profile = MAGIC.to_ne_bytes().to_vec();
        profile.extend(0x0100_0000_0000_000a_u64.to_ne_bytes());
        assert_eq!(format_of(&profile), Some(10));
        assert_eq!(format_of(b"gcda"), None);
        assert_eq!(raw_format(22), Some(10));
    }

    #[test]
    fn counts_are_summed_up() {
        let text = "Counters:\n  main:\n    Hash: 0x0f9bab181ecc3389\n    Counters: 3\n    Block counts: [10000, 1, 1]\n  c1.c:f:\n    Hash: 0x0f\n    Counters: 3\n    Block counts: [3334, 1333, 5333]\n  unused:\n    Hash: 0x0a\n    Counters: 1\n    Block counts: [0]\nInstrumentation level: IR  entry_first = 0\nFunctions shown: 3\nTotal functions: 3\n";
        let found = coverage(text).unwrap();
        assert_eq!((found.functions, found.executed, found.counts), (Some(3), 2, 20_002));
        assert_eq!(found.hottest[0].name, "main");
        assert_eq!(found.hottest[1].name, "c1.c:f");
        assert_eq!(coverage("error: no such file"), None);
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in "\\PC{0,200}") {
            let _ = coverage(&format!("Total functions: 1\n  {text}:\n    Block counts: [{text}"));
            let _ = version_of_tool(&text);
            let _ = format_of(text.as_bytes());
        }
    }
}
