//! `ironwright bench` through the binary: what is published, and what is refused.
//!
//! Does not judge how fast this machine is; differences are made so large that none can hide them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[expect(dead_code, reason = "recorded machines run no commands")]
mod common;

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use common::{ironwright, json, text};

const SHORT: &str = "sleep 0.01";
const LONG: &str = "sleep 0.1";
/// Benchmarks after which nothing is clear but that something is wrong: a virtual machine may stand still
/// for longer than anything sleeps here.
const TRIES: usize = 6;

fn bench(home: &Path, arguments: &[&str]) -> Output {
    ironwright(home, &[&["bench"], arguments].concat())
}

fn refused(arguments: &[&str], words: &[&str]) {
    let home = tempfile::tempdir().unwrap();
    let output = bench(home.path(), arguments);
    let shown = text(&output);
    assert_eq!(output.status.code(), Some(1), "{shown}");
    for word in words {
        assert!(shown.contains(word), "{word}: {shown}");
    }
    assert!(output.stdout.is_empty(), "{shown}");
}

#[test]
fn a_large_difference_is_found_and_everything_is_exported() {
    let home = tempfile::tempdir().unwrap();
    let names = ["-n", "long", "-n", "short", "-r", "12"];
    let files = ["--export-json", "r.json", "--export-markdown", "r.md", "--export-svg", "r.svg"];
    let arguments = [&[LONG, SHORT, "--json"], &names[..], &files].concat();
    let mut tries = (0..TRIES).map(|_| json(&bench(home.path(), &arguments)));
    let found = tries.find(|found| found["results"][1]["verdict"] == "less").unwrap();
    let result = &found["results"][1];
    assert_eq!(result["name"], "short", "{result}");
    let ratio = result["comparisons"][0]["ratio"]["estimate"].as_f64().unwrap();
    assert!((0.05..0.8).contains(&ratio), "{ratio}");
    assert_eq!(found["rounds"].as_array().unwrap().len(), 12);
    assert_eq!(found["rounds"][0]["samples"].as_array().unwrap().len(), 3, "with a control");
    let schema = json(&ironwright(home.path(), &["schema", "bench"]));
    assert!(jsonschema::is_valid(&schema, &found));
    let read = |name: &str| std::fs::read_to_string(home.path().join(name)).unwrap();
    let exported: serde_json::Value = serde_json::from_str(&read("r.json")).unwrap();
    assert_eq!(exported, found);
    assert!(read("r.md").contains("| `short` |") && read("r.md").contains("faster"));
    assert!(read("r.svg").starts_with("<svg") && read("r.svg").contains(">long</text>"));
    assert!(home.path().join(".local/state/ironwright/history.db").exists());
}

#[test]
fn the_terminal_gets_a_table_a_verdict_and_what_is_missing() {
    let home = tempfile::tempdir().unwrap();
    let shown = text(&bench(home.path(), &[SHORT, LONG, "-r", "8", "--no-record"]));
    for words in ["command", "sleep 0.1 / sleep 0.01", "noise floor", "8 rounds in random order"] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    assert!(!home.path().join(".local/state/ironwright/history.db").exists());
}

#[test]
fn memory_of_small_commands_is_told() {
    let home = tempfile::tempdir().unwrap();
    // Both take less than the program that measures them.
    let more = "head -c 6000000 /dev/zero | tail -c 6000000 >/dev/null; sleep 0.01";
    let arguments = [SHORT, more, "-r", "3", "--json", "--no-record"];
    let found = json(&bench(home.path(), &arguments));
    let peaks = |arm: usize| -> Vec<u64> {
        let samples = found["rounds"].as_array().unwrap().iter();
        samples.map(|round| round["samples"][arm]["peak"].as_u64().unwrap_or(0)).collect()
    };
    assert!(peaks(0).iter().all(|peak| *peak < 5 << 20), "{:?}", peaks(0));
    assert!(peaks(1).iter().all(|peak| (6 << 20..11 << 20).contains(peak)), "{:?}", peaks(1));
    assert_eq!(found["setup"]["not_measured"].to_string().contains("peak"), peaks(0).contains(&0));
}

