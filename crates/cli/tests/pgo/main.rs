//! `ironwright pgo` through the binary, with real compilers: the phases, what is kept, what is refused.
//!
//! Does not judge how much faster anything gets. Tests that need more than gcc and make are ignored unless
//! the checks have installed everything.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[expect(dead_code, reason = "recorded machines build nothing")]
#[path = "../common/mod.rs"]
mod common;
mod projects;
mod refused;
mod toolchains;

use std::path::Path;
use std::process::{Command, Output, Stdio};

use common::{ironwright, json, text};
use projects::{C, inputs, make_project};
use serde_json::Value;

pub(crate) const TRAIN: &str = "{program} letters a.txt";
pub(crate) const JUDGE: &str = "{program} digits b.txt";

pub(crate) fn pgo(home: &Path, arguments: &[&str]) -> Output {
    ironwright(home, &[&["pgo", "path:demo", "--no-govern"], arguments].concat())
}

/// A build that has to work, as JSON that fits its schema.
pub(crate) fn report(home: &Path, arguments: &[&str]) -> Value {
    let found = json(&pgo(home, &[arguments, &["--json"]].concat()));
    let schema = json(&ironwright(home, &["schema", "pgo"]));
    assert!(jsonschema::is_valid(&schema, &found), "{found:#}");
    found
}

#[test]
fn gcc_takes_a_profile_whatever_the_makefile_says_and_the_history_keeps_the_judgement() {
    let home = make_project(C);
    let found = report(home.path(), &["--train", TRAIN, "--judge", JUDGE, "--judge-time", "3s"]);
    assert_eq!(found["toolchain"], "gcc");
    assert_eq!(found["check"]["verdict"], "matches", "{found:#}");
    assert_eq!(found["check"]["coverage"]["functions"], 3);
    assert_eq!(found["check"]["coverage"]["executed"], 2);
    assert_eq!(found["check"]["kept_counts"], 1.0);
    assert_eq!(found["binary"], "on", "{found:#}");
    let subject = &found["judged"][0]["setup"]["subject"];
    assert_eq!(subject["change"]["knobs"]["c-pgo-level"], "FULL");
    assert_eq!(
        (&subject["change"]["package"], &subject["workload"]),
        (&"demo".into(), &JUDGE.into())
    );
    let advice = text(&ironwright(home.path(), &["advise", "demo"]));
    assert!(advice.contains("c-pgo-level=FULL"), "{advice}");
    let own = std::fs::read_dir(home.path().join("demo")).unwrap().count();
    assert_eq!(own, 2, "nothing is built in the source");

    let again = report(home.path(), &["--train", TRAIN, "--judge", JUDGE, "--judge-time", "1s"]);
    assert_eq!(again["kept"], serde_json::json!(["setup", "optimised", "baseline"]));
    std::fs::write(home.path().join("demo/main.c"), format!("{C}\n/* changed */\n")).unwrap();
    let changed = report(home.path(), &["--train", TRAIN]);
    assert_eq!(changed["kept"], serde_json::json!([]), "another source, another profile");
}

#[test]
fn a_profile_of_other_code_is_called_stale() {
    let home = make_project(C);
    let makefile = "demo: main.c\n\tcc -O2 -DVARIANT_$(notdir $(CURDIR)) -o demo main.c\n";
    std::fs::write(home.path().join("demo/Makefile"), makefile).unwrap();
    let output = pgo(home.path(), &["--train", TRAIN, "--judge", JUDGE]);
    let shown = text(&output);
    assert_eq!(output.status.code(), Some(1), "{shown}");
    assert!(shown.contains("is stale: the code of "), "{shown}");
    assert!(
        shown.contains(" functions that ran (") && shown.contains("than the profile's"),
        "{shown}"
    );
    assert!(!shown.contains("rounds in random order"), "it is not judged: {shown}");
}

#[test]
fn an_interrupted_training_goes_on_with_the_program_that_is_there() {
    let home = make_project(C);
    let train = "test -e go || { : > begun; sleep 60; }; {program} letters a.txt";
    let mut child = Command::new(env!("CARGO_BIN_EXE_ironwright"))
        .args(["pgo", "path:demo", "--no-govern", "--train", train])
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("HOME", home.path())
        .env("XDG_DATA_HOME", home.path().join(".local/share"))
        .env("XDG_CACHE_HOME", home.path().join("cache"))
        .env("XDG_STATE_HOME", home.path().join("state"))
        .current_dir(home.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    while !home.path().join("begun").exists() {
        assert!(child.try_wait().unwrap().is_none(), "it ended before the training");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    std::fs::write(home.path().join("go"), "").unwrap();
    let found = report(home.path(), &["--train", train]);
    assert_eq!(found["kept"], serde_json::json!(["setup", "instrumented"]));
    assert_eq!(found["check"]["verdict"], "matches");
}

#[test]
fn a_dry_run_shows_the_flags_and_builds_nothing() {
    let home = make_project(C);
    let output = pgo(home.path(), &["--train", TRAIN, "--level", "light", "--dry-run", "--json"]);
    let plan = json(&output);
    let schema = json(&ironwright(home.path(), &["schema", "pgo-plan"]));
    assert!(jsonschema::is_valid(&schema, &plan), "{plan:#}");
    let flags = plan["builds"][0]["flags"].to_string();
    assert!(flags.contains("-fprofile-arcs") && !flags.contains("-fprofile-generate"), "{flags}");
    assert_eq!(plan["builds"][1]["name"], "optimised");
    assert!(!home.path().join(".local/share/ironwright/pgo").exists());
    let here = ["pgo", "./demo", "--train", TRAIN, "--level", "light", "--dry-run", "--json"];
    let here = json(&ironwright(home.path(), &here));
    assert_eq!(here["builds"][0]["flags"], plan["builds"][0]["flags"], "a path alone will do");
}

#[test]
fn setup_makes_inputs_and_out_gets_the_program() {
    let home = make_project(C);
    let output = pgo(
        home.path(),
        &[
            "--setup",
            "cp a.txt {dir}/train.txt",
            "--train",
            "{program} letters {dir}/train.txt",
            "--out",
            "fast",
        ],
    );
    assert!(output.status.success(), "{}", text(&output));
    inputs(home.path());
    let ran = Command::new(home.path().join("fast"))
        .args(["letters", "a.txt"])
        .current_dir(home.path())
        .output()
        .unwrap();
    assert!(ran.status.success());
}
