//! Takes JSON lines of another history in: all of them, or none.
//!
//! What is there already is known by what it is, not by its number: a run by its host, process and
//! start, a unit and an event by all that tells them apart within their run. So nothing is taken
//! twice. Does not know where the lines come from.

use std::collections::HashMap;
use std::collections::hash_map::{DefaultHasher, Entry};
use std::hash::{Hash, Hasher};
use std::io::BufRead;

use ironwright_core::evidence::BenchFacts;
use ironwright_core::observe::RunFacts;
use ironwright_core::observe::generation::generation;
use ironwright_core::observe::unit::UnitRecord;
use ironwright_core::trial::VariantFacts;
use rusqlite::{OptionalExtension, Row, Transaction, TransactionBehavior, params};
use serde_json::Value;

use crate::runs::Figures;
use crate::transfer::{EventLine, FORMAT, Header, Line, RunLine, VERSION};
use crate::{
    Counts, History, HistoryError, Imported, RunId, TransferError, benches, units, variants,
};

/// What tells a unit or an event apart within its run.
type Identity = (i64, u64);
/// How many of each there are.
type Known = HashMap<Identity, u32>;

impl History {
    /// Takes lines in that [`History::export`] wrote. A damaged line, or an end that is missing,
    /// leaves the history as it was.
    pub fn import(&mut self, lines: impl BufRead) -> Result<Imported, TransferError> {
        units::make_room(&self.db, true).map_err(self.error())?;
        let imported = self.import_all(lines);
        units::make_room(&self.db, false).map_err(self.error())?;
        imported
    }

    fn import_all(&mut self, lines: impl BufRead) -> Result<Imported, TransferError> {
        let path = self.path.clone();
        let database = |error| HistoryError::Database { path: path.clone(), error };
        let transaction =
            self.db.transaction_with_behavior(TransactionBehavior::Immediate).map_err(database)?;
        let mut import = Import {
            db: &transaction,
            runs: HashMap::new(),
            units: HashMap::new(),
            events: HashMap::new(),
            done: Imported::default(),
        };
        let read = units::indexed_afterwards(&transaction, || import.all(lines));
        let read = read.map_err(|mistake| mistake.told(&database))?;
        transaction.commit().map_err(database)?;
        Ok(read)
    }
}

/// Why an import ends.
enum Mistake {
    Database(rusqlite::Error),
    Io(std::io::Error),
    Line(usize, String),
}

impl From<rusqlite::Error> for Mistake {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(error)
    }
}

impl Mistake {
    fn told(self, database: &impl Fn(rusqlite::Error) -> HistoryError) -> TransferError {
        match self {
            Self::Database(error) => database(error).into(),
            Self::Io(error) => error.into(),
            Self::Line(line, problem) => TransferError::Line { line, problem },
        }
    }
}

/// Why a line is not taken.
enum Refusal {
    Database(rusqlite::Error),
    Line(String),
}

impl From<rusqlite::Error> for Refusal {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(error)
    }
}

struct Import<'a> {
    db: &'a Transaction<'a>,
    /// The number here of each run in the file, and whether it was here before.
    runs: HashMap<RunId, (RunId, bool)>,
    units: HashMap<Option<RunId>, Known>,
    events: HashMap<Option<RunId>, Known>,
    done: Imported,
}

