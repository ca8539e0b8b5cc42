//! What settings claim, held against what a binary shows.
//!
//! A claim is kept, broken, or cannot be decided; one that is about another language is left out.
//! Does not know where settings come from.

use std::collections::BTreeSet;

use ironwright_core::cpu::PsabiLevel;
use ironwright_core::cpu::processors::Processor;
use schemars::JsonSchema;
use serde::Serialize;

use crate::feature::Extensions;
use crate::report::{Claim, Instructions, Report};

/// A setting whose effect a binary can show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    /// Name of the knob (`c-march`, `linker`), or a short name (`march`, `lto`).
    pub key: String,
    /// Its value.
    pub value: String,
}

/// What became of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The binary shows it.
    Kept,
    /// The binary shows something else.
    Broken,
    /// The binary does not show it.
    Unknown,
}

/// A claim that was held against a binary.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Checked {
    /// The setting.
    pub key: String,
    /// What it claims.
    pub claimed: String,
    /// What was found.
    pub found: String,
    /// What follows.
    pub verdict: Verdict,
    /// What it rests on.
    pub evidence: String,
}

/// The settings that can be held against a binary, with the language that each is about.
pub const KEYS: &[(&str, &[&str])] = &[
    ("march", &[]),
    ("c-march", &["c"]),
    ("rust-target-cpu", &["rust"]),
    ("go-amd64", &["go"]),
    ("goamd64", &["go"]),
    ("linker", &["c", "rust"]),
    ("rust-linker", &["rust"]),
    ("lto", &[]),
    ("c-lto", &["c"]),
    ("rust-lto", &["rust"]),
    ("pgo", &[]),
    ("python-pgo-level", &["cpython"]),
    ("c-pgo-level", &["c"]),
    ("rust-pgo-level", &["rust"]),
    ("go-pgo-level", &["go"]),
    ("c-opt-level", &["c"]),
    ("allocator", &[]),
    ("cuda-architectures", &["cuda"]),
];

/// Whether a setting can be held against binaries at all.
pub fn is_known(key: &str) -> bool {
    KEYS.iter().any(|(known, _)| *known == key)
}

/// Holds settings against a binary.
pub fn check(report: &Report, expected: &[Expected]) -> Vec<Checked> {
    let language = language(report);
    let concerns = |one: &&Expected| {
        KEYS.iter().any(|(key, about)| {
            *key == one.key
                && (about.is_empty()
                    || about.contains(&language)
                    || about.contains(&"cuda") && !report.cuda.is_empty())
        })
    };
    expected.iter().filter(concerns).map(|one| one_claim(report, one)).collect()
}

/// `go`, `rust`, or `c` for everything else.
fn language(report: &Report) -> &'static str {
    let has = |name: &str| report.compilers.iter().any(|compiler| compiler.name == name);
    match (has("go"), has("rustc")) {
        (true, _) => "go",
        (_, true) => "rust",
        _ => "c",
    }
}

fn one_claim(report: &Report, expected: &Expected) -> Checked {
    let value = expected.value.as_str();
    let (found, verdict, evidence) = match expected.key.as_str() {
        "march" | "c-march" | "rust-target-cpu" => march(report, value),
        "go-amd64" | "goamd64" => go_level(report, value),
        "linker" | "rust-linker" => plain(&report.linker, value),
        "lto" | "c-lto" | "rust-lto" => lto(report, value),
        "pgo" => plain(&report.pgo, value),
        "c-pgo-level" | "rust-pgo-level" | "go-pgo-level" => {
            plain(&report.pgo, if value == "NONE" { "off" } else { "on" })
        }
        "c-opt-level" => opt_level(report, value),
        "allocator" => plain(&report.allocator, value),
        "cuda-architectures" => cuda(report, value),
        _ => ("unknown".to_owned(), Verdict::Unknown, "no binary shows it".to_owned()),
    };
    Checked { key: expected.key.clone(), claimed: value.to_owned(), found, verdict, evidence }
}

type Found = (String, Verdict, String);

fn plain(claim: &Claim, wanted: &str) -> Found {
    let verdict = match &claim.value {
        None => Verdict::Unknown,
        Some(found) if found == wanted => Verdict::Kept,
        Some(_) => Verdict::Broken,
    };
    (claim.shown().to_owned(), verdict, claim.evidence.clone())
}

/// gcc has one kind of link-time optimisation, which shows as `fat`.
fn lto(report: &Report, wanted: &str) -> Found {
    let by_gcc = language(report) == "c" && !report.compilers.iter().any(|c| c.name == "clang");
    let wanted = if by_gcc && wanted == "thin" { "fat" } else { wanted };
    plain(&report.lto, wanted)
}

fn go_level(report: &Report, wanted: &str) -> Found {
    match report.go.as_ref().and_then(|go| go.goamd64.clone()) {
        Some(found) => {
            let verdict = if found == wanted { Verdict::Kept } else { Verdict::Broken };
            (found, verdict, "Go's build information".to_owned())
        }
        None => march(report, &wanted.replace('v', "x86-64-v")),
    }
}

fn opt_level(report: &Report, wanted: &str) -> Found {
    let levels: BTreeSet<String> = report
        .compilers
        .iter()
        .filter_map(|compiler| {
            let mut flags = compiler.flags.iter().rev();
            flags.find_map(|flag| flag.strip_prefix("-O")).map(str::to_owned)
        })
        .collect();
    let found = levels.iter().cloned().collect::<Vec<_>>().join(", ");
    let verdict = match levels.len() {
        0 => return ("unknown".to_owned(), Verdict::Unknown, "no flags were recorded".to_owned()),
        1 if found == wanted => Verdict::Kept,
        _ => Verdict::Broken,
    };
    (found, verdict, "recorded flags".to_owned())
}

