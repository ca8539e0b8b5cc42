//! `ironwright plan`.
//!
//! Does not know how anything is estimated or scheduled; the core does both.

use std::time::Duration;

use clap::Args;
use ironwright_core::govern::simulate::Rule;
use ironwright_core::plan::{
    Band, Bar, BudgetTable, Comparison, PackageEstimate, Risks, Schedule, SilenceLimit, Tier,
    Timeout, Way, Work, budget_table, compare, gantt, oom_risk, schedule, silence_limit, timeout,
    timeout_risk, with_tool,
};
use ironwright_core::settings::Settings;
use ironwright_core::settings::catalogue::system;
use ironwright_core::units::{Bytes, human_duration};
use schemars::JsonSchema;
use serde::Serialize;

use crate::args::HostArgs;
use crate::context::Context;
use crate::error::{CliError, count};
use crate::estimate::{Candidate, candidates};
use crate::table::table;
use crate::ui::{self, BAD, DIM, HEADING, WARN, paint};
use crate::workspace::{Target, Workspace, targets};

/// Say what a build will take, what may run together, how long it takes and what can go wrong.
///
/// Without a source, all packages of the workspace (ironwright.toml). Estimates come from past builds of
/// the same, of other versions, or of units of the same kind and size; each says what it rests on. A band
/// holds nineteen of twenty cases. The schedule is the governor's own, in model time, with all packages
/// started at once; nothing is built.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  ironwright plan\n  ironwright plan . --gantt\n  ironwright plan crate:ripgrep@14.1.1 crate:bat --against static:2x6 --against make:8\n  ironwright plan /nix/store/…-hello-2.12.1.drv nixpkgs#ripgrep\n  ironwright plan --json | jq '.packages[] | {name, tier, peak: .estimate.peak}'"
)]
pub(crate) struct PlanArgs {
    /// Directories, sources, derivations (.drv), attributes of flakes, or packages of the workspace.
    #[arg(value_name = "DIR|SOURCE|PACKAGE")]
    sources: Vec<String>,
    /// Draw when each package runs, or each unit of a single one.
    #[arg(long)]
    gantt: bool,
    /// Another rule to compare with: static:JOBSxCORES, make:JOBS or oracle; may be given several times.
    #[arg(long, value_name = "RULE")]
    against: Vec<Rule>,
    /// Start no tool to find what is compiled; read files only.
    #[arg(long)]
    files_only: bool,
    /// Fetch nothing.
    #[arg(long)]
    offline: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// What is planned.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct PlanReport {
    /// Version of this shape.
    schema: u32,
    /// Memory for all builds.
    budget: Bytes,
    /// Threads for all builds.
    threads: u32,
    /// The packages.
    packages: Vec<PackageReport>,
    /// Which may run together.
    together: BudgetTable,
    /// All packages at once, under the governor.
    schedule: Schedule,
    /// Seconds when they are built one after the other, as `ironwright build` does.
    one_by_one_seconds: Band<f64>,
    /// Other rules.
    against: Vec<Comparison>,
}

/// One package.
#[derive(Debug, Serialize, JsonSchema)]
struct PackageReport {
    name: String,
    source: String,
    tier: Tier,
    estimate: PackageEstimate,
    timeout: Timeout,
    silence: SilenceLimit,
    risks: Risks,
    notes: Vec<String>,
}

pub(crate) fn run(args: &PlanArgs, host: &HostArgs) -> Result<u8, CliError> {
    let context = Context::load(host)?;
    let settings = Settings::resolve(&context.profile(None));
    let budget = settings.size(&system::MEMORY_BUDGET).unwrap_or_default();
    let threads = u32::try_from(settings.count(&system::BUILD_THREADS)).unwrap_or(1).max(1);
    let wanted = args.sources.iter().map(|text| text.parse()).collect::<Result<Vec<_>, _>>()?;
    let workspace = Workspace::find()?;
    let targets: Vec<Target<'_>> = targets(&wanted, workspace.as_ref())?;
    let found = candidates(&targets, f64::from(threads), args.files_only, args.offline)?;
    let work: Vec<(String, Work)> =
        found.iter().map(|candidate| work_of(candidate, f64::from(threads))).collect();
    let report = report(found, &work, &args.against, budget, threads);
    if args.json {
        ui::print_json(&report)?;
        return Ok(0);
    }
    let mut out = show(&report);
    if args.gantt {
        out.push_str(&format!("\n{}", drawn(&report.schedule, &work)));
    }
    ui::print(&out)?;
    Ok(0)
}

/// A package whose units are not known counts as one.
fn work_of(candidate: &Candidate, threads: f64) -> (String, Work) {
    let name = candidate.name.clone();
    if !candidate.work.estimates().is_empty() {
        let work = with_tool(candidate.work.clone(), &name, &candidate.estimate, threads);
        return (name, work);
    }
    let mut work = Work::default();
    work.push(name.clone(), candidate.estimate.whole(), Vec::new());
    (name, work)
}

