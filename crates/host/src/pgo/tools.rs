//! Finds the compiler and, for LLVM, the merger that reads what it writes, and tries both out.
//!
//! A version alone proves little (distributions build rustc with other LLVMs), so a program of a few lines
//! goes all the way before anything real is built. Does not know packages.

use std::path::{Path, PathBuf};

use ironwright_core::cpu::version::Version;
use ironwright_core::pgo::flags::compiler_flags;
use ironwright_core::pgo::{Level, Phase, Places, Toolchain, additions, llvm};

use super::{PgoError, ask, must, words};

/// What a profile is made with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tools {
    /// The toolchain.
    pub toolchain: Toolchain,
    /// Its compiler, as it is called.
    pub compiler: String,
    /// The first line of what it says of itself; a part of a profile's key.
    pub says: String,
    /// Its version.
    pub version: Version,
    /// The target that it compiles for (rustc).
    pub target: Option<String>,
    /// `llvm-profdata`, with the LLVM that it is of.
    pub merger: Option<(PathBuf, Version)>,
}

/// The compiler's own account of itself.
///
/// # Errors
/// Where it cannot be run, or is too old.
pub fn identify(toolchain: Toolchain, compiler: &str) -> Result<Tools, PgoError> {
    let argv = match toolchain {
        Toolchain::Rustc => words([compiler, "-vV"]),
        Toolchain::Go => words([compiler, "version"]),
        Toolchain::Gcc | Toolchain::Clang | Toolchain::Cpython => words([compiler, "--version"]),
    };
    let said = must(&argv, None, &[])?;
    let text = said.stdout;
    let first = text.lines().next().unwrap_or_default().to_owned();
    let version = match toolchain {
        Toolchain::Gcc | Toolchain::Cpython => gcc_version(compiler)?,
        Toolchain::Clang => llvm::version_of_compiler(toolchain, &text),
        Toolchain::Rustc | Toolchain::Go => Version::parse(&first),
    };
    let unknown = || PgoError::NoTool {
        program: compiler.to_owned(),
        why: format!("it says nothing of its version: {first}"),
    };
    let version = version.ok_or_else(unknown)?;
    if toolchain != Toolchain::Cpython {
        toolchain.accept(version)?;
    }
    let target = text.lines().find_map(|line| line.strip_prefix("host: ")).map(str::to_owned);
    let mut tools = Tools {
        toolchain,
        compiler: compiler.to_owned(),
        says: first,
        version,
        target,
        merger: None,
    };
    if toolchain.is_llvm() {
        tools.find_merger(&text)?;
    }
    Ok(tools)
}

/// The vendor's text in front (`gcc (Debian 12.2.0-14+deb12u1) 12.2.0`) has numbers, too.
fn gcc_version(compiler: &str) -> Result<Option<Version>, PgoError> {
    let said = must(&words([compiler, "-dumpfullversion", "-dumpversion"]), None, &[])?;
    Ok(Version::parse(&said.stdout))
}

impl Tools {
    /// Chooses the merger: the nearest that does what it should with a program of a few lines.
    fn find_merger(&mut self, text: &str) -> Result<(), PgoError> {
        let compiler = llvm::version_of_compiler(self.toolchain, text).unwrap_or(self.version);
        let mut found = mergers(self.sysroot().as_deref())?;
        llvm::by_fitness(compiler, &mut found);
        let versions: Vec<Version> = found.iter().map(|(version, _)| *version).collect();
        for (version, path) in found {
            self.merger = Some((path, version));
            match self.try_out() {
                Ok(()) => return Ok(()),
                Err(error @ PgoError::Interrupted(_)) => return Err(error),
                Err(_) => self.merger = None,
            }
        }
        Err(llvm::no_merger(self.toolchain, compiler, &versions).into())
    }

    /// The directory of rustc's own tools.
    fn sysroot(&self) -> Option<PathBuf> {
        if self.toolchain != Toolchain::Rustc {
            return None;
        }
        let said = ask(&words([&self.compiler, "--print", "sysroot"]), None, &[]).ok()?;
        let root = PathBuf::from(said.stdout.trim());
        Some(root.join("lib/rustlib").join(self.target.as_deref()?).join("bin"))
    }

