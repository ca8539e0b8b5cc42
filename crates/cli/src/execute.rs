//! An execution: what `--dry-run` prints and the runner consumes, and the running itself.
//!
//! Does not know how steps were chosen. The history and the view are observers: when they fail,
//! the build goes on.

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use ironwright_core::build::{BuildPlan, Driver, JobserverStyle, Source, Step, jobserver_style};
use ironwright_core::observe::{DiskUse, Governed, RunFacts, StepFacts};
use ironwright_core::profile::Profile;
use ironwright_core::settings::Settings;
use ironwright_core::settings::catalogue::{cpp, go, node, python, rust, system};
use ironwright_core::settings::compose::{Assignment, assignments};
use ironwright_core::settings::knob::{Knob, Place};
use ironwright_core::units::Bytes;
use ironwright_core::value::Value;
use ironwright_history::RunId;
use ironwright_host::disk;
use ironwright_host::jobserver::Jobserver;
use ironwright_host::limit::Mechanism;
use ironwright_host::limit::contain::Containment;
use ironwright_host::run::{Request, Strangers, run};
use ironwright_wire::{RunBegins, variable};
use schemars::JsonSchema;
use serde::Serialize;

use crate::cache::{self, CacheWatch};
use crate::clock::unix_ns;
use crate::context::Context;
use crate::decisions;
use crate::governance::Governance;
use crate::link::{RunLink, Situation};
use crate::patience::PatiencePlan;
use crate::progress::Progress;
use crate::recording::Recording;
use crate::sources::{kept_as, shown};
use crate::ui;

/// Everything that is decided before the first process starts.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct Execution {
    /// What is built; absent for `run`.
    pub(crate) source: Option<String>,
    /// Package whose overrides apply.
    pub(crate) package: Option<String>,
    /// Build system.
    pub(crate) driver: Option<Driver>,
    /// The commands.
    pub(crate) steps: Vec<Step>,
    /// Where the result will be.
    pub(crate) output: Option<PathBuf>,
    /// Directory that is removed at the end.
    pub(crate) scratch: Option<PathBuf>,
    /// Variables that are set.
    pub(crate) environment: Vec<Assignment>,
    /// Variables that the user had set already and that stay.
    pub(crate) kept: Vec<KeptVariable>,
    /// Variables that are taken away because the jobserver takes their place.
    pub(crate) removed: Vec<String>,
    /// The jobserver that is served.
    pub(crate) jobserver: Option<JobserverPlan>,
    /// How compilers come to ask the governor; absent when nobody governs.
    pub(crate) governance: Option<Governance>,
    /// Directory where names of compilers lead to a cache; absent where none was asked for.
    pub(crate) cache_names: Option<PathBuf>,
    /// Hardware threads for the build.
    pub(crate) threads: u32,
    /// Memory for the build.
    pub(crate) budget: Bytes,
    /// `ulimit -v`.
    pub(crate) address_space: Option<Bytes>,
    /// Priority.
    pub(crate) niceness: Option<i32>,
    /// How long to wait for each step; for ever when absent.
    pub(crate) patience: Option<PatiencePlan>,
    /// Start of the command that builds this and others, nanoseconds since 1970.
    #[serde(skip)]
    pub(crate) batch: Option<i64>,
}

/// A jobserver to serve.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
pub(crate) struct JobserverPlan {
    /// How clients are told.
    pub(crate) style: JobserverStyle,
    /// Slots.
    pub(crate) tokens: NonZeroU32,
    /// Whether the governor may lend more, or take some away; not where a user chose the number.
    pub(crate) elastic: bool,
}

/// A variable that a command sets on top of what is derived.
#[derive(Clone, Debug)]
pub(crate) struct Variable {
    /// Its name.
    pub(crate) name: String,
    /// Its value, or what is added to it.
    pub(crate) value: String,
    /// How it joins a value that is there; it takes its place when absent.
    pub(crate) joint: Option<Joint>,
    /// Why, for a comment beside it.
    pub(crate) why: String,
}

/// How two values join.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Joint {
    /// Behind it, after a space.
    Behind,
    /// In front of it, before a colon.
    SearchPath,
}

/// A variable that a user set.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct KeptVariable {
    /// Its name.
    pub(crate) name: String,
    /// The user's value.
    pub(crate) theirs: String,
    /// What would have been set.
    pub(crate) ours: String,
}

impl Execution {
    /// The execution of a build plan.
    pub(crate) fn of_plan(plan: BuildPlan, profile: &Profile, launcher: Option<PathBuf>) -> Self {
        let (steps, driver) = (plan.steps, Some(plan.driver));
        let mut execution = Self::new(steps, driver, profile, Place::BuildEnv, launcher);
        execution.source = Some(kept_as(&plan.source));
        execution.package = Some(plan.package);
        execution.output = Some(plan.output);
        execution.scratch = plan.scratch;
        execution
    }

