//! `ironwright bench`.
//!
//! Does not know statistics; the core compares, and the host measures.

mod commands;
mod export;
mod rounds;
mod show;
mod status;

pub(crate) use commands::parse_setting;
pub(crate) use export::Exports;
pub(crate) use rounds::{overhead, padding};

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use ironwright_core::evidence::workload::{Workload, built_in};
use ironwright_core::evidence::{Bench, BenchFacts, Metric};
use ironwright_core::value::{Kind, Value};
use ironwright_host::measure::Measurer;

use crate::args::HostArgs;
use crate::context::Context;
use crate::decisions::heed_bench;
use crate::error::CliError;
use crate::governance;
use crate::recording::{history_path, open_history};
use crate::table::table;
use crate::ui;

/// Compare commands: which is faster, by how much, and how sure that is.
///
/// Every round runs each command once, in random order, and the first once more: what it shows
/// against itself is the noise floor. Rounds are added until the interval of the ratio is narrow
/// enough or the time is spent. Something is called different when the interval excludes 1, a test that
/// holds however often one looks agrees, and the difference exceeds the noise floor; so Ctrl-C may end
/// it at any time, and what was measured is published. A command with pipes, variables or other
/// signs of a shell runs in `sh`; every other one without. Results are kept in the history.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  ironwright bench 'gzip -c big' 'pigz -c big'\n  ironwright bench -n old ./old -n new ./new --prepare 'rm -f out'\n  \
        ironwright bench 'zstd -{level} -c big' -L level 1,3,9\n  ironwright bench './prog' --max-time 20s --precision 0.5%\n  \
        ironwright bench --workload zstd-compress --program zstd --program ./zstd-v3\n  \
        ironwright bench ./base ./tuned --package zlib --with c-march=x86-64-v3 --as inflate\n  \
        ironwright bench a b --export-json r.json --export-markdown r.md --export-svg r.svg"
)]
pub(crate) struct BenchArgs {
    /// Commands; the first is what the others are compared with.
    #[arg(value_name = "COMMAND")]
    commands: Vec<String>,
    /// Name of a command in tables, in their order; may be given several times.
    #[arg(long, short = 'n', value_name = "NAME")]
    command_name: Vec<String>,
    #[command(flatten)]
    amount: AmountArgs,
    #[command(flatten)]
    around: AroundArgs,
    #[command(flatten)]
    how: HowArgs,
    #[command(flatten)]
    about: AboutArgs,
    #[command(flatten)]
    out: OutArgs,
}

/// How much is measured.
#[derive(Args, Debug)]
#[command(next_help_heading = "Amount")]
struct AmountArgs {
    /// Runs of each command before the first round; the last of them is looked at for work and
    /// threads.
    #[arg(long, short = 'w', value_name = "N", default_value_t = 1)]
    warmup: u32,
    /// Exactly so many rounds.
    #[arg(long, short = 'r', value_name = "N", conflicts_with_all = ["min_runs", "max_runs", "precision"], value_parser = clap::value_parser!(u32).range(1..))]
    runs: Option<u32>,
    /// At least so many rounds.
    #[arg(long, short = 'm', value_name = "N", default_value_t = 10)]
    min_runs: u32,
    /// At most so many rounds.
    #[arg(long, short = 'M', value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    max_runs: Option<u32>,
    /// Time for all rounds [default: 60s, more where the least number of rounds needs it].
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    max_time: Option<Duration>,
    /// Half of the interval's width that is narrow enough.
    #[arg(long, value_name = "PERCENT", default_value = "1%", value_parser = parse_percent)]
    precision: f64,
}

