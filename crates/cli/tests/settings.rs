//! `settings` on recorded machines and on this one.
//!
//! Does not test rules in isolation; the catalogue's own tests do.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::process::Command;

use common::{host, ironwright, json, text};
use serde_json::{Value, json};

fn settings(name: &str, more: &[&str]) -> Value {
    let home = tempfile::tempdir().unwrap();
    let root = host(name);
    let arguments = [&["settings", "--json", "--root", &root], more].concat();
    json(&ironwright(home.path(), &arguments))
}

/// What the documents about the reference host agree on.
#[test]
fn the_reference_host_gets_the_values_of_its_documents() {
    let report = settings("shoshin", &[]);
    for (knob, value) in [
        ("build-threads", json!(6)),
        ("cargo-build-jobs", json!(3)),
        ("cmake-build-parallel-level", json!(6)),
        ("c-march", json!("skylake")),
        ("c-lto", json!("off")),
        ("cuda-architectures", json!(["52"])),
        ("go-amd64", json!("v3")),
        ("go-debug", json!("madvdontneed=1")),
        ("linker", json!("mold")),
        ("linker-threads", json!(4)),
        ("nix-cores", json!(6)),
        ("nix-http-connections", json!(128)),
        ("nix-max-jobs", json!(2)),
        ("nix-timeout", json!(86_400)),
        ("node-heap", json!(3072_u64 << 20)),
        ("python-pgo-level", json!("FULL")),
        ("rust-lto", json!("off")),
        ("rust-target-cpu", json!("skylake")),
    ] {
        assert_eq!(report["settings"][knob]["value"], value, "{knob}");
    }
    let budget =
        report["settings"]["memory-budget"]["value"].as_f64().unwrap() / (1_u64 << 30) as f64;
    assert!((budget - 21.0).abs() < 0.03 * 21.0, "{budget}");
}

#[test]
fn each_host_gets_names_that_its_compilers_know() {
    for (name, gcc, rustc, go) in [
        ("kvm-zen4", "x86-64-v3", "znver4", "v3"),
        ("kvm-zen5", "x86-64-v3", "znver5", "v3"),
        ("server-128", "znver4", "znver4", "v3"),
        ("container-v2", "cascadelake", "cascadelake", "v3"),
    ] {
        let report = settings(name, &[]);
        let value = |knob: &str| report["settings"][knob]["value"].clone();
        assert_eq!(
            (value("c-march"), value("rust-target-cpu"), value("go-amd64")),
            (json!(gcc), json!(rustc), json!(go)),
            "{name}"
        );
    }
    let board = settings("aarch64-board", &[]);
    assert_eq!(board["settings"]["go-amd64"]["value"], Value::Null);
    assert!(board["settings"]["c-march"]["value"].as_str().unwrap().starts_with("armv8.2-a"));
}

#[test]
fn a_containers_limits_count() {
    let report = settings("container-v2", &[]);
    let value = |knob: &str| report["settings"][knob]["value"].as_u64().unwrap();
    assert_eq!(value("build-threads"), 2);
    assert!(value("memory-budget") < 4 << 30);
}

#[test]
fn what_is_not_known_is_said() {
    let home = tempfile::tempdir().unwrap();
    let shown = text(&ironwright(home.path(), &["settings", "--root", &host("damaged")]));
    assert!(
        shown.contains("universal profile is used") && shown.contains("memory.ram = 4 GiB"),
        "{shown}"
    );
    assert!(shown.contains("no profile file"), "{shown}");
}

#[test]
fn an_explanation_leads_from_the_hardware_to_the_value() {
    let home = tempfile::tempdir().unwrap();
    let shown = text(&ironwright(
        home.path(),
        &["settings", "--root", &host("shoshin"), "--explain", "cargo-build-jobs"],
    ));
    for part in [
        "memory.ram = 15.6 GiB",
        "/proc/meminfo",
        "build-threads = 6",
        "-> 3",
        "1 to 16",
        "would change it",
        "CARGO_BUILD_JOBS",
    ] {
        assert!(shown.contains(part), "{part} is missing in:\n{shown}");
    }
}

#[test]
fn layers_win_in_their_order_and_only_for_their_package() {
    let home = tempfile::tempdir().unwrap();
    let profile = home.path().join("p.toml");
    std::fs::write(&profile, "[settings]\nmake-jobs = 2\n[packages.codex]\nmake-jobs = 3\n")
        .unwrap();
    let profile = profile.to_str().unwrap();
    let jobs = |more: &[&str]| {
        let arguments = [&["settings", "--json", "--profile", profile], more].concat();
        json(&ironwright(home.path(), &arguments))["settings"]["make-jobs"].clone()
    };
    assert_eq!(jobs(&[])["value"], json!(2));
    assert_eq!(jobs(&["other"])["value"], json!(2));
    let codex = jobs(&["codex"]);
    assert_eq!((&codex["value"], &codex["origin"]["line"]), (&json!(3), &json!(4)));
    assert_eq!(jobs(&["codex", "--set", "make-jobs=4"])["value"], json!(4));
}

#[test]
fn a_misspelt_knob_is_recognised() {
    let home = tempfile::tempdir().unwrap();
    let output = ironwright(home.path(), &["settings", "--explain", "cargo-biuld-jobs"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output).contains("did you mean \"cargo-build-jobs\"?"));
}

#[test]
fn the_report_has_the_published_shape() {
    let home = tempfile::tempdir().unwrap();
    let schema = json(&ironwright(home.path(), &["schema", "settings"]));
    for name in ["shoshin", "damaged", "aarch64-board"] {
        let report = settings(name, &["--explain", "all"]);
        let validator = jsonschema::validator_for(&schema).unwrap();
        let mistakes: Vec<_> =
            validator.iter_errors(&report).map(|e| format!("{}: {e}", e.instance_path())).collect();
        assert_eq!(mistakes, [""; 0], "{name}");
    }
}

/// The names must be ones that the compilers on this machine accept.
#[test]
fn the_compilers_here_accept_what_is_derived_here() {
    let home = tempfile::tempdir().unwrap();
    let report = json(&ironwright(home.path(), &["settings", "--json"]));
    let value = |knob: &str| report["settings"][knob]["value"].as_str().map(str::to_owned);
    if let Some(march) = value("c-march") {
        let status = Command::new("gcc")
            .arg(format!("-march={march}"))
            .args(["-E", "-x", "c", "/dev/null"])
            .output();
        assert!(status.unwrap().status.success(), "{march}");
    }
    let listed = Command::new("rustc").args(["--print", "target-cpus"]).output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    let cpu = value("rust-target-cpu").unwrap();
    assert!(listed.split_whitespace().any(|word| word == cpu), "{cpu}");
}

/// The desktop is outside of a container; what is inside needs little beside the compilers.
#[test]
fn a_container_may_use_nearly_all_of_its_limit() {
    let home = tempfile::tempdir().unwrap();
    let root = host("container-v2");
    let reserved = |set: &str| {
        let arguments =
            ["simulate", EXAMPLE, "--root", &root, "--no-profile", "--set", set, "--json"];
        json(&ironwright(home.path(), &arguments))["budget"].as_u64().unwrap()
    };
    assert_eq!(reserved("memory.limit=3GiB"), (3 << 30) - (32 << 20));
    // Nearly all of the machine's 62.7 GiB: the desktop keeps its share.
    assert!(reserved("memory.limit=62GiB") < 57 << 30);
}

const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/examples/mixed-batch.toml");