    /// The execution of a command that a user gave.
    pub(crate) fn of_command(
        argv: Vec<String>,
        cwd: PathBuf,
        profile: &Profile,
        launcher: Option<PathBuf>,
    ) -> Self {
        let driver = argv.first().and_then(|program| Driver::of_command(program));
        let title = argv.first().cloned().unwrap_or_default();
        Self::new(vec![Step { title, argv, cwd }], driver, profile, Place::Env, launcher)
    }

    /// The execution of a process that carries out a plan of derivations. Their builders get none of
    /// this environment; they ask the governor one by one.
    pub(crate) fn of_nix(
        label: &str,
        step: Step,
        profile: &Profile,
        launcher: Option<PathBuf>,
    ) -> Self {
        let governance = launcher.map(Governance::of_asking);
        let mut execution = Self::new(vec![step], None, profile, Place::Env, None);
        (execution.environment, execution.kept) = (Vec::new(), Vec::new());
        (execution.removed, execution.jobserver) = (Vec::new(), None);
        execution.governance = governance;
        execution.source = Some(label.to_owned());
        execution.package = Some(label.to_owned());
        execution
    }

    fn new(
        steps: Vec<Step>,
        driver: Option<Driver>,
        profile: &Profile,
        place: Place,
        launcher: Option<PathBuf>,
    ) -> Self {
        let settings = Settings::resolve(profile);
        let jobserver = jobserver(driver, profile, &settings, launcher.is_some());
        let mut wanted = assignments(profile, Place::Env, false);
        if place == Place::BuildEnv {
            wanted.extend(assignments(profile, Place::BuildEnv, false));
        }
        let mut removed = Vec::new();
        if jobserver.is_some() {
            let (replaced, other) = wanted.into_iter().partition(is_replaced_by_jobserver);
            wanted = other;
            removed = inherited_from_us(&replaced);
        }
        let (mut environment, kept) = settle(wanted);
        let cache_names = cache::names(&settings);
        environment.extend(cache_names.as_deref().map(cache::in_front_of_path));
        let governance = launcher.and_then(|launcher| Governance::plan(launcher, &environment));
        let count = |knob| u32::try_from(settings.count(knob)).unwrap_or(u32::MAX);
        Self {
            source: None,
            package: profile.package.clone(),
            driver,
            steps,
            output: None,
            scratch: None,
            environment,
            kept,
            removed,
            jobserver,
            governance,
            cache_names,
            threads: count(&system::BUILD_THREADS),
            budget: settings.size(&system::MEMORY_BUDGET).unwrap_or_default(),
            address_space: settings.size(&system::ADDRESS_SPACE_LIMIT),
            niceness: niceness(&settings),
            patience: None,
            batch: None,
        }
    }

    /// The same with variables on top of what was derived, and what follows from them for the
    /// governor.
    pub(crate) fn with_variables(mut self, variables: &[Variable]) -> Self {
        for variable in variables {
            let before = self.value(&variable.name).filter(|before| !before.is_empty());
            let parts = match before.zip(variable.joint) {
                Some((before, Joint::Behind)) => vec![before, variable.value.clone()],
                Some((before, Joint::SearchPath)) => vec![format!("{}:{before}", variable.value)],
                None => vec![variable.value.clone()],
            };
            self.environment.retain(|assignment| assignment.key != variable.name);
            self.environment.push(Assignment {
                key: variable.name.clone(),
                parts,
                knobs: vec![variable.why.clone()],
                from_flag: false,
            });
        }
        let again = |governance: Governance| governance.again(&self.environment);
        self.governance = self.governance.take().and_then(again);
        self
    }

    /// The value that a variable has for what is run, as far as nothing else sets it.
    fn value(&self, name: &str) -> Option<String> {
        let set = self.environment.iter().find(|assignment| assignment.key == name);
        set.map(Assignment::value).or_else(|| std::env::var(name).ok())
    }

    /// What is done, for people.
    fn label(&self) -> String {
        let command = || self.steps.first().map(|step| step.argv.join(" "));
        self.source.as_deref().map(shown).or_else(command).unwrap_or_default()
    }

    /// What the history keeps of it at the start.
    fn facts(&self, host: Option<String>) -> RunFacts {
        let settings = self.environment.iter().map(|a| (a.key.clone(), a.value().into())).collect();
        RunFacts {
            ironwright: env!("CARGO_PKG_VERSION").to_owned(),
            host,
            source: self.source.clone(),
            package: self.package.clone(),
            driver: self.driver.map(|driver| driver.name().to_owned()),
            threads: self.threads,
            budget: self.budget,
            settings,
            started_unix_ns: unix_ns(),
            compiler_cache: None,
            steps: Vec::new(),
            governed: None,
            batch: self.batch,
            disk: None,
        }
    }
}

