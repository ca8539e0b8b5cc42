//! `ironwright history` without more: the list of runs.
//!
//! Does not know how runs are found.

use clap::Args;
use ironwright_core::observe::generation::generation;
use ironwright_core::observe::summarise;
use ironwright_core::units::human_duration;
use ironwright_history::{Filter, Record};
use schemars::JsonSchema;
use serde::Serialize;

use super::{existing, is_alive, local, outcome, parse_since, shortened, state};
use crate::error::CliError;
use crate::summary::RunReport;
use crate::table::table;
use crate::ui;

/// Which runs are listed.
#[derive(Args, Debug)]
pub(crate) struct ListArgs {
    /// Only runs of this package.
    #[arg(long, short)]
    package: Option<String>,
    /// Only runs on this host.
    #[arg(long)]
    host: Option<String>,
    /// Only runs with this generation of settings, as `history show` and `--json` tell it: eight digits
    /// that are the same where the same settings were in force.
    #[arg(long, value_name = "DIGITS")]
    generation: Option<String>,
    /// Only runs that failed or were lost.
    #[arg(long)]
    failed: bool,
    /// Only runs since then: 12h, 7d, 2w ago, or a day such as 2026-11-21.
    #[arg(long, value_name = "TIME", value_parser = parse_since)]
    since: Option<i64>,
    /// At most this many, newest first.
    #[arg(long, short = 'n', default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl ListArgs {
    fn filter(&self) -> Filter {
        Filter {
            limit: Some(self.limit),
            package: self.package.clone(),
            host: self.host.clone(),
            generation: self.generation.clone(),
            since_unix_ns: self.since,
            failed: self.failed,
        }
    }

    fn narrows(&self) -> bool {
        let names = [&self.package, &self.host, &self.generation];
        names.iter().any(|name| name.is_some()) || self.failed || self.since.is_some()
    }
}

pub(super) fn run(args: &ListArgs) -> Result<u8, CliError> {
    let records = match existing()? {
        Some(history) => history.list(&args.filter(), is_alive)?,
        None => Vec::new(),
    };
    if args.json {
        ui::print_json(&records.into_iter().map(HistoryEntry::new).collect::<Vec<_>>())?;
    } else if records.is_empty() && args.narrows() {
        ui::note("no such runs\n");
    } else if records.is_empty() {
        ui::note(
            "no runs yet: `ironwright run -- COMMAND` and `ironwright build SOURCE` add them\n",
        );
    } else {
        let headings =
            ["run", "started", "what", "outcome", "time", "CPU", "peak", "largest process"];
        ui::print(&table(&headings, records.iter().map(row)))?;
    }
    Ok(0)
}

/// What `history --json` prints of a run.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct HistoryEntry {
    /// Its place in the history.
    id: i64,
    /// `running`, `finished` or `lost`.
    state: &'static str,
    /// Digest of the settings that were in force.
    generation: String,
    /// Facts and summary.
    #[serde(flatten)]
    report: RunReport,
}

impl HistoryEntry {
    pub(super) fn new(record: Record) -> Self {
        Self {
            id: record.id,
            state: state(record.state),
            generation: generation(&record.facts),
            report: RunReport::new(record.facts),
        }
    }
}

const MOST: usize = 40;

fn row(record: &Record) -> Vec<String> {
    let facts = &record.facts;
    let summary = summarise(facts);
    let command = || facts.steps.last().map(|step| step.argv.join(" ")).unwrap_or_default();
    let what = facts.source.clone().unwrap_or_else(command);
    vec![
        record.id.to_string(),
        local(facts.started_unix_ns),
        shortened(&what, MOST),
        outcome(record),
        human_duration(summary.wall),
        human_duration(summary.cpu),
        summary.peak_tree.to_string(),
        format!("{} {}", summary.peak_process_name.as_deref().unwrap_or("?"), summary.peak_process),
    ]
}