    /// Instruments, runs, merges and uses, in a directory that is gone afterwards.
    ///
    /// # Errors
    /// Of the first step that does not work.
    pub fn try_out(&self) -> Result<(), PgoError> {
        let directory = tempfile::tempdir().map_err(PgoError::io(&std::env::temp_dir()))?;
        let at = |name: &str| directory.path().join(name);
        let (raw, merged) = (at("raw"), at("merged"));
        let source = at(if self.toolchain == Toolchain::Rustc { "a.rs" } else { "a.c" });
        let text = match self.toolchain {
            Toolchain::Rustc => "fn main() { std::process::exit(0) }\n",
            _ => "int main(void) { return 0; }\n",
        };
        std::fs::write(&source, text).map_err(PgoError::io(&source))?;
        let places = Places { raw: &raw, merged: &merged, build: directory.path() };
        for phase in [Phase::Instrument, Phase::Use] {
            let program = at("a");
            let mut argv = vec![self.compiler.clone(), "-O".to_owned()];
            argv.extend(self.flags(phase, &places));
            argv.extend([&source, Path::new("-o"), &program].map(|p| p.display().to_string()));
            let said = must(&argv, Some(directory.path()), &[])?;
            let matching = ironwright_core::pgo::messages::matching(&said.stderr);
            if let Some(why) = matching.unreadable.first() {
                return Err(PgoError::Unreadable { path: merged.clone(), why: why.clone() });
            }
            if phase == Phase::Instrument {
                let environment =
                    ironwright_core::pgo::training_environment(self.toolchain, &places);
                must(&[program.display().to_string()], Some(directory.path()), &environment)?;
                super::collect::merge(self, &raw, &merged)?;
            }
        }
        Ok(())
    }

    fn flags(&self, phase: Phase, places: &Places<'_>) -> Vec<String> {
        match self.toolchain {
            Toolchain::Rustc => additions(self.toolchain, phase, Level::Full, places)
                .into_iter()
                .flat_map(|addition| addition.flags)
                .collect(),
            _ => compiler_flags(self.toolchain, phase, Level::Full, places),
        }
    }
}

/// Where tools of LLVM may lie: on PATH, and in Debian's directories, one for each version.
pub(crate) fn directories_of_llvm() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let debian = std::fs::read_dir("/usr/lib").into_iter().flatten().flatten();
    let debian = debian.filter_map(|entry| {
        let is_one = entry.file_name().to_string_lossy().starts_with("llvm-");
        is_one.then(|| entry.path().join("bin"))
    });
    std::env::split_paths(&path).chain(debian).collect()
}

/// Every `llvm-profdata` with its LLVM, with a version in its name or without, that of rustc's sysroot first.
fn mergers(sysroot: Option<&Path>) -> Result<Vec<(Version, PathBuf)>, PgoError> {
    let directories = sysroot.map(Path::to_owned).into_iter().chain(directories_of_llvm());
    let mut seen = Vec::new();
    let mut found = Vec::new();
    for candidate in directories.flat_map(|directory| in_directory(&directory)) {
        let Ok(real) = std::fs::canonicalize(&candidate) else { continue };
        if seen.contains(&real) {
            continue;
        }
        seen.push(real);
        // Before 17 only its commands know their version.
        match ask(&words([&candidate.display().to_string(), "merge", "--version"]), None, &[]) {
            Ok(said) => {
                found.extend(llvm::version_of_tool(&said.stdout).map(|v| (v, candidate)));
            }
            Err(error @ PgoError::Interrupted(_)) => return Err(error),
            Err(_) => {}
        }
    }
    Ok(found)
}

fn in_directory(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let is_merger = |name: &str| {
        let rest = name.strip_prefix("llvm-profdata");
        rest.is_some_and(|rest| rest.chars().all(|c| c == '-' || c.is_ascii_digit()))
    };
    let mut found: Vec<_> = entries
        .filter(|entry| entry.file_name().to_str().is_some_and(is_merger))
        .map(|entry| entry.path())
        .collect();
    found.sort_unstable();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mergers_are_known_by_their_names() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["llvm-profdata", "llvm-profdata-19", "llvm-profdata.1", "llvm-profgen"] {
            std::fs::write(directory.path().join(name), "").unwrap();
        }
        let found = in_directory(directory.path());
        let names: Vec<_> =
            found.iter().map(|p| p.file_name().unwrap().to_str().unwrap()).collect();
        assert_eq!(names, ["llvm-profdata", "llvm-profdata-19"]);
    }
}
