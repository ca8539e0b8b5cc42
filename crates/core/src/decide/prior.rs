//! What is believed of a change before anybody measured it here: the catalogue of priors.
//!
//! Each has its source. Published figures are weak: they were measured on other machines, with other
//! compilers, and where they were repeated here most of them shrank, so their spread is wide and none
//! alone reaches far. Does not know hosts.

use serde::Serialize;

use super::belief::Belief;
use super::safety::Safety;
use crate::evidence::Change;

/// A belief with the source that it rests on.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Prior {
    /// The gain.
    pub belief: Belief,
    /// Builds that stay within the machine's means.
    pub safety: Safety,
    /// Who says so.
    pub source: &'static str,
}

/// A row: knob, value (any when empty), package (any when empty), mean and deviation of the gain.
struct Row(&'static str, &'static str, &'static str, f64, f64, Memory, &'static str);

/// How a change affects the memory of a build.
#[derive(Clone, Copy)]
enum Memory {
    Same,
    More,
    MuchMore,
}

const MEASURED: &str =
    "measured on a Zen 4 guest with gcc 12.2 and rustc 1.95, medians of interleaved rounds";

const PGO: &str = "published: 10 to 30 % (C), 8 to 15 % (Rust); CPython 3.11 here: 1.10";

/// The most specific row that fits counts: one of a package and a value before one of a value.
const ROWS: &[Row] = &[
    Row("c-march", "x86-64-v3", "openssl", 0.08, 0.10, Memory::Same, MEASURED),
    Row("c-march", "x86-64-v3", "zlib", 0.02, 0.08, Memory::Same, MEASURED),
    Row("c-march", "x86-64-v3", "", 0.02, 0.08, Memory::Same, MEASURED),
    Row("c-march", "", "openssl", -0.15, 0.25, Memory::Same, MEASURED),
    Row("c-march", "", "libsodium", 0.0, 0.20, Memory::Same, MEASURED),
    Row("c-march", "", "zstd", -0.04, 0.05, Memory::Same, MEASURED),
    Row("c-march", "", "", -0.02, 0.12, Memory::Same, MEASURED),
    Row("c-opt-level", "3", "", 0.0, 0.06, Memory::Same, MEASURED),
    Row("c-opt-level", "", "", -0.05, 0.10, Memory::Same, "GCC manual: below -O2 it is slower"),
    Row("c-lto", "fat", "", 0.02, 0.05, Memory::MuchMore, "CPython 3.11: -O3, LTO and -march 1.05"),
    Row("c-lto", "", "", 0.02, 0.05, Memory::More, "CPython 3.11: -O3, LTO and -march 1.05"),
    Row("rust-lto", "fat", "", 0.02, 0.06, Memory::MuchMore, MEASURED),
    Row("rust-lto", "", "", 0.01, 0.05, Memory::More, MEASURED),
    Row("rust-codegen-units", "", "", 0.02, 0.06, Memory::More, MEASURED),
    Row("rust-target-cpu", "", "", 0.0, 0.07, Memory::Same, MEASURED),
    Row("go-amd64", "", "", 0.01, 0.03, Memory::Same, "Go wiki: a few per cent, by workload"),
    Row("python-pgo-level", "", "", 0.08, 0.06, Memory::More, "CPython 3.11: PGO and -march 1.10"),
    Row("rust-pgo-level", "", "", 0.05, 0.07, Memory::Same, PGO),
    Row("c-pgo-level", "", "", 0.05, 0.08, Memory::Same, PGO),
    Row("go-pgo-level", "", "", 0.03, 0.04, Memory::Same, "go.dev/doc/pgo: 2 to 14 % with Go 1.22"),
    Row("linker", "", "", 0.02, 0.04, Memory::Same, "a whole ripgrep build gained 5 % with mold"),
    Row(
        "rust-linker",
        "",
        "",
        0.02,
        0.04,
        Memory::Same,
        "a whole ripgrep build gained 5 % with mold",
    ),
    Row("cuda-fast-math", "", "", 0.05, 0.10, Memory::Same, "CUDA guide; changes results"),
];

