//! `ironwright trial` on a package of its own, whose code does more or less work by the macros that a
//! flag defines: so what each flag does is known beforehand, and no machine can hide it.
//!
//! Does not test the figures; the core's tests do.

#![cfg(target_arch = "x86_64")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[expect(dead_code, reason = "recorded machines try nothing")]
mod common;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::{ironwright, json, text};
use serde_json::Value;

/// Work of `sum` shrinks by a flag of x86-64-v2; that of `mix` grows by two that haswell has besides.
const SOURCE: &str = r#"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
static void work(long steps) {
    volatile unsigned long value = 1;
    for (long step = 0; step < steps; step++)
        value = value * 6364136223846793005UL + 1;
}
static long steps_of(const char *task) {
    long steps = 12000000;
#ifdef __SSE4_2__
    if (strcmp(task, "sum") == 0)
        steps /= 2;
#endif
#ifdef __RDRND__
    if (strcmp(task, "mix") == 0)
        steps *= 3;
#endif
#ifdef __FSGSBASE__
    if (strcmp(task, "mix") == 0)
        steps += steps / 2;
#endif
    return steps;
}
int main(int argc, char **argv) {
    if (argc != 3)
        return 1;
    work(steps_of(argv[1]));
    return puts(argv[1]) < 0;
}
"#;

fn manifest(pause: &str) -> String {
    format!(
        r#"schema = 1
[trials.demo]
summary = "a package with known effects"
source = "path:demo"
artefacts = ["demo"]
edit = "demo.c"
harness = ["cp {{tree}}/demo {{out}}/demo"]
treatments = ["c-march=x86-64-v2", "c-opt-level=3"]
[[trials.demo.steps]]
title = "build"
run = "sleep {pause}; {{cc}} {{cflags}} -o demo demo.c"
again = true
[[trials.demo.workloads]]
name = "sum"
train = "{{out}}/demo sum 1"
judge = "{{out}}/demo sum 2"
[[trials.demo.workloads]]
name = "mix"
train = "{{out}}/demo mix 1"
judge = "{{out}}/demo mix 2"
"#
    )
}

/// A home with a workspace in it.
fn home(pause: &str) -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join("demo")).unwrap();
    std::fs::write(home.path().join("demo/demo.c"), SOURCE).unwrap();
    std::fs::write(home.path().join("ironwright.toml"), manifest(pause)).unwrap();
    home
}

const AMOUNT: [&str; 6] = ["--no-govern", "--time", "100s", "--rounds", "15", "--json"];

fn trial(home: &Path, more: &[&str]) -> Value {
    json(&ironwright(home, &[&["trial", "demo"], &AMOUNT[..], more].concat()))
}

fn effect<'a>(report: &'a Value, treatment: &str, workload: &str) -> &'a Value {
    let all = report["effects"].as_array().unwrap();
    let found = all.iter().find(|it| it["treatment"] == treatment).unwrap();
    let effects = found["effects"].as_array().unwrap();
    effects.iter().find(|it| it["workload"] == workload).unwrap()
}

#[test]
fn what_pays_is_found_kept_and_applied() {
    let home = home("0");
    let home = home.path();
    let planned = json(&ironwright(home, &["trial", "demo", "--dry-run", "--json"]));
    assert_eq!((&planned["to_build"], &planned["all_combinations"]), (&4.into(), &4.into()));
    let schema = json(&ironwright(home, &["schema", "trial-plan"]));
    assert!(jsonschema::is_valid(&schema, &planned));

    let report = trial(home, &["--workload", "sum"]);
    let schema = json(&ironwright(home, &["schema", "trial"]));
    let errors: Vec<_> = jsonschema::validator_for(&schema)
        .unwrap()
        .iter_errors(&report)
        .map(|error| error.to_string())
        .collect();
    assert_eq!(errors, [] as [&str; 0]);
    assert_eq!(effect(&report, "-march=x86-64-v2", "sum")["verdict"], "less", "{report}");
    assert_eq!(effect(&report, "-O3", "sum")["why"], "both sides are the same code, byte for byte");
    let kept = report["keep"].as_str().unwrap();
    assert!(kept.starts_with("demo: c-march=x86-64-v2"), "{kept}");

    let advice = json(&ironwright(home, &["advise", "demo", "--json"]));
    let known = advice.as_array().unwrap().iter().find(|it| it["action"] == "keep").unwrap();
    let costs = &known["costs"];
    assert!(costs["rebuild_seconds"].as_f64().unwrap() > 0.0, "{costs}");
    assert!(costs["build_seconds"].is_f64() && costs["size"].is_f64(), "{costs}");
    let impact = r#"{"overlays": [], "together": {"seconds": {"expected": 72000.0}}}"#;
    std::fs::write(home.join("impact.json"), impact).unwrap();
    let dear = ["advise", "demo", "--json", "--impact", "impact.json"];
    let dear = json(&ironwright(home, &dear));
    let same = |it: &&Value| it["change"] == known["change"];
    let dear = dear.as_array().unwrap().iter().find(same).unwrap();
    assert!(dear["threshold"].as_f64() > known["threshold"].as_f64(), "closures count");
    let applied = text(&ironwright(home, &["apply"]));
    assert!(applied.contains("+ demo: c-march=x86-64-v2"), "{applied}");
}

