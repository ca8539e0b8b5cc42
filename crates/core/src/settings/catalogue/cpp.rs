//! Knobs of C and C++: jobs of their build systems and flags of their compilers.
//!
//! Does not know linkers; those stand in `linker`.

use super::super::derive::Derivation;
use super::super::knob::{Class, Effect, Form, Knob, Language, Place, Target};
use super::super::range::RangeRule;
use super::system::{BUILD_THREADS, STATIC_MEMORY};
use crate::cpu::{self, Compiler, PsabiLevel};
use crate::units::Bytes;
use crate::value::{Kind, Value};

/// All knobs of this file.
pub static KNOBS: &[&Knob] = &[
    &CMAKE_BUILD_PARALLEL_LEVEL,
    &MAKE_JOBS,
    &C_OPT_LEVEL,
    &C_MARCH,
    &C_LTO,
    &C_SPLIT_DWARF,
    &ALLOCATOR,
];

/// 95th percentile of cc1plus: median 0.5 GiB, p95 1.6 GiB, largest 4 GiB in published builds;
/// 0.2 to 0.3 GB on ONNX Runtime.
const CC1PLUS_PEAK: Bytes = Bytes::mib(1638);

/// Compilers started by CMake's build tool at a time.
pub static CMAKE_BUILD_PARALLEL_LEVEL: Knob = Knob {
    id: "cmake-build-parallel-level",
    language: Language::Cpp,
    kind: Kind::Count,
    class: Class::Resource,
    summary: "Compilers that `cmake --build` starts at a time",
    range: RangeRule::TimesThreads(1, 2),
    effect: Effect {
        build_time: "shorter in proportion; one job left four fifths of the reference host idle for 16 hours",
        memory: "0.2 to 1.6 GiB for each compiler",
        run_time: "none",
        source: "CMake manual; ONNX Runtime was built with 6 jobs in the end",
    },
    targets: &[
        Target::new(Place::Env, "CMAKE_BUILD_PARALLEL_LEVEL", Form::Text("{}")),
        Target::new(Place::CmakeJobs, "jobs", Form::Text("{}")),
    ],
    derive: jobs,
};

/// Recipes that make runs at a time.
pub static MAKE_JOBS: Knob = Knob {
    id: "make-jobs",
    language: Language::Cpp,
    kind: Kind::Count,
    class: Class::Resource,
    summary: "Recipes that make or ninja run at a time; `ironwright run` serves them as jobserver tokens",
    range: RangeRule::TimesThreads(1, 2),
    effect: Effect {
        build_time: "shorter in proportion",
        memory: "0.2 to 1.6 GiB for each compiler",
        run_time: "none",
        source: "GNU make manual, Parallel Execution",
    },
    targets: &[Target::new(Place::Env, "MAKEFLAGS", Form::Text("-j{}"))],
    derive: jobs,
};

fn jobs(d: &mut Derivation<'_, '_>) -> Value {
    let threads = d.knob_count(&BUILD_THREADS);
    let memory = d.knob_size(&STATIC_MEMORY);
    let fit = d.fit(memory, CC1PLUS_PEAK, "a C++ compiler (95th percentile)");
    d.least(&[("threads", threads), ("by memory", fit)])
}

/// Optimisation level.
pub static C_OPT_LEVEL: Knob = Knob {
    id: "c-opt-level",
    language: Language::Cpp,
    kind: Kind::Choice(&["0", "1", "2", "3", "s", "g"]),
    class: Class::Output,
    summary: "Optimisation level of C and C++ (`-O`)",
    range: RangeRule::Any,
    effect: Effect {
        build_time: "-O3 compiles a little longer",
        memory: "little",
        run_time: "-O3 -march=native against -O2: from 0.40 to 1.72, see c-march",
        source: "measured on zlib, zstd, OpenSSL and libsodium with gcc 12.2 on Zen 4",
    },
    targets: &[
        Target::companion(Place::Env, "CFLAGS", Form::Text("-O{}")),
        Target::companion(Place::Env, "CXXFLAGS", Form::Text("-O{}")),
    ],
    derive: |d| {
        d.rule(
            "what distributions build with; -O3 did harm as often as good where it was measured",
            Value::text("2"),
        )
    },
};

/// Processor to compile for.
pub static C_MARCH: Knob = Knob {
    id: "c-march",
    language: Language::Cpp,
    kind: Kind::Text,
    class: Class::Output,
    summary: "Processor that the C and C++ compilers generate code for (`-march`)",
    range: RangeRule::Name,
    effect: Effect {
        build_time: "none",
        memory: "none",
        run_time: "Ed25519 0.67, BLAKE2b 0.40, CRC-32 1.72 where the compiler only knew the neighbour; x86-64-v3 harmed nothing",
        source: "measured on zlib, zstd, OpenSSL and libsodium with gcc 12.2 on Zen 4",
    },
    targets: &[
        Target::new(Place::Env, "CFLAGS", Form::Text("-march={}")),
        Target::new(Place::Env, "CXXFLAGS", Form::Text("-march={}")),
        Target::new(Place::CmakeCache, "CMAKE_C_FLAGS", Form::Text("-march={}")),
        Target::new(Place::CmakeCache, "CMAKE_CXX_FLAGS", Form::Text("-march={}")),
    ],
    derive: |d| {
        if d.text("tools.gcc").is_some() {
            return target_name(d, Compiler::Gcc, "gcc");
        }
        target_name(d, Compiler::Clang, "clang")
    },
};

