//! `ironwright report`.
//!
//! Does not know what follows from facts, nor how a report is drawn.

use std::path::{Path, PathBuf};

use clap::Args;
use ironwright_core::plan::PackagePast;
use ironwright_core::report::{Batch, Earlier, Given, Report, Standing, derive};
use ironwright_core::view::Note;
use ironwright_history::{Filter, History, Record, RunId, State};
use ironwright_host::files::replace;

use crate::error::{CliError, count};
use crate::estimate::past_runs;
use crate::recording::{history_path, is_alive, open_history};
use crate::report::{html, text, trace};
use crate::ui;

/// Show how a run went: estimates against reality, what waited for what, memory over time.
///
/// Without RUN the newest; where one `build` built several packages, all of them against what `plan`
/// predicted for them, and `ironwright report RUN` shows more of one. Everything is derived from what
/// the history kept: the figures of the run and of its units, and the events of the governor. What was
/// not kept is said to be unknown.
#[derive(Args, Debug)]
#[command(
    after_help = "The page is one file that needs no network. The trace opens in Perfetto (ui.perfetto.dev) and\n\
        chrome://tracing.\n\nExamples:\n  ironwright report\n  ironwright report 12 --html run-12.html\n  \
        ironwright report --trace run.json\n  ironwright report 12 --json"
)]
pub(crate) struct ReportArgs {
    /// Number of the run in `ironwright history`; the newest when absent.
    #[arg(value_name = "RUN")]
    run: Option<RunId>,
    /// Write a page for a browser instead of printing text; - is standard output.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Write a trace for Perfetto instead of printing text; - is standard output.
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Earlier runs of a command that make a range.
const MOST_EARLIER: usize = 10;
/// Runs among which those of the same command are looked for.
const LOOKED_THROUGH: u32 = 200;

pub(crate) fn run(args: &ReportArgs) -> Result<u8, CliError> {
    let mut reports = read(args.run)?;
    match (reports.len(), reports.pop()) {
        (1, Some(report)) => one(args, &report)?,
        (_, last) => batch(args, &Batch::of(reports.into_iter().chain(last).collect()))?,
    }
    Ok(0)
}

fn one(args: &ReportArgs, report: &Report) -> Result<(), CliError> {
    if let Some(path) = &args.html {
        write(path, &html::page(report)?)?;
    }
    if let Some(path) = &args.trace {
        write(path, &serde_json::to_string(&trace::trace(std::slice::from_ref(report)))?)?;
    }
    if args.json {
        ui::print_json(report)?;
    } else if args.html.is_none() && args.trace.is_none() {
        ui::print(&text::text(report))?;
    }
    Ok(())
}

fn batch(args: &ReportArgs, batch: &Batch) -> Result<(), CliError> {
    if let Some(path) = &args.html {
        write(path, &html::batch_page(batch))?;
    }
    if let Some(path) = &args.trace {
        write(path, &serde_json::to_string(&trace::trace(&batch.runs))?)?;
    }
    if args.json {
        ui::print_json(batch)?;
    } else if args.html.is_none() && args.trace.is_none() {
        ui::print(&text::batch(batch))?;
    }
    Ok(())
}

fn write(path: &Path, text: &str) -> Result<(), CliError> {
    if path == Path::new("-") {
        return ui::print(text);
    }
    let written = replace(path, text.as_bytes());
    written.map_err(|error| CliError::Write { path: path.to_owned(), error })?;
    ui::note(&format!("wrote {}\n", path.display()));
    Ok(())
}

/// Derives the report of a run from what the history keeps; without a number that of the newest, or
/// those of all that were built with it.
fn read(number: Option<RunId>) -> Result<Vec<Report>, CliError> {
    let unknown = || match number {
        Some(run) => {
            CliError::usage(format!("there is no run {run}"), "`ironwright history` lists them")
        }
        None => CliError::usage(
            "there is no run yet",
            "`ironwright run -- COMMAND` and `ironwright build SOURCE` add them",
        ),
    };
    let path = history_path().filter(|path| path.exists()).ok_or_else(unknown)?;
    let history = open_history(&path)?;
    let record = match number {
        Some(run) => history.get(run, is_alive)?,
        None => history.list(&Filter { limit: Some(1), ..Filter::default() }, is_alive)?.pop(),
    };
    let record = record.ok_or_else(unknown)?;
    let records = match (number, record.facts.batch) {
        (None, Some(batch)) => built_with(&history, batch)?,
        _ => vec![record],
    };
    records.iter().map(|record| report(&history, record)).collect()
}

/// The runs of one command, in their order.
fn built_with(history: &History, batch: i64) -> Result<Vec<Record>, CliError> {
    let filter = Filter { since_unix_ns: Some(batch), ..Filter::default() };
    let mut records = history.list(&filter, is_alive)?;
    records.retain(|record| record.facts.batch == Some(batch));
    records.reverse();
    Ok(records)
}

fn report(history: &History, record: &Record) -> Result<Report, CliError> {
    let units = history.units_of_run(record.id)?;
    let notes = notes(history, record.id)?;
    let earlier = earlier(history, record)?;
    Ok(derive(&Given {
        number: record.id,
        standing: match record.state {
            State::Running => Standing::Running,
            State::Finished => Standing::Finished,
            State::Lost => Standing::Lost,
        },
        facts: &record.facts,
        units: &units,
        notes: &notes,
        earlier: &earlier,
    }))
}

/// The notes that can be read.
fn notes(history: &History, run: RunId) -> Result<Vec<Note>, CliError> {
    let events = history.events_of_run(run)?;
    let read = events.iter().filter_map(|event| serde_json::from_str(&event.json).ok());
    let notes: Vec<Note> = read.collect();
    let skipped = events.len() - notes.len();
    if skipped > 0 {
        ui::warn(&format!("{} cannot be read and left out", count(skipped, "event")));
    }
    Ok(notes)
}

/// Runs before it of the same package, newest first.
fn earlier(history: &History, record: &Record) -> Result<Vec<Earlier>, CliError> {
    let facts = &record.facts;
    let Some(source) = &facts.source else { return earlier_commands(history, record) };
    let package = facts.package.as_deref().unwrap_or_default();
    let past = past_runs(history, source, package, record.id)?;
    Ok(past.into_iter().map(|run| Earlier { run: run.id, past: run.past }).collect())
}

/// The same for a command, which has no source: it is the same in the same directory.
fn earlier_commands(history: &History, record: &Record) -> Result<Vec<Earlier>, CliError> {
    let command = |record: &Record| {
        let steps = record.facts.steps.iter();
        steps.map(|step| (step.argv.clone(), step.cwd.clone())).collect::<Vec<_>>()
    };
    let own = command(record);
    let filter = Filter { limit: Some(LOOKED_THROUGH), ..Filter::default() };
    let all = history.list(&filter, |_| false)?;
    let same = all.iter().filter(|other| {
        other.id < record.id && other.state == State::Finished && is_success(other)
    });
    let is_same = |other: &&Record| other.facts.source.is_none() && command(other) == own;
    let same = same.filter(|other| !own.is_empty() && is_same(other));
    let earlier = |other: &Record| {
        let past = PackagePast { same: true, ..PackagePast::of(&other.facts, "") };
        Earlier { run: other.id, past }
    };
    Ok(same.take(MOST_EARLIER).map(earlier).collect())
}

fn is_success(record: &Record) -> bool {
    record.facts.steps.last().is_some_and(|step| step.observed.exit.is_success())
}
