//! Importing a profile that is written in Nix, and the settings for Nix, through the program.
//!
//! Does not know every attribute; the core's tests do.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod common;

use common::{host, ironwright, json, text};

const PLAIN: &str = "# my desktop\n{\n  cpu = { cores = 4; threads = 8; };\n  memory.ramGB = 16;\n  build = {\n    parallelism = {\n      maxJobs = 3;\n      tier1Cores = 7;\n      maxJbos = 1;\n    };\n    compiler.march = \"skylake\";\n  };\n  packages.codex = { cargoBuildJobs = 3; ulimitVirtualMemoryKB = 4 * 1024 * 1024; };\n}\n";

#[test]
fn a_plain_profile_becomes_a_file_that_works_at_once() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("desktop.nix"), PLAIN).unwrap();
    let import = ironwright(home.path(), &["profile", "import", "desktop.nix", "--write"]);
    let said = text(&import);
    assert!(import.status.success(), "{said}");
    for expected in [
        "hosts/desktop.toml: written",
        "build.parallelism.maxJobs = 3",
        "[settings] nix-max-jobs = 3",
        "[packages.codex] address-space-limit = \"4GiB\"",
        "tiers follow from measured peaks",
        "did you mean maxJobs?",
    ] {
        assert!(said.contains(expected), "{expected}\n{said}");
    }
    let check = ironwright(home.path(), &["profile", "check", "hosts/desktop.toml"]);
    assert!(check.status.success(), "{}", text(&check));
    let settings = json(&ironwright(
        home.path(),
        &["settings", "codex", "--json", "--profile", "hosts/desktop.toml"],
    ));
    assert_eq!(settings["settings"]["cargo-build-jobs"]["value"], 3);
    let again = ironwright(home.path(), &["profile", "import", "desktop.nix", "--write"]);
    assert_eq!(again.status.code(), Some(2), "{}", text(&again));
    assert!(text(&again).contains("is there already"));
}

#[test]
fn without_nix_expressions_are_told_and_left_out() {
    let home = tempfile::tempdir().unwrap();
    let file = "{ lib, ... }: { build.parallelism = { maxJobs = lib.max 2 3; maxCores = 5; }; }\n";
    std::fs::write(home.path().join("h.nix"), file).unwrap();
    let import = ironwright(home.path(), &["profile", "import", "h.nix", "--without-nix"]);
    let said = text(&import);
    assert!(import.status.success(), "{said}");
    assert!(said.contains("nix-cores = 5") && !said.contains("nix-max-jobs ="), "{said}");
    assert!(said.contains("without Nix its value is not known"), "{said}");
}

#[test]
fn what_is_no_nix_says_where() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("h.nix"), "{\n  a = = 1;\n}\n").unwrap();
    let import = ironwright(home.path(), &["profile", "import", "h.nix"]);
    assert_eq!(import.status.code(), Some(3));
    assert!(text(&import).contains("h.nix:2:"), "{}", text(&import));
    for (text, line, told) in [
        ("{ a = 1 }", 1, "not valid Nix: expected a semicolon"),
        (
            "{\n  cpu.cores = 4;\n  cpu.cores = 8;\n}",
            3,
            "not valid Nix: cores is defined twice, first in line 2",
        ),
        ("{ cpu = 1;\n cpu.cores = 8; }", 2, "not valid Nix: cpu is defined twice"),
        (
            "{ cpu.cores = 12345678901234567890; }",
            1,
            "not valid Nix: 12345678901234567890 is more than",
        ),
        ("let a = 1;\n a = 2; in { }", 2, "not valid Nix: a is defined twice"),
        ("[ 1 2 ]", 1, "a profile is an attribute set, and this is [ 1 2 ]"),
        ("3", 1, "a profile is an attribute set, and this is 3"),
    ] {
        std::fs::write(home.path().join("h.nix"), text).unwrap();
        let words = ["profile", "import", "h.nix", "--without-nix", "--write"];
        let import = ironwright(home.path(), &words);
        let said = common::text(&import);
        assert!(import.status.code() == Some(3) && said.contains(told), "{text}: {said}");
        assert!(said.contains(&format!("h.nix:{line}:")), "{text}: {said}");
        assert!(!home.path().join("hosts").exists());
    }
    std::fs::write(home.path().join("h.nix"), "{ build = 5; gpu = [ ]; build2 = 1; }").unwrap();
    let said = text(&ironwright(home.path(), &["profile", "import", "h.nix"]));
    assert!(said.contains("expected an attribute set, found 5"), "{said}");
    let missing = ironwright(home.path(), &["profile", "import", "absent.nix"]);
    assert_eq!(missing.status.code(), Some(4), "{}", text(&missing));
}

#[test]
fn settings_for_nix_are_of_their_schema_and_fit_every_compiler() {
    let home = tempfile::tempdir().unwrap();
    let emit =
        |machine: &str| json(&ironwright(home.path(), &["emit", "nix", "--root", &host(machine)]));
    let schema = json(&ironwright(home.path(), &["schema", "nix-settings"]));
    for machine in ["shoshin", "kvm-zen4", "aarch64-board", "damaged", "wsl"] {
        let document = emit(machine);
        let validator = jsonschema::validator_for(&schema).unwrap();
        assert!(validator.is_valid(&document), "{machine}");
        assert_eq!(document["schema"], 1);
    }
    // gcc 12.3 took the name over from 13.1.
    let zen4 = &emit("kvm-zen4")["processors"];
    assert_eq!(zen4["gcc"][0], serde_json::json!({"from": "12.3", "name": "znver4"}));
    assert_eq!(emit("shoshin")["processors"]["gcc"][0]["name"], "skylake");
}

