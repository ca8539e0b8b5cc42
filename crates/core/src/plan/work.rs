//! Workloads for the simulator: from a graph and what its nodes are expected to take, or from the
//! units of a past run.
//!
//! Does not know who schedules them.

use std::collections::HashMap;
use std::mem::take;
use std::sync::OnceLock;
use std::time::Duration;

use super::class::Class;
use super::package::PackageEstimate;
use super::unit::{Basis, Knowledge, UnitEstimate};
use crate::govern::simulate::{Job, Network, Workload};
use crate::inventory::{Graph, Node, graph};
use crate::observe::unit::{UnitOutcome, UnitRecord};
use crate::units::Bytes;

/// What there is to do, with what it is expected to take.
#[derive(Clone, Debug, Default)]
pub struct Work {
    workload: Workload,
    /// In the order of the jobs.
    estimates: Vec<UnitEstimate>,
    /// Jobs that are no units but a build tool on its own.
    tools: usize,
    /// That of the workload, once somebody asked for it.
    network: OnceLock<Network>,
}

/// Part of a unit's time in which its memory grows, where nobody measured it.
const GROWTH: f64 = 0.6;

impl UnitEstimate {
    /// A job that takes what is expected of this unit.
    pub fn job(&self, name: String, after: Vec<usize>) -> Job {
        let (cpu, wall) = (self.cpu_seconds.expected, self.wall_seconds.expected);
        let seconds = |value: f64| Duration::from_secs_f64(value.clamp(0.0, 1e7));
        Job {
            name,
            memory: self.peak.expected,
            cpu: seconds(cpu.max(1e-4)),
            sleep: seconds((wall - cpu / self.threads.max(1.0)).max(0.0)),
            threads: self.threads.max(1.0),
            growth: GROWTH,
            after,
        }
    }
}

/// The work of a graph: what is compiled, after what it needs. Nodes that take nothing (downloads,
/// groups) are left out, and what needs them waits for what they need.
pub fn workload(graph: &Graph, knowledge: &Knowledge) -> Work {
    let kept = |node: &Node| Class::of_node(node) != Class::Nothing;
    let places = graph::places(graph.nodes.iter().map(kept));
    let mut needed = Needed::new(graph, &places);
    let mut work = Work::default();
    let nodes = (0..).zip(&graph.nodes).zip(&places).filter(|(_, place)| place.is_some());
    for ((at, node), _) in nodes {
        work.push(node.label.clone(), knowledge.node(node), needed.by(at));
    }
    work.without_circles()
}

/// What nodes need, with what is not kept replaced by what that needs.
struct Needed<'a> {
    graph: &'a Graph,
    places: &'a [Option<u32>],
    /// Where the edges of each node begin; one more at the end.
    starts: Vec<u32>,
    /// The node that was last asked about when this one was seen.
    seen: Vec<u32>,
    open: Vec<u32>,
}

impl<'a> Needed<'a> {
    fn new(graph: &'a Graph, places: &'a [Option<u32>]) -> Self {
        let starts = graph.starts();
        Self { graph, places, starts, seen: vec![u32::MAX; places.len()], open: Vec::new() }
    }

    /// The places, among those that are kept, of all that one needs.
    fn by(&mut self, from: u32) -> Vec<usize> {
        let edges = self.graph.edges_of(&self.starts, from);
        let mut out = Vec::with_capacity(edges.len());
        self.open.extend(edges.iter().map(|edge| edge.to));
        while let Some(at) = self.open.pop() {
            match self.seen.get_mut(at as usize) {
                Some(seen) if *seen != from => *seen = from,
                _ => continue,
            }
            if let Some(Some(place)) = self.places.get(at as usize) {
                out.push(*place as usize);
            } else {
                let edges = self.graph.edges_of(&self.starts, at);
                self.open.extend(edges.iter().map(|edge| edge.to));
            }
        }
        out
    }
}

/// Units that had ended that are looked at for the one that another waited for.
const LOOKED_BACK: usize = 64;

