//! `ironwright build`.
//!
//! Does not know build systems; the core plans the steps.

use std::path::{Path, PathBuf};

use clap::Args;
use ironwright_core::build::{Driver, Source, Surroundings, plan};
use ironwright_core::inventory::nix::name_of;
use ironwright_core::profile::Profile;
use ironwright_core::settings::Settings;
use ironwright_core::settings::catalogue::{cpp, system};
use ironwright_core::value::Value;

use crate::args::HostArgs;
use crate::clock::unix_ns;
use crate::context::{Context, Directories};
use crate::error::{CliError, count};
use crate::execute::{Execution, execute, jobs_knob};
use crate::nix::build::{self, Built, NixBuildArgs};
use crate::nix::forecast;
use crate::nix::prepare::Prepared;
use crate::patience::{PatiencePlan, TimeoutChoice};
use crate::progress::{Progress, ProgressChoice};
use crate::sources::{names_in, shown};
use crate::summary::RunReport;
use crate::table::table;
use crate::ui::{DIM, HEADING, paint};
use crate::workspace::{Target, Wanted, Workspace, targets};
use crate::{governance, summary, ui};

/// Build packages within the machine's means.
///
/// A source is crate:NAME or crate:NAME@VERSION (a crate of crates.io with programs in it), the same
/// with npm:, pypi: or go: for their registries, or path:DIR (a Cargo, CMake, Make or autotools, Go, npm
/// or Python project). Several are built one after the other. A name without a colon is a package of the
/// workspace, whose manifest ironwright.toml is found here or above (`ironwright init` writes one), else
/// a directory; without any name, all packages of the workspace are built in its order. Each package gets
/// its overrides from the manifest and from [packages.NAME] of the profile, which comes last.
///
/// What Nix builds is named as for `nix build`: FLAKE#ATTRIBUTE, a .drv file, a path of the store, or
/// nix:INSTALLABLE; with -f FILE or --expr EXPR every name is an attribute. All of these are evaluated
/// together; what is missing is shown with what it will take, fetched, and built from the leaves, each
/// derivation when the governor lets it and with the cores that the plan allots. A build that was ended
/// goes on where it was when the command is repeated.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  ironwright build crate:ripgrep@14.1.1\n  ironwright build\n  ironwright build path:. --dry-run\n  ironwright build path:zlib --driver make --set make-jobs=2\n  ironwright build crate:bat crate:fd-find --keep-going\n  ironwright build .#hello nixpkgs#jq --keep-going\n  ironwright build -f default.nix python3 --dry-run"
)]
pub(crate) struct BuildArgs {
    /// What to build.
    #[arg(value_name = "SOURCE|PACKAGE|INSTALLABLE")]
    sources: Vec<String>,
    /// Build system of path: sources, instead of the one that is recognised.
    #[arg(long, value_parser = parse_driver, value_name = "DRIVER")]
    driver: Option<Driver>,
    /// Where the results of sources from registries go.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Show what would be set and started, and start nothing.
    #[arg(long)]
    dry_run: bool,
    /// Go on with the next source when one fails.
    #[arg(long, short)]
    keep_going: bool,
    /// Ask no registry.
    #[arg(long)]
    offline: bool,
    /// Let compilers start without asking the governor.
    #[arg(long)]
    no_govern: bool,
    /// When a build that takes too long is told and then ended: auto (from past builds of it; only told
    /// where there are none), never, or a number of seconds for each step, or each derivation. A step that
    /// was ended gives exit code 124.
    #[arg(long, default_value = "auto", value_name = "auto|never|SECONDS")]
    timeout: TimeoutChoice,
    /// How progress is shown.
    #[arg(long, value_enum, default_value = "auto", value_name = "HOW")]
    progress: ProgressChoice,
    /// Print facts and summaries as JSON; the builds' output goes to standard error.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    nix: NixBuildArgs,
}

/// Reads a driver's name.
pub(crate) fn parse_driver(text: &str) -> Result<Driver, String> {
    Driver::ALL.iter().copied().find(|driver| driver.name() == text).ok_or_else(|| {
        let names: Vec<_> = Driver::ALL.iter().map(|driver| driver.name()).collect();
        format!("the drivers are {}", names.join(", "))
    })
}

