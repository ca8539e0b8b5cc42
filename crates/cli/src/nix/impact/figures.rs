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
use ironwright_core::plan::{Band, Knowledge, UnitEstimate, Work, schedule};
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
    /// Seconds under the governor for those that must still be built, all together: not for results that
    /// are in the store, nor for what only these need.
    pub(crate) seconds: Band<f64>,
    /// Largest memory of one of these.
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
    let outputs = facts_of(after, &rebuilt)
        .filter_map(|facts| facts.output_paths().next().map(str::to_owned))
        .collect();
    let there = paths(sources.store, &Request::ValidPaths(outputs))?;
    let is_there = |facts: &Facts| facts.output_paths().next().is_some_and(|it| there.contains(it));
    let from_cache = from_cache(before, &rebuilt, sources.store)?;
    let (there, left): (Vec<&Facts>, Vec<&Facts>) =
        facts_of(after, &rebuilt).partition(|facts| is_there(facts));
    let left = needed(after, left);
    let (work, peak) = cost(&left, sources);
    let seconds = if left.is_empty() {
        Band { min: 0.0, expected: 0.0, max: 0.0 }
    } else {
        schedule(&work, sources.room.budget, f64::from(sources.room.threads)).makespan_seconds
    };
    Ok(Figures {
        changed: changes.len(),
        rebuilt: rebuilt.len(),
        there: there.len(),
        from_cache,
        seconds,
        peak,
        names: names(after, &rebuilt, sources),
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
    let mut listed = paths(store, &Request::SubstitutablePaths(outputs.clone()))?;
    // Caches that answer only for what is about to be built are asked so, for what is not there.
    let left: Vec<String> = outputs.into_iter().filter(|path| !listed.contains(path)).collect();
    let asked: HashSet<String> = left.iter().cloned().collect();
    if let Incoming::Missing { fetch, .. } = store.ask(&Request::Missing(left), |_| {})? {
        listed.extend(fetch.into_iter().filter(|path| asked.contains(path)));
    }
    Ok(listed.len())
}

fn paths(store: &mut Store, request: &Request) -> Result<HashSet<String>, CliError> {
    match store.ask(request, |_| {})? {
        Incoming::Paths(paths) => Ok(paths.into_iter().collect()),
        _ => Ok(HashSet::new()),
    }
}

fn facts_of<'c>(after: &'c Closure, changes: &[&Change]) -> impl Iterator<Item = &'c Facts> {
    changes.iter().filter_map(|change| after.derivations.get(change.place))
}

/// Of what is not there that which something else needs: what is wanted, and what is needed for what must be
/// built, but not what only results that are there were made from.
fn needed<'c>(after: &Closure, left: Vec<&'c Facts>) -> Vec<&'c Facts> {
    let inputs: HashSet<&str> =
        after.derivations.iter().flat_map(|facts| &facts.inputs).map(String::as_str).collect();
    let places: HashMap<&str, &Facts> =
        left.iter().map(|facts| (facts.path.as_str(), *facts)).collect();
    let is_wanted = |facts: &&&Facts| !inputs.contains(facts.path.as_str());
    let mut queue: Vec<&Facts> = left.iter().filter(is_wanted).copied().collect();
    let mut found: HashSet<&str> = queue.iter().map(|facts| facts.path.as_str()).collect();
    while let Some(facts) = queue.pop() {
        let below = facts.inputs.iter().filter_map(|input| places.get(input.as_str()).copied());
        queue.extend(below.filter(|facts| found.insert(&facts.path)));
    }
    left.into_iter().filter(|facts| found.contains(facts.path.as_str())).collect()
}

/// The work of what must be built, and the largest memory in it.
fn cost(built: &[&Facts], sources: &Sources<'_>) -> (Work, Bytes) {
    let places: HashMap<&str, usize> =
        built.iter().enumerate().map(|(place, facts)| (facts.path.as_str(), place)).collect();
    let mut work = Work::default();
    let mut peak = Bytes::ZERO;
    for facts in built {
        let estimate = estimate(facts, sources);
        let after = facts.inputs.iter().filter_map(|input| places.get(input.as_str()).copied());
        peak = peak.max(estimate.peak.expected);
        work.push(facts.name.clone(), estimate, after.collect());
    }
    (work, peak)
}

/// Names of all that is built anew, the longest first.
fn names(after: &Closure, rebuilt: &[&Change], sources: &Sources<'_>) -> Vec<String> {
    let named =
        |facts: &Facts| (estimate(facts, sources).wall_seconds.expected, facts.name.clone());
    let mut named: Vec<_> = facts_of(after, rebuilt).map(named).collect();
    named.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    named.into_iter().map(|(_, name)| name).collect()
}

/// What one takes. Sources of a closure of thousands are not looked at.
fn estimate(facts: &Facts, sources: &Sources<'_>) -> UnitEstimate {
    allot(facts, &[], sources.room, sources.known).estimate
}
