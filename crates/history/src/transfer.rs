//! Runs, units, events, benchmarks and builds of variants as JSON lines, to be read into another history.
//!
//! The first line says what the file is, the last how much it holds, so that one which was cut off
//! is noticed. Numbers of runs in it are those of the history that it came from. Does not know
//! where it is written to or read from.

use std::collections::HashSet;
use std::io::{self, Write};

use ironwright_core::observe::unit::UnitRecord;
use rusqlite::{Row, params};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::units::{columns, unit};
use crate::{History, HistoryError, RunId, understood};

/// What the first line names.
pub(crate) const FORMAT: &str = "ironwright-history";
/// Newest version of the lines; a reader refuses any newer one.
pub(crate) const VERSION: u32 = 3;
/// The version of files without builds of variants, which older programs read.
const WITHOUT_VARIANTS: u32 = 2;
/// The same without benchmarks.
const WITHOUT_BENCHES: u32 = 1;

/// What can go wrong with a file of lines.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// The history cannot be used.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// The file cannot be read or written.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// A line is not what it should be. Nothing of the file was taken.
    #[error("line {line}: {problem}")]
    Line {
        /// Counted from 1.
        line: usize,
        /// What is wrong, and what would be right.
        problem: String,
    },
}

/// How much is in a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Runs.
    pub runs: u64,
    /// Units.
    pub units: u64,
    /// Events.
    pub events: u64,
    /// Benchmarks.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub benches: u64,
    /// Builds of variants.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub variants: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
const fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// What an import did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// What was in the file.
    pub read: Counts,
    /// What of it was not there before.
    pub added: Counts,
    /// Runs that were there unfinished, and that the file completed.
    pub completed: u64,
}

/// A line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Line {
    /// The first.
    Header(Header),
    /// A run. Runs come before what belongs to them.
    Run(RunLine),
    /// A unit.
    Unit(Box<UnitRecord>),
    /// An event.
    Event(EventLine),
    /// A benchmark.
    Bench(Value),
    /// A build of a variant.
    Variant(Value),
    /// The last.
    End(Counts),
}

/// What the file is.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Header {
    pub(crate) format: String,
    pub(crate) version: u32,
}

/// A run as it is stored.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct RunLine {
    pub(crate) id: RunId,
    pub(crate) finished: bool,
    pub(crate) pid: i32,
    pub(crate) pid_started: i64,
    /// Kept as they are, so that what a newer program added stays.
    pub(crate) facts: Value,
}

/// An event as it is stored.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct EventLine {
    pub(crate) at_us: i64,
    pub(crate) run: Option<RunId>,
    pub(crate) json: String,
}

const RUNS: &str = "SELECT id, finished, pid, pid_started, facts FROM runs WHERE ?1 IS NULL OR id = ?1 ORDER BY id";
const ALL_UNITS: &str = concat!("SELECT ", columns!(), " FROM units ORDER BY id");
const UNITS_OF_RUN: &str = concat!("SELECT ", columns!(), " FROM units WHERE run = ?1 ORDER BY id");
const ALL_EVENTS: &str =
    "SELECT at_us, iif(run IN (SELECT id FROM runs), run, NULL), json FROM events ORDER BY id";

impl History {
    /// Writes one run, or all of them, with units and events. A row that cannot be understood is
    /// left out.
    pub fn export(
        &self,
        run: Option<RunId>,
        out: &mut impl Write,
    ) -> Result<Counts, TransferError> {
        let benches = if run.is_none() { self.bench_texts()? } else { Vec::new() };
        let variants = if run.is_none() { self.variant_texts()? } else { Vec::new() };
        let version = match (benches.is_empty(), variants.is_empty()) {
            (_, false) => VERSION,
            (false, true) => WITHOUT_VARIANTS,
            (true, true) => WITHOUT_BENCHES,
        };
        let header = Header { format: FORMAT.to_owned(), version };
        write(out, &Line::Header(header))?;
        let counts = Counts {
            runs: self.write_all(RUNS, params![run], run_line, out)?,
            units: self.write_units(run, out)?,
            events: self.write_events(run, out)?,
            benches: write_texts(&benches, Line::Bench, out)?,
            variants: write_texts(&variants, Line::Variant, out)?,
        };
        write(out, &Line::End(counts))?;
        out.flush()?;
        Ok(counts)
    }

    fn write_units(&self, run: Option<RunId>, out: &mut impl Write) -> Result<u64, TransferError> {
        // Units of a run that is gone belong to none.
        let known: HashSet<RunId> =
            self.rows("SELECT id FROM runs", [], |row| row.get(0).map(Some))?.into_iter().collect();
        let line = |row: &Row<'_>| {
            let unit = unit(row)?;
            Ok(unit.map(|unit| {
                let run = unit.run.filter(|run| known.contains(run));
                Line::Unit(Box::new(UnitRecord { run, ..unit }))
            }))
        };
        match run {
            Some(run) => self.write_all(UNITS_OF_RUN, params![run], line, out),
            None => self.write_all(ALL_UNITS, params![], line, out),
        }
    }

    fn write_events(&self, run: Option<RunId>, out: &mut impl Write) -> Result<u64, TransferError> {
        let Some(run) = run else {
            return self.write_all(ALL_EVENTS, params![], event_line, out);
        };
        let events = self.events_of_run(run)?;
        for event in &events {
            let line = EventLine { at_us: event.at_us, run: event.run, json: event.json.clone() };
            write(out, &Line::Event(line))?;
        }
        Ok(events.len() as u64)
    }

    fn write_all(
        &self,
        query: &str,
        params: impl rusqlite::Params,
        line: impl Fn(&Row<'_>) -> rusqlite::Result<Option<Line>>,
        out: &mut impl Write,
    ) -> Result<u64, TransferError> {
        let mut statement = self.db.prepare_cached(query).map_err(self.error())?;
        let mut rows = statement.query(params).map_err(self.error())?;
        let mut written = 0;
        while let Some(row) = rows.next().map_err(self.error())? {
            if let Some(line) = understood(line(row)).map_err(self.error())? {
                write(out, &line)?;
                written += 1;
            }
        }
        Ok(written)
    }
}

fn write_texts(
    texts: &[Value],
    line: fn(Value) -> Line,
    out: &mut impl Write,
) -> Result<u64, TransferError> {
    for text in texts {
        write(out, &line(text.clone()))?;
    }
    Ok(texts.len() as u64)
}

fn write(out: &mut impl Write, line: &Line) -> Result<(), TransferError> {
    let text = serde_json::to_string(line).map_err(HistoryError::from)?;
    Ok(writeln!(out, "{text}")?)
}

fn run_line(row: &Row<'_>) -> rusqlite::Result<Option<Line>> {
    let text: String = row.get(4)?;
    let Ok(facts) = serde_json::from_str(&text) else { return Ok(None) };
    let (id, finished, pid, pid_started) = (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
    Ok(Some(Line::Run(RunLine { id, finished, pid, pid_started, facts })))
}

fn event_line(row: &Row<'_>) -> rusqlite::Result<Option<Line>> {
    let (at_us, run, json) = (row.get(0)?, row.get(1)?, row.get(2)?);
    Ok(Some(Line::Event(EventLine { at_us, run, json })))
}
