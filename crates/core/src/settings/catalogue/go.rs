//! Knobs of Go.
//!
//! Does not know modules; a Go package's compile is small next to the other languages'.

use super::super::knob::{Class, Effect, Form, Knob, Language, Place, Target};
use super::super::range::RangeRule;
use super::system::{BUILD_THREADS, STATIC_MEMORY};
use crate::cpu;
use crate::units::{Bytes, GIB};
use crate::value::{Kind, Value};

/// All knobs of this file.
pub static KNOBS: &[&Knob] =
    &[&GO_BUILD_JOBS, &GO_MAX_PROCS, &GO_MEMORY_LIMIT, &GO_DEBUG, &GO_AMD64, &GO_ARM64];

/// Peak of a Go package's build: below 1 GB each on the reference host.
const COMPILE_PEAK: Bytes = Bytes::gib(1);

/// Packages compiled at a time.
pub static GO_BUILD_JOBS: Knob = Knob {
    id: "go-build-jobs",
    language: Language::Go,
    kind: Kind::Count,
    class: Class::Resource,
    summary: "Programs that `go build` runs at a time (`-p`)",
    range: RangeRule::TimesThreads(1, 2),
    effect: Effect {
        build_time: "shorter in proportion while packages are independent",
        memory: "below 1 GB for each",
        run_time: "none",
        source: "go help build; Go packages stay below 1 GB on the reference host",
    },
    targets: &[
        Target::new(Place::Env, "GOFLAGS", Form::Text("-p={}")),
        Target::new(Place::GoEnv, "GOFLAGS", Form::Text("-p={}")),
    ],
    derive: |d| {
        let threads = d.knob_count(&BUILD_THREADS);
        let memory = d.knob_size(&STATIC_MEMORY);
        let fit = d.fit(memory, COMPILE_PEAK, "a Go compile or link");
        d.least(&[("threads", threads), ("by memory", fit)])
    },
};

/// Threads of one Go program.
pub static GO_MAX_PROCS: Knob = Knob {
    id: "go-max-procs",
    language: Language::Go,
    kind: Kind::Count,
    class: Class::Resource,
    summary: "Threads that run Go code at a time in one Go program",
    range: RangeRule::TimesThreads(1, 1),
    effect: Effect {
        build_time: "more than the build may use only contend",
        memory: "little",
        run_time: "none: it is not set for what is built",
        source: "Go's runtime package, GOMAXPROCS",
    },
    targets: &[Target::new(Place::Env, "GOMAXPROCS", Form::Text("{}"))],
    derive: |d| {
        let threads = d.knob_count(&BUILD_THREADS);
        d.rule("as many as builds may use", Value::Count(threads))
    },
};

/// Soft memory limit of one Go program.
pub static GO_MEMORY_LIMIT: Knob = Knob {
    id: "go-memory-limit",
    language: Language::Go,
    kind: Kind::Bytes,
    class: Class::Resource,
    summary: "Memory above which a Go program collects garbage harder",
    range: RangeRule::Memory(GIB / 16),
    effect: Effect {
        build_time: "a compile near the limit spends more time collecting",
        memory: "each program of the tool chain stays near its share",
        run_time: "none: it is not set for what is built",
        source: "Go's runtime package, GOMEMLIMIT: a soft limit, for each process",
    },
    targets: &[Target::new(Place::Env, "GOMEMLIMIT", Form::Mib("{}MiB"))],
    derive: |d| {
        let memory = d.knob_size(&STATIC_MEMORY);
        let jobs = d.knob_count(&GO_BUILD_JOBS);
        let share = Bytes::mib((memory.0 / jobs.max(1) / Bytes::mib(256).0).max(1) * 256)
            .max(Bytes::mib(256))
            .min(memory);
        d.rule(
            format!("{memory} / {jobs} programs at a time, in steps of 256 MiB"),
            Value::Bytes(share),
        )
    },
};

/// Run-time debugging variables.
pub static GO_DEBUG: Knob = Knob {
    id: "go-debug",
    language: Language::Go,
    kind: Kind::Text,
    class: Class::Resource,
    summary: "Go's run-time variables while building",
    range: RangeRule::Any,
    effect: Effect {
        build_time: "none",
        memory: "freed pages are given back at once, so that they show as free",
        run_time: "none: it is not set for what is built",
        source: "Go's runtime package; the default since Go 1.16",
    },
    targets: &[Target::new(Place::Env, "GODEBUG", Form::Text("{}"))],
    derive: |d| {
        d.rule(
            "give freed memory back at once: other builds wait for it",
            Value::text("madvdontneed=1"),
        )
    },
};

/// x86-64 level.
pub static GO_AMD64: Knob = Knob {
    id: "go-amd64",
    language: Language::Go,
    kind: Kind::Choice(&["v1", "v2", "v3", "v4"]),
    class: Class::Output,
    summary: "x86-64 level that Go compiles for",
    range: RangeRule::Any,
    effect: Effect {
        build_time: "the standard library is compiled once for the level",
        memory: "none",
        run_time: "3 to 10 % (claimed, to be measured)",
        source: "Go wiki, MinimumRequirements: GOAMD64",
    },
    targets: &[
        Target::new(Place::Env, "GOAMD64", Form::Text("{}")),
        Target::new(Place::GoEnv, "GOAMD64", Form::Text("{}")),
    ],
    derive: |d| {
        if d.text("cpu.architecture").as_deref() != Some("x86_64") {
            return d.rule("not an x86-64 processor", Value::Unset);
        }
        let level = cpu::goamd64(&d.features());
        // v4 means AVX-512, whose benefit is the least certain: it stays behind v3 until measured.
        let capped = if level == "v4" { "v3" } else { level };
        d.rule(format!("the features reach {level}; at most v3 unmeasured"), Value::text(capped))
    },
};

/// Arm level.
pub static GO_ARM64: Knob = Knob {
    id: "go-arm64",
    language: Language::Go,
    kind: Kind::Text,
    class: Class::Output,
    summary: "Arm level that Go compiles for",
    range: RangeRule::Any,
    effect: Effect {
        build_time: "the standard library is compiled once for the level",
        memory: "none",
        run_time: "to be measured",
        source: "Go 1.23 release notes: GOARM64",
    },
    targets: &[
        Target::new(Place::Env, "GOARM64", Form::Text("{}")),
        Target::new(Place::GoEnv, "GOARM64", Form::Text("{}")),
    ],
    derive: |d| {
        if d.text("cpu.architecture").as_deref() != Some("aarch64") {
            return d.rule("not a 64-bit Arm processor", Value::Unset);
        }
        let level = cpu::goarm64(&d.features());
        d.rule("what the features reach", Value::text(level))
    },
};
