//! The history under two writers, a full disk, a dead writer, a newer and a damaged file.
//!
//! Does not know what a run's facts mean.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use ironwright_core::observe::RunFacts;
use ironwright_core::observe::unit::{UnitOutcome, UnitRecord};
use ironwright_core::units::Bytes;
use ironwright_history::{Filter, History, HistoryError, Owner, State, StoredEvent};

const OWNER: Owner = Owner { pid: 42, started: 7 };

fn facts(package: &str) -> RunFacts {
    RunFacts {
        governed: None,
        batch: None,
        disk: None,
        ironwright: "0.1.0".into(),
        host: Some("shoshin".into()),
        source: Some(format!("crate:{package}")),
        package: Some(package.into()),
        driver: Some("cargo".into()),
        threads: 6,
        budget: Bytes::gib(21),
        settings: serde_json::Map::new(),
        started_unix_ns: 1,
        compiler_cache: None,
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
    let filter = Filter { package: Some("codex".into()), limit: Some(5), ..Filter::default() };
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

/// What the tests below start as a process of its own.
#[test]
#[ignore = "started by other tests"]
fn helper() {
    let Ok(task) = std::env::var("IRONWRIGHT_TEST_TASK") else { return };
    let path = PathBuf::from(std::env::var("IRONWRIGHT_TEST_PATH").unwrap());
    let mut history = History::open(&path).unwrap();
    match task.as_str() {
        "write" => (0..200).for_each(|_| {
            let id = history.begin(&facts("codex"), OWNER).unwrap();
            history.finish(id, &facts("codex")).unwrap();
        }),
        "fill" => fill(&history),
        "fill-units" => fill_units(&mut history),
        _ => {
            history.begin(&facts("killed"), OWNER).unwrap();
            std::thread::sleep(std::time::Duration::from_secs(30));
        }
    }
}

/// Writes until the disk is full, then reads.
fn fill(history: &History) {
    let big = RunFacts { host: Some("x".repeat(4000)), ..facts("big") };
    let failed = (0..10_000).find_map(|_| history.begin(&big, OWNER).err()).unwrap();
    assert!(matches!(failed, HistoryError::Database { .. }), "{failed}");
    assert!(history.list(&Filter::default(), |_| false).unwrap().len() > 1);
    // A run that began before can still not be completed with more than there is room for.
    let huge = RunFacts { host: Some("x".repeat(1 << 20)), ..facts("kept") };
    assert!(history.finish(1, &huge).is_err());
}

/// A batch of units or events that the disk cannot take leaves what was there, and no part of it.
fn fill_units(history: &mut History) {
    let unit = UnitRecord {
        run: Some(1),
        key: "rustc:bat".into(),
        family: "rustc".into(),
        tool: "rustc".into(),
        label: "bat".into(),
        package: None,
        attempt: 1,
        outcome: UnitOutcome::Succeeded,
        exit: Some(0),
        started_unix_us: 1,
        waited_us: 0,
        wall_us: 1,
        paused_us: 0,
        user_us: 1,
        system_us: 1,
        delay_us: 0,
        peak: Bytes::mib(1),
        peak_process: Bytes::mib(1),
        reserved: Bytes::mib(1),
        curve: Vec::new(),
        input_bytes: 1,
        alone: false,
    };
    history.record_units(std::slice::from_ref(&unit)).unwrap();
    let batch = vec![UnitRecord { label: "x".repeat(4000), ..unit.clone() }; 1000];
    let failed = history.record_units(&batch).unwrap_err();
    assert!(matches!(failed, HistoryError::Database { .. }), "{failed}");
    let event = StoredEvent { at_us: 1, run: Some(1), json: "x".repeat(4000) };
    let failed = history.record_events(&vec![event; 1000]).unwrap_err();
    assert!(matches!(failed, HistoryError::Database { .. }), "{failed}");
    assert_eq!(history.units_by_key("rustc:bat", 9).unwrap(), [unit]);
    assert_eq!(history.events_of_run(1).unwrap(), []);
}

fn start(task: &str, path: &Path, prefix: &[&str]) -> Child {
    Command::new("env")
        .args(prefix)
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "helper", "--ignored", "--quiet"])
        .env("IRONWRIGHT_TEST_TASK", task)
        .env("IRONWRIGHT_TEST_PATH", path)
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap()
}

