//! What `ironwright pgo` will do: the value that `--dry-run` prints and that is carried out.
//!
//! Does not start anything but compilers' own accounts of themselves.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ironwright_core::build::{BuildPlan, Driver, Source, is_cpython};
use ironwright_core::inventory::split_words;
use ironwright_core::pgo::flags::compiler_flags;
use ironwright_core::pgo::steps::{Ground, steps};
use ironwright_core::pgo::{Level, Phase, Places, Toolchain, additions, cpython};
use ironwright_core::value::Value;
use ironwright_host::inventory::{crate_directory, write_lock};
use ironwright_host::pgo::inputs::inputs;
use ironwright_host::pgo::tools::{Tools, identify};
use ironwright_host::tree;
use schemars::JsonSchema;
use serde::Serialize;

use super::{PgoArgs, sources};
use crate::commands::build::package_name;
use crate::context::{Context, Directories};
use crate::error::CliError;
use crate::execute::{Execution, Joint, Variable};
use crate::governance;
use crate::sources::kept_as;
use crate::ui::{DIM, HEADING, paint};

/// Everything that is decided.
pub(super) struct Plan {
    pub(super) shown: PgoPlan,
    pub(super) tools: Tools,
    pub(super) driver: Driver,
    /// Variants by name.
    pub(super) variants: BTreeMap<&'static str, Variant>,
    /// The folder of a project.
    pub(super) source: PathBuf,
    /// Whether `cc` is of this toolchain.
    pub(super) generic: bool,
}

/// One variant of the package.
pub(super) struct Variant {
    pub(super) phase: Option<Phase>,
    /// Its folder.
    pub(super) folder: PathBuf,
    /// Where its programs are.
    pub(super) output: PathBuf,
    pub(super) execution: Execution,
    /// What its C and C++ compilers are told besides.
    pub(super) flags: Vec<String>,
}

/// Without a profile.
pub(super) const BASELINE: &str = "baseline";
/// With counters.
pub(super) const INSTRUMENTED: &str = "instrumented";
/// With a profile.
pub(super) const OPTIMISED: &str = "optimised";

/// What `--dry-run` prints.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct PgoPlan {
    /// What is built, as it was written.
    pub(crate) source: String,
    /// The package.
    pub(crate) package: String,
    /// What is told of profiles.
    pub(crate) toolchain: Toolchain,
    /// How much of it.
    pub(crate) level: Level,
    /// The knob that the result is evidence for.
    pub(crate) knob: String,
    /// The compiler, in its own words.
    pub(crate) compiler: String,
    /// What merges profiles; absent where programs or the compiler do.
    pub(crate) merger: Option<String>,
    /// Where profiles and builds lie.
    pub(crate) directory: PathBuf,
    /// Training commands that are run.
    pub(crate) training: Vec<String>,
    /// Judging commands.
    pub(crate) judging: Vec<String>,
    /// The builds, in order.
    pub(crate) builds: Vec<PlannedBuild>,
}

/// A build of the plan.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct PlannedBuild {
    /// Which.
    pub(crate) name: String,
    /// Flags that compilers get besides.
    pub(crate) flags: Vec<String>,
    /// What is set and started.
    pub(crate) execution: Execution,
}

impl PgoPlan {
    /// In words.
    pub(crate) fn text(&self) -> String {
        let mut out = format!("{} {} ({})\n", paint(HEADING, "pgo"), self.source, self.level);
        let mut line = |name: &str, value: &str| out.push_str(&format!("  {name:<12}{value}\n"));
        line("compiler", &self.compiler);
        line("merged by", self.merger.as_deref().unwrap_or("the programs themselves"));
        line("profiles in", &self.directory.display().to_string());
        for build in &self.builds {
            line("build", &build.name);
            for step in &build.execution.steps {
                line("", &format!("{} {}", paint(DIM, "$"), step.argv.join(" ")));
            }
            if !build.flags.is_empty() {
                line("", &format!("compilers get {}", build.flags.join(" ")));
            }
            if build.name == INSTRUMENTED {
                self.training.iter().for_each(|command| line("train", command));
            }
        }
        self.judging.iter().for_each(|command| line("judge", command));
        out
    }
}

