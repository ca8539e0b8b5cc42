//! `ironwright pgo`.
//!
//! Does not know compilers' flags or profiles' formats; the core does, and the host finds tools and
//! merges. What a profile is worth is decided by a benchmark, not here.

mod commands;
mod judge;
mod plan;
mod programs;
mod report;
mod sources;
mod work;

pub(crate) use plan::PgoPlan;
pub(crate) use report::PgoReport;

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use ironwright_core::build::{Driver, Source};
use ironwright_core::pgo::{Level, Verdict};

use crate::args::HostArgs;
use crate::commands::bench::parse_time;
use crate::commands::build::parse_driver;
use crate::context::Context;
use crate::error::CliError;
use crate::progress::ProgressChoice;
use crate::sources::named;
use crate::ui;

/// Build a program with a profile of what it does: instrument, train, merge, use, and judge.
///
/// A source is path:DIR (Cargo, CMake, make or autotools, Go, or CPython's own source) or
/// crate:NAME[@VERSION]. It is built with counters, the training commands run with that program, what
/// they left is merged, and it is built again with the profile. Then it is told whether the profile
/// belongs to the code and how much of the code it covers. With judging commands, the result is compared
/// with a build without a profile, and the history keeps that as evidence for `ironwright advise`.
///
/// In commands `{program}` is the program that was built, `{build}` the directory of what was built, `{dir}` a
/// directory that --setup may fill, and `{profile}` a file for a profile that a training command of Go
/// writes itself (`go test -cpuprofile {profile}`). A judging command must do something else than the
/// training, with other inputs: a program that is judged by its training shows what nobody will see.
///
/// Nothing is built in the source's own directory. Profiles lie below the data directory, named by the source,
/// the compiler, the flags and the training, so that a run that was ended goes on where it was.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  ironwright pgo . --train '{program} train.txt' --judge '{program} other.txt'\n  \
        ironwright pgo crate:ripgrep@14.1.1 --train '{program} -n fn ~/src/a' --judge '{program} -c Result ~/src/b'\n  \
        ironwright pgo path:zlib --program minigzip --train '{program} <a >/dev/null' --level light\n  \
        ironwright pgo path:server --train 'go test -bench . -cpuprofile {profile} ./...'\n  \
        ironwright pgo path:Python-3.11 --level light --judge '{program} bench.py'\n  \
        ironwright pgo path:. --compiler clang --train '{program} a' --dry-run\n\n\
        Exit codes: 0 the profile matches, 1 it is stale or covers nothing, or no tool can merge it, 2 training and judging \
        are the same"
)]
pub(crate) struct PgoArgs {
    /// What to build.
    #[arg(value_name = "SOURCE", value_parser = named)]
    source: Source,
    /// Command that the profile is taken of; may be given several times. CPython's makefile has its own.
    #[arg(long, value_name = "COMMAND")]
    train: Vec<String>,
    /// Command that judges the result; may be given several times.
    #[arg(long, value_name = "COMMAND")]
    judge: Vec<String>,
    /// Command to run once before everything, for inputs in `{dir}`.
    #[arg(long, value_name = "COMMAND")]
    setup: Option<String>,
    /// FULL trains with every command and counts values too; LIGHT trains with the first and counts branches
    /// alone (of CPython's test suite: a tenth).
    #[arg(long, value_name = "full|light", default_value = "full")]
    level: Level,
    /// C compiler, by its name on PATH [default: $CC, or cc].
    #[arg(long, value_name = "NAME")]
    compiler: Option<String>,
    /// The program among those that are built: its name, or the end of its path.
    #[arg(long, value_name = "NAME")]
    program: Option<String>,
    /// Name of the package in the history [default: the crate's or the directory's].
    #[arg(long, value_name = "NAME")]
    package: Option<String>,
    /// Build system, instead of the one that is recognised.
    #[arg(long, value_parser = parse_driver, value_name = "DRIVER")]
    driver: Option<Driver>,
    /// Copy the program there.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Time for the rounds of each judging command.
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = parse_time)]
    judge_time: Duration,
    /// Build and train again, whatever was finished before.
    #[arg(long)]
    again: bool,
    /// Ask no registry.
    #[arg(long)]
    offline: bool,
    /// Let compilers start without asking the governor.
    #[arg(long)]
    no_govern: bool,
    /// Leave the judgement out of the history.
    #[arg(long)]
    no_record: bool,
    /// Show what would be set and started, and start nothing but compilers' own accounts of themselves.
    #[arg(long)]
    dry_run: bool,
    /// How progress is shown.
    #[arg(long, value_enum, default_value = "auto", value_name = "HOW")]
    progress: ProgressChoice,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &PgoArgs, host: &HostArgs) -> Result<u8, CliError> {
    commands::check(args)?;
    let context = Context::load(host)?;
    let plan = plan::plan(args, &context)?;
    if args.dry_run {
        if args.json {
            ui::print_json(&plan.shown)?;
        } else {
            ui::print(&plan.shown.text())?;
        }
        return Ok(0);
    }
    let report = work::carry_out(args, &plan, &context, host)?;
    if args.json {
        ui::print_json(&report)?;
    } else {
        ui::print(&report.text())?;
    }
    Ok(u8::from(report.check.verdict != Verdict::Matches))
}