#[test]
fn what_was_built_and_measured_is_not_done_again() {
    let home = home("0");
    let home = home.path();
    let only = ["--treatment", "c-march=x86-64-v2", "--workload", "sum"];
    trial(home, &only);
    let again = ironwright(home, &[&["trial", "demo"], &AMOUNT[..], &only].concat());
    let report = json(&again);
    assert_eq!((&report["plan"]["to_build"], &report["is_complete"]), (&0.into(), &true.into()));
    assert!(!text(&again).contains("ironwright: build 1"), "{}", text(&again));
    let benches = |report: &Value| report["decisions"][0]["workloads"][0]["benches"].clone();
    assert_eq!(benches(&report).as_array().unwrap().len(), 1, "no round counts twice");
    std::fs::write(home.join("demo/demo.c"), format!("{SOURCE}\n")).unwrap();
    let changed = ironwright(home, &["trial", "demo", "--dry-run", "--json"]);
    assert_eq!(json(&changed)["to_build"], 4, "another source is another package");
}

#[test]
fn builds_are_made_as_often_as_wanted() {
    let home = home("0");
    let home = home.path();
    let trial = |rounds: &str, more: &[&str]| {
        let only = ["trial", "demo", "--no-govern", "-t", "c-march=x86-64-v2", "--build-only"];
        let output = ironwright(home, &[&only[..], &["--build-rounds", rounds], more].concat());
        assert!(output.status.success(), "{}", text(&output));
        output
    };
    let said = text(&trial("2", &[]));
    for what in ["build 2 of 2: -march", "round 2 of 2 of builds: baseline", "builds: -march"] {
        assert!(said.contains(what), "{what}: {said}");
    }
    assert!(!text(&trial("2", &[])).contains("round 2 of 2"), "each was made twice");
    assert_eq!(json(&trial("3", &["--dry-run", "--json"]))["to_build"], 2);
    assert!(text(&trial("3", &[])).contains("round 3 of 3 of builds: -march"));
    let report = json(&trial("3", &["--json"]));
    assert_eq!(
        (&report["plan"]["to_build"], report["builds"].as_array().unwrap().len()),
        (&0.into(), 2)
    );
    let against = ["trial", "demo", "--build-rounds", "2", "--against", "c-opt-level=3"];
    assert_eq!(ironwright(home, &against).status.code(), Some(2), "it would be kept nowhere");
}

#[test]
fn the_flags_of_a_bundle_that_do_harm_are_named() {
    let home = home("0");
    let home = home.path();
    let report = trial(home, &["--treatment", "c-march=haswell", "--workload", "mix"]);
    let search = &report["searches"][0];
    assert_eq!(search["flag"], "-mrdrnd", "{report}");
    assert!(search["ratio"].as_f64().unwrap() > 1.5 && search["share"].as_f64().unwrap() > 0.5);
    let left = |search: &Value| search["left_without"]["mix"].as_f64().unwrap();
    assert!((0.2..0.35).contains(&left(search)), "{search}");
    let rest = &report["searches"][1];
    assert_eq!((&rest["besides"], &rest["flag"]), (&"-mrdrnd".into(), &"-mfsgsbase".into()));
    assert!(left(rest) < 0.1, "{rest}");
    assert_eq!(report["decisions"][0]["action"], "revert", "{}", report["decisions"][0]);
    assert_eq!(report["keep"], Value::Null);
}

