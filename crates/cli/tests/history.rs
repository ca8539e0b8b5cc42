//! `ironwright history` and what is asked of it, through the binary.
//!
//! Does not know how runs are stored.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[expect(dead_code, reason = "recorded machines have no history")]
mod common;

use std::path::Path;

use common::{ironwright, json, text};
use ironwright_core::observe::unit::{UnitOutcome, UnitRecord};
use ironwright_core::observe::{Exit, Observed, RunFacts, StepFacts};
use ironwright_core::units::Bytes;
use ironwright_history::{History, Owner, StoredEvent};
use serde_json::Value;

const OWNER: Owner = Owner { pid: -1, started: 7 };

fn facts(package: &str, exit: i32, seconds: u64) -> RunFacts {
    let observed = Observed {
        exit: Exit::Code(exit),
        interrupted_by: None,
        overran: None,
        wall_ns: seconds * 1_000_000_000,
        user_ns: seconds * 1_900_000_000,
        system_ns: 0,
        peak_tree: Bytes::mib(100 * seconds),
        peak_process: Bytes::mib(50 * seconds),
        peak_process_name: Some("rustc".into()),
        processes_seen: 1,
        left_running: 0,
        pressure: None,
        oom_kills: 0,
        samples: Vec::new(),
    };
    let jobs = seconds.to_string();
    RunFacts {
        compiler_cache: None,
        ironwright: "0.1.0".into(),
        host: Some("shoshin".into()),
        source: Some(format!("crate:{package}")),
        package: Some(package.into()),
        driver: Some("cargo".into()),
        threads: 2,
        budget: Bytes::gib(4),
        settings: [("JOBS".to_owned(), jobs.into())].into_iter().collect(),
        started_unix_ns: 1_700_000_000_000_000_000 + i64::try_from(seconds).unwrap(),
        governed: None,
        batch: None,
        disk: None,
        steps: vec![StepFacts {
            argv: vec!["cargo".into(), "build".into()],
            cwd: "/".into(),
            observed,
        }],
    }
}

fn unit(label: &str, run: i64, mib: u64, seconds: u64) -> UnitRecord {
    UnitRecord {
        run: Some(run),
        key: format!("rustc lib {label}-1.0 0"),
        family: "f".into(),
        tool: "rustc".into(),
        label: label.into(),
        package: None,
        attempt: 1,
        outcome: UnitOutcome::Succeeded,
        exit: Some(0),
        started_unix_us: 1_700_000_000_000_000,
        waited_us: 0,
        wall_us: seconds * 1_000_000,
        paused_us: 0,
        user_us: seconds * 900_000,
        system_us: 0,
        delay_us: 0,
        peak: Bytes::mib(mib),
        peak_process: Bytes::mib(mib),
        reserved: Bytes::mib(mib),
        curve: Vec::new(),
        input_bytes: 1,
        alone: false,
    }
}

fn path(home: &Path) -> std::path::PathBuf {
    home.join(".local/state/ironwright/history.db")
}

/// Two runs with units, one that failed, one that was lost.
fn home() -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    let mut history = History::open(&path(home.path())).unwrap();
    for facts in [facts("bat", 0, 10), facts("bat", 0, 20), facts("fd", 3, 5)] {
        let id = history.begin(&facts, OWNER).unwrap();
        history.finish(id, &facts).unwrap();
    }
    history.begin(&facts("lost", 0, 1), OWNER).unwrap();
    let again = UnitRecord { attempt: 2, ..unit("syn", 1, 700, 4) };
    let killed = UnitRecord { outcome: UnitOutcome::Evicted, ..unit("syn", 1, 300, 1) };
    history
        .record_units(&[
            killed,
            again,
            unit("quote", 1, 90, 2),
            unit("syn", 2, 800, 9),
            unit("bat", 2, 50, 1),
        ])
        .unwrap();
    history.record_events(&[StoredEvent { at_us: 5, run: Some(1), json: "{}".into() }]).unwrap();
    home
}

fn asked(home: &Path, arguments: &[&str]) -> String {
    let output = ironwright(home, &[&["history"], arguments].concat());
    assert!(output.status.success(), "{}", text(&output));
    text(&output)
}

