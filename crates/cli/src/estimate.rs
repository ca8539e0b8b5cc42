//! What the history and an inventory tell of packages that are to be built.
//!
//! Does not know how an estimate is made, nor how it is shown. A history that cannot be read leaves
//! less to go by, and is told.

use std::path::Path;

use ironwright_core::build::{Driver, PlanError, Source};
use ironwright_core::inventory::{Graph, Kind, Language, Node, Summary};
use ironwright_core::observe::unit::UnitRecord;
use ironwright_core::plan::{
    Configured, Knowledge, PackageEstimate, PackagePast, PackageQuery, Work, estimate_package,
    replayed, workload,
};
use ironwright_core::units::Bytes;
use ironwright_history::{History, HistoryError, Record, RunId};
use ironwright_host::inventory::Options;

use crate::commands::build::package_name;
use crate::error::{CliError, count};
use crate::recording::history_path;
use crate::sources::{fetched, inventory_of, is_out_of_reach, kept_as, names_in};
use crate::ui;
use crate::workspace::Target;

/// Past builds that are looked at.
const LOOKED_AT: usize = 12;
/// Units of whatever kind that teach how units of a kind take.
const TEACHING: u32 = 4000;
/// Builds of the same whose units tell what waited for what.
const REPLAYED: usize = 3;

/// What was built before.
pub(crate) struct Past {
    history: Option<History>,
}

/// A past build.
pub(crate) struct PastRun {
    pub(crate) id: RunId,
    pub(crate) past: PackagePast,
}

/// A package with what is expected of it.
pub(crate) struct Candidate {
    pub(crate) name: String,
    pub(crate) source: String,
    pub(crate) work: Work,
    pub(crate) estimate: PackageEstimate,
    /// What to know of how its units were found.
    pub(crate) notes: Vec<String>,
}

impl Past {
    /// Opens the history, if there is one.
    pub(crate) fn open() -> Self {
        let opened = history_path().map(|path| History::open_existing(&path)).transpose();
        let history = opened.map_err(|error| ui::warn(&format!("nothing is known: {error}")));
        Self { history: history.ok().flatten().flatten() }
    }

    /// Builds of a package, newest first.
    pub(crate) fn runs(&self, source: &str, package: &str) -> Vec<PastRun> {
        let Some(history) = &self.history else { return Vec::new() };
        past_runs(history, source, package, RunId::MAX).unwrap_or_default()
    }

    fn units_of(&self, run: &PastRun) -> Vec<UnitRecord> {
        self.history.as_ref().and_then(|h| h.units_of_run(run.id).ok()).unwrap_or_default()
    }

    /// The newest units of whatever kind.
    pub(crate) fn newest_units(&self, count: u32) -> Vec<UnitRecord> {
        self.history.as_ref().and_then(|h| h.newest_units(count).ok()).unwrap_or_default()
    }

    /// Units that are alike, newest first.
    pub(crate) fn units_of_family(&self, family: &str) -> Vec<UnitRecord> {
        let most = u32::try_from(LOOKED_AT).unwrap_or(u32::MAX);
        let history = self.history.as_ref();
        history.and_then(|h| h.units_by_family(family, most).ok()).unwrap_or_default()
    }
}

/// Builds of a package before a run, newest first, as every estimate takes them: those that ended
/// well, and failures since.
pub(crate) fn past_runs(
    history: &History,
    source: &str,
    package: &str,
    before: RunId,
) -> Result<Vec<PastRun>, HistoryError> {
    let name = if package.is_empty() { source } else { package };
    let records = history.past_runs(name, before, LOOKED_AT)?;
    let run =
        |record: Record| PastRun { id: record.id, past: PackagePast::of(&record.facts, source) };
    Ok(records.into_iter().map(run).collect())
}

