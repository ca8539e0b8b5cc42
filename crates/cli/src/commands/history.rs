//! `ironwright history`.
//!
//! Does not know how runs are stored.

use std::path::Path;
use std::time::Duration;

use clap::Args;
use ironwright_core::observe::summarise;
use ironwright_core::units::human_duration;
use ironwright_history::{Filter, Owner, Record, State};
use ironwright_host::procfs;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use schemars::JsonSchema;
use serde::Serialize;

use crate::error::CliError;
use crate::execute::{history_path, open_history};
use crate::summary::RunReport;
use crate::table::table;
use crate::{summary, ui};

/// List past runs.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  ironwright history\n  ironwright history --package ripgrep --limit 5\n  ironwright history --json"
)]
pub(crate) struct HistoryArgs {
    /// Only runs of this package.
    #[arg(long, short)]
    package: Option<String>,
    /// At most this many, newest first.
    #[arg(long, short = 'n', default_value_t = 20)]
    limit: u32,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &HistoryArgs) -> Result<u8, CliError> {
    let records = match history_path() {
        Some(path) if path.exists() => {
            let filter = Filter {
                limit: Some(args.limit),
                package: args.package.clone(),
                ..Filter::default()
            };
            open_history(&path)?.list(&filter, is_alive)?
        }
        _ => Vec::new(),
    };
    if args.json {
        ui::print_json(&records.into_iter().map(HistoryEntry::new).collect::<Vec<_>>())?;
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
    /// Facts and summary.
    #[serde(flatten)]
    report: RunReport,
}

impl HistoryEntry {
    fn new(record: Record) -> Self {
        let state = match record.state {
            State::Running => "running",
            State::Finished => "finished",
            State::Lost => "lost",
        };
        Self { id: record.id, state, report: RunReport::new(record.facts) }
    }
}

fn is_alive(owner: Owner) -> bool {
    procfs::started(Path::new("/proc"), owner.pid) == Some(owner.started)
}

fn row(record: &Record) -> Vec<String> {
    let facts = &record.facts;
    let summary = summarise(facts);
    let outcome = match record.state {
        State::Running => "running".to_owned(),
        State::Lost => "lost: its process died".to_owned(),
        State::Finished => match summary::exit_code(facts) {
            0 => "done".to_owned(),
            code => format!("exit code {code}"),
        },
    };
    let command = || facts.steps.last().map(|step| step.argv.join(" ")).unwrap_or_default();
    let what = facts.source.clone().unwrap_or_else(command);
    let time = |duration: Duration| human_duration(duration);
    vec![
        record.id.to_string(),
        started(facts.started_unix_ns),
        shortened(&what),
        outcome,
        time(summary.wall),
        time(summary.cpu),
        summary.peak_tree.to_string(),
        format!("{} {}", summary.peak_process_name.as_deref().unwrap_or("?"), summary.peak_process),
    ]
}

fn shortened(text: &str) -> String {
    const MOST: usize = 40;
    if text.chars().count() <= MOST {
        return text.to_owned();
    }
    text.chars().take(MOST - 1).chain(['…']).collect()
}

fn started(unix_ns: i64) -> String {
    let Ok(timestamp) = Timestamp::from_nanosecond(i128::from(unix_ns)) else {
        return String::new();
    };
    timestamp.to_zoned(TimeZone::system()).strftime("%F %H:%M").to_string()
}
