//! What `build` will do: a source becomes a driver and the steps that the executor consumes.
//!
//! Pure: the caller lists the directory. Does not know how a step is run, nor what it needs in
//! memory.

mod registry;
mod source;

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Serialize;

use crate::cpu::version::Version;
pub use source::{SCHEMES, Source, SourceError};

/// A build system that is recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Driver {
    /// Cargo.toml.
    Cargo,
    /// CMakeLists.txt.
    Cmake,
    /// configure, or a Makefile.
    Make,
    /// go.mod.
    Go,
    /// package.json.
    Npm,
    /// pyproject.toml or setup.py.
    Python,
}

impl Driver {
    /// All of them, in the order in which a directory is searched. Build systems proper come
    /// before make, because many projects keep a Makefile of shortcuts beside them; Python comes
    /// first of all where pyproject.toml drives Cargo or CMake itself.
    pub const ALL: &'static [Self] =
        &[Self::Python, Self::Cargo, Self::Cmake, Self::Go, Self::Npm, Self::Make];

    /// The name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cargo => "cargo",
            Self::Cmake => "cmake",
            Self::Make => "make",
            Self::Go => "go",
            Self::Npm => "npm",
            Self::Python => "python",
        }
    }

    /// The files of which one must be there.
    pub const fn markers(self) -> &'static [&'static str] {
        match self {
            Self::Cargo => &["Cargo.toml"],
            Self::Cmake => &["CMakeLists.txt"],
            Self::Make => &["configure", "Makefile", "GNUmakefile", "makefile"],
            Self::Go => &["go.mod"],
            Self::Npm => &["package.json"],
            Self::Python => &["pyproject.toml", "setup.py"],
        }
    }

    /// The driver that a command belongs to (`/usr/bin/make` to make), if it is a build tool.
    pub fn of_command(program: &str) -> Option<Self> {
        let name = Path::new(program).file_name()?.to_str()?;
        match name {
            "cargo" | "rustc" => Some(Self::Cargo),
            "cmake" | "ninja" => Some(Self::Cmake),
            "make" | "gmake" => Some(Self::Make),
            "go" => Some(Self::Go),
            "npm" | "npx" | "node" | "pnpm" | "yarn" => Some(Self::Npm),
            _ if name.starts_with("python") || name.starts_with("pip") => Some(Self::Python),
            _ => None,
        }
    }

    /// Every driver whose marker is among the names of a directory, first choice first.
    pub fn recognise(names: &[String]) -> Vec<Self> {
        let has = |marker: &&str| names.iter().any(|name| name == marker);
        let is_cpython = is_cpython(names);
        let is_there = |driver: &Self| {
            driver.markers().iter().any(&has) && !(is_cpython && *driver == Self::Python)
        };
        Self::ALL.iter().copied().filter(is_there).collect()
    }
}

/// Whether these are the names in the folder of CPython itself, whose setup.py only its Makefile calls.
pub fn is_cpython(names: &[String]) -> bool {
    ["configure", "pyconfig.h.in", "Makefile.pre.in"]
        .iter()
        .all(|wanted| names.iter().any(|name| name == wanted))
}

/// How a jobserver's clients are told of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum JobserverStyle {
    /// Two inherited descriptors: every make, cargo, gcc's LTO.
    Pipe,
    /// A named pipe: make since 4.4, ninja since 1.13, cargo.
    Fifo,
}

/// The style that a driver's tools take part in, `None` when they take part in neither.
///
/// make 4.3 aborts on a fifo, so its version decides wherever a recipe or build script may call
/// it. ninja speaks the fifo only, and only since 1.13.
pub fn jobserver_style(
    driver: Option<Driver>,
    make: Option<&str>,
    ninja: Option<&str>,
) -> Option<JobserverStyle> {
    let at_least = |version: Option<&str>, wanted: (u16, u16)| {
        version.and_then(Version::parse).is_some_and(|v| (v.major, v.minor) >= wanted)
    };
    if driver == Some(Driver::Cmake) && ninja.is_some() {
        return at_least(ninja, (1, 13)).then_some(JobserverStyle::Fifo);
    }
    if make.is_none() || at_least(make, (4, 4)) {
        return Some(JobserverStyle::Fifo);
    }
    Some(JobserverStyle::Pipe)
}

