//! Carries a plan out: builds variants, trains, merges, checks, verifies and judges. What was finished
//! is kept, so that the next call goes on there.
//!
//! Does not decide; the plan has.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Instant;

use ironwright_core::pgo::steps::wants_copy;
use ironwright_core::pgo::{
    Coverage, Matching, Phase, ProfileCheck, Toolchain, Verdict, messages, pprof,
    training_environment,
};
use ironwright_host::pgo::store::Place;
use ironwright_host::pgo::{PgoError, collect, compilers, go, must, tail};
use ironwright_host::{files, tree};
use ironwright_verify::examine;

use super::PgoArgs;
use super::commands::{self, Places};
use super::judge;
use super::plan::{BASELINE, INSTRUMENTED, OPTIMISED, Plan, Variant};
use super::programs;
use super::report::{PgoReport, seconds};
use crate::args::HostArgs;
use crate::context::Context;
use crate::error::CliError;
use crate::execute::execute;
use crate::progress::Progress;
use crate::{summary, ui};

/// Version of the report's shape.
const SCHEMA: u32 = 1;
/// A training command's log.
const TRAINING: &str = "training";

pub(super) fn carry_out(
    args: &PgoArgs,
    plan: &Plan,
    context: &Context,
    host: &HostArgs,
) -> Result<PgoReport, CliError> {
    context.tell_fallbacks();
    let mut place = Place::open(plan.shown.directory.clone())?;
    if args.again {
        place.finished = ironwright_host::pgo::store::Finished::default();
    }
    let mut work = Work { args, plan, context, place, kept: Vec::new() };
    work.setup()?;
    let dir = work.place.at("dir");
    commands::check_inputs(args, &dir)?;
    if work.coverage().is_none() {
        work.train()?;
    }
    let optimised = work.build(OPTIMISED)?;
    let check = work.check(&optimised)?;
    let (binary, binary_evidence) = verified(&optimised);
    let judged =
        if check.verdict == Verdict::Matches { work.judge(&optimised, host)? } else { Vec::new() };
    deliver(args, &optimised)?;
    let shown = &plan.shown;
    Ok(PgoReport {
        schema: SCHEMA,
        source: shown.source.clone(),
        package: shown.package.clone(),
        toolchain: shown.toolchain,
        level: shown.level,
        compiler: shown.compiler.clone(),
        merger: shown.merger.clone(),
        directory: shown.directory.clone(),
        program: args.out.clone().unwrap_or(optimised),
        kept: work.kept,
        check,
        binary,
        binary_evidence,
        judged,
    })
}

struct Work<'a> {
    args: &'a PgoArgs,
    plan: &'a Plan,
    context: &'a Context,
    place: Place,
    kept: Vec<String>,
}

