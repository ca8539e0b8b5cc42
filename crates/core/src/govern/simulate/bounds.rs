//! Times that no schedule can beat.
//!
//! Does not know any schedule.

use std::time::Duration;

use super::network::Network;
use super::workload::{Job, Workload};
use crate::units::Bytes;

/// Lower bounds of the time that a workload takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Processor time through the number of threads.
    pub processor: Duration,
    /// Memory times time through the budget, each job counted with its peak for all its time. Less
    /// is possible for those who use that memory grows.
    pub memory: Duration,
    /// The same with the memory that is really held at each time: nobody can beat it.
    pub held_memory: Duration,
    /// The longest chain of jobs that wait for each other; the longest job where none does.
    pub longest: Duration,
}

impl Bounds {
    /// The largest of those that count memory by peaks.
    pub fn largest(&self) -> Duration {
        self.processor.max(self.memory).max(self.longest)
    }
}

/// The bounds of a workload.
pub fn bounds(workload: &Workload, budget: Bytes, threads: f64) -> Bounds {
    bounds_in(workload, &Network::of(workload), budget, threads)
}

/// The same for whoever knows the network of the workload.
pub(crate) fn bounds_in(
    workload: &Workload,
    network: &Network,
    budget: Bytes,
    threads: f64,
) -> Bounds {
    let jobs = &workload.jobs;
    let cpu: f64 = jobs.iter().map(|job| job.cpu.as_secs_f64()).sum();
    let area = |part: fn(f64) -> f64| -> f64 {
        let of = |job: &Job| job.memory.0 as f64 * job.duration().as_secs_f64() * part(job.growth);
        jobs.iter().map(of).sum::<f64>() / (budget.0 as f64).max(1.0)
    };
    Bounds {
        processor: Duration::from_secs_f64(cpu / threads),
        memory: Duration::from_secs_f64(area(|_| 1.0)),
        held_memory: Duration::from_secs_f64(area(|growth| 1.0 - growth / 2.0)),
        longest: Duration::from_nanos(network.lengths().iter().max().copied().unwrap_or(0)),
    }
}