impl Import<'_> {
    fn all(&mut self, lines: impl BufRead) -> Result<Imported, Mistake> {
        let mut last = 0;
        let mut ended = false;
        for (index, text) in lines.lines().enumerate() {
            last = index + 1;
            let text = text.map_err(|error| match error.kind() {
                std::io::ErrorKind::InvalidData => Mistake::Line(last, "not UTF-8 text".to_owned()),
                _ => Mistake::Io(error),
            })?;
            if ended && !text.trim().is_empty() {
                return Err(Mistake::Line(last, "something follows the line `end`".to_owned()));
            }
            ended |= self.line(index, &text).map_err(|refusal| match refusal {
                Refusal::Database(error) => Mistake::Database(error),
                Refusal::Line(problem) => Mistake::Line(last, problem),
            })?;
        }
        if ended {
            return Ok(self.done);
        }
        Err(Mistake::Line(last + 1, "the line `end` is missing: the file was cut off".to_owned()))
    }

    /// Takes a line in; true for the last.
    fn line(&mut self, index: usize, text: &str) -> Result<bool, Refusal> {
        if text.trim().is_empty() && index > 0 {
            return Ok(false);
        }
        let line = serde_json::from_str(text);
        match (index, line) {
            (0, Ok(Line::Header(header))) => check(&header)?,
            (0, _) => {
                return Err(Refusal::Line(format!(
                    "not an export of a history: its first line is {{\"header\":{{\"format\":\"{FORMAT}\",\"version\":{VERSION}}}}}"
                )));
            }
            (_, Ok(Line::Header(_))) => return Err(Refusal::Line("a second header".to_owned())),
            (_, Ok(Line::Run(run))) => self.run(&run)?,
            (_, Ok(Line::Unit(unit))) => self.unit(*unit)?,
            (_, Ok(Line::Event(event))) => self.event(event)?,
            (_, Ok(Line::Bench(bench))) => self.bench(&bench)?,
            (_, Ok(Line::Variant(variant))) => self.variant(&variant)?,
            (_, Ok(Line::End(counts))) => return self.end(counts).map(|()| true),
            (_, Err(error)) => {
                return Err(Refusal::Line(format!(
                    "not a run, unit, event, benchmark, variant or end: {error}"
                )));
            }
        }
        Ok(false)
    }

    fn end(&self, counts: Counts) -> Result<(), Refusal> {
        if counts == self.done.read {
            return Ok(());
        }
        let read = self.done.read;
        let told = |c: Counts| {
            format!(
                "{} runs, {} units, {} events, {} benchmarks and {} variants",
                c.runs, c.units, c.events, c.benches, c.variants
            )
        };
        Err(Refusal::Line(format!(
            "the file should hold {}, and holds {}",
            told(counts),
            told(read)
        )))
    }

    fn run(&mut self, line: &RunLine) -> Result<(), Refusal> {
        let facts: RunFacts = serde_json::from_value(line.facts.clone())
            .map_err(|error| Refusal::Line(format!("the facts of run {}: {error}", line.id)))?;
        self.done.read.runs += 1;
        let known = "SELECT id, finished FROM runs WHERE started_unix_ns = ?1 AND pid = ?2 AND pid_started = ?3 AND host IS ?4";
        let identity = params![facts.started_unix_ns, line.pid, line.pid_started, facts.host];
        let known: Option<(RunId, bool)> = self
            .db
            .prepare_cached(known)?
            .query_row(identity, |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let here = match known {
            Some((id, finished)) => {
                if line.finished && !finished {
                    self.finish(id, line, &facts)?;
                    self.done.completed += 1;
                }
                (id, true)
            }
            None => (self.insert_run(line, &facts)?, false),
        };
        match self.runs.entry(line.id) {
            Entry::Occupied(_) => Err(Refusal::Line(format!("a second run {}", line.id))),
            Entry::Vacant(entry) => {
                entry.insert(here);
                Ok(())
            }
        }
    }

    fn insert_run(&mut self, line: &RunLine, facts: &RunFacts) -> rusqlite::Result<RunId> {
        let insert = "INSERT INTO runs (started_unix_ns, package, source, pid, pid_started, facts, host, generation) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
        self.db.prepare_cached(insert)?.execute(params![
            facts.started_unix_ns,
            facts.package,
            facts.source,
            line.pid,
            line.pid_started,
            line.facts.to_string(),
            facts.host,
            generation(facts)
        ])?;
        let id = self.db.last_insert_rowid();
        if line.finished {
            self.finish(id, line, facts)?;
        }
        self.done.added.runs += 1;
        Ok(id)
    }

    fn finish(&self, id: RunId, line: &RunLine, facts: &RunFacts) -> rusqlite::Result<()> {
        let Figures { exit_code, wall_ns, cpu_ns, peak_tree } = Figures::of(facts);
        let update = "UPDATE runs SET finished = 1, exit_code = ?2, wall_ns = ?3, cpu_ns = ?4, peak_tree = ?5, facts = ?6 WHERE id = ?1";
        let facts = line.facts.to_string();
        let params = params![id, exit_code, wall_ns, cpu_ns, peak_tree, facts];
        self.db.prepare_cached(update)?.execute(params).map(|_| ())
    }

    /// The number that a run has here, and whether what belongs to it may be here too.
    fn run_here(&self, run: Option<RunId>) -> Result<(Option<RunId>, bool), Refusal> {
        let Some(run) = run else { return Ok((None, true)) };
        let unknown =
            || Refusal::Line(format!("it belongs to run {run}, which no line before has"));
        let (here, before) = self.runs.get(&run).ok_or_else(unknown)?;
        Ok((Some(*here), *before))
    }

    fn unit(&mut self, unit: UnitRecord) -> Result<(), Refusal> {
        self.done.read.units += 1;
        let (run, before) = self.run_here(unit.run)?;
        let unit = UnitRecord { run, ..unit };
        if before && is_known(self.known_units(run)?, unit_identity(&unit)) {
            return Ok(());
        }
        units::insert(&mut *self.db.prepare_cached(units::INSERT)?, &unit)?;
        self.done.added.units += 1;
        Ok(())
    }

    fn event(&mut self, event: EventLine) -> Result<(), Refusal> {
        self.done.read.events += 1;
        let (run, before) = self.run_here(event.run)?;
        let json = renumbered(event.json, &self.runs);
        let identity = (event.at_us, hash(&json));
        if before && is_known(self.known_events(run)?, identity) {
            return Ok(());
        }
        let insert = "INSERT INTO events (at_us, run, json) VALUES (?1, ?2, ?3)";
        self.db.prepare_cached(insert)?.execute(params![event.at_us, run, json])?;
        self.done.added.events += 1;
        Ok(())
    }

    fn bench(&mut self, bench: &Value) -> Result<(), Refusal> {
        self.done.read.benches += 1;
        let read: BenchFacts = serde_json::from_value(bench.clone())
            .map_err(|error| Refusal::Line(format!("the benchmark: {error}")))?;
        let known = "SELECT count(*) FROM benches WHERE started_unix_ns = ?1 AND host IS ?2";
        let identity = params![read.setup.started_unix_ns, read.setup.host];
        let count: i64 = self.db.prepare_cached(known)?.query_row(identity, |row| row.get(0))?;
        if count == 0 {
            benches::insert(self.db, &read, &bench.to_string())?;
            self.done.added.benches += 1;
        }
        Ok(())
    }

    fn variant(&mut self, variant: &Value) -> Result<(), Refusal> {
        self.done.read.variants += 1;
        let read: VariantFacts = serde_json::from_value(variant.clone())
            .map_err(|error| Refusal::Line(format!("the variant: {error}")))?;
        let known = "SELECT count(*) FROM variants WHERE built_unix_ns = ?1 AND host IS ?2";
        let identity = params![read.built_unix_ns, read.host];
        let count: i64 = self.db.prepare_cached(known)?.query_row(identity, |row| row.get(0))?;
        if count == 0 {
            variants::insert(self.db, &read, &variant.to_string())?;
            self.done.added.variants += 1;
        }
        Ok(())
    }

    fn known_units(&mut self, run: Option<RunId>) -> rusqlite::Result<&mut Known> {
        let columns = "key, outcome, started_unix_us, wall_us, attempt FROM units";
        let identity = |row: &Row<'_>| {
            let (key, outcome): (String, String) = (row.get(0)?, row.get(1)?);
            let (wall, attempt): (i64, u32) = (row.get(3)?, row.get(4)?);
            Ok((row.get(2)?, hash(&(key, outcome, wall, attempt))))
        };
        known(self.db, &mut self.units, run, columns, identity)
    }

    fn known_events(&mut self, run: Option<RunId>) -> rusqlite::Result<&mut Known> {
        let columns = "at_us, json FROM events";
        let identity = |row: &Row<'_>| Ok((row.get(0)?, hash(&row.get::<_, String>(1)?)));
        known(self.db, &mut self.events, run, columns, identity)
    }
}