/// The numbers of listed runs.
fn listed(home: &Path, arguments: &[&str]) -> Vec<i64> {
    let all = json(&ironwright(home, &[&["history", "--json"], arguments].concat()));
    all.as_array().unwrap().iter().map(|run| run["id"].as_i64().unwrap()).collect()
}

#[test]
fn runs_are_listed_as_wanted() {
    let home = home();
    assert_eq!(listed(home.path(), &[]), [4, 3, 2, 1]);
    assert_eq!(listed(home.path(), &["--package", "bat", "--limit", "1"]), [2]);
    assert_eq!(listed(home.path(), &["--failed"]), [4, 3]);
    assert_eq!(listed(home.path(), &["--host", "elsewhere"]), [0; 0]);
    assert_eq!(listed(home.path(), &["--host", "shoshin", "--since", "2023-11-01"]), [4, 3, 2, 1]);
    assert_eq!(listed(home.path(), &["--since", "1d"]), [0; 0]);
    let one = json(&ironwright(home.path(), &["history", "show", "2", "--json"]));
    let generation = one["generation"].as_str().unwrap();
    assert_eq!(listed(home.path(), &["--generation", generation]), [2]);
    assert!(asked(home.path(), &["--package", "no"]).contains("no such runs"));
    let wrong = ironwright(home.path(), &["history", "--since", "yesterday"]);
    assert_eq!(wrong.status.code(), Some(2));
}