#[test]
fn what_cannot_be_started_is_named() {
    let home = tempfile::tempdir().unwrap();
    for (program, why) in [("/no/such/program", "No such file"), ("/etc/passwd", "Permission")] {
        let output = bench(home.path(), &[program, "-r", "2"]);
        let shown = text(&output);
        assert_eq!(output.status.code(), Some(4), "{shown}");
        assert!(shown.contains(program) && shown.contains(why), "{shown}");
    }
}

#[test]
fn what_measured_nothing_is_not_published() {
    refused(&["true", "true"], &["that measures the start", "hint:"]);
    refused(&["sleep 0.01; echo no; exit 3"], &["failed with exit code 3", "no"]);
    refused(
        &["sleep 0.01; echo \"make: Nothing to be done for 'all'.\""],
        &["nothing to do", "--prepare"],
    );
    refused(&["-w", "0", "-r", "2", "sleep 0.01; echo ninja: no work to do."], &["nothing to do"]);
    refused(&[SHORT, "--setup", "exit 9"], &["`exit 9` failed with exit code 9"]);
}

#[test]
fn a_command_that_fails_in_a_later_round_is_not_published() {
    let script = "n=$(cat n 2>/dev/null || echo 0); echo $((n+1)) > n; sleep 0.01; [ $n -lt 5 ]";
    refused(&[script, "--no-control", "--export-json", "r.json"], &["exit code 1 in round 5"]);
    let home = tempfile::tempdir().unwrap();
    let found = bench(home.path(), &[script, "-r", "7", "-i", "--json"]);
    assert_eq!(json(&found)["rounds"].as_array().unwrap().len(), 7);
}

#[test]
fn mistakes_say_what_would_be_right() {
    let home = tempfile::tempdir().unwrap();
    for (arguments, words) in [
        (&[][..], "quote each"),
        (&["a", "-L", "x", "1,2"], "write {x} where its value belongs"),
        (&["--workload", "gzip-compres"], "did you mean \"gzip-compress\""),
        (&["a", "b", "--with", "c-opt-levl=3"], "did you mean \"c-opt-level\""),
        (&["a", "--with", "c-opt-level=3"], "the command without the settings first"),
        (&["a", "b", "c", "-p", "x", "-p", "y"], "once for each"),
        (&["a", "--precision", "200%"], "percentage"),
        (&["a", "--max-time", "20"], "a duration needs a unit"),
    ] {
        let output = bench(home.path(), arguments);
        let shown = text(&output);
        assert_eq!(output.status.code(), Some(2), "{shown}");
        assert!(shown.contains(words), "{words}: {shown}");
    }
    let missing = bench(home.path(), &["/no/such/program"]);
    assert_eq!(missing.status.code(), Some(4));
    assert!(text(&missing).contains("/no/such/program"));
}

#[test]
fn parameters_preparations_and_inputs_reach_the_commands() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("in"), "words").unwrap();
    let script = "read x; sleep 0.0{n}; echo {n} $x $(cat prepared) >> log";
    let around = ["--setup", "echo setup >> log", "--cleanup", "echo end >> log"];
    let rest = [
        "-L",
        "n",
        "1,2",
        "-p",
        "echo p{n} > prepared",
        "--input",
        "in",
        "-r",
        "2",
        "-w",
        "0",
        "--json",
    ];
    let found = json(&bench(home.path(), &[&[script], &around[..], &rest].concat()));
    assert_eq!(found["setup"]["commands"][1]["parameters"]["n"], "2");
    let log = std::fs::read_to_string(home.path().join("log")).unwrap();
    let count = |line: &str| log.lines().filter(|l| *l == line).count();
    // Two rounds, a control, and one look at the output.
    assert_eq!((count("1 words p1"), count("2 words p2")), (5, 3), "{log}");
    assert!(log.starts_with("setup\n") && log.ends_with("end\n"), "{log}");
}

