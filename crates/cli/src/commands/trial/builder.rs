//! Builds variants of a package, or takes them from the cache.
//!
//! A build is an execution like that of `ironwright build`: under the governor, observed and in the
//! history. Does not know which variants are wanted.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ironwright_core::build::{BuildPlan, Driver, Step};
use ironwright_core::observe::{RunFacts, Summary, summarise};
use ironwright_core::pgo::{Addition, Phase};
use ironwright_core::profile::Profile;
use ironwright_core::settings::Settings;
use ironwright_core::settings::catalogue::{cpp, system};
use ironwright_core::settings::compose::Assignment;
use ironwright_core::trial::package::{Language, fill};
use ironwright_core::trial::treatment::Knobs;
use ironwright_core::trial::{Package, Variant, VariantFacts, built_in};
use ironwright_core::units::Bytes;
use ironwright_host::pgo::tail;
use ironwright_host::tree::hash_of_texts;
use ironwright_host::trial::source::{self, Located};
use ironwright_host::trial::store::{Kept, Workshop};
use ironwright_host::trial::{Store, StoreError, code};

use super::HowArgs;
use super::besides::Besides;
use super::cached::{self, Cached};
use super::profiled::{self, Profiled};
use super::tools::Tools;
use crate::clock::unix_ns;
use crate::context::Context;
use crate::error::CliError;
use crate::execute::{Execution, Variable, execute};
use crate::governance;
use crate::progress::Progress;
use crate::ui;

/// What is needed to build variants of one package.
pub(super) struct Builder<'a> {
    pub(super) package: &'a Package,
    pub(super) context: &'a Context,
    pub(super) store: &'a Store,
    pub(super) source: Located,
    /// What every build has.
    pub(super) base: Knobs,
    pub(super) how: &'a HowArgs,
    pub(super) tools: Tools,
    pub(super) json: bool,
}

/// A build whose objects are another's but for a few, which are compiled with other flags.
pub(super) struct Partial<'a> {
    /// Objects and what else came of the build that it starts from.
    pub(super) tree: &'a Path,
    /// Hash of that build.
    pub(super) of: &'a str,
    /// Objects that are compiled anew.
    pub(super) hot: &'a [String],
}

/// What came of asking for a build.
pub(super) enum Built {
    Kept(Box<Kept>),
    /// A user ended it.
    Interrupted,
}

/// Where a build is made before the one that counts, and of what.
struct Site<'a> {
    variant: &'a Variant,
    variables: &'a [Variable],
    tree: &'a Path,
    out: &'a Path,
}

/// What a variant is built with.
pub(super) struct Setting {
    pub(super) profile: Profile,
    execution: Execution,
    values: BTreeMap<&'static str, String>,
}

