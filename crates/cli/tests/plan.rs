//! `ironwright plan`, and the timeouts of `build`, through the binary.
//!
//! Does not know how anything is estimated; it checks what is printed.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod common;

use std::path::Path;

use common::{host, ironwright, json, text};
use serde_json::Value;

/// A directory with a compilation database of so many files, and nothing that could be run.
fn project(home: &Path, name: &str, files: usize) {
    let directory = home.join(name);
    std::fs::create_dir_all(directory.join("src")).expect("a directory");
    let mut entries = Vec::new();
    for at in 0..files {
        let file = format!("src/f{at}.cpp");
        std::fs::write(directory.join(&file), vec![b'\n'; 40_000]).expect("a file");
        entries.push(serde_json::json!({
            "directory": directory, "file": file,
            "arguments": ["c++", "-O2", "-c", file, "-o", format!("f{at}.o")],
        }));
    }
    let text = serde_json::to_string(&entries).expect("JSON");
    std::fs::write(directory.join("compile_commands.json"), text).expect("a file");
    std::fs::write(directory.join("CMakeLists.txt"), "project(x)\n").expect("a file");
}

const HOST: [&str; 6] =
    ["--files-only", "--offline", "--set", "build-threads=4", "--set", "memory-budget=4GiB"];

fn planned(home: &Path, arguments: &[&str]) -> Value {
    let root = host("server-128");
    let fixed = [&["plan", "--json", "--root", &root], &HOST[..], arguments].concat();
    json(&ironwright(home, &fixed))
}

#[test]
fn what_was_never_built_is_planned_by_size() {
    let home = tempfile::tempdir().expect("a directory");
    project(home.path(), "one", 40);
    let report = planned(home.path(), &["one", "--against", "static:1x2", "--against", "make:40"]);
    let package = &report["packages"][0];
    assert_eq!(package["estimate"]["units"], 40);
    assert_eq!(package["estimate"]["basis"], "cold");
    let peaks = &package["estimate"]["peak_by_threads"];
    assert_eq!(peaks.as_array().map(Vec::len), Some(3), "{peaks}");
    assert_eq!(report["schedule"]["limited_by"], "threads");
    let makespan = |value: &Value| value["makespan_seconds"].as_f64().unwrap_or_default();
    let own = report["schedule"]["makespan_seconds"]["expected"].as_f64().unwrap_or_default();
    assert!(makespan(&report["against"][0]) > 1.8 * own, "{}", report["against"]);
    assert_eq!(package["timeout"]["known"], false);

    let schema = json(&ironwright(home.path(), &["schema", "forecast"]));
    assert!(jsonschema::is_valid(&schema, &report), "{report}");
}

