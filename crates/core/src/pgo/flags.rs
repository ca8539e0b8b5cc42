//! The flags and variables that a phase adds to a build and to its training.
//!
//! Does not know which variables a user has set; whoever runs the build appends to them.

use std::path::Path;

use schemars::JsonSchema;
use serde::Serialize;

use super::{Level, Toolchain};

/// A build with counters, or one with what they counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Counters are built in.
    Instrument,
    /// The profile is used.
    Use,
}

/// Where things are; all absolute.
#[derive(Clone, Copy, Debug)]
pub struct Places<'a> {
    /// What running programs write: a directory.
    pub raw: &'a Path,
    /// The merged profile: a file, which GCC does without.
    pub merged: &'a Path,
    /// The directory that the build runs in. It may be another one in each phase.
    pub build: &'a Path,
}

/// Flags that are appended to a variable of the build, parted by spaces.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Addition {
    /// `CARGO_BUILD_RUSTFLAGS`, `CFLAGS`, `CXXFLAGS`, `LDFLAGS` or `GOFLAGS`.
    pub variable: &'static str,
    /// The flags, in order.
    pub flags: Vec<String>,
}

/// What a phase appends to a build's variables. CPython's makefile has targets instead (`cpython`), and
/// Go's first phase needs a changed main package (`pprof`) where the training writes no profile itself.
///
/// The flags of rustc stand in `CARGO_BUILD_RUSTFLAGS`, which `RUSTFLAGS` overrides: where a user set
/// that one, they belong there.
pub fn additions(
    toolchain: Toolchain,
    phase: Phase,
    level: Level,
    places: &Places<'_>,
) -> Vec<Addition> {
    let one = |variable, flags| vec![Addition { variable, flags }];
    match (toolchain, phase) {
        (Toolchain::Rustc, _) => one("CARGO_BUILD_RUSTFLAGS", rustc(phase, level, places)),
        (Toolchain::Gcc | Toolchain::Clang, _) => {
            let flags = compiler_flags(toolchain, phase, level, places);
            ["CFLAGS", "CXXFLAGS", "LDFLAGS"]
                .map(|variable| Addition { variable, flags: flags.clone() })
                .into()
        }
        (Toolchain::Go, Phase::Use) => {
            one("GOFLAGS", vec![format!("-pgo={}", places.merged.display())])
        }
        (Toolchain::Go, Phase::Instrument) => one("GOFLAGS", vec!["-pgo=off".to_owned()]),
        (Toolchain::Cpython, _) => Vec::new(),
    }
}

/// What a C or C++ compiler is told, compiling and linking; empty for other toolchains.
pub fn compiler_flags(
    toolchain: Toolchain,
    phase: Phase,
    level: Level,
    places: &Places<'_>,
) -> Vec<String> {
    match toolchain {
        Toolchain::Gcc => gcc(phase, level, places),
        Toolchain::Clang => clang(phase, level, places),
        Toolchain::Rustc | Toolchain::Go | Toolchain::Cpython => Vec::new(),
    }
}

/// What a training command's environment says of where profiles go. Programs know it themselves; only
/// what must not go elsewhere is said here.
pub fn training_environment(toolchain: Toolchain, places: &Places<'_>) -> Vec<(String, String)> {
    let raw = places.raw.display();
    match toolchain {
        // %p and %m: a file for each process would fill a disk, so those of one program are merged as
        // they end (Clang manual, "Profiling with Instrumentation").
        Toolchain::Rustc | Toolchain::Clang => {
            vec![("LLVM_PROFILE_FILE".to_owned(), format!("{raw}/%4m.profraw"))]
        }
        Toolchain::Go => vec![(super::pprof::DIRECTORY.to_owned(), raw.to_string())],
        Toolchain::Gcc | Toolchain::Cpython => Vec::new(),
    }
}

fn rustc(phase: Phase, level: Level, places: &Places<'_>) -> Vec<String> {
    match phase {
        Phase::Instrument => {
            let mut flags = vec![format!("-Cprofile-generate={}", places.raw.display())];
            if level == Level::Light {
                flags.push("-Cllvm-args=-disable-vp".to_owned());
            }
            flags
        }
        Phase::Use => vec![
            format!("-Cprofile-use={}", places.merged.display()),
            "-Cllvm-args=-pgo-warn-missing-function".to_owned(),
        ],
    }
}

