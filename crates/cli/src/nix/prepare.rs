//! From what a user names to a plan: evaluates, asks the store what is missing, and the history what
//! that takes.
//!
//! Builds nothing. Does not know how a plan is shown or carried out.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};

use ironwright_core::nix::activity::{self, Event, plain};
use ironwright_core::nix::allot::{Room, allot};
use ironwright_core::nix::facts::Facts;
use ironwright_core::nix::installable::{Evaluation, Wanted, named_outputs};
use ironwright_core::nix::protocol::{Options, Request};
use ironwright_core::plan::{Knowledge, Schedule, Tier, Work, schedule};
use ironwright_core::settings::Settings;
use ironwright_core::settings::catalogue::{nix, system};
use ironwright_core::units::Bytes;
use ironwright_host::nix::{
    Command, Store, StoreError, evaluate, read_all, source_files, store_prefix,
};

use super::missing::missing;
use super::plan::{Fetch, NixPlan, Planned, SCHEMA, WantedResult};
use crate::context::Context;
use crate::error::CliError;
use crate::estimate::Past;
use crate::patience::TimeoutChoice;
use crate::ui;

/// A plan with what is needed to carry it out.
pub(crate) struct Prepared {
    pub(crate) plan: NixPlan,
    pub(crate) work: Work,
    /// The connection that was asked; as long as it lives nothing of the plan is collected.
    pub(crate) store: Store,
    wanted: Vec<Wanted>,
    wishes: Wishes,
    /// Paths that no substituter gave although one lists them.
    refused: BTreeSet<String>,
}

/// What a user wants beside the installables.
#[derive(Clone, Debug)]
pub(crate) struct Wishes {
    pub(crate) evaluation: Evaluation,
    pub(crate) nix: Command,
    pub(crate) max_jobs: Option<u32>,
    pub(crate) cores: Option<u32>,
    pub(crate) keep_going: bool,
    pub(crate) keep_failed: bool,
    pub(crate) print_logs: bool,
    pub(crate) govern: bool,
    /// When a derivation that takes too long is ended.
    pub(crate) timeout: TimeoutChoice,
}

/// Makes a plan.
pub(crate) fn prepare(
    installables: &[String],
    wishes: &Wishes,
    context: &Context,
) -> Result<Prepared, CliError> {
    let early = start_early(&wishes.nix);
    let wanted = evaluate(&wishes.nix, installables, &wishes.evaluation, tell)?;
    let installables = &named(installables, &wishes.evaluation);
    check(&wanted, installables, prefix(wishes, &wanted).as_deref())?;
    let mut store = settled(early, &wishes.nix)?;
    let options =
        Options { substitute: true, settings: wishes.nix.settings.clone(), ..Options::default() };
    store.ask(&Request::SetOptions(options), tell)?;
    let refused = BTreeSet::new();
    let (plan, work) = planned(installables, &wanted, wishes, &refused, &mut store, context)?;
    Ok(Prepared { plan, work, store, wanted, wishes: wishes.clone(), refused })
}

/// A plan of what is missing.
fn planned(
    installables: &[String],
    wanted: &[Wanted],
    wishes: &Wishes,
    refused: &BTreeSet<String>,
    store: &mut Store,
    context: &Context,
) -> Result<(NixPlan, Work), CliError> {
    let prefix = prefix(wishes, wanted);
    let missing = missing(store, wanted, refused, prefix.as_deref())?;
    let room = room(context);
    let facts = read_all(prefix.as_deref(), &missing.build)?;
    let known = knowledge(&facts, room.threads);
    let mut build = in_order(&facts, &missing.fetch, prefix.as_deref())?;
    let most = most_patience(context);
    for (planned, facts) in build.iter_mut().zip(&facts) {
        let sources = source_files(prefix.as_deref(), facts);
        let allotment = allot(facts, &sources, room, &known);
        *planned = planned.clone().with(&allotment).ended_after(wishes.timeout, most);
    }
    let work = work(&facts, &build, &known, room, prefix.as_deref());
    keep(store, &build, wanted);
    let plan = NixPlan {
        schema: SCHEMA,
        installables: installables.to_vec(),
        nix: wishes.nix.program.clone(),
        store: wishes.nix.store.clone(),
        settings: wishes.nix.settings.clone(),
        wanted: wanted.iter().map(wanted_result).collect(),
        build,
        fetch: Fetch {
            paths: missing.fetch,
            download: Bytes(missing.bytes.0),
            unpacked: Bytes(missing.bytes.1),
        },
        threads: room.threads,
        budget: room.budget,
        max_jobs: wishes.max_jobs.unwrap_or(u32::MAX),
        cores: wishes.cores,
        keep_going: wishes.keep_going,
        keep_failed: wishes.keep_failed,
        print_logs: wishes.print_logs,
        govern: wishes.govern,
        fallback: !refused.is_empty(),
    };
    Ok((plan, work))
}

