//! What a knob is: one build setting with its range, its rule and the places it reaches.
//!
//! Does not know any particular knob; those stand in `catalogue`, one file a language.

use schemars::JsonSchema;
use serde::Serialize;

use super::derive::Derivation;
use super::range::RangeRule;
use crate::value::{Kind, Value};

/// What a knob belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Language {
    /// The machine as a whole: budget, threads, priority.
    System,
    /// Rust and Cargo.
    Rust,
    /// Go.
    Go,
    /// C and C++.
    Cpp,
    /// Linkers.
    Linker,
    /// CUDA.
    Cuda,
    /// Node.js and npm.
    Node,
    /// Python.
    Python,
    /// Nix.
    Nix,
}

impl Language {
    /// All of them, in the order in which they are shown.
    pub const ALL: &'static [Self] = &[
        Self::System,
        Self::Rust,
        Self::Go,
        Self::Cpp,
        Self::Linker,
        Self::Cuda,
        Self::Node,
        Self::Python,
        Self::Nix,
    ];

    /// The name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Rust => "rust",
            Self::Go => "go",
            Self::Cpp => "cpp",
            Self::Linker => "linker",
            Self::Cuda => "cuda",
            Self::Node => "node",
            Self::Python => "python",
            Self::Nix => "nix",
        }
    }
}

/// Whether a knob may be applied before anybody measured it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// Changes how a build runs and nothing about what it produces: applied as derived.
    Resource,
    /// Changes what is produced. A candidate until it was measured here or somebody sets it.
    Output,
}

/// What a knob does, and who says so.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
pub struct Effect {
    /// On the time that a build takes.
    pub build_time: &'static str,
    /// On the memory that a build takes.
    pub memory: &'static str,
    /// On the speed of what is built.
    pub run_time: &'static str,
    /// Source of the claims.
    pub source: &'static str,
}

/// Where a knob is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// An environment variable.
    Env,
    /// An environment variable of `ironwright build` only: right for building a finished package,
    /// wrong for a developer's shell.
    BuildEnv,
    /// A key of `.cargo/config.toml`.
    CargoConfig,
    /// A cache variable of a CMake preset.
    CmakeCache,
    /// The `jobs` of a CMake build preset.
    CmakeJobs,
    /// A variable of Go's own environment file.
    GoEnv,
    /// A key of `.npmrc`.
    Npmrc,
    /// A key of `nix.conf`.
    NixConf,
}

impl Place {
    /// How the place is named to a user.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Env => "environment",
            Self::BuildEnv => "environment of `ironwright build`",
            Self::CargoConfig => ".cargo/config.toml",
            Self::CmakeCache => "CMake preset",
            Self::CmakeJobs => "CMake build preset",
            Self::GoEnv => "go env",
            Self::Npmrc => ".npmrc",
            Self::NixConf => "nix.conf",
        }
    }
}

/// How a value is written at a place.
#[derive(Clone, Copy, Debug)]
pub enum Form {
    /// `{}` of the text is replaced by the value. A flag that is false writes nothing.
    Text(&'static str),
    /// The same with a size in whole MiB.
    Mib(&'static str),
    /// The same with a duration in seconds.
    Seconds(&'static str),
    /// A flag as `1` or `0`.
    Bit,
    /// A list, joined by the separator.
    Joined(&'static str),
    /// Depends on other knobs; the function sees them.
    With(fn(&mut Derivation<'_, '_>, &Value) -> Option<String>),
}

/// One place a knob reaches.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// The kind of place.
    pub place: Place,
    /// Variable or key.
    pub key: &'static str,
    /// How the value is written there; knobs with the same key are joined by spaces.
    pub form: Form,
    /// Written only beside another knob with the same key: `CFLAGS` without `-O2` would lose the
    /// optimisation level that build systems put there when the variable is not set.
    pub companion: bool,
}

impl Target {
    /// A target with a text form.
    pub const fn new(place: Place, key: &'static str, form: Form) -> Self {
        Self { place, key, form, companion: false }
    }

    /// The same, written only beside others.
    pub const fn companion(place: Place, key: &'static str, form: Form) -> Self {
        Self { place, key, form, companion: true }
    }
}

/// A build setting: its meaning, range, rule and targets.
#[derive(Debug)]
pub struct Knob {
    /// Name in profiles and on the command line.
    pub id: &'static str,
    /// What it belongs to.
    pub language: Language,
    /// How its value is written.
    pub kind: Kind,
    /// Whether it is applied as derived.
    pub class: Class,
    /// What it is, in one line.
    pub summary: &'static str,
    /// Values that make sense on a host.
    pub range: RangeRule,
    /// What it does.
    pub effect: Effect,
    /// The places it reaches.
    pub targets: &'static [Target],
    /// The default rule.
    pub derive: fn(&mut Derivation<'_, '_>) -> Value,
}
