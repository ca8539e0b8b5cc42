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
    migrate_by(db, MIGRATIONS)
}

/// All steps that are missing, or none of them.
fn migrate_by(db: &mut Connection, migrations: &[&str]) -> rusqlite::Result<()> {
    let newest = i64::try_from(migrations.len()).unwrap_or(i64::MAX);
    if version(db)? == newest {
        return Ok(());
    }
    let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let from = usize::try_from(version(&transaction)?).unwrap_or(0);
    for step in migrations.iter().skip(from) {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "user_version", newest)?;
    transaction.commit()
}

/// The shape that a database has; zero for a new one.
pub(crate) fn version(db: &Connection) -> rusqlite::Result<i64> {
    db.query_row("PRAGMA user_version", [], |row| row.get(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADD: &str = "ALTER TABLE runs ADD COLUMN note TEXT NOT NULL DEFAULT 'none'";

    fn first_shape() -> Connection {
        let mut db = Connection::open_in_memory().unwrap();
        migrate_by(&mut db, &MIGRATIONS[..1]).unwrap();
        let insert =
            "INSERT INTO runs (started_unix_ns, pid, pid_started, facts) VALUES (5, 1, 1, '{}')";
        db.execute(insert, []).unwrap();
        db
    }

    #[test]
    fn an_older_database_keeps_its_runs() {
        let mut db = first_shape();
        migrate_by(&mut db, &[MIGRATIONS[0], ADD]).unwrap();
        migrate_by(&mut db, &[MIGRATIONS[0], ADD]).unwrap();
        let kept: (i64, String) = db
            .query_row("SELECT started_unix_ns, note FROM runs", [], |r| Ok((r.get(0)?, r.get(1)?)))
            .unwrap();
        assert_eq!((version(&db).unwrap(), kept), (2, (5, "none".to_owned())));
    }

    #[test]
    fn a_step_that_fails_takes_the_earlier_ones_back() {
        let mut db = first_shape();
        assert!(migrate_by(&mut db, &[MIGRATIONS[0], ADD, "no SQL"]).is_err());
        assert_eq!(version(&db).unwrap(), 1);
        assert!(db.prepare("SELECT note FROM runs").is_err());
    }
}