/// Where a source is.
struct Located {
    folder: PathBuf,
    names: Vec<String>,
    driver: Driver,
    cpython: bool,
    /// What tells it from other versions.
    identity: String,
}

pub(super) fn plan(args: &PgoArgs, context: &Context) -> Result<Plan, CliError> {
    let source = args.source.clone();
    let located = locate(&source, args)?;
    let (tools, generic) = tools(args, &located)?;
    if args.train.is_empty() && tools.toolchain != Toolchain::Cpython {
        return Err(CliError::usage(
            "no training command is given",
            "--train '{program} ARGUMENTS' runs what the profile is taken of",
        ));
    }
    let package = args.package.clone().unwrap_or_else(|| package_name(&source, &located.folder));
    let plan = Unplaced { args, context, source: &source, located, tools, generic, package };
    let key = plan.key();
    let base = Directories::data().ok_or_else(|| {
        CliError::usage("there is no place for profiles", "set HOME or XDG_DATA_HOME")
    })?;
    let name = plan.package.replace('/', "-");
    let directory = base.join("pgo").join(format!("{name}-{}", key.get(..16).unwrap_or(&key)));
    check_place(plan.tools.toolchain, &directory)?;
    plan.place(&directory)
}

/// cargo and go part flags by spaces, and a path with one cannot be given.
fn check_place(toolchain: Toolchain, directory: &Path) -> Result<(), CliError> {
    let parts = matches!(toolchain, Toolchain::Rustc | Toolchain::Go);
    if !parts || !directory.to_string_lossy().contains(char::is_whitespace) {
        return Ok(());
    }
    Err(CliError::usage(
        format!("{} has a space, which flags of {toolchain} cannot have", directory.display()),
        "set XDG_DATA_HOME to a directory without one",
    ))
}

fn locate(source: &Source, args: &PgoArgs) -> Result<Located, CliError> {
    let read = |path: &Path, error| CliError::Read { path: path.to_owned(), error };
    match source {
        Source::Path(path) => {
            let folder = std::fs::canonicalize(path).map_err(|error| read(path, error))?;
            let entries = std::fs::read_dir(&folder).map_err(|error| read(&folder, error))?;
            let mut names: Vec<String> =
                entries.flatten().filter_map(|e| e.file_name().into_string().ok()).collect();
            names.sort_unstable();
            let recognised = Driver::recognise(&names).first().copied();
            let driver = args.driver.or(recognised).ok_or_else(|| {
                ironwright_core::build::PlanError::NotRecognised(folder.display().to_string())
            })?;
            if driver == Driver::Cargo && !args.dry_run {
                write_lock(&folder, !args.offline);
            }
            let identity = sources::hash(&folder, driver).map_err(|error| read(&folder, error))?;
            let cpython = is_cpython(&names);
            Ok(Located { folder, names, driver, cpython, identity })
        }
        Source::Crate { name, version } => {
            let folder = std::env::current_dir().map_err(|error| read(Path::new("."), error))?;
            let unpacked = crate_directory(name, version.as_deref(), !args.offline)?;
            let identity = unpacked.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let names = Vec::new();
            Ok(Located { folder, names, driver: Driver::Cargo, cpython: false, identity })
        }
        _ => Err(CliError::usage(
            format!("{source} cannot be built with a profile"),
            "write path:DIR or crate:NAME; unpack what another registry has",
        )),
    }
}