#[test]
fn an_interruption_publishes_what_is_there_and_leaves_nothing() {
    let home = tempfile::tempdir().unwrap();
    let child = Command::new(env!("CARGO_BIN_EXE_ironwright"))
        .args([
            "bench",
            "sleep 0.0123",
            "sleep 0.0321",
            "--export-json",
            "r.json",
            "--precision",
            "0.01%",
        ])
        .env("HOME", home.path())
        .env("NO_COLOR", "1")
        .current_dir(home.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The file appears with the first round.
    let deadline = std::time::Instant::now() + Duration::from_mins(1);
    while !home.path().join("r.json").exists() && std::time::Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(20));
    }
    let kill = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(kill.success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", text(&output));
    assert!(text(&output).contains("interrupted"), "{}", text(&output));
    let read = std::fs::read_to_string(home.path().join("r.json")).unwrap();
    let exported: serde_json::Value = serde_json::from_str(&read).unwrap();
    assert_eq!(exported["stopped"], "interrupted");
}

#[test]
fn what_was_kept_is_listed_and_shown_again() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let shown =
        |arguments: &[&str]| ironwright(home, &[&["history", "benches"], arguments].concat());
    assert!(text(&shown(&[])).contains("`ironwright bench`"), "{}", text(&shown(&[])));
    let first = json(&bench(home, &[SHORT, SHORT, "-r", "3", "--json"]));
    bench(
        home,
        &[SHORT, LONG, "-r", "2", "--with", "c-opt-level=3", "--package", "demo", "--as", "nap"],
    );
    let entries = json(&shown(&["--json"]));
    let schema = json(&ironwright(home, &["schema", "history-benches"]));
    assert!(jsonschema::is_valid(&schema, &entries), "{entries}");
    assert_eq!((&entries[0]["id"], &entries[1]["rounds"]), (&2.into(), &3.into()));
    assert!(text(&shown(&[])).contains("demo: c-opt-level=3 (nap)"), "{}", text(&shown(&[])));
    assert_eq!(json(&shown(&["--package", "demo", "--json"])).as_array().unwrap().len(), 1);
    assert_eq!(json(&shown(&["1", "--json"])), first, "concluded again");
    let drawn = shown(&["2", "--export-svg", "again.svg"]);
    assert!(text(&drawn).contains("2 rounds in random order"), "{}", text(&drawn));
    assert!(std::fs::read_to_string(home.join("again.svg")).unwrap().starts_with("<svg"));
    for (arguments, word) in [(&["9"][..], "no benchmark 9"), (&["--export-svg", "x"], "which")] {
        let output = shown(arguments);
        assert!(
            output.status.code() == Some(2) && text(&output).contains(word),
            "{}",
            text(&output)
        );
    }
}

#[test]
fn built_in_workloads_are_listed_and_run() {
    let home = tempfile::tempdir().unwrap();
    assert!(text(&bench(home.path(), &["--list-workloads"])).contains("gzip-compress"));
    let all = json(&bench(home.path(), &["--list-workloads", "--json"]));
    let schema = json(&ironwright(home.path(), &["schema", "workloads"]));
    assert!(jsonschema::is_valid(&schema, &all), "{all}");
    let two = ["--workload", "gzip-decompress", "--program", "gzip", "--program", "/bin/gzip"];
    let with = ["--with", "c-opt-level=3", "--package", "gzip", "-r", "1", "-w", "1", "--json"];
    let found = json(&bench(home.path(), &[&two[..], &with].concat()));
    assert_eq!(found["setup"]["subject"]["workload"], "gzip-decompress");
    assert_eq!(found["setup"]["subject"]["change"]["knobs"]["c-opt-level"], "3");
    assert_eq!(found["results"][1]["name"], "/bin/gzip");
}
