//! Which name of the host's processor each version of a compiler takes.
//!
//! Nix packages bring compilers of their own, so the name that the host's compiler takes says
//! nothing about theirs. Does not know which compiler a package is built with.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use crate::cpu::{Compiler, PsabiLevel, march};
use crate::profile::Profile;
use crate::value::Value;

/// From a version of a compiler on, the name to give it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Accepted {
    /// The first version, such as `13.1`.
    pub from: String,
    /// For `-march` or `-C target-cpu`.
    pub name: String,
}

/// The names for gcc, clang and rustc, newest version first; empty on an unknown architecture.
pub fn accepted(profile: &Profile) -> BTreeMap<String, Vec<Accepted>> {
    [Compiler::Gcc, Compiler::Clang, Compiler::Rustc]
        .into_iter()
        .map(|compiler| (compiler.name().to_owned(), of(profile, compiler)))
        .collect()
}

/// Releases in which names were added: minor ones of old majors among them, as gcc 12.3 shows.
fn versions(compiler: Compiler) -> Vec<String> {
    match compiler {
        Compiler::Gcc => (8..=17)
            .flat_map(|major| (1..=5).map(move |minor| format!("{major}.{minor}")))
            .collect(),
        Compiler::Clang => (9..=23).map(|major| format!("{major}.0")).collect(),
        Compiler::Rustc => (56..=99).map(|minor| format!("1.{minor}")).collect(),
    }
}

fn of(profile: &Profile, compiler: Compiler) -> Vec<Accepted> {
    let text = |key: &str| match profile.host(key).value {
        Value::Text(text) => Some(text),
        _ => None,
    };
    let features = match profile.host("cpu.features").value {
        Value::List(items) => items.into_iter().collect(),
        _ => std::collections::BTreeSet::new(),
    };
    let microarchitecture = text("cpu.microarchitecture");
    let psabi = text("cpu.psabi").and_then(|text| text.parse::<PsabiLevel>().ok());
    let mut found: Vec<Accepted> = Vec::new();
    for version in versions(compiler) {
        let name = march(compiler, &version, microarchitecture.as_deref(), psabi, &features).name;
        if !name.is_empty() && found.last().is_none_or(|last| last.name != name) {
            found.push(Accepted { from: version, name });
        }
    }
    found.reverse();
    found
}