/// The tools, and whether `cc` is the same compiler.
fn tools(args: &PgoArgs, located: &Located) -> Result<(Tools, bool), CliError> {
    let from_environment = || {
        let set = std::env::var("CC").ok().filter(|set| !set.trim().is_empty());
        set.and_then(|set| split_words(&set).into_iter().next())
    };
    let is_c = matches!(located.driver, Driver::Make | Driver::Cmake);
    let compiler = match located.driver {
        Driver::Cargo => "rustc".to_owned(),
        Driver::Go => "go".to_owned(),
        _ => args.compiler.clone().or_else(from_environment).unwrap_or_else(|| "cc".to_owned()),
    };
    if args.compiler.is_some() && !is_c {
        return Err(CliError::usage(
            format!(
                "--compiler chooses a C compiler; {} projects have none",
                located.driver.name()
            ),
            "leave it out",
        ));
    }
    let toolchain_of = |compiler: &str| {
        let says = if is_c { says(compiler)? } else { String::new() };
        Ok::<_, CliError>(
            Toolchain::of_driver(located.driver, located.cpython, &says)
                .map_err(ironwright_host::pgo::PgoError::from)?,
        )
    };
    let toolchain = toolchain_of(&compiler)?;
    let generic = is_c && toolchain_of("cc").is_ok_and(|of_cc| of_cc == toolchain);
    Ok((identify(toolchain, &compiler)?, generic))
}

fn says(compiler: &str) -> Result<String, CliError> {
    let argv = [compiler.to_owned(), "--version".to_owned()];
    Ok(ironwright_host::pgo::must(&argv, None, &[])?.stdout)
}

/// A plan that does not yet have a place.
struct Unplaced<'a> {
    args: &'a PgoArgs,
    context: &'a Context,
    source: &'a Source,
    located: Located,
    tools: Tools,
    generic: bool,
    package: String,
}