/// What runs around the commands, and is not measured.
#[derive(Args, Debug)]
#[command(next_help_heading = "Around the commands")]
struct AroundArgs {
    /// Command to run once before everything.
    #[arg(long, short = 's', value_name = "COMMAND")]
    setup: Option<String>,
    /// Command to run before each run; given once for all commands, or once for each.
    #[arg(long, short = 'p', value_name = "COMMAND")]
    prepare: Vec<String>,
    /// Command to run once after everything.
    #[arg(long, short = 'c', value_name = "COMMAND")]
    cleanup: Option<String>,
    /// Parameter with its values, for `{NAME}` in commands.
    #[arg(long, short = 'L', num_args = 2, value_names = ["NAME", "A,B,C"], action = clap::ArgAction::Append)]
    parameter_list: Vec<String>,
    /// Parameter with the first and the last of its whole numbers.
    #[arg(long, short = 'P', num_args = 3, value_names = ["NAME", "FIRST", "LAST"], allow_hyphen_values = true, action = clap::ArgAction::Append)]
    parameter_scan: Vec<String>,
    /// Step of --parameter-scan.
    #[arg(long, short = 'D', value_name = "N", default_value_t = 1)]
    parameter_step_size: i64,
}

/// How commands run.
#[derive(Args, Debug)]
#[command(next_help_heading = "Runs")]
struct HowArgs {
    /// Shell for every command; `none` for no command.
    #[arg(long, short = 'S', value_name = "SHELL")]
    shell: Option<String>,
    /// The same as --shell=none.
    #[arg(short = 'N', conflicts_with = "shell")]
    no_shell: bool,
    /// File for standard input.
    #[arg(long, value_name = "FILE")]
    input: Option<PathBuf>,
    /// Show what commands print.
    #[arg(long)]
    show_output: bool,
    /// Measure commands that fail.
    #[arg(long, short = 'i')]
    ignore_failure: bool,
    /// `auto`, `off`, or a hardware thread that all runs are kept on.
    #[arg(long, value_name = "THREAD", default_value = "auto", value_parser = rounds::parse_pin)]
    pin: rounds::Pin,
    /// Leave the baseline's second run out; then the noise floor is unknown.
    #[arg(long)]
    no_control: bool,
    /// The figure that decides: wall, cpu, memory or instructions.
    #[arg(long, value_name = "FIGURE", default_value = "wall", value_parser = parse_metric)]
    metric: Metric,
    /// Seed of orders and intervals.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
}

/// What the result is about.
#[derive(Args, Debug)]
#[command(next_help_heading = "Subject")]
struct AboutArgs {
    /// A built-in workload in place of commands.
    #[arg(long, value_name = "NAME", conflicts_with = "commands")]
    workload: Option<String>,
    /// Program for the workload; the first is the baseline.
    #[arg(long, value_name = "PROGRAM", requires = "workload")]
    program: Vec<String>,
    /// List the built-in workloads.
    #[arg(long)]
    list_workloads: bool,
    /// Settings that the second command was built with and the first was not; decisions rest on it.
    #[arg(long, value_name = "KNOB=VALUE", value_parser = commands::parse_setting)]
    with: Vec<(String, String)>,
    /// Package that the settings are for.
    #[arg(long, value_name = "NAME", requires = "with")]
    package: Option<String>,
    /// What the commands do, so that results of one kind are taken together [default: the workload,
    /// or the second command].
    #[arg(long = "as", value_name = "NAME", requires = "with")]
    kind: Option<String>,
}

/// Files that a result is written to.
#[derive(Args, Debug)]
#[expect(clippy::struct_field_names, reason = "they are the names of the options")]
pub(crate) struct FileArgs {
    /// Write the result as JSON; kept up to date while rounds go on.
    #[arg(long, value_name = "FILE")]
    export_json: Option<PathBuf>,
    /// Write the result as a Markdown table, likewise.
    #[arg(long, value_name = "FILE")]
    export_markdown: Option<PathBuf>,
    /// Draw the result, likewise.
    #[arg(long, value_name = "FILE")]
    export_svg: Option<PathBuf>,
}

