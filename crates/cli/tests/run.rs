//! `run` and `history` with real commands: exit codes, memory, interruption, jobserver.
//!
//! Does not test which settings are derived, only that they arrive.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

fn ironwright(home: &Path) -> Command {
    std::fs::create_dir_all(home.join("xdg")).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_ironwright"));
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("HOME", home)
        .env("XDG_STATE_HOME", home.join("state"))
        .env("XDG_RUNTIME_DIR", home.join("xdg"))
        .env("XDG_CACHE_HOME", home.join("cache"))
        .env("NO_COLOR", "1")
        .current_dir(home);
    command
}

fn run(home: &Path, arguments: &[&str]) -> Output {
    ironwright(home).arg("run").args(arguments).output().unwrap()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn the_exit_code_is_the_commands() {
    let home = tempfile::tempdir().unwrap();
    let code = |arguments: &[&str]| run(home.path(), arguments).status.code();
    assert_eq!(code(&["--", "true"]), Some(0));
    assert_eq!(code(&["--", "sh", "-c", "exit 7"]), Some(7));
    assert_eq!(code(&["--", "sh", "-c", "kill -9 $$"]), Some(137));
    assert_eq!(code(&["--", "no-such-command-here"]), Some(127));
    std::fs::write(home.path().join("not-executable"), "").unwrap();
    assert_eq!(code(&["--", "./not-executable"]), Some(126));
}

#[test]
fn the_summary_tells_time_memory_and_what_held_it_back() {
    let home = tempfile::tempdir().unwrap();
    let output = run(home.path(), &["--", "sh", "-c", "echo result; echo oops >&2; sleep 1.1"]);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "result\n");
    let text = stderr(&output);
    for word in ["oops", "done in", "processor", "memory", "held back"] {
        assert!(text.contains(word), "{word} is missing in:\n{text}");
    }
    assert!(stderr(&run(home.path(), &["-q", "--", "true"])).is_empty());
}

#[test]
fn peak_memory_is_that_of_the_tree_and_of_the_largest_process() {
    let home = tempfile::tempdir().unwrap();
    let hold = "import time; x = bytearray(150 << 20); time.sleep(2)";
    let script = format!("python3 -c '{hold}' & python3 -c '{hold}' & wait");
    let facts = json(&run(home.path(), &["--json", "--", "sh", "-c", &script]));
    let summary = &facts["summary"];
    let mib = |key: &str| summary[key].as_u64().unwrap() >> 20;
    assert!((150..250).contains(&mib("peak_process")), "{summary}");
    assert!((300..450).contains(&mib("peak_tree")), "{summary}");
}

#[test]
fn a_users_variables_stay_and_derived_ones_arrive() {
    let home = tempfile::tempdir().unwrap();
    let show = ["run", "--", "sh", "-c", "echo $CARGO_BUILD_JOBS $GOMAXPROCS"];
    let output = ironwright(home.path())
        .env("CARGO_BUILD_JOBS", "77")
        .args(["--set", "go-max-procs=1"])
        .args(show)
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "77 1\n");
    assert!(stderr(&output).contains("CARGO_BUILD_JOBS=77 is kept"), "{}", stderr(&output));
    let output = ironwright(home.path())
        .env("CARGO_BUILD_JOBS", "77")
        .args(["--set", "cargo-build-jobs=1"])
        .args(show)
        .output()
        .unwrap();
    assert!(String::from_utf8_lossy(&output.stdout).starts_with("1 "));
}

#[test]
fn a_dry_run_starts_nothing() {
    let home = tempfile::tempdir().unwrap();
    let output = run(home.path(), &["--dry-run", "--json", "--", "touch", "made"]);
    assert_eq!(json(&output)[0]["steps"][0]["argv"], serde_json::json!(["touch", "made"]));
    assert!(!home.path().join("made").exists());
    assert!(!home.path().join("state").exists());
}

/// Recipes that run at a time under `make`, as the recipes themselves count.
fn most_recipes(home: &Path, arguments: &[&str]) -> usize {
    let targets = "t1 t2 t3 t4 t5 t6 t7 t8";
    let recipe = "\t@touch run.$@; ls | grep -c '^run' >> seen; sleep 0.2; rm run.$@\n";
    std::fs::write(home.join("Makefile"), format!("all: {targets}\n{targets}:\n{recipe}")).unwrap();
    let _ = std::fs::remove_file(home.join("seen"));
    assert!(run(home, arguments).status.success());
    let seen = std::fs::read_to_string(home.join("seen")).unwrap();
    seen.lines().map(|line| line.parse().unwrap()).max().unwrap()
}

#[test]
fn make_shares_the_jobserver() {
    let home = tempfile::tempdir().unwrap();
    assert_eq!(most_recipes(home.path(), &["--set", "make-jobs=3", "--", "make"]), 3);
    assert_eq!(most_recipes(home.path(), &["--set", "make-jobs=1", "--", "make"]), 1);
}