fn cuda(report: &Report, wanted: &str) -> Found {
    let has: BTreeSet<&str> =
        report.cuda.iter().filter_map(|code| code.architecture.strip_prefix("sm_")).collect();
    let found = has.iter().copied().collect::<Vec<_>>().join(" ");
    if has.is_empty() {
        return ("none".to_owned(), Verdict::Unknown, "no CUDA code in it".to_owned());
    }
    let names = wanted.split([' ', ',', ';']).filter(|name| !name.is_empty());
    let missing: Vec<_> = names
        .map(|name| name.trim_end_matches("-real").trim_end_matches("-virtual").replace('.', ""))
        .filter(|name| !has.contains(name.as_str()))
        .collect();
    if missing.is_empty() {
        return (found, Verdict::Kept, "fat binaries".to_owned());
    }
    (found, Verdict::Broken, format!("no code for {}", missing.join(" ")))
}

/// What `-march=NAME` lets a compiler use.
fn features(name: &str) -> Option<Extensions> {
    if let Ok(level) = name.parse::<PsabiLevel>() {
        return Some(Extensions::of_level(level));
    }
    let processor = Processor::named(name)?;
    let set = processor.essential().into_iter().filter_map(Extensions::named);
    Some(set.fold(Extensions::NONE, Extensions::union))
}

/// So many functions without an extension show that code was not compiled for it.
const MANY: usize = 50;

fn march(report: &Report, wanted: &str) -> Found {
    let recorded =
        report.target.value.as_deref().filter(|value| *value != "the compiler's default");
    if let Some(found) = recorded {
        let all = found.split(", ").all(|one| one == wanted);
        let verdict = if all { Verdict::Kept } else { Verdict::Broken };
        return (found.to_owned(), verdict, report.target.evidence.clone());
    }
    let Some(code) = &report.instructions else {
        return ("unknown".to_owned(), Verdict::Unknown, "not x86-64 code".to_owned());
    };
    by_code(code, wanted)
}

/// Without recorded flags, code can show that it was compiled for more, and that it was not.
fn by_code(code: &Instructions, wanted: &str) -> Found {
    let level = code.level.clone().unwrap_or_else(|| "unknown".to_owned());
    let Some(allowed) = features(wanted) else {
        return (level, Verdict::Unknown, format!("what {wanted} brings is not known here"));
    };
    let needs = code.needs.iter().filter_map(|name| Extensions::named(name));
    let needs = needs.fold(Extensions::NONE, Extensions::union);
    let beyond = needs.without(allowed);
    if !beyond.is_empty() {
        return (level, Verdict::Broken, format!("code needs {beyond}, which {wanted} has not"));
    }
    if allowed.is_empty() {
        return (level, Verdict::Kept, "code needs nothing beyond baseline x86-64".to_owned());
    }
    // Only the extensions of the highest level tell one target from the one below.
    let highest = allowed.level();
    let telling = needs.and(Extensions::of_level(highest)).level();
    if telling == highest && highest != PsabiLevel::X86V1 {
        return (level, Verdict::Kept, format!("code needs {needs}"));
    }
    if !code.undecided.is_empty() {
        return (level, Verdict::Unknown, "what some code needs is not decided".to_owned());
    }
    let wants_avx = !allowed.and(Extensions::of_level(PsabiLevel::X86V3)).is_empty()
        && highest >= PsabiLevel::X86V3;
    if wants_avx && needs.is_empty() && code.functions >= MANY {
        let why = format!("none of {} functions needs more than baseline x86-64", code.functions);
        return (level, Verdict::Broken, why);
    }
    (level, Verdict::Unknown, "too little code to tell, and no flags were recorded".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(needs: &[&str], functions: usize) -> Instructions {
        Instructions {
            level: Some("x".to_owned()),
            needs: needs.iter().map(|name| (*name).to_owned()).collect(),
            dispatched: Vec::new(),
            undecided: Vec::new(),
            asks: false,
            functions,
            code_bytes: 0,
            decoded_bytes: 0,
            uses: Vec::new(),
        }
    }

    #[test]
    fn code_alone_can_keep_and_break_a_target() {
        let verdict =
            |needs: &[&str], functions, wanted| by_code(&code(needs, functions), wanted).1;
        assert_eq!(verdict(&["avx2"], 5, "x86-64-v3"), Verdict::Kept);
        assert_eq!(verdict(&["avx2", "avx512f"], 5, "x86-64-v3"), Verdict::Broken);
        assert_eq!(verdict(&[], 5, "x86-64-v3"), Verdict::Unknown);
        assert_eq!(verdict(&[], 500, "x86-64-v3"), Verdict::Broken);
        assert_eq!(verdict(&[], 5, "x86-64"), Verdict::Kept);
        assert_eq!(verdict(&["avx512f"], 5, "znver4"), Verdict::Kept);
        assert_eq!(verdict(&["avx512f"], 5, "znver3"), Verdict::Broken);
        assert_eq!(verdict(&["popcnt"], 5, "x86-64-v3"), Verdict::Unknown);
        assert_eq!(verdict(&["avx2"], 5, "nothing-known"), Verdict::Unknown);
    }
}