/// Of a knob of which nothing was published.
const UNKNOWN: Prior = Prior {
    belief: Belief::new(0.0, 0.08),
    safety: Safety::SAME_MEMORY,
    source: "nothing is published of this setting: as likely to harm as to help",
};

/// The prior of a change. Of several knobs the means add up, and so do the variances; the build is as
/// safe as its riskiest part.
pub fn prior(change: &Change) -> (Prior, Vec<&'static str>) {
    let parts: Vec<_> = change
        .knobs
        .iter()
        .map(|(knob, value)| of(knob, value, change.package.as_deref()))
        .collect();
    let mean = parts.iter().map(|prior| prior.belief.mean).sum();
    let variance: f64 = parts.iter().map(|prior| prior.belief.deviation.powi(2)).sum();
    let safest_last = |a: &Safety, b: &Safety| a.probability().total_cmp(&b.probability());
    let safety = parts.iter().map(|prior| prior.safety).min_by(safest_last);
    let mut sources: Vec<_> = parts.iter().map(|prior| prior.source).collect();
    sources.dedup();
    let source = sources.first().copied().unwrap_or(UNKNOWN.source);
    let safety = safety.unwrap_or(UNKNOWN.safety);
    (Prior { belief: Belief::new(mean, variance.sqrt()), safety, source }, sources)
}

/// Whether anything is published of it.
pub fn is_known(prior: &Prior) -> bool {
    prior.source != UNKNOWN.source
}

fn of(knob: &str, value: &str, package: Option<&str>) -> Prior {
    let fits = |Row(k, v, p, ..): &&Row| {
        *k == knob && (v.is_empty() || *v == value) && (p.is_empty() || Some(*p) == package)
    };
    let specific = |Row(_, v, p, ..): &&Row| (!p.is_empty(), !v.is_empty());
    let Some(Row(.., mean, deviation, memory, source)) =
        ROWS.iter().filter(fits).max_by_key(specific)
    else {
        return UNKNOWN;
    };
    let safety = match memory {
        Memory::Same => Safety::SAME_MEMORY,
        Memory::More => Safety::MORE_MEMORY,
        Memory::MuchMore => Safety::MUCH_MORE_MEMORY,
    };
    Prior { belief: Belief::new(*mean, *deviation), safety, source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::catalogue;

    fn change(package: Option<&str>, knobs: &[(&str, &str)]) -> Change {
        Change {
            package: package.map(str::to_owned),
            knobs: knobs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
        }
    }

    #[test]
    fn the_most_specific_row_counts() {
        let mean = |package, value| prior(&change(package, &[("c-march", value)])).0.belief.mean;
        assert!(mean(Some("openssl"), "native") < -0.1);
        assert!(mean(Some("openssl"), "x86-64-v3") > 0.05);
        assert!((mean(None, "x86-64-v3") - 0.02).abs() < 1e-12);
    }

    #[test]
    fn every_row_is_about_a_knob_that_there_is_and_has_a_source() {
        for Row(knob, _, _, _, deviation, _, source) in ROWS {
            assert!(catalogue::knob(knob).is_some(), "{knob}");
            assert!(!source.is_empty() && *deviation > 0.0);
        }
    }

    #[test]
    fn no_prior_reaches_the_band_of_what_was_measured() {
        for Row(knob, value, package, ..) in ROWS {
            let package = Some(*package).filter(|p| !p.is_empty());
            let (prior, _) = prior(&change(package, &[(knob, value)]));
            let confidence = prior.belief.above(0.02) * prior.safety.probability();
            assert!(confidence < 0.85, "{knob}: {confidence}");
        }
        let both = prior(&change(None, &[("c-opt-level", "3"), ("c-lto", "fat")])).0;
        assert!((both.belief.deviation - 0.078).abs() < 1e-3);
        assert_eq!(both.safety, Safety::MUCH_MORE_MEMORY);
    }
}
