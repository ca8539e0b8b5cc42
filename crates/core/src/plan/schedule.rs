//! The schedule of a plan: how long it takes, what it holds, what decides its length, and how fixed
//! rules would do.
//!
//! Does not know how the work was estimated, nor how a schedule is drawn.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;

use super::band::Band;
use super::list::Prepared;
use super::package::PackageEstimate;
use super::unit::UnitEstimate;
use super::work::Work;
use crate::govern::simulate::{
    Bounds, Job, Network, Outcome, Rule, Setup, Workload, bounds_in, simulate,
};
use crate::units::Bytes;

/// Units up to which a schedule is simulated moment by moment.
pub const MOST_SIMULATED: usize = 2500;
/// Points of memory over time.
const POINTS: usize = 60;
/// Time that a launcher and a compiler take to begin.
const START_DELAY: Duration = Duration::from_millis(3);
/// Part of a package's time from which on its build tool is worth a job of its own.
const LEAST_OF_A_TOOL: f64 = 0.1;
/// Part of an error in time that all units of a plan share: a slower disk, a busy machine.
const COMMON: f64 = 0.3;

/// How a schedule came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// The governor's own machine, in model time.
    Simulated,
    /// A list scheduler with the same admission by peaks, because there are so many units.
    Listed,
}

/// A step of the critical path.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Step {
    /// The unit.
    pub name: String,
    /// Seconds that it takes when nothing holds it up.
    pub seconds: f64,
}

/// Memory that is held at a time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Held {
    /// Seconds since the start.
    pub seconds: f64,
    /// Memory of all units.
    pub memory: Bytes,
}

/// A schedule.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Schedule {
    /// How it came about.
    pub way: Way,
    /// Units.
    pub units: usize,
    /// Seconds until the last ends.
    pub makespan_seconds: Band<f64>,
    /// Most memory that is held.
    pub peak: Bytes,
    /// Part of the threads' time that nobody uses.
    pub idle: f64,
    /// The longest chain of units that wait for each other: no machine is faster.
    pub critical_path: Vec<Step>,
    /// What decides the length.
    pub limited_by: &'static str,
    /// Units that do not fit on this machine at all.
    pub lost: u32,
    /// Memory over time.
    pub memory: Vec<Held>,
    /// When each unit runs, in seconds; in the order of the workload. Nothing for one that never does.
    #[serde(skip)]
    pub spans: Vec<Option<(f64, f64)>>,
}

/// How a rule does.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Comparison {
    /// The rule.
    pub rule: String,
    /// Seconds until the last ends.
    pub makespan_seconds: f64,
    /// Most memory that is held; more than there is where something is killed.
    pub peak: Bytes,
    /// Part of the threads' time that nobody uses.
    pub idle: f64,
    /// Units or packages that the kernel kills for memory.
    pub killed: u32,
    /// Units or packages that never end well.
    pub lost: u32,
}

/// The governor's schedule of all the work.
pub fn schedule(work: &Work, budget: Bytes, threads: f64) -> Schedule {
    let (workload, network) = (work.workload(), work.network());
    let runner = Runner::new(workload, network);
    let outcome = runner.run(budget, threads, Rule::Governor);
    let limits = bounds_in(workload, network, budget, threads);
    let spans: Vec<Option<(f64, f64)>> = outcome
        .spans
        .iter()
        .map(|span| span.map(|span| (span.start.as_secs_f64(), span.end.as_secs_f64())))
        .collect();
    let makespan = outcome.makespan.as_secs_f64();
    Schedule {
        way: runner.way(),
        units: work.units(),
        makespan_seconds: Band::around(makespan, deviation(work)),
        peak: outcome.peak,
        idle: outcome.idle,
        critical_path: critical_path(workload, network),
        limited_by: limited_by(&limits, outcome.makespan),
        lost: outcome.lost,
        memory: memory(workload, &spans, makespan),
        spans,
    }
}

/// The work of a package, after what its build tool does on its own: what is missing of its time when its
/// units are scheduled alone. The tool may as well work between them, which takes as long.
#[must_use]
pub fn with_tool(mut work: Work, name: &str, estimate: &PackageEstimate, threads: f64) -> Work {
    if work.workload().jobs.len() > MOST_SIMULATED {
        return work;
    }
    let outcome =
        Runner::new(work.workload(), work.network()).run(ENDLESS, threads, Rule::Governor);
    let missing = estimate.wall_seconds.expected - outcome.makespan.as_secs_f64();
    if missing < estimate.wall_seconds.expected * LEAST_OF_A_TOOL {
        return work;
    }
    let memory = estimate.peak.expected.saturating_sub(outcome.peak);
    let used = estimate.cpu_seconds.expected
        - work.estimates().iter().map(|unit| unit.cpu_seconds.expected).sum::<f64>();
    let deviation = estimate.wall_seconds.deviation();
    let tool = UnitEstimate {
        peak: Band { min: memory, expected: memory, max: memory },
        cpu_seconds: Band::around(used.clamp(0.0, missing), deviation),
        wall_seconds: Band::around(missing, deviation),
        threads: 1.0,
        basis: estimate.basis,
        confidence: estimate.confidence,
    };
    work.push_tool(format!("{name} (build tool)"), tool);
    work
}