/// One command of a build.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Step {
    /// What it does, for people.
    pub title: String,
    /// Program and arguments.
    pub argv: Vec<String>,
    /// Where it runs.
    pub cwd: PathBuf,
}

/// A build: the value that `--dry-run` prints and the executor consumes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct BuildPlan {
    /// What is built, as the user wrote it.
    pub source: String,
    /// Name under which overrides and history are looked up.
    pub package: String,
    /// The build system.
    pub driver: Driver,
    /// The commands, in order.
    pub steps: Vec<Step>,
    /// Where the result will be.
    pub output: PathBuf,
    /// Directory for what only the build needs; removed at its end, however it ends.
    pub scratch: Option<PathBuf>,
}

/// What a plan is made from besides the source.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// Names in the project's directory.
    pub names: Vec<String>,
    /// The project's directory, absolute.
    pub dir: PathBuf,
    /// Where results of crates go.
    pub output: PathBuf,
    /// A directory of this build's own for intermediate files of crates.
    pub scratch: PathBuf,
    /// The compilers that make or ninja may start when no jobserver can be served.
    pub jobs: u64,
    /// True when the build tool takes its jobs from a jobserver.
    pub jobserver: bool,
    /// CMake's generator choice: ninja is installed.
    pub ninja: bool,
    /// Offline: no registry may be asked.
    pub offline: bool,
    /// Driver chosen by the user.
    pub driver: Option<Driver>,
}

/// Why there is no plan.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// Nothing recognised.
    #[error(
        "no project recognised in {0}: none of Cargo.toml, CMakeLists.txt, go.mod, package.json, pyproject.toml, setup.py, configure or Makefile is there"
    )]
    NotRecognised(String),
    /// Only `nix` builds it.
    #[error("{0} is not built by this command yet")]
    NotYet(String),
}

/// The plan of a source.
pub fn plan(source: &Source, around: &Surroundings) -> Result<BuildPlan, PlanError> {
    match source {
        Source::Path(_) => path_plan(source, around),
        _ => registry::plan(source, around).ok_or_else(|| PlanError::NotYet(source.to_string())),
    }
}

fn step(title: &str, argv: &[&str], cwd: &Path) -> Step {
    let argv = argv.iter().map(|a| (*a).to_owned()).collect();
    Step { title: title.to_owned(), argv, cwd: cwd.to_owned() }
}

fn path_plan(source: &Source, around: &Surroundings) -> Result<BuildPlan, PlanError> {
    let recognised = Driver::recognise(&around.names).first().copied();
    let driver = around
        .driver
        .or(recognised)
        .ok_or_else(|| PlanError::NotRecognised(around.dir.display().to_string()))?;
    let package =
        around.dir.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
    let (steps, output) = match driver {
        Driver::Cargo => cargo(around),
        Driver::Cmake => cmake(around),
        Driver::Make => make(around),
        Driver::Go => go(around),
        Driver::Npm => npm(around),
        Driver::Python => python(around),
    };
    Ok(BuildPlan { source: source.to_string(), package, driver, steps, output, scratch: None })
}

fn has(around: &Surroundings, name: &str) -> bool {
    around.names.iter().any(|n| n == name)
}

fn cargo(around: &Surroundings) -> (Vec<Step>, PathBuf) {
    let mut build = step("build", &["cargo", "build", "--release"], &around.dir);
    if has(around, "Cargo.lock") {
        build.argv.push("--locked".to_owned());
    }
    if around.offline {
        build.argv.push("--offline".to_owned());
    }
    (vec![build], around.dir.join("target/release"))
}

fn cmake(around: &Surroundings) -> (Vec<Step>, PathBuf) {
    let build_dir = around.dir.join("build");
    let build_text = build_dir.to_string_lossy().into_owned();
    let mut configure = step("configure", &["cmake", "-S", ".", "-B", &build_text], &around.dir);
    configure.argv.push("-DCMAKE_BUILD_TYPE=Release".to_owned());
    // An existing build tree keeps the generator that it was configured with.
    if around.ninja && !has(around, "build") {
        configure.argv.extend(["-G".to_owned(), "Ninja".to_owned()]);
    }
    let build = step("build", &["cmake", "--build", &build_text], &around.dir);
    (vec![configure, build], build_dir)
}

