//! What `ironwright pgo` refuses before anything is built, and what would be right.
//!
//! Does not build programs.

use crate::common::text;
use crate::projects::{C, make_project, put};
use crate::{TRAIN, pgo};

fn refused(arguments: &[&str], code: i32, words: &[&str]) {
    let home = make_project(C);
    refused_in(home.path(), arguments, code, words);
}

fn refused_in(home: &std::path::Path, arguments: &[&str], code: i32, words: &[&str]) {
    let output = pgo(home, arguments);
    let shown = text(&output);
    assert_eq!(output.status.code(), Some(code), "{shown}");
    for word in words {
        assert!(shown.contains(word), "{word}: {shown}");
    }
    assert!(!shown.contains("building"), "{shown}");
}

#[test]
fn a_judgement_by_the_training_itself() {
    let dressed = "{program}  letters './a.txt' > /dev/null";
    let words = ["is a training command, too", "judge by another task"];
    refused(&["--train", TRAIN, "--judge", dressed], 2, &words);
}

#[test]
fn a_judgement_with_the_inputs_of_the_training() {
    let words = ["reads a.txt", "which the training command", "judge with other inputs"];
    refused(&["--train", TRAIN, "--judge", "{program} digits a.txt"], 2, &words);
    let home = make_project(C);
    std::fs::copy(home.path().join("a.txt"), home.path().join("copy.txt")).unwrap();
    let judge = "{program} digits copy.txt";
    refused_in(home.path(), &["--train", TRAIN, "--judge", judge], 2, &["reads copy.txt"]);
}

#[test]
fn a_light_training_leaves_the_second_command_to_judge_by() {
    let home = make_project(C);
    let second = "{program} digits b.txt";
    let arguments = ["--train", TRAIN, "--train", second, "--judge", second, "--dry-run"];
    refused_in(home.path(), &arguments, 2, &["is a training command, too"]);
    let output = pgo(home.path(), &[&arguments[..], &["--level", "light"]].concat());
    assert!(output.status.success(), "{}", text(&output));
}

#[test]
fn commands_that_do_not_run_what_is_built() {
    refused(&["--train", "ls a.txt"], 2, &["does not run what is built", "{program}"]);
    refused(&["--train", TRAIN, "--judge", "ls b.txt"], 2, &["does not run what is built"]);
    refused(&[], 2, &["no training command is given"]);
}

#[test]
fn what_has_no_profiled_build() {
    let home = tempfile::tempdir().unwrap();
    put(home.path(), "package.json", "{}");
    refused_in(home.path(), &["--train", TRAIN], 1, &["npm projects have no profile-guided build"]);
}

#[test]
fn similar_commands_are_warned_of() {
    let home = make_project(C);
    let judge = "{program} letters b.txt c.txt";
    let train = "{program} letters a.txt b2.txt";
    let arguments =
        ["--train", "{program} letters 1", "--judge", "{program} letters 2", "--dry-run"];
    let output = pgo(home.path(), &arguments);
    assert!(text(&output).contains("much like the training"), "{}", text(&output));
    let output = pgo(home.path(), &["--train", train, "--judge", judge, "--dry-run"]);
    assert!(output.status.success() && !text(&output).contains("much like"), "{}", text(&output));
}

#[test]
fn a_training_that_reaches_nothing() {
    let home = make_project(C);
    let output = pgo(home.path(), &["--train", "true {program}"]);
    let shown = text(&output);
    assert_eq!(output.status.code(), Some(1), "{shown}");
    assert!(shown.contains("the training left no profile"), "{shown}");
    let output = pgo(home.path(), &["--train", "{program}; exit 7"]);
    let shown = text(&output);
    assert_eq!(output.status.code(), Some(1), "{shown}");
    assert!(shown.contains("exit 7"), "{shown}");
}

#[test]
fn a_place_that_flags_cannot_name() {
    let outer = tempfile::tempdir().unwrap();
    let home = outer.path().join("a home");
    put(&home, "go.mod", "module demo\n\ngo 1.18\n");
    let tools = home.join("tools");
    std::fs::create_dir(&tools).unwrap();
    put(&home, "../tools/go", "#!/bin/sh\necho go version go1.24.1 linux/amd64\n");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(tools.join("go"), mode).unwrap();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_ironwright"))
        .args(["pgo", "path:demo", "--train", "{program}"])
        .env("PATH", format!("{}:{}", tools.display(), std::env::var("PATH").unwrap()))
        .env("HOME", &home)
        .env("XDG_DATA_HOME", home.join("data"))
        .current_dir(&home)
        .output()
        .unwrap();
    let shown = text(&output);
    assert_eq!(output.status.code(), Some(2), "{shown}");
    assert!(shown.contains("has a space") && shown.contains("XDG_DATA_HOME"), "{shown}");
}
