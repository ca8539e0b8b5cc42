//! Two runs side by side: times, memory, the settings that differ, and units one by one.
//!
//! A difference is told, never judged: two runs do not show what is chance. Does not know where
//! runs are kept.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::generation::generation;
use super::totals::{UnitFigures, by_key};
use super::unit::UnitRecord;
use super::{RunFacts, summarise};
use crate::units::Bytes;

/// Two runs side by side.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Comparison {
    /// The first.
    pub a: Side,
    /// The second.
    pub b: Side,
    /// Settings that are not the same.
    pub settings: Vec<Differing>,
    /// Units that are in either run, those whose running time differs most first.
    pub units: Vec<UnitDifference>,
}

/// One of two runs.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Side {
    /// What was built, or the command that was run.
    pub what: String,
    /// Host name.
    pub host: Option<String>,
    /// Digest of its settings.
    pub generation: String,
    /// Threads that it could use.
    pub threads: u32,
    /// Memory that it could use.
    pub budget: Bytes,
    /// Wall-clock time.
    pub wall: Duration,
    /// Processor time.
    pub cpu: Duration,
    /// Largest memory of its process tree.
    pub peak_tree: Bytes,
    /// Largest single process.
    pub peak_process: Bytes,
    /// Code that it passed on, if anything has ended.
    pub exit_code: Option<i32>,
    /// Attempts at units.
    pub units: usize,
    /// Attempts that were not the first.
    pub retries: usize,
}

/// A setting that is not the same in both.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Differing {
    /// Variable or key.
    pub name: String,
    /// In the first run, if it was set.
    pub a: Option<Value>,
    /// In the second run, if it was set.
    pub b: Option<Value>,
}

/// A unit in both runs, or in one of them.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct UnitDifference {
    /// What is expected to need the same again, in the second run where it has the unit.
    pub key: String,
    /// What a person calls it.
    pub label: String,
    /// False where the keys of the two differ, because settings or versions do, and only tool and
    /// name are the same.
    pub same_key: bool,
    /// In the first run.
    pub a: Option<UnitFigures>,
    /// In the second run.
    pub b: Option<UnitFigures>,
}

impl UnitDifference {
    /// How much the running times differ; a unit that one run does not have took no time there.
    pub fn wall(&self) -> Duration {
        let wall = |side: &Option<UnitFigures>| side.as_ref().map_or(Duration::ZERO, |it| it.wall);
        wall(&self.a).abs_diff(wall(&self.b))
    }
}

/// A run and its units.
pub type Run<'a> = (&'a RunFacts, &'a [UnitRecord]);

/// Puts two runs side by side.
pub fn compare(a: Run<'_>, b: Run<'_>) -> Comparison {
    Comparison { a: side(a), b: side(b), settings: settings(a.0, b.0), units: units(a.1, b.1) }
}

fn side((facts, units): Run<'_>) -> Side {
    let summary = summarise(facts);
    let command = || facts.steps.last().map(|step| step.argv.join(" ")).unwrap_or_default();
    Side {
        what: facts.source.clone().unwrap_or_else(command),
        host: facts.host.clone(),
        generation: generation(facts),
        threads: facts.threads,
        budget: facts.budget,
        wall: summary.wall,
        cpu: summary.cpu,
        peak_tree: summary.peak_tree,
        peak_process: summary.peak_process,
        exit_code: summary.exit_code,
        units: units.len(),
        retries: units.iter().filter(|unit| unit.attempt > 1).count(),
    }
}

fn settings(a: &RunFacts, b: &RunFacts) -> Vec<Differing> {
    let names: BTreeSet<&String> = a.settings.keys().chain(b.settings.keys()).collect();
    names
        .into_iter()
        .filter(|name| a.settings.get(*name) != b.settings.get(*name))
        .map(|name| Differing {
            name: name.clone(),
            a: a.settings.get(name).cloned(),
            b: b.settings.get(name).cloned(),
        })
        .collect()
}