fn niceness(settings: &Settings) -> Option<i32> {
    match settings.get(system::NICENESS.id).map(|s| &s.value) {
        Some(Value::Count(n)) => i32::try_from(*n).ok(),
        _ => None,
    }
}

/// The knob that says how many processes a driver may start.
pub(crate) const fn jobs_knob(driver: Option<Driver>) -> &'static Knob {
    match driver {
        Some(Driver::Cargo) => &rust::CARGO_BUILD_JOBS,
        Some(Driver::Go) => &go::GO_BUILD_JOBS,
        Some(Driver::Npm) => &node::NODE_GYP_JOBS,
        Some(Driver::Python) => &python::PYTHON_BUILD_JOBS,
        Some(Driver::Cmake | Driver::Make) | None => &cpp::MAKE_JOBS,
    }
}

/// A -jN of its own makes make or ninja leave the shared pool.
fn is_replaced_by_jobserver(assignment: &Assignment) -> bool {
    matches!(assignment.key.as_str(), "MAKEFLAGS" | "CMAKE_BUILD_PARALLEL_LEVEL")
}

/// Variables that hold just what is derived, as after `eval "$(ironwright emit env)"`: nobody chose
/// them over a jobserver.
fn inherited_from_us(assignments: &[Assignment]) -> Vec<String> {
    let is_ours = |a: &&Assignment| std::env::var(&a.key).is_ok_and(|value| value == a.value());
    assignments.iter().filter(is_ours).map(|a| a.key.clone()).collect()
}

fn jobserver(
    driver: Option<Driver>,
    profile: &Profile,
    settings: &Settings,
    governed: bool,
) -> Option<JobserverPlan> {
    // A user's own flags, or a make that we run below, come first.
    let own = format!("-j{}", settings.count(&cpp::MAKE_JOBS));
    if std::env::var_os("MAKEFLAGS").is_some_and(|flags| !flags.is_empty() && flags != own.as_str())
    {
        return None;
    }
    let version = |tool: &str| match profile.host(&format!("tools.{tool}")).value {
        Value::Text(version) => Some(version),
        _ => None,
    };
    let style = jobserver_style(driver, version("make").as_deref(), version("ninja").as_deref())?;
    // Fixed job counts presume the worst of every compiler; the governor knows each.
    let own = jobs_knob(driver);
    let elastic = governed && !settings.get(own.id).is_some_and(|s| s.origin.is_explicit());
    let knob = if elastic { &system::BUILD_THREADS } else { own };
    let tokens = u32::try_from(settings.count(knob)).unwrap_or(u32::MAX).min(32_768);
    NonZeroU32::new(tokens).map(|tokens| JobserverPlan { style, tokens, elastic })
}

/// Parts what is set from what the user's environment has already; a flag outranks both.
fn settle(wanted: Vec<Assignment>) -> (Vec<Assignment>, Vec<KeptVariable>) {
    let (mut set, mut kept) = (Vec::new(), Vec::new());
    for assignment in wanted {
        match std::env::var(&assignment.key) {
            Ok(theirs) if !assignment.from_flag => {
                if theirs != assignment.value() {
                    kept.push(KeptVariable {
                        name: assignment.key.clone(),
                        theirs,
                        ours: assignment.value(),
                    });
                }
            }
            _ => set.push(assignment),
        }
    }
    (set, kept)
}

/// Runs the steps until one fails, and keeps the facts in the history.
pub(crate) fn execute(
    execution: &Execution,
    context: &Context,
    progress: &mut Progress,
) -> RunFacts {
    let host = context.facts.hostname.as_ref().map(|fact| fact.value.clone());
    let mut facts = execution.facts(host);
    let began = SystemTime::now();
    let record = Recording::begin(&facts);
    let server = start_jobserver(execution).map(Arc::new);
    let strangers = Strangers::default();
    let contained = contain(execution);
    let is_contained = contained.mechanism() != Mechanism::ProcessTree;
    if let Some(names) = &execution.cache_names {
        cache::prepare(names);
    }
    let cache = CacheWatch::begin(|name| execution.value(name));
    let link = begin_link(execution, &record, server.as_ref(), &strangers, progress, is_contained);
    for step in &execution.steps {
        progress.step(step, execution);
        let request = Request {
            argv: contained.wrap(&step.argv),
            group: contained.procs_path(),
            strangers: strangers.clone(),
            ..request(execution, step, server.as_deref(), record.number(), progress)
        };
        let observed = run(&request, progress);
        let goes_on = observed.code() == 0;
        let cwd = step.cwd.to_string_lossy().into_owned();
        facts.steps.push(StepFacts { argv: step.argv.clone(), cwd, observed });
        if !goes_on {
            break;
        }
    }
    facts.governed = link.map(RunLink::end).map(|tally| Governed {
        units: tally.units,
        paused: tally.paused,
        again: tally.again,
    });
    facts.compiler_cache = cache.and_then(|cache| cache.end());
    progress.finish();
    facts.disk = disk_use(execution, began);
    remove(execution.scratch.as_deref());
    record.finish(&facts);
    decisions::heed_run(context, &facts);
    facts
}