pub(crate) fn run(args: &BuildArgs, host: &HostArgs) -> Result<u8, CliError> {
    let context = Context::load(host)?;
    if args.nix.evaluation.names_attributes() {
        return Builds::new(args, &context).run(&[], &args.sources, true);
    }
    let sources = args.sources.iter().map(|text| stored(text).unwrap_or_else(|| text.clone()));
    let wanted = sources.map(|text| text.parse()).collect::<Result<Vec<_>, _>>()?;
    let workspace = workspace(&wanted)?;
    if let Some(workspace) = &workspace {
        workspace.check(&context)?;
    }
    let mut installables = Vec::new();
    let mut executions = Vec::new();
    for target in targets(&wanted, workspace.as_ref())? {
        match &target.source {
            Source::Nix(installable) => installables.push(installable.clone()),
            _ => executions.push(prepare(&target, workspace.as_ref(), args, &context)?),
        }
    }
    let of_nix = !installables.is_empty();
    if executions.len() + usize::from(of_nix) > 1 {
        let batch = Some(unix_ns());
        for execution in &mut executions {
            execution.batch = batch;
        }
    }
    Builds::new(args, &context).run(&executions, &installables, of_nix)
}

/// What of the store a path leads to, be it relative or a link; outputs of a derivation stay named.
fn stored(text: &str) -> Option<String> {
    let (path, outputs) = match text.split_once('^') {
        Some((path, outputs)) => (path, Some(outputs)),
        None => text.split_once(".drv!").map_or((text, None), |(_, outputs)| {
            (text.get(..text.len() - outputs.len() - 1).unwrap_or(text), Some(outputs))
        }),
    };
    let store = std::env::var_os("NIX_STORE_DIR").map_or("/nix/store".into(), PathBuf::from);
    let store = std::fs::canonicalize(store).ok()?;
    let found = std::fs::canonicalize(path).ok()?;
    let found = found.to_str().filter(|_| found.parent() == Some(&store))?;
    Some(outputs.map_or(format!("nix:{found}"), |outputs| format!("nix:{found}^{outputs}")))
}

/// Builds one after the other; what Nix builds comes last, all of it at once.
struct Builds<'a> {
    args: &'a BuildArgs,
    context: &'a Context,
    reports: Vec<RunReport>,
    code: u8,
}

impl<'a> Builds<'a> {
    const fn new(args: &'a BuildArgs, context: &'a Context) -> Self {
        Self { args, context, reports: Vec::new(), code: 0 }
    }

    fn run(
        mut self,
        executions: &[Execution],
        installables: &[String],
        of_nix: bool,
    ) -> Result<u8, CliError> {
        let govern = !self.args.no_govern;
        let how = (self.args.keep_going, govern, self.args.timeout);
        let prepare = || self.args.nix.prepare(installables, how, self.context);
        if self.args.dry_run {
            let prepared = of_nix.then(prepare).transpose()?;
            return show_all(executions, prepared.as_ref(), self.args.json);
        }
        self.context.tell_fallbacks();
        let mut left = executions.len() + usize::from(of_nix);
        for execution in executions {
            left -= 1;
            if !self.build(execution) {
                break;
            }
        }
        let goes_on = self.reports.len() == executions.len();
        if of_nix && goes_on && (self.code == 0 || self.args.keep_going) {
            left -= 1;
            self.build_nix(installables)?;
        }
        if left > 0 {
            ui::remark(&format!("{} not built after the failure", count(left, "source")));
        }
        if self.args.json {
            ui::print_json(&self.reports)?;
        } else if self.reports.len() > 1 {
            ui::note("`ironwright report` shows how they went against what was expected\n");
        }
        Ok(self.code)
    }

    /// Whether the next may be built.
    fn build(&mut self, execution: &Execution) -> bool {
        ui::note(&header(execution, self.context));
        tell_kept(execution);
        let mut progress = Progress::new(self.args.progress, self.args.json);
        let facts = execute(execution, self.context, &mut progress);
        summary::show(&facts, execution.output.as_deref());
        let own = summary::exit_code(&facts);
        let interrupted =
            facts.steps.last().is_some_and(|step| step.observed.interrupted_by.is_some());
        self.reports.push(RunReport::new(facts));
        self.code = if self.code == 0 { own } else { self.code };
        own == 0 || (!interrupted && self.args.keep_going)
    }

    fn build_nix(&mut self, installables: &[String]) -> Result<(), CliError> {
        let how = (self.args.keep_going, !self.args.no_govern, self.args.timeout);
        let mut prepared = self.args.nix.prepare(installables, how, self.context)?;
        build::show_forecast(&prepared);
        let mut progress = Progress::new(self.args.progress, self.args.json);
        let built = self.args.nix.build(&mut prepared, self.context, &mut progress)?;
        self.code = if self.code == 0 { built.exit_code() } else { self.code };
        build::show_end(&built);
        let Built { mut runs, results, .. } = built;
        let last = runs.pop().map(|facts| RunReport::new(facts).with_nix(results));
        self.reports.extend(runs.into_iter().map(RunReport::new).chain(last));
        Ok(())
    }
}

