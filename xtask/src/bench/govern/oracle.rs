//! A peer that knows every peak beforehand: starts the largest job that fits beside what runs.
//!
//! Does not know how memory grows; it reserves peaks.

use std::process::{Child, Command};
use std::time::{Duration, Instant};

use anyhow::Result;

use super::world::Ran;

/// What it knows of a job.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) mib: u64,
    /// Threads that it keeps busy on average.
    pub(crate) share: f64,
    pub(crate) command: Command,
}

/// Runs all jobs within a limit and so many threads.
pub(crate) fn run(mut jobs: Vec<Known>, limit_mib: u64, threads: f64) -> Result<Ran> {
    jobs.sort_by_key(|job| std::cmp::Reverse(job.mib));
    let began = Instant::now();
    let mut running: Vec<(u64, f64, Child)> = Vec::new();
    let mut well = true;
    while !jobs.is_empty() || !running.is_empty() {
        let mut held: u64 = running.iter().map(|(mib, ..)| mib).sum();
        let mut busy: f64 = running.iter().map(|(_, share, _)| share).sum();
        let mut later = Vec::new();
        for mut job in jobs {
            let fits = held + job.mib <= limit_mib && busy + job.share <= threads + 1e-9;
            if fits || running.is_empty() {
                held += job.mib;
                busy += job.share;
                running.push((job.mib, job.share, job.command.spawn()?));
            } else {
                later.push(job);
            }
        }
        jobs = later;
        std::thread::sleep(Duration::from_millis(1));
        let mut still = Vec::new();
        for (mib, share, mut child) in running {
            match child.try_wait()? {
                Some(status) => well &= status.success(),
                None => still.push((mib, share, child)),
            }
        }
        running = still;
    }
    Ok(Ran { seconds: began.elapsed().as_secs_f64(), well })
}