/// Runs a workload again and again, each time as exactly as its size allows.
pub(super) struct Runner<'a> {
    workload: &'a Workload,
    prepared: Option<Prepared>,
}

impl<'a> Runner<'a> {
    pub(super) fn new(workload: &'a Workload, network: &Network) -> Self {
        let large = workload.jobs.len() > MOST_SIMULATED;
        Self { workload, prepared: large.then(|| Prepared::new(workload, network)) }
    }

    const fn way(&self) -> Way {
        if self.prepared.is_some() { Way::Listed } else { Way::Simulated }
    }

    pub(super) fn run(&self, budget: Bytes, threads: f64, rule: Rule) -> Outcome {
        let Some(prepared) = &self.prepared else {
            let (seen_before, cold) = (true, Bytes::mib(256));
            let setup = Setup { budget, threads, seen_before, cold, start_delay: START_DELAY };
            return simulate(self.workload, &setup, rule);
        };
        let at_once = match rule {
            Rule::Make(jobs) | Rule::Static { jobs, .. } => threads.min(f64::from(jobs)),
            Rule::Governor | Rule::Oracle => threads,
        };
        prepared.schedule(budget, at_once)
    }
}

/// Deviation of the logarithm of the whole time: what units do not share averages out.
fn deviation(work: &Work) -> f64 {
    let (mut sum, mut shared, mut own) = (0.0, 0.0, 0.0);
    for estimate in work.estimates() {
        let (seconds, deviation) =
            (estimate.wall_seconds.expected, estimate.wall_seconds.deviation());
        sum += seconds;
        shared += seconds * deviation;
        own += (seconds * deviation).powi(2);
    }
    if sum <= 0.0 {
        return 0.0;
    }
    (COMMON * (shared / sum).powi(2) + (1.0 - COMMON) * own / (sum * sum)).sqrt()
}

fn critical_path(workload: &Workload, network: &Network) -> Vec<Step> {
    let chain = network.longest_chain().into_iter();
    let jobs = chain.filter_map(|at| workload.jobs.get(at));
    jobs.map(|job| Step { name: job.name.clone(), seconds: job.duration().as_secs_f64() }).collect()
}

/// Part of the length that a bound has to reach to be what decides it.
const DECIDES: f64 = 0.85;

fn limited_by(bounds: &Bounds, makespan: Duration) -> &'static str {
    let largest = bounds.processor.max(bounds.held_memory).max(bounds.longest);
    if largest < makespan.mul_f64(DECIDES) {
        "how the work falls together"
    } else if largest == bounds.longest {
        "the critical path"
    } else if largest == bounds.processor {
        "threads"
    } else {
        "memory"
    }
}

/// Memory at equal distances of time.
fn memory(workload: &Workload, spans: &[Option<(f64, f64)>], makespan: f64) -> Vec<Held> {
    let step = makespan / POINTS as f64;
    if step <= 0.0 {
        return Vec::new();
    }
    let at = |index: usize| (index as f64 + 0.5) * step;
    let mut held: Vec<Held> =
        (0..POINTS).map(|index| Held { seconds: at(index), memory: Bytes::ZERO }).collect();
    for (job, (start, end)) in
        workload.jobs.iter().zip(spans).filter_map(|(job, span)| Some((job, (*span)?)))
    {
        let first = place((start / step - 0.5).ceil());
        for point in held.iter_mut().skip(first).take_while(|point| point.seconds < end) {
            let progress = (point.seconds - start) / (end - start).max(1e-9);
            point.memory = point.memory.saturating_add(job.memory_at(progress));
        }
    }
    held
}

fn place(value: f64) -> usize {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
    let place = value.max(0.0) as usize;
    place
}

/// How a rule does with these packages. The governor and `make` see units, and so does the oracle; a
/// static rule sees packages, each of which starts as many units as it may have threads.
pub fn compare(packages: &[(String, Work)], rule: Rule, budget: Bytes, threads: f64) -> Comparison {
    let workload = match rule {
        Rule::Static { cores, .. } => Workload {
            jobs: packages.iter().map(|(name, work)| whole(name, work, cores, threads)).collect(),
        },
        Rule::Governor | Rule::Make(_) | Rule::Oracle => {
            Work::beside(packages.iter().map(|(_, work)| work)).into_workload()
        }
    };
    let outcome = Runner::new(&workload, &Network::of(&workload)).run(budget, threads, rule);
    Comparison {
        rule: rule.to_string(),
        makespan_seconds: outcome.makespan.as_secs_f64(),
        peak: outcome.peak,
        idle: outcome.idle,
        killed: outcome.killed,
        lost: outcome.lost,
    }
}