/// What was there of a run before the import; read once.
fn known<'a>(
    db: &Transaction<'_>,
    of_runs: &'a mut HashMap<Option<RunId>, Known>,
    run: Option<RunId>,
    columns: &str,
    identity: impl Fn(&Row<'_>) -> rusqlite::Result<Identity>,
) -> rusqlite::Result<&'a mut Known> {
    match of_runs.entry(run) {
        Entry::Occupied(entry) => Ok(entry.into_mut()),
        Entry::Vacant(entry) => {
            let mut known = Known::new();
            let of_run = match run {
                Some(_) => "run = ?1",
                // What belongs to a run that is gone is exported as belonging to none.
                None => "?1 IS NULL AND (run IS NULL OR run NOT IN (SELECT id FROM runs))",
            };
            let mut statement = db.prepare(&format!("SELECT {columns} WHERE {of_run}"))?;
            let mut rows = statement.query([run])?;
            while let Some(row) = rows.next()? {
                if let Some(identity) = crate::understood(identity(row).map(Some))? {
                    *known.entry(identity).or_default() += 1;
                }
            }
            Ok(entry.insert(known))
        }
    }
}

/// Whether it is there; each is found as often as it is there.
fn is_known(known: &mut Known, identity: Identity) -> bool {
    let Some(count) = known.get_mut(&identity).filter(|count| **count > 0) else { return false };
    *count -= 1;
    true
}

fn unit_identity(unit: &UnitRecord) -> Identity {
    let wall = unit.wall_us.cast_signed();
    let of = (unit.key.clone(), unit.outcome.name().to_owned(), wall, unit.attempt);
    (unit.started_unix_us, hash(&of))
}

fn hash(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

fn check(header: &Header) -> Result<(), Refusal> {
    match header {
        Header { format, .. } if format != FORMAT => {
            Err(Refusal::Line(format!("the format is {FORMAT:?}, found {format:?}")))
        }
        Header { version, .. } if !(1..=VERSION).contains(version) => Err(Refusal::Line(format!(
            "this program reads versions up to {VERSION}, and the file has version {version}"
        ))),
        _ => Ok(()),
    }
}

/// The text of an event with the numbers that runs have here. Events name them as `recorded`; a
/// run that the file does not have has no number here.
fn renumbered(json: String, runs: &HashMap<RunId, (RunId, bool)>) -> String {
    if !json.contains("\"recorded\"") {
        return json;
    }
    let Ok(mut value) = serde_json::from_str::<Value>(&json) else { return json };
    renumber(&mut value, runs);
    value.to_string()
}

fn renumber(value: &mut Value, runs: &HashMap<RunId, (RunId, bool)>) {
    match value {
        Value::Object(map) => {
            for (name, value) in map {
                match value.as_i64() {
                    Some(run) if name == "recorded" => {
                        *value = runs.get(&run).map(|(here, _)| *here).into();
                    }
                    _ => renumber(value, runs),
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(|value| renumber(value, runs)),
        _ => {}
    }
}