#[test]
fn the_old_shape_is_written_for_modules_that_expect_it() {
    let home = tempfile::tempdir().unwrap();
    let root = host("shoshin");
    let shape = json(&ironwright(home.path(), &["emit", "nix", "--legacy-shape", "--root", &root]));
    assert_eq!(shape["build"]["parallelism"]["maxJobs"], 2);
    assert_eq!(shape["build"]["parallelism"]["tier1MemoryLimit"], 13);
    assert_eq!(shape["build"]["compiler"]["march"], "skylake");
    let wrong = ironwright(home.path(), &["emit", "go", "--legacy-shape"]);
    assert_eq!(wrong.status.code(), Some(2), "{}", text(&wrong));
}

fn with_nix(home: &std::path::Path, words: &[&str]) -> String {
    let nix = std::env::var("IRONWRIGHT_NIX_BIN").expect("the checks name a Nix");
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_ironwright"))
        .args(words)
        .env("PATH", format!("{nix}:{}", std::env::var("PATH").unwrap()))
        .env("NO_COLOR", "1")
        .current_dir(home)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output));
    text(&output)
}

#[test]
#[ignore = "needs Nix; cargo xtask test --install runs it"]
fn with_nix_expressions_are_evaluated() {
    let home = tempfile::tempdir().unwrap();
    let file = "{ ... }: let f = n: n + 1; in { hostname = \"tower\"; build.parallelism.maxJobs = f 2; }\n";
    std::fs::write(home.path().join("h.nix"), file).unwrap();
    let said = with_nix(home.path(), &["profile", "import", "h.nix"]);
    assert!(said.contains("nix-max-jobs = 3") && said.contains("name = \"tower\""), "{said}");
}

#[test]
#[ignore = "needs Nix; cargo xtask test --install runs it"]
fn what_is_no_data_takes_nothing_else_with_it() {
    let home = tempfile::tempdir().unwrap();
    // A function, a throw and a package can be left out by Nix itself; the missing attribute ends an evaluation.
    for odd in
        ["helper = x: x;", "broken = throw \"no\";", "tool = pkgs.hello;", "gone = pkgs.gone;"]
    {
        let file = format!(
            "{{ lib, pkgs, ... }}: let mk = x: x * 2; in {{\n  memory.ramGB = mk 8;\n  {odd}\n  \
             build.parallelism.maxJobs = lib.mkDefault (lib.max 2 3);\n}}\n"
        );
        std::fs::write(home.path().join("h.nix"), file).unwrap();
        let said = with_nix(home.path(), &["profile", "import", "h.nix"]);
        assert!(
            said.contains("ram = \"16GiB\"") && said.contains("nix-max-jobs = 3"),
            "{odd}: {said}"
        );
        assert!(said.contains("not understood: 1 attribute"), "{odd}: {said}");
        assert!(said.lines().any(|line| line.trim_start().starts_with("2 ")), "lines stay: {said}");
    }
}

#[test]
fn the_old_shape_is_read_back_and_says_only_what_was_said() {
    let home = tempfile::tempdir().unwrap();
    let file = "{ memory.ramGB = 15; build.compiler.march = \"skylake\"; packages.codex = { cargoBuildJobs = 2; ulimitVirtualMemoryKB = 300001; }; }";
    std::fs::write(home.path().join("h.nix"), file).unwrap();
    ironwright(home.path(), &["profile", "import", "h.nix", "-o", "one.toml"]);
    let old = ironwright(home.path(), &["--profile", "one.toml", "emit", "nix", "--legacy-shape"]);
    let old = String::from_utf8(old.stdout).unwrap();
    assert!(!old.contains("ulimitVirtualMemoryGB"), "{old}");
    std::fs::write(home.path().join("h.json"), old).unwrap();
    let back = ironwright(home.path(), &["profile", "import", "h.json", "-o", "two.toml"]);
    assert!(back.status.success(), "{}", text(&back));
    let tables = |name: &str| {
        let text = std::fs::read_to_string(home.path().join(name)).unwrap();
        let table: toml::Table = text.parse().unwrap();
        table["packages"].clone()
    };
    assert_eq!(tables("one.toml"), tables("two.toml"));
}

#[test]
fn what_contradicts_is_told_as_that() {
    let home = tempfile::tempdir().unwrap();
    let file = "{ packages.a = { enableThinLTO = true; disableLTO = true; cargoBuildJobs = 2; }; packages.b = { lto = \"thin\"; enableThinLTO = true; }; }";
    std::fs::write(home.path().join("h.nix"), file).unwrap();
    let said = text(&ironwright(home.path(), &["profile", "import", "h.nix"]));
    assert!(said.contains("enableThinLTO says \"thin\" and was taken"), "{said}");
    assert!(said.contains("packages.b.lto says it already"), "{said}");
}