/// The work of a past run, the first of several: its units, each after the one that had ended last when it
/// asked in each of them, which is what it waited for as far as anybody could see. One run shows much that
/// was chance: who got a processor when.
pub fn replayed(runs: &[Vec<UnitRecord>], knowledge: &Knowledge) -> Work {
    let Some((newest, older)) = runs.split_first() else { return Work::default() };
    let done = |record: &&UnitRecord| record.outcome == UnitOutcome::Succeeded;
    let mut units: Vec<&UnitRecord> = newest.iter().filter(done).collect();
    units.sort_by_key(|unit| asked(unit));
    let mut ends: Vec<(i64, usize)> =
        units.iter().enumerate().map(|(at, unit)| (ended(unit), at)).collect();
    ends.sort_unstable();
    let older: Vec<HashMap<&str, &UnitRecord>> = older
        .iter()
        .map(|run| run.iter().filter(done).map(|unit| (unit.key.as_str(), unit)).collect())
        .collect();
    let mut work = Work::default();
    for unit in &units {
        let before = ends.partition_point(|(end, _)| *end <= asked(unit));
        let mut last = ends.iter().take(before).rev().take(LOOKED_BACK).map(|(_, at)| *at);
        let after = last.find(|at| {
            units.get(*at).is_some_and(|other| older.iter().all(|run| may_wait(run, unit, other)))
        });
        work.push(unit.label.clone(), knowledge.record(unit), after.into_iter().collect());
    }
    work
}

/// Whether one unit may have waited for another by what is known of a run.
fn may_wait(run: &HashMap<&str, &UnitRecord>, unit: &UnitRecord, other: &UnitRecord) -> bool {
    let both = run.get(unit.key.as_str()).zip(run.get(other.key.as_str()));
    both.is_none_or(|(unit, other)| ended(other) <= asked(unit))
}

fn asked(unit: &UnitRecord) -> i64 {
    unit.started_unix_us.saturating_sub_unsigned(unit.waited_us)
}

fn ended(unit: &UnitRecord) -> i64 {
    unit.started_unix_us.saturating_add_unsigned(unit.wall_us)
}

impl Work {
    /// Adds a unit that waits for others, by their places.
    pub fn push(&mut self, name: String, estimate: UnitEstimate, after: Vec<usize>) {
        self.network.take();
        self.workload.jobs.push(estimate.job(name, after));
        self.estimates.push(estimate);
    }

    /// Adds what a build tool does before all units.
    pub fn push_tool(&mut self, name: String, estimate: UnitEstimate) {
        self.tools += 1;
        let place = self.workload.jobs.len();
        self.push(name, estimate, Vec::new());
        let units = self.workload.jobs.iter_mut().take(place);
        units.filter(|job| job.after.is_empty()).for_each(|job| job.after.push(place));
    }

