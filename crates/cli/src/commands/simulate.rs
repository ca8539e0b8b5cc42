//! `ironwright simulate`.
//!
//! Does not know how a rule decides; the core simulates.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use ironwright_core::govern::simulate::{Bounds, Outcome, Rule, Setup, Workload, bounds, simulate};
use ironwright_core::settings::Settings;
use ironwright_core::settings::catalogue::system;
use ironwright_core::units::{Bytes, human_duration};
use schemars::JsonSchema;
use serde::Serialize;

use crate::args::HostArgs;
use crate::context::Context;
use crate::error::CliError;
use crate::table::table;
use crate::ui::{self, DIM, paint};

/// Simulate how long a workload takes under the governor and under fixed rules.
///
/// The workload is a TOML file with a [[job]] table for each kind of job: `memory`, `cpu` and `sleep`
/// (seconds), and optionally `name`, `count`, `threads`, `growth` (the part of its time in which its
/// memory grows) and `after` (names of jobs that must have ended before). The governor's machine is the one that governs real builds. A bound is a time
/// that nobody can beat.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  ironwright simulate docs/examples/mixed-batch.toml --budget 3GiB --threads 2\n  ironwright simulate batch.toml --budget 21GiB --threads 8 --policy governor --policy static:2x6\n  ironwright simulate batch.toml --never-seen --seed 7 --json"
)]
pub(crate) struct SimulateArgs {
    /// The workload.
    #[arg(value_name = "WORKLOAD")]
    workload: PathBuf,
    /// Memory for all jobs; the profile's budget when absent.
    #[arg(long, value_name = "SIZE")]
    budget: Option<Bytes>,
    /// Hardware threads; the profile's when absent.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=4096))]
    threads: Option<u32>,
    /// governor, oracle, make:JOBS or static:JOBSxCORES; may be given several times.
    #[arg(long, value_name = "POLICY", default_value = "governor")]
    policy: Vec<Rule>,
    /// Shuffle the jobs; the order of the file when absent.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// The governor has never seen any of the jobs.
    #[arg(long)]
    never_seen: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// What is reserved for a job that was never seen.
const COLD: Bytes = Bytes::mib(256);
/// Time that a real launcher and a real compiler take to begin.
const START_DELAY: Duration = Duration::from_millis(3);

/// What a simulation found.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct SimulationReport {
    jobs: usize,
    budget: Bytes,
    threads: u32,
    bounds: BoundsReport,
    policies: Vec<PolicyReport>,
}

/// Lower bounds in seconds.
#[derive(Debug, Serialize, JsonSchema)]
struct BoundsReport {
    /// Processor time through threads.
    processor: f64,
    /// Peaks times durations through the budget.
    memory: f64,
    /// Memory that is really held at each time, through the budget.
    held_memory: f64,
    /// The longest job.
    longest: f64,
}

/// How one policy did.
#[derive(Debug, Serialize, JsonSchema)]
struct PolicyReport {
    policy: String,
    makespan_seconds: f64,
    /// Makespan through the largest bound that counts peaks.
    of_bound: f64,
    peak: Bytes,
    /// Part of the threads' time that nobody used.
    idle: f64,
    /// Jobs that were killed to make room, and run again.
    evicted: u32,
    paused: u32,
    /// Jobs that the kernel killed.
    killed: u32,
    /// Jobs that never ended well.
    lost: u32,
}

pub(crate) fn run(args: &SimulateArgs, host: &HostArgs) -> Result<u8, CliError> {
    let workload = read(args)?;
    let (budget, threads) = machine(args, host)?;
    let setup = Setup {
        budget,
        threads: f64::from(threads),
        seen_before: !args.never_seen,
        cold: COLD,
        start_delay: START_DELAY,
    };
    let bounds = bounds(&workload, budget, setup.threads);
    let of_rule = |rule: &Rule| policy(*rule, &simulate(&workload, &setup, *rule), bounds);
    let report = SimulationReport {
        jobs: workload.jobs.len(),
        budget,
        threads,
        bounds: BoundsReport::of(bounds),
        policies: args.policy.iter().map(of_rule).collect(),
    };
    if args.json {
        ui::print_json(&report)?;
    } else {
        ui::print(&show(&report))?;
    }
    Ok(0)
}

fn read(args: &SimulateArgs) -> Result<Workload, CliError> {
    let path = &args.workload;
    let text = std::fs::read_to_string(path)
        .map_err(|error| CliError::Read { path: path.clone(), error })?;
    let workload = Workload::parse(&text).map_err(|error| {
        CliError::usage(
            format!("{}: {error}", path.display()),
            "ironwright simulate --help names the keys of a job",
        )
    })?;
    Ok(match args.seed {
        Some(seed) => workload.shuffled(seed),
        None => workload,
    })
}

/// What is simulated; the profile is read only for what no flag says.
fn machine(args: &SimulateArgs, host: &HostArgs) -> Result<(Bytes, u32), CliError> {
    if let (Some(budget), Some(threads)) = (args.budget, args.threads) {
        return Ok((budget, threads));
    }
    let context = Context::load(host)?;
    let profile = context.profile(None);
    let settings = Settings::resolve(&profile);
    let budget = settings.size(&system::MEMORY_BUDGET).unwrap_or_default();
    let threads = u32::try_from(settings.count(&system::BUILD_THREADS)).unwrap_or(1);
    Ok((args.budget.unwrap_or(budget), args.threads.unwrap_or(threads)))
}

fn policy(rule: Rule, outcome: &Outcome, bounds: Bounds) -> PolicyReport {
    let makespan = outcome.makespan.as_secs_f64();
    PolicyReport {
        policy: rule.to_string(),
        makespan_seconds: makespan,
        of_bound: makespan / bounds.largest().as_secs_f64().max(1e-9),
        peak: outcome.peak,
        idle: outcome.idle,
        evicted: outcome.evicted,
        paused: outcome.paused,
        killed: outcome.killed,
        lost: outcome.lost,
    }
}

impl BoundsReport {
    fn of(bounds: Bounds) -> Self {
        Self {
            processor: bounds.processor.as_secs_f64(),
            memory: bounds.memory.as_secs_f64(),
            held_memory: bounds.held_memory.as_secs_f64(),
            longest: bounds.longest.as_secs_f64(),
        }
    }
}

fn seconds(seconds: f64) -> String {
    human_duration(Duration::from_secs_f64(seconds))
}

fn show(report: &SimulationReport) -> String {
    let SimulationReport { jobs, budget, threads, bounds, policies } = report;
    let mut out = format!("{jobs} jobs, {budget}, {threads} threads\n\n");
    let row = |p: &PolicyReport| {
        vec![
            p.policy.clone(),
            seconds(p.makespan_seconds),
            format!("{:.2}", p.of_bound),
            p.peak.to_string(),
            format!("{:.0} %", p.idle * 100.0),
            p.evicted.to_string(),
            p.paused.to_string(),
            p.killed.to_string(),
            p.lost.to_string(),
        ]
    };
    let headings =
        ["policy", "time", "of bound", "peak", "idle", "run again", "pauses", "oom kills", "lost"];
    out.push_str(&table(&headings, policies.iter().map(row)));
    let text = format!(
        "\nlower bounds: processor {}, memory by peaks {}, memory as it is held {}, longest job {}\n",
        seconds(bounds.processor),
        seconds(bounds.memory),
        seconds(bounds.held_memory),
        seconds(bounds.longest),
    );
    out.push_str(&paint(DIM, &text));
    out
}
