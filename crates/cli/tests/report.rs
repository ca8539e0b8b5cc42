//! `ironwright report` through the binary, on a history that a test wrote.
//!
//! Does not know what a report says in detail, nor how it looks.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::process::{Command, Stdio};

use common::{ironwright, json, text};
use ironwright_core::observe::unit::{UnitOutcome, UnitRecord};
use ironwright_core::observe::{Exit, Observed, RunFacts, StepFacts};
use ironwright_core::units::Bytes;
use ironwright_core::view::{Asked, Happening, Note};
use ironwright_history::{History, Owner, StoredEvent};
use serde_json::Value;
use tempfile::TempDir;

const ZERO_US: i64 = 1_700_000_000_000_000;

fn facts(run: i64, seconds: u64) -> RunFacts {
    let observed = Observed {
        exit: Exit::Code(0),
        interrupted_by: None,
        overran: None,
        wall_ns: seconds * 1_000_000_000,
        user_ns: seconds * 1_500_000_000,
        system_ns: 0,
        peak_tree: Bytes::mib(500),
        peak_process: Bytes::mib(400),
        peak_process_name: Some("rustc".to_owned()),
        processes_seen: 9,
        left_running: 0,
        pressure: None,
        oom_kills: 0,
        samples: Vec::new(),
    };
    let argv = vec!["cargo".to_owned(), "build".to_owned()];
    RunFacts {
        ironwright: "0.1.0".to_owned(),
        host: None,
        source: (run < 4).then(|| "crate:bat@0.24.0".to_owned()),
        package: (run < 4).then(|| "bat".to_owned()),
        driver: None,
        threads: 2,
        budget: Bytes::gib(4),
        settings: serde_json::Map::new(),
        started_unix_ns: (ZERO_US + run * 1_000_000_000) * 1000,
        compiler_cache: None,
        governed: None,
        batch: None,
        disk: None,
        steps: vec![StepFacts { argv, cwd: "/".to_owned(), observed }],
    }
}

fn unit() -> UnitRecord {
    UnitRecord {
        run: Some(3),
        key: "key".to_owned(),
        family: "family".to_owned(),
        tool: "rustc".to_owned(),
        label: "syntect".to_owned(),
        package: None,
        attempt: 1,
        outcome: UnitOutcome::Succeeded,
        exit: Some(0),
        started_unix_us: ZERO_US + 3_001_000_000,
        waited_us: 250_000,
        wall_us: 5_000_000,
        paused_us: 0,
        user_us: 4_000_000,
        system_us: 0,
        delay_us: 0,
        peak: Bytes::mib(300),
        peak_process: Bytes::mib(300),
        reserved: Bytes::mib(320),
        curve: Vec::new(),
        input_bytes: 0,
        alone: false,
    }
}

fn events() -> Vec<StoredEvent> {
    let event = |ms: i64, json: String| StoredEvent {
        at_us: ZERO_US + 3_000_000_000 + ms * 1000,
        run: Some(3),
        json,
    };
    let note = |ms: i64, what: Happening| {
        let note = Note { at_us: ZERO_US + 3_000_000_000 + ms * 1000, what };
        event(ms, serde_json::to_string(&note).unwrap())
    };
    let began = Happening::RunBegan {
        run: 1,
        recorded: Some(3),
        pid: 5,
        label: "cargo".to_owned(),
        source: None,
    };
    let asked = Asked {
        unit: 1,
        run: Some(1),
        label: "syntect".to_owned(),
        tool: "rustc".to_owned(),
        package: None,
        memory: Bytes::mib(320),
        seconds: Some(4.0),
        threads: 1.0,
        basis: "measured once".to_owned(),
    };
    vec![
        note(0, began),
        note(750, Happening::Asked(asked)),
        note(1000, Happening::Started { unit: 1, pid: 9 }),
        event(1500, "{\"event\":\"of the future\"}".to_owned()),
    ]
}

/// Three builds of a package, and a command once; the third build has a unit and events.
fn home() -> TempDir {
    let home = tempfile::tempdir().unwrap();
    let mut history =
        History::open(&home.path().join(".local/state/ironwright/history.db")).unwrap();
    for (run, seconds) in [(1, 10), (2, 11), (3, 10), (4, 10)] {
        let owner = Owner { pid: 1, started: 1 };
        assert_eq!(history.begin(&facts(run, seconds), owner).unwrap(), run);
        history.finish(run, &facts(run, seconds)).unwrap();
    }
    history.record_units(&[unit()]).unwrap();
    history.record_events(&events()).unwrap();
    home
}

