//! A workload to simulate: kinds of jobs and how many there are of each.
//!
//! Does not know who schedules it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::Deserialize;

use super::network::Network;
use crate::govern::curve::{Curve, PARTS};
use crate::govern::{Basis, Forecast, Shape};
use crate::units::Bytes;

/// One job.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    /// Its kind.
    pub name: String,
    /// Most memory that it holds.
    pub memory: Bytes,
    /// Processor time.
    pub cpu: Duration,
    /// Time in which it waits for something else than a processor, spread evenly.
    pub sleep: Duration,
    /// Threads that it can use.
    pub threads: f64,
    /// Part of its time in which its memory grows; it stays after that.
    pub growth: f64,
    /// Jobs that must have ended before it can start, by their place in the workload.
    pub after: Vec<usize>,
}

/// A workload.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Workload {
    /// All jobs, in the order in which they ask.
    pub jobs: Vec<Job>,
}

/// What is wrong with a workload's text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WorkloadError {
    /// Not TOML, or not the expected keys.
    #[error("line {line}: {message}")]
    Text {
        /// Line, from 1.
        line: usize,
        /// What was expected.
        message: String,
    },
    /// A value that makes no sense.
    #[error("job \"{job}\": {message}")]
    Value {
        /// The kind of job.
        job: String,
        /// What would be right.
        message: String,
    },
    /// Jobs that wait for each other.
    #[error("the jobs named {0:?} wait for themselves: take one name out of `after`")]
    Circle(String),
    /// No jobs.
    #[error("the workload has no jobs: write a [[job]] table with memory and cpu")]
    Empty,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    job: Vec<Kind>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kind {
    #[serde(default = "unnamed")]
    name: String,
    #[serde(default = "one")]
    count: u32,
    memory: String,
    #[serde(default)]
    cpu: f64,
    #[serde(default)]
    sleep: f64,
    #[serde(default = "single")]
    threads: f64,
    #[serde(default = "usual_growth")]
    growth: f64,
    #[serde(default)]
    after: Vec<String>,
}

fn unnamed() -> String {
    "job".to_owned()
}

const fn one() -> u32 {
    1
}

const fn single() -> f64 {
    1.0
}

const fn usual_growth() -> f64 {
    0.6
}

/// Longest time that a job may take, in seconds.
const LONGEST: f64 = 1e7;
/// Most jobs of a workload.
const MOST: usize = 10_000_000;

impl Workload {
    /// Reads a workload.
    pub fn parse(text: &str) -> Result<Self, WorkloadError> {
        let file: File = toml::from_str(text).map_err(|error| {
            let start = error.span().map_or(0, |span| span.start);
            let line = text.bytes().take(start).filter(|byte| *byte == b'\n').count() + 1;
            WorkloadError::Text { line, message: error.message().to_owned() }
        })?;
        let mut jobs = Vec::new();
        let mut places: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for kind in &file.job {
            let job = kind.job()?;
            if jobs.len() + kind.count as usize > MOST {
                let message = format!("more than {MOST} jobs in all");
                return Err(WorkloadError::Value { job: kind.name.clone(), message });
            }
            let new = jobs.len()..jobs.len() + kind.count as usize;
            places.entry(kind.name.clone()).or_default().extend(new);
            jobs.extend(std::iter::repeat_n(job, kind.count as usize));
        }
        for kind in file.job.iter().filter(|kind| !kind.after.is_empty()) {
            let after = kind.places_of_after(&places)?;
            for place in places.get(&kind.name).into_iter().flatten() {
                if let Some(job) = jobs.get_mut(*place) {
                    job.after.clone_from(&after);
                }
            }
        }
        let workload = Self { jobs };
        match workload.circle() {
            _ if workload.jobs.is_empty() => Err(WorkloadError::Empty),
            Some(name) => Err(WorkloadError::Circle(name)),
            None => Ok(workload),
        }
    }

    /// The name of a job that waits for itself, through others or not.
    fn circle(&self) -> Option<String> {
        let mut left: BTreeSet<usize> = (0..self.jobs.len()).collect();
        for index in Network::of(self).order() {
            left.remove(&(*index as usize));
        }
        left.first().and_then(|index| Some(self.jobs.get(*index)?.name.clone()))
    }

    /// The same jobs in another order, decided by the seed (Fisher-Yates with a 64-bit linear
    /// congruential generator; constants of Knuth's MMIX).
    #[must_use]
    pub fn shuffled(mut self, seed: u64) -> Self {
        let mut state = seed;
        // Where each job was.
        let mut from: Vec<usize> = (0..self.jobs.len()).collect();
        for last in (1..self.jobs.len()).rev() {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let other = usize::try_from((state >> 33) % (last as u64 + 1)).unwrap_or(0);
            self.jobs.swap(last, other);
            from.swap(last, other);
        }
        let mut to = vec![0; from.len()];
        for (now, then) in from.iter().enumerate() {
            if let Some(place) = to.get_mut(*then) {
                *place = now;
            }
        }
        for before in self.jobs.iter_mut().flat_map(|job| &mut job.after) {
            *before = to.get(*before).copied().unwrap_or(*before);
        }
        self
    }
}

