//! Every other toolchain, from counters to the program that is built with them.
//!
//! Does not judge speed.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use crate::common::{json, text};
use crate::projects::{C, inputs, make_project, put};
use crate::{TRAIN, pgo, report};

fn matches(found: &serde_json::Value, toolchain: &str) {
    assert_eq!(found["toolchain"], toolchain);
    assert_eq!(found["check"]["verdict"], "matches", "{found:#}");
    assert!(found["check"]["coverage"]["executed"].as_u64().unwrap() > 0, "{found:#}");
}

#[test]
#[ignore = "needs clang with its llvm-profdata; cargo xtask test --install runs it"]
fn clang() {
    let home = make_project(C);
    let makefile = "demo: main.c\n\t$(CC) -O2 -o demo main.c\n";
    std::fs::write(home.path().join("demo/Makefile"), makefile).unwrap();
    for level in ["full", "light"] {
        let arguments = ["--compiler", "clang", "--train", TRAIN, "--level", level];
        let found = report(home.path(), &arguments);
        matches(&found, "clang");
        assert_eq!(found["binary"], "on", "{found:#}");
    }
}

#[test]
#[ignore = "needs CMake; cargo xtask test --install runs it"]
fn gcc_with_cmake() {
    let home = make_project(C);
    let file =
        "cmake_minimum_required(VERSION 3.16)\nproject(demo C)\nadd_executable(tool main.c)\n";
    put(home.path(), "CMakeLists.txt", file);
    let found = report(home.path(), &["--train", TRAIN, "--level", "light"]);
    matches(&found, "gcc");
    assert_eq!(found["binary"], "on", "{found:#}");
}

const RUST: &str = r#"use std::collections::BTreeMap;
#[inline(never)]
fn count(text: &str) -> BTreeMap<&str, u64> {
    let mut words = BTreeMap::new();
    for word in text.split_whitespace() {
        *words.entry(word).or_default() += 1;
    }
    words
}
fn main() {
    let path = std::env::args().nth(2).unwrap();
    let text = std::fs::read_to_string(path).unwrap();
    println!("{:?}", count(&text).len());
}
"#;

#[test]
#[ignore = "needs an llvm-profdata for rustc; cargo xtask test --install runs it"]
fn rustc() {
    let home = tempfile::tempdir().unwrap();
    let manifest =
        "[package]\nname = \"demo\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[workspace]\n";
    put(home.path(), "Cargo.toml", manifest);
    put(home.path(), "src/main.rs", RUST);
    inputs(home.path());
    let found = report(home.path(), &["--train", TRAIN, "--offline"]);
    matches(&found, "rustc");
    assert!(found["merger"].as_str().unwrap().contains("llvm-profdata"), "{found:#}");
    let named = found["check"]["coverage"]["hottest"].to_string();
    assert!(named.contains("count"), "{named}");
    assert!(!home.path().join("demo/target").exists());
    let again = report(home.path(), &["--train", TRAIN, "--offline"]);
    assert_ne!(
        again["kept"],
        serde_json::json!([]),
        "the lock file that a build writes is its own"
    );
}

/// Fixed work, some seconds of it: a virtual machine that stands still takes time, and no samples.
const GO: &str = r#"package main

import "fmt"

func collatz(n int) int {
	steps := 0
	for ; n != 1; steps++ {
		if n%2 == 0 {
			n /= 2
		} else {
			n = 3*n + 1
		}
	}
	return steps
}

func main() {
	sum := 0
	for n := 1; n < 25000; n++ {
		for i := 0; i < 1000; i++ {
			sum += collatz(n%9999 + 1)
		}
	}
	fmt.Println(sum)
}
"#;

#[test]
#[ignore = "needs Go 1.21 or newer; cargo xtask test --install runs it"]
fn go() {
    let directory = std::env::var("IRONWRIGHT_TEST_GO").expect("the checks name a newer Go");
    let home = tempfile::tempdir().unwrap();
    put(home.path(), "go.mod", "module example.org/demo\n\ngo 1.18\n");
    put(home.path(), "main.go", GO);
    let output = Command::new(env!("CARGO_BIN_EXE_ironwright"))
        .args(["pgo", "path:demo", "--no-govern", "--json", "--train", "{program}"])
        .env("PATH", format!("{directory}:{}", std::env::var("PATH").unwrap()))
        .env("HOME", home.path())
        .env("XDG_DATA_HOME", home.path().join("data"))
        .env("XDG_STATE_HOME", home.path().join("state"))
        .env("XDG_CACHE_HOME", home.path().join("cache"))
        .current_dir(home.path())
        .output()
        .unwrap();
    let found = json(&output);
    matches(&found, "go");
    assert_eq!(found["binary"], "on", "{found:#}");
    let named = found["check"]["coverage"]["hottest"].to_string();
    assert!(named.contains("main."), "{named}");
}

#[test]
fn a_go_that_knows_no_profiles_is_told_before_anything_is_built() {
    let home = tempfile::tempdir().unwrap();
    put(home.path(), "go.mod", "module demo\n\ngo 1.18\n");
    let tools = home.path().join("tools");
    std::fs::create_dir(&tools).unwrap();
    let old = tools.join("go");
    std::fs::write(&old, "#!/bin/sh\necho go version go1.19.8 linux/amd64\n").unwrap();
    std::fs::set_permissions(&old, std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", tools.display(), std::env::var("PATH").unwrap());
    let output = Command::new(env!("CARGO_BIN_EXE_ironwright"))
        .args(["pgo", "path:demo", "--train", "{program}"])
        .env("PATH", path)
        .env("HOME", home.path())
        .current_dir(home.path())
        .output()
        .unwrap();
    let shown = text(&output);
    assert_eq!(output.status.code(), Some(1), "{shown}");
    assert!(shown.contains("from go 1.21 on") && !shown.contains("building"), "{shown}");
}

#[test]
fn cpython_is_left_to_its_own_makefile() {
    let home = tempfile::tempdir().unwrap();
    for name in ["configure", "pyconfig.h.in", "Makefile.pre.in", "setup.py"] {
        put(home.path(), name, "");
    }
    let plan = |arguments: &[&str]| {
        let output = pgo(home.path(), &[arguments, &["--dry-run", "--json"]].concat());
        json(&output)
    };
    let found = plan(&["--level", "light", "--judge", "{program} bench.py"]);
    assert_eq!(
        (&found["toolchain"], &found["knob"]),
        (&"cpython".into(), &"python-pgo-level".into())
    );
    let steps = found["builds"][1]["execution"]["steps"].to_string();
    assert!(steps.contains("--enable-optimizations"), "{steps}");
    assert!(steps.contains("PROFILE_TASK=-m test --pgo test_array"), "{steps}");
    let first = found["builds"][0]["execution"]["steps"].to_string();
    assert!(!first.contains("--enable-optimizations"), "{first}");
    let own = plan(&["--train", "{program} train.py"]);
    let steps = own["builds"][0]["execution"]["steps"].to_string();
    assert!(steps.contains("PROFILE_TASK=train.py"), "{steps}");
    let output = pgo(home.path(), &["--train", "sh {program}", "--dry-run"]);
    assert!(text(&output).contains("trains with the interpreter itself"), "{}", text(&output));
}
