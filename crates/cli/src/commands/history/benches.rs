//! `ironwright history benches`.
//!
//! Does not judge; a benchmark that is shown again is judged again, from the rounds that were kept.

use clap::Args;
use ironwright_core::evidence::robust::median;
use ironwright_core::evidence::sample::log_ratios;
use ironwright_core::evidence::{Bench, Metric, Subject};
use ironwright_core::units::human_duration;
use ironwright_history::{BenchId, StoredBench};
use schemars::JsonSchema;
use serde::Serialize;
use std::time::Duration;

use super::{existing, local, shortened};
use crate::commands::bench::{Exports, FileArgs, text};
use crate::error::CliError;
use crate::table::table;
use crate::ui;

/// List the benchmarks that decisions rest on, or show one again.
///
/// Every round of a benchmark or a trial is kept, so that whatever was concluded can be concluded again.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  ironwright history benches\n  ironwright history benches --package zlib\n  \
        ironwright history benches 3\n  ironwright history benches 3 --export-svg crc32.svg\n  ironwright history benches 3 --json"
)]
pub(crate) struct BenchesArgs {
    /// Show this one.
    #[arg(conflicts_with_all = ["package", "limit"])]
    bench: Option<BenchId>,
    /// Only of settings of this package.
    #[arg(long, short)]
    package: Option<String>,
    /// At most this many, newest first.
    #[arg(long, short = 'n', default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    #[command(flatten)]
    files: FileArgs,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// What `history benches --json` prints of a benchmark.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct BenchEntry {
    /// Its place in the history.
    id: BenchId,
    /// When it began, nanoseconds since 1970.
    started_unix_ns: i64,
    /// Where it was made.
    host: Option<String>,
    /// What its result says something about.
    subject: Option<Subject>,
    /// The commands; the first is the baseline.
    commands: Vec<String>,
    /// The figure that decides.
    judged_by: Metric,
    /// Rounds that were measured.
    rounds: usize,
    /// Seconds that they took.
    elapsed: f64,
    /// Median ratio of each further command's figure to the baseline's; absent where none was measured.
    ratios: Vec<Option<f64>>,
}

impl BenchEntry {
    fn new(stored: StoredBench) -> Self {
        let (setup, rounds) = (stored.facts.setup, stored.facts.rounds);
        let ratio = |arm| {
            let logs = log_ratios(&rounds, setup.judged_by, arm, 0);
            (!logs.is_empty()).then(|| median(&logs).exp())
        };
        Self {
            id: stored.id,
            started_unix_ns: setup.started_unix_ns,
            ratios: (1..setup.commands.len()).map(ratio).collect(),
            host: setup.host,
            subject: setup.subject,
            commands: setup.commands.into_iter().map(|command| command.name).collect(),
            judged_by: setup.judged_by,
            rounds: rounds.len(),
            elapsed: stored.facts.elapsed,
        }
    }

    fn what(&self) -> String {
        match &self.subject {
            Some(subject) => format!("{} ({})", subject.change, subject.workload),
            None => self.commands.join(" | "),
        }
    }

    fn row(&self) -> Vec<String> {
        let ratio =
            |ratio: &Option<f64>| ratio.map_or_else(|| "?".to_owned(), |it| format!("{it:.3}"));
        vec![
            self.id.to_string(),
            local(self.started_unix_ns),
            shortened(&self.what(), 60),
            self.judged_by.name().to_owned(),
            self.ratios.iter().map(ratio).collect::<Vec<_>>().join(" "),
            self.rounds.to_string(),
            human_duration(Duration::try_from_secs_f64(self.elapsed).unwrap_or_default()),
        ]
    }
}

pub(super) fn run(args: &BenchesArgs) -> Result<u8, CliError> {
    match args.bench {
        Some(bench) => show(args, bench),
        None => list(args),
    }
}

fn list(args: &BenchesArgs) -> Result<u8, CliError> {
    if args.files.is_wanted() {
        return Err(CliError::usage(
            "which benchmark is to be written?",
            "name one: `ironwright history benches 3 --export-svg FILE`",
        ));
    }
    let stored = match existing()? {
        Some(history) => history.find_benches(args.package.as_deref(), args.limit)?,
        None => Vec::new(),
    };
    let entries: Vec<_> = stored.into_iter().map(BenchEntry::new).collect();
    if args.json {
        ui::print_json(&entries)?;
    } else if entries.is_empty() {
        ui::note("no such benchmarks: `ironwright bench` and `ironwright trial` add them\n");
    } else {
        let headings = ["bench", "started", "of", "figure", "ratio", "rounds", "took"];
        ui::print(&table(&headings, entries.iter().map(BenchEntry::row)))?;
    }
    Ok(0)
}

fn show(args: &BenchesArgs, id: BenchId) -> Result<u8, CliError> {
    let unknown = || {
        let hint = "`ironwright history benches` lists them";
        CliError::usage(format!("there is no benchmark {id}"), hint)
    };
    let stored = existing()?.ok_or_else(unknown)?.bench(id)?.ok_or_else(unknown)?;
    let bench = Bench::from(stored.facts);
    Exports::new(&args.files).write(&bench)?;
    if args.json {
        ui::print_json(&bench)?;
    } else {
        ui::print(&text(&bench))?;
    }
    Ok(0)
}
