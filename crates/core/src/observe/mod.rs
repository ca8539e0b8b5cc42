//! What was observed of a run, and what follows from it.
//!
//! [`RunFacts`] are raw and stored; a [`Summary`] is derived when it is shown. Does not know how a
//! run is observed or where its facts are kept.

pub mod cache;
pub mod compare;
pub mod generation;
pub mod totals;
pub mod unit;

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::cache::CacheUse;
use crate::units::Bytes;

/// How a command ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Exit {
    /// By itself, with this code.
    Code(i32),
    /// By this signal.
    Signal(i32),
    /// It could not be started: the message, and the code that a shell would give.
    NotStarted {
        /// What the system said.
        message: String,
        /// 127 when it was not found, 126 otherwise.
        code: i32,
    },
}

impl Exit {
    /// The exit code that passes the end on, as shells do: 128 and the signal's number.
    pub const fn code(&self) -> i32 {
        match self {
            Self::Code(code) | Self::NotStarted { code, .. } => *code,
            Self::Signal(signal) => 128 + *signal,
        }
    }

    /// True when the command did what it was asked to.
    pub const fn is_success(&self) -> bool {
        matches!(self, Self::Code(0))
    }
}

/// One look at the process tree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Sample {
    /// Milliseconds since the start.
    pub at_ms: u64,
    /// Memory of the tree: resident pages that no file backs, summed over its processes.
    pub memory: Bytes,
    /// Processes in the tree.
    pub processes: u32,
}

/// Time that tasks of the whole machine stalled during the run, from pressure stall information.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Pressure {
    /// Microseconds in which some task waited for a processor.
    pub cpu_some: u64,
    /// Microseconds in which some task waited for memory.
    pub memory_some: u64,
    /// Microseconds in which every task waited for memory.
    pub memory_full: u64,
    /// Microseconds in which some task waited for a disk.
    pub io_some: u64,
    /// Microseconds in which every task waited for a disk.
    pub io_full: u64,
}

impl Pressure {
    /// What was added since an earlier reading.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Self {
        Self {
            cpu_some: self.cpu_some.saturating_sub(earlier.cpu_some),
            memory_some: self.memory_some.saturating_sub(earlier.memory_some),
            memory_full: self.memory_full.saturating_sub(earlier.memory_full),
            io_some: self.io_some.saturating_sub(earlier.io_some),
            io_full: self.io_full.saturating_sub(earlier.io_full),
        }
    }
}

/// A limit that a command was ended for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Overrun {
    /// Which limit.
    pub limit: OverrunLimit,
    /// Seconds that it allowed.
    pub seconds: u64,
}

/// What can run out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OverrunLimit {
    /// Time for all of it.
    Time,
    /// Time without output and without use of a processor.
    Silence,
}

impl std::fmt::Display for Overrun {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let after = crate::units::human_duration(Duration::from_secs(self.seconds));
        match self.limit {
            OverrunLimit::Time => write!(f, "ended after {after}, its timeout"),
            OverrunLimit::Silence => write!(f, "ended after {after} without a sign of life"),
        }
    }
}

/// Disk space that a run took. What package managers keep in caches of their own is not in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DiskUse {
    /// Files that the run wrote and that were there at its end, intermediate ones included.
    pub written: Bytes,
    /// What stayed of that: results, and intermediate files that lie beside the sources.
    pub left: Bytes,
}

/// What was observed while one command ran.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Observed {
    /// How it ended.
    pub exit: Exit,
    /// The signal with which a user ended it.
    pub interrupted_by: Option<i32>,
    /// The limit that it was ended for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overran: Option<Overrun>,
    /// Wall-clock nanoseconds.
    pub wall_ns: u64,
    /// Processor nanoseconds in user mode, of all processes that ended.
    pub user_ns: u64,
    /// Processor nanoseconds in the kernel.
    pub system_ns: u64,
    /// Largest sampled memory of the tree.
    pub peak_tree: Bytes,
    /// Largest resident memory of a single process, from the kernel's own account.
    pub peak_process: Bytes,
    /// Its name, when a sample saw it near its peak.
    pub peak_process_name: Option<String>,
    /// Processes that samples saw; short ones may be missing.
    pub processes_seen: u32,
    /// Processes that were left running at the end.
    pub left_running: u32,
    /// Stall times, absent where the kernel does not tell.
    pub pressure: Option<Pressure>,
    /// Processes that the kernel killed for memory on the whole machine during the run.
    pub oom_kills: u64,
    /// At most [`MOST_SAMPLES`] looks at the tree, evenly thinned.
    pub samples: Vec<Sample>,
}

