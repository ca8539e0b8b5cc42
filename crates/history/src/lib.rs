//! The database of raw facts about past runs.
//!
//! SQLite in one file that two programs may write at once while others read. What is derived from
//! facts is derived when it is read. Does not know what is concluded from them, nor when to forget
//! them: the caller tells.

mod benches;
mod events;
mod find;
mod import;
mod retention;
mod runs;
mod schema;
mod transfer;
mod units;
mod variants;

pub use benches::{BenchId, StoredBench};
pub use events::StoredEvent;
pub use find::{Order, UnitFilter};
pub use runs::{Filter, Owner, Record, RunId, State};
pub use transfer::{Counts, Imported, TransferError};

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, OpenFlags, Params, Row};

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
    /// Damage was found in use, and the file moved out of the way.
    #[error("the history {} is damaged: it is set aside as {}, and the next command begins a new one", path.display(), aside.display())]
    SetAside {
        /// The database.
        path: PathBuf,
        /// Where it is now.
        aside: PathBuf,
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
        match Self::open_patiently(path, OpenFlags::default()) {
            Err(HistoryError::Database { error, .. }) if is_damage(&error) => Self::renew(path),
            opened => opened,
        }
    }

    /// Opens a database that exists, and migrates it as needed; nothing when there is none. Makes
    /// no file, and leaves a damaged one where it is: whoever only reads has no need of a new one.
    pub fn open_existing(path: &Path) -> Result<Option<Self>, HistoryError> {
        let flags = OpenFlags::default().difference(OpenFlags::SQLITE_OPEN_CREATE);
        match Self::open_patiently(path, flags) {
            Err(HistoryError::Database { error, .. })
                if error.sqlite_error_code() == Some(ErrorCode::CannotOpen) && is_absent(path) =>
            {
                Ok(None)
            }
            opened => opened.map(Some),
        }
    }

    /// Sets a damaged database aside and begins a new one, unless another program, which found the
    /// same damage, was quicker.
    fn renew(path: &Path) -> Result<Self, HistoryError> {
        let _lock = locked(path);
        match Self::open_patiently(path, OpenFlags::default()) {
            Err(HistoryError::Database { error, .. }) if is_damage(&error) => {
                let aside = set_aside(path)?;
                let mut history = Self::open_patiently(path, OpenFlags::default())?;
                history.set_aside = Some(aside);
                Ok(history)
            }
            opened => opened,
        }
    }

    /// Waits while another program makes or recovers the database, which SQLite reports at once
    /// and not after the time that it was told to wait.
    fn open_patiently(path: &Path, flags: OpenFlags) -> Result<Self, HistoryError> {
        let began = Instant::now();
        loop {
            match Self::open_as_is(path, flags) {
                Err(HistoryError::Database { error, .. })
                    if is_busy(&error) && began.elapsed() < PATIENCE =>
                {
                    std::thread::sleep(BUSY_PAUSE);
                }
                opened => return opened,
            }
        }
    }

    fn open_as_is(path: &Path, flags: OpenFlags) -> Result<Self, HistoryError> {
        let database = |error| HistoryError::Database { path: path.to_owned(), error };
        let mut db = Connection::open_with_flags(path, flags).map_err(database)?;
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
        units::make_room(&db, false).map_err(database)?;
        schema::migrate(&mut db).map_err(database)?;
        Ok(Self { path: path.to_owned(), db, set_aside: None })
    }

    fn error(&self) -> impl Fn(rusqlite::Error) -> HistoryError + '_ {
        |error| {
            if is_damage(&error) {
                return damaged(&self.path, error);
            }
            HistoryError::Database { path: self.path.clone(), error }
        }
    }

    /// What a query finds. A row that cannot be understood is left out rather than hiding all
    /// others.
    fn rows<T>(
        &self,
        query: &str,
        params: impl Params,
        read: impl Fn(&Row<'_>) -> rusqlite::Result<Option<T>>,
    ) -> Result<Vec<T>, HistoryError> {
        let mut statement = self.db.prepare_cached(query).map_err(self.error())?;
        let rows = statement
            .query_map(params, |row| understood(read(row)))
            .map_err(self.error())?
            .collect::<Result<Vec<_>, _>>()
            .map_err(self.error())?;
        Ok(rows.into_iter().flatten().collect())
    }
}

/// Nothing for a row whose values are not what they should be.
fn understood<T>(read: rusqlite::Result<Option<T>>) -> rusqlite::Result<Option<T>> {
    use rusqlite::Error;
    match read {
        Err(
            Error::FromSqlConversionFailure(..)
            | Error::IntegralValueOutOfRange(..)
            | Error::InvalidColumnType(..)
            | Error::Utf8Error(..),
        ) => Ok(None),
        other => other,
    }
}

fn is_absent(path: &Path) -> bool {
    matches!(path.try_exists(), Ok(false))
}

fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt))
}

/// Sets a database aside in which damage was found, unless another program did so and this is a new one.
fn damaged(path: &Path, error: rusqlite::Error) -> HistoryError {
    let _lock = locked(path);
    let check = |db: Connection| db.query_row("PRAGMA quick_check(1)", [], |row| row.get(0));
    let checked: rusqlite::Result<String> = Connection::open(path).and_then(check);
    if checked.is_ok_and(|said| said == "ok") {
        return HistoryError::Database { path: path.to_owned(), error };
    }
    match set_aside(path) {
        Ok(aside) => HistoryError::SetAside { path: path.to_owned(), aside },
        Err(error) => error,
    }
}

/// The directory of a database, locked against others that find the same damage until it is dropped. Where
/// directories cannot be locked, being quicker is all there is.
fn locked(path: &Path) -> Option<fs::File> {
    let directory = fs::File::open(path.parent()?).ok()?;
    let _ = directory.lock();
    Some(directory)
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