/// The workspace, where one is needed: sources that are named in full do without.
fn workspace(wanted: &[Wanted]) -> Result<Option<Workspace>, CliError> {
    let is_source = |wanted: &Wanted| matches!(wanted, Wanted::Source(_));
    if !wanted.is_empty() && wanted.iter().all(is_source) {
        return Ok(None);
    }
    Workspace::find()
}

fn prepare(
    target: &Target<'_>,
    workspace: Option<&Workspace>,
    args: &BuildArgs,
    context: &Context,
) -> Result<Execution, CliError> {
    let source = &target.source;
    let around = surroundings(target, args, context)?;
    let named = target.package.map(|package| package.name.clone());
    let package = named.unwrap_or_else(|| package_name(source, &around.dir));
    let overrides =
        target.package.and_then(|package| Some((&*workspace?.manifest.path, &*package.settings)));
    let profile = context.profile_in(&package, overrides);
    let launcher = if args.no_govern { None } else { governance::launcher() };
    let jobs = jobs(&profile, launcher.is_some());
    let mut plan = plan(source, &Surroundings { jobs, ..around })?;
    plan.package = package;
    let mut execution = Execution::of_plan(plan, &profile, launcher);
    execution.patience = PatiencePlan::of(args.timeout, &execution);
    Ok(execution)
}

/// Jobs of a tool that takes no part in a jobserver. Under the governor they may be many, because
/// compilers wait until there is room: the more ask, the better they are put together.
fn jobs(profile: &Profile, governed: bool) -> u64 {
    let settings = Settings::resolve(profile);
    if governed {
        settings.count(&system::BUILD_THREADS).saturating_mul(2)
    } else {
        settings.count(&cpp::MAKE_JOBS)
    }
}

fn surroundings(
    target: &Target<'_>,
    args: &BuildArgs,
    context: &Context,
) -> Result<Surroundings, CliError> {
    let read = |path: &Path, error| CliError::Read { path: path.to_owned(), error };
    let cwd = std::env::current_dir().map_err(|error| read(Path::new("."), error))?;
    let ninja = !matches!(context.profile(None).host("tools.ninja").value, Value::Unset);
    let common = Surroundings {
        offline: args.offline,
        driver: args.driver.or(target.driver),
        ninja,
        ..Surroundings::default()
    };
    let Source::Path(path) = &target.source else {
        return Ok(registry(&target.source, cwd, args, common));
    };
    let dir = std::fs::canonicalize(path).map_err(|error| read(path, error))?;
    let names = names_in(&dir)?;
    Ok(Surroundings { dir, names, ..common })
}

/// A package of a registry has its result in a directory of its own.
fn registry(source: &Source, cwd: PathBuf, args: &BuildArgs, common: Surroundings) -> Surroundings {
    let (name, version) = source.package().unwrap_or_default();
    let directory = version.map_or_else(|| name.to_owned(), |v| format!("{name}-{v}"));
    let directory = directory.replace('/', "-");
    let default =
        || Directories::data().unwrap_or_else(|| cwd.join(".ironwright")).join("packages");
    let output = args.out.as_ref().map_or_else(|| default().join(&directory), |out| cwd.join(out));
    let cache = Directories::cache().unwrap_or_else(|| cwd.join(".ironwright"));
    // The process id keeps two builds of the same crate apart.
    let scratch = cache.join("build").join(format!("{directory}-{}", std::process::id()));
    Surroundings { dir: cwd, output, scratch, ..common }
}

/// The name under which a package's overrides are looked up: the crate's, the one in Cargo.toml
/// or package.json, else the directory's.
pub(crate) fn package_name(source: &Source, dir: &Path) -> String {
    if let Some((name, _)) = source.package() {
        return name.to_owned();
    }
    if let Source::Nix(installable) = source {
        return installable_name(installable).to_owned();
    }
    let in_cargo = || {
        let text = std::fs::read_to_string(dir.join("Cargo.toml")).ok()?;
        let manifest: toml::Table = text.parse().ok()?;
        Some(manifest.get("package")?.get("name")?.as_str()?.to_owned())
    };
    let in_npm = || {
        let text = std::fs::read_to_string(dir.join("package.json")).ok()?;
        let manifest: serde_json::Value = serde_json::from_str(&text).ok()?;
        Some(manifest.get("name")?.as_str()?.to_owned())
    };
    let directory = || dir.file_name().map(|name| name.to_string_lossy().into_owned());
    in_cargo().or_else(in_npm).or_else(directory).unwrap_or_default()
}