impl Builder<'_> {
    /// The build of a variant if it was made before.
    pub(super) fn cached(&self, variant: &Variant) -> Option<Kept> {
        self.store.build(&self.package.name, &self.key(variant, None))
    }

    /// Hash of everything that goes into a build.
    pub(super) fn key(&self, variant: &Variant, partial: Option<&Partial<'_>>) -> String {
        let setting = self.setting(variant, &[]);
        let mut texts = vec!["1".to_owned(), self.source.identity.clone()];
        texts.push(self.tools.version.clone());
        texts.extend(self.commands().map(|command| fill(command, &setting.values)));
        let files = self.package.files.iter();
        texts
            .extend(files.flat_map(|(name, text)| [name.clone(), built_in::text(text).to_owned()]));
        let flags = setting.execution.environment.iter().filter(|a| is_about_output(&a.knobs));
        texts.extend(flags.map(|a| format!("{}={}", a.key, a.value())));
        texts.extend(self.package.edit.clone());
        if let Some(level) = profiled::level(&self.knobs(variant), self.package.language) {
            texts.push(level.to_string());
            let commands = profiled::training(level, &self.package.workloads);
            texts.extend(commands.into_iter().map(str::to_owned));
        }
        texts.extend(cached::tool(&self.knobs(variant)).map(str::to_owned));
        if self.is_laid_out_anew(variant) {
            texts.extend(self.package.workloads.iter().map(|workload| workload.train.clone()));
        }
        if let Some(partial) = partial {
            texts.push(partial.of.to_owned());
            texts.extend(partial.hot.iter().cloned());
        }
        hash_of_texts(texts.iter().map(String::as_str))
    }

    /// Settings of a variant, those of the baseline among them.
    pub(super) fn knobs(&self, variant: &Variant) -> Knobs {
        let mut knobs = self.base.clone();
        knobs.extend(variant.knobs.clone());
        knobs
    }

    fn commands(&self) -> impl Iterator<Item = &str> {
        let steps = self.package.steps.iter().map(|step| step.run.as_str());
        steps.chain(self.package.harness.iter().map(String::as_str))
    }

    /// Settings, environment and placeholders of a variant; paths are left open.
    fn setting(&self, variant: &Variant, added: &[Addition]) -> Setting {
        let mut knobs = self.knobs(variant);
        let profile = self.context.profile_of_trial(&knobs);
        // Build systems have defaults of their own where nothing is said.
        if self.package.language.is_c() && !knobs.contains_key(cpp::C_OPT_LEVEL.id) {
            let settings = Settings::resolve(&profile);
            let derived = settings.get(cpp::C_OPT_LEVEL.id).map(|s| s.value.display());
            knobs.extend(derived.map(|level| (cpp::C_OPT_LEVEL.id.to_owned(), level)));
        }
        let profile = self.context.profile_of_trial(&knobs);
        let execution = self.execution(&profile, Vec::new(), variant, added);
        let variable = |name: &str| {
            let set = execution.environment.iter().find(|assignment| assignment.key == name);
            set.map(Assignment::value).unwrap_or_default()
        };
        let cflags = variable("CFLAGS");
        let lto: Vec<&str> = cflags.split(' ').filter(|flag| flag.starts_with("-flto")).collect();
        let threads = Settings::resolve(&profile).count(&system::BUILD_THREADS);
        let values = BTreeMap::from([
            ("lto", lto.join(" ")),
            ("cflags", cflags.clone()),
            ("configure", profiled::configure(&knobs, self.package.language)),
            ("cxxflags", variable("CXXFLAGS")),
            ("ldflags", variable("LDFLAGS")),
            ("jobs", threads.to_string()),
            ("cc", self.tools.cc.clone()),
            ("cxx", self.tools.cxx.clone()),
            ("ar", self.tools.ar.clone()),
        ]);
        Setting { profile, execution, values }
    }

    pub(super) fn execution(
        &self,
        profile: &Profile,
        steps: Vec<Step>,
        variant: &Variant,
        added: &[Addition],
    ) -> Execution {
        let launcher = if self.how.no_govern { None } else { governance::launcher() };
        let driver = match self.package.language {
            Language::C | Language::Cpython => Driver::Make,
            Language::Rust => Driver::Cargo,
        };
        let plan = BuildPlan {
            source: format!("trial of {}: {}", self.package.name, variant.label()),
            // Not the package's own name: what is tried says nothing of builds that hold.
            package: format!("trial/{}", self.package.name),
            driver,
            steps,
            output: PathBuf::new(),
            scratch: None,
        };
        let mut execution = Execution::of_plan(plan, profile, launcher);
        execution.output = None;
        for assignment in &mut execution.environment {
            if matches!(assignment.key.as_str(), "CFLAGS" | "CXXFLAGS") {
                assignment.parts.extend(variant.flags.iter().cloned());
            }
        }
        for addition in added {
            append(&mut execution.environment, addition);
        }
        execution
    }

    /// Builds a variant, unless that was done before.
    pub(super) fn build(
        &self,
        variant: &Variant,
        partial: Option<&Partial<'_>>,
        keep_tree: bool,
    ) -> Result<Built, CliError> {
        let key = self.key(variant, partial);
        let kept = self.store.build(&self.package.name, &key);
        if let Some(kept) = kept.filter(|kept| kept.tree.is_some() || !keep_tree) {
            return Ok(Built::Kept(Box::new(kept)));
        }
        let workshop = self.store.workshop(&self.package.name)?;
        let Some(facts) = self.make(variant, partial, &workshop, key)? else {
            return Ok(Built::Interrupted);
        };
        workshop.keep(&facts, keep_tree)?;
        self.record(&facts, partial);
        let kept = self.store.build(&self.package.name, &facts.key);
        kept.map(|kept| Built::Kept(Box::new(kept))).ok_or_else(|| {
            let error = std::io::Error::other("a build was kept and is not there");
            CliError::TrialStore(StoreError::Io { path: workshop.out().unwrap_or_default(), error })
        })
    }

    /// Builds a variant once more, for what that costs alone; false when a user ended it.
    pub(super) fn repeat(&self, variant: &Variant) -> Result<bool, CliError> {
        let workshop = self.store.workshop(&self.package.name)?;
        let made = self.make(variant, None, &workshop, self.key(variant, None))?;
        if let Some(facts) = &made {
            self.record(facts, None);
        }
        Ok(made.is_some())
    }

    /// Makes a build, in the folders of a workshop; nothing when a user ended it.
    fn make(
        &self,
        variant: &Variant,
        partial: Option<&Partial<'_>>,
        workshop: &Workshop,
        key: String,
    ) -> Result<Option<VariantFacts>, CliError> {
        let bolt = self.bolt(variant)?;
        let (tree, out) = (workshop.tree()?, workshop.out()?);
        let cached = Cached::by(&self.knobs(variant), workshop)?;
        let variables = cached.as_ref().map(Cached::variables).unwrap_or_default();
        let profiled = self.profiled(variant, workshop, &tree)?;
        let is_filled = cached.is_some() && partial.is_none();
        let site = Site { variant, variables: &variables, tree: &tree, out: &out };
        let before = self.before(&site, profiled.as_ref(), is_filled, workshop)?;
        let Some(mut besides) = before else { return Ok(None) };
        let added = profiled.map(|profiled| profiled.additions(Phase::Use)).unwrap_or_default();
        source::copy(partial.map_or(&self.source.directory, |partial| partial.tree), &tree)?;
        let setting = self.setting(variant, &added);
        let steps = self.steps(&setting.values, (&tree, &out), partial);
        let argv: Vec<Step> = steps.iter().map(|(_, step)| step.clone()).collect();
        self.prepare(&tree, partial)?;
        let execution = self.execution(&setting.profile, argv, variant, &added);
        let (facts, said) = self.execute(&execution.with_variables(&variables))?;
        if !self.check(variant, &facts, &said)? {
            return Ok(None);
        }
        if let Some(used) = &facts.compiler_cache {
            ui::note(&cached::told(used));
        }
        if let Some(bolt) = bolt {
            let counts = workshop.profile()?;
            let laid_out = self.lay_out(&bolt, variant, &setting, (&out, &counts))?;
            let Some(laid_out) = laid_out else { return Ok(None) };
            besides.each_time.push(laid_out);
        }
        let roles: Vec<Role> = steps.iter().map(|(role, _)| *role).collect();
        let mut facts = self.facts(variant, key, &roles, &facts, (&tree, &out))?;
        besides.add_to(&mut facts);
        Ok(Some(facts))
    }

    /// Runs it; the end of what it printed is for whoever looks at a failure.
    pub(super) fn execute(&self, execution: &Execution) -> Result<(RunFacts, String), CliError> {
        let log = std::env::temp_dir();
        let log = tempfile::NamedTempFile::new_in(&log)
            .map_err(|error| CliError::Write { path: log, error })?;
        let read = |error| CliError::Read { path: log.path().to_owned(), error };
        let mut progress = Progress::new(self.how.progress, self.json);
        progress.keep_in(log.reopen().map_err(read)?);
        let facts = execute(execution, self.context, &mut progress);
        let said = std::fs::read(log.path()).map_err(read)?;
        Ok((facts, tail(&String::from_utf8_lossy(&said))))
    }

    /// False when a user ended a build; an error when it failed.
    pub(super) fn check(
        &self,
        variant: &Variant,
        facts: &RunFacts,
        said: &str,
    ) -> Result<bool, CliError> {
        let Some(last) = facts.steps.last() else { return Ok(false) };
        let (ended, code) = (last.observed.interrupted_by.is_some(), last.observed.code());
        if ended || code == 0 {
            return Ok(!ended);
        }
        ui::note(&format!("{said}\n"));
        let what = format!("{} with {}", self.package.name, variant.label());
        Err(CliError::TrialBuild { what, code })
    }

    fn profiled(
        &self,
        variant: &Variant,
        workshop: &Workshop,
        tree: &Path,
    ) -> Result<Option<Profiled>, CliError> {
        let language = self.package.language;
        let Some(level) = profiled::level(&self.knobs(variant), language) else { return Ok(None) };
        let folder = workshop.profile()?;
        Profiled::new(level, language, &self.tools.cc, (&folder, tree)).map(Some)
    }

    /// What comes before the build that counts; nothing when a user ended it.
    fn before(
        &self,
        site: &Site<'_>,
        profiled: Option<&Profiled>,
        is_filled: bool,
        workshop: &Workshop,
    ) -> Result<Option<Besides>, CliError> {
        let mut besides = Besides::default();
        if let Some(profiled) = profiled {
            let Some(trained) = self.train(site, profiled)? else { return Ok(None) };
            besides.each_time.push(trained);
            // Both are emptied for the next build.
            workshop.tree()?;
            workshop.out()?;
        }
        if is_filled {
            let added = profiled.map(|profiled| profiled.additions(Phase::Use)).unwrap_or_default();
            besides.once = self.first(site, &added, Vec::new())?;
            if besides.once.is_none() {
                return Ok(None);
            }
            workshop.tree()?;
            workshop.out()?;
        }
        Ok(Some(besides))
    }

    /// Builds with counters and trains; what that took, or nothing when a user ended it.
    fn train(&self, site: &Site<'_>, profiled: &Profiled) -> Result<Option<Summary>, CliError> {
        let training = profiled.training(&self.package.workloads, site.out).into_iter();
        let training = training.map(|command| shell("train", command, site.out)).collect();
        let trained = self.first(site, &profiled.additions(Phase::Instrument), training)?;
        if trained.is_some() {
            ui::note(&format!("ironwright: {}\n", profiled.collect()?));
        }
        Ok(trained)
    }

    /// A build that comes before the one that counts; what it took, or nothing when a user ended it.
    fn first(
        &self,
        site: &Site<'_>,
        added: &[Addition],
        training: Vec<Step>,
    ) -> Result<Option<Summary>, CliError> {
        source::copy(&self.source.directory, site.tree)?;
        let setting = self.setting(site.variant, added);
        let steps = self.steps(&setting.values, (site.tree, site.out), None).into_iter();
        // A small change is made to the finished build alone.
        let steps = steps.filter(|(role, _)| matches!(role, Role::Build | Role::Harness));
        let steps = steps.map(|(_, step)| step).chain(training).collect();
        self.prepare(site.tree, None)?;
        let execution = self.execution(&setting.profile, steps, site.variant, added);
        let (facts, said) = self.execute(&execution.with_variables(site.variables))?;
        Ok(self.check(site.variant, &facts, &said)?.then(|| summarise(&facts)))
    }

    /// Puts what a build cost into the history.
    fn record(&self, facts: &VariantFacts, partial: Option<&Partial<'_>>) {
        // What every build has besides is no part of the variant, so its costs would mislead.
        if partial.is_none() && facts.variant.flags.is_empty() && self.base.is_empty() {
            super::record::record_variant(facts);
        }
    }

    /// Files of the package, and objects out of the way.
    fn prepare(&self, tree: &Path, partial: Option<&Partial<'_>>) -> Result<(), CliError> {
        for (name, text) in &self.package.files {
            let path = tree.join(name);
            let has = std::fs::read_to_string(&path).is_ok_and(|own| own == built_in::text(text));
            if !has {
                std::fs::write(&path, built_in::text(text))
                    .map_err(|error| CliError::Write { path, error })?;
            }
        }
        for object in partial.iter().flat_map(|partial| partial.hot) {
            let path = tree.join(object);
            std::fs::remove_file(&path).map_err(|error| CliError::Write { path, error })?;
        }
        Ok(())
    }

    /// The commands, with what each is for.
    fn steps(
        &self,
        values: &BTreeMap<&'static str, String>,
        (tree, out): (&Path, &Path),
        partial: Option<&Partial<'_>>,
    ) -> Vec<(Role, Step)> {
        let mut values = values.clone();
        values.insert("tree", tree.to_string_lossy().into_owned());
        values.insert("prefix", tree.join("prefix").to_string_lossy().into_owned());
        values.insert("out", out.to_string_lossy().into_owned());
        let shell = |title: &str, command: &str| shell(title, fill(command, &values), tree);
        let again = || self.package.steps.iter().filter(|step| step.again);
        let whole = self.package.steps.iter().filter(|step| partial.is_none() || step.again);
        let mut steps: Vec<_> =
            whole.map(|step| (Role::Build, shell(&step.title, &step.run))).collect();
        let harness = self.package.harness.iter();
        steps.extend(harness.map(|command| (Role::Harness, shell("harness", command))));
        if let (Some(edit), None) = (&self.package.edit, partial) {
            steps.push((Role::Change, shell("change", &format!("echo >> '{edit}'"))));
            steps.extend(again().map(|step| (Role::Again, shell("rebuild", &step.run))));
        }
        steps
    }

    fn facts(
        &self,
        variant: &Variant,
        key: String,
        roles: &[Role],
        run: &RunFacts,
        (tree, out): (&Path, &Path),
    ) -> Result<VariantFacts, CliError> {
        let of = |role: Role| {
            let steps = roles.iter().zip(&run.steps).filter(move |(own, _)| **own == role);
            steps.map(|(_, step)| &step.observed)
        };
        let seconds = |nanos: u64| nanos as f64 / 1e9;
        let cpu = |role: Role| of(role).map(|o| seconds(o.user_ns + o.system_ns)).sum::<f64>();
        let read = |path: &Path| {
            let path = path.to_owned();
            move |error| CliError::Read { path: path.clone(), error }
        };
        let (mut text, mut size) = (Bytes::ZERO, Bytes::ZERO);
        for artefact in &self.package.artefacts {
            let path = tree.join(artefact);
            let found = code::sizes(&path).map_err(read(&path))?;
            (text, size) = (text.saturating_add(found.text), size.saturating_add(found.file));
        }
        let (code, run_text) = code::hash(out).map_err(read(out))?;
        Ok(VariantFacts {
            package: self.package.name.clone(),
            variant: variant.clone(),
            host: self.context.facts.hostname.as_ref().map(|name| name.value.clone()),
            built_unix_ns: unix_ns(),
            compiler: self.tools.version.clone(),
            key,
            code,
            wall: of(Role::Build).map(|o| seconds(o.wall_ns)).sum(),
            cpu: cpu(Role::Build),
            again: of(Role::Again).next().is_some().then(|| cpu(Role::Again)),
            cold: None,
            peak: of(Role::Build).map(|o| o.peak_tree).max().unwrap_or_default(),
            largest: of(Role::Build).map(|o| o.peak_process).max().unwrap_or_default(),
            text,
            run_text,
            size,
            threads: run.threads,
            governed: run.governed.is_some(),
        })
    }
}