/// Profiles of intermediate code, which see what was inlined, rather than of the source.
fn clang(phase: Phase, level: Level, places: &Places<'_>) -> Vec<String> {
    let option = |text: &str| ["-mllvm".to_owned(), text.to_owned()];
    match phase {
        Phase::Instrument => {
            let mut flags = vec![format!("-fprofile-generate={}", places.raw.display())];
            if level == Level::Light {
                flags.extend(option("-disable-vp"));
            }
            flags
        }
        Phase::Use => {
            let mut flags = vec![format!("-fprofile-use={}", places.merged.display())];
            flags.extend(option("-pgo-warn-missing-function"));
            // A changed function loses its profile; that is told, and does not end the build. A recorded
            // command line is what `verify` knows a profiled program by.
            flags.extend(["-Wno-error=backend-plugin", "-frecord-command-line"].map(str::to_owned));
            flags
        }
    }
}

/// LIGHT counts arcs alone and uses them for probabilities; FULL has values too, and the passes that
/// `-fprofile-use` brings. Threads add to counters atomically, else counts are lost. What the training
/// did not reach is optimised as without a profile, not for size.
fn gcc(phase: Phase, level: Level, places: &Places<'_>) -> Vec<String> {
    let raw = places.raw.display();
    let mut flags = vec![format!("-fprofile-prefix-path={}", places.build.display())];
    match (phase, level) {
        (Phase::Instrument, Level::Full) => flags.push(format!("-fprofile-generate={raw}")),
        (Phase::Instrument, Level::Light) => {
            flags.extend(["-fprofile-arcs".to_owned(), format!("-fprofile-dir={raw}")]);
        }
        (Phase::Use, Level::Full) => flags.push(format!("-fprofile-use={raw}")),
        (Phase::Use, Level::Light) => {
            flags.extend(["-fbranch-probabilities".to_owned(), format!("-fprofile-dir={raw}")]);
        }
    }
    flags.extend(
        match phase {
            Phase::Instrument => &["-fprofile-update=atomic"][..],
            Phase::Use => &[
                "-fprofile-partial-training",
                "-Wmissing-profile",
                "-Wno-error=missing-profile",
                "-Wno-error=coverage-mismatch",
                "-frecord-gcc-switches",
            ],
        }
        .iter()
        .map(|flag| (*flag).to_owned()),
    );
    flags
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(toolchain: Toolchain, phase: Phase, level: Level) -> String {
        let places = Places {
            raw: Path::new("/p/raw"),
            merged: Path::new("/p/merged"),
            build: Path::new("/b"),
        };
        let added = additions(toolchain, phase, level, &places);
        let line = |a: &Addition| format!("{}={}", a.variable, a.flags.join(" "));
        added.iter().map(line).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn each_toolchain_is_told_in_its_words() {
        use {Level as L, Phase as P, Toolchain as T};
        assert_eq!(
            text(T::Rustc, P::Instrument, L::Light),
            "CARGO_BUILD_RUSTFLAGS=-Cprofile-generate=/p/raw -Cllvm-args=-disable-vp"
        );
        assert!(text(T::Rustc, P::Use, L::Full).contains("-Cprofile-use=/p/merged"));
        assert_eq!(text(T::Go, P::Use, L::Full), "GOFLAGS=-pgo=/p/merged");
        assert_eq!(text(T::Cpython, P::Use, L::Full), "");
        let gcc = text(T::Gcc, P::Instrument, L::Full);
        assert!(gcc.contains(
            "LDFLAGS=-fprofile-prefix-path=/b -fprofile-generate=/p/raw -fprofile-update=atomic"
        ));
        let light = text(T::Gcc, P::Use, L::Light);
        assert!(light.contains("-fbranch-probabilities -fprofile-dir=/p/raw"), "{light}");
        assert!(!light.contains("-fprofile-use"));
        assert!(text(T::Clang, P::Use, L::Full).contains("CXXFLAGS=-fprofile-use=/p/merged"));
    }

    #[test]
    fn trainings_are_told_where_to_write() {
        let places =
            Places { raw: Path::new("/r"), merged: Path::new("/m"), build: Path::new("/b") };
        let llvm = training_environment(Toolchain::Clang, &places);
        assert_eq!(llvm, [("LLVM_PROFILE_FILE".to_owned(), "/r/%4m.profraw".to_owned())]);
        assert!(training_environment(Toolchain::Gcc, &places).is_empty());
    }
}
