//! Knobs of linkers.
//!
//! Does not know which build system calls the linker.

use super::super::derive::Derivation;
use super::super::knob::{Class, Effect, Form, Knob, Language, Place, Target};
use super::super::range::RangeRule;
use super::system::BUILD_THREADS;
use crate::cpu::version::Version;
use crate::value::{Kind, Value};

/// All knobs of this file.
pub static KNOBS: &[&Knob] = &[&LINKER, &LINKER_THREADS, &BOLT];

/// Linker of C and C++ programs.
pub static LINKER: Knob = Knob {
    id: "linker",
    language: Language::Linker,
    kind: Kind::Choice(&["mold", "lld", "gold", "bfd"]),
    class: Class::Output,
    summary: "Linker of C and C++ programs (`-fuse-ld`)",
    range: RangeRule::Any,
    effect: Effect {
        build_time: "against bfd on a 121 MB output: mold 7.0 times as fast, lld 5.4, gold 1.9",
        memory: "mold a third less than bfd",
        run_time: "none known",
        source: "measured; published: GNU ld 8 to 12 GB against mold 3 to 4 GB on ONNX Runtime",
    },
    targets: &[
        Target::new(Place::Env, "LDFLAGS", Form::Text("-fuse-ld={}")),
        Target::new(Place::CmakeCache, "CMAKE_EXE_LINKER_FLAGS", Form::Text("-fuse-ld={}")),
        Target::new(Place::CmakeCache, "CMAKE_SHARED_LINKER_FLAGS", Form::Text("-fuse-ld={}")),
    ],
    derive: |d| match fastest(d) {
        Some(linker) => d.rule(
            "the fastest that is installed and that the compiler accepts",
            Value::text(linker),
        ),
        None => d.rule("none but the default is installed", Value::Unset),
    },
};

/// The fastest installed linker that the C compiler accepts. `-fuse-ld=mold` came with gcc 12.1
/// and clang 12, `-fuse-ld=lld` with gcc 9.
pub(super) fn fastest(d: &mut Derivation<'_, '_>) -> Option<&'static str> {
    let gcc = d.text("tools.gcc").and_then(|v| Version::parse(&v));
    let clang = d.text("tools.clang").and_then(|v| Version::parse(&v));
    let accepts = |with_gcc: (u16, u16), with_clang: u16| match (gcc, clang) {
        (Some(gcc), _) => (gcc.major, gcc.minor) >= with_gcc,
        (None, Some(clang)) => clang.major >= with_clang,
        (None, None) => false,
    };
    if d.text("tools.mold").is_some() && accepts((12, 1), 12) {
        return Some("mold");
    }
    if d.text("tools.ld.lld").is_some() && accepts((9, 0), 5) {
        return Some("lld");
    }
    None
}

/// Threads of one link.
pub static LINKER_THREADS: Knob = Knob {
    id: "linker-threads",
    language: Language::Linker,
    kind: Kind::Count,
    class: Class::Output,
    summary: "Threads of one link, for linkers that use several",
    range: RangeRule::TimesThreads(1, 1),
    effect: Effect {
        build_time: "links do not gain much beyond four threads",
        memory: "little",
        run_time: "none",
        source: "mold(1) and ld.lld(1); the reference host came to 4",
    },
    targets: &[Target::new(Place::Env, "LDFLAGS", Form::With(threads_flag))],
    derive: |d| {
        let threads = d.knob_count(&BUILD_THREADS);
        d.least(&[("threads", threads), ("are enough for a link", 4)])
    },
};

/// Layout of programs after they were linked.
pub static BOLT: Knob = Knob {
    id: "bolt",
    language: Language::Linker,
    kind: Kind::Flag,
    class: Class::Output,
    summary: "Programs that llvm-bolt can lay out anew by a profile; `ironwright trial` does it",
    range: RangeRule::Any,
    effect: Effect {
        build_time: "trained and rewritten after the build; relocations make files larger",
        memory: "llvm-bolt holds the whole program, disassembled",
        run_time: "claimed 2 to 15 % for programs of many megabytes of code",
        source: "published figures of BOLT for Clang, GCC and HHVM",
    },
    targets: &[
        Target::new(Place::Env, "LDFLAGS", Form::Text("-Wl,--emit-relocs")),
        Target::new(Place::Env, "CFLAGS", Form::With(unsplit)),
        Target::new(Place::Env, "CXXFLAGS", Form::With(unsplit)),
        Target::new(
            Place::Env,
            "CARGO_BUILD_RUSTFLAGS",
            Form::Text("-Clink-arg=-Wl,--emit-relocs"),
        ),
    ],
    derive: |d| {
        d.rule("off: a profile needs training, and small programs gain nothing", Value::Flag(false))
    },
};

/// BOLT refuses functions that gcc has split already.
fn unsplit(d: &mut Derivation<'_, '_>, value: &Value) -> Option<String> {
    let is_gcc = *value == Value::Flag(true) && d.text("tools.gcc").is_some();
    is_gcc.then(|| "-fno-reorder-blocks-and-partition".to_owned())
}

fn threads_flag(d: &mut Derivation<'_, '_>, value: &Value) -> Option<String> {
    match d.knob(&LINKER) {
        Value::Text(linker) if linker == "mold" => Some(format!("-Wl,--thread-count={value}")),
        Value::Text(linker) if linker == "lld" => Some(format!("-Wl,--threads={value}")),
        _ => None,
    }
}
