//! The database of raw facts about past runs.
//!
//! SQLite in one file that two runs may write at once. What is derived from facts is derived when
//! it is read. Does not know what is concluded from a run, nor whether a process lives: the caller
//! tells.

mod schema;

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ironwright_core::observe::RunFacts;
use rusqlite::{Connection, ErrorCode, OptionalExtension, Row, params};
use serde::Serialize;

/// What can go wrong with the history. None of it may harm a build.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// The directory cannot be made.
    #[error("cannot create the directory of {}: {error}", path.display())]
    Directory {
        /// The database.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// Written by a newer program.
    #[error("{} has schema {found}, and this program knows up to {known}: use the newer ironwright, nothing was changed", path.display())]
    Newer {
        /// The database.
        path: PathBuf,
        /// Its schema.
        found: i64,
        /// The newest schema that this program knows.
        known: i64,
    },
    /// A damaged file could not be moved out of the way.
    #[error("{} is damaged and cannot be set aside: {error}", path.display())]
    Damaged {
        /// The database.
        path: PathBuf,
        /// Why not.
        error: io::Error,
    },
    /// Anything that SQLite says: a full disk, a file that cannot be written.
    #[error("the history {} cannot be used: {error}", path.display())]
    Database {
        /// The database.
        path: PathBuf,
        /// What SQLite says.
        error: rusqlite::Error,
    },
    /// Facts that are not JSON.
    #[error("a run's facts cannot be written: {0}")]
    Json(#[from] serde_json::Error),
}

/// An open history.
#[derive(Debug)]
pub struct History {
    path: PathBuf,
    db: Connection,
    /// Where a damaged database was moved to when this one was opened.
    pub set_aside: Option<PathBuf>,
}

/// A run's place in the history.
pub type RunId = i64;

/// Where a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It goes on.
    Running,
    /// It ended, and its facts are complete.
    Finished,
    /// Its process died before it could say how it ended.
    Lost,
}

/// A stored run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Record {
    /// Its place in the history.
    pub id: RunId,
    /// Where it stands.
    pub state: State,
    /// Its facts; those of the start only, unless it is finished.
    pub facts: RunFacts,
}

/// Process that a run belongs to; the start tells a reused id apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Process id.
    pub pid: i32,
    /// Its start in clock ticks since boot.
    pub started: u64,
}

/// Which runs are wanted.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// At most this many, newest first.
    pub limit: Option<u32>,
    /// Only of this package.
    pub package: Option<String>,
}

/// Time that a writer waits for another to finish.
const PATIENCE: Duration = Duration::from_secs(5);
/// Pause before a database that was busy is opened again.
const BUSY_PAUSE: Duration = Duration::from_millis(5);

impl History {
    /// Opens the database, makes or migrates it as needed. A damaged one is set aside.
    pub fn open(path: &Path) -> Result<Self, HistoryError> {
        if let Some(directory) = path.parent() {
            fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(directory)
                .map_err(|error| HistoryError::Directory { path: path.to_owned(), error })?;
        }
        match Self::open_patiently(path) {
            Err(HistoryError::Database { error, .. }) if is_damage(&error) => Self::renew(path),
            opened => opened,
        }
    }

    /// Sets a damaged database aside and begins a new one, unless another program, which found the
    /// same damage, was quicker.
    fn renew(path: &Path) -> Result<Self, HistoryError> {
        let directory = path.parent().and_then(|directory| fs::File::open(directory).ok());
        // Where directories cannot be locked, being quicker is all there is.
        let _ = directory.as_ref().map(fs::File::lock);
        match Self::open_patiently(path) {
            Err(HistoryError::Database { error, .. }) if is_damage(&error) => {
                let aside = set_aside(path)?;
                let mut history = Self::open_patiently(path)?;
                history.set_aside = Some(aside);
                Ok(history)
            }
            opened => opened,
        }
    }

    /// Waits while another program makes or recovers the database, which SQLite reports at once
    /// and not after the time that it was told to wait.
    fn open_patiently(path: &Path) -> Result<Self, HistoryError> {
        let began = Instant::now();
        loop {
            match Self::open_as_is(path) {
                Err(HistoryError::Database { error, .. })
                    if is_busy(&error) && began.elapsed() < PATIENCE =>
                {
                    std::thread::sleep(BUSY_PAUSE);
                }
                opened => return opened,
            }
        }
    }

    fn open_as_is(path: &Path) -> Result<Self, HistoryError> {
        let database = |error| HistoryError::Database { path: path.to_owned(), error };
        let mut db = Connection::open(path).map_err(database)?;
        db.busy_timeout(PATIENCE).map_err(database)?;
        let found = schema::version(&db).map_err(database)?;
        if found > schema::VERSION {
            return Err(HistoryError::Newer {
                path: path.to_owned(),
                found,
                known: schema::VERSION,
            });
        }
        // Readers and a writer do not wait for each other; a crash loses no committed run.
        db.pragma_update(None, "journal_mode", "WAL").map_err(database)?;
        db.pragma_update(None, "synchronous", "NORMAL").map_err(database)?;
        schema::migrate(&mut db).map_err(database)?;
        Ok(Self { path: path.to_owned(), db, set_aside: None })
    }

