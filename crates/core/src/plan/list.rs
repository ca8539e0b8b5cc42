//! A list scheduler for graphs that are too large to simulate moment by moment.
//!
//! The same admission rule as the governor's for units whose course is not known: a unit starts when
//! a thread is free and its peak fits beside the peaks of all that run; the longest chain first. Each
//! keeps its peak for all its time, so memory is counted higher than in the simulation. Does not
//! know pressure, pauses or kills.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use super::ranks::Ranks;
use crate::govern::simulate::{Job, Links, Network, Outcome, Span, Workload};
use crate::units::Bytes;

/// Waiting units that are tried before the search ends, as the governor does.
const WINDOW: usize = 48;

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
            nanos: u64::try_from(job.duration().as_nanos()).unwrap_or(u64::MAX),
            share: job.share(),
            waits: number(job.after.len()),
        }
    }
}

/// What is the same for every schedule of a workload. Jobs go by their rank, the one with the longest
/// chain first: those that start one after the other lie beside each other.
#[derive(Debug)]
pub(super) struct Prepared {
    figures: Vec<Figures>,
    links: Links,
    /// The place of each job in the workload.
    jobs: Vec<u32>,
    /// Jobs that can never run.
    lost: u32,
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
    ready: Ranks,
    ends: BinaryHeap<Reverse<(u64, u32)>>,
    free: Room,
    now: u64,
    outcome: Outcome,
}

impl Prepared {
    pub(super) fn new(workload: &Workload, network: &Network) -> Self {
        let mut ranked: Vec<(Reverse<u64>, u32)> =
            network.lengths().iter().copied().map(Reverse).zip(0..).collect();
        ranked.sort_unstable();
        let jobs: Vec<u32> = ranked.into_iter().map(|(_, at)| at).collect();
        let mut ranks = vec![0; jobs.len()];
        for (rank, at) in (0..).zip(&jobs) {
            if let Some(slot) = ranks.get_mut(*at as usize) {
                *slot = rank;
            }
        }
        let mut links = Links::default();
        for at in &jobs {
            let behind = network.waiting_for(*at as usize).iter();
            links.push(behind.filter_map(|next| ranks.get(*next as usize)).copied());
        }
        let job = |at: &u32| workload.jobs.get(*at as usize);
        let run = network.order().iter().filter_map(job);
        Self {
            figures: jobs.iter().filter_map(job).map(Figures::of).collect(),
            links,
            lost: number(jobs.len() - network.order().len()),
            jobs,
            busy: run.map(|job| job.cpu.as_secs_f64()).sum(),
        }
    }

    /// Schedules the workload that this was made of.
    pub(super) fn schedule(&self, budget: Bytes, threads: f64) -> Outcome {
        let count = self.figures.len();
        let mut lister = Lister {
            prepared: self,
            budget: budget.0,
            threads,
            waits: self.figures.iter().map(|figures| figures.waits).collect(),
            ready: Ranks::new(count),
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
                lost: self.lost,
                spans: vec![None; count],
            },
        };
        let figures = (0..).zip(&self.figures);
        for (rank, _) in figures.filter(|(_, figures)| figures.waits == 0) {
            lister.becomes_ready(rank);
        }
        lister.run();
        lister.finish()
    }

    fn figures(&self, rank: u32) -> Figures {
        self.figures.get(rank as usize).copied().unwrap_or_default()
    }
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

impl Lister<'_> {
    fn run(&mut self) {
        self.start();
        while let Some(Reverse((time, rank))) = self.ends.pop() {
            self.now = time;
            self.end(rank);
            // Those that end at the same time make room together.
            while self.ends.peek().is_some_and(|Reverse((next, _))| *next == time) {
                if let Some(Reverse((_, rank))) = self.ends.pop() {
                    self.end(rank);
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

    fn span(&mut self, rank: u32) -> Option<&mut Option<Span>> {
        let job = self.prepared.jobs.get(rank as usize)?;
        self.outcome.spans.get_mut(*job as usize)
    }

    fn becomes_ready(&mut self, rank: u32) {
        let now = Duration::from_nanos(self.now);
        if let Some(span) = self.span(rank) {
            *span = Some(Span { ready: now, start: now, end: now });
        }
        self.ready.insert(rank);
    }

    fn share(&self, rank: u32) -> f64 {
        self.prepared.figures(rank).share.min(self.threads)
    }

    fn start(&mut self) {
        let (mut passed, mut from) = (0, 0);
        while self.free.threads > 1e-6 && passed < WINDOW {
            let Some(rank) = self.ready.first_from(from) else { break };
            let alone = self.free.running == 0;
            let fits = self.prepared.figures(rank).memory <= self.free.memory
                && self.share(rank) <= self.free.threads + 0.25;
            if alone || fits {
                self.launch(rank);
            } else {
                passed += 1;
            }
            from = rank + 1;
        }
    }

    fn launch(&mut self, rank: u32) {
        self.ready.remove(rank);
        let Figures { memory, nanos, .. } = self.prepared.figures(rank);
        self.free.memory = self.free.memory.saturating_sub(memory);
        self.free.threads -= self.share(rank);
        self.free.running += 1;
        // One that is larger than everything runs alone.
        let held = Bytes((self.budget - self.free.memory).max(memory));
        self.outcome.peak = self.outcome.peak.max(held);
        let (start, end) = (self.now, self.now.saturating_add(nanos));
        if let Some(Some(span)) = self.span(rank) {
            span.start = Duration::from_nanos(start);
            span.end = Duration::from_nanos(end);
        }
        self.ends.push(Reverse((end, rank)));
    }

    fn end(&mut self, rank: u32) {
        let memory = self.prepared.figures(rank).memory;
        self.free.memory = self.free.memory.saturating_add(memory).min(self.budget);
        self.free.threads += self.share(rank);
        self.free.running -= 1;
        if self.free.running == 0 {
            self.free = Room { memory: self.budget, threads: self.threads, running: 0 };
        }
        let prepared = self.prepared;
        for next in prepared.links.of(rank as usize) {
            let Some(waits) = self.waits.get_mut(*next as usize) else { continue };
            *waits -= 1;
            if *waits == 0 {
                self.becomes_ready(*next);
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

    fn list_schedule(workload: &Workload, budget: Bytes, threads: f64) -> Outcome {
        Prepared::new(workload, &Network::of(workload)).schedule(budget, threads)
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
