//! Knobs of Nix.
//!
//! Does not know derivations: `max-jobs` and `cores` are one pair of numbers for all of them,
//! which is why they are sized for heavy ones.

use super::super::knob::{Class, Effect, Form, Knob, Language, Place, Target};
use super::super::range::RangeRule;
use super::system::{BUILD_THREADS, MEMORY_BUDGET};
use crate::units::Bytes;
use crate::value::{Kind, Value};

/// All knobs of this file.
pub static KNOBS: &[&Knob] = &[
    &NIX_MAX_JOBS,
    &NIX_CORES,
    &NIX_TIMEOUT,
    &NIX_MAX_SILENT_TIME,
    &NIX_HTTP_CONNECTIONS,
    &NIX_OVERLAYS,
];

/// The overlays of the Nix library, in the order in which they are composed.
pub static OVERLAYS: &[&str] =
    &["system-libs", "cpp-cuda", "rust", "go", "python", "nodejs", "packages"];

/// Peak that a heavy derivation is planned with: the reference host's limit for one.
const HEAVY_PEAK: Bytes = Bytes::gib(10);

/// Derivations built at a time.
pub static NIX_MAX_JOBS: Knob = Knob {
    id: "nix-max-jobs",
    language: Language::Nix,
    kind: Kind::Count,
    class: Class::Resource,
    summary: "Derivations that Nix builds at a time",
    range: RangeRule::TimesThreads(1, 2),
    effect: Effect {
        build_time: "light derivations gain from more, heavy ones share the machine",
        memory: "each may be a heavy one: 10 GB",
        run_time: "none",
        source: "Nix manual, max-jobs; two heavy builds at a time on the reference host",
    },
    targets: &[Target::new(Place::NixConf, "max-jobs", Form::Text("{}"))],
    derive: |d| {
        let threads = d.knob_count(&BUILD_THREADS);
        let budget = d.knob_size(&MEMORY_BUDGET);
        let fit = d.fit(budget, HEAVY_PEAK, "a heavy derivation");
        d.least(&[("threads", threads), ("by memory", fit)])
    },
};

/// Cores of one derivation.
pub static NIX_CORES: Knob = Knob {
    id: "nix-cores",
    language: Language::Nix,
    kind: Kind::Count,
    class: Class::Resource,
    summary: "Threads that one derivation is told to use (`NIX_BUILD_CORES`)",
    range: RangeRule::TimesThreads(1, 1),
    effect: Effect {
        build_time: "shorter for what is parallel inside",
        memory: "a compiler's memory for each",
        run_time: "none: derivations do not change",
        source: "Nix manual, cores; 6 on the reference host",
    },
    targets: &[Target::new(Place::NixConf, "cores", Form::Text("{}"))],
    derive: |d| {
        let threads = d.knob_count(&BUILD_THREADS);
        d.rule(
            "what builds may use: most of the time one derivation runs alone",
            Value::Count(threads),
        )
    },
};

/// Longest build.
pub static NIX_TIMEOUT: Knob = Knob {
    id: "nix-timeout",
    language: Language::Nix,
    kind: Kind::Seconds,
    class: Class::Resource,
    summary: "Longest time that one derivation may take",
    range: RangeRule::Seconds(60, 30 * 86_400),
    effect: Effect {
        build_time: "a build that hangs ends",
        memory: "none",
        run_time: "none",
        source: "24 hours cover the worst case of the reference host (18) with a margin",
    },
    targets: &[Target::new(Place::NixConf, "timeout", Form::Seconds("{}"))],
    derive: |d| {
        d.rule("worst case of a cold full rebuild, 18 hours, and a third", Value::Seconds(86_400))
    },
};

/// Longest silence.
pub static NIX_MAX_SILENT_TIME: Knob = Knob {
    id: "nix-max-silent-time",
    language: Language::Nix,
    kind: Kind::Seconds,
    class: Class::Resource,
    summary: "Longest time that a derivation may print nothing",
    range: RangeRule::Seconds(60, 30 * 86_400),
    effect: Effect {
        build_time: "a build that hangs ends sooner",
        memory: "none",
        run_time: "none",
        source: "a fat link or a PGO training run can be silent for an hour",
    },
    targets: &[Target::new(Place::NixConf, "max-silent-time", Form::Seconds("{}"))],
    derive: |d| d.rule("twice the longest silence of a healthy build", Value::Seconds(7_200)),
};

/// Connections to binary caches.
pub static NIX_HTTP_CONNECTIONS: Knob = Knob {
    id: "nix-http-connections",
    language: Language::Nix,
    kind: Kind::Count,
    class: Class::Resource,
    summary: "Connections that Nix opens to binary caches",
    range: RangeRule::Counts(1, 1024),
    effect: Effect {
        build_time: "fetching many small paths waits less; Nix's default is 25",
        memory: "little",
        run_time: "none",
        source: "Nix manual, http-connections; 128 on the reference host",
    },
    targets: &[Target::new(Place::NixConf, "http-connections", Form::Text("{}"))],
    derive: |d| d.rule("enough to hide latency on any usual line", Value::Count(128)),
};

/// Overlays that the host takes.
pub static NIX_OVERLAYS: Knob = Knob {
    id: "nix-overlays",
    language: Language::Nix,
    kind: Kind::List,
    class: Class::Output,
    summary: "Overlays of the Nix library that this host opts in to",
    range: RangeRule::Words(OVERLAYS),
    effect: Effect {
        build_time: "what an overlay changes is built here with all that depends on it, not fetched",
        memory: "of those builds: up to 14 GB for a runtime with profile-guided optimisation",
        run_time: "that of the knobs the overlay applies",
        source: "docs/nix.md; a cache holds no derivation that an overlay changed",
    },
    targets: &[],
    derive: |d| d.rule("none: each costs rebuilds, so each is chosen", Value::List(Vec::new())),
};
