//! `probe` on recorded machines and on this one, against what the machine's own tools say.
//!
//! Does not test the parsers; they have their own tests.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::path::Path;
use std::process::Command;

use common::{host, ironwright, json, text};
use serde_json::{Value, json};

const HOSTS: &[&str] = &[
    "shoshin",
    "wsl",
    "container-v2",
    "aarch64-board",
    "server-128",
    "kvm-zen4",
    "kvm-zen5",
    "damaged",
];

fn probe(name: &str) -> Value {
    let home = tempfile::tempdir().unwrap();
    json(&ironwright(home.path(), &["probe", "--json", "--root", &host(name)]))
}

#[test]
fn recorded_machines_are_recognised() {
    for (name, march, cores, threads, usable) in [
        ("shoshin", "skylake", 4, 8, 8),
        ("wsl", "znver3", 4, 8, 8),
        ("container-v2", "cascadelake", 8, 16, 2),
        ("aarch64-board", "cortex-a76", 4, 4, 4),
        ("server-128", "znver4", 64, 128, 128),
        ("kvm-zen4", "znver4", 2, 2, 2),
        ("kvm-zen5", "znver5", 2, 2, 2),
    ] {
        let cpu = &probe(name)["cpu"];
        assert_eq!(cpu["microarchitecture"]["value"], march, "{name}");
        let count = |key: &str| cpu[key]["value"].as_u64().unwrap();
        assert_eq!(
            (count("cores"), count("threads"), count("usable_threads")),
            (cores, threads, usable),
            "{name}"
        );
    }
}

#[test]
fn memory_limits_devices_and_surroundings_are_read() {
    let shoshin = probe("shoshin");
    assert_eq!(shoshin["memory"]["zram"][0]["ratio"], 3.0);
    assert_eq!(shoshin["gpus"][0]["compute_capability"], "5.2");
    assert_eq!(shoshin["storage"][0]["kind"], "nvme");
    assert_eq!(probe("wsl")["environment"]["wsl"]["value"], "wsl2");
    let container = probe("container-v2");
    assert_eq!(container["cgroup"]["memory_limit"]["value"]["bytes"], json!(4_u64 << 30));
    assert_eq!(container["environment"]["container"]["value"], "docker");
}

#[test]
fn a_damaged_machine_is_a_list_of_problems() {
    let facts = probe("damaged");
    assert!(facts["problems"].as_array().unwrap().len() >= 8, "{}", facts["problems"]);
    assert_eq!(facts["memory"]["total"], Value::Null);
}

#[test]
fn every_report_has_the_published_shape() {
    let home = tempfile::tempdir().unwrap();
    let schema = json(&ironwright(home.path(), &["schema", "probe"]));
    for name in HOSTS {
        assert!(jsonschema::is_valid(&schema, &probe(name)), "{name}");
    }
    assert!(jsonschema::is_valid(&schema, &json(&ironwright(home.path(), &["probe", "--json"]))));
}

fn printed(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).env("LC_ALL", "C").output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn this_machine_is_what_its_own_tools_say() {
    let home = tempfile::tempdir().unwrap();
    let facts = json(&ironwright(home.path(), &["probe", "--json"]));
    let lscpu = printed("lscpu", &[]);
    let said = |key: &str| {
        lscpu
            .lines()
            .find_map(|l| l.trim().strip_prefix(key)?.strip_prefix(':'))
            .map(|v| v.trim().to_owned())
    };
    let cpu = &facts["cpu"];
    assert_eq!(Some(cpu["threads"]["value"].to_string()), said("CPU(s)"));
    if cpu["architecture"]["value"] == "x86_64" {
        assert_eq!(Some(cpu["family"].to_string()), said("CPU family"));
        assert_eq!(Some(cpu["model"].to_string()), said("Model"));
    }
    let meminfo = std::fs::read_to_string("/proc/meminfo").unwrap();
    let total: u64 = meminfo.split_whitespace().nth(1).unwrap().parse().unwrap();
    assert_eq!(facts["memory"]["total"]["value"], json!(total * 1024));
    let rustc = printed("rustc", &["--version"]);
    assert_eq!(facts["tools"]["rustc"]["version"].as_str(), rustc.split(' ').nth(1));
    // rustc and the probe read the same processor by different ways.
    let native = printed("rustc", &["--print", "target-cpus"]);
    let native = native
        .lines()
        .find_map(|l| l.split("currently ").nth(1))
        .map(|l| l.trim_end_matches([')', '.']).to_owned());
    assert_eq!(cpu["microarchitecture"]["value"].as_str().map(str::to_owned), native);
}

