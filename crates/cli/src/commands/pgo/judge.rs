//! Compares the build with a profile with the one without, as `ironwright bench` does.
//!
//! Does not know statistics.

use std::path::Path;

use clap::Parser;
use ironwright_core::evidence::Bench;

use super::PgoArgs;
use super::commands::Places;
use super::plan::PgoPlan;
use crate::args::HostArgs;
use crate::commands::bench::{BenchArgs, compare};
use crate::error::CliError;

/// `bench`'s own arguments, so that everything else is what a user would get.
#[derive(Parser)]
struct BenchLine {
    #[command(flatten)]
    args: BenchArgs,
}

/// One judging command, by both programs.
pub(super) fn judge(
    args: &PgoArgs,
    plan: &PgoPlan,
    command: &str,
    (baseline, optimised): (&Places<'_>, &Places<'_>),
    host: &HostArgs,
) -> Result<Bench, CliError> {
    let words = line(args, plan, command, (baseline, optimised));
    let parsed = BenchLine::try_parse_from(words).map_err(|error| {
        CliError::usage(error.to_string(), "this judging command cannot be run")
    })?;
    compare(&parsed.args, host)
}

fn line(
    args: &PgoArgs,
    plan: &PgoPlan,
    command: &str,
    (baseline, optimised): (&Places<'_>, &Places<'_>),
) -> Vec<String> {
    let mut words: Vec<String> = vec!["bench".to_owned()];
    let mut option = |name: &str, value: String| words.push(format!("{name}={value}"));
    option("--command-name", "without".to_owned());
    option("--command-name", format!("{} {}", plan.knob, plan.level));
    option("--max-time", format!("{}s", args.judge_time.as_secs().max(1)));
    option("--with", format!("{}={}", plan.knob, plan.level));
    option("--package", plan.package.clone());
    option("--as", command.to_owned());
    if args.no_record {
        words.push("--no-record".to_owned());
    }
    words.push("--".to_owned());
    words.extend([baseline.fill(command), optimised.fill(command)]);
    words
}

/// Places of a variant.
pub(super) fn places<'a>(
    program: &'a Path,
    build: &'a Path,
    dir: &'a Path,
    profile: &'a Path,
) -> Places<'a> {
    Places { program, build, dir, profile }
}