/// Seconds that a derivation may take, and be silent, at most: what Nix itself is told on this host.
fn most_patience(context: &Context) -> (f64, f64) {
    let settings = Settings::resolve(&context.profile(None));
    let seconds = |knob| settings.seconds(knob).map_or(f64::INFINITY, |seconds| seconds as f64);
    (seconds(&nix::NIX_TIMEOUT), seconds(&nix::NIX_MAX_SILENT_TIME))
}

/// What is built, for people: of a file or an expression that is built as a whole there is no name.
fn named(installables: &[String], evaluation: &Evaluation) -> Vec<String> {
    if !evaluation.names_attributes() || !installables.iter().all(String::is_empty) {
        return installables.to_vec();
    }
    vec![evaluation.file.clone().unwrap_or_else(|| "expression".to_owned())]
}

/// Whether there is something to build, with the outputs that were named.
fn check(
    wanted: &[Wanted],
    installables: &[String],
    prefix: Option<&Path>,
) -> Result<(), CliError> {
    if wanted.is_empty() {
        return Err(CliError::usage(
            format!("there is no derivation in {}", installables.join(" ")),
            "name an attribute that is a package",
        ));
    }
    let names = |wanted: &Wanted| match wanted {
        Wanted::Built { outputs, .. } => outputs.iter().map(|(name, _)| name.clone()).collect(),
        Wanted::Path(_) => Vec::new(),
    };
    let given: HashSet<String> = wanted.iter().flat_map(names).collect();
    let mut asked = installables.iter().flat_map(|text| named_outputs(text));
    let Some(lacking) = asked.find(|name| !given.contains(*name)) else { return Ok(()) };
    let derivations: Vec<String> = wanted.iter().filter_map(Wanted::derivation).collect();
    let there = read_all(prefix, &derivations)?;
    let there = there.iter().flat_map(|facts| facts.outputs.iter().map(|(name, _)| name.as_str()));
    let there: BTreeSet<&str> = there.collect();
    Err(CliError::usage(
        format!("there is no output {lacking} of {}", installables.join(" ")),
        format!("the outputs are {}", there.into_iter().collect::<Vec<_>>().join(", ")),
    ))
}

/// A connection that is made while Nix evaluates.
fn start_early(nix: &Command) -> Option<Store> {
    nix.has_store().then(|| Store::start(nix, None).ok()).flatten()
}

fn settled(early: Option<Store>, nix: &Command) -> Result<Store, StoreError> {
    let settled = early.and_then(|mut store| store.settle().ok().map(|()| store));
    settled.map_or_else(|| Store::open(nix, None), Ok)
}

impl Prepared {
    /// Plans to build what no substituter gave. False where nothing else can be done: it was planned
    /// before, or there is no derivation that makes it.
    pub(crate) fn build_instead(
        &mut self,
        unfetched: &[String],
        context: &Context,
    ) -> Result<bool, CliError> {
        let known = self.refused.len();
        self.refused.extend(unfetched.iter().cloned());
        if self.refused.len() == known {
            return Ok(false);
        }
        let Self { plan, wanted, wishes, refused, store, .. } = self;
        let (instead, work) = planned(&plan.installables, wanted, wishes, refused, store, context)?;
        if instead.fetch.paths.iter().any(|path| refused.contains(path)) {
            return Ok(false);
        }
        (self.plan, self.work) = (instead, work);
        Ok(true)
    }

    /// The schedule, in model time.
    pub(crate) fn schedule(&self) -> Schedule {
        schedule(&self.work, self.plan.budget, f64::from(self.plan.threads))
    }
}

/// Warnings of an evaluation are for whoever wrote it.
pub(super) fn tell(event: &Event) {
    match event {
        Event::Message { level: 1, text } => ui::warn(plain(text).trim_start_matches("warning: ")),
        Event::Started { kind: activity::BUILD, text, .. } => {
            ui::note(&format!("  {} while evaluating\n", plain(text)));
        }
        _ => {}
    }
}

/// What the profile gives to builds.
pub(crate) fn room(context: &Context) -> Room {
    let settings = Settings::resolve(&context.profile(None));
    let threads = u32::try_from(settings.count(&system::BUILD_THREADS)).unwrap_or(u32::MAX);
    let budget = settings.size(&system::MEMORY_BUDGET).unwrap_or_default();
    Room { budget, threads: threads.max(1) }
}

