//! Workloads for the simulator: from a graph and what its nodes are expected to take, or from the
//! units of a past run.
//!
//! Does not know who schedules them.

use std::time::Duration;

use super::class::Class;
use super::unit::{Knowledge, UnitEstimate};
use crate::govern::simulate::{Job, Workload};
use crate::inventory::Graph;
use crate::observe::unit::{UnitOutcome, UnitRecord};
use crate::units::Bytes;

/// What there is to do, with what it is expected to take.
#[derive(Clone, Debug, Default)]
pub struct Work {
    /// The jobs, for the simulator.
    pub workload: Workload,
    /// What each is expected to take, in the same order.
    pub estimates: Vec<UnitEstimate>,
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
    let kept: Vec<bool> =
        graph.nodes.iter().map(|node| Class::of_node(node) != Class::Nothing).collect();
    let places = places(&kept);
    let needs = reached(graph, &kept);
    let mut work = Work::default();
    for ((node, kept), needs) in graph.nodes.iter().zip(&kept).zip(needs) {
        if !kept {
            continue;
        }
        let estimate = knowledge.node(node);
        let after =
            needs.iter().filter_map(|at| *places.get(*at as usize)?).collect::<Vec<usize>>();
        work.workload.jobs.push(estimate.job(node.label.clone(), after));
        work.estimates.push(estimate);
    }
    without_circles(&mut work.workload);
    work
}

/// Place of each kept node among the kept ones.
fn places(kept: &[bool]) -> Vec<Option<usize>> {
    let mut next = 0;
    let mut place = |kept: &bool| {
        let at = kept.then_some(next);
        next += usize::from(*kept);
        at
    };
    kept.iter().map(&mut place).collect()
}

/// What each node needs, with what is not kept replaced by what that needs.
fn reached(graph: &Graph, kept: &[bool]) -> Vec<Vec<u32>> {
    let direct = graph.needs();
    if kept.iter().all(|kept| *kept) {
        return direct;
    }
    let mut out = Vec::with_capacity(direct.len());
    let mut seen = vec![usize::MAX; direct.len()];
    for (from, needs) in direct.iter().enumerate() {
        let mut reached = Vec::new();
        let mut open = needs.clone();
        while let Some(at) = open.pop() {
            let Some(mark) = seen.get_mut(at as usize).filter(|mark| **mark != from) else {
                continue;
            };
            *mark = from;
            if kept.get(at as usize) == Some(&true) {
                reached.push(at);
            } else {
                open.extend(direct.get(at as usize).into_iter().flatten());
            }
        }
        out.push(if kept.get(from) == Some(&true) { reached } else { Vec::new() });
    }
    out
}

/// Nothing may wait for itself: what does, waits for nothing.
fn without_circles(workload: &mut Workload) {
    let order = workload.in_order();
    if order.len() == workload.jobs.len() {
        return;
    }
    let mut ordered = vec![false; workload.jobs.len()];
    for at in order {
        if let Some(mark) = ordered.get_mut(at) {
            *mark = true;
        }
    }
    for (job, _) in workload.jobs.iter_mut().zip(&ordered).filter(|(_, ordered)| !**ordered) {
        job.after.clear();
    }
}

/// The work of a past run: its units, each after the one that had ended last when it asked, which is
/// what it waited for as far as anybody could see.
pub fn replayed(records: &[UnitRecord], knowledge: &Knowledge) -> Work {
    let done = |record: &&UnitRecord| record.outcome == UnitOutcome::Succeeded;
    let mut units: Vec<&UnitRecord> = records.iter().filter(done).collect();
    let asked = |unit: &UnitRecord| unit.started_unix_us.saturating_sub_unsigned(unit.waited_us);
    let end = |unit: &UnitRecord| unit.started_unix_us.saturating_add_unsigned(unit.wall_us);
    units.sort_by_key(|unit| asked(unit));
    let mut ends: Vec<(i64, usize)> =
        units.iter().enumerate().map(|(at, unit)| (end(unit), at)).collect();
    ends.sort_unstable();
    let mut work = Work::default();
    for unit in &units {
        let before = ends.partition_point(|(end, _)| *end <= asked(unit));
        let last = before.checked_sub(1).and_then(|at| ends.get(at));
        let estimate = knowledge.record(unit);
        let after = last.map(|(_, at)| *at).into_iter().collect();
        work.workload.jobs.push(estimate.job(unit.label.clone(), after));
        work.estimates.push(estimate);
    }
    work
}

impl Work {
    /// Adds other work beside this one.
    pub fn add(&mut self, other: Self) {
        let first = self.workload.jobs.len();
        let moved = other.workload.jobs.into_iter().map(|mut job| {
            job.after.iter_mut().for_each(|at| *at += first);
            job
        });
        self.workload.jobs.extend(moved);
        self.estimates.extend(other.estimates);
    }

    /// The same with every peak at the most that is expected of it.
    #[must_use]
    pub fn at_most(&self) -> Workload {
        let mut workload = self.workload.clone();
        for (job, estimate) in workload.jobs.iter_mut().zip(&self.estimates) {
            job.memory = estimate.peak.max.max(job.memory);
        }
        workload
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
    use crate::inventory::{Edge, Kind, Language, Node};

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

    #[test]
    fn circles_are_cut() {
        let kinds = [Kind::TranslationUnit, Kind::TranslationUnit];
        let work = workload(&graph(&kinds, &[(0, 1), (1, 0)]), &Knowledge::default());
        assert_eq!(work.workload.in_order().len(), 2);
    }
}