    /// All of these beside each other, one after the other in the order of their units.
    pub fn beside<'a>(works: impl IntoIterator<Item = &'a Self>) -> Self {
        let mut works = works.into_iter();
        let first = works.next().cloned().unwrap_or_default();
        works.fold(first, Self::and)
    }

    fn and(mut self, other: &Self) -> Self {
        self.network.take();
        let first = self.workload.jobs.len();
        let moved = other.workload.jobs.iter().cloned().map(|mut job| {
            job.after.iter_mut().for_each(|at| *at += first);
            job
        });
        self.workload.jobs.extend(moved);
        self.estimates.extend(&other.estimates);
        self.tools += other.tools;
        self
    }

    /// The same where its package was measured and none of its units: together they take no more time, and
    /// each no more memory, than the whole did.
    #[must_use]
    pub fn within(mut self, whole: &PackageEstimate) -> Self {
        let is_known = |unit: &UnitEstimate| !matches!(unit.basis, Basis::Cold | Basis::Alike(_));
        let cpu: f64 = self.estimates.iter().map(|unit| unit.cpu_seconds.expected).sum();
        let factor = whole.cpu_seconds.expected / cpu.max(1e-9);
        let is_measured = matches!(whole.basis, Basis::Measured(_));
        if !is_measured || factor >= 1.0 || self.estimates.iter().any(is_known) {
            return self;
        }
        self.network.take();
        for (job, unit) in self.workload.jobs.iter_mut().zip(&mut self.estimates) {
            unit.cpu_seconds = unit.cpu_seconds.scaled(factor);
            unit.wall_seconds = unit.wall_seconds.scaled(factor);
            if unit.peak.expected > whole.peak.expected {
                unit.peak = whole.peak;
            }
            *job = unit.job(take(&mut job.name), take(&mut job.after));
        }
        self
    }

    /// Units in it.
    pub fn units(&self) -> usize {
        self.estimates.len() - self.tools
    }

    /// The jobs, for the simulator.
    pub const fn workload(&self) -> &Workload {
        &self.workload
    }

    pub(super) fn into_workload(self) -> Workload {
        self.workload
    }

    /// What each job is expected to take, in the same order.
    pub fn estimates(&self) -> &[UnitEstimate] {
        &self.estimates
    }

    pub(super) fn network(&self) -> &Network {
        self.network.get_or_init(|| Network::of(&self.workload))
    }

    /// Nothing may wait for itself: what does, waits for nothing.
    fn without_circles(mut self) -> Self {
        let count = self.estimates.len();
        if self.network().order().len() == count {
            return self;
        }
        let mut ordered = vec![false; count];
        for at in self.network().order() {
            if let Some(mark) = ordered.get_mut(*at as usize) {
                *mark = true;
            }
        }
        let jobs = self.workload.jobs.iter_mut().zip(&ordered);
        jobs.filter(|(_, ordered)| !**ordered).for_each(|(job, _)| job.after.clear());
        self.network.take();
        self
    }

    /// Sum of all expected peaks.
    pub fn memory(&self) -> Bytes {
        self.estimates
            .iter()
            .fold(Bytes::ZERO, |sum, estimate| sum.saturating_add(estimate.peak.expected))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::{Edge, Kind, Language};
    use crate::plan::unit::tests::record;

    fn graph(kinds: &[Kind], edges: &[(u32, u32)]) -> Graph {
        let node = |(at, kind): (usize, &Kind)| {
            Node::new(Language::CFamily, *kind, format!("n{at}"), format!("n{at}.c"))
        };
        Graph {
            nodes: kinds.iter().enumerate().map(node).collect(),
            edges: edges.iter().map(|(from, to)| Edge { from: *from, to: *to }).collect(),
        }
    }

    #[test]
    fn what_takes_nothing_is_seen_through() {
        let kinds = [Kind::Link, Kind::Group, Kind::TranslationUnit, Kind::TranslationUnit];
        let work = workload(&graph(&kinds, &[(0, 1), (1, 2), (1, 3)]), &Knowledge::default());
        let names: Vec<_> = work.workload.jobs.iter().map(|job| job.name.as_str()).collect();
        assert_eq!(names, ["n0.c", "n2.c", "n3.c"]);
        let mut after = work.workload.jobs[0].after.clone();
        after.sort_unstable();
        assert_eq!(after, [1, 2]);
    }

    /// A run of units that follow each other: each with when it asked and when it ended, in seconds.
    fn run(units: &[(&str, i64, i64)]) -> Vec<UnitRecord> {
        let unit = |(key, asked, ended): &(&str, i64, i64)| UnitRecord {
            started_unix_us: asked * 1_000_000,
            wall_us: u64::try_from((ended - asked) * 1_000_000).unwrap(),
            ..record(key, 1, UnitOutcome::Succeeded)
        };
        units.iter().map(unit).collect()
    }

    #[test]
    fn what_was_chance_in_one_run_is_no_need() {
        let newest = run(&[("a", 0, 2), ("b", 0, 3), ("c", 3, 5)]);
        let waits = |runs: &[Vec<UnitRecord>]| {
            let work = replayed(runs, &Knowledge::default());
            work.workload.jobs.iter().map(|job| job.after.clone()).collect::<Vec<_>>()
        };
        assert_eq!(waits(std::slice::from_ref(&newest)), [vec![], vec![], vec![1]]);
        // Another time it asked while that one still ran.
        let older = run(&[("a", 0, 2), ("b", 0, 4), ("c", 2, 5)]);
        assert_eq!(waits(&[newest, older]), [vec![], vec![], vec![0]]);
        assert!(waits(&[]).is_empty());
    }

    #[test]
    fn circles_are_cut() {
        let kinds = [Kind::TranslationUnit, Kind::TranslationUnit];
        let work = workload(&graph(&kinds, &[(0, 1), (1, 0)]), &Knowledge::default());
        assert_eq!(work.network().order().len(), 2);
    }
}
