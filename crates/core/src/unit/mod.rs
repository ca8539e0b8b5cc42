//! What a command line is going to compile or link, and what that is likely to take.
//!
//! A build starts thousands of processes. Most are questions or small; the few heavy ones are
//! recognised here by their arguments, given a key under which their past is found, and a first
//! guess for when they have none. Does not know files: paths are only names here, and whoever asks
//! adds up the sizes of a unit's inputs.

mod c_family;
mod cuda;
mod go;
mod key;
mod link;
mod made_up;
mod model;
mod nix;
mod other;
mod program;
#[cfg(test)]
mod properties;
mod rust;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

pub use model::Model;
pub use nix::{DerivationUnit, digest as derivation_digest};

use crate::govern::Forecast;
use key::Settings;

/// A command, as it is about to be started.
#[derive(Clone, Copy, Debug)]
pub struct Invocation<'a> {
    /// Program and arguments; response files (`@file`) are already replaced by what they contain.
    pub argv: &'a [String],
    /// Folder that it is started in.
    pub cwd: &'a Path,
    /// Variables that tell what is built (`CARGO_PKG_NAME`, `TOOLEXEC_IMPORTPATH` and the like).
    pub environment: &'a [(String, String)],
    /// Whether it reads a source from standard input.
    pub stdin_is_source: bool,
}

impl Invocation<'_> {
    /// A variable's value, when it is there and not empty.
    fn variable(&self, name: &str) -> Option<&str> {
        let (_, value) = self.environment.iter().find(|(key, _)| key == name)?;
        (!value.is_empty()).then_some(value.as_str())
    }
}

/// What a command is.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// A question to a compiler, such as `rustc -vV`, `gcc -dumpversion` or `compile -V=full`.
    Probe,
    /// Something that takes little, or that is not known: not worth asking for.
    Light,
    /// Something heavy.
    Unit(UnitFacts),
}

/// What is known about a heavy command.
#[derive(Clone, Debug, PartialEq)]
pub struct UnitFacts {
    /// The recognised tool (`rustc`, `g++`, `ld.lld`), without version and target.
    pub tool: String,
    /// What a person calls it (`regex-syntax`, `src/parser.cpp`). One line, never empty.
    pub label: String,
    /// Under this its past is kept: tool, what is made, its version, and a digest of the settings
    /// that matter. The same in another target folder. One line, never empty.
    pub key: String,
    /// The key of what needs something similar: other versions of the same thing, with settings
    /// that change little. One line, never empty.
    pub family: String,
    /// The package that is built, when the build tool tells it.
    pub package: Option<String>,
    /// What it reads, from the root. A folder stands for all sources below it. Some may not exist.
    pub inputs: Vec<PathBuf>,
    /// The first guess.
    pub model: Model,
}

impl UnitFacts {
    /// What it is expected to take when nothing like it was measured. `input_bytes` is the sum of
    /// the sizes of [`inputs`](Self::inputs).
    pub fn forecast(&self, input_bytes: u64) -> Forecast {
        self.model.forecast(input_bytes)
    }
}

/// Facts before they have keys.
struct Draft {
    tool: String,
    /// Kind of step (`compile`, `link`, `lib`).
    step: String,
    /// What is made, with its version.
    subject: String,
    label: String,
    package: Option<String>,
    settings: Settings,
    inputs: Vec<PathBuf>,
    model: Model,
}

impl Draft {
    fn unit(self) -> Kind {
        let general = key::without_versions(&self.subject);
        let coarse = self.settings.coarse_digest();
        let fine = self.settings.digest();
        Kind::Unit(UnitFacts {
            key: key::joined(&[&self.tool, &self.step, &self.subject, &fine]),
            family: key::joined(&[&self.tool, &self.step, &general, &coarse]),
            label: key::clean(&self.label),
            package: self.package.as_deref().map(key::clean),
            tool: key::clean(&self.tool),
            inputs: self.inputs,
            model: self.model,
        })
    }
}

/// Whether programs of this name may turn out to be units, whatever their version and target.
pub fn may_be_a_unit(name: &str) -> bool {
    program::Family::of(&program::base_name(name)).is_some()
}

/// Whether programs of this name compile C or C++ and can be answered for by a cache.
pub fn compiles_c(name: &str) -> bool {
    let base = program::base_name(name);
    matches!(base.as_str(), "cc" | "c++" | "gcc" | "g++" | "clang" | "clang++")
}

/// Says what a command is.
pub fn recognise(invocation: &Invocation<'_>) -> Kind {
    let Some((program, arguments)) = invocation.argv.split_first() else { return Kind::Light };
    if program == nix::PROGRAM {
        return nix::recognise(invocation);
    }
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    if let Some(tool) = go::tool(program) {
        return go::recognise(invocation, tool, &arguments);
    }
    let name = program::base_name(program);
    match program::Family::of(&name) {
        Some(program::Family::Rust) => rust::recognise(invocation, &name, &arguments),
        Some(program::Family::C) => c_family::recognise(invocation, &name, &arguments),
        Some(program::Family::Cuda) => cuda::recognise(invocation, &name, &arguments),
        Some(program::Family::Linker) => link::recognise(invocation, &name, &arguments),
        Some(program::Family::Other) => other::recognise(invocation, &name, &arguments),
        None => Kind::Light,
    }
}

/// Names of something that another tool's log tells of, without the command that made it. A
/// command's own key has its settings in it, so the two never meet.
pub fn logged(tool: &str, subject: &str, label: &str) -> UnitFacts {
    UnitFacts {
        tool: key::clean(tool),
        label: key::clean(label),
        key: key::joined(&[tool, "logged", subject]),
        family: key::joined(&[tool, "logged", &key::without_versions(subject)]),
        package: None,
        inputs: Vec::new(),
        model: UNKNOWN,
    }
}

/// What a path is called in a key: its last components, after the innermost folder above them that
/// carries a version.
pub fn place(folder: &Path, path: &str) -> String {
    key::place(folder, path)
}

/// Memory of a command that nothing is known of.
const UNKNOWN: Model = Model::object(256, 0.0);

/// Facts of a command that a user declared to be a unit, whatever it is. A name becomes the key.
pub fn explicit(invocation: &Invocation<'_>, name: Option<&str>) -> UnitFacts {
    let mut facts = match recognise(invocation) {
        Kind::Unit(facts) => facts,
        Kind::Probe | Kind::Light => unknown(invocation),
    };
    if let Some(name) = name.filter(|name| !name.trim().is_empty()) {
        facts.key = key::clean(name);
        facts.label.clone_from(&facts.key);
        if facts.model == UNKNOWN {
            facts.family = key::clean(&key::without_versions(name));
        }
    }
    facts
}

/// Everything in the command line counts, since nobody knows what matters.
fn unknown(invocation: &Invocation<'_>) -> UnitFacts {
    let tool = invocation.argv.first().map_or_else(|| key::clean(""), |it| key::file_name(it));
    let arguments = invocation.argv.get(1..).unwrap_or_default();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let digest = key::digest(words.iter().copied());
    let subject = key::clean(&words.join(" "));
    let label = key::joined(&[&tool, if words.is_empty() { "" } else { &subject }]);
    let place = key::place(invocation.cwd, ".");
    let family = key::joined(&["unit", &tool, &key::without_versions(&place)]);
    let key = key::joined(&["unit", &tool, &place, &digest]);
    let package = invocation.variable("CARGO_PKG_NAME").map(key::clean);
    UnitFacts { tool, label, key, family, package, inputs: Vec::new(), model: UNKNOWN }
}
