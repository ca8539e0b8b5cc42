//! What is known of changes to settings on this host, and the generations that decisions make.
//!
//! Does not decide; the core does. Whatever fails here while a build or a benchmark ends is told and
//! changes nothing else.

use std::collections::BTreeSet;

use ironwright_core::decide::generation::red_flag;
use ironwright_core::decide::prior::{is_known, prior};
use ironwright_core::decide::{
    Action, Candidate, Costs, Edit, Evidence, Generation, Here, Recommendation, Usage, Weights,
    recommend,
};
use ironwright_core::evidence::{Change, Subject};
use ironwright_core::observe::RunFacts;
use ironwright_core::pgo::Level;
use ironwright_core::profile::Profile;
use ironwright_core::settings::Settings;
use ironwright_core::settings::knob::Class;
use ironwright_core::trial::facts::{costs, is_same_code};
use ironwright_core::trial::{Package, VariantFacts};
use ironwright_core::value::Value;
use ironwright_history::{Filter, History};
use ironwright_host::generations::{GenerationError, Generations};
use jiff::Timestamp;

use crate::closures::Closures;
use crate::context::{Context, Directories};
use crate::error::CliError;
use crate::recording::{history_path, open_history};
use crate::ui;

/// Where generations lie.
pub(crate) fn generations() -> Result<Generations, CliError> {
    let directory = Directories::state().ok_or_else(|| {
        CliError::usage("there is no place for generations", "set HOME or XDG_STATE_HOME")
    })?;
    Ok(Generations::at(directory.join("generations")))
}

/// The present generation; one that cannot be read is told, and none applies.
pub(crate) fn present() -> Option<Generation> {
    let current = generations().ok()?.current();
    current.unwrap_or_else(|error| {
        ui::warn(&format!("measured decisions are left out: {error}"));
        None
    })
}

/// Now, nanoseconds since 1970.
pub(crate) fn now() -> i64 {
    i64::try_from(Timestamp::now().as_nanosecond()).unwrap_or(0)
}

/// What a user says about use and weights.
#[derive(Clone, Debug, Default)]
pub(crate) struct Preferences {
    pub(crate) usage: Usage,
    pub(crate) weights: Vec<(String, f64)>,
    /// What rebuilding costs that depends on a package.
    pub(crate) closures: Closures,
}

/// All that is known on this host.
pub(crate) struct Known {
    history: Option<History>,
    measured: Vec<(Subject, Evidence)>,
    /// Builds of variants on this host.
    variants: Vec<VariantFacts>,
    /// The present generation.
    pub(crate) present: Option<Generation>,
    preferences: Preferences,
}

impl Known {
    /// Reads history and generations.
    pub(crate) fn load(context: &Context, preferences: Preferences) -> Result<Self, CliError> {
        let here = here(context);
        let history = match history_path().filter(|path| path.exists()) {
            Some(path) => Some(open_history(&path)?),
            None => None,
        };
        let stored = match &history {
            Some(history) => history.benches_of_changes()?,
            None => Vec::new(),
        };
        let variants = match &history {
            Some(history) => history.variants()?,
            None => Vec::new(),
        };
        let on_this = |facts: &VariantFacts| facts.host.is_some() && facts.host == here.host;
        let variants = variants.into_iter().filter(on_this).collect();
        let measured = stored.iter().filter_map(|s| Evidence::of(s.id, &s.facts, &here)).collect();
        Ok(Self { history, measured, variants, present: present(), preferences })
    }

    /// Changes that were measured or that hold, of a package or of all.
    pub(crate) fn changes(&self, package: Option<&str>) -> BTreeSet<Change> {
        let decided = self
            .present
            .iter()
            .flat_map(|present| present.decisions.iter().map(|decision| decision.change.clone()));
        let measured = self.measured.iter().map(|(subject, _)| subject.change.clone());
        let wanted = |change: &Change| package.is_none() || change.package.as_deref() == package;
        decided.chain(measured).filter(wanted).collect()
    }

    /// The decision on a change.
    pub(crate) fn recommend(&self, change: &Change) -> Result<Recommendation, CliError> {
        let about = |(subject, _): &&(Subject, Evidence)| subject.change == *change;
        let evidence = self.measured.iter().filter(about).map(|(_, e)| e.clone()).collect();
        let variants = self.variants_of(change.package.as_deref());
        Ok(recommend(&Candidate {
            change: change.clone(),
            evidence,
            same_code: is_same_code(&variants, &change.knobs),
            builds: self.builds(change)?,
            costs: self.costs(change, &variants),
            usage: self.preferences.usage,
            weights: Weights::default(),
            workload_weights: self.preferences.weights.clone(),
        }))
    }

    /// What a change costs: by builds of variants on this host, and by what depends on its package.
    fn costs(&self, change: &Change, variants: &[VariantFacts]) -> Costs {
        let mut found = costs(variants, &change.knobs).unwrap_or_default();
        found.rebuild_seconds += self.preferences.closures.seconds(change.package.as_deref());
        found
    }

    fn variants_of(&self, package: Option<&str>) -> Vec<VariantFacts> {
        let is_its = |facts: &&VariantFacts| Some(facts.package.as_str()) == package;
        self.variants.iter().filter(is_its).cloned().collect()
    }

    /// Builds since a change holds that stayed within the machine's means, and those that did not.
    fn builds(&self, change: &Change) -> Result<(u32, u32), CliError> {
        let decision = self.present.as_ref().and_then(|present| present.decision(change));
        let (Some(decision), Some(history)) = (decision, &self.history) else { return Ok((0, 0)) };
        let filter = Filter {
            package: change.package.clone(),
            since_unix_ns: Some(decision.since_unix_ns),
            ..Filter::default()
        };
        let (mut stayed, mut exceeded) = (0, 0);
        for run in history.list(&filter, |_| false)? {
            let well = run.facts.steps.last().is_some_and(|step| step.observed.exit.is_success());
            match red_flag(&run.facts) {
                Some(_) => exceeded += 1,
                None => stayed += u32::from(well),
            }
        }
        Ok((stayed, exceeded))
    }