/// Estimates every target. `files_only` starts no tool, `offline` fetches nothing.
pub(crate) fn candidates(
    targets: &[Target<'_>],
    threads: f64,
    files_only: bool,
    offline: bool,
) -> Result<Vec<Candidate>, CliError> {
    let past = Past::open();
    let runs: Vec<_> = targets
        .iter()
        .map(|target| {
            let name = name(target);
            (past.runs(&kept_as(&target.source.to_string()), &name), name)
        })
        .collect();
    // Units of these packages too: they may be older than the newest of all.
    let units_of = |runs: &[PastRun]| runs.iter().map(|run| past.units_of(run)).collect();
    let units: Vec<Vec<Vec<UnitRecord>>> = runs.iter().map(|(runs, _)| units_of(runs)).collect();
    let newest = past.newest_units(TEACHING);
    let mut all: Vec<&UnitRecord> = units.iter().flatten().flatten().chain(&newest).collect();
    newest_first(&mut all);
    let knowledge = Knowledge::new(all);
    let options = Options { files_only, online: !offline, outermost: true, is_copy: false };
    let known = targets.iter().zip(runs).zip(units);
    let one = |((target, (runs, name)), units): ((_, (Vec<PastRun>, _)), _)| {
        candidate(target, &runs, units, name, &knowledge, threads, options)
    };
    known.map(one).collect()
}

fn name(target: &Target<'_>) -> String {
    let directory = match &target.source {
        Source::Path(path) => std::fs::canonicalize(path).unwrap_or_else(|_| path.clone()),
        _ => Path::new(".").to_owned(),
    };
    let own = target.package.map(|package| package.name.clone());
    own.unwrap_or_else(|| package_name(&target.source, &directory))
}

fn newest_first(units: &mut Vec<&UnitRecord>) {
    fn identity(unit: &UnitRecord) -> (i64, &str, u32) {
        (unit.started_unix_us, &unit.key, unit.attempt)
    }
    units.sort_by(|a, b| identity(b).cmp(&identity(a)));
    units.dedup_by(|a, b| identity(a) == identity(b));
}

fn candidate(
    target: &Target<'_>,
    runs: &[PastRun],
    units: Vec<Vec<UnitRecord>>,
    name: String,
    knowledge: &Knowledge,
    threads: f64,
    options: Options,
) -> Result<Candidate, CliError> {
    let same = runs.iter().zip(units).filter(|(run, _)| run.past.same && run.past.complete);
    let units: Vec<_> = same.take(REPLAYED).map(|(_, units)| units).collect();
    let mut notes = Vec::new();
    let recorded = Some(replayed(&units, knowledge)).filter(|work| !work.estimates().is_empty());
    let graph = match recorded {
        Some(_) => None,
        None => graph(&target.source, options, &mut notes)?,
    };
    let driver = driver_of(target);
    let is_empty = graph.as_ref().is_some_and(|graph| graph.nodes.is_empty());
    if let Source::Path(path) = &target.source
        && runs.is_empty()
        && is_empty
        && driver.is_none()
    {
        return Err(PlanError::NotRecognised(path.display().to_string()).into());
    }
    let of_graph = || graph.as_ref().map(|graph| workload(graph, knowledge)).unwrap_or_default();
    let work = recorded.unwrap_or_else(of_graph);
    let (largest, source_bytes) = graph.as_ref().map_or((None, None), largest_language);
    let language = driver.map(Language::of_driver).or(largest);
    // A store that has all of it is no lack of knowledge, nor is a package without anything to compile.
    let is_known = matches!(target.source, Source::Nix(_))
        || matches!(language, Some(Language::Npm | Language::Python));
    let nothing_to_do = is_known && graph.is_some();
    let estimate = estimate_package(&PackageQuery {
        past: &runs.iter().map(|run| run.past).collect::<Vec<_>>(),
        work: Some(&work).filter(|work| !work.estimates().is_empty() || nothing_to_do),
        threads,
        source_bytes,
        language,
        fetched: graph.as_ref().map_or(0, fetched),
        configured: driver.and_then(|driver| configured(driver, &target.source)),
    });
    if estimate.units == 0 && !nothing_to_do {
        notes.push("its units are not known: it counts as one".to_owned());
    }
    let (source, work) = (target.source.to_string(), work.within(&estimate));
    Ok(Candidate { name, source, work, estimate, notes })
}

/// What builds a target.
fn driver_of(target: &Target<'_>) -> Option<Driver> {
    let in_folder = || match &target.source {
        Source::Path(path) => Driver::recognise(&names_in(path).ok()?).first().copied(),
        _ => None,
    };
    target.driver.or_else(|| target.source.driver()).or_else(in_folder)
}

/// What looks at the machine before a project is compiled.
fn configured(driver: Driver, source: &Source) -> Option<Configured> {
    match (driver, source) {
        (Driver::Cmake, _) => Some(Configured::ByCmake),
        (Driver::Make, Source::Path(path)) => {
            path.join("configure").is_file().then_some(Configured::ByScript)
        }
        _ => None,
    }
}

/// What is still to be done for a source, where that can be told without building it.
fn graph(
    source: &Source,
    options: Options,
    notes: &mut Vec<String>,
) -> Result<Option<Graph>, CliError> {
    let inventory = match inventory_of(source, options) {
        Ok(inventory) => inventory,
        Err(error) if is_out_of_reach(&error) => {
            notes.push(error.to_string());
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    notes.extend(inventory.notes);
    match source {
        Source::Nix(_) => Ok(Some(still_needed(inventory.graph, notes))),
        _ => Ok(Some(inventory.graph)),
    }
}

/// What is still to be built and fetched for something of Nix.
fn still_needed(all: Graph, notes: &mut Vec<String>) -> Graph {
    let known = all.nodes.len();
    let graph = all.still_needed(0);
    let is_download = |node: &&Node| node.kind == Kind::FixedOutput;
    let downloads = graph.nodes.iter().filter(is_download).count();
    let compiled = graph.nodes.iter().filter(|node| node.is_compiled()).count();
    let arranged = graph.nodes.len() - compiled - downloads;
    notes.push(format!(
        "of {}, {compiled} to be compiled, {downloads} to be downloaded, {arranged} that only arrange files, {} there already or not needed; as if no cache had any of them",
        count(known, "derivation"),
        known - graph.nodes.len(),
    ));
    graph
}

/// The language of most sources, and the size of all that are compiled.
fn largest_language(graph: &Graph) -> (Option<Language>, Option<Bytes>) {
    let summary = Summary::of(graph);
    let largest = summary.languages.iter().max_by_key(|language| language.compiled.bytes);
    (largest.map(|language| language.language), Some(summary.compiled.bytes))
}
