//! Knobs of Rust and Cargo.
//!
//! Does not know crates: figures are for the heaviest ones, because a fixed count must hold there.

use super::super::knob::{Class, Effect, Form, Knob, Language, Place, Target};
use super::super::range::RangeRule;
use super::linker;
use super::system::{BUILD_THREADS, STATIC_MEMORY};
use crate::cpu;
use crate::units::Bytes;
use crate::value::{Kind, Value};

/// All knobs of this file.
pub static KNOBS: &[&Knob] = &[
    &CARGO_BUILD_JOBS,
    &CARGO_INCREMENTAL,
    &RAYON_THREADS,
    &RUST_CODEGEN_UNITS,
    &RUST_LTO,
    &RUST_TARGET_CPU,
    &RUST_LINKER,
];

/// Peak of one rustc on the heaviest crates. Published: 2 to 4 GB; ripgrep's largest takes
/// 0.35 GB.
const RUSTC_PEAK: Bytes = Bytes::gib(4);

/// Crates compiled at a time.
pub static CARGO_BUILD_JOBS: Knob = Knob {
    id: "cargo-build-jobs",
    language: Language::Rust,
    kind: Kind::Count,
    class: Class::Resource,
    summary: "Crates that Cargo compiles at a time",
    range: RangeRule::TimesThreads(1, 2),
    effect: Effect {
        build_time: "about 25 % less from 2 to 3 jobs on Codex (claimed)",
        memory: "2 to 4 GB for each job on the heaviest crates",
        run_time: "none",
        source: "Codex (421 crates) is safe at 3 jobs on the reference host; Cargo book, build.jobs",
    },
    targets: &[
        Target::new(Place::Env, "CARGO_BUILD_JOBS", Form::Text("{}")),
        Target::new(Place::CargoConfig, "build.jobs", Form::Text("{}")),
    ],
    derive: |d| {
        let threads = d.knob_count(&BUILD_THREADS);
        let memory = d.knob_size(&STATIC_MEMORY);
        let fit = d.fit(memory, RUSTC_PEAK, "a rustc on the heaviest crates");
        d.least(&[("threads", threads), ("by memory", fit)])
    },
};

/// Incremental compilation.
pub static CARGO_INCREMENTAL: Knob = Knob {
    id: "cargo-incremental",
    language: Language::Rust,
    kind: Kind::Flag,
    class: Class::Resource,
    summary: "Incremental compilation while a finished package is built",
    range: RangeRule::Any,
    effect: Effect {
        build_time: "a package is built once: nothing is reused, and writing the state costs time",
        memory: "less without",
        run_time: "none",
        source: "Cargo book, build.incremental; off for packages on the reference host",
    },
    targets: &[Target::new(Place::BuildEnv, "CARGO_INCREMENTAL", Form::Bit)],
    derive: |d| {
        d.rule(
            "off for packages; `ironwright run` leaves a developer's builds alone",
            Value::Flag(false),
        )
    },
};

/// Threads of Rayon's pools.
pub static RAYON_THREADS: Knob = Knob {
    id: "rayon-threads",
    language: Language::Rust,
    kind: Kind::Count,
    class: Class::Resource,
    summary: "Threads of Rayon's pools in build tools",
    range: RangeRule::TimesThreads(1, 1),
    effect: Effect {
        build_time: "more threads than the build may use only contend",
        memory: "a stack for each thread",
        run_time: "none: it is not set for what is built",
        source: "Rayon's documentation, RAYON_NUM_THREADS",
    },
    targets: &[Target::new(Place::Env, "RAYON_NUM_THREADS", Form::Text("{}"))],
    derive: |d| {
        let threads = d.knob_count(&BUILD_THREADS);
        d.rule("as many as builds may use", Value::Count(threads))
    },
};