fn report(
    found: Vec<Candidate>,
    work: &[(String, Work)],
    against: &[Rule],
    budget: Bytes,
    threads: u32,
) -> PlanReport {
    let all = Work::beside(work.iter().map(|(_, work)| work));
    let peaks: Vec<Bytes> = found.iter().map(|candidate| candidate.estimate.peak.max).collect();
    let together = budget_table(budget, &peaks);
    let threads_f = f64::from(threads);
    let rows = against.iter().map(|rule| compare(work, *rule, budget, threads_f)).collect();
    let mut schedule = schedule(&all, budget, threads_f);
    // Build tools hold something while their units run, which is only known of packages as a whole.
    let largest = found.iter().map(|candidate| candidate.estimate.peak.expected).max();
    schedule.peak = schedule.peak.max(largest.unwrap_or_default());
    let sum = |of: fn(&Band<f64>) -> f64| found.iter().map(|c| of(&c.estimate.wall_seconds)).sum();
    PlanReport {
        schema: 1,
        budget,
        threads,
        one_by_one_seconds: Band {
            min: sum(|band| band.min),
            expected: sum(|band| band.expected),
            max: sum(|band| band.max),
        },
        schedule,
        against: rows,
        packages: found.into_iter().map(|c| package(c, &together)).collect(),
        together,
    }
}

fn package(candidate: Candidate, together: &BudgetTable) -> PackageReport {
    let Candidate { name, source, estimate, notes, .. } = candidate;
    let limit = timeout(estimate.wall_seconds, estimate.basis);
    let budget = together.limits.budget;
    let risks = Risks {
        oom_ungoverned: oom_risk(estimate.peak, budget),
        oom: oom_risk(estimate.largest_unit, budget),
        timeout: timeout_risk(estimate.wall_seconds, limit),
    };
    PackageReport {
        name,
        source,
        tier: estimate.tier(&together.limits),
        timeout: limit,
        silence: silence_limit(estimate.longest_unit_seconds, limit),
        risks,
        estimate,
        notes,
    }
}

fn time(seconds: f64) -> String {
    human_duration(Duration::from_secs_f64(seconds.clamp(0.0, 1e9)))
}

fn times(band: &Band<f64>) -> String {
    format!("{} ({} to {})", time(band.expected), time(band.min), time(band.max))
}

fn show(report: &PlanReport) -> String {
    let threads = count(report.threads as usize, "thread");
    let mut out = format!("for builds {} of memory, {threads}\n\n", report.budget);
    out.push_str(&packages(report));
    out.push_str(&together(&report.together));
    out.push_str(&schedule_text(report));
    if !report.against.is_empty() {
        out.push_str(&against(report));
    }
    out
}

fn packages(report: &PlanReport) -> String {
    let row = |package: &PackageReport| {
        let PackageEstimate { peak, wall_seconds, basis, confidence, units, disk, .. } =
            &package.estimate;
        vec![
            package.name.clone(),
            package.tier.name().to_owned(),
            format!("{} ({} to {})", peak.expected, peak.min, peak.max),
            times(wall_seconds),
            disk.map_or_else(|| "?".to_owned(), |disk| format!("up to {}", disk.max)),
            if *units == 0 { "?".to_owned() } else { units.to_string() },
            time(package.timeout.seconds),
            format!("{} / {}", package.risks.oom.level.name(), package.risks.timeout.level.name()),
            format!("{basis} ({:.0} %)", confidence * 100.0),
        ]
    };
    let headings = [
        "package",
        "tier",
        "peak",
        "time",
        "disk",
        "units",
        "timeout",
        "oom / time",
        "rests on (sure)",
    ];
    let mut out = table(&headings, report.packages.iter().map(row));
    for package in &report.packages {
        for note in &package.notes {
            out.push_str(&paint(DIM, &format!("  {}: {note}\n", package.name)));
        }
    }
    out
}

fn together(table_of: &BudgetTable) -> String {
    let mut out =
        format!("\n{}\n", paint(HEADING, "what may run together, at the most that is expected"));
    out.push_str(&paint(DIM, &format!("  {}\n", table_of.limits.because())));
    let row = |row: &ironwright_core::plan::BudgetRow| {
        vec![
            row.heavy.to_string(),
            row.medium.to_string(),
            row.light.to_string(),
            row.total.to_string(),
            row.margin.to_string(),
        ]
    };
    out.push_str(&table(
        &["heavy", "medium", "light", "total", "left"],
        table_of.rows.iter().map(row),
    ));
    if table_of.too_large > 0 {
        let text = format!(
            "  {} may take more than the budget; the governor runs fewer of its units at a time\n",
            count(table_of.too_large, "package")
        );
        out.push_str(&paint(WARN, &text));
    }
    out
}

