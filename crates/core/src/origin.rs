//! Where a value comes from: the provenance that every value a user can see carries.
//!
//! Does not know the value, nor which origin wins; `profile` orders them.

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;

/// Where a value comes from, weakest first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(tag = "layer", rename_all = "kebab-case")]
pub enum Origin {
    /// The built-in profile that works on any machine.
    Universal,
    /// Computed by a knob's rule.
    Derived,
    /// Read from the machine.
    Detected {
        /// Path, command or rule.
        source: String,
    },
    /// A decision that rests on measurements: a generation of `ironwright apply`.
    Generation {
        /// Its number.
        number: u32,
        /// On trial.
        canary: bool,
    },
    /// A profile file.
    File {
        /// Path as the user gave it or as it was found.
        path: String,
        /// Line, counted from 1.
        line: usize,
    },
    /// `[packages.<name>]` of a profile file.
    Package {
        /// Package name.
        package: String,
        /// Path of the file.
        path: String,
        /// Line, counted from 1.
        line: usize,
    },
    /// An environment variable.
    Environment {
        /// Its name.
        variable: String,
    },
    /// A command line flag.
    Flag {
        /// As it was written.
        flag: String,
    },
}

impl Origin {
    /// True when a person chose the value, on whatever layer.
    pub const fn is_explicit(&self) -> bool {
        match self {
            Self::Universal | Self::Derived | Self::Detected { .. } | Self::Generation { .. } => {
                false
            }
            Self::File { .. }
            | Self::Package { .. }
            | Self::Environment { .. }
            | Self::Flag { .. } => true,
        }
    }
}

impl Origin {
    /// True when builds get an output knob's value: a person chose it, or it was measured to pay.
    pub const fn is_chosen(&self) -> bool {
        self.is_explicit() || matches!(self, Self::Generation { .. })
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::Universal => "universal default".to_owned(),
            Self::Derived => "derived".to_owned(),
            Self::Detected { source } => format!("detected: {source}"),
            Self::Generation { number, canary: false } => format!("generation {number}"),
            Self::Generation { number, canary: true } => format!("generation {number}, canary"),
            Self::File { path, line } => format!("{path}:{line}"),
            Self::Package { package, path, line } => format!("{path}:{line} [packages.{package}]"),
            Self::Environment { variable } => format!("environment: {variable}"),
            Self::Flag { flag } => format!("flag: {flag}"),
        };
        f.pad(&text)
    }
}
