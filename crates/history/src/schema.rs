//! The tables, and the way from each older shape to the next.
//!
//! Does not know what the columns mean to a reader. Runs are few: they have columns for what is
//! searched, and their facts are one JSON text, so that a new figure needs no migration. Units are
//! many: each figure has a column, which takes less room and time than text.

use rusqlite::{Connection, TransactionBehavior};

/// The newest shape, stored as `PRAGMA user_version`.
pub(crate) const VERSION: i64 = 6;

/// Step `n` leads from shape `n` to `n + 1`.
const MIGRATIONS: &[&str] = &[RUNS, UNITS_AND_EVENTS, DELAY, LOGGED_AND_SORTED, BENCHES, VARIANTS];

const RUNS: &str = "CREATE TABLE runs (
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
CREATE INDEX runs_by_package ON runs (package, id);";

/// An entry of an index ends with the row's id, so an index on `key` serves "the newest of a key"
/// and need not name the id.
const UNITS_AND_EVENTS: &str = "CREATE TABLE units (
    id INTEGER PRIMARY KEY,
    run INTEGER,
    key TEXT NOT NULL,
    family TEXT NOT NULL,
    tool TEXT NOT NULL,
    label TEXT NOT NULL,
    package TEXT,
    attempt INTEGER NOT NULL,
    outcome TEXT NOT NULL,
    exit INTEGER,
    started_unix_us INTEGER NOT NULL,
    waited_us INTEGER NOT NULL,
    wall_us INTEGER NOT NULL,
    paused_us INTEGER NOT NULL,
    user_us INTEGER NOT NULL,
    system_us INTEGER NOT NULL,
    peak INTEGER NOT NULL,
    peak_process INTEGER NOT NULL,
    reserved INTEGER NOT NULL,
    curve BLOB NOT NULL,
    input_bytes INTEGER NOT NULL,
    alone INTEGER NOT NULL
) STRICT;
CREATE INDEX units_by_key ON units (key);
CREATE INDEX units_by_family ON units (family);
CREATE INDEX units_by_run ON units (run);
CREATE TABLE events (
    id INTEGER PRIMARY KEY,
    at_us INTEGER NOT NULL,
    run INTEGER,
    json TEXT NOT NULL
) STRICT;
CREATE INDEX events_by_run ON events (run, at_us);
CREATE INDEX events_by_time ON events (at_us);
CREATE INDEX runs_by_source ON runs (source);";

/// What a unit wanted of the processors is what it got and what it waited for.
const DELAY: &str = "ALTER TABLE units ADD COLUMN delay_us INTEGER NOT NULL DEFAULT 0";

/// Units that other tools' logs tell of have indexes of their own, so that they never push what was
/// measured out of "the newest of a key". The largest and the slowest, of all or of some runs, are found in indexes alone. Of
/// runs that are older than this the generation of settings is derived when it is asked for.
const LOGGED_AND_SORTED: &str = "DROP INDEX units_by_key;
DROP INDEX units_by_family;
CREATE INDEX units_by_key ON units (key) WHERE outcome <> 'timed';
CREATE INDEX units_by_family ON units (family) WHERE outcome <> 'timed';
CREATE INDEX logged_by_key ON units (key) WHERE outcome = 'timed';
CREATE INDEX logged_by_family ON units (family) WHERE outcome = 'timed';
DROP INDEX units_by_run;
CREATE INDEX units_by_run ON units (run, peak, wall_us);
CREATE INDEX units_by_peak ON units (peak);
CREATE INDEX units_by_wall ON units (wall_us);
CREATE INDEX runs_by_start ON runs (started_unix_ns);
ALTER TABLE runs ADD COLUMN host TEXT;
ALTER TABLE runs ADD COLUMN generation TEXT;
UPDATE runs SET host = CASE WHEN json_valid(facts) THEN json_extract(facts, '$.host') END;
CREATE INDEX runs_by_host ON runs (host);
CREATE INDEX runs_by_generation ON runs (generation);";

/// Benchmarks are few and looked for by what they are about.
const BENCHES: &str = "CREATE TABLE benches (
    id INTEGER PRIMARY KEY,
    started_unix_ns INTEGER NOT NULL,
    host TEXT,
    package TEXT,
    about TEXT,
    json TEXT NOT NULL
) STRICT;
CREATE INDEX benches_by_start ON benches (started_unix_ns);
CREATE INDEX benches_by_subject ON benches (about, id);";