fn make(around: &Surroundings) -> (Vec<Step>, PathBuf) {
    let mut steps = Vec::new();
    let makefile = ["Makefile", "GNUmakefile", "makefile"].iter().any(|m| has(around, m));
    if has(around, "configure") && !makefile {
        steps.push(step("configure", &["./configure"], &around.dir));
    }
    steps.push(step("build", &["make"], &around.dir));
    (steps, around.dir.clone())
}

fn go(around: &Surroundings) -> (Vec<Step>, PathBuf) {
    let out = around.dir.join("build");
    // A trailing separator makes go write one file for each main package, whatever their number.
    let flag = format!("{}/", out.display());
    let mkdir = step("prepare", &["mkdir", "-p", &flag], &around.dir);
    (vec![mkdir, step("build", &["go", "build", "-o", &flag, "./..."], &around.dir)], out)
}

fn npm(around: &Surroundings) -> (Vec<Step>, PathBuf) {
    let locked = has(around, "package-lock.json") || has(around, "npm-shrinkwrap.json");
    let mut install = step("install", &["npm", if locked { "ci" } else { "install" }], &around.dir);
    install.argv.extend(["--no-audit".to_owned(), "--no-fund".to_owned()]);
    if around.offline {
        install.argv.push("--offline".to_owned());
    }
    let build = step("build", &["npm", "run", "build", "--if-present"], &around.dir);
    (vec![install, build], around.dir.clone())
}

fn python(around: &Surroundings) -> (Vec<Step>, PathBuf) {
    let out = around.dir.join("dist");
    let out_text = out.to_string_lossy().into_owned();
    let mut wheel = step(
        "build",
        &["python3", "-m", "pip", "wheel", "--no-deps", "--wheel-dir", &out_text, "."],
        &around.dir,
    );
    if around.offline {
        wheel.argv.extend(["--no-index".to_owned(), "--no-build-isolation".to_owned()]);
    }
    (vec![wheel], out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_makefile_of_shortcuts_does_not_hide_the_build_system() {
        let names = ["Makefile", "Cargo.toml", "README.md"].map(str::to_owned);
        assert_eq!(Driver::recognise(&names), [Driver::Cargo, Driver::Make]);
    }

    #[test]
    fn cpython_is_configured_and_made() {
        let names = ["configure", "Makefile.pre.in", "pyconfig.h.in", "setup.py"];
        assert_eq!(Driver::recognise(&names.map(str::to_owned)), [Driver::Make]);
        assert_eq!(Driver::recognise(&["setup.py".to_owned()]), [Driver::Python]);
    }

    #[test]
    fn each_tool_gets_the_style_that_it_speaks() {
        let style = jobserver_style;
        assert_eq!(style(Some(Driver::Make), Some("4.3"), None), Some(JobserverStyle::Pipe));
        assert_eq!(style(Some(Driver::Make), Some("4.4.1"), None), Some(JobserverStyle::Fifo));
        assert_eq!(style(Some(Driver::Cargo), None, Some("1.11.1")), Some(JobserverStyle::Fifo));
        assert_eq!(style(Some(Driver::Cmake), Some("4.3"), Some("1.11.1")), None);
        assert_eq!(
            style(Some(Driver::Cmake), Some("4.3"), Some("1.13.0")),
            Some(JobserverStyle::Fifo)
        );
        assert_eq!(style(None, Some("4.3"), Some("1.13.0")), Some(JobserverStyle::Pipe));
    }

    #[test]
    fn an_autotools_tree_is_configured_once() {
        let around = |names: &[&str]| Surroundings {
            names: names.iter().map(|n| (*n).to_owned()).collect(),
            dir: "/src/zlib".into(),
            ..Surroundings::default()
        };
        let titles = |names: &[&str]| {
            let plan = plan(&Source::Path("x".into()), &around(names)).expect("is recognised");
            assert_eq!(plan.package, "zlib");
            plan.steps.iter().map(|s| s.title.clone()).collect::<Vec<_>>()
        };
        assert_eq!(titles(&["configure"]), ["configure", "build"]);
        assert_eq!(titles(&["configure", "Makefile"]), ["build"]);
    }
}