/// After `eval "$(ironwright emit env)"` the derived numbers are in the environment; they must not
/// keep the tools out of the pool, while a number of the user's own does.
#[test]
fn derived_numbers_in_the_environment_give_way_to_the_jobserver() {
    let home = tempfile::tempdir().unwrap();
    let script = "echo $MAKEFLAGS $CMAKE_BUILD_PARALLEL_LEVEL.";
    let show = [
        "--set",
        "make-jobs=3",
        "--set",
        "cmake-build-parallel-level=3",
        "run",
        "-q",
        "--",
        "sh",
        "-c",
        script,
    ];
    let print = |jobs: &str| {
        let output = ironwright(home.path())
            .env("MAKEFLAGS", format!("-j{jobs}"))
            .env("CMAKE_BUILD_PARALLEL_LEVEL", jobs)
            .args(show)
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let ours = print("3");
    assert!(ours.starts_with("-j3 --jobserver-auth=") && ours.ends_with(" .\n"), "{ours}");
    // Somebody chose another number: no pool, and the flag outranks the environment.
    assert_eq!(print("9"), "-j3 3.\n");
}

/// ninja speaks the protocol since 1.13, which Debian does not have; the checks bring it from PyPI.
#[test]
#[ignore = "needs ninja 1.13; cargo xtask test --install runs it"]
fn ninja_shares_the_jobserver() {
    let ninja = std::env::var_os("IRONWRIGHT_TEST_NINJA").expect("the checks name a ninja 1.13");
    let home = tempfile::tempdir().unwrap();
    let mut build =
        "rule r\n  command = touch run.$out; ls | grep -c '^run' >> seen; sleep 0.2; rm run.$out\n"
            .to_owned();
    for n in 0..8 {
        build.push_str(&format!("build t{n}: r\n"));
    }
    std::fs::write(home.path().join("build.ninja"), build).unwrap();
    let directory = Path::new(&ninja).parent().unwrap();
    let path = format!("{}:{}", directory.display(), std::env::var("PATH").unwrap());
    let status = ironwright(home.path())
        .env("PATH", path)
        .args(["run", "--set", "make-jobs=3", "--", "ninja"])
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success());
    let seen = std::fs::read_to_string(home.path().join("seen")).unwrap();
    let most: usize = seen.lines().map(|line| line.parse().unwrap()).max().unwrap();
    assert_eq!(most, 3, "{seen}");
}

/// Processes whose command line holds a text.
fn processes_with(text: &str) -> usize {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let lines = entries.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
    lines.filter(|line| String::from_utf8_lossy(line).contains(text)).count()
}

fn interrupted(script: &str, signal: &str) -> (Option<i32>, Duration) {
    let home = tempfile::tempdir().unwrap();
    let mut child = ironwright(home.path())
        .args(["run", "--", "sh", "-c", script])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_millis(700));
    let began = Instant::now();
    let kill = Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
    assert!(kill.success());
    (child.wait().unwrap().code(), began.elapsed())
}

#[test]
fn an_interruption_ends_the_whole_tree() {
    let script = "sleep 4711.1 & (setsid sleep 4711.2 &) ; sleep 4711.3";
    let (code, took) = interrupted(script, "-INT");
    assert_eq!(code, Some(130));
    assert!(took < Duration::from_secs(3), "{took:?}");
    assert_eq!(processes_with("4711."), 0);
}

#[test]
fn what_ignores_the_request_is_killed() {
    let (code, took) = interrupted("trap '' TERM INT; sleep 4712.1; sleep 4712.2", "-TERM");
    assert_eq!(code, Some(143));
    assert!(took < Duration::from_secs(8), "{took:?}");
    assert_eq!(processes_with("4712."), 0);
}

#[test]
fn runs_are_remembered_with_their_figures() {
    let home = tempfile::tempdir().unwrap();
    run(home.path(), &["--package", "codex", "--", "sh", "-c", "exit 3"]);
    run(home.path(), &["--", "true"]);
    let list = |arguments: &[&str]| {
        ironwright(home.path()).arg("history").args(arguments).output().unwrap()
    };
    let all = json(&list(&["--json"]));
    assert_eq!(all.as_array().unwrap().len(), 2);
    let codex = json(&list(&["--json", "--package", "codex"]));
    assert_eq!(
        (&codex[0]["state"], &codex[0]["summary"]["exit_code"]),
        (&"finished".into(), &3.into())
    );
    assert!(String::from_utf8_lossy(&list(&[]).stdout).contains("exit code 3"));
}

#[test]
fn a_history_that_cannot_be_written_harms_no_run() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("state"), "a file where a directory should be").unwrap();
    let output = run(home.path(), &["--", "true"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(stderr(&output).contains("this run is not kept"), "{}", stderr(&output));
}

#[test]
fn runs_at_the_same_time_are_all_kept() {
    let home = tempfile::tempdir().unwrap();
    let children: Vec<_> = (0..6)
        .map(|_| ironwright(home.path()).args(["run", "-q", "--", "sleep", "0.1"]).spawn().unwrap())
        .collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    let all = json(&ironwright(home.path()).args(["history", "--json"]).output().unwrap());
    assert_eq!(all.as_array().unwrap().len(), 6);
}

#[test]
fn an_address_space_limit_reaches_the_command() {
    let home = tempfile::tempdir().unwrap();
    let output = run(
        home.path(),
        &["--set", "address-space-limit=1GiB", "--", "sh", "-c", "sleep 0.1; sh -c 'ulimit -v'"],
    );
    assert_eq!(String::from_utf8_lossy(&output.stdout), "1048576\n");
}

#[test]
fn every_report_has_the_published_shape() {
    let home = tempfile::tempdir().unwrap();
    let print =
        |arguments: &[&str]| json(&ironwright(home.path()).args(arguments).output().unwrap());
    for (shape, arguments) in [
        ("run", &["run", "--json", "--", "true"][..]),
        ("plan", &["run", "--dry-run", "--json", "--", "make"]),
        ("plan", &["build", "--dry-run", "--json", "crate:x"]),
        ("history", &["history", "--json"]),
        ("doctor", &["doctor", "--json"]),
    ] {
        let validator = jsonschema::validator_for(&print(&["schema", shape])).unwrap();
        let report = print(arguments);
        let mistakes: Vec<_> =
            validator.iter_errors(&report).map(|e| format!("{}: {e}", e.instance_path())).collect();
        assert_eq!(mistakes, [""; 0], "{shape}");
    }
}
