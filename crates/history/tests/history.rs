//! The history under two writers, a full disk, a dead writer, a newer and a damaged file.
//!
//! Does not know what a run's facts mean.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use ironwright_core::observe::RunFacts;
use ironwright_core::units::Bytes;
use ironwright_history::{Filter, History, HistoryError, Owner, State};

const OWNER: Owner = Owner { pid: 42, started: 7 };

fn facts(package: &str) -> RunFacts {
    RunFacts {
        ironwright: "0.1.0".into(),
        host: Some("shoshin".into()),
        source: Some(format!("crate:{package}")),
        package: Some(package.into()),
        driver: Some("cargo".into()),
        threads: 6,
        budget: Bytes::gib(21),
        settings: serde_json::Map::new(),
        started_unix_ns: 1,
        steps: Vec::new(),
    }
}

fn all(path: &Path) -> Vec<ironwright_history::Record> {
    History::open(path).unwrap().list(&Filter::default(), |_| false).unwrap()
}

#[test]
fn a_run_is_found_again() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("deep/history.db");
    let history = History::open(&path).unwrap();
    let id = history.begin(&facts("codex"), OWNER).unwrap();
    history.begin(&facts("bat"), OWNER).unwrap();
    history.finish(id, &facts("codex")).unwrap();
    let filter = Filter { package: Some("codex".into()), limit: Some(5) };
    let found = history.list(&filter, |_| true).unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].state, &found[0].facts), (State::Finished, &facts("codex")));
    assert_eq!(history.get(id, |_| true).unwrap().unwrap().id, id);
    assert!(history.get(99, |_| true).unwrap().is_none());
}

#[test]
fn a_run_whose_process_died_is_lost_and_one_that_lives_runs() {
    let directory = tempfile::tempdir().unwrap();
    let history = History::open(&directory.path().join("history.db")).unwrap();
    history.begin(&facts("codex"), OWNER).unwrap();
    let state =
        |alive| history.list(&Filter::default(), |owner| alive && owner == OWNER).unwrap()[0].state;
    assert_eq!((state(true), state(false)), (State::Running, State::Lost));
}

#[test]
fn two_writers_lose_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("history.db");
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let history = History::open(&path).unwrap();
                for _ in 0..50 {
                    let id = history.begin(&facts("codex"), OWNER).unwrap();
                    history.finish(id, &facts("codex")).unwrap();
                }
            });
        }
    });
    let found = all(&path);
    assert_eq!(found.len(), 200);
    assert!(found.iter().all(|record| record.state == State::Finished));
}

#[test]
fn a_full_disk_is_an_error_and_what_was_stored_stays_readable() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("history.db");
    History::open(&path).unwrap().begin(&facts("kept"), OWNER).unwrap();
    // The database may not grow: SQLite then fails exactly as on a full disk (SQLITE_FULL).
    let full = Full::fill(&path);
    let failed = full.write_until_full();
    assert!(
        matches!(failed, rusqlite::Error::SqliteFailure(e, _) if e.code == rusqlite::ErrorCode::DiskFull)
    );
    assert!(all(&path).iter().any(|record| record.facts.package.as_deref() == Some("kept")));
}

struct Full(rusqlite::Connection);

impl Full {
    fn fill(path: &Path) -> Self {
        let db = rusqlite::Connection::open(path).unwrap();
        let pages: i64 = db.query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
        db.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(())).unwrap();
        Self(db)
    }

    fn write_until_full(&self) -> rusqlite::Error {
        let insert =
            "INSERT INTO runs (started_unix_ns, pid, pid_started, facts) VALUES (1, 1, 1, ?1)";
        (0..1000).find_map(|_| self.0.execute(insert, ["x".repeat(4000)]).err()).unwrap()
    }
}

#[test]
fn a_newer_database_is_refused_without_harm() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("history.db");
    let db = rusqlite::Connection::open(&path).unwrap();
    db.pragma_update(None, "user_version", 999).unwrap();
    drop(db);
    let before = std::fs::read(&path).unwrap();
    let error = History::open(&path).unwrap_err();
    assert!(matches!(error, HistoryError::Newer { found: 999, .. }), "{error}");
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[test]
fn a_damaged_database_is_set_aside() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("history.db");
    let garbage = b"this was never a database, only text of some length".repeat(100);
    std::fs::write(&path, &garbage).unwrap();
    let history = History::open(&path).unwrap();
    let aside = history.set_aside.clone().unwrap();
    assert_eq!(std::fs::read(aside).unwrap(), garbage);
    history.begin(&facts("codex"), OWNER).unwrap();
    assert_eq!(all(&path).len(), 1);
}
