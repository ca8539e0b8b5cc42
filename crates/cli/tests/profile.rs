//! `profile` on files with and without mistakes.
//!
//! Does not test every kind of mistake; the parser's own tests do.

mod common;

use common::{host, ironwright, json, text};

#[test]
fn all_mistakes_of_a_file_are_told_in_one_run() {
    let home = tempfile::tempdir().unwrap();
    let file = "schema = 1\n[cpu]\nthraeds = 8\n[memory]\nram = 14\n[settings]\nmake-jobs = \"many\"\n[packages.codex]\ncargo-build-jobs = 4000\n";
    std::fs::write(home.path().join("p.toml"), file).unwrap();
    let output =
        ironwright(home.path(), &["profile", "check", "p.toml", "--root", &host("shoshin")]);
    assert_eq!(output.status.code(), Some(3));
    let shown = text(&output);
    for part in [
        "p.toml:3:1",
        "cpu.threads",
        "p.toml:5:7",
        "14GiB",
        "p.toml:7:13",
        "p.toml:9:20",
        "1 to 16",
        "4 mistakes found",
    ] {
        assert!(shown.contains(part), "{part} is missing in:\n{shown}");
    }
}

#[test]
fn mistakes_in_flags_and_files_that_cannot_be_read_are_told() {
    let home = tempfile::tempdir().unwrap();
    let output = ironwright(home.path(), &["profile", "show", "--set", "memory.ram=14"]);
    assert!(
        output.status.code() == Some(3) && text(&output).contains("a size needs a unit"),
        "{}",
        text(&output)
    );
    let output = ironwright(home.path(), &["profile", "check", "absent.toml"]);
    assert!(
        output.status.code() == Some(4) && text(&output).contains("absent.toml"),
        "{}",
        text(&output)
    );
    std::fs::write(home.path().join("p.toml"), [0x61, 0xff]).unwrap();
    let output = ironwright(home.path(), &["profile", "check", "p.toml"]);
    assert!(text(&output).contains("not UTF-8 text at byte 1"), "{}", text(&output));
}

#[test]
fn a_profile_of_another_host_mixes_nothing_in() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(
        home.path().join("p.toml"),
        "[host]\nname = \"elsewhere\"\n[cpu]\nthreads = 64\n",
    )
    .unwrap();
    let output = ironwright(home.path(), &["profile", "show", "--json", "--profile", "p.toml"]);
    let shown = json(&output);
    assert_eq!(shown["host"]["cpu.threads"].as_array().unwrap().len(), 2);
    assert!(text(&output).contains("describes another host"));
}

#[test]
fn a_written_profile_fits_its_schema() {
    let home = tempfile::tempdir().unwrap();
    for name in ["shoshin", "aarch64-board", "damaged"] {
        let file = format!("{name}.toml");
        let output = ironwright(
            home.path(),
            &["probe", "--write", "--profile", &file, "--root", &host(name)],
        );
        assert!(output.status.success(), "{}", text(&output));
        let profile: toml::Table =
            std::fs::read_to_string(home.path().join(&file)).unwrap().parse().unwrap();
        let schema = json(&ironwright(home.path(), &["profile", "schema"]));
        let profile = serde_json::to_value(profile).unwrap();
        let mistakes: Vec<_> = jsonschema::validator_for(&schema)
            .unwrap()
            .iter_errors(&profile)
            .map(|e| e.to_string())
            .collect();
        assert_eq!(mistakes, [""; 0], "{name}");
    }
}
