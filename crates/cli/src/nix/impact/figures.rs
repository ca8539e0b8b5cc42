//! What a change costs: how much is built anew, what a cache would have had, how long that takes and
//! how much memory.
//!
//! Does not evaluate.

use std::collections::{HashMap, HashSet};

use ironwright_core::inventory::Kind;
use ironwright_core::nix::allot::{Room, allot};
use ironwright_core::nix::facts::Facts;
use ironwright_core::nix::impact::{Change, Closure};
use ironwright_core::nix::protocol::{Incoming, Request};
use ironwright_core::plan::{Band, Knowledge, Work, schedule};
use ironwright_core::units::Bytes;
use ironwright_host::nix::Store;
use schemars::JsonSchema;
use serde::Serialize;

use crate::error::CliError;

/// What a change costs.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct Figures {
    /// Derivations of the changed closure that the other has not.
    pub(crate) changed: usize,
    /// Of these, those whose results differ too, downloads left out: they are built anew.
    pub(crate) rebuilt: usize,
    /// Of those that are built anew, results that are in the store already.
    pub(crate) there: usize,
    /// Of those that are built anew, results that would have come from a substituter without the
    /// change.
    pub(crate) from_cache: usize,
    /// Seconds under the governor, all together.
    pub(crate) seconds: Band<f64>,
    /// Largest memory of one of them.
    pub(crate) peak: Bytes,
    /// Names of those that are built anew, the longest first.
    pub(crate) names: Vec<String>,
}

/// What the estimates and the stores know.
pub(crate) struct Sources<'a> {
    pub(crate) store: &'a mut Store,
    pub(crate) known: &'a Knowledge,
    pub(crate) room: Room,
}

/// The figures of a change from one closure to another.
pub(crate) fn figures(
    before: &Closure,
    after: &Closure,
    changes: &[Change],
    sources: &mut Sources<'_>,
) -> Result<Figures, CliError> {
    let rebuilt = rebuilt(before, after, changes);
    let outputs: Vec<String> = rebuilt
        .iter()
        .filter_map(|change| after.derivations.get(change.place))
        .filter_map(|facts| facts.output_paths().next().map(str::to_owned))
        .collect();
    let there = paths(sources.store, &Request::ValidPaths(outputs.clone()))?;
    let there = outputs.iter().filter(|path| there.contains(*path)).count();
    let from_cache = from_cache(before, &rebuilt, sources.store)?;
    let (work, peak, names) = cost(after, &rebuilt, sources);
    let threads = f64::from(sources.room.threads);
    let seconds = match rebuilt.len() {
        0 => Band { min: 0.0, expected: 0.0, max: 0.0 },
        _ => schedule(&work, sources.room.budget, threads).makespan_seconds,
    };
    Ok(Figures {
        changed: changes.len(),
        rebuilt: rebuilt.len(),
        there,
        from_cache,
        seconds,
        peak,
        names,
    })
}

/// Changes whose results differ. A download is the same whoever downloads it, and what differs from its
/// counterpart only by that gives the same results.
fn rebuilt<'c>(before: &Closure, after: &Closure, changes: &'c [Change]) -> Vec<&'c Change> {
    let old: HashSet<&str> = before.derivations.iter().flat_map(Facts::output_paths).collect();
    let differs = |change: &&Change| {
        after.derivations.get(change.place).is_some_and(|facts| {
            let known = facts.output_paths().count() == facts.outputs.len();
            facts.kind != Kind::FixedOutput
                && !(known && facts.output_paths().all(|path| old.contains(path)))
        })
    };
    changes.iter().filter(differs).collect()
}

fn from_cache(before: &Closure, rebuilt: &[&Change], store: &mut Store) -> Result<usize, CliError> {
    let places: HashMap<&str, &Facts> =
        before.derivations.iter().map(|facts| (facts.path.as_str(), facts)).collect();
    let outputs: Vec<String> = rebuilt
        .iter()
        .filter_map(|change| places.get(change.before.as_deref()?))
        .filter_map(|facts| facts.output_paths().next().map(str::to_owned))
        .collect();
    if outputs.is_empty() {
        return Ok(0);
    }
    Ok(paths(store, &Request::SubstitutablePaths(outputs))?.len())
}

fn paths(store: &mut Store, request: &Request) -> Result<HashSet<String>, CliError> {
    match store.ask(request, |_| {})? {
        Incoming::Paths(paths) => Ok(paths.into_iter().collect()),
        _ => Ok(HashSet::new()),
    }
}

/// The work of what is built anew, the largest memory, and the names, longest first.
fn cost(after: &Closure, rebuilt: &[&Change], sources: &Sources<'_>) -> (Work, Bytes, Vec<String>) {
    let built: Vec<&Facts> =
        rebuilt.iter().filter_map(|change| after.derivations.get(change.place)).collect();
    let places: HashMap<&str, usize> =
        built.iter().enumerate().map(|(place, facts)| (facts.path.as_str(), place)).collect();
    let mut work = Work::default();
    let mut peak = Bytes::ZERO;
    let mut named = Vec::new();
    for facts in &built {
        // Sources of a closure of thousands are not looked at.
        let estimate = allot(facts, &[], sources.room, sources.known).estimate;
        let after = facts.inputs.iter().filter_map(|input| places.get(input.as_str()).copied());
        peak = peak.max(estimate.peak.expected);
        named.push((estimate.wall_seconds.expected, facts.name.clone()));
        work.push(facts.name.clone(), estimate, after.collect());
    }
    named.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    (work, peak, named.into_iter().map(|(_, name)| name).collect())
}
