//! `ironwright history export` and `import`.
//!
//! Does not know the lines.

use std::fs::File;
use std::io::{BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use ironwright_history::{Counts, RunId, TransferError};

use super::{existing, opened, with_run};
use crate::error::{CliError, count};
use crate::ui;

/// Write runs, units and events as JSON lines.
///
/// The first line tells the format and its version, the last how much the file holds.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  ironwright history export history.jsonl\n  ironwright history export --run 12 > run-12.jsonl\n  \
        ironwright history export | zstd > history.jsonl.zst"
)]
pub(crate) struct ExportArgs {
    /// Only this run, with its units and events.
    #[arg(long, value_name = "RUN")]
    run: Option<RunId>,
    /// File to write; without one, standard output.
    file: Option<PathBuf>,
}

pub(super) fn export(args: &ExportArgs) -> Result<u8, CliError> {
    let history = match args.run {
        Some(run) => Some(with_run(run)?.0),
        None => existing()?,
    };
    let Some(history) = history else {
        return Err(CliError::usage("there is no history to export", "builds begin one"));
    };
    let Some(path) = &args.file else {
        let mut out = BufWriter::new(std::io::stdout().lock());
        return match history.export(args.run, &mut out).and_then(|_| Ok(out.flush()?)) {
            Ok(()) => Ok(0),
            Err(TransferError::Io(error)) => Err(CliError::Output(error)),
            Err(error) => Err(transfer("the history", error)),
        };
    };
    let failed = |error| CliError::Write { path: path.clone(), error };
    let mut out = BufWriter::new(File::create(path).map_err(failed)?);
    let counts =
        match history.export(args.run, &mut out).and_then(|it| Ok(out.flush().map(|()| it)?)) {
            Ok(counts) => counts,
            Err(TransferError::Io(error)) => return Err(failed(error)),
            Err(error) => return Err(transfer("the history", error)),
        };
    ui::note(&format!("{} written to {}\n", told(counts), path.display()));
    Ok(0)
}

/// Take runs, units and events in that `history export` wrote.
///
/// What is there already is not taken again. A damaged file changes nothing.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  ironwright history import history.jsonl\n  zstdcat history.jsonl.zst | ironwright history import -"
)]
pub(crate) struct ImportArgs {
    /// File to read; `-` is standard input.
    file: PathBuf,
}

pub(super) fn import(args: &ImportArgs) -> Result<u8, CliError> {
    let stdin = args.file == Path::new("-");
    let name = if stdin { "standard input".to_owned() } else { args.file.display().to_string() };
    let imported = if stdin {
        opened()?.import(std::io::stdin().lock())
    } else {
        let failed = |error| CliError::Read { path: args.file.clone(), error };
        let file = File::open(&args.file).map_err(failed)?;
        opened()?.import(BufReader::new(file))
    };
    let imported = match imported {
        Ok(imported) => imported,
        Err(TransferError::Io(error)) => {
            return Err(CliError::Read { path: args.file.clone(), error });
        }
        Err(error) => return Err(transfer(&name, error)),
    };
    ui::note(&format!("{name}: {} read, {} added\n", told(imported.read), told(imported.added)));
    if imported.completed > 0 {
        let completed = usize::try_from(imported.completed).unwrap_or(usize::MAX);
        ui::note(&format!("{} that was not finished is completed\n", count(completed, "run")));
    }
    Ok(0)
}

fn transfer(what: &str, error: TransferError) -> CliError {
    match error {
        TransferError::History(error) => error.into(),
        error => CliError::Transfer { what: what.to_owned(), error },
    }
}

fn told(counts: Counts) -> String {
    let count = |n: u64, noun: &str| count(usize::try_from(n).unwrap_or(usize::MAX), noun);
    let Counts { runs, units, events, benches, variants } = counts;
    let always = [count(runs, "run"), count(units, "unit"), count(events, "event")];
    let more = [(benches, "benchmark"), (variants, "variant")];
    let some = |(n, noun): &(u64, &str)| (*n > 0).then(|| count(*n, noun));
    let mut parts: Vec<String> = always.into_iter().collect();
    parts.extend(more.iter().filter_map(some));
    let last = parts.pop().unwrap_or_default();
    format!("{} and {last}", parts.join(", "))
}