/// Builds of variants are few.
const VARIANTS: &str = "CREATE TABLE variants (
    id INTEGER PRIMARY KEY,
    built_unix_ns INTEGER NOT NULL,
    host TEXT,
    package TEXT NOT NULL,
    key TEXT NOT NULL,
    json TEXT NOT NULL
) STRICT;
CREATE INDEX variants_by_time ON variants (built_unix_ns);";

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

    #[test]
    fn a_database_of_the_third_shape_keeps_its_units() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("history.db");
        let mut db = Connection::open(&path).unwrap();
        migrate_by(&mut db, MIGRATIONS.get(..3).unwrap()).unwrap();
        let insert = "INSERT INTO units (key, family, tool, label, attempt, outcome, started_unix_us, waited_us,
            wall_us, paused_us, user_us, system_us, peak, peak_process, reserved, curve, input_bytes, alone)
            VALUES ('k', 'f', 't', 'l', 1, 'succeeded', 5, 0, 7, 0, 0, 0, 9, 0, 0, x'', 0, 0)";
        db.execute(insert, []).unwrap();
        drop(db);
        let history = crate::History::open(&path).unwrap();
        let kept = history.units_by_key("k", 5).unwrap();
        assert_eq!((kept.len(), kept[0].wall_us, kept[0].peak.0), (1, 7, 9));
        assert_eq!(history.logged_units("k", "f", 5).unwrap(), []);
    }

    fn first_shape() -> Connection {
        let mut db = Connection::open_in_memory().unwrap();
        migrate_by(&mut db, &[RUNS]).unwrap();
        let insert =
            "INSERT INTO runs (started_unix_ns, pid, pid_started, facts) VALUES (5, 1, 1, '{}')";
        db.execute(insert, []).unwrap();
        db
    }

    #[test]
    fn an_older_database_keeps_its_runs() {
        let mut db = first_shape();
        migrate_by(&mut db, &[RUNS, ADD]).unwrap();
        migrate_by(&mut db, &[RUNS, ADD]).unwrap();
        let kept: (i64, String) = db
            .query_row("SELECT started_unix_ns, note FROM runs", [], |r| Ok((r.get(0)?, r.get(1)?)))
            .unwrap();
        assert_eq!((version(&db).unwrap(), kept), (2, (5, "none".to_owned())));
    }

    #[test]
    fn the_newest_shape_is_the_last_step() {
        assert_eq!(usize::try_from(VERSION).unwrap(), MIGRATIONS.len());
    }

    #[test]
    fn a_database_of_the_first_shape_keeps_its_runs_and_takes_units() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("history.db");
        let mut db = Connection::open(&path).unwrap();
        migrate_by(&mut db, &[RUNS]).unwrap();
        let facts = r#"{"ironwright": "0.1.0", "host": null, "source": "crate:bat", "package": "bat",
            "driver": "cargo", "threads": 2, "budget": 5, "settings": {}, "started_unix_ns": 7, "steps": []}"#;
        let insert = "INSERT INTO runs (started_unix_ns, package, source, pid, pid_started, finished, exit_code, facts) VALUES (7, 'bat', 'crate:bat', 1, 1, 1, 0, ?1)";
        db.execute(insert, [facts]).unwrap();
        drop(db);
        let history = crate::History::open(&path).unwrap();
        let runs = history.list(&crate::Filter::default(), |_| false).unwrap();
        assert_eq!(runs.len(), 1);
        assert_eq!(runs[0].facts.package.as_deref(), Some("bat"));
        assert_eq!(history.previous_run("crate:bat", 2).unwrap().as_ref(), runs.first());
        assert_eq!(history.units_of_run(1).unwrap(), []);
        assert_eq!(version(&Connection::open(&path).unwrap()).unwrap(), VERSION);
    }

    #[test]
    fn a_step_that_fails_takes_the_earlier_ones_back() {
        let mut db = first_shape();
        assert!(migrate_by(&mut db, &[RUNS, ADD, "no SQL"]).is_err());
        assert_eq!(version(&db).unwrap(), 1);
        assert!(db.prepare("SELECT note FROM runs").is_err());
    }
}
