//! The README: every console transcript is what the program prints, and the first command works.
//!
//! Does not judge prose.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

fn readme() -> String {
    std::fs::read_to_string(root().join("README.md")).unwrap()
}

/// The contents of fenced blocks of a language.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let fence = format!("```{language}\n");
    text.split(&fence)
        .skip(1)
        .filter_map(|rest| rest.split("\n```").next())
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_transcript_is_what_is_printed() {
    let home = tempfile::tempdir().unwrap();
    let transcripts = blocks(&readme(), "console");
    assert!(transcripts.len() >= 2);
    for transcript in transcripts {
        let (command, expected) = transcript.split_once('\n').unwrap();
        let words: Vec<_> = command.strip_prefix("$ ironwright ").unwrap().split(' ').collect();
        let output = Command::new(env!("CARGO_BIN_EXE_ironwright"))
            .args(words)
            .current_dir(root())
            .env("HOME", home.path())
            .env("XDG_CACHE_HOME", home.path())
            .env("NO_COLOR", "1")
            .output()
            .unwrap();
        let printed = [output.stdout, output.stderr].concat();
        let printed = String::from_utf8(printed).unwrap();
        assert_eq!(printed.trim_end(), expected, "{command}");
    }
}

/// The shape of a line: its words with every number left out.
fn shape(line: &str) -> String {
    line.split_whitespace()
        .filter(|word| !word.starts_with(|c: char| c.is_ascii_digit()) && !word.starts_with('/'))
        .take(3)
        .collect::<Vec<_>>()
        .join(" ")
}

/// Builds ripgrep for real, which takes the registry and a minute or two.
#[test]
#[ignore = "needs the registry of crates; cargo xtask test --install runs it"]
fn the_first_command_builds_ripgrep_and_sums_up() {
    let commands = blocks(&readme(), "sh");
    let first = commands[0].strip_prefix("cargo run --release -- ").unwrap();
    let home = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_ironwright"))
        .args(first.split(' '))
        .current_dir(root())
        .env("XDG_STATE_HOME", home.path().join("state"))
        .env("XDG_RUNTIME_DIR", home.path())
        .env("XDG_DATA_HOME", home.path().join("data"))
        .env("NO_COLOR", "1")
        .env_remove("CARGO_TARGET_DIR")
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{printed}");
    let summary = &blocks(&readme(), "text")[0];
    for line in summary.lines() {
        let wanted = shape(line).split(' ').next().unwrap_or_default().to_owned();
        assert!(
            printed.lines().any(|l| shape(l).starts_with(&wanted)),
            "no line like `{line}` in:\n{printed}"
        );
    }
    let program = home.path().join("data/ironwright/packages/ripgrep-14.1.1/bin/rg");
    let version = Command::new(program).arg("--version").output().unwrap();
    assert!(String::from_utf8_lossy(&version.stdout).starts_with("ripgrep 14.1.1"));
}