impl Unplaced<'_> {
    /// The hash of all that goes into a profile and its builds.
    fn key(&self) -> String {
        let profile = self.context.profile(Some(&self.package));
        let plain = self.execution(Vec::new(), PathBuf::new(), BASELINE, &profile);
        let mut texts: Vec<String> = vec!["1".to_owned(), self.located.identity.clone()];
        texts.extend([kept_as(&self.source.to_string()), self.tools.says.clone()]);
        texts.push(self.tools.merger.as_ref().map(|(_, v)| v.to_string()).unwrap_or_default());
        texts.extend([self.args.level.to_string(), self.located.driver.name().to_owned()]);
        texts.push(self.args.setup.clone().unwrap_or_default());
        texts.push(self.args.program.clone().unwrap_or_default());
        // Numbers of jobs change nothing that is built.
        let built = |key: &str| {
            ["FLAGS", "PROFILE", "GOAMD64", "MARCH"].iter().any(|part| key.contains(part))
        };
        let set = plain.environment.iter().filter(|a| built(&a.key) && a.key != "MAKEFLAGS");
        texts.extend(set.map(|a| format!("{}={}", a.key, a.value())));
        for name in ["CFLAGS", "CXXFLAGS", "CPPFLAGS", "LDFLAGS", "RUSTFLAGS", "CC", "CXX"] {
            texts.push(format!("{name}={}", std::env::var(name).unwrap_or_default()));
        }
        let base = std::env::current_dir().unwrap_or_default();
        for command in self.args.level.of_training(&self.args.train) {
            texts.push(command.clone());
            let read = inputs(command, &base, &[]);
            texts.extend(read.into_iter().filter_map(|input| input.contents));
        }
        tree::hash_of_texts(texts.iter().map(String::as_str))
    }

    fn place(mut self, directory: &Path) -> Result<Plan, CliError> {
        let task = cpython::task(self.args.level, self.args.level.of_training(&self.args.train));
        let task = match (self.tools.toolchain, task) {
            (Toolchain::Cpython, Ok(task)) => task,
            (Toolchain::Cpython, Err(error)) => {
                return Err(CliError::usage(error.to_string(), "give one command, or none"));
            }
            _ => None,
        };
        let mut variants = BTreeMap::new();
        for (name, phase) in self.wanted() {
            variants.insert(name, self.variant(name, phase, directory, task.as_deref()));
        }
        let order = self.wanted();
        let builds = order.iter().filter_map(|(name, _)| Some((*name, variants.get(name)?)));
        let builds = builds.map(|(name, variant)| PlannedBuild {
            name: name.to_owned(),
            flags: variant.flags.clone(),
            execution: variant.execution.clone(),
        });
        let training = match (self.tools.toolchain, &task) {
            (Toolchain::Cpython, task) => {
                vec![format!("{{program}} {}", task.as_deref().unwrap_or("-m test --pgo"))]
            }
            _ => self.args.level.of_training(&self.args.train).to_vec(),
        };
        let merger = self.tools.merger.as_ref();
        let shown = PgoPlan {
            source: self.source.to_string(),
            package: std::mem::take(&mut self.package),
            toolchain: self.tools.toolchain,
            level: self.args.level,
            knob: self.tools.toolchain.knob().to_owned(),
            compiler: self.tools.says.clone(),
            merger: match self.tools.toolchain {
                Toolchain::Go => Some(format!("{} tool pprof", self.tools.compiler)),
                _ => merger.map(|(path, v)| format!("{} (LLVM {v})", path.display())),
            },
            directory: directory.to_owned(),
            training,
            judging: self.args.judge.clone(),
            builds: builds.collect(),
        };
        Ok(Plan {
            shown,
            driver: self.located.driver,
            variants,
            source: self.located.folder,
            generic: self.generic,
            tools: self.tools,
        })
    }

    /// The variants that are built, in order.
    fn wanted(&self) -> Vec<(&'static str, Option<Phase>)> {
        let mut all = Vec::new();
        // A Go program that writes its own profile is trained without counters.
        let own = |command: &String| command.contains("{profile}");
        let training = self.args.level.of_training(&self.args.train);
        let trains_plain = self.tools.toolchain == Toolchain::Go && training.iter().all(own);
        if !self.args.judge.is_empty() || trains_plain {
            all.push((BASELINE, None));
        }
        if !trains_plain && self.tools.toolchain != Toolchain::Cpython {
            all.push((INSTRUMENTED, Some(Phase::Instrument)));
        }
        all.push((OPTIMISED, Some(Phase::Use)));
        all
    }

    fn variant(
        &self,
        name: &'static str,
        phase: Option<Phase>,
        directory: &Path,
        task: Option<&str>,
    ) -> Variant {
        let folder = directory.join(name);
        let ninja = !matches!(self.context.profile(None).host("tools.ninja").value, Value::Unset);
        let ground = Ground {
            driver: self.located.driver,
            toolchain: self.tools.toolchain,
            source: &self.located.folder,
            names: &self.located.names,
            published: self.source.package(),
            variant: &folder,
            target: self.tools.target.as_deref(),
            ninja,
            offline: self.args.offline,
            task,
        };
        let (steps, output) = steps(&ground, phase);
        let (raw, merged) = (directory.join("raw"), directory.join(self.merged_name()));
        let places = Places { raw: &raw, merged: &merged, build: &folder };
        let told = |phase| compiler_flags(self.tools.toolchain, phase, self.args.level, &places);
        let profile = self.context.profile(Some(&self.package));
        let variables = self.variables(phase, &places, directory);
        let execution =
            self.execution(steps, output.clone(), name, &profile).with_variables(&variables);
        Variant { phase, output, execution, flags: phase.map(told).unwrap_or_default(), folder }
    }

    fn merged_name(&self) -> &'static str {
        self.tools.toolchain.merged_name().unwrap_or("merged")
    }

    fn execution(
        &self,
        steps: Vec<ironwright_core::build::Step>,
        output: PathBuf,
        name: &str,
        profile: &ironwright_core::profile::Profile,
    ) -> Execution {
        let launcher = if self.args.no_govern { None } else { governance::launcher() };
        let plan = BuildPlan {
            source: format!("{} ({name})", self.source),
            package: self.package.clone(),
            driver: self.located.driver,
            steps,
            output,
            scratch: None,
        };
        Execution::of_plan(plan, profile, launcher)
    }

    /// What is set besides what settings say.
    fn variables(
        &self,
        phase: Option<Phase>,
        places: &Places<'_>,
        directory: &Path,
    ) -> Vec<Variable> {
        let set = |name: &str, value: String, joint| Variable {
            name: name.to_owned(),
            value,
            joint,
            why: format!("{} {}", self.tools.toolchain.knob(), self.args.level),
        };
        match self.tools.toolchain {
            Toolchain::Rustc => self.rust_variables(phase, places, &set),
            Toolchain::Go => {
                let overlay = directory.join("overlay/overlay.json");
                let instrumented = phase == Some(Phase::Instrument);
                let mut flags = match phase {
                    // A default.pgo of the package's own would make the baseline a profiled one.
                    None => vec!["-pgo=off".to_owned()],
                    Some(phase) => self.flags_of(phase, places),
                };
                flags.extend(instrumented.then(|| format!("-overlay={}", overlay.display())));
                vec![set("GOFLAGS", flags.join(" "), Some(Joint::Behind))]
            }
            Toolchain::Gcc | Toolchain::Clang => {
                let names = directory.join(format!(
                    "compilers-{}",
                    places.build.file_name().unwrap_or_default().to_string_lossy()
                ));
                let path = || set("PATH", names.display().to_string(), Some(Joint::SearchPath));
                let mut all: Vec<_> = phase.map(|_| path()).into_iter().collect();
                all.extend(self.chosen_compiler(&set));
                all
            }
            Toolchain::Cpython => self.chosen_compiler(&set),
        }
    }

    fn flags_of(&self, phase: Phase, places: &Places<'_>) -> Vec<String> {
        let all = additions(self.tools.toolchain, phase, self.args.level, places);
        all.into_iter().flat_map(|addition| addition.flags).collect()
    }

    /// A target of their own keeps flags from build scripts and macros, which run while building.
    fn rust_variables(
        &self,
        phase: Option<Phase>,
        places: &Places<'_>,
        set: &dyn Fn(&str, String, Option<Joint>) -> Variable,
    ) -> Vec<Variable> {
        let target = self.tools.target.clone().unwrap_or_default();
        let mut all = vec![
            set("CARGO_TARGET_DIR", places.build.join("target").display().to_string(), None),
            set("CARGO_BUILD_TARGET", target, None),
        ];
        // Where this variable is set, cargo looks at no other.
        let theirs = std::env::var_os("RUSTFLAGS").is_some_and(|flags| !flags.is_empty());
        let name = if theirs { "RUSTFLAGS" } else { "CARGO_BUILD_RUSTFLAGS" };
        let flags = phase.map(|phase| self.flags_of(phase, places)).unwrap_or_default();
        if !flags.is_empty() {
            all.push(set(name, flags.join(" "), Some(Joint::Behind)));
        }
        all
    }

    /// `--compiler`, or the name of a compiler that `CC` names by its path: names on PATH get flags.
    fn chosen_compiler(
        &self,
        set: &dyn Fn(&str, String, Option<Joint>) -> Variable,
    ) -> Vec<Variable> {
        let given = |name: &str| std::env::var(name).ok().filter(|value| value.starts_with('/'));
        let base =
            |path: &str| Path::new(path).file_name().map(|n| n.to_string_lossy().into_owned());
        if let Some(compiler) = &self.args.compiler {
            let cxx = match compiler.split_once("clang") {
                Some((before, after)) => format!("{before}clang++{after}"),
                None => compiler.replacen("gcc", "g++", 1),
            };
            return vec![set("CC", compiler.clone(), None), set("CXX", cxx, None)];
        }
        let mut all = Vec::new();
        for name in ["CC", "CXX"] {
            all.extend(given(name).and_then(|path| base(&path)).map(|path| set(name, path, None)));
        }
        all
    }
}