fn units(a: &[UnitRecord], b: &[UnitRecord]) -> Vec<UnitDifference> {
    let mut pairs: BTreeMap<&str, (Option<UnitFigures>, Option<UnitFigures>)> = BTreeMap::new();
    for (key, figures) in by_key(a) {
        pairs.entry(key).or_default().0 = Some(figures);
    }
    for (key, figures) in by_key(b) {
        pairs.entry(key).or_default().1 = Some(figures);
    }
    let mut units: Vec<UnitDifference> = pairs
        .into_iter()
        .map(|(key, (a, b))| {
            let label = b.as_ref().or(a.as_ref()).map_or(key, |figures| &figures.label).to_owned();
            UnitDifference { key: key.to_owned(), label, same_key: true, a, b }
        })
        .collect();
    pair_by_name(&mut units);
    units.sort_by_key(|unit| std::cmp::Reverse(unit.wall()));
    units
}

/// Puts those together of which each run has one with that tool and name under another key.
fn pair_by_name(units: &mut Vec<UnitDifference>) {
    let mut alone: BTreeMap<(String, String), (Vec<usize>, Vec<usize>)> = BTreeMap::new();
    for (index, unit) in units.iter().enumerate() {
        let name = |figures: &UnitFigures| (figures.tool.clone(), figures.label.clone());
        match (&unit.a, &unit.b) {
            (Some(a), None) => alone.entry(name(a)).or_default().0.push(index),
            (None, Some(b)) => alone.entry(name(b)).or_default().1.push(index),
            _ => {}
        }
    }
    for (first, second) in alone.into_values() {
        if let ([a], [b]) = (first.as_slice(), second.as_slice()) {
            let taken = units.get_mut(*a).and_then(|unit| unit.a.take());
            if let Some(unit) = units.get_mut(*b) {
                (unit.a, unit.same_key) = (taken, false);
            }
        }
    }
    units.retain(|unit| unit.a.is_some() || unit.b.is_some());
}

#[cfg(test)]
mod tests {
    use super::super::totals::tests::unit;
    use super::*;

    fn facts(settings: &str) -> RunFacts {
        RunFacts {
            compiler_cache: None,
            ironwright: "0".into(),
            host: None,
            source: Some("crate:x".into()),
            package: None,
            driver: None,
            threads: 2,
            budget: Bytes::gib(1),
            settings: serde_json::from_str(settings).unwrap(),
            started_unix_ns: 0,
            governed: None,
            batch: None,
            disk: None,
            steps: Vec::new(),
        }
    }

    #[test]
    fn settings_that_are_the_same_are_left_out() {
        let (a, b) = (facts(r#"{"A": "1", "B": "2"}"#), facts(r#"{"B": "3", "A": "1", "C": ""}"#));
        let differing = compare((&a, &[]), (&b, &[])).settings;
        let names: Vec<_> = differing.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(names, ["B", "C"]);
        assert_eq!((differing[1].a.as_ref(), differing[0].b.as_ref()), (None, Some(&"3".into())));
        assert_eq!(compare((&a, &[]), (&a, &[])).settings, []);
    }

    #[test]
    fn units_with_other_settings_are_paired_by_name_where_that_is_clear() {
        let (a, b) = (facts("{}"), facts("{}"));
        let named = |key: &str, label: &str| UnitRecord { label: label.into(), ..unit(key, 10, 5) };
        let first = [named("syn 1", "syn"), named("a 1", "twice"), named("a 2", "twice")];
        let second = [named("syn 2", "syn"), named("a 3", "twice")];
        let units = compare((&a, &first), (&b, &second)).units;
        assert_eq!(units.len(), 4);
        let paired: Vec<_> = units.iter().filter(|it| it.a.is_some() && it.b.is_some()).collect();
        assert_eq!(paired.len(), 1);
        assert_eq!((paired[0].key.as_str(), paired[0].same_key), ("syn 2", false));
    }

    #[test]
    fn units_that_differ_most_come_first() {
        let (a, b) = (facts("{}"), facts("{}"));
        let first = [unit("same", 10, 5), unit("slower", 10, 5), unit("gone", 10, 2)];
        let second = [unit("same", 10, 5), unit("slower", 10, 9), unit("new", 10, 3)];
        let comparison = compare((&a, &first), (&b, &second));
        let order: Vec<_> = comparison.units.iter().map(|it| it.label.as_str()).collect();
        assert_eq!(order, ["slower", "new", "gone", "same"]);
        assert!(comparison.units[1].a.is_none() && comparison.units[2].b.is_none());
    }
}
