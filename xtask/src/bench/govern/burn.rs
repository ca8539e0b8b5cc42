//! A job that is known to the byte: it takes memory linearly over the first part of its time and
//! holds it, uses a processor, sleeps, and leaves a mark when it is done.
//!
//! Does not know who runs it, nor what else runs.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::time::{ClockId, clock_gettime};

/// The word after which this program is such a job. It is not one of the chores, and starts before
/// their parser, so that it starts at once.
pub(crate) const WORD: &str = "burn";

/// What a job does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Burn {
    /// Most memory, in MiB.
    pub(crate) mib: u64,
    /// Seconds on a processor.
    pub(crate) cpu: f64,
    /// Seconds of sleep, spread over its time.
    pub(crate) sleep: f64,
}

/// Part of its time in which a job grows.
pub(crate) const GROWTH: f64 = 0.6;
/// Seconds between two steps of growth.
const STEP: f64 = 0.02;
/// Bytes of a page: one byte written in each makes all of it resident.
const PAGE: usize = 4096;

impl Burn {
    /// Arguments that make this program such a job.
    pub(crate) fn arguments(&self, mark: &str) -> Vec<String> {
        let word = |text: &dyn std::fmt::Display| text.to_string();
        vec![word(&WORD), word(&self.mib), word(&self.cpu), word(&self.sleep), word(&mark)]
    }

    /// Seconds that it takes alone.
    pub(crate) fn seconds(&self) -> f64 {
        self.cpu + self.sleep
    }
}

/// Does the job that the arguments after the word tell.
pub(crate) fn run(mut arguments: impl Iterator<Item = String>) -> Result<()> {
    let mut next = || arguments.next().context("burn MIB CPU SLEEP MARK");
    let job = Burn { mib: next()?.parse()?, cpu: next()?.parse()?, sleep: next()?.parse()? };
    let mark = PathBuf::from(next()?);
    let bytes = usize::try_from(job.mib << 20)?;
    let mut memory = vec![0_u8; bytes];
    let steps = (job.seconds() / STEP).ceil().max(1.0);
    let page = PAGE as f64 / (bytes as f64).max(1.0);
    let mut done = 0.0;
    let mut held = 0;
    while done < steps {
        done += 1.0;
        let part = (done / steps / GROWTH).min(1.0);
        while held < bytes && held as f64 / PAGE as f64 * page < part {
            memory.get_mut(held).into_iter().for_each(|byte| *byte = 1);
            held += PAGE;
        }
        spin(Duration::from_secs_f64(job.cpu * done / steps))?;
        std::thread::sleep(Duration::from_secs_f64(job.sleep / steps));
    }
    if held < bytes || std::hint::black_box(&memory).len() != bytes {
        bail!("{held} of {bytes} bytes are held");
    }
    std::fs::write(&mark, "").with_context(|| format!("cannot write {}", mark.display()))
}

/// Uses a processor until this process has had that much of one.
fn spin(until: Duration) -> Result<()> {
    while Duration::try_from(clock_gettime(ClockId::ProcessCPUTime))? < until {
        for number in 0..2000_u64 {
            std::hint::black_box(number.wrapping_mul(number));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_uses_its_time_and_leaves_its_mark() {
        let mark = std::env::temp_dir().join(format!("ironwright-burn-{}", std::process::id()));
        let job = Burn { mib: 3, cpu: 0.05, sleep: 0.1 };
        let before = std::time::Instant::now();
        run(job.arguments(&mark.to_string_lossy()).into_iter().skip(1)).unwrap();
        assert!(before.elapsed() >= Duration::from_secs_f64(0.1));
        std::fs::remove_file(mark).unwrap();
        assert!(run(["3".to_owned()].into_iter()).is_err());
    }
}