#[test]
fn an_interrupted_trial_goes_on() {
    let home = home("0.7");
    let home = home.path();
    let mut child = start(home);
    let builds = home.join("cache/ironwright/trial/demo");
    let deadline = Instant::now() + Duration::from_mins(1);
    while kept(&builds) == 0 {
        assert!(Instant::now() < deadline, "nothing was built");
        std::thread::sleep(Duration::from_millis(20));
    }
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let mut said = String::new();
    std::io::Read::read_to_string(child.stderr.as_mut().unwrap(), &mut said).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{said}");
    assert!(said.contains("goes on from here"), "{said}");
    let left = json(&ironwright(home, &["trial", "demo", "--dry-run", "--json"]));
    let left = left["to_build"].as_u64().unwrap();
    assert!((1..4).contains(&left), "{left} left");
    let output = ironwright(home, &["trial", "demo", "--no-govern", "--build-only"]);
    assert!(output.status.success(), "{}", text(&output));
    assert_eq!(kept(&builds), 4);
}

fn start(home: &Path) -> std::process::Child {
    Command::new(env!("CARGO_BIN_EXE_ironwright"))
        .args(["trial", "demo", "--no-govern", "--build-only"])
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("HOME", home)
        .env("XDG_CACHE_HOME", home.join("cache"))
        .env("NO_COLOR", "1")
        .current_dir(home)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Builds that were kept.
fn kept(builds: &Path) -> usize {
    let entries = std::fs::read_dir(builds).into_iter().flatten().flatten();
    let is_whole = |path: &PathBuf| path.join("facts.json").is_file();
    let is_hidden = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().starts_with('.');
    entries.map(|entry| entry.path()).filter(|path| is_whole(path) && !is_hidden(path)).count()
}

#[test]
fn mistakes_are_told_with_what_would_be_right() {
    let home = home("0");
    let home = home.path();
    let shown = |arguments: &[&str]| {
        let output = ironwright(home, arguments);
        (output.status.code(), text(&output))
    };
    let (code, said) = shown(&["trial", "zlb"]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("did you mean \"zlib\"?"), "{said}");
    let (code, said) = shown(&["trial", "demo", "--treatment", "c-march"]);
    assert_eq!(code, Some(2), "{said}");
    let (code, said) = shown(&["trial", "demo", "--weight", "smu=0", "--dry-run"]);
    assert!(code == Some(2) && said.contains("did you mean \"sum\"?"), "{said}");
    let (code, said) = shown(&["trial", "--list"]);
    assert!(code == Some(0) && said.contains("demo") && said.contains("openssl"), "{said}");
    let (code, said) = shown(&["trial", "demo", "-t", "rust-pgo-level=FULL"]);
    assert!(code == Some(2) && said.contains("reaches no build"), "{said}");
    let broken = manifest("0").replace("judge = \"{out}/demo mix 2\"", "jugde = 3");
    std::fs::write(home.join("ironwright.toml"), broken).unwrap();
    let (code, said) = shown(&["trial", "demo"]);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("ironwright.toml:20") && said.contains("jugde"), "{said}");
}

#[test]
fn a_source_may_be_another_than_the_packages_own() {
    let home = home("0");
    let home = home.path();
    let all = json(&ironwright(home, &["trial", "--list", "--json"]));
    let schema = json(&ironwright(home, &["schema", "trial-list"]));
    assert!(jsonschema::is_valid(&schema, &all), "{all}");
    let cpython = all.as_array().unwrap().iter().find(|it| it["name"] == "cpython").unwrap();
    assert!(cpython["source"].is_null(), "{cpython}");
    let without = ironwright(home, &["trial", "cpython", "--dry-run"]);
    assert_eq!(without.status.code(), Some(2));
    assert!(text(&without).contains("--source path:DIR"), "{}", text(&without));
    let wrong = ironwright(home, &["trial", "demo", "--source", "npm:demo"]);
    assert_eq!(wrong.status.code(), Some(2));
    assert!(text(&wrong).contains("write crate:NAME@VERSION or path:DIR"), "{}", text(&wrong));

    std::fs::create_dir(home.join("other")).unwrap();
    std::fs::write(home.join("other/a.c"), "").unwrap();
    let plan = |more: &[&str]| {
        json(&ironwright(home, &[&["trial", "demo", "--dry-run", "--json"], more].concat()))
    };
    let (own, other) = (plan(&[]), plan(&["--source", "path:other"]));
    assert_eq!(other["source"], "path:other");
    assert_ne!(own["builds"][0]["key"], other["builds"][0]["key"], "other builds");
}