    /// Whether a change was taken back, and nothing new was measured since; why.
    pub(crate) fn rejection(&self, found: &Recommendation) -> Option<&str> {
        let rejection = self.present.as_ref()?.rejection(&found.change, &found.benches())?;
        Some(&rejection.why)
    }
}

fn here(context: &Context) -> Here {
    let facts = &context.facts;
    Here {
        host: facts.hostname.as_ref().map(|name| name.value.clone()),
        microarchitecture: facts.cpu.microarchitecture.as_ref().map(|name| name.value.clone()),
    }
}

/// Changes that the catalogue suggests for a host: its candidates of which something is published,
/// each alone. Where it is known how a package is built, what does not reach it is left out.
pub(crate) fn suggestions(
    profile: &Profile,
    package: Option<&str>,
    tried: Option<&Package>,
) -> Vec<Change> {
    let settings = Settings::resolve(profile);
    let mut found = Vec::new();
    for setting in settings.by_id.values() {
        let candidate = setting.knob.class == Class::Output && !setting.applied;
        if candidate && !is_neutral(&setting.derived) {
            found.push(alone(package, setting.knob.id, &setting.derived.display()));
        }
    }
    // The level next to a processor of its own is the safer choice where a compiler only knows
    // the neighbour.
    if let Value::Text(level) = profile.host("cpu.psabi").value
        && matches!(level.as_str(), "x86-64-v3" | "x86-64-v4")
    {
        found.push(alone(package, "c-march", "x86-64-v3"));
    }
    found.push(alone(package, "c-opt-level", "3"));
    // Only of what can be tried is it known how to train.
    let level = tried.map(|tried| tried.language.pgo_level());
    found.extend(level.map(|knob| alone(package, knob.id, Level::default().name())));
    let reaches = |change: &Change| {
        tried.is_none_or(|tried| change.knobs.keys().all(|id| tried.language.takes(id)))
    };
    found.retain(|change| is_known(&prior(change).0) && reaches(change));
    found.dedup();
    found
}

fn alone(package: Option<&str>, knob: &str, value: &str) -> Change {
    let knobs = [(knob.to_owned(), value.to_owned())].into();
    Change { package: package.map(str::to_owned), knobs }
}

/// A derived value that leaves things as they are.
fn is_neutral(value: &Value) -> bool {
    match value {
        Value::Unset | Value::Flag(false) => true,
        Value::Text(text) => {
            ["off", "none", "2", "v1"].iter().any(|neutral| text.eq_ignore_ascii_case(neutral))
        }
        _ => false,
    }
}

/// Takes back the canaries of a run that went beyond the machine's means.
pub(crate) fn heed_run(context: &Context, facts: &RunFacts) {
    let Some(present) = &context.generation else { return };
    let canaries = present.canaries_of(facts.package.as_deref());
    let Some(flag) = red_flag(facts).filter(|_| !canaries.is_empty()) else { return };
    let why = format!("red flag in a build: {flag}");
    let known = Known::load(context, Preferences::default());
    let benches = |change: &Change| {
        let found = known.as_ref().ok().and_then(|known| known.recommend(change).ok());
        found.map(|found| found.benches()).unwrap_or_default()
    };
    let all = canaries.into_iter().map(|canary| (canary.change.clone(), benches(&canary.change)));
    reject(all.collect(), &why);
}

/// Takes back a canary that a benchmark went against.
pub(crate) fn heed_bench(context: &Context, change: &Change) {
    let is_canary = |generation: &Generation| generation.decision(change).is_some_and(|d| d.canary);
    if !context.generation.as_ref().is_some_and(is_canary) {
        return;
    }
    let found =
        Known::load(context, Preferences::default()).and_then(|known| known.recommend(change));
    match found {
        Ok(found) if found.action == Action::Revert => {
            let why = found.reasons.last().cloned().unwrap_or_default();
            reject(vec![(change.clone(), found.benches())], &format!("lost its benchmark: {why}"));
        }
        Ok(_) => {}
        Err(error) => ui::warn(&format!("the canary was not judged: {error}")),
    }
}

/// Makes a generation without changes; each comes with the benchmarks that are known of it.
fn reject(changes: Vec<(Change, Vec<i64>)>, why: &str) {
    let shown: Vec<_> = changes.iter().map(|(change, _)| change.to_string()).collect();
    let shown = shown.join(", ");
    let made = generations().and_then(|generations| {
        let make = |present: Option<&Generation>, number| {
            let edit = |(change, benches)| Edit::Reject(change, why.to_owned(), benches);
            let reason = format!("canary taken back: {shown}: {why}");
            Generation::after(
                present,
                number,
                now(),
                reason,
                changes.into_iter().map(edit).collect(),
            )
        };
        Ok(generations.add(make)?)
    });
    match made {
        Ok(generation) => ui::warn(&format!(
            "canary {shown} is taken back ({why}): generation {} without it holds now",
            generation.number
        )),
        Err(error) => ui::warn(&format!("canary {shown} should be taken back ({why}): {error}")),
    }
}

impl From<GenerationError> for CliError {
    fn from(error: GenerationError) -> Self {
        match error {
            GenerationError::Unknown(number) => Self::usage(
                format!("there is no generation {number}"),
                "`ironwright generations` lists them",
            ),
            error => Self::Generation(error),
        }
    }
}
