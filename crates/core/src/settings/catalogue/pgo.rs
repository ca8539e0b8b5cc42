//! Knobs of profile-guided optimisation: a level for each language that `ironwright pgo` builds.
//!
//! Those of CPython and Node.js themselves stand with their languages. Does not know training commands,
//! without which no level can be built.

use super::super::derive::Derivation;
use super::super::knob::{Class, Effect, Knob, Language};
use super::super::range::RangeRule;
use crate::value::{Kind, Value};

/// All knobs of this file.
pub static KNOBS: &[&Knob] = &[&RUST_PGO_LEVEL, &C_PGO_LEVEL, &GO_PGO_LEVEL];

const LEVELS: Kind = Kind::Choice(&["FULL", "LIGHT", "NONE"]);

/// Profile-guided optimisation of Rust programs.
pub static RUST_PGO_LEVEL: Knob = Knob {
    id: "rust-pgo-level",
    language: Language::Rust,
    kind: LEVELS,
    class: Class::Output,
    summary: "Profile-guided optimisation of Rust programs (`ironwright pgo`)",
    range: RangeRule::Any,
    effect: Effect {
        build_time: "built twice, trained in between",
        memory: "counters and profiles take a little more in the compiler",
        run_time: "claimed 8 to 15 %, up to 30 % in compilers and parsers",
        source: "rustc book, Profile-guided Optimization; published figures",
    },
    targets: &[],
    derive: none,
};

/// Profile-guided optimisation of C and C++ programs.
pub static C_PGO_LEVEL: Knob = Knob {
    id: "c-pgo-level",
    language: Language::Cpp,
    kind: LEVELS,
    class: Class::Output,
    summary: "Profile-guided optimisation of C and C++ programs (`ironwright pgo`)",
    range: RangeRule::Any,
    effect: Effect {
        build_time: "built twice, trained in between",
        memory: "counters and profiles take a little more in the compiler",
        run_time: "claimed 10 to 30 %",
        source: "GCC and Clang manuals; published figures",
    },
    targets: &[],
    derive: none,
};

/// Profile-guided optimisation of Go programs.
pub static GO_PGO_LEVEL: Knob = Knob {
    id: "go-pgo-level",
    language: Language::Go,
    kind: LEVELS,
    class: Class::Output,
    summary: "Profile-guided optimisation of Go programs (`ironwright pgo`)",
    range: RangeRule::Any,
    effect: Effect {
        build_time: "built twice, trained in between; the whole standard library with it",
        memory: "little",
        run_time: "claimed 2 to 14 %",
        source: "go.dev/doc/pgo, of Go 1.22",
    },
    targets: &[],
    derive: none,
};

fn none(d: &mut Derivation<'_, '_>) -> Value {
    d.rule(
        "a profile needs training commands, which only somebody who knows the program can give",
        Value::text("NONE"),
    )
}
