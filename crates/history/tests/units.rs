//! Units and events: what is written is found again, by several programs at once.
//!
//! Does not know what a unit's facts mean.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::cell::RefCell;
use std::path::PathBuf;

use ironwright_core::observe::unit::{UnitOutcome, UnitRecord};
use ironwright_core::observe::{Exit, Observed, RunFacts, StepFacts};
use ironwright_core::units::Bytes;
use ironwright_history::{History, HistoryError, Owner, RunId, StoredEvent, UnitFilter};
use proptest::option;
use proptest::prelude::*;
use rusqlite::Connection;

const OWNER: Owner = Owner { pid: 42, started: 7 };

struct Place {
    path: PathBuf,
    _directory: tempfile::TempDir,
}

fn place() -> Place {
    let directory = tempfile::tempdir().unwrap();
    Place { path: directory.path().join("history.db"), _directory: directory }
}

impl Place {
    fn open(&self) -> History {
        History::open(&self.path).unwrap()
    }

    fn raw(&self) -> Connection {
        Connection::open(&self.path).unwrap()
    }
}

fn unit(key: &str, run: Option<i64>) -> UnitRecord {
    UnitRecord {
        run,
        key: key.into(),
        family: "rustc:lib".into(),
        tool: "rustc".into(),
        label: key.into(),
        package: Some("bat".into()),
        attempt: 1,
        outcome: UnitOutcome::Succeeded,
        exit: Some(0),
        started_unix_us: 1_000_000,
        waited_us: 1,
        wall_us: 2,
        paused_us: 3,
        user_us: 4,
        system_us: 5,
        delay_us: 3,
        peak: Bytes::mib(6),
        peak_process: Bytes::mib(7),
        reserved: Bytes::mib(8),
        curve: vec![Bytes::mib(1), Bytes::mib(6)],
        input_bytes: 9,
        alone: true,
    }
}

fn labels(units: &[UnitRecord]) -> Vec<&str> {
    units.iter().map(|unit| unit.label.as_str()).collect()
}

/// Very many at once are stored another way, which leaves the indexes as they were, also when it fails.
#[test]
fn very_many_units_are_stored_whole_or_not_at_all() {
    let place = place();
    let mut history = place.open();
    let many: Vec<UnitRecord> =
        (0..6000).map(|n| unit(&format!("key {}", n % 7), Some(n / 1000))).collect();
    let text = |query: &str| -> Vec<String> {
        let db = place.raw();
        let mut query = db.prepare(query).unwrap();
        query.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    let indexes = || text("SELECT sql FROM sqlite_schema WHERE type = 'index' ORDER BY name");
    let before = indexes();
    let refuse = "CREATE TRIGGER full AFTER INSERT ON units WHEN new.id > 5500 \
                  BEGIN SELECT raise(ABORT, 'full'); END";
    place.raw().execute_batch(refuse).unwrap();
    history.record_units(&many).unwrap_err();
    assert_eq!(indexes(), before);
    place.raw().execute_batch("DROP TRIGGER full").unwrap();
    history.record_units(&many).unwrap();
    assert_eq!(indexes(), before);
    assert_eq!(text("PRAGMA integrity_check"), ["ok"]);
    assert_eq!(history.units_by_key("key 3", 5000).unwrap().len(), 857);
}

#[test]
fn units_are_found_by_key_family_and_run() {
    let place = place();
    let named = |label: &str, unit: UnitRecord| UnitRecord { label: label.into(), ..unit };
    place
        .open()
        .record_units(&[
            named("first", unit("a", Some(1))),
            named("second", unit("b", Some(2))),
            named("third", unit("a", None)),
            named("fourth", UnitRecord { family: "go".into(), ..unit("a", Some(1)) }),
        ])
        .unwrap();
    let history = place.open();
    assert_eq!(labels(&history.units_by_key("a", 9).unwrap()), ["fourth", "third", "first"]);
    assert_eq!(labels(&history.units_by_key("a", 2).unwrap()), ["fourth", "third"]);
    assert_eq!(
        labels(&history.units_by_family("rustc:lib", 9).unwrap()),
        ["third", "second", "first"]
    );
    assert_eq!(labels(&history.units_of_run(1).unwrap()), ["first", "fourth"]);
    assert_eq!(history.units_by_key("c", 9).unwrap(), []);
}

#[test]
fn a_unit_that_cannot_be_understood_is_left_out() {
    let place = place();
    let mut history = place.open();
    history.record_units(&vec![unit("a", Some(1)); 5]).unwrap();
    for change in [
        "outcome = 'exploded' WHERE id = 1",
        "attempt = -1 WHERE id = 2",
        "curve = x'010203' WHERE id = 3",
        "tool = CAST(x'ff' AS TEXT) WHERE id = 4",
    ] {
        place.raw().execute(&format!("UPDATE units SET {change}"), []).unwrap();
    }
    assert_eq!(history.units_by_key("a", 9).unwrap(), [unit("a", Some(1))]);
}

#[test]
fn two_that_write_at_once_lose_nothing_while_a_third_reads() {
    let place = place();
    place.open();
    let event = |n| StoredEvent { at_us: n, run: Some(1), json: "{}".into() };
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut history = place.open();
                for n in 0..50 {
                    history.record_units(&vec![unit("a", Some(1)); 20]).unwrap();
                    history.record_events(&[event(n), event(n)]).unwrap();
                }
            });
        }
        scope.spawn(|| {
            let history = History::open_existing(&place.path).unwrap().unwrap();
            for _ in 0..50 {
                // No reader ever sees a part of a batch.
                assert_eq!(history.units_of_run(1).unwrap().len() % 20, 0);
            }
        });
    });
    let history = place.open();
    assert_eq!(history.units_by_key("a", 9999).unwrap().len(), 2000);
    assert_eq!(history.events_of_run(1).unwrap().len(), 200);
}

