//! `ironwright trial`.
//!
//! Does not know designs, statistics or packages; the core plans and concludes, the host keeps.

mod besides;
mod bisect;
mod builder;
mod cached;
mod campaign;
mod layout;
mod plan;
mod profiled;
mod record;
mod repeats;
mod report;
mod resolve;
mod run;
mod show;
mod tools;

pub(crate) use plan::TrialPlan;
pub(crate) use report::TrialReport;
pub(crate) use resolve::packages;
pub(crate) use show::TrialPackage;

use std::time::Duration;

use clap::Args;
use ironwright_core::build::Source;
use ironwright_core::evidence::Metric;
use ironwright_core::trial::Treatment;
use ironwright_core::trial::package::triable;

use super::advise::PreferenceArgs;
use super::bench::{parse_metric, parse_percent, parse_time};
use crate::args::HostArgs;
use crate::error::CliError;
use crate::progress::ProgressChoice;

/// Try settings on a package: build it with each alone and together, measure, and say what pays.
///
/// A package is built under the governor with few combinations of treatments (a fractional factorial
/// from four on), the same workloads run on every build in interleaved rounds, and what each treatment
/// does comes with an interval. Where a bundle such as -march=native harms or helps, it is taken apart
/// by halves until the single flag that does it is named. Build time, rebuild time after a small change,
/// memory and size are measured besides. Everything goes into the history, so that `ironwright advise`
/// and `apply` rest on it. Nothing is kept that makes a workload lose 2 %, unless --weight says so.
///
/// Builds and rounds are kept on disk: what was ended goes on when the command is repeated, and a build
/// that was made before is not made again. A workspace manifest describes packages of one's own in
/// [trials.NAME] (`--list` names those that are built in).
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  ironwright trial --list\n  ironwright trial zlib --dry-run\n  ironwright trial zlib\n  \
        ironwright trial zlib --treatment c-opt-level=3 --treatment c-lto=fat --time 2m\n  \
        ironwright trial openssl --build-only && ironwright trial openssl --time 5m\n  \
        ironwright trial zlib --weight inflate=0\n  \
        ironwright trial ripgrep --treatment rust-linker=mold --build-rounds 5 --build-only\n  \
        ironwright trial cpython --source path:Python-3.13.1 --treatment python-pgo-level=LIGHT\n  ironwright advise zlib --explain"
)]
pub(crate) struct TrialArgs {
    /// The package.
    #[arg(value_name = "PACKAGE", required_unless_present = "list")]
    package: Option<String>,
    /// List the packages that can be tried.
    #[arg(long)]
    list: bool,
    /// Another source than the package's own: crate:NAME@VERSION, or path:DIR of one that is unpacked.
    #[arg(long, value_name = "SOURCE", value_parser = triable)]
    source: Option<Source>,
    /// What is tried instead of the package's own choice; several knobs that belong together with + between
    /// them. May be given several times.
    #[arg(long, short = 't', value_name = "KNOB=VALUE")]
    treatment: Vec<Treatment>,
    /// Only this workload; may be given several times.
    #[arg(long, short = 'w', value_name = "NAME")]
    workload: Vec<String>,
    /// Settings that every build has, the baseline too; what is found is then not kept for decisions.
    #[arg(long, value_name = "KNOB=VALUE")]
    against: Option<Treatment>,
    #[command(flatten)]
    amount: AmountArgs,
    #[command(flatten)]
    how: HowArgs,
    #[command(flatten)]
    preferences: PreferenceArgs,
    /// Show what would be built and measured, and do neither.
    #[arg(long)]
    dry_run: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// How much is measured.
#[derive(Args, Debug)]
#[command(next_help_heading = "Amount")]
struct AmountArgs {
    /// The figure that decides: wall, cpu, memory or instructions. What fixed work costs the processor is
    /// many times steadier than how long one waits for it.
    #[arg(long, value_name = "FIGURE", default_value = "cpu", value_parser = parse_metric)]
    metric: Metric,
    /// Time for measuring; building comes on top.
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = parse_time)]
    time: Duration,
    /// Half of an interval's width that is narrow enough.
    #[arg(long, value_name = "PERCENT", default_value = "1%", value_parser = parse_percent)]
    precision: f64,
    /// Most rounds of each workload.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(7..))]
    rounds: u32,
}

/// How it goes.
#[derive(Args, Debug)]
#[command(next_help_heading = "Course")]
struct HowArgs {
    /// Build, and leave measuring to a later call.
    #[arg(long)]
    build_only: bool,
    /// Times that each build is made, in interleaved order, for what builds cost; workloads run on the first.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..), conflicts_with = "against")]
    build_rounds: u32,
    /// Do not take bundles of flags apart.
    #[arg(long)]
    no_bisect: bool,
    /// Measure anew; rounds that were measured before stay in the history.
    #[arg(long)]
    again: bool,
    /// Build anew, too.
    #[arg(long)]
    rebuild: bool,
    /// Fetch nothing.
    #[arg(long)]
    offline: bool,
    /// Let compilers start without asking the governor.
    #[arg(long)]
    no_govern: bool,
    /// How progress of builds is shown.
    #[arg(long, value_enum, default_value = "auto", value_name = "HOW")]
    progress: ProgressChoice,
}

pub(crate) fn run(args: &TrialArgs, host: &HostArgs) -> Result<u8, CliError> {
    if args.list {
        return show::list(args.json);
    }
    run::run(args, host)
}