impl Observed {
    /// Most memory of the tree: of one that was over before it was looked at, its largest process.
    pub fn peak(&self) -> Bytes {
        self.peak_tree.max(self.peak_process)
    }

    /// The exit code to pass on: what ended for a limit failed, whatever it says itself, and what a
    /// user ended did not succeed.
    pub fn code(&self) -> i32 {
        match (self.interrupted_by, self.overran) {
            (Some(signal), _) => 128 + signal,
            (None, Some(_)) => i32::from(TIMED_OUT),
            (None, None) => self.exit.code(),
        }
    }
}

/// What `timeout(1)` gives for a command that it ended.
pub const TIMED_OUT: u8 = 124;

/// Samples that are kept of one command.
pub const MOST_SAMPLES: usize = 600;

/// One command of a run with what was observed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StepFacts {
    /// Program and arguments.
    pub argv: Vec<String>,
    /// Where it ran.
    pub cwd: String,
    /// What was observed.
    pub observed: Observed,
}

/// The raw facts of a run; what the history stores.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RunFacts {
    /// Version of this program.
    pub ironwright: String,
    /// Host name.
    pub host: Option<String>,
    /// What was built (`crate:ripgrep@14.1.1`), absent for `run`.
    pub source: Option<String>,
    /// Package whose overrides applied.
    pub package: Option<String>,
    /// Build system.
    pub driver: Option<String>,
    /// Hardware threads that the build could use.
    pub threads: u32,
    /// Memory that it could use.
    pub budget: Bytes,
    /// The assignments that were in force, by variable.
    pub settings: serde_json::Map<String, serde_json::Value>,
    /// Start, nanoseconds since 1970.
    pub started_unix_ns: i64,
    /// What a compiler cache answered; absent when none was used, or it did not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compiler_cache: Option<CacheUse>,
    /// The commands, in order; the last may have failed.
    pub steps: Vec<StepFacts>,
    /// What became of its compilers under the governor; absent when nobody governed.
    #[serde(default)]
    pub governed: Option<Governed>,
    /// Start of the command that built this and others one after the other, nanoseconds since 1970;
    /// absent when it built nothing else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<i64>,
    /// Disk space; absent for `run`, and where nobody could tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk: Option<DiskUse>,
}

impl RunFacts {
    /// The limit that the last command was ended for.
    pub fn overran(&self) -> Option<Overrun> {
        self.steps.last()?.observed.overran
    }
}

/// What became of a run's compilers, linkers and other units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Governed {
    /// Units that ended.
    pub units: u32,
    /// Times that one was stopped for a while, for want of memory.
    pub paused: u32,
    /// Times that one was killed and run again.
    pub again: u32,
}

/// Figures that follow from the facts of a run.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Summary {
    /// Wall-clock time of all steps.
    pub wall: Duration,
    /// Processor time of all steps.
    pub cpu: Duration,
    /// Processor time over wall-clock time.
    pub busy_threads: f64,
    /// The same as a fraction of the threads that could be used; may exceed 1 by more processes
    /// than threads on a machine that had some free.
    pub cpu_use: f64,
    /// Largest memory of the tree.
    pub peak_tree: Bytes,
    /// Largest single process.
    pub peak_process: Bytes,
    /// Its name.
    pub peak_process_name: Option<String>,
    /// What limited the run, strongest first.
    pub held_back: Vec<HeldBack>,
    /// Code to pass on; nothing as long as nothing has ended.
    pub exit_code: Option<i32>,
}

