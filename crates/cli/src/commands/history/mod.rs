//! `ironwright history`: the list of runs, and what else is asked of it. One file a question.
//!
//! Does not know how runs are stored.

pub(crate) mod benches;
mod compare;
pub(crate) mod import_log;
pub(crate) mod list;
pub(crate) mod prune;
pub(crate) mod show;
mod transfer;
pub(crate) mod units;

use std::time::Duration;

use clap::{Args, Subcommand};
use ironwright_history::{History, Record, RunId, State};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::error::CliError;
use crate::recording::{history_path, is_alive, open_history};
use crate::summary;

/// List past runs, show and compare them, and keep the history in order.
///
/// Once a day, at the end of a run, what `history prune` lets go without options is forgotten: runs older
/// than 180 days but for the newest ten of each package, and units but for the newest twelve of each key. It
/// is told when something goes; `IRONWRIGHT_KEEP_HISTORY=1` keeps everything.
#[derive(Args, Debug)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:\n  ironwright history\n  ironwright history --package ripgrep --limit 5\n  \
        ironwright history --failed --since 7d\n  ironwright history show 12\n  ironwright history compare 11 12\n  \
        ironwright history units --largest\n  ironwright history benches --package zlib\n  ironwright history import-log build/.ninja_log\n  ironwright history --json"
)]
pub(crate) struct HistoryArgs {
    #[command(subcommand)]
    command: Option<HistoryCommand>,
    #[command(flatten)]
    list: list::ListArgs,
}

#[derive(Debug, Subcommand)]
enum HistoryCommand {
    Show(show::ShowArgs),
    Compare(compare::CompareArgs),
    Units(units::UnitsArgs),
    Benches(benches::BenchesArgs),
    Export(transfer::ExportArgs),
    Import(transfer::ImportArgs),
    ImportLog(import_log::ImportLogArgs),
    Prune(prune::PruneArgs),
}

pub(crate) fn run(args: &HistoryArgs) -> Result<u8, CliError> {
    match &args.command {
        None => list::run(&args.list),
        Some(HistoryCommand::Show(args)) => show::run(args),
        Some(HistoryCommand::Compare(args)) => compare::run(args),
        Some(HistoryCommand::Units(args)) => units::run(args),
        Some(HistoryCommand::Benches(args)) => benches::run(args),
        Some(HistoryCommand::Export(args)) => transfer::export(args),
        Some(HistoryCommand::Import(args)) => transfer::import(args),
        Some(HistoryCommand::ImportLog(args)) => import_log::run(args),
        Some(HistoryCommand::Prune(args)) => prune::run(args),
    }
}

/// The history, if there is one.
fn existing() -> Result<Option<History>, CliError> {
    // One that cannot be looked for is not one that is not there.
    match history_path().filter(|path| path.try_exists().unwrap_or(true)) {
        Some(path) => Ok(Some(open_history(&path)?)),
        None => Ok(None),
    }
}

/// The history, made when there is none.
fn opened() -> Result<History, CliError> {
    let path = history_path().ok_or_else(|| {
        CliError::usage("there is no place for a history", "set HOME or XDG_STATE_HOME")
    })?;
    Ok(open_history(&path)?)
}

/// The history and a run in it.
fn with_run(run: RunId) -> Result<(History, Record), CliError> {
    let unknown =
        || CliError::usage(format!("there is no run {run}"), "`ironwright history` lists them");
    let history = existing()?.ok_or_else(unknown)?;
    let record = history.get(run, is_alive)?.ok_or_else(unknown)?;
    Ok((history, record))
}

const fn state(state: State) -> &'static str {
    match state {
        State::Running => "running",
        State::Finished => "finished",
        State::Lost => "lost",
    }
}

fn outcome(record: &Record) -> String {
    match record.state {
        State::Running => "running".to_owned(),
        State::Lost => "lost: its process died".to_owned(),
        State::Finished => match summary::exit_code(&record.facts) {
            0 => "done".to_owned(),
            code => match record.facts.overran() {
                Some(overrun) => overrun.to_string(),
                None => format!("exit code {code}"),
            },
        },
    }
}

fn shortened(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

/// A time as the user's clock shows it.
fn local(unix_ns: i64) -> String {
    let Ok(timestamp) = Timestamp::from_nanosecond(i128::from(unix_ns)) else {
        return String::new();
    };
    timestamp.to_zoned(TimeZone::system()).strftime("%F %H:%M").to_string()
}

/// Now, nanoseconds since 1970.
fn now_ns() -> i64 {
    i64::try_from(Timestamp::now().as_nanosecond()).unwrap_or(i64::MAX)
}

/// Reads a time: so long ago (`90m`, `12h`, `7d`, `2w`), a day, or a moment.
fn parse_since(text: &str) -> Result<i64, String> {
    if let Some(ago) = ago(text) {
        let ago = i64::try_from(ago.as_nanos()).unwrap_or(i64::MAX);
        return Ok(now_ns().saturating_sub(ago));
    }
    let day = || {
        let date: jiff::civil::Date = text.parse().ok()?;
        date.to_zoned(TimeZone::system()).ok().map(|zoned| zoned.timestamp())
    };
    let moment = text.parse::<Timestamp>().ok().or_else(day);
    let ns = moment.and_then(|moment| i64::try_from(moment.as_nanosecond()).ok());
    ns.ok_or_else(|| {
        "a time is 90m, 12h, 7d or 2w ago, a day such as 2026-11-21, or 2026-11-21T08:30:00Z"
            .to_owned()
    })
}

fn ago(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let seconds: u64 = match unit {
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        "w" => 604_800,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(seconds).map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_and_others_refused() {
        let then = parse_since("2h").unwrap();
        let hours = (now_ns() - then) / 3_600_000_000_000;
        assert_eq!(hours, 2);
        assert_eq!(parse_since("1970-01-01T00:00:05Z"), Ok(5_000_000_000));
        assert!(parse_since("2026-11-21").is_ok());
        for wrong in ["", "7", "d", "-3d", "yesterday", "99999999999999999999w", "é"] {
            assert!(parse_since(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn long_texts_are_cut() {
        assert_eq!((shortened("abc", 3), shortened("abcd", 3)), ("abc".into(), "ab…".into()));
    }
}