#[test]
fn two_processes_that_make_the_database_lose_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("new/history.db");
    let writers = [start("write", &path, &[]), start("write", &path, &[])];
    for mut writer in writers {
        assert!(writer.wait().unwrap().success());
    }
    let found = all(&path);
    assert_eq!(found.len(), 400);
    assert!(found.iter().all(|record| record.state == State::Finished));
}

#[test]
fn a_killed_writer_leaves_a_lost_run_and_a_sound_database() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("history.db");
    let mut writer = start("hang", &path, &[]);
    let began = std::time::Instant::now();
    while !path.exists() || all(&path).is_empty() {
        assert!(began.elapsed().as_secs() < 20, "no row");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    writer.kill().unwrap();
    writer.wait().unwrap();
    let history = History::open(&path).unwrap();
    assert!(history.set_aside.is_none());
    history.begin(&facts("codex"), OWNER).unwrap();
    let states: Vec<_> = all(&path).iter().map(|record| record.state).collect();
    assert_eq!(states, [State::Lost, State::Lost]);
}

/// The largest file that the process may write stands in for the end of the disk: 512 KiB.
#[test]
fn a_full_disk_is_an_error_and_what_was_stored_stays_readable() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("history.db");
    History::open(&path).unwrap().begin(&facts("kept"), OWNER).unwrap();
    let limited = ["sh", "-c", "trap '' XFSZ; ulimit -f 1024; exec \"$0\" \"$@\""];
    assert!(start("fill", &path, &limited).wait().unwrap().success());
    assert!(all(&path).iter().any(|record| record.facts.package.as_deref() == Some("kept")));
}

#[test]
fn units_that_find_the_disk_full_are_an_error_and_leave_the_others() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("history.db");
    let limited = ["sh", "-c", "trap '' XFSZ; ulimit -f 1024; exec \"$0\" \"$@\""];
    assert!(start("fill-units", &path, &limited).wait().unwrap().success());
    assert_eq!(History::open(&path).unwrap().units_of_run(1).unwrap().len(), 1);
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

/// Its first page is whole, so that it opens.
#[test]
fn damage_that_shows_only_in_use_sets_it_aside_too() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("history.db");
    let history = History::open(&path).unwrap();
    for _ in 0..50 {
        let id = history.begin(&facts("kept"), OWNER).unwrap();
        history.finish(id, &facts("kept")).unwrap();
    }
    drop(history);
    let mut bytes = std::fs::read(&path).unwrap();
    let rest = bytes.get_mut(4096..).unwrap();
    rest.fill(0xa5);
    std::fs::write(&path, &bytes).unwrap();
    let history = History::open(&path).unwrap();
    let error = history.list(&Filter::default(), |_| false).unwrap_err();
    assert!(matches!(error, HistoryError::SetAside { .. }), "{error}");
    // Others that had it open find the new one, and leave it.
    History::open(&path).unwrap().begin(&facts("new"), OWNER).unwrap();
    let error = history.list(&Filter::default(), |_| false).unwrap_err();
    assert!(matches!(error, HistoryError::Database { .. }), "{error}");
    assert_eq!(std::fs::read(directory.path().join("history.db.damaged-1")).unwrap(), bytes);
    assert_eq!(all(&path).len(), 1);
}

#[test]
fn of_two_that_find_the_damage_one_sets_it_aside() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("history.db");
    std::fs::write(&path, b"no database ".repeat(1000)).unwrap();
    for mut writer in [start("write", &path, &[]), start("write", &path, &[])] {
        assert!(writer.wait().unwrap().success());
    }
    assert_eq!(all(&path).len(), 400);
    assert!(!directory.path().join("history.db.damaged-2").exists());
}
