//! Knobs of Python: CPython itself, and extensions in other languages.
//!
//! Does not know packages.

use super::super::knob::{Class, Effect, Form, Knob, Language, Place, Target};
use super::super::range::RangeRule;
use super::system::MEMORY_BUDGET;
use crate::units::Bytes;
use crate::value::{Kind, Value};

/// All knobs of this file.
pub static KNOBS: &[&Knob] = &[&PYTHON_BUILD_JOBS, &PYTHON_PGO_LEVEL];

/// Compilers that extension builds start.
pub static PYTHON_BUILD_JOBS: Knob = Knob {
    id: "python-build-jobs",
    language: Language::Python,
    kind: Kind::Count,
    class: Class::Resource,
    summary: "Compilers that builds of Python extensions start at a time",
    range: RangeRule::TimesThreads(1, 2),
    effect: Effect {
        build_time: "shorter in proportion",
        memory: "0.2 to 1.6 GiB for each compiler",
        run_time: "none",
        source: "PyTorch's cpp_extension (MAX_JOBS), NumPy's distutils (NPY_NUM_BUILD_JOBS)",
    },
    targets: &[
        Target::new(Place::Env, "MAX_JOBS", Form::Text("{}")),
        Target::new(Place::Env, "NPY_NUM_BUILD_JOBS", Form::Text("{}")),
    ],
    derive: |d| {
        let jobs = d.knob_count(&super::cpp::CMAKE_BUILD_PARALLEL_LEVEL);
        d.rule("as for other C++", Value::Count(jobs))
    },
};

/// Memory that CPython's training run takes: 8 to 12 GB.
const FULL_PGO_PEAK: Bytes = Bytes::gib(12);
/// Half of the training set, half of the peak.
const LIGHT_PGO_PEAK: Bytes = Bytes::gib(6);

/// How much profile-guided optimisation CPython gets.
pub static PYTHON_PGO_LEVEL: Knob = Knob {
    id: "python-pgo-level",
    language: Language::Python,
    kind: Kind::Choice(&["FULL", "LIGHT", "NONE"]),
    class: Class::Output,
    summary: "Profile-guided optimisation of CPython",
    range: RangeRule::Any,
    effect: Effect {
        build_time: "FULL 45 to 90 minutes, LIGHT about 45, NONE about 20 (claimed)",
        memory: "8 to 12 GB while training (claimed)",
        run_time: "CPython 3.11: PGO and -march 1.10; claimed 10 to 30 %",
        source: "measured on gcc 12.2, Zen 4; the rest are published figures",
    },
    targets: &[],
    derive: |d| {
        let budget = d.knob_size(&MEMORY_BUDGET);
        let level = match budget {
            b if b >= FULL_PGO_PEAK => "FULL",
            b if b >= LIGHT_PGO_PEAK => "LIGHT",
            _ => "NONE",
        };
        d.rule(
            format!("{budget} for builds; FULL needs {FULL_PGO_PEAK}, LIGHT {LIGHT_PGO_PEAK}"),
            Value::text(level),
        )
    },
};