/// Something that limited a run.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct HeldBack {
    /// By what.
    pub by: Limiter,
    /// With which figures.
    pub because: String,
}

/// What can limit a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Limiter {
    /// All threads were busy.
    Processor,
    /// Tasks waited for memory, or processes were killed for it.
    Memory,
    /// Tasks waited for a disk.
    Disk,
    /// The build had too little to do in parallel.
    Serial,
}

/// Share of the usable threads above which the processor was the limit.
const BUSY: f64 = 0.85;
/// Share of the time in which some task waited, above which a resource was a limit.
const STALLED: f64 = 0.05;

/// Time below which nothing is said about how busy the threads were: a command that is over at
/// once was held back by its own start.
const TELLING: Duration = Duration::from_secs(1);

/// What follows from the facts.
pub fn summarise(facts: &RunFacts) -> Summary {
    let observed: Vec<&Observed> = facts.steps.iter().map(|step| &step.observed).collect();
    let sum =
        |of: fn(&Observed) -> u64| observed.iter().map(|o| of(o)).fold(0, u64::saturating_add);
    let wall = Duration::from_nanos(sum(|o| o.wall_ns));
    let cpu = Duration::from_nanos(sum(|o| o.user_ns.saturating_add(o.system_ns)));
    let busy_threads = ratio(cpu.as_secs_f64(), wall.as_secs_f64());
    let largest = observed.iter().max_by_key(|o| o.peak_process);
    let mut summary = Summary {
        wall,
        cpu,
        busy_threads,
        cpu_use: ratio(busy_threads, f64::from(facts.threads.max(1))),
        peak_tree: observed.iter().map(|o| o.peak()).max().unwrap_or_default(),
        peak_process: largest.map(|o| o.peak_process).unwrap_or_default(),
        peak_process_name: largest.and_then(|o| o.peak_process_name.clone()),
        held_back: Vec::new(),
        exit_code: observed.last().map(|o| o.code()),
    };
    summary.held_back = held_back(facts, &observed, &summary);
    summary
}

