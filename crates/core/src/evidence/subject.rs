//! What a benchmark is about: the settings that a candidate was built with.
//!
//! Does not know whether the settings exist, nor what they are worth.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Settings that are tried together, for a package or for all.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub struct Change {
    /// The package that gets them; all when absent.
    pub package: Option<String>,
    /// Values by knob, as they are written on the command line.
    pub knobs: BTreeMap<String, String>,
}

impl Change {
    /// Whether both set a knob of the same package, so that only one of them can hold.
    pub fn conflicts_with(&self, other: &Self) -> bool {
        self.package == other.package
            && self.knobs.keys().any(|knob| other.knobs.contains_key(knob))
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let knobs: Vec<_> =
            self.knobs.iter().map(|(knob, value)| format!("{knob}={value}")).collect();
        let knobs = knobs.join(" ");
        match &self.package {
            Some(package) => f.pad(&format!("{package}: {knobs}")),
            None => f.pad(&knobs),
        }
    }
}

/// What the second command of a benchmark stands for, beside the first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Subject {
    /// The settings that the second was built with and the first was not.
    pub change: Change,
    /// What both commands do (`inflate`, `ed25519-sign`); results of one name are taken together.
    pub workload: String,
}