/// Codegen units of the release profile.
pub static RUST_CODEGEN_UNITS: Knob = Knob {
    id: "rust-codegen-units",
    language: Language::Rust,
    kind: Kind::Count,
    class: Class::Output,
    summary: "Parts that a crate is split into for code generation (release profile)",
    range: RangeRule::Counts(1, 256),
    effect: Effect {
        build_time: "1 without LTO took 51.7 against 67 CPU seconds on ripgrep, but in one thread a crate",
        memory: "1 takes 27 % more in the largest process",
        run_time: "0.92 to 1.18, mostly noise",
        source: "measured on ripgrep, jaq and zopfli; the documents say 16, 8 and 4",
    },
    targets: &[
        Target::new(Place::Env, "CARGO_PROFILE_RELEASE_CODEGEN_UNITS", Form::Text("{}")),
        Target::new(Place::CargoConfig, "profile.release.codegen-units", Form::Text("{}")),
    ],
    derive: |d| {
        d.rule("Cargo's own default, until another number was measured to pay", Value::Count(16))
    },
};

/// Link-time optimisation of the release profile.
pub static RUST_LTO: Knob = Knob {
    id: "rust-lto",
    language: Language::Rust,
    kind: Kind::Choice(&["off", "thin", "fat"]),
    class: Class::Output,
    summary: "Link-time optimisation across crates (release profile)",
    range: RangeRule::Any,
    effect: Effect {
        build_time: "thin costs 10 % more CPU time, fat much more",
        memory: "fat takes 35 % more in the largest process; 4 to 6 GB (thin), 8 to 12 GB (fat) at the extremes",
        run_time: "0.92 to 1.18, mostly noise",
        source: "measured on ripgrep, jaq and zopfli; extremes are published figures",
    },
    targets: &[
        Target::new(Place::Env, "CARGO_PROFILE_RELEASE_LTO", Form::Text("{}")),
        Target::new(Place::CargoConfig, "profile.release.lto", Form::Text("{}")),
    ],
    derive: |d| {
        d.rule(
            "off, as for every package on the reference host, until it was measured to pay",
            Value::text("off"),
        )
    },
};

/// Processor to compile for.
pub static RUST_TARGET_CPU: Knob = Knob {
    id: "rust-target-cpu",
    language: Language::Rust,
    kind: Kind::Text,
    class: Class::Output,
    summary: "Processor that rustc compiles for (`-C target-cpu`)",
    range: RangeRule::Name,
    effect: Effect {
        build_time: "none",
        memory: "none",
        run_time: "0.92 to 1.18, mostly noise",
        source: "measured on ripgrep, jaq and zopfli",
    },
    targets: &[
        Target::new(Place::Env, "CARGO_BUILD_RUSTFLAGS", Form::Text("-Ctarget-cpu={}")),
        Target::new(Place::CargoConfig, "build.rustflags", Form::Text("-Ctarget-cpu={}")),
    ],
    derive: |d| super::cpp::target_name(d, cpu::Compiler::Rustc, "rustc"),
};

/// Linker for Rust programs.
pub static RUST_LINKER: Knob = Knob {
    id: "rust-linker",
    language: Language::Rust,
    kind: Kind::Choice(&["mold", "lld", "gold", "bfd"]),
    class: Class::Output,
    summary: "Linker that rustc's compiler driver uses (`-fuse-ld`)",
    range: RangeRule::Any,
    effect: Effect {
        build_time: "a whole ripgrep build gains 5 % with mold",
        memory: "mold takes a third less than bfd",
        run_time: "none known",
        source: "measured; rustc itself links with lld on x86-64 since 1.90",
    },
    targets: &[
        Target::new(Place::Env, "CARGO_BUILD_RUSTFLAGS", Form::Text("-Clink-arg=-fuse-ld={}")),
        Target::new(Place::CargoConfig, "build.rustflags", Form::Text("-Clink-arg=-fuse-ld={}")),
    ],
    derive: |d| match linker::fastest(d) {
        Some("mold") => {
            d.rule("mold is installed and the C compiler accepts it", Value::text("mold"))
        }
        _ => d.rule("no mold: rustc's own choice stands", Value::Unset),
    },
};