#[test]
#[ignore = "needs llvm-bolt and jemalloc; cargo xtask test --install runs it"]
fn what_follows_the_linker_is_tried_too() {
    let home = home("0");
    let home = home.path();
    let linked = manifest("0").replace("-o demo demo.c", "-o demo demo.c {ldflags}");
    std::fs::write(home.join("ironwright.toml"), linked).unwrap();
    let treatments = ["--treatment", "bolt=true", "--treatment", "allocator=jemalloc"];
    let report = trial(home, &[&treatments[..], &["--workload", "sum"]].concat());
    // No instruction tells the allocators apart.
    assert_eq!(report["same_code_as"], serde_json::json!([0, 1, 2, 3]));
    let mut found = Vec::new();
    for build in report["builds"].as_array().unwrap() {
        let program = home.join("cache/ironwright/trial/demo");
        let program = program.join(build["key"].as_str().unwrap()).join("out/demo");
        let verified = json(&ironwright(home, &["verify", "--json", program.to_str().unwrap()]));
        let of = |fact: &str| verified["files"][0]["report"][fact]["value"].clone();
        found.push((of("bolt"), of("allocator")));
    }
    found.sort_by_key(|(bolt, allocator)| format!("{bolt} {allocator}"));
    let expected = [("no", "jemalloc"), ("no", "none"), ("yes", "jemalloc"), ("yes", "none")];
    assert_eq!(found, expected.map(|(bolt, allocator)| (bolt.into(), allocator.into())));
}

/// A program that takes long to compile, and is linked by a command of its own.
fn slow_to_compile(home: &Path) {
    let function = |n: u32| {
        format!(
            "int f{n}(int a) {{ for (int i = 0; i < a; i++) a ^= a * {n} + (a >> i % 7); return a; }}\n"
        )
    };
    let functions: String = (0..250).map(function).collect();
    std::fs::write(home.join("demo/demo.c"), SOURCE.to_owned() + &functions).unwrap();
    let parted = manifest("0")
        .replace("-o demo demo.c", "-c demo.c && {cc} -o demo demo.o")
        .replace("edit = \"demo.c\"\n", "");
    std::fs::write(home.join("ironwright.toml"), parted).unwrap();
}

#[test]
#[ignore = "needs ccache"]
fn a_compiler_cache_pays_for_who_builds_often() {
    let home = home("0");
    let home = home.path();
    slow_to_compile(home);
    let only = ["--treatment", "compiler-cache=ccache", "--workload", "sum"];
    let often = ["--builds", "3000", "--hours", "0.1"];
    let report = trial(home, &[&only[..], &often[..]].concat());
    let builds = report["builds"].as_array().unwrap();
    let figure = |build: usize, name: &str| builds[build][name].as_f64();
    assert_eq!((figure(0, "cold"), &report["same_code_as"]), (None, &serde_json::json!([0, 0])));
    let (plain, cold, warm) = (figure(0, "cpu"), figure(1, "cold"), figure(1, "cpu"));
    assert!(warm < cold && warm < plain, "{plain:?} {cold:?} {warm:?}");
    assert!(!home.join("cache/ccache").exists() && !home.join(".cache/ccache").exists());
    assert_eq!(report["keep"], "demo: compiler-cache=ccache", "{report}");
    // Nothing is built or measured again; who builds once a month gains nothing.
    let report = trial(home, &only);
    assert_eq!((&report["plan"]["to_build"], &report["keep"]), (&0.into(), &Value::Null));
}