impl Kind {
    fn job(&self) -> Result<Job, WorkloadError> {
        let wrong = |message: String| WorkloadError::Value { job: self.name.clone(), message };
        let memory: Bytes =
            self.memory.parse().map_err(|error| wrong(format!("memory: {error}")))?;
        let seconds = |name: &str, value: f64| match value {
            0.0..=LONGEST => Ok(Duration::from_secs_f64(value)),
            _ => Err(wrong(format!("{name} is a number of seconds from 0 to {LONGEST}"))),
        };
        let (cpu, sleep) = (seconds("cpu", self.cpu)?, seconds("sleep", self.sleep)?);
        if (cpu + sleep).is_zero() {
            return Err(wrong("it takes no time: give cpu or sleep, in seconds".to_owned()));
        }
        if !(0.01..=4096.0).contains(&self.threads) {
            return Err(wrong("threads lies between 0.01 and 4096".to_owned()));
        }
        if !(0.0..=1.0).contains(&self.growth) {
            return Err(wrong("growth is a part of its time, from 0 to 1".to_owned()));
        }
        let (threads, growth) = (self.threads, self.growth);
        Ok(Job { name: self.name.clone(), memory, cpu, sleep, threads, growth, after: Vec::new() })
    }

    fn places_of_after(
        &self,
        places: &BTreeMap<String, Vec<usize>>,
    ) -> Result<Vec<usize>, WorkloadError> {
        let mut out = Vec::new();
        for name in &self.after {
            let unknown = || WorkloadError::Value {
                job: self.name.clone(),
                message: format!("after: there is no job named {name:?}"),
            };
            out.extend(places.get(name).ok_or_else(unknown)?);
        }
        Ok(out)
    }
}

impl Job {
    /// Time that it takes when nothing holds it up.
    pub fn duration(&self) -> Duration {
        (self.cpu.div_f64(self.threads) + self.sleep).max(Duration::from_micros(1))
    }

    /// Threads that it keeps busy on average when nothing holds it up.
    pub fn share(&self) -> f64 {
        self.cpu.as_secs_f64() / self.duration().as_secs_f64()
    }

    /// Memory after a part of its time.
    pub fn memory_at(&self, progress: f64) -> Bytes {
        if progress >= self.growth {
            return self.memory;
        }
        self.memory.scaled(progress / self.growth)
    }

    /// What a governor knows of it that saw it before.
    pub fn forecast(&self) -> Forecast {
        let part = |index: usize| self.memory_at((index + 1) as f64 / PARTS as f64);
        let parts: Vec<Bytes> = (0..PARTS).map(part).collect();
        let shape = Curve::new(&parts).map(|curve| Shape { duration: self.duration(), curve });
        let threads = self.share().max(0.02);
        Forecast { peak: self.memory, shape, logged: None, threads, basis: Basis::Measured(3) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn mistakes_name_their_place() {
        let text = "[[job]]\nmemory = \"1 GiB\"\ncpus = 3\n";
        let error = Workload::parse(text).unwrap_err();
        assert!(
            matches!(&error, WorkloadError::Text { line: 3, message } if message.contains("cpus")),
            "{error}"
        );
        for (text, part) in [
            ("", "no jobs"),
            ("[[job]]\nmemory = \"1 GiB\"", "takes no time"),
            ("[[job]]\nmemory = \"1500\"\ncpu = 1", "memory"),
            ("[[job]]\nmemory = \"1 GiB\"\ncpu = -1", "cpu"),
            ("[[job]]\nmemory = \"1 GiB\"\ncpu = 1\ngrowth = 2", "growth"),
            ("[[job]]\nmemory = \"1 GiB\"\ncpu = 1\nafter = [\"b\"]", "no job named \"b\""),
            ("[[job]]\nname = \"a\"\nmemory = \"1 GiB\"\ncpu = 1\nafter = [\"a\"]", "themselves"),
        ] {
            let error = Workload::parse(text).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn shuffling_keeps_every_job() {
        let text = "[[job]]\nname = \"a\"\ncount = 3\nmemory = \"1 MiB\"\ncpu = 1\n[[job]]\nname = \"b\"\ncount = 30\nmemory = \"1 MiB\"\ncpu = 1";
        let workload = Workload::parse(text).unwrap();
        let shuffled = workload.clone().shuffled(7);
        assert_ne!(shuffled, workload);
        assert_eq!(shuffled.jobs.iter().filter(|job| job.name == "a").count(), 3);
        assert_eq!(shuffled, workload.shuffled(7));
    }

    #[test]
    fn jobs_wait_for_others_wherever_they_are() {
        let text = "[[job]]\nname = \"link\"\nmemory = \"1 MiB\"\ncpu = 1\nafter = [\"c\"]\n\
                    [[job]]\nname = \"c\"\ncount = 3\nmemory = \"1 MiB\"\ncpu = 1";
        let workload = Workload::parse(text).unwrap();
        assert_eq!(workload.jobs[0].after, [1, 2, 3]);
        assert_eq!(Network::of(&workload).order(), [1, 2, 3, 0]);
        let shuffled = workload.shuffled(3);
        let link = shuffled.jobs.iter().find(|job| job.name == "link").unwrap();
        assert!(link.after.iter().all(|before| shuffled.jobs[*before].name == "c"));
        assert_eq!(link.after.len(), 3);
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in "(\\[\\[job\\]\\]\n|memory = |\"1GiB\"\n|cpu = |\\PC|[0-9e-]|\n){0,12}") {
            let _ = Workload::parse(&text);
        }
    }
}