/// Were a lock needed to open or to read, this would be an error after the time that writers wait.
#[test]
fn opening_and_reading_need_no_lock() {
    let place = place();
    place.open().record_units(&[unit("a", None)]).unwrap();
    let writer = place.raw();
    writer.execute_batch("BEGIN IMMEDIATE; DELETE FROM units").unwrap();
    let reader = History::open_existing(&place.path).unwrap().unwrap();
    assert_eq!(reader.units_by_key("a", 1).unwrap().len(), 1);
    assert_eq!(place.open().units_by_key("a", 1).unwrap().len(), 1);
    writer.execute_batch("COMMIT").unwrap();
    assert_eq!(reader.units_by_key("a", 1).unwrap(), []);
}

#[test]
fn looking_for_a_database_makes_none() {
    let place = place();
    assert!(History::open_existing(&place.path).unwrap().is_none());
    assert!(History::open_existing(&place.path.join("deeper/history.db")).unwrap().is_none());
    assert!(!place.path.exists());
    assert!(History::open_existing(place.path.parent().unwrap()).is_err());
}

#[test]
fn whoever_only_reads_leaves_a_damaged_or_newer_database_alone() {
    let place = place();
    let garbage = b"no database ".repeat(1000);
    std::fs::write(&place.path, &garbage).unwrap();
    let error = History::open_existing(&place.path).unwrap_err();
    assert!(matches!(error, HistoryError::Database { .. }), "{error}");
    assert_eq!(std::fs::read(&place.path).unwrap(), garbage);
    std::fs::remove_file(&place.path).unwrap();
    place.raw().pragma_update(None, "user_version", 1000).unwrap();
    let error = History::open_existing(&place.path).unwrap_err();
    assert!(matches!(error, HistoryError::Newer { found: 1000, .. }), "{error}");
}

/// A run that starts after `start_us` and takes `wall_us` microseconds.
fn facts(package: &str, start_us: i64, wall_us: u64, code: i32) -> RunFacts {
    let observed = Observed {
        exit: Exit::Code(code),
        interrupted_by: None,
        overran: None,
        wall_ns: wall_us * 1000,
        user_ns: 0,
        system_ns: 0,
        peak_tree: Bytes::ZERO,
        peak_process: Bytes::ZERO,
        peak_process_name: None,
        processes_seen: 1,
        left_running: 0,
        pressure: None,
        oom_kills: 0,
        samples: Vec::new(),
    };
    RunFacts {
        governed: None,
        batch: None,
        disk: None,
        ironwright: "0.1.0".into(),
        host: None,
        source: Some(format!("crate:{package}")),
        package: Some(package.into()),
        driver: None,
        threads: 2,
        budget: Bytes::gib(2),
        settings: serde_json::Map::new(),
        started_unix_ns: start_us * 1000,
        compiler_cache: None,
        steps: vec![StepFacts { argv: vec!["make".into()], cwd: "/".into(), observed }],
    }
}

fn finished(history: &History, facts: &RunFacts) -> RunId {
    let id = history.begin(facts, OWNER).unwrap();
    history.finish(id, facts).unwrap();
    id
}

fn event(at_us: i64, run: Option<RunId>) -> StoredEvent {
    StoredEvent { at_us, run, json: format!("{{\"at\":{at_us}}}") }
}

fn times(history: &History, run: RunId) -> Vec<i64> {
    history.events_of_run(run).unwrap().iter().map(|event| event.at_us).collect()
}

#[test]
fn a_run_has_its_own_events_and_those_of_all_runs_in_its_time() {
    let place = place();
    let mut history = place.open();
    let run = finished(&history, &facts("bat", 100, 50, 0));
    let own = Some(run);
    let before = [event(99, None), event(100, None), event(150, None), event(151, None)];
    history.record_events(&before).unwrap();
    assert_eq!(times(&history, run), [100, 150]);
    // An own event tells that the run went on; one of another run does not.
    history.record_events(&[event(120, own), event(160, own), event(170, Some(77))]).unwrap();
    assert_eq!(times(&history, run), [100, 120, 150, 151, 160]);
    assert_eq!(history.events_of_run(run).unwrap()[1], event(120, own));
    assert_eq!(times(&history, 77), [170]);
}