    fn error(&self) -> impl Fn(rusqlite::Error) -> HistoryError + '_ {
        |error| HistoryError::Database { path: self.path.clone(), error }
    }

    /// Notes that a run starts.
    pub fn begin(&self, facts: &RunFacts, owner: Owner) -> Result<RunId, HistoryError> {
        let started = i64::try_from(owner.started).unwrap_or(i64::MAX);
        self.db
            .execute(
                "INSERT INTO runs (started_unix_ns, package, source, pid, pid_started, facts) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                params![facts.started_unix_ns, facts.package, facts.source, owner.pid, started, serde_json::to_string(facts)?],
            )
            .map_err(self.error())?;
        Ok(self.db.last_insert_rowid())
    }

    /// Completes a run.
    pub fn finish(&self, id: RunId, facts: &RunFacts) -> Result<(), HistoryError> {
        let sum = |of: fn(&ironwright_core::observe::Observed) -> u64| {
            let total =
                facts.steps.iter().map(|step| of(&step.observed)).fold(0, u64::saturating_add);
            i64::try_from(total).unwrap_or(i64::MAX)
        };
        let peak = facts.steps.iter().map(|step| step.observed.peak_tree.0).max().unwrap_or(0);
        let exit = facts.steps.last().map_or(0, |step| step.observed.exit.code());
        self.db
            .execute(
                "UPDATE runs SET finished = 1, exit_code = ?2, wall_ns = ?3, cpu_ns = ?4, peak_tree = ?5, facts = ?6 WHERE id = ?1",
                params![
                    id,
                    exit,
                    sum(|o| o.wall_ns),
                    sum(|o| o.user_ns.saturating_add(o.system_ns)),
                    i64::try_from(peak).unwrap_or(i64::MAX),
                    serde_json::to_string(facts)?
                ],
            )
            .map_err(self.error())?;
        Ok(())
    }

    /// Stored runs, newest first. `is_alive` tells whether a process still runs.
    pub fn list(
        &self,
        filter: &Filter,
        is_alive: impl Fn(Owner) -> bool,
    ) -> Result<Vec<Record>, HistoryError> {
        let mut statement = self
            .db
            .prepare(
                "SELECT id, finished, pid, pid_started, facts FROM runs WHERE ?1 IS NULL OR package = ?1 ORDER BY id DESC LIMIT ?2",
            )
            .map_err(self.error())?;
        let limit = filter.limit.map_or(-1, i64::from);
        let rows = statement
            .query_map(params![filter.package, limit], |row| record(row, &is_alive))
            .map_err(self.error())?;
        // A row that cannot be understood is left out rather than hiding all others.
        Ok(rows
            .collect::<Result<Vec<_>, _>>()
            .map_err(self.error())?
            .into_iter()
            .flatten()
            .collect())
    }

    /// One run.
    pub fn get(
        &self,
        id: RunId,
        is_alive: impl Fn(Owner) -> bool,
    ) -> Result<Option<Record>, HistoryError> {
        let query = "SELECT id, finished, pid, pid_started, facts FROM runs WHERE id = ?1";
        let found = self.db.query_row(query, [id], |row| record(row, &is_alive)).optional();
        Ok(found.map_err(self.error())?.flatten())
    }
}

fn record(row: &Row<'_>, is_alive: &impl Fn(Owner) -> bool) -> rusqlite::Result<Option<Record>> {
    let (id, finished, pid, started): (i64, bool, i32, i64) =
        (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
    let text: String = row.get(4)?;
    let Ok(facts) = serde_json::from_str(&text) else { return Ok(None) };
    let owner = Owner { pid, started: u64::try_from(started).unwrap_or(0) };
    let state = match finished {
        true => State::Finished,
        false if is_alive(owner) => State::Running,
        false => State::Lost,
    };
    Ok(Some(Record { id, state, facts }))
}

fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt))
}

/// Moves a damaged database, with its journal, to the first free name.
fn set_aside(path: &Path) -> Result<PathBuf, HistoryError> {
    let name = |suffix: &str, n: u32| {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".damaged-{n}{suffix}"));
        PathBuf::from(name)
    };
    let n = (1..u32::MAX).find(|n| !name("", *n).exists()).unwrap_or(u32::MAX);
    fs::rename(path, name("", n))
        .map_err(|error| HistoryError::Damaged { path: path.to_owned(), error })?;
    for suffix in ["-wal", "-shm"] {
        let mut companion = path.as_os_str().to_owned();
        companion.push(suffix);
        // Usually there is none.
        let _ = fs::rename(companion, name(suffix, n));
    }
    Ok(name("", n))
}
