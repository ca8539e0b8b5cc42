//! The tables, and the way from each older shape to the next.
//!
//! Does not know what the columns mean to a reader. Columns exist for what is searched; the facts
//! themselves are one JSON text, so that a new figure needs no migration.

use rusqlite::{Connection, TransactionBehavior};

/// The newest shape, stored as `PRAGMA user_version`.
pub(crate) const VERSION: i64 = 1;

/// Step `n` leads from shape `n` to `n + 1`.
const MIGRATIONS: &[&str] = &["CREATE TABLE runs (
    id INTEGER PRIMARY KEY,
    started_unix_ns INTEGER NOT NULL,
    package TEXT,
    source TEXT,
    pid INTEGER NOT NULL,
    pid_started INTEGER NOT NULL,
    finished INTEGER NOT NULL DEFAULT 0,
    exit_code INTEGER,
    wall_ns INTEGER,
    cpu_ns INTEGER,
    peak_tree INTEGER,
    facts TEXT NOT NULL
) STRICT;
CREATE INDEX runs_by_package ON runs (package, id);"];

/// Brings a database to the newest shape. Two programs may do so at once: the second waits for
/// the first, then finds nothing left to do.
pub(crate) fn migrate(db: &mut Connection) -> rusqlite::Result<()> {
    let at = |db: &Connection| db.query_row("PRAGMA user_version", [], |row| row.get::<_, i64>(0));
    if at(db)? == VERSION {
        return Ok(());
    }
    let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let from = usize::try_from(at(&transaction)?).unwrap_or(0);
    debug_assert_eq!(i64::try_from(MIGRATIONS.len()), Ok(VERSION));
    for step in MIGRATIONS.iter().skip(from) {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "user_version", VERSION)?;
    transaction.commit()
}
