//! Variants that are built twice: with counters, and with what these counted while workloads trained.
//!
//! The training commands of a package's workloads make the profile; what is measured is other work.
//! Does not judge profiles.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ironwright_core::emit::shell::quote_posix;
use ironwright_core::pgo::{
    Addition, Level, Phase, Places, Toolchain, additions, cpython, training_environment,
};
use ironwright_core::trial::package::{Language, Workload, fill};
use ironwright_core::trial::treatment::Knobs;
use ironwright_host::pgo::tools::identify;
use ironwright_host::pgo::{Tools, collect};

use crate::error::CliError;

/// A variant's profile: how it is made, and where it lies.
pub(super) struct Profiled {
    tools: Tools,
    pub(super) level: Level,
    raw: PathBuf,
    merged: PathBuf,
    tree: PathBuf,
}

/// The level of a profile that is made here, beside the build.
pub(super) fn level(knobs: &Knobs, language: Language) -> Option<Level> {
    (language != Language::Cpython).then(|| level_of(knobs, language)).flatten()
}

/// The level of profiling that knobs ask for.
fn level_of(knobs: &Knobs, language: Language) -> Option<Level> {
    let wanted = knobs.get(language.pgo_level().id)?;
    Level::ALL.into_iter().find(|level| level.name() == wanted)
}

/// What CPython's configure script is told of the level; its makefile then trains by itself.
pub(super) fn configure(knobs: &Knobs, language: Language) -> String {
    let level = (language == Language::Cpython).then(|| level_of(knobs, language)).flatten();
    let arguments = level.map(cpython::configure).unwrap_or_default();
    arguments.iter().map(|argument| quote_posix(argument)).collect::<Vec<_>>().join(" ")
}

/// The commands that a level trains with.
pub(super) fn training(level: Level, workloads: &[Workload]) -> Vec<&str> {
    level.of_training(workloads).iter().map(|workload| workload.train.as_str()).collect()
}

impl Profiled {
    /// A profile that is to be made in a folder, of what is built in another.
    pub(super) fn new(
        level: Level,
        language: Language,
        compiler: &str,
        (folder, tree): (&Path, &Path),
    ) -> Result<Self, CliError> {
        let toolchain = match (language, compiler) {
            (Language::Rust, _) => Toolchain::Rustc,
            (Language::C | Language::Cpython, "clang") => Toolchain::Clang,
            (Language::C | Language::Cpython, _) => Toolchain::Gcc,
        };
        let name = if language == Language::Rust { "rustc" } else { compiler };
        let raw = folder.join("raw");
        std::fs::create_dir_all(&raw)
            .map_err(|error| CliError::Write { path: raw.clone(), error })?;
        let merged = folder.join("merged.profdata");
        Ok(Self { tools: identify(toolchain, name)?, level, raw, merged, tree: tree.to_owned() })
    }

    fn places(&self) -> Places<'_> {
        Places { raw: &self.raw, merged: &self.merged, build: &self.tree }
    }

    /// What a phase adds to the variables of a build.
    pub(super) fn additions(&self, phase: Phase) -> Vec<Addition> {
        additions(self.tools.toolchain, phase, self.level, &self.places())
    }

    /// The training commands as they are run, each in a shell.
    pub(super) fn training(&self, workloads: &[Workload], out: &Path) -> Vec<String> {
        let values = BTreeMap::from([("out", out.to_string_lossy().into_owned())]);
        let set = training_environment(self.tools.toolchain, &self.places());
        let set: Vec<_> = set
            .iter()
            .map(|(name, value)| format!("export {name}={}; ", quote_posix(value)))
            .collect();
        let set = set.concat();
        let commands = training(self.level, workloads);
        commands.into_iter().map(|command| format!("{set}{}", fill(command, &values))).collect()
    }

    /// Makes the profile of what training left; says how much of the program it knows.
    pub(super) fn collect(&self) -> Result<String, CliError> {
        let coverage = collect(&self.tools, &self.raw, &self.merged)?;
        let share = coverage.share().map_or_else(String::new, |s| format!(", {:.0} %", s * 100.0));
        Ok(format!("the training reached {} functions{share}", coverage.executed))
    }
}