fn files(root: &Path) -> Vec<(String, String)> {
    let (mut found, mut queue) = (Vec::new(), vec![root.to_owned()]);
    while let Some(directory) = queue.pop() {
        for path in std::fs::read_dir(directory).unwrap().flatten().map(|entry| entry.path()) {
            if path.is_dir() {
                queue.push(path);
            } else {
                let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
                found.push((path.to_string_lossy().into_owned(), text));
            }
        }
    }
    found
}

/// Facts without what a recording leaves out or what passes with time.
fn comparable(mut facts: Value) -> Value {
    for tool in facts["tools"].as_object_mut().unwrap().values_mut() {
        tool["path"] = Value::Null;
    }
    for pointer in
        ["/hostname", "/memory/available", "/cgroup/path", "/kernel/user_manager", "/problems"]
    {
        *facts.pointer_mut(pointer).unwrap() = Value::Null;
    }
    for limit in ["memory_limit", "memory_high", "swap_limit"] {
        facts["cgroup"][limit]["source"] = Value::Null;
    }
    facts
}

#[test]
fn a_recording_tells_the_same_and_nothing_private() {
    let home = tempfile::tempdir().unwrap();
    let directory = home.path().join("recording");
    let recording = directory.to_str().unwrap();
    assert!(ironwright(home.path(), &["probe", "--record", recording]).status.success());
    let live = json(&ironwright(home.path(), &["probe", "--json"]));
    let again = json(&ironwright(home.path(), &["probe", "--json", "--root", recording]));
    assert_eq!(comparable(live.clone()), comparable(again));
    let hostname = live["hostname"]["value"].as_str().unwrap().to_owned();
    for (path, text) in files(&directory) {
        assert!(!text.contains(home.path().to_str().unwrap()), "{path}");
        assert!(!text.split_whitespace().any(|word| word == hostname), "{path}");
    }
}

#[test]
fn a_recording_spares_what_is_there() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("mine"), "x").unwrap();
    let output = ironwright(home.path(), &["probe", "--record", "."]);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output));
    assert!(!home.path().join("proc").exists());
}

#[test]
fn a_written_profile_follows_the_machine_and_keeps_edits() {
    let home = tempfile::tempdir().unwrap();
    let write =
        |name: &str| text(&ironwright(home.path(), &["probe", "--write", "--root", &host(name)]));
    assert!(write("shoshin").contains("written"));
    let path = home.path().join("hosts/shoshin.toml");
    let original = std::fs::read_to_string(&path).unwrap();
    assert!(write("shoshin").contains("up to date"));
    let edited = original.replace("cores = 4 ", "cores = 3 ").replace(
        "ram = \"16332556KiB\"  # probed: \"16332556KiB\"",
        "ram = \"8GiB\"  # probed: \"8GiB\"",
    );
    assert_ne!(edited, original);
    std::fs::write(&path, &edited).unwrap();
    let said = write("shoshin");
    assert!(
        said.contains("refreshed memory.ram")
            && said.contains("kept as you changed them: cpu.cores"),
        "{said}"
    );
    let now = std::fs::read_to_string(&path).unwrap();
    assert_eq!(now, original.replace("cores = 4 ", "cores = 3 "));
    let shown = text(&ironwright(
        home.path(),
        &["profile", "show", "--origins", "--root", &host("shoshin")],
    ));
    assert!(shown.contains("hosts/shoshin.toml:") && shown.contains("beats 4"), "{shown}");
}