/// Disk space of what a build wrote; of a command, nobody knows where it writes.
fn disk_use(execution: &Execution, began: SystemTime) -> Option<DiskUse> {
    let source: Source = execution.source.as_ref()?.parse().ok()?;
    let project = matches!(source, Source::Path(_)).then(|| execution.steps.first()).flatten();
    // What a package of a registry consists of lies beside its programs.
    let whole = |output: &'_ Path| match output.file_name() {
        Some(name) if name == "bin" => output.parent().unwrap_or(output).to_owned(),
        _ => output.to_owned(),
    };
    let output = execution.output.as_deref().map(whole);
    let results = output.iter().map(PathBuf::as_path);
    let results: Vec<&Path> = results.chain(project.map(|step| step.cwd.as_path())).collect();
    let all: Vec<&Path> = results.iter().copied().chain(execution.scratch.as_deref()).collect();
    let left = disk::written_since(&results, began)?;
    Some(DiskUse { written: disk::written_since(&all, began)?, left })
}

/// Removes intermediate files. Nothing but disk space is lost when that fails.
fn remove(scratch: Option<&Path>) {
    let Some(directory) = scratch else { return };
    match std::fs::remove_dir_all(directory) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            ui::warn(&format!("{} stays: {error}", directory.display()));
        }
        _ => {}
    }
}

fn start_jobserver(execution: &Execution) -> Option<Jobserver> {
    let plan = execution.jobserver?;
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|dir| dir.is_dir());
    let directory = runtime.unwrap_or_else(std::env::temp_dir);
    match Jobserver::start(plan.style, plan.tokens, &directory) {
        Ok(server) => Some(server),
        Err(error) => {
            ui::warn(&format!("no jobserver: {error}; the tools choose their own number of jobs"));
            None
        }
    }
}

/// Bounds the memory of a governed run, so that a mistake of the governor's hurts the run alone.
fn contain(execution: &Execution) -> Containment {
    if execution.governance.is_none() {
        return Containment::default();
    }
    let name = format!("run-{}", std::process::id());
    Containment::new(&name, execution.budget, |variable| std::env::var_os(variable))
}

/// Makes the run known to the governor. Without one the build goes on ungoverned.
fn begin_link(
    execution: &Execution,
    record: &Recording,
    server: Option<&Arc<Jobserver>>,
    strangers: &Strangers,
    progress: &Progress,
    contained: bool,
) -> Option<RunLink> {
    let governance = execution.governance.as_ref()?;
    let elastic = execution.jobserver.filter(|plan| plan.elastic);
    let begins = RunBegins {
        run: record.number(),
        pid: i32::try_from(std::process::id()).unwrap_or(0),
        label: execution.label(),
        source: execution.source.clone(),
        budget: execution.budget.0,
        contained,
        threads: execution.threads,
        tokens: elastic.map(|plan| plan.tokens.get() - 1),
    };
    let situation = Situation {
        begins,
        pool: server.filter(|_| elastic.is_some()).cloned(),
        strangers: strangers.clone(),
        processes: progress.processes(),
    };
    let begun = governance.prepare().and_then(|()| RunLink::begin(situation));
    begun.map_err(|error| ui::warn(&format!("nothing is governed: {error}"))).ok()
}

fn request(
    execution: &Execution,
    step: &Step,
    server: Option<&Jobserver>,
    run: Option<RunId>,
    progress: &Progress,
) -> Request {
    let mut environment: Vec<_> =
        execution.environment.iter().map(|a| (a.key.clone(), a.value())).collect();
    if let Some(server) = server {
        environment.push(("MAKEFLAGS".to_owned(), server.makeflags()));
    }
    if let Some(governance) = &execution.governance {
        environment.extend(governance.variables.iter().cloned());
        environment.extend(run.map(|run| (variable::RUN.to_owned(), run.to_string())));
        environment.push((variable::JOB.to_owned(), execution.label()));
    }
    environment.extend(progress.colour_variables());
    Request {
        argv: step.argv.clone(),
        cwd: Some(step.cwd.clone()),
        environment,
        removed: execution.removed.clone(),
        address_space: execution.address_space,
        niceness: execution.niceness,
        relay_stdout: progress.relays_stdout(),
        relay_stderr: progress.relays_stderr(),
        strangers: Strangers::default(),
        group: None,
        patience: execution.patience.as_ref().map(PatiencePlan::patience).unwrap_or_default(),
    }
}
