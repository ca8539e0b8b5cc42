//! A list scheduler for graphs that are too large to simulate moment by moment.
//!
//! The same admission rule as the governor's for units whose course is not known: a unit starts when
//! a thread is free and its peak fits beside the peaks of all that run; the longest chain first. Each
//! keeps its peak for all its time, so memory is counted higher than in the simulation. Does not
//! know pressure, pauses or kills.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use crate::govern::simulate::{Job, Links, Outcome, Span, Workload};
use crate::units::Bytes;

/// Waiting units that are tried before the search ends, as the governor does.
const WINDOW: usize = 48;

/// Time as whole nanoseconds, so that it has an order.
fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// For each job, the time from its start to the end of the longest chain behind it.
fn chains(workload: &Workload, order: &[usize], figures: &[Figures]) -> Vec<u64> {
    let mut chains = vec![0_u64; workload.jobs.len()];
    for at in order.iter().rev() {
        let Some((job, figures)) = workload.jobs.get(*at).zip(figures.get(*at)) else { continue };
        let own = chains.get(*at).copied().unwrap_or(0) + figures.nanos;
        if let Some(slot) = chains.get_mut(*at) {
            *slot = own;
        }
        for before in &job.after {
            if let Some(slot) = chains.get_mut(*before) {
                *slot = (*slot).max(own);
            }
        }
    }
    chains
}

/// What a schedule asks of a job again and again: jobs with their names lie far apart in memory.
#[derive(Clone, Copy, Debug, Default)]
struct Figures {
    memory: u64,
    nanos: u64,
    share: f64,
    /// Jobs that it waits for.
    waits: u32,
}

impl Figures {
    fn of(job: &Job) -> Self {
        Self {
            memory: job.memory.0,
            nanos: nanos(job.duration()),
            share: job.share(),
            waits: number(job.after.len()),
        }
    }
}

/// What is the same for every schedule of a workload.
#[derive(Debug)]
pub(super) struct Prepared {
    links: Links,
    order: Vec<usize>,
    figures: Vec<Figures>,
    chains: Vec<u64>,
    /// Processor seconds of all that can be run.
    busy: f64,
}

/// What is free.
struct Room {
    memory: u64,
    threads: f64,
    running: usize,
}

struct Lister<'a> {
    prepared: &'a Prepared,
    budget: u64,
    threads: f64,
    waits: Vec<u32>,
    ready: BinaryHeap<(u64, Reverse<usize>)>,
    ends: BinaryHeap<Reverse<(u64, usize)>>,
    free: Room,
    now: u64,
    outcome: Outcome,
}

/// Schedules a workload.
pub fn list_schedule(workload: &Workload, budget: Bytes, threads: f64) -> Outcome {
    Prepared::new(workload).schedule(budget, threads)
}

impl Prepared {
    pub(super) fn new(workload: &Workload) -> Self {
        let links = Links::of(workload);
        let order = links.in_order(workload);
        let figures: Vec<Figures> = workload.jobs.iter().map(Figures::of).collect();
        let chains = chains(workload, &order, &figures);
        let jobs = order.iter().filter_map(|at| workload.jobs.get(*at));
        let busy = jobs.map(|job| job.cpu.as_secs_f64()).sum();
        Self { links, order, figures, chains, busy }
    }

    /// All jobs so that each comes after those it waits for.
    pub(super) fn order(&self) -> &[usize] {
        &self.order
    }

    /// Schedules the workload that this was made of.
    pub(super) fn schedule(&self, budget: Bytes, threads: f64) -> Outcome {
        let count = self.figures.len();
        let mut lister = Lister {
            prepared: self,
            budget: budget.0,
            threads,
            waits: self.figures.iter().map(|figures| figures.waits).collect(),
            ready: BinaryHeap::new(),
            ends: BinaryHeap::new(),
            free: Room { memory: budget.0, threads, running: 0 },
            now: 0,
            outcome: Outcome {
                makespan: Duration::ZERO,
                peak: Bytes::ZERO,
                idle: 0.0,
                evicted: 0,
                paused: 0,
                killed: 0,
                lost: number(count - self.order.len()),
                spans: vec![None; count],
            },
        };
        let figures = self.figures.iter().enumerate();
        for (at, _) in figures.filter(|(_, figures)| figures.waits == 0) {
            lister.becomes_ready(at);
        }
        lister.run();
        lister.finish()
    }
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

impl Lister<'_> {
    fn run(&mut self) {
        self.start();
        while let Some(Reverse((time, at))) = self.ends.pop() {
            self.now = time;
            self.end(at);
            // Those that end at the same time make room together.
            while self.ends.peek().is_some_and(|Reverse((next, _))| *next == time) {
                if let Some(Reverse((_, at))) = self.ends.pop() {
                    self.end(at);
                }
            }
            self.start();
        }
    }