/// The name of a derivation, or the attribute of a flake: without outputs and hashes.
fn installable_name(installable: &str) -> &str {
    let (what, _) = installable.split_once('^').unwrap_or((installable, ""));
    match what.rsplit_once('#') {
        Some((_, attribute)) => attribute.rsplit('.').next().unwrap_or(attribute),
        None => name_of(what),
    }
}

/// What was derived, before anything starts.
fn header(execution: &Execution, context: &Context) -> String {
    let facts = &context.facts;
    let cpu = facts.cpu.model_name.as_ref().map_or("unknown processor", |fact| fact.value.as_str());
    let name = facts
        .cpu
        .microarchitecture
        .as_ref()
        .map(|fact| format!(" ({})", fact.value))
        .unwrap_or_default();
    let memory = facts
        .memory
        .total
        .as_ref()
        .map_or_else(|| "unknown memory".to_owned(), |m| m.value.to_string());
    let title = execution.source.as_deref().map(shown).unwrap_or_default();
    let mut out = format!("{} {title}\n", paint(HEADING, "ironwright"));
    out.push_str(&format!("  host       {cpu}{name}, {memory}\n"));
    out.push_str(&format!(
        "  for builds {} of memory, {}, {} at a time\n",
        execution.budget,
        count(execution.threads as usize, "thread"),
        execution
            .jobserver
            .map_or_else(|| "the tool's own number".to_owned(), |j| format!("{} jobs", j.tokens)),
    ));
    for assignment in &execution.environment {
        out.push_str(&format!(
            "  {}\n",
            paint(DIM, &format!("{}={}", assignment.key, assignment.value()))
        ));
    }
    out
}

/// Tells which variables of the user's stay.
pub(crate) fn tell_kept(execution: &Execution) {
    for kept in &execution.kept {
        ui::remark(&format!(
            "{}={} is kept from your environment (derived: {})",
            kept.name, kept.theirs, kept.ours
        ));
    }
}

/// Prints what would be done, with what Nix would.
fn show_all(
    executions: &[Execution],
    prepared: Option<&Prepared>,
    json: bool,
) -> Result<u8, CliError> {
    let Some(prepared) = prepared else { return show_plan(executions, json) };
    if json {
        let mut values =
            executions.iter().map(serde_json::to_value).collect::<Result<Vec<_>, _>>()?;
        values.push(serde_json::to_value(build::dry_run(prepared))?);
        ui::print_json(&values)?;
        return Ok(0);
    }
    let mut texts: Vec<_> = executions.iter().map(plan_text).collect();
    texts.push(forecast::text(&prepared.plan, &prepared.schedule(), true));
    ui::print(&texts.join("\n"))?;
    Ok(0)
}

/// Prints what would be done.
pub(crate) fn show_plan(executions: &[Execution], json: bool) -> Result<u8, CliError> {
    if json {
        ui::print_json(&executions)?;
        return Ok(0);
    }
    let texts: Vec<_> = executions.iter().map(plan_text).collect();
    ui::print(&texts.join("\n"))?;
    Ok(0)
}

fn plan_text(execution: &Execution) -> String {
    let what = execution.source.as_deref().map_or_else(|| "command".to_owned(), shown);
    let mut out = format!("{}\n", paint(HEADING, &what));
    for step in &execution.steps {
        out.push_str(&format!(
            "  {} {}  {}\n",
            paint(DIM, "$"),
            step.argv.join(" "),
            paint(DIM, &format!("in {}", step.cwd.display()))
        ));
    }
    let mut rows: Vec<_> =
        execution.environment.iter().map(|a| vec![a.key.clone(), a.value(), a.why()]).collect();
    if let Some(jobserver) = execution.jobserver {
        let style = format!("{:?} jobserver", jobserver.style).to_lowercase();
        let knob =
            if jobserver.elastic { &system::BUILD_THREADS } else { jobs_knob(execution.driver) };
        rows.push(vec![style, jobserver.tokens.to_string(), knob.id.to_owned()]);
    }
    rows.push(vec![
        "threads".to_owned(),
        execution.threads.to_string(),
        system::BUILD_THREADS.id.to_owned(),
    ]);
    rows.push(vec![
        "memory".to_owned(),
        execution.budget.to_string(),
        system::MEMORY_BUDGET.id.to_owned(),
    ]);
    if let Some(patience) = &execution.patience {
        rows.push(vec!["timeout".to_owned(), patience.to_string(), patience.because.clone()]);
    }
    if let Some(output) = &execution.output {
        rows.push(vec!["result".to_owned(), output.display().to_string(), String::new()]);
    }
    out.push_str(&table(&[], rows));
    out
}