/// Memory without end, for what is run alone.
pub(super) const ENDLESS: Bytes = Bytes(u64::MAX / 4);

/// A package as one job that starts so many units at a time.
fn whole(name: &str, work: &Work, cores: u32, threads: f64) -> Job {
    let jobs = &work.workload().jobs;
    let runner = Runner::new(work.workload(), work.network());
    let alone = runner.run(ENDLESS, threads.min(f64::from(cores)), Rule::Make(cores));
    let cpu: Duration = jobs.iter().map(|job| job.cpu).sum();
    let wall = alone.makespan.as_secs_f64().max(1e-3);
    let share = (cpu.as_secs_f64() / wall).max(0.05);
    let sleep = if share < 1.0 { wall - cpu.as_secs_f64() } else { 0.0 };
    Job {
        name: name.to_owned(),
        memory: alone.peak,
        cpu: cpu.max(Duration::from_millis(1)),
        sleep: Duration::from_secs_f64(sleep.max(0.0)),
        threads: share.max(1.0),
        growth: 0.3,
        after: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::{Graph, GraphBuilder, Kind, Language, Node};
    use crate::plan::{Knowledge, PackageQuery, estimate_package, workload};

    /// `wide` files that one link needs, which a last script needs.
    fn graph(wide: u32) -> Graph {
        let mut builder = GraphBuilder::default();
        let mut node = |kind, name: String| {
            let node = Node::new(Language::CFamily, kind, name.clone(), name);
            builder.add(node.sized(Some(200_000)))
        };
        let files: Vec<u32> =
            (0..wide).map(|n| node(Kind::TranslationUnit, format!("f{n}.cpp"))).collect();
        let link = node(Kind::Link, "app".to_owned());
        for file in files {
            builder.needs(link, file);
        }
        builder.finish()
    }

    #[test]
    fn a_schedule_names_what_decides_it() {
        let work = workload(&graph(20), &Knowledge::default());
        let small = schedule(&work, Bytes::gib(4), 2.0);
        assert_eq!((small.way, small.limited_by), (Way::Simulated, "threads"));
        assert_eq!(small.critical_path.len(), 2);
        assert_eq!(small.critical_path[1].name, "app");
        assert!(small.peak <= Bytes::gib(4) && small.lost == 0);
        assert!(small.memory.iter().any(|held| held.memory > Bytes::mib(100)));
        let wide = schedule(&work, Bytes::gib(64), 64.0);
        assert_eq!(wide.limited_by, "the critical path");
        assert!(wide.makespan_seconds.expected < small.makespan_seconds.expected / 4.0);
    }

    #[test]
    fn a_package_takes_no_less_with_its_build_tool_than_alone() {
        let work = workload(&graph(20), &Knowledge::default());
        let units = schedule(&work, Bytes::gib(64), 2.0);
        let query = PackageQuery {
            work: Some(&work),
            threads: 2.0,
            language: Some(Language::CFamily),
            ..PackageQuery::default()
        };
        let mut estimate = estimate_package(&query);
        let same = with_tool(work.clone(), "app", &estimate, 2.0);
        assert_eq!(same.estimates().len(), work.estimates().len());
        estimate.wall_seconds = Band::around(units.makespan_seconds.expected + 30.0, 0.1);
        let whole = schedule(&with_tool(work, "app", &estimate, 2.0), Bytes::gib(64), 2.0);
        assert_eq!(whole.critical_path[0].name, "app (build tool)");
        assert_eq!(whole.units, units.units);
        let longer = whole.makespan_seconds.expected - units.makespan_seconds.expected;
        assert!((longer - 30.0).abs() < 0.1, "{longer}");
    }

    #[test]
    fn many_units_are_listed_and_agree_with_the_simulation() {
        let few = workload(&graph(2000), &Knowledge::default());
        let many = workload(&graph(4000), &Knowledge::default());
        let (few, many) = (schedule(&few, Bytes::gib(8), 8.0), schedule(&many, Bytes::gib(8), 8.0));
        assert_eq!((few.way, many.way), (Way::Simulated, Way::Listed));
        let ratio = many.makespan_seconds.expected / few.makespan_seconds.expected;
        assert!((1.9..2.3).contains(&ratio), "{ratio}");
    }

    /// Two packages that do not fit together are lost under a rule that starts them together.
    #[test]
    fn a_static_rule_kills_what_the_governor_runs() {
        let work = || workload(&graph(60), &Knowledge::default());
        let packages = [("a".to_owned(), work()), ("b".to_owned(), work())];
        let budget = Bytes::mib(2200);
        let fixed = compare(&packages, Rule::Static { jobs: 2, cores: 8 }, budget, 8.0);
        let governed = compare(&packages, Rule::Governor, budget, 8.0);
        assert!(fixed.killed > 0, "{fixed:?}");
        assert_eq!((governed.killed, governed.lost), (0, 0));
        assert!(governed.peak <= budget);
    }
}