/// The name that a compiler of the installed version accepts and this processor can run.
pub(super) fn target_name(d: &mut Derivation<'_, '_>, compiler: Compiler, tool: &str) -> Value {
    let Some(version) = d.text(&format!("tools.{tool}")) else {
        return d.rule(format!("{tool} is not installed"), Value::Unset);
    };
    let microarchitecture = d.text("cpu.microarchitecture");
    let psabi = d.text("cpu.psabi").and_then(|text| text.parse::<PsabiLevel>().ok());
    let features = d.features();
    let march = cpu::march(compiler, &version, microarchitecture.as_deref(), psabi, &features);
    let value = if march.name.is_empty() { Value::Unset } else { Value::text(march.name) };
    d.rule(march.reason, value)
}

/// Link-time optimisation.
pub static C_LTO: Knob = Knob {
    id: "c-lto",
    language: Language::Cpp,
    kind: Kind::Choice(&["off", "thin", "fat"]),
    class: Class::Output,
    summary: "Link-time optimisation of C and C++",
    range: RangeRule::Any,
    effect: Effect {
        build_time: "a thin link takes 1.3 to 1.5 times as long, a fat one 2 to 3 times (claimed)",
        memory: "4 to 6 GB a link (thin), 8 to 12 GB (fat)",
        run_time: "CPython 3.11: -O3, LTO and -march without PGO 1.05",
        source: "published peaks; CPython measured",
    },
    targets: &[
        Target::new(Place::Env, "CFLAGS", Form::With(lto_flag)),
        Target::new(Place::Env, "CXXFLAGS", Form::With(lto_flag)),
        Target::new(
            Place::CmakeCache,
            "CMAKE_INTERPROCEDURAL_OPTIMIZATION",
            Form::With(|_, value| (*value != Value::text("off")).then(|| "ON".to_owned())),
        ),
    ],
    derive: |d| {
        d.rule(
            "off until it was measured to pay: one fat link can take half of a desktop's memory",
            Value::text("off"),
        )
    },
};

/// gcc has one kind of LTO; `thin` is clang's, and what both understand is for who is not known.
fn lto_flag(d: &mut Derivation<'_, '_>, value: &Value) -> Option<String> {
    let (gcc, clang) = (d.text("tools.gcc").is_some(), d.text("tools.clang").is_some());
    match value {
        Value::Text(kind) if kind == "thin" && clang && !gcc => Some("-flto=thin".to_owned()),
        Value::Text(kind) if kind != "off" => {
            Some(if gcc { "-flto=auto" } else { "-flto" }.to_owned())
        }
        _ => None,
    }
}

/// Debug information in separate files.
pub static C_SPLIT_DWARF: Knob = Knob {
    id: "c-split-dwarf",
    language: Language::Cpp,
    kind: Kind::Flag,
    class: Class::Output,
    summary: "Debug information beside the objects, so that the linker need not read it",
    range: RangeRule::Any,
    effect: Effect {
        build_time: "shorter links of debug builds",
        memory: "less in the linker; nothing without -g",
        run_time: "none",
        source: "GCC manual, -gsplit-dwarf",
    },
    targets: &[
        Target::new(Place::Env, "CFLAGS", Form::Text("-gsplit-dwarf")),
        Target::new(Place::Env, "CXXFLAGS", Form::Text("-gsplit-dwarf")),
    ],
    derive: |d| d.rule("off: release builds carry no debug information", Value::Flag(false)),
};

/// Memory allocator of a program.
pub static ALLOCATOR: Knob = Knob {
    id: "allocator",
    language: Language::Cpp,
    kind: Kind::Choice(&["system", "jemalloc", "mimalloc"]),
    class: Class::Output,
    summary: "Allocator that programs are linked with, instead of the C library's",
    range: RangeRule::Any,
    effect: Effect {
        build_time: "none",
        memory: "none while building; running, 10 to 30 % less with jemalloc (claimed)",
        run_time: "to be measured",
        source: "published figures for Node.js and rustc with jemalloc",
    },
    targets: &[
        Target::new(Place::Env, "LDFLAGS", Form::With(|_, value| linked_with(value))),
        Target::new(
            Place::CmakeCache,
            "CMAKE_EXE_LINKER_FLAGS",
            Form::With(|_, value| linked_with(value)),
        ),
        Target::new(Place::Env, "CARGO_BUILD_RUSTFLAGS", Form::With(rust_linked_with)),
        Target::new(Place::CargoConfig, "build.rustflags", Form::With(rust_linked_with)),
    ],
    derive: |d| {
        d.rule("the C library's own until another was measured to pay", Value::text("system"))
    },
};

/// The flag that links a program with an allocator. The library stands before all objects, where a linker
/// that drops what nobody has asked for yet would drop it.
fn linked_with(value: &Value) -> Option<String> {
    match value {
        Value::Text(name) if name != "system" => {
            Some(format!("-Wl,--push-state,--no-as-needed,-l{name},--pop-state"))
        }
        _ => None,
    }
}

fn rust_linked_with(_: &mut Derivation<'_, '_>, value: &Value) -> Option<String> {
    linked_with(value).map(|flag| format!("-Clink-arg={flag}"))
}
