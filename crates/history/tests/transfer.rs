//! Export and import, retention, and what is looked for.
//!
//! Does not know what a run's facts mean.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::PathBuf;

use ironwright_core::observe::generation::generation;
use ironwright_core::observe::unit::{UnitOutcome, UnitRecord};
use ironwright_core::observe::{Exit, Observed, RunFacts, StepFacts};
use ironwright_core::retention::{Policy, plan};
use ironwright_core::units::Bytes;
use ironwright_history::{
    Counts, Filter, History, Imported, Order, Owner, State, StoredEvent, TransferError, UnitFilter,
};

const OWNER: Owner = Owner { pid: 42, started: 7 };
const DAY_NS: i64 = 86_400_000_000_000;

struct Place {
    path: PathBuf,
    _directory: tempfile::TempDir,
}

fn place() -> (Place, History) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("history.db");
    let history = History::open(&path).unwrap();
    (Place { path, _directory: directory }, history)
}

fn facts(package: &str, host: &str, day: i64, exit: i32) -> RunFacts {
    let observed = Observed {
        exit: Exit::Code(exit),
        interrupted_by: None,
        overran: None,
        wall_ns: 5,
        user_ns: 6,
        system_ns: 7,
        peak_tree: Bytes::mib(8),
        peak_process: Bytes::mib(7),
        peak_process_name: None,
        processes_seen: 1,
        left_running: 0,
        pressure: None,
        oom_kills: 0,
        samples: Vec::new(),
    };
    RunFacts {
        compiler_cache: None,
        ironwright: "0.1.0".into(),
        host: Some(host.into()),
        source: Some(format!("crate:{package}")),
        package: Some(package.into()),
        driver: None,
        threads: 2,
        budget: Bytes::gib(1),
        settings: serde_json::from_str(&format!(r#"{{"JOBS": "{host}"}}"#)).unwrap(),
        started_unix_ns: day * DAY_NS,
        governed: None,
        batch: None,
        disk: None,
        steps: vec![StepFacts { argv: vec!["make".into()], cwd: "/".into(), observed }],
    }
}

fn unit(key: &str, run: Option<i64>, mib: u64, wall_us: u64) -> UnitRecord {
    UnitRecord {
        run,
        key: key.into(),
        family: "f".into(),
        tool: "rustc".into(),
        label: key.into(),
        package: None,
        attempt: 1,
        outcome: UnitOutcome::Succeeded,
        exit: Some(0),
        started_unix_us: 1_000_000,
        waited_us: 0,
        wall_us,
        paused_us: 0,
        user_us: 0,
        system_us: 0,
        delay_us: 0,
        peak: Bytes::mib(mib),
        peak_process: Bytes::mib(mib),
        reserved: Bytes::mib(mib),
        curve: vec![Bytes::mib(mib)],
        input_bytes: u64::MAX,
        alone: false,
    }
}

fn event(at_us: i64, run: Option<i64>, json: &str) -> StoredEvent {
    StoredEvent { at_us, run, json: json.into() }
}

fn finished(history: &History, facts: &RunFacts) -> i64 {
    let id = history.begin(facts, OWNER).unwrap();
    history.finish(id, facts).unwrap();
    id
}

/// Two runs with a unit and an event each, and one of each that belong to none.
fn filled() -> (Place, History) {
    let (place, mut history) = place();
    let a = finished(&history, &facts("a", "one", 1, 0));
    let b = finished(&history, &facts("b", "two", 2, 3));
    let units = [unit("ka", Some(a), 10, 5), unit("kb", Some(b), 20, 4), unit("kc", None, 5, 6)];
    history.record_units(&units).unwrap();
    let began = |run: i64| format!(r#"{{"at_us":1,"event":"run-began","recorded":{run}}}"#);
    history
        .record_events(&[
            event(5, Some(a), &began(a)),
            event(6, Some(b), "{}"),
            event(7, None, &began(b)),
        ])
        .unwrap();
    (place, history)
}

fn exported(history: &History) -> String {
    let mut out = Vec::new();
    history.export(None, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn labels(units: &[UnitRecord]) -> Vec<&str> {
    units.iter().map(|unit| unit.label.as_str()).collect()
}

#[test]
fn relations_are_kept_and_nothing_is_taken_twice() {
    let (_from, history) = filled();
    let text = exported(&history);
    let (_to, mut other) = place();
    finished(&other, &facts("z", "three", 9, 0));
    let all = Counts { runs: 2, units: 3, events: 3, benches: 0, variants: 0 };
    assert_eq!(
        other.import(text.as_bytes()).unwrap(),
        Imported { read: all, added: all, completed: 0 }
    );
    let again = Imported { read: all, ..Imported::default() };
    assert_eq!(other.import(text.as_bytes()).unwrap(), again);
    let runs = other.list(&Filter::default(), |_| false).unwrap();
    let ids: Vec<_> = runs.iter().map(|run| (run.id, run.facts.package.as_deref())).collect();
    assert_eq!(ids, [(3, Some("b")), (2, Some("a")), (1, Some("z"))]);
    assert_eq!(runs[0].facts, facts("b", "two", 2, 3));
    assert_eq!(other.units_of_run(2).unwrap(), [unit("ka", Some(2), 10, 5)]);
    assert_eq!(labels(&other.units_of_run(3).unwrap()), ["kb"]);
    let events = other.events_of_run(2).unwrap();
    assert!(events[0].json.contains(r#""recorded":2}"#), "{events:?}");
    assert_eq!(other.previous_run("a", 9).unwrap().unwrap().id, 2);
    // Into the history that it came from nothing is added either.
    let (_from, mut history) = filled();
    assert_eq!(history.import(text.as_bytes()).unwrap(), again);
}

#[test]
fn one_run_is_exported_with_what_belongs_to_it() {
    let (_place, history) = filled();
    let mut out = Vec::new();
    let counts = history.export(Some(2), &mut out).unwrap();
    assert_eq!(counts, Counts { runs: 1, units: 1, events: 1, benches: 0, variants: 0 });
    let (_to, mut other) = place();
    assert_eq!(other.import(&out[..]).unwrap().added, counts);
    assert_eq!(labels(&other.units_of_run(1).unwrap()), ["kb"]);
}

#[test]
fn a_run_that_was_not_finished_is_completed() {
    let (_from, history) = filled();
    let (_to, mut other) = place();
    other.begin(&facts("a", "one", 1, 0), OWNER).unwrap();
    let imported = other.import(exported(&history).as_bytes()).unwrap();
    assert_eq!((imported.added.runs, imported.completed), (1, 1));
    assert_eq!(other.get(1, |_| true).unwrap().unwrap().state, State::Finished);
}

#[test]
fn a_damaged_file_is_told_with_its_line_and_changes_nothing() {
    let (_from, history) = filled();
    let text = exported(&history);
    let lines: Vec<&str> = text.lines().collect();
    let with = |at: usize, line: &str| {
        let mut lines = lines.clone();
        lines[at] = line;
        lines.join("\n")
    };
    let (_to, mut other) = place();
    for (damaged, at) in [
        (with(0, "{}"), 1),
        (with(0, r#"{"header":{"format":"ironwright-history","version":999}}"#), 1),
        (with(1, r#"{"run":{"id":1}}"#), 2),
        (with(2, lines[1]), 3),
        (with(4, &lines[4][..40]), 5),
        (with(4, r#"{"event":{"at_us":1,"run":77,"json":"{}"}}"#), 5),
        (with(4, ""), lines.len()),
        (lines[..lines.len() - 1].join("\n"), lines.len()),
        (String::new(), 1),
        (format!("{text}{}", lines[4]), lines.len() + 1),
    ] {
        match other.import(damaged.as_bytes()) {
            Err(TransferError::Line { line, .. }) => assert_eq!(line, at, "{damaged}"),
            done => panic!("{done:?}: {damaged}"),
        }
    }
    assert!(matches!(other.import(&b"\xff\xfe"[..]), Err(TransferError::Line { line: 1, .. })));
    assert_eq!(other.list(&Filter::default(), |_| false).unwrap(), []);
    assert_eq!(exported(&other).lines().count(), 2);
}

#[test]
fn runs_are_found_by_host_generation_time_and_failure() {
    let (_place, history) = filled();
    history.begin(&facts("c", "one", 3, 0), OWNER).unwrap();
    let found = |filter: &Filter, alive: bool| -> Vec<i64> {
        history.list(filter, |_| alive).unwrap().iter().map(|run| run.id).collect()
    };
    let all = Filter::default;
    assert_eq!(found(&Filter { host: Some("one".into()), ..all() }, true), [3, 1]);
    let of = generation(&facts("b", "two", 2, 3));
    assert_eq!(found(&Filter { generation: Some(of), ..all() }, true), [2]);
    assert_eq!(found(&Filter { since_unix_ns: Some(2 * DAY_NS), ..all() }, true), [3, 2]);
    assert_eq!(found(&Filter { failed: true, ..all() }, true), [2]);
    assert_eq!(found(&Filter { failed: true, ..all() }, false), [3, 2]);
    assert_eq!(found(&Filter { failed: true, limit: Some(1), ..all() }, true), [2]);
}

#[test]
fn runs_of_an_older_program_have_a_generation_too() {
    let (place, history) = filled();
    drop(history);
    let raw = rusqlite::Connection::open(&place.path).unwrap();
    raw.execute("UPDATE runs SET generation = NULL", []).unwrap();
    let history = History::open(&place.path).unwrap();
    let of = Some(generation(&facts("b", "two", 2, 3)));
    let filter = Filter { generation: of, ..Filter::default() };
    assert_eq!(history.list(&filter, |_| true).unwrap().len(), 1);
}

#[test]
fn units_are_found_in_order() {
    let (_place, mut history) = filled();
    history
        .record_logged(&[UnitRecord {
            outcome: UnitOutcome::Timed,
            peak: Bytes(0),
            ..unit("ka", None, 0, 9)
        }])
        .unwrap();
    let of = |filter: UnitFilter| -> Vec<u64> {
        let filter = UnitFilter { limit: 3, ..filter };
        history.find_units(&filter).unwrap().iter().map(|unit| unit.wall_us).collect()
    };
    let largest = UnitFilter { order: Order::Largest, ..UnitFilter::default() };
    let slowest = UnitFilter { order: Order::Slowest, ..UnitFilter::default() };
    assert_eq!(of(largest.clone()), [4, 5, 6]);
    assert_eq!(of(slowest.clone()), [9, 6, 5]);
    assert_eq!(of(UnitFilter { run: Some(2), ..slowest.clone() }), [4]);
    assert_eq!(of(UnitFilter { package: Some("a".into()), ..slowest }), [5]);
    assert_eq!(of(UnitFilter { key: Some("ka".into()), ..largest.clone() }), [5, 9]);
    assert_eq!(of(UnitFilter { key: Some("ka".into()), run: Some(1), ..largest }), [5]);
}

#[test]
fn what_a_log_tells_is_kept_apart_and_taken_once() {
    let (_place, mut history) = place();
    let logged =
        |wall_us| UnitRecord { outcome: UnitOutcome::Timed, ..unit("k", None, 0, wall_us) };
    history.record_units(&[unit("k", None, 10, 1)]).unwrap();
    let many: Vec<_> = (1..40).map(logged).collect();
    assert_eq!(history.record_logged(&many).unwrap(), 39);
    assert_eq!(history.record_logged(&many).unwrap(), 0);
    assert_eq!(history.record_logged(&[logged(1), logged(77)]).unwrap(), 1);
    // Whatever a log holds, what was measured is found.
    assert_eq!(history.units_by_key("k", 12).unwrap().len(), 1);
    assert_eq!(history.units_by_family("f", 12).unwrap().len(), 1);
    assert_eq!(history.logged_units("k", "f", 12).unwrap().len(), 12);
    assert_eq!(history.logged_units("other", "f", 12).unwrap().len(), 12);
    assert_eq!(history.logged_units("other", "other", 12).unwrap(), []);
}

#[test]
fn a_plan_is_carried_out() {
    let (_place, mut history) = place();
    let old = finished(&history, &facts("a", "one", 1, 0));
    let new = finished(&history, &facts("a", "one", 900, 0));
    let units =
        [unit("k", Some(old), 1, 1), unit("k", Some(old), 1, 2), unit("j", Some(new), 1, 3)];
    history.record_units(&units).unwrap();
    history
        .record_events(&[
            event(5, Some(old), "{}"),
            event(6, Some(new), "{}"),
            event(7, None, "{}"),
        ])
        .unwrap();
    let stored = history.stored(|_| true).unwrap();
    assert_eq!((stored.runs.len(), stored.units.len(), stored.loose_events.len()), (2, 3, 1));
    let policy = Policy { keep_days: 100, keep_runs: 1, units_per_key: 1, max_size: None };
    let now_us = 901 * DAY_NS / 1000;
    let going = plan(&stored, &policy, now_us);
    history.prune(&going).unwrap();
    history.compact().unwrap();
    assert!(history.get(old, |_| true).unwrap().is_none());
    assert_eq!(labels(&history.units_of_run(new).unwrap()), ["j"]);
    let learned = history.units_by_key("k", 9).unwrap();
    assert_eq!((learned.len(), learned[0].wall_us, learned[0].run), (1, 2, None));
    assert_eq!(history.events_of_run(new).unwrap().len(), 1);
    assert_eq!(history.events_of_run(old).unwrap().len(), 0);
    assert!(plan(&history.stored(|_| true).unwrap(), &policy, now_us).is_empty());
}

#[test]
fn sizes_add_up_to_the_file() {
    let (place, mut history) = place();
    let units: Vec<_> = (0..2000).map(|n| unit(&format!("key-{n}"), None, n, n)).collect();
    history.record_units(&units).unwrap();
    let stored = history.stored(|_| true).unwrap();
    let sum: u64 = stored.units.iter().map(|unit| unit.size.0).sum();
    history.compact().unwrap();
    let file = std::fs::metadata(&place.path).unwrap().len();
    assert!(sum.abs_diff(file) < file / 4, "{sum} of {file}");
}