/// Where the result goes.
#[derive(Args, Debug)]
#[command(next_help_heading = "Results")]
struct OutArgs {
    #[command(flatten)]
    files: FileArgs,
    /// Leave the result out of the history.
    #[arg(long)]
    no_record: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Exit code of a benchmark that a user ended: as a shell says it of an interrupted command.
const INTERRUPTED: u8 = 130;

pub(crate) fn run(args: &BenchArgs, host: &HostArgs) -> Result<u8, CliError> {
    if args.about.list_workloads {
        return list_workloads(args.out.json);
    }
    let bench = compare(args, host)?;
    if args.out.json {
        ui::print_json(&bench)?;
    } else {
        ui::print(&text(&bench))?;
    }
    let interrupted = bench.stopped == Some(ironwright_core::evidence::stop::Stop::Interrupted);
    Ok(if interrupted { INTERRUPTED } else { 0 })
}

fn list_workloads(json: bool) -> Result<u8, CliError> {
    if json {
        ui::print_json(&built_in())?;
        return Ok(0);
    }
    let row = |w: &Workload| vec![w.name.clone(), w.package.clone(), w.summary.clone()];
    ui::print(&table(&["workload", "package", "does"], built_in().iter().map(row)))?;
    Ok(0)
}

/// A benchmark in words.
pub(crate) fn text(bench: &Bench) -> String {
    show::text(bench)
}

/// Measures, and keeps the result in the history.
pub(crate) fn compare(args: &BenchArgs, host: &HostArgs) -> Result<Bench, CliError> {
    let plan = commands::plan(args)?;
    let mut measurer = Measurer::new(governance::small_launcher())?;
    let found = rounds::measure(args, &plan, &mut measurer);
    // Cleaning up comes after failures, too.
    let cleaned = rounds::clean_up(&plan, &mut measurer);
    let bench = found?;
    cleaned?;
    record(args, &bench);
    judge_canary(host, &bench)?;
    Ok(bench)
}

/// A canary that lost is taken back.
fn judge_canary(host: &HostArgs, bench: &Bench) -> Result<(), CliError> {
    if let Some(subject) = &bench.setup.subject {
        heed_bench(&Context::load(host)?, &subject.change);
    }
    Ok(())
}

/// Keeps the result; whatever fails is told and changes nothing else.
fn record(args: &BenchArgs, bench: &Bench) {
    if args.out.no_record {
        return;
    }
    let Some(path) = history_path() else { return };
    let facts = BenchFacts::from(bench);
    let recorded = open_history(&path).and_then(|history| history.record_bench(&facts));
    if let Err(error) = recorded {
        ui::warn(&format!("this benchmark is not kept: {error}"));
    }
}

pub(crate) fn parse_metric(text: &str) -> Result<Metric, String> {
    let names = Metric::ALL.map(Metric::name).join(", ");
    Metric::ALL
        .into_iter()
        .find(|metric| metric.name() == text)
        .ok_or_else(|| format!("the figures are {names}"))
}

pub(crate) fn parse_time(text: &str) -> Result<Duration, String> {
    match Kind::Seconds.parse_text(text)? {
        Value::Seconds(seconds) if seconds > 0 => Ok(Duration::from_secs(seconds)),
        _ => Err("write a duration above zero such as \"30s\" or \"5m\"".to_owned()),
    }
}

/// `0.5%` or `0.005`.
pub(crate) fn parse_percent(text: &str) -> Result<f64, String> {
    let wrong =
        || format!("expected a percentage above 0 and below 100 such as \"1%\", found \"{text}\"");
    let number = |text: &str| text.trim().parse::<f64>().map_err(|_| wrong());
    let part = match text.strip_suffix('%') {
        Some(percent) => number(percent)? / 100.0,
        None => number(text)?,
    };
    if part > 0.0 && part < 1.0 { Ok(part) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages_and_times_need_their_units() {
        assert_eq!(parse_percent("0.5%"), Ok(0.005));
        assert_eq!(parse_percent("0.02"), Ok(0.02));
        for wrong in ["0", "100%", "-1%", "NaN", "many"] {
            assert!(parse_percent(wrong).is_err(), "{wrong}");
        }
        assert_eq!(parse_time("2m"), Ok(Duration::from_mins(2)));
        assert!(parse_time("20").is_err() && parse_time("0s").is_err());
    }
}