    fn finish(mut self) -> Outcome {
        let makespan = Duration::from_nanos(self.now);
        let all = makespan.as_secs_f64().max(1e-9) * self.threads;
        self.outcome.makespan = makespan;
        self.outcome.idle = (1.0 - self.prepared.busy / all).clamp(0.0, 1.0);
        self.outcome
    }

    fn becomes_ready(&mut self, at: usize) {
        let now = Duration::from_nanos(self.now);
        if let Some(span) = self.outcome.spans.get_mut(at) {
            *span = Some(Span { ready: now, start: now, end: now });
        }
        self.ready.push((self.prepared.chains.get(at).copied().unwrap_or(0), Reverse(at)));
    }

    fn figures(&self, at: usize) -> Figures {
        self.prepared.figures.get(at).copied().unwrap_or_default()
    }

    fn share(&self, at: usize) -> f64 {
        self.figures(at).share.min(self.threads)
    }

    fn start(&mut self) {
        let mut passed = Vec::new();
        while self.free.threads > 1e-6 && passed.len() < WINDOW {
            let Some((chain, Reverse(at))) = self.ready.pop() else { break };
            let alone = self.free.running == 0;
            let fits = self.figures(at).memory <= self.free.memory
                && self.share(at) <= self.free.threads + 0.25;
            if alone || fits { self.launch(at) } else { passed.push((chain, Reverse(at))) }
        }
        self.ready.extend(passed);
    }

    fn launch(&mut self, at: usize) {
        let Figures { memory, nanos, .. } = self.figures(at);
        self.free.memory = self.free.memory.saturating_sub(memory);
        self.free.threads -= self.share(at);
        self.free.running += 1;
        // One that is larger than everything runs alone.
        let held = Bytes((self.budget - self.free.memory).max(memory));
        self.outcome.peak = self.outcome.peak.max(held);
        let end = self.now.saturating_add(nanos);
        if let Some(Some(span)) = self.outcome.spans.get_mut(at) {
            span.start = Duration::from_nanos(self.now);
            span.end = Duration::from_nanos(end);
        }
        self.ends.push(Reverse((end, at)));
    }

    fn end(&mut self, at: usize) {
        self.free.memory =
            self.free.memory.saturating_add(self.figures(at).memory).min(self.budget);
        self.free.threads += self.share(at);
        self.free.running -= 1;
        if self.free.running == 0 {
            self.free = Room { memory: self.budget, threads: self.threads, running: 0 };
        }
        let prepared = self.prepared;
        for next in prepared.links.waiting_for(at) {
            let next = *next as usize;
            let Some(waits) = self.waits.get_mut(next) else { continue };
            *waits -= 1;
            if *waits == 0 {
                self.becomes_ready(next);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::govern::simulate::bounds;

    fn workload(text: &str) -> Workload {
        Workload::parse(text).unwrap()
    }

    #[test]
    fn no_schedule_beats_its_bounds_and_this_one_is_near() {
        let jobs = "[[job]]\nname = \"c\"\ncount = 400\nmemory = \"100 MiB\"\ncpu = 2\n\
                    [[job]]\nmemory = \"900 MiB\"\ncpu = 5\nafter = [\"c\"]";
        let workload = workload(jobs);
        for (gib, threads) in [(1, 8.0), (64, 8.0), (64, 2.0)] {
            let budget = Bytes::gib(gib);
            let outcome = list_schedule(&workload, budget, threads);
            let bound = bounds(&workload, budget, threads).largest();
            assert!(outcome.makespan >= bound.mul_f64(0.85), "{outcome:?}");
            assert!(outcome.makespan <= bound.mul_f64(1.15), "{:?} {bound:?}", outcome.makespan);
            assert!(outcome.peak <= budget);
        }
    }

    #[test]
    fn what_waits_starts_after_what_it_waits_for() {
        let text = "[[job]]\nname = \"b\"\nmemory = \"9 MiB\"\ncpu = 1\nafter = [\"a\"]\n\
                    [[job]]\nname = \"a\"\ncount = 5\nmemory = \"5 MiB\"\ncpu = 2";
        let outcome = list_schedule(&workload(text), Bytes::gib(1), 2.0);
        let spans: Vec<_> = outcome.spans.iter().map(|span| span.unwrap()).collect();
        let last = spans[1..].iter().map(|span| span.end).max().unwrap();
        assert!(spans[0].start >= last && spans[0].end == outcome.makespan, "{spans:?}");
        assert_eq!(outcome.lost, 0);
    }

    #[test]
    fn what_is_larger_than_everything_runs_alone() {
        let text =
            "[[job]]\nmemory = \"9 GiB\"\ncpu = 1\n[[job]]\ncount = 3\nmemory = \"5 MiB\"\ncpu = 2";
        let outcome = list_schedule(&workload(text), Bytes::gib(1), 2.0);
        assert!(outcome.spans.iter().all(|span| span.is_some_and(|span| span.end > span.start)));
    }
}