fn ratio(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

fn held_back(facts: &RunFacts, observed: &[&Observed], summary: &Summary) -> Vec<HeldBack> {
    let wall_us = summary.wall.as_secs_f64() * 1e6;
    let stalled = |of: fn(&Pressure) -> u64| {
        let total: u64 = observed.iter().filter_map(|o| o.pressure.as_ref()).map(of).sum();
        ratio(total as f64, wall_us)
    };
    let kills: u64 = observed.iter().map(|o| o.oom_kills).sum();
    let mut out = Vec::new();
    let memory = stalled(|p| p.memory_some);
    if kills > 0 {
        out.push(limit(
            Limiter::Memory,
            format!("the kernel killed {kills} process(es) for memory"),
        ));
    } else if memory > STALLED {
        out.push(limit(
            Limiter::Memory,
            format!("tasks waited for memory {} of the time", percent(memory)),
        ));
    } else if summary.peak_tree > facts.budget {
        out.push(limit(
            Limiter::Memory,
            format!("its peak of {} is above the budget of {}", summary.peak_tree, facts.budget),
        ));
    }
    let disk = stalled(|p| p.io_some);
    if disk > STALLED && disk > summary.cpu_use {
        out.push(limit(
            Limiter::Disk,
            format!("tasks waited for a disk {} of the time", percent(disk)),
        ));
    }
    out.extend((summary.wall >= TELLING).then(|| threads_limit(facts.threads, summary)));
    out
}

/// Whether the threads were the limit, or what there was to do for them.
fn threads_limit(threads: u32, summary: &Summary) -> HeldBack {
    let busy = summary.busy_threads;
    if summary.cpu_use >= BUSY {
        limit(Limiter::Processor, format!("{busy:.1} of {threads} threads were busy on average"))
    } else {
        limit(
            Limiter::Serial,
            format!(
                "only {busy:.1} of {threads} threads were busy on average: there was no more to do in parallel, or it waited"
            ),
        )
    }
}

const fn limit(by: Limiter, because: String) -> HeldBack {
    HeldBack { by, because }
}

fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

/// Keeps every second sample when there are too many; called again and again, the kept ones stay
/// evenly spread. The peak is recorded apart, so thinning loses no figure.
pub fn thin(samples: &mut Vec<Sample>) {
    if samples.len() <= MOST_SAMPLES {
        return;
    }
    let mut keep = false;
    samples.retain(|_| {
        keep = !keep;
        keep
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn observed() -> Observed {
        Observed {
            exit: Exit::Code(0),
            interrupted_by: None,
            overran: None,
            wall_ns: 10_000_000_000,
            user_ns: 18_000_000_000,
            system_ns: 1_000_000_000,
            peak_tree: Bytes::gib(1),
            peak_process: Bytes::mib(400),
            peak_process_name: Some("rustc".into()),
            processes_seen: 40,
            left_running: 0,
            pressure: Some(Pressure::default()),
            oom_kills: 0,
            samples: Vec::new(),
        }
    }

    fn summary(observed: Observed) -> Summary {
        summarise(&RunFacts {
            ironwright: "0".into(),
            host: None,
            source: None,
            package: None,
            driver: None,
            threads: 2,
            budget: Bytes::gib(4),
            settings: serde_json::Map::new(),
            started_unix_ns: 0,
            compiler_cache: None,
            steps: vec![StepFacts { argv: vec!["make".into()], cwd: "/".into(), observed }],
            governed: None,
            batch: None,
            disk: None,
        })
    }

    fn limiters(observed: Observed) -> Vec<Limiter> {
        summary(observed).held_back.into_iter().map(|h| h.by).collect()
    }

    #[test]
    fn figures_follow_from_the_facts() {
        let summary = summary(observed());
        assert!((summary.busy_threads - 1.9).abs() < 1e-9);
        assert!((summary.cpu_use - 0.95).abs() < 1e-9);
        assert_eq!(summary.held_back[0].by, Limiter::Processor);
    }

    #[test]
    fn each_limit_is_recognised() {
        let serial = Observed { user_ns: 9_000_000_000, ..observed() };
        assert_eq!(limiters(serial), [Limiter::Serial]);
        let pressure = Pressure { memory_some: 2_000_000, ..Pressure::default() };
        let memory = Observed { pressure: Some(pressure), ..observed() };
        assert_eq!(limiters(memory), [Limiter::Memory, Limiter::Processor]);
        let pressure = Pressure { io_some: 8_000_000, ..Pressure::default() };
        let disk = Observed { user_ns: 0, pressure: Some(pressure), ..observed() };
        assert_eq!(limiters(disk), [Limiter::Disk, Limiter::Serial]);
        assert_eq!(limiters(Observed { oom_kills: 1, ..observed() })[0], Limiter::Memory);
        assert_eq!(
            limiters(Observed { peak_tree: Bytes::gib(5), ..observed() })[0],
            Limiter::Memory
        );
    }

    #[test]
    fn a_run_without_time_or_steps_has_a_summary() {
        let none = summary(Observed { wall_ns: 0, user_ns: 0, system_ns: 0, ..observed() });
        assert!(none.cpu_use.abs() < f64::EPSILON);
        assert_eq!(none.held_back, []);
    }

    #[test]
    fn thinning_keeps_samples_spread() {
        let mut samples: Vec<_> =
            (0..=600).map(|at_ms| Sample { at_ms, ..Sample::default() }).collect();
        thin(&mut samples);
        assert_eq!(samples.len(), 301);
        assert_eq!((samples[0].at_ms, samples[1].at_ms, samples[300].at_ms), (0, 2, 600));
    }

    #[test]
    fn ends_are_passed_on_as_shells_do() {
        assert_eq!(Exit::Signal(9).code(), 137);
        assert_eq!(Exit::NotStarted { message: String::new(), code: 127 }.code(), 127);
    }
}