impl Work<'_> {
    fn variant(&self, name: &str) -> Result<&Variant, CliError> {
        self.plan.variants.get(name).ok_or_else(|| {
            CliError::usage(format!("no {name} build is planned"), "give a --judge command")
        })
    }

    fn coverage(&self) -> Option<&Coverage> {
        self.place.finished.coverage.as_ref()
    }

    /// What a step left, where an earlier run finished it and it is still there.
    fn finished(&mut self, name: &str) -> Option<PathBuf> {
        let left = PathBuf::from(self.place.finished.steps.get(name)?);
        if !left.exists() {
            return None;
        }
        if !self.kept.iter().any(|kept| kept == name) {
            self.kept.push(name.to_owned());
        }
        Some(left)
    }

    fn finish(&mut self, name: &str, left: &Path) -> Result<(), CliError> {
        self.place.finished.steps.insert(name.to_owned(), left.to_string_lossy().into_owned());
        Ok(self.place.keep()?)
    }

    fn setup(&mut self) -> Result<(), CliError> {
        if self.finished("setup").is_some() {
            return Ok(());
        }
        let dir = self.place.fresh("dir")?;
        if let Some(command) = &self.args.setup {
            let places = judge::places(Path::new(""), Path::new(""), &dir, Path::new(""));
            must(&shell(&places.fill(command)), None, &[])?;
        }
        self.finish("setup", &dir)
    }

    /// Builds a variant, unless it is there, and gives its program.
    fn build(&mut self, name: &'static str) -> Result<PathBuf, CliError> {
        if let Some(program) = self.finished(name) {
            return Ok(program);
        }
        self.prepare(name)?;
        ui::remark(&format!("building {} ({name})", self.plan.shown.source));
        let log = self.place.at(&format!("{name}.log"));
        let file =
            File::create(&log).map_err(|error| CliError::Write { path: log.clone(), error })?;
        let mut progress = Progress::new(self.args.progress, self.args.json);
        progress.keep_in(file);
        let variant = self.variant(name)?;
        let facts = execute(&variant.execution, self.context, &mut progress);
        if let Some(signal) = facts.steps.last().and_then(|step| step.observed.interrupted_by) {
            return Err(PgoError::Interrupted(signal).into());
        }
        let code = summary::exit_code(&facts);
        if code != 0 {
            let text = fs::read(&log).unwrap_or_default();
            let said = tail(&String::from_utf8_lossy(&text));
            let said = format!(":\n{said}\nall of it: {}", log.display());
            return Err(CliError::Variant { what: format!("{name} build"), code, said });
        }
        if variant.phase == Some(Phase::Use) {
            let text = fs::read(&log).unwrap_or_default();
            self.place.finished.matching =
                Some(messages::matching(&String::from_utf8_lossy(&text)));
        }
        let program = self.program(name)?;
        self.finish(name, &program)?;
        let made_of = objects(self.variant(name)?);
        if !program.starts_with(&made_of) {
            // cargo install copies programs; what they were made of has a few hundred megabytes.
            let _ = fs::remove_dir_all(made_of);
        }
        Ok(program)
    }

    fn program(&self, name: &str) -> Result<PathBuf, CliError> {
        let output = &self.variant(name)?.output;
        let (wanted, shown) = (self.args.program.as_deref(), &self.plan.shown);
        programs::find(output, shown.toolchain, wanted, &shown.package)
    }

    /// The folder of a variant, with what its build finds there.
    fn prepare(&self, name: &str) -> Result<(), CliError> {
        let folder = self.place.fresh(name)?;
        let variant = self.variant(name)?;
        let (driver, toolchain) = (self.plan.driver, self.plan.tools.toolchain);
        if wants_copy(driver, toolchain) {
            let source = &self.plan.source;
            tree::copy(source, &folder).map_err(PgoError::io(source))?;
        }
        if variant.phase.is_some() && matches!(toolchain, Toolchain::Gcc | Toolchain::Clang) {
            let names = self.place.at(&format!("compilers-{name}"));
            compilers::prepare(&names, toolchain, self.plan.generic, &variant.flags)?;
        }
        if variant.phase == Some(Phase::Instrument) && toolchain == Toolchain::Go {
            let overlay = self.place.fresh("overlay")?;
            go::overlay(&self.plan.tools.compiler, &self.plan.source, &overlay)?;
        }
        Ok(())
    }

    /// Runs the training with the instrumented program, and merges what it leaves.
    fn train(&mut self) -> Result<(), CliError> {
        let toolchain = self.plan.tools.toolchain;
        if toolchain == Toolchain::Cpython {
            // Its makefile trains while it builds.
            return Ok(());
        }
        let trainee =
            if self.plan.variants.contains_key(INSTRUMENTED) { INSTRUMENTED } else { BASELINE };
        let program = self.build(trainee)?;
        // Configure scripts and tests of the build ran instrumented programs, too.
        let raw = self.place.fresh("raw")?;
        let merged = self.merged();
        let (dir, build) = (self.place.at("dir"), self.variant(trainee)?.output.clone());
        let flags = ironwright_core::pgo::Places { raw: &raw, merged: &merged, build: &build };
        let environment = training_environment(toolchain, &flags);
        let commands = self.args.level.of_training(&self.args.train);
        for (number, command) in commands.iter().enumerate() {
            let profile = raw.join(format!("command-{number}.pprof"));
            let filled = judge::places(&program, &build, &dir, &profile).fill(command);
            ui::remark(&format!("training: {command}"));
            let began = Instant::now();
            let said = must(&shell(&filled), None, &environment)?;
            let log = self.place.at(&format!("{TRAINING}-{number}.log"));
            let _ = fs::write(log, said.stdout + &said.stderr);
            ui::remark(&format!("trained for {}", seconds(began.elapsed().as_secs_f64())));
        }
        let coverage = collect(&self.plan.tools, &raw, &merged)?;
        refuse_empty(&coverage)?;
        self.place.finished.coverage = Some(coverage);
        // What was built with an older profile is not this one's.
        self.place.finished.steps.remove(OPTIMISED);
        self.place.keep()?;
        if trainee == INSTRUMENTED {
            // Nothing runs it again, and it may be large.
            let _ = fs::remove_dir_all(self.place.at(INSTRUMENTED));
        }
        Ok(())
    }

    fn merged(&self) -> PathBuf {
        self.place.at(self.plan.tools.toolchain.merged_name().unwrap_or("merged"))
    }

    /// Holds the profile against what the compiler said of it, and Go's against the program's symbols.
    fn check(&mut self, program: &Path) -> Result<ProfileCheck, CliError> {
        let toolchain = self.plan.tools.toolchain;
        if toolchain == Toolchain::Cpython && self.coverage().is_none() {
            let folder = &self.variant(OPTIMISED)?.folder;
            let coverage = collect(&self.plan.tools, folder, folder)?;
            self.place.finished.coverage = Some(coverage);
            self.place.keep()?;
        }
        let coverage = self.coverage().cloned().unwrap_or_default();
        let mut matching: Matching = self.place.finished.matching.clone().unwrap_or_default();
        if toolchain == Toolchain::Go {
            let argv = [&*self.plan.tools.compiler, "tool", "nm"].map(str::to_owned).to_vec();
            let said = must(&[argv, vec![program.display().to_string()]].concat(), None, &[])?;
            matching = pprof::matching(&coverage, &said.stdout);
        }
        Ok(ProfileCheck::of(coverage, matching))
    }

    fn judge(
        &mut self,
        optimised: &Path,
        host: &HostArgs,
    ) -> Result<Vec<ironwright_core::evidence::Bench>, CliError> {
        if self.args.judge.is_empty() {
            return Ok(Vec::new());
        }
        let baseline = self.build(BASELINE)?;
        let outputs =
            [BASELINE, OPTIMISED].map(|name| self.variant(name).map(|v| v.output.clone()));
        let [before, after] = outputs;
        let (before, after) = (before?, after?);
        let (dir, none) = (self.place.at("dir"), PathBuf::new());
        let places = |program, build| -> Places<'_> { judge::places(program, build, &dir, &none) };
        let both = (&places(&baseline, &before), &places(optimised, &after));
        let judging = self.args.judge.iter();
        judging
            .map(|command| judge::judge(self.args, &self.plan.shown, command, both, host))
            .collect()
    }
}