#[test]
fn a_run_is_shown_with_what_its_units_came_to() {
    let home = home();
    let shown = asked(home.path(), &["show", "1", "--settings"]);
    for part in [
        "crate:bat: done in 10.0 s",
        "held back",
        "generation ",
        "cargo build",
        "syn",
        "700 MiB",
        "1 attempt run again",
        "JOBS",
    ] {
        assert!(shown.contains(part), "{part} is missing in:\n{shown}");
    }
    let shown = json(&ironwright(home.path(), &["history", "show", "1", "--json"]));
    assert_eq!((&shown["units"]["attempts"], &shown["units"]["units"]), (&3.into(), &2.into()));
    assert_eq!(shown["units"]["largest"][0]["label"], "syn");
    assert!(asked(home.path(), &["show", "4"]).contains("lost"));
    let unknown = ironwright(home.path(), &["history", "show", "99"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(text(&unknown).contains("there is no run 99"));
}

#[test]
fn two_runs_are_compared() {
    let home = home();
    let told = asked(home.path(), &["compare", "1", "2", "--limit", "2"]);
    for part in ["+100 %", "JOBS", "10", "20", "syn", "and 1 more unit"] {
        assert!(told.contains(part), "{part} is missing in:\n{told}");
    }
    let told = json(&ironwright(home.path(), &["history", "compare", "1", "2", "--json"]));
    let order: Vec<_> = told["units"].as_array().unwrap().iter().map(|it| &it["label"]).collect();
    assert_eq!(order, ["syn", "quote", "bat"]);
    assert_eq!(told["settings"][0]["name"], "JOBS");
    assert_eq!(
        (&told["a"]["what"], &told["units"][0]["same_key"]),
        (&"crate:bat".into(), &true.into())
    );
}

#[test]
fn units_are_listed_in_order() {
    let home = home();
    let labels = |arguments: &[&str]| -> Vec<Value> {
        let all =
            json(&ironwright(home.path(), &[&["history", "units", "--json"], arguments].concat()));
        all.as_array().unwrap().iter().map(|unit| unit["label"].clone()).collect()
    };
    assert_eq!(labels(&["--largest", "--limit", "2"]), ["syn", "syn"]);
    assert_eq!(labels(&["--slowest", "--run", "1"]), ["syn", "quote", "syn"]);
    assert_eq!(labels(&["--key", "rustc lib quote-1.0 0"]), ["quote"]);
    assert_eq!(labels(&["--package", "fd"]), [""; 0]);
    assert!(asked(home.path(), &["units", "--largest"]).contains("800 MiB"));
    let unknown = ironwright(home.path(), &["history", "units", "--run", "99"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(text(&unknown).contains("there is no run 99"), "{}", text(&unknown));
}

#[test]
fn a_history_moves_to_another_place_once() {
    let (from, to) = (home(), tempfile::tempdir().unwrap());
    asked(from.path(), &["export", "all.jsonl"]);
    let file = from.path().join("all.jsonl");
    let file = file.to_str().unwrap();
    let first = asked(to.path(), &["import", file]);
    assert!(first.contains("4 runs, 5 units and 1 event added"), "{first}");
    let second = asked(to.path(), &["import", file]);
    assert!(second.contains("0 runs, 0 units and 0 events added"), "{second}");
    assert_eq!(listed(to.path(), &[]), [4, 3, 2, 1]);
    let text_of_file = std::fs::read_to_string(file).unwrap();
    assert_eq!(asked(from.path(), &["export"]), text_of_file);
    let lines: Vec<&str> = text_of_file.lines().collect();
    std::fs::write(file, lines[..3].join("\n") + "\n{\"unit\":").unwrap();
    let damaged = ironwright(to.path(), &["history", "import", file]);
    assert_eq!(damaged.status.code(), Some(4));
    assert!(text(&damaged).contains("all.jsonl: line 4: "), "{}", text(&damaged));
    assert_eq!(ironwright(to.path(), &["history", "import", "none"]).status.code(), Some(4));
}

#[test]
fn a_plan_is_shown_and_then_carried_out() {
    let home = home();
    let arguments = ["prune", "--keep-days", "1", "--keep-runs", "1"];
    let planned = asked(home.path(), &[&arguments[..], &["--dry-run"]].concat());
    assert!(
        planned.contains("would go: 1 run") && planned.contains("older than 1 day"),
        "{planned}"
    );
    assert_eq!(listed(home.path(), &[]).len(), 4);
    let done = asked(home.path(), &arguments);
    assert!(done.contains("gone: 1 run"), "{done}");
    assert_eq!(listed(home.path(), &[]), [4, 3, 2]);
    // What is learned from stays.
    let units = json(&ironwright(home.path(), &["history", "units", "--json"]));
    assert_eq!(units.as_array().unwrap().len(), 5);
    assert!(asked(home.path(), &arguments).contains("nothing goes"));
    let small =
        asked(home.path(), &["prune", "--max-size", "1KiB", "--keep-runs", "1", "--dry-run"]);
    assert!(small.contains("always stay"), "{small}");
}

const NINJA: &str = "# ninja log v6\n0\t1500\t1795250065682679810\ta.o\t718b\n5\t9\t0\tapp\tf8e8\n";
const TIMINGS: &str = r#"<td>Profile:</td><td>dev</td>
const UNIT_DATA = [{"i":1,"name":"syn","version":"2.0.1","mode":"todo","target":"","features":[],
"start":0.1,"duration":3.5,"rmeta_time":1.0}];"#;

#[test]
fn logs_of_other_tools_are_learned_from_once() {
    let home = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(home.path().join(name), text).unwrap();
    write(".ninja_log", NINJA);
    write("t.html", TIMINGS);
    let nix = "@nix {\"action\":\"start\",\"type\":105,\"id\":1,\"fields\":[\"/nix/store/00000000000000000000000000000000-zlib-1.3.drv\",\"\",1,1]}";
    write("nix.log", &format!("10 {nix}\n12.5 @nix {{\"action\":\"stop\",\"id\":1}}\n"));
    let import = |more: &[&str]| {
        json(&ironwright(home.path(), &[&["history", "import-log", "--json"], more].concat()))
    };
    let first = import(&[".", "t.html", "nix.log"]);
    let added: Vec<_> = first.as_array().unwrap().iter().map(|log| &log["added"]).collect();
    assert_eq!(added, [2, 1, 1]);
    assert_eq!(import(&[".ninja_log", "t.html"])[1]["added"], 0);
    let units = json(&ironwright(home.path(), &["history", "units", "--slowest", "--json"]));
    let wall: Vec<_> = units.as_array().unwrap().iter().map(|unit| &unit["wall_us"]).collect();
    assert_eq!(wall, [3_500_000, 2_500_000, 1_500_000, 4000]);
    assert!(units.as_array().unwrap().iter().all(|unit| unit["outcome"] == "timed"));
    assert!(asked(home.path(), &["units"]).contains("timed"));
}

#[test]
fn commands_make_units_of_a_log_known() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join(".ninja_log"), NINJA).unwrap();
    let commands = format!(
        r#"[{{"directory": {:?}, "command": "cc -O2 -c a.c -o a.o", "file": "a.c"}}]"#,
        home.path().canonicalize().unwrap()
    );
    std::fs::write(home.path().join("compile_commands.json"), commands).unwrap();
    asked(home.path(), &["import-log", ".ninja_log", "--package", "app"]);
    let units = json(&ironwright(home.path(), &["history", "units", "--slowest", "--json"]));
    assert!(units[0]["key"].as_str().unwrap().starts_with("cc c compile "), "{units}");
    assert_eq!((&units[0]["tool"], &units[0]["package"]), (&"cc".into(), &"app".into()));
}

#[test]
fn what_is_no_log_is_refused_and_changes_nothing() {
    let home = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(home.path().join(name), text).unwrap();
    write("good", NINJA);
    write("bad", "# ninja log v5\n1\t2\tx\n");
    write("other", "make: done\n");
    write("a-1.0.drv", "building\n");
    for (file, code, part) in [
        ("a-1.0.drv", 2, "without its folder a log of Nix has no times"),
        ("bad", 4, "bad: line 2: "),
        ("other", 2, "is no log"),
        ("none", 4, "cannot read none"),
        (".", 2, "folder"),
    ] {
        let output = ironwright(home.path(), &["history", "import-log", "good", file]);
        assert_eq!(output.status.code(), Some(code), "{}", text(&output));
        assert!(text(&output).contains(part), "{}", text(&output));
    }
    assert!(!path(home.path()).exists());
}

#[test]
fn every_answer_has_the_published_shape() {
    let home = home();
    std::fs::write(home.path().join(".ninja_log"), NINJA).unwrap();
    for (shape, arguments) in [
        ("history", &["history", "--json"][..]),
        ("history-show", &["history", "show", "1", "--json"]),
        ("history-compare", &["history", "compare", "1", "3", "--json"]),
        ("history-units", &["history", "units", "--json"]),
        (
            "history-prune",
            &["history", "prune", "--keep-runs", "1", "--keep-days", "1", "--dry-run", "--json"],
        ),
        ("history-import-log", &["history", "import-log", ".ninja_log", "--json"]),
    ] {
        let schema = json(&ironwright(home.path(), &["schema", shape]));
        let validator = jsonschema::validator_for(&schema).unwrap();
        let report = json(&ironwright(home.path(), arguments));
        let mistakes: Vec<_> =
            validator.iter_errors(&report).map(|e| format!("{}: {e}", e.instance_path())).collect();
        assert_eq!(mistakes, [""; 0], "{shape}");
    }
}

#[test]
fn nothing_is_asked_of_a_history_that_is_not_there() {
    let home = tempfile::tempdir().unwrap();
    assert!(asked(home.path(), &[]).contains("no runs yet"));
    assert!(asked(home.path(), &["units"]).contains("no such units"));
    assert!(asked(home.path(), &["prune"]).contains("no history"));
    assert_eq!(ironwright(home.path(), &["history", "show", "1"]).status.code(), Some(2));
    assert_eq!(ironwright(home.path(), &["history", "export"]).status.code(), Some(2));
    assert!(!path(home.path()).exists());
}

#[test]
fn an_old_history_is_tidied_once_a_day_and_told() {
    let home = tempfile::tempdir().unwrap();
    {
        let history = History::open(&path(home.path())).unwrap();
        for _ in 0..13 {
            let facts = facts("bat", 0, 1);
            let id = history.begin(&facts, OWNER).unwrap();
            history.finish(id, &facts).unwrap();
        }
    }
    let run = || text(&ironwright(home.path(), &["run", "--", "true"]));
    let first = run();
    assert!(first.contains("forgotten, as older than 180 days: 3 runs"), "{first}");
    assert!(first.contains("IRONWRIGHT_KEEP_HISTORY"), "{first}");
    let second = run();
    assert!(!second.contains("forgotten"), "{second}");
    assert_eq!(
        json(&ironwright(home.path(), &["history", "--json"])).as_array().unwrap().len(),
        12
    );
}