/// A command line as a step.
pub(super) fn shell(title: &str, command: String, cwd: &Path) -> Step {
    let argv = vec!["sh".to_owned(), "-c".to_owned(), command];
    Step { title: title.to_owned(), argv, cwd: cwd.to_owned() }
}

/// What a command of a build is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// It builds the package.
    Build,
    /// It makes what workloads run.
    Harness,
    /// It changes a file a little.
    Change,
    /// It builds again after a small change.
    Again,
}

/// Appends flags to a variable of a build.
fn append(environment: &mut Vec<Assignment>, addition: &Addition) {
    let flags = addition.flags.iter().cloned();
    match environment.iter_mut().find(|assignment| assignment.key == addition.variable) {
        Some(assignment) => assignment.parts.extend(flags),
        None => environment.push(Assignment {
            key: addition.variable.to_owned(),
            parts: flags.collect(),
            knobs: Vec::new(),
            from_flag: true,
        }),
    }
}

/// Whether variables say what is built: how many jobs build it changes nothing.
fn is_about_output(knobs: &[String]) -> bool {
    use ironwright_core::settings::catalogue::knob;
    use ironwright_core::settings::knob::Class;
    knobs.iter().any(|id| knob(id).is_some_and(|knob| knob.class == Class::Output))
}

/// A user ended it: what stays, and how it goes on.
pub(super) fn tell_interrupted() {
    ui::remark("interrupted; builds and rounds are kept: the same command goes on from here");
}