/// Where cargo keeps what it compiles.
fn objects(variant: &Variant) -> PathBuf {
    variant.folder.join("target")
}

/// A training that reached nothing is told before anything is built with it.
fn refuse_empty(coverage: &Coverage) -> Result<(), CliError> {
    let check = ProfileCheck::of(coverage.clone(), Matching::default());
    if check.verdict == Verdict::Matches {
        return Ok(());
    }
    Err(CliError::Refused {
        message: format!("the profile does not cover the code: {}", check.why),
        hint: "train with what the program is for, and for long enough (samples of Go: seconds)"
            .to_owned(),
    })
}

fn shell(command: &str) -> Vec<String> {
    ["sh", "-c", command].map(str::to_owned).to_vec()
}

/// What the program shows of a profile.
fn verified(program: &Path) -> (Option<String>, String) {
    let bytes = match fs::read(program) {
        Ok(bytes) => bytes,
        Err(error) => return (None, format!("it cannot be read: {error}")),
    };
    match examine(&bytes) {
        Ok(report) => (report.pgo.value.clone(), report.pgo.evidence),
        Err(error) => (None, error.to_string()),
    }
}

fn deliver(args: &PgoArgs, program: &Path) -> Result<(), CliError> {
    let Some(out) = &args.out else { return Ok(()) };
    files::copy(program, out).map_err(|error| CliError::Write { path: out.clone(), error })?;
    Ok(())
}