#[test]
fn a_workspace_is_planned_as_a_whole() {
    let home = tempfile::tempdir().expect("a directory");
    project(home.path(), "one", 12);
    project(home.path(), "two", 6);
    let manifest = "schema = 1\n[packages.one]\nsource = \"path:one\"\n[packages.two]\nsource = \"path:two\"\n";
    std::fs::write(home.path().join("ironwright.toml"), manifest).expect("a file");
    let root = host("server-128");
    let output =
        ironwright(home.path(), &[&["plan", "--gantt", "--root", &root], &HOST[..]].concat());
    let text = text(&output);
    assert_eq!(output.status.code(), Some(0), "{text}");
    for part in [
        "one after the other",
        "18 units",
        "critical path",
        "may run together",
        "kind and size at most",
        "█",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(text.lines().all(|line| line.chars().filter(|c| *c == '█').count() <= 80));
}

#[test]
fn what_is_not_there_is_told() {
    let home = tempfile::tempdir().expect("a directory");
    for (arguments, part) in [
        (&["plan"][..], "ironwright init"),
        (&["plan", "path:nowhere"], "nowhere"),
        (&["plan", "."], "no project recognised in ."),
        (&["plan", "--against", "fastest"], "fastest"),
        (&["build", "path:.", "--timeout", "soon"], "number of seconds"),
    ] {
        let output = ironwright(home.path(), arguments);
        assert!(!output.status.success());
        assert!(text(&output).contains(part), "{arguments:?}: {}", text(&output));
    }
}

#[test]
fn a_build_that_takes_too_long_is_told_and_ended() {
    let home = tempfile::tempdir().expect("a directory");
    let makefile = "all:\n\t@echo begun; sleep 60\n";
    std::fs::write(home.path().join("Makefile"), makefile).expect("a file");
    let fixed = ["build", "path:.", "--driver", "make", "--no-govern", "--progress", "plain"];
    let began = std::time::Instant::now();
    let output = ironwright(home.path(), &[&fixed[..], &["--timeout", "1"]].concat());
    let text = text(&output);
    assert!(output.status.code() == Some(124) && began.elapsed().as_secs() < 30, "{text}");
    let history = common::text(&ironwright(home.path(), &["history"]));
    assert!(history.contains("ended after 1.0 s, its timeout"), "{history}");
    assert!(text.contains("longer than 1.0 s") && text.contains("ending everything"), "{text}");
}

#[test]
fn a_build_that_nothing_is_known_of_is_not_ended() {
    let home = tempfile::tempdir().expect("a directory");
    std::fs::write(home.path().join("Makefile"), "all:\n\t@true\n").expect("a file");
    let shown = |choice: &str| {
        let fixed = ["build", "path:.", "--driver", "make", "--dry-run", "--json"];
        let found = json(&ironwright(home.path(), &[&fixed[..], &["--timeout", choice]].concat()));
        found[0]["patience"].clone()
    };
    assert_eq!(shown("auto")["only_tells"], true);
    assert_eq!(shown("never"), Value::Null);
    assert_eq!(shown("90")["timeout_seconds"], 90.0);
}

#[test]
fn what_a_build_wrote_is_kept_and_expected_of_the_next() {
    let home = tempfile::tempdir().expect("a directory");
    let recipe = "all:\n\thead -c 3000000 /dev/zero | tr '\\0' x > made\n";
    std::fs::write(home.path().join("Makefile"), recipe).expect("a file");
    let big = home.path().join("before");
    std::fs::write(&big, vec![1; 9_000_000]).expect("a file");
    std::thread::sleep(std::time::Duration::from_millis(100));
    let build = ["build", "path:.", "--driver", "make", "--no-govern", "--json"];
    let facts = json(&ironwright(home.path(), &build));
    let written = facts[0]["facts"]["disk"]["written"].as_u64().unwrap_or_default();
    // The history lies below the same home, and takes some of it.
    assert!((3_000_000..6_000_000).contains(&written), "{facts}");
    let plan = json(&ironwright(home.path(), &["plan", "path:.", "--json", "--files-only"]));
    let estimate = &plan["packages"][0]["estimate"];
    assert_eq!(estimate["basis"], serde_json::json!({"measured": 1}), "{estimate}");
    assert!(estimate["disk"]["max"].as_u64() >= Some(written), "{estimate}");
}

#[test]
fn a_build_of_several_is_reported_against_its_plan() {
    let home = tempfile::tempdir().expect("a directory");
    for name in ["one", "two"] {
        let folder = home.path().join(name);
        std::fs::create_dir(&folder).expect("a directory");
        std::fs::write(folder.join("Makefile"), "all:\n\t@sleep 0.3\n").expect("a file");
    }
    assert!(ironwright(home.path(), &["init"]).status.success());
    let first = text(&ironwright(home.path(), &["build", "--no-govern"]));
    assert!(first.contains("`ironwright report` shows"), "{first}");
    let report = text(&ironwright(home.path(), &["report"]));
    assert!(
        report.contains("2 packages: 2 done") && report.contains("nothing was predicted"),
        "{report}"
    );
    assert!(ironwright(home.path(), &["build", "--no-govern"]).status.success());
    let planned = json(&ironwright(home.path(), &["plan", "--json", "--files-only"]));
    assert_eq!(planned["packages"][0]["estimate"]["basis"], serde_json::json!({"measured": 2}));
    let batch = json(&ironwright(home.path(), &["report", "--json"]));
    assert_eq!((&batch["judged"], batch["runs"].as_array().map(Vec::len)), (&2.into(), Some(2)));
    let schema = json(&ironwright(home.path(), &["schema", "report-batch"]));
    assert!(jsonschema::is_valid(&schema, &batch), "{batch}");
    let alone = text(&ironwright(home.path(), &["report", "1"]));
    assert!(alone.starts_with("run 1: path:"), "{alone}");
    let page = ["report", "--html", "page.html", "--trace", "trace.json"];
    assert!(ironwright(home.path(), &page).status.success());
    let page = std::fs::read_to_string(home.path().join("page.html")).expect("a page");
    assert!(page.contains("2 of 2 packages built"), "{page}");
}
