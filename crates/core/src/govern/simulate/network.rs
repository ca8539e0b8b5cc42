//! The network of a workload: which jobs wait for which, and how long the chains of them are.
//!
//! In few pieces of memory, because workloads may be large. Does not know what jobs hold, nor who
//! schedules them.

use super::workload::{Job, Workload};

/// Jobs and what waits for them (an activity network, as the critical path method has it).
#[derive(Clone, Debug, Default)]
pub(crate) struct Network {
    links: Links,
    /// How many others each job waits for.
    waits: Vec<u32>,
    order: Vec<u32>,
    /// Nanoseconds from the start of each job to the end of the longest chain that it begins.
    chains: Vec<u64>,
}

impl Network {
    /// That of a workload. One that waits for a job which is not there never runs.
    pub(crate) fn of(workload: &Workload) -> Self {
        let waits = workload.jobs.iter().map(|job| number(job.after.len())).collect();
        let links = Links::between(&workload.jobs);
        let mut network = Self { links, waits, ..Self::default() };
        network.order = network.in_order();
        network.chains = network.chains(&workload.jobs);
        network
    }

    /// Those that wait for a job.
    pub(crate) fn waiting_for(&self, at: usize) -> &[u32] {
        self.links.of(at)
    }

    /// How many others each job waits for.
    pub(crate) fn waits(&self) -> &[u32] {
        &self.waits
    }

    /// All jobs so that each comes after those it waits for; those that wait in a circle are missing.
    pub(crate) fn order(&self) -> &[u32] {
        &self.order
    }

    /// Nanoseconds from the start of each job to the end of the longest chain that it begins.
    pub(crate) fn lengths(&self) -> &[u64] {
        &self.chains
    }

    /// The longest chain of jobs that wait for each other, first to last.
    pub(crate) fn longest_chain(&self) -> Vec<usize> {
        let length = |at: &usize| self.chains.get(*at).copied();
        let first = (0..self.chains.len()).rev().max_by_key(length);
        let next =
            |at: &usize| self.waiting_for(*at).iter().map(|next| *next as usize).max_by_key(length);
        std::iter::successors(first, next).collect()
    }

    /// Kahn 1962.
    fn in_order(&self) -> Vec<u32> {
        let mut waits = self.waits.clone();
        let count = number(waits.len());
        let mut order: Vec<u32> = Vec::with_capacity(waits.len());
        order.extend((0..count).zip(&waits).filter(|(_, waits)| **waits == 0).map(|(at, _)| at));
        let mut at = 0;
        while let Some(index) = order.get(at).copied() {
            at += 1;
            for next in self.waiting_for(index as usize) {
                let Some(left) = waits.get_mut(*next as usize) else { continue };
                *left -= 1;
                if *left == 0 {
                    order.push(*next);
                }
            }
        }
        order
    }

    fn chains(&self, jobs: &[Job]) -> Vec<u64> {
        let nanos = |job: &Job| u64::try_from(job.duration().as_nanos()).unwrap_or(u64::MAX);
        let mut chains: Vec<u64> = jobs.iter().map(nanos).collect();
        for at in self.order.iter().rev().map(|at| *at as usize) {
            let behind = self.waiting_for(at).iter().filter_map(|next| chains.get(*next as usize));
            let behind = behind.max().copied().unwrap_or(0);
            if let Some(own) = chains.get_mut(at) {
                *own = own.saturating_add(behind);
            }
        }
        chains
    }
}

/// Those that wait for each job, in one piece of memory.
#[derive(Clone, Debug)]
pub(crate) struct Links {
    /// Where those of each job begin in `waiting`; one more at the end.
    starts: Vec<u32>,
    waiting: Vec<u32>,
}

impl Default for Links {
    fn default() -> Self {
        Self { starts: vec![0], waiting: Vec::new() }
    }
}

impl Links {
    /// Those that wait for a job.
    pub(crate) fn of(&self, at: usize) -> &[u32] {
        let range = self.starts.get(at).zip(self.starts.get(at + 1));
        range.and_then(|(from, to)| self.waiting.get(*from as usize..*to as usize)).unwrap_or(&[])
    }

    /// Adds another job, and those that wait for it.
    pub(crate) fn push(&mut self, waiting: impl Iterator<Item = u32>) {
        self.waiting.extend(waiting);
        self.starts.push(number(self.waiting.len()));
    }

    fn between(jobs: &[Job]) -> Self {
        let mut starts = vec![0_u32; jobs.len() + 1];
        for before in jobs.iter().flat_map(|job| &job.after) {
            if let Some(number) = starts.get_mut(before + 1) {
                *number += 1;
            }
        }
        let mut sum = 0;
        for start in &mut starts {
            sum += *start;
            *start = sum;
        }
        let mut next = starts.clone();
        let mut waiting = vec![0; sum as usize];
        for (at, job) in (0..).zip(jobs) {
            for before in job.after.iter().filter(|before| **before < jobs.len()) {
                let Some(place) = next.get_mut(*before) else { continue };
                if let Some(slot) = waiting.get_mut(*place as usize) {
                    *slot = at;
                }
                *place += 1;
            }
        }
        Self { starts, waiting }
    }
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_chain_is_found_among_many() {
        let text = "[[job]]\nname = \"a\"\ncount = 3\nmemory = \"1 MiB\"\ncpu = 2\n\
                    [[job]]\nname = \"b\"\nmemory = \"1 MiB\"\ncpu = 1\nafter = [\"a\"]\n\
                    [[job]]\nname = \"c\"\nmemory = \"1 MiB\"\ncpu = 2.5";
        let network = Network::of(&Workload::parse(text).unwrap());
        assert_eq!(network.longest_chain(), [0, 3]);
        assert_eq!(network.lengths()[0], 3_000_000_000);
        assert_eq!((network.waits()[3], network.order().len()), (3, 5));
        assert_eq!(network.waiting_for(1), [3]);
        assert!(Network::default().longest_chain().is_empty());
    }
}