#[test]
fn a_run_is_reported_and_unreadable_events_are_told() {
    let home = home();
    let output = ironwright(home.path(), &["report", "3"]);
    let shown = text(&output);
    assert!(output.status.success(), "{shown}");
    for part in [
        "run 3: crate:bat@0.24.0 (done)",
        "Against what was predicted (measured 2 times)",
        "1 of 1 units peaked inside",
        "syntect",
        "cache      unknown",
        "1 event cannot be read",
    ] {
        assert!(shown.contains(part), "{part} in\n{shown}");
    }
    assert!(!shown.contains('\u{1b}'));
}

#[test]
fn the_newest_run_is_reported_unless_one_is_named() {
    let home = home();
    let newest = json(&ironwright(home.path(), &["report", "--json"]));
    assert_eq!((&newest["run"], &newest["what"]), (&4.into(), &"cargo build".into()));
    assert_eq!(newest["ranges"], Value::Null);
    let third = json(&ironwright(home.path(), &["report", "3", "--json"]));
    assert_eq!(third["ranges"]["runs"], serde_json::json!([2, 1]));
    assert_eq!(third["ranges"]["wall"]["inside"], true);
    assert_eq!(third["units"][0]["peak"], Bytes::mib(300).0);
    assert_eq!(third["units"][0]["expected_seconds"], 4.0);
}

#[test]
fn json_is_as_the_schema_says() {
    let home = home();
    let schema = json(&ironwright(home.path(), &["schema", "report"]));
    for run in ["3", "4"] {
        let report = json(&ironwright(home.path(), &["report", run, "--json"]));
        assert!(jsonschema::is_valid(&schema, &report), "{report}");
    }
    assert!(!jsonschema::is_valid(&schema, &serde_json::json!({"run": 3})));
}

#[test]
fn files_are_written_whole_and_standard_output_stays_empty() {
    let home = home();
    let output = ironwright(
        home.path(),
        &["report", "3", "--html", "out/page.html", "--trace", "trace.json"],
    );
    assert!(output.status.success(), "{}", text(&output));
    assert!(output.stdout.is_empty());
    assert!(text(&output).contains("wrote out/page.html"));
    let page = std::fs::read_to_string(home.path().join("out/page.html")).unwrap();
    assert!(page.starts_with("<!doctype html>") && page.ends_with("</html>\n"));
    assert!(page.contains("syntect"));
    let trace = std::fs::read(home.path().join("trace.json")).unwrap();
    let trace: Value = serde_json::from_slice(&trace).unwrap();
    assert!(trace["traceEvents"].as_array().unwrap().iter().any(|e| e["name"] == "syntect"));
    let shown = ironwright(home.path(), &["report", "3", "--trace", "-"]).stdout;
    assert_eq!(serde_json::from_slice::<Value>(&shown).unwrap(), trace);
    assert_eq!(std::fs::read_dir(home.path().join("out")).unwrap().count(), 1);
}

#[test]
fn what_cannot_be_reported_or_written_is_told() {
    let home = home();
    let unknown = ironwright(home.path(), &["report", "77"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(text(&unknown).contains("there is no run 77"), "{}", text(&unknown));
    let nowhere = ironwright(home.path(), &["report", "--html", "/proc/none/page.html"]);
    assert_eq!(nowhere.status.code(), Some(4));
    assert!(text(&nowhere).contains("cannot write /proc/none/page.html"), "{}", text(&nowhere));
    let empty = tempfile::tempdir().unwrap();
    let none = ironwright(empty.path(), &["report"]);
    assert_eq!(none.status.code(), Some(2));
    assert!(text(&none).contains("there is no run yet"), "{}", text(&none));
    assert!(!empty.path().join(".local").exists());
}

#[test]
fn a_closed_pipe_is_an_ordinary_end() {
    let home = home();
    let mut child = Command::new(env!("CARGO_BIN_EXE_ironwright"))
        .args(["report", "3"])
        .env("HOME", home.path())
        .env_remove("XDG_STATE_HOME")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert!(common::host("shoshin").ends_with("shoshin"));
}