#[test]
fn of_a_run_that_is_not_finished_the_last_own_event_is_the_end() {
    let place = place();
    let mut history = place.open();
    let run = history.begin(&facts("bat", 100, 0, 0), OWNER).unwrap();
    history.record_events(&[event(101, None), event(120, None)]).unwrap();
    assert!(times(&history, run).is_empty());
    history.record_events(&[event(110, Some(run))]).unwrap();
    assert_eq!(times(&history, run), [101, 110]);
}

#[test]
fn old_events_are_forgotten() {
    let place = place();
    let mut history = place.open();
    history.record_events(&[event(1, Some(1)), event(2, Some(1)), event(3, Some(1))]).unwrap();
    assert_eq!(history.prune_events(3).unwrap(), 2);
    assert_eq!(times(&history, 1), [3]);
    assert_eq!(history.prune_events(3).unwrap(), 0);
}

#[test]
fn the_previous_run_is_the_newest_good_one_of_the_same() {
    let place = place();
    let history = place.open();
    let good = |package| finished(&history, &facts(package, 1, 1, 0));
    let first = good("bat");
    let second = good("bat");
    finished(&history, &facts("bat", 1, 1, 101));
    history.begin(&facts("bat", 1, 1, 0), OWNER).unwrap();
    good("fd");
    let this = history.begin(&facts("bat", 1, 1, 0), OWNER).unwrap();
    good("bat");
    let previous =
        |what, before| history.previous_run(what, before).unwrap().map(|record| record.id);
    assert_eq!(previous("bat", this), Some(second));
    assert_eq!(previous("crate:bat", this), Some(second));
    assert_eq!(previous("bat", second), Some(first));
    assert_eq!(previous("bat", first), None);
    assert_eq!(previous("codex", this), None);
    place.raw().execute("UPDATE runs SET facts = 'no JSON' WHERE id = ?1", [second]).unwrap();
    assert_eq!(previous("bat", this), Some(first));
}

fn any_outcome() -> impl Strategy<Value = UnitOutcome> {
    (0..UnitOutcome::ALL.len()).prop_map(|index| UnitOutcome::ALL[index])
}

fn any_bytes() -> impl Strategy<Value = Bytes> {
    any::<u64>().prop_map(Bytes)
}

fn any_unit() -> impl Strategy<Value = UnitRecord> {
    let names = (any::<String>(), any::<String>(), any::<String>(), any::<String>());
    let end = (any_outcome(), option::of(any::<i32>()), any::<u32>(), any::<bool>());
    let place = (option::of(any::<i64>()), option::of(any::<String>()), any::<i64>());
    let times = any::<[u64; 6]>();
    let memory = (any_bytes(), any_bytes(), any_bytes());
    let curve = proptest::collection::vec(any_bytes(), 0..40);
    (names, end, place, times, memory, curve).prop_map(
        |((key, family, tool, label), end, place, times, memory, curve)| {
            let (outcome, exit, attempt, alone) = end;
            let (run, package, started_unix_us) = place;
            let [waited_us, wall_us, paused_us, user_us, system_us, input_bytes] = times;
            let (peak, peak_process, reserved) = memory;
            UnitRecord {
                run,
                key,
                family,
                tool,
                label,
                package,
                attempt,
                outcome,
                exit,
                started_unix_us,
                waited_us,
                wall_us,
                paused_us,
                user_us,
                system_us,
                delay_us: wall_us,
                peak,
                peak_process,
                reserved,
                curve,
                input_bytes,
                alone,
            }
        },
    )
}

#[test]
fn any_unit_is_read_as_it_was_written() {
    let place = place();
    let history = RefCell::new(place.open());
    proptest!(|(unit in any_unit())| {
        history.borrow_mut().record_units(std::slice::from_ref(&unit)).unwrap();
        let newest = UnitFilter { limit: 1, ..UnitFilter::default() };
        prop_assert_eq!(&history.borrow().find_units(&newest).unwrap()[0], &unit);
        let (by_key, by_family) = if unit.outcome == UnitOutcome::Timed {
            let by_key = history.borrow().logged_units(&unit.key, &unit.family, 1);
            (by_key, history.borrow().logged_units("no such key", &unit.family, 1))
        } else {
            let by_key = history.borrow().units_by_key(&unit.key, 1);
            (by_key, history.borrow().units_by_family(&unit.family, 1))
        };
        prop_assert_eq!(&by_key.unwrap()[0], &unit);
        prop_assert_eq!(&by_family.unwrap()[0], &unit);
        let json = serde_json::to_string(&unit).unwrap();
        prop_assert_eq!(serde_json::from_str::<UnitRecord>(&json).unwrap(), unit);
    });
}
