//! The commands that build one variant of a package: without a profile, with counters, or with a profile.
//!
//! Each variant has a folder of its own, and nothing is built in the user's. Does not know flags; they
//! reach compilers by variables and by names in front of PATH.

use std::path::{Path, PathBuf};

use super::{Phase, Toolchain, cpython};
use crate::build::{Driver, Step};

/// The variable that makes C and C++ compilers take the flags of a phase. Only the build proper sets it:
/// configure scripts test the plain compiler, so every variant is configured alike.
pub const SWITCH: &str = "IRONWRIGHT_PGO_FLAGS";

/// What a variant is built from and where.
#[derive(Clone, Debug)]
pub struct Ground<'a> {
    /// The build system.
    pub driver: Driver,
    /// The toolchain.
    pub toolchain: Toolchain,
    /// The folder of the project; of a crate, where cargo is called.
    pub source: &'a Path,
    /// Names in it.
    pub names: &'a [String],
    /// A crate of crates.io, by name and version.
    pub published: Option<(&'a str, Option<&'a str>)>,
    /// The variant's folder.
    pub variant: &'a Path,
    /// The target that rustc compiles for.
    pub target: Option<&'a str>,
    /// Whether ninja is there for CMake.
    pub ninja: bool,
    /// Whether no registry may be asked.
    pub offline: bool,
    /// What CPython trains with; `None` for its own training.
    pub task: Option<&'a str>,
}

/// The steps of a variant, and where its programs will be.
pub fn steps(ground: &Ground<'_>, phase: Option<Phase>) -> (Vec<Step>, PathBuf) {
    match (ground.toolchain, ground.driver) {
        (Toolchain::Cpython, _) => {
            let task = phase.map(|_| ground.task);
            (cpython::steps(ground.source, ground.variant, task), ground.variant.to_owned())
        }
        (_, Driver::Cargo) => cargo(ground, phase),
        (_, Driver::Go) => {
            let out = format!("{}/", ground.variant.display());
            let build = step("build", &["go", "build", "-o", &out, "./..."], ground.source);
            (vec![build], ground.variant.to_owned())
        }
        (_, Driver::Cmake) => cmake(ground, phase),
        _ => make(ground, phase),
    }
}

fn step(title: &str, argv: &[&str], cwd: &Path) -> Step {
    let argv = argv.iter().map(|word| (*word).to_owned()).collect();
    Step { title: title.to_owned(), argv, cwd: cwd.to_owned() }
}

/// A build step of C, with flags where there is a phase.
fn switched(argv: &[&str], cwd: &Path, phase: Option<Phase>) -> Step {
    let mut step = step("build", argv, cwd);
    if phase.is_some() {
        step.argv.splice(0..0, ["env".to_owned(), format!("{SWITCH}=1")]);
    }
    step
}

/// cargo is very verbose where a profile is used: it hides what compilers say of others' crates else.
fn cargo(ground: &Ground<'_>, phase: Option<Phase>) -> (Vec<Step>, PathBuf) {
    let mut argv = vec!["cargo".to_owned()];
    let out = ground.variant.join("out");
    let output = if let Some((name, version)) = ground.published {
        argv.extend(["install", name, "--locked", "--force", "--no-track"].map(str::to_owned));
        argv.extend(["--root".to_owned(), out.display().to_string()]);
        argv.extend(version.into_iter().flat_map(|v| ["--version".to_owned(), v.to_owned()]));
        out.join("bin")
    } else {
        argv.extend(["build", "--release"].map(str::to_owned));
        if ground.names.iter().any(|name| name == "Cargo.lock") {
            argv.push("--locked".to_owned());
        }
        ground.variant.join("target").join(ground.target.unwrap_or_default()).join("release")
    };
    if ground.offline {
        argv.push("--offline".to_owned());
    }
    if phase == Some(Phase::Use) {
        argv.push("-vv".to_owned());
    }
    let build = Step { title: "build".to_owned(), argv, cwd: ground.source.to_owned() };
    (vec![build], output)
}

fn cmake(ground: &Ground<'_>, phase: Option<Phase>) -> (Vec<Step>, PathBuf) {
    let (source, build) = (ground.source.to_string_lossy(), ground.variant.to_string_lossy());
    let mut configure = step("configure", &["cmake", "-S", &source, "-B", &build], ground.source);
    configure.argv.push("-DCMAKE_BUILD_TYPE=Release".to_owned());
    if ground.ninja {
        configure.argv.extend(["-G".to_owned(), "Ninja".to_owned()]);
    }
    let build = switched(&["cmake", "--build", &build], ground.source, phase);
    (vec![configure, build], ground.variant.to_owned())
}

/// Built in a copy. What is there already was configured and built elsewhere: a configure script runs
/// whatever makefile lies beside it, and what was built is cleaned away.
fn make(ground: &Ground<'_>, phase: Option<Phase>) -> (Vec<Step>, PathBuf) {
    let mut steps = Vec::new();
    if ground.names.iter().any(|name| name == "configure") {
        steps.push(step("configure", &["./configure"], ground.variant));
    }
    let clean = "make clean >/dev/null 2>&1 || :";
    steps.push(step("clean", &["sh", "-c", clean], ground.variant));
    steps.push(switched(&["make"], ground.variant, phase));
    (steps, ground.variant.to_owned())
}

/// Whether a variant is built in a copy of the source.
pub const fn wants_copy(driver: Driver, toolchain: Toolchain) -> bool {
    matches!(driver, Driver::Make) && !matches!(toolchain, Toolchain::Cpython)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commands(driver: Driver, toolchain: Toolchain, phase: Option<Phase>) -> String {
        let names = ["configure".to_owned(), "Cargo.lock".to_owned()];
        let ground = Ground {
            driver,
            toolchain,
            source: Path::new("/src"),
            names: &names,
            published: None,
            variant: Path::new("/v"),
            target: Some("x86_64-unknown-linux-gnu"),
            ninja: false,
            offline: true,
            task: None,
        };
        let (steps, output) = steps(&ground, phase);
        let lines: Vec<_> = steps.iter().map(|step| step.argv.join(" ")).collect();
        format!("{} -> {}", lines.join("; "), output.display())
    }

    #[test]
    fn every_driver_has_its_commands() {
        assert_eq!(
            commands(Driver::Cargo, Toolchain::Rustc, Some(Phase::Use)),
            "cargo build --release --locked --offline -vv -> /v/target/x86_64-unknown-linux-gnu/release"
        );
        assert_eq!(
            commands(Driver::Cmake, Toolchain::Gcc, None),
            "cmake -S /src -B /v -DCMAKE_BUILD_TYPE=Release; cmake --build /v -> /v"
        );
        assert_eq!(
            commands(Driver::Make, Toolchain::Clang, Some(Phase::Instrument)),
            "./configure; sh -c make clean >/dev/null 2>&1 || :; env IRONWRIGHT_PGO_FLAGS=1 make -> /v"
        );
        assert_eq!(commands(Driver::Go, Toolchain::Go, None), "go build -o /v/ ./... -> /v");
        assert_eq!(
            commands(Driver::Make, Toolchain::Cpython, Some(Phase::Use)),
            "/src/configure --enable-optimizations; make -> /v"
        );
    }
}
