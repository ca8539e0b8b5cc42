//! `ironwright simulate` through the binary.
//!
//! Does not know the policy; it checks what is printed.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod common;

use common::{host, ironwright, json, text};
use serde_json::Value;

const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/examples/mixed-batch.toml");

fn simulated(arguments: &[&str]) -> Value {
    let home = tempfile::tempdir().expect("a directory");
    let fixed = ["simulate", EXAMPLE, "--budget", "3GiB", "--threads", "2", "--json"];
    json(&ironwright(home.path(), &[&fixed, arguments].concat()))
}

#[test]
fn policies_are_compared() {
    let report = simulated(&["--policy", "governor", "--policy", "make:1", "--policy", "make:39"]);
    let figure = |index: usize, name: &str| report["policies"][index][name].as_f64();
    assert_eq!(report["jobs"], 39);
    assert!(figure(0, "of_bound") < Some(1.15), "{report}");
    assert!(figure(1, "makespan_seconds") > Some(30.0), "{report}");
    assert_eq!((figure(0, "lost"), figure(1, "lost")), (Some(0.0), Some(0.0)));
    assert!(figure(2, "lost") > Some(0.0), "{report}");
}

#[test]
fn the_profile_says_what_no_flag_says() {
    let home = tempfile::tempdir().expect("a directory");
    let root = host("server-128");
    let report = json(&ironwright(home.path(), &["simulate", EXAMPLE, "--root", &root, "--json"]));
    let settings = json(&ironwright(home.path(), &["settings", "--root", &root, "--json"]));
    let text = settings.to_string();
    assert!(text.contains(&report["budget"].to_string()), "{report}");
    assert!(report["threads"].as_u64() > Some(100), "{report}");
}

#[test]
fn a_seed_decides_the_order() {
    let one = simulated(&["--seed", "1", "--policy", "make:2"]);
    assert_eq!(one, simulated(&["--seed", "1", "--policy", "make:2"]));
    assert_ne!(one, simulated(&["--seed", "2", "--policy", "make:2"]));
}

#[test]
fn a_mistake_names_file_and_line() {
    let home = tempfile::tempdir().expect("a directory");
    let path = home.path().join("batch.toml");
    let text_of_file = "[[job]]\nmemory = \"1 GiB\"\ncpu = 1\nthread = 2\n";
    std::fs::write(&path, text_of_file).expect("a file");
    let output = ironwright(home.path(), &["simulate", "batch.toml"]);
    assert_eq!(output.status.code(), Some(2));
    let text = text(&output);
    assert!(text.contains("batch.toml: line 4") && text.contains("thread"), "{text}");
}