/// Steps of the critical path that are named.
const STEPS: usize = 8;

fn schedule_text(report: &PlanReport) -> String {
    let plan = &report.schedule;
    let way = match plan.way {
        Way::Simulated => "simulated",
        Way::Listed => "by a list scheduler, since there are so many units",
    };
    let mut out = format!(
        "\n{}\n  {} in {}, peak {}, {:.0} % idle, limited by {} ({way})\n",
        paint(HEADING, "all at once"),
        count(plan.units, "unit"),
        times(&plan.makespan_seconds),
        plan.peak,
        plan.idle * 100.0,
        plan.limited_by,
    );
    if plan.lost > 0 {
        let text = format!("  {} never fit into the budget\n", count(plan.lost as usize, "unit"));
        out.push_str(&paint(BAD, &text));
    }
    if report.packages.len() > 1 {
        out.push_str(&format!("  one after the other: {}\n", times(&report.one_by_one_seconds)));
    }
    let path: f64 = plan.critical_path.iter().map(|step| step.seconds).sum();
    let mut longest: Vec<usize> = (0..plan.critical_path.len()).collect();
    longest.sort_by(|a, b| {
        let seconds = |at: &usize| plan.critical_path.get(*at).map_or(0.0, |step| step.seconds);
        seconds(b).total_cmp(&seconds(a))
    });
    longest.truncate(STEPS);
    longest.sort_unstable();
    let names: Vec<String> = longest
        .iter()
        .filter_map(|at| plan.critical_path.get(*at))
        .map(|step| format!("{} {}", step.name, time(step.seconds)))
        .collect();
    let more = plan.critical_path.len() - names.len();
    let more = if more > 0 { format!(", and {more} shorter") } else { String::new() };
    out.push_str(&format!("  critical path {}: {}{more}\n", time(path), names.join(" > ")));
    out
}

fn against(report: &PlanReport) -> String {
    let governed = report.schedule.makespan_seconds.expected.max(1e-9);
    let row = |rule: &str, seconds: f64, peak: Bytes, idle: f64, killed: u32, lost: u32| {
        vec![
            rule.to_owned(),
            time(seconds),
            format!("x {:.2}", seconds / governed),
            peak.to_string(),
            format!("{:.0} %", idle * 100.0),
            killed.to_string(),
            lost.to_string(),
        ]
    };
    let plan = &report.schedule;
    let own = row("governor", governed, plan.peak, plan.idle, 0, plan.lost);
    let others = report
        .against
        .iter()
        .map(|o| row(&o.rule, o.makespan_seconds, o.peak, o.idle, o.killed, o.lost));
    let headings = ["rule", "time", "", "peak", "idle", "oom kills", "lost"];
    format!("\n{}", table(&headings, std::iter::once(own).chain(others)))
}

/// Bars that are drawn of a single package.
const MOST_BARS: usize = 32;

/// Packages, or the longest units of one.
fn drawn(plan: &Schedule, work: &[(String, Work)]) -> String {
    let mut bars = Vec::new();
    let mut spans = plan.spans.iter();
    for (name, work) in work {
        let own = spans.by_ref().take(work.estimates().len());
        let jobs = work.workload().jobs.iter().zip(own);
        let units = jobs.filter_map(|(job, span)| {
            let (start, end) = (*span)?;
            Some(Bar { name: job.name.clone(), start, end })
        });
        bars.push((name, units.collect::<Vec<Bar>>()));
    }
    let bars = match <[_; 1]>::try_from(bars) {
        Ok([(_, units)]) => longest(units),
        Err(packages) => {
            packages.into_iter().filter_map(|(name, units)| whole(name, &units)).collect()
        }
    };
    gantt(&bars, width())
}

fn whole(name: &str, units: &[Bar]) -> Option<Bar> {
    let start = units.iter().map(|bar| bar.start).reduce(f64::min)?;
    let end = units.iter().map(|bar| bar.end).reduce(f64::max)?;
    Some(Bar { name: name.to_owned(), start, end })
}

fn longest(mut units: Vec<Bar>) -> Vec<Bar> {
    units.sort_by(|a, b| (b.end - b.start).total_cmp(&(a.end - a.start)));
    units.truncate(MOST_BARS);
    units.sort_by(|a, b| a.start.total_cmp(&b.start));
    units
}

/// Columns of the terminal; of a usual one where there is none.
fn width() -> usize {
    const USUAL: usize = 80;
    let columns = || std::env::var("COLUMNS").ok()?.parse().ok();
    let size = rustix::termios::tcgetwinsize(std::io::stdout()).ok();
    size.map(|size| usize::from(size.ws_col)).filter(|n| *n > 0).or_else(columns).unwrap_or(USUAL)
}