/// The folder before the store's on disk.
fn prefix(wishes: &Wishes, wanted: &[Wanted]) -> Option<PathBuf> {
    let named = wishes.nix.store.as_deref().and_then(store_prefix);
    let is_there = |wanted: &Wanted| match wanted {
        Wanted::Built { derivation, .. } => Path::new(derivation).exists(),
        Wanted::Path(_) => true,
    };
    if named.is_some() || wanted.iter().all(is_there) {
        return named;
    }
    // Where nobody may write to /nix, Nix takes a store below the user's data.
    let data = std::env::var_os("XDG_DATA_HOME").map(PathBuf::from);
    let data = data.or_else(|| Some(etcetera::home_dir().ok()?.join(".local/share")));
    data.map(|data| data.join("nix/root"))
}

/// Derivations for which the history is asked one by one.
const MOST_ASKED: usize = 2000;
/// Units of other kinds that teach what sources of a size take.
const TEACHING: u32 = 1000;

/// What the history tells of these derivations, and of compilers.
pub(crate) fn knowledge(facts: &[Facts], threads: u32) -> Knowledge {
    let past = Past::open();
    let mut units = Vec::new();
    let mut unknown = false;
    let mut families = HashSet::new();
    for facts in facts.iter().take(MOST_ASKED) {
        let unit = super::plan::unit_of(facts, threads).facts();
        if families.insert(unit.family.clone()) {
            let found = past.units_of_family(&unit.family);
            unknown |= found.is_empty() && !facts.sources.is_empty();
            units.extend(found);
        }
    }
    if unknown {
        units.extend(past.newest_units(TEACHING).into_iter().filter(|unit| unit.tool != "nix"));
    }
    Knowledge::new(&units)
}

/// What waits for what.
fn in_order(
    facts: &[Facts],
    fetch: &[String],
    prefix: Option<&Path>,
) -> Result<Vec<Planned>, CliError> {
    let places: HashMap<&str, usize> =
        facts.iter().enumerate().map(|(place, facts)| (facts.path.as_str(), place)).collect();
    let mut fetched: HashMap<String, bool> = HashMap::new();
    let mut out = Vec::with_capacity(facts.len());
    for own in facts {
        let after = own.inputs.iter().filter_map(|input| places.get(input.as_str()).copied());
        let after_fetch =
            !fetch.is_empty() && waits_for_fetch(own, &places, fetch, &mut fetched, prefix)?;
        out.push(Planned {
            path: own.path.clone(),
            name: own.name.clone(),
            digest: own.digest.clone(),
            outputs: own.output_paths().map(str::to_owned).collect(),
            after: after.collect(),
            after_fetch,
            tier: Tier::Light,
            cores: 1,
            parallel: own.parallel,
            timeout_seconds: None,
            silence_seconds: None,
            peak: (Bytes::ZERO, Bytes::ZERO),
            seconds: (0.0, 0.0),
            threads: 1.0,
            because: String::new(),
        });
    }
    Ok(out)
}

/// Whether something that a derivation needs, and that is not built, is fetched.
fn waits_for_fetch(
    own: &Facts,
    places: &HashMap<&str, usize>,
    fetch: &[String],
    fetched: &mut HashMap<String, bool>,
    prefix: Option<&Path>,
) -> Result<bool, CliError> {
    if own.sources.iter().any(|source| fetch.contains(source)) {
        return Ok(true);
    }
    for input in own.inputs.iter().filter(|input| !places.contains_key(input.as_str())) {
        let known = if let Some(known) = fetched.get(input) {
            *known
        } else {
            let read = read_all(prefix, std::slice::from_ref(input))?;
            let mut paths = read.iter().flat_map(Facts::output_paths);
            let is_fetched = paths.any(|path| fetch.iter().any(|other| other == path));
            fetched.insert(input.clone(), is_fetched);
            is_fetched
        };
        if known {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The work of a plan, for the schedule.
fn work(
    facts: &[Facts],
    build: &[Planned],
    known: &Knowledge,
    room: Room,
    prefix: Option<&Path>,
) -> Work {
    let mut work = Work::default();
    for (facts, planned) in facts.iter().zip(build) {
        let estimate = allot(facts, &source_files(prefix, facts), room, known).estimate;
        work.push(planned.name.clone(), estimate, planned.after.clone());
    }
    work
}

/// Keeps what is built or fetched from being collected before it is linked to.
fn keep(store: &mut Store, build: &[Planned], wanted: &[Wanted]) {
    let planned = build.iter().flat_map(|planned| planned.outputs.iter().chain([&planned.path]));
    let results = wanted.iter().flat_map(Wanted::paths);
    for path in planned.map(String::as_str).chain(results) {
        if store.ask(&Request::TempRoot(path.to_owned()), |_| {}).is_err() {
            return;
        }
    }
}

fn wanted_result(wanted: &Wanted) -> WantedResult {
    let outputs = match wanted {
        Wanted::Built { outputs, .. } => outputs.clone(),
        Wanted::Path(path) => vec![("out".to_owned(), Some(path.clone()))],
    };
    WantedResult { request: wanted.request(), outputs }
}
