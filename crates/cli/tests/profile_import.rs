//! Importing a profile that is written in Nix, and the settings for Nix, through the program.
//!
//! Does not know every attribute; the core's tests do.

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
    assert!(said.contains("Nix is needed to know its value"), "{said}");
}

#[test]
fn what_is_no_nix_says_where() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("h.nix"), "{\n  a = = 1;\n}\n").unwrap();
    let import = ironwright(home.path(), &["profile", "import", "h.nix"]);
    assert_eq!(import.status.code(), Some(2));
    assert!(text(&import).contains("h.nix:2: not valid Nix"), "{}", text(&import));
    for (text, told) in [
        ("{ a = 1 }", "h.nix:1: not valid Nix: expected a semicolon"),
        (
            "{\n  cpu.cores = 4;\n  cpu.cores = 8;\n}",
            "h.nix:3: not valid Nix: cores is defined twice, first in line 2",
        ),
        ("{ cpu = 1;\n cpu.cores = 8; }", "h.nix:2: not valid Nix: cpu is defined twice"),
        (
            "{ cpu.cores = 12345678901234567890; }",
            "h.nix:1: not valid Nix: 12345678901234567890 is more than",
        ),
        ("let a = 1;\n a = 2; in { }", "h.nix:2: not valid Nix: a is defined twice"),
        ("[ 1 2 ]", "a profile is an attribute set, and this is [ 1 2 ]"),
        ("3", "a profile is an attribute set, and this is 3"),
    ] {
        std::fs::write(home.path().join("h.nix"), text).unwrap();
        let words = ["profile", "import", "h.nix", "--without-nix", "--write"];
        let import = ironwright(home.path(), &words);
        let said = common::text(&import);
        assert!(import.status.code() == Some(2) && said.contains(told), "{text}: {said}");
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

#[test]
#[ignore = "needs Nix; cargo xtask test --install runs it"]
fn with_nix_expressions_are_evaluated() {
    let home = tempfile::tempdir().unwrap();
    let file = "{ ... }: let f = n: n + 1; in { hostname = \"tower\"; build.parallelism.maxJobs = f 2; }\n";
    std::fs::write(home.path().join("h.nix"), file).unwrap();
    let nix = std::env::var("IRONWRIGHT_NIX_BIN").expect("the checks name a Nix");
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_ironwright"))
        .args(["profile", "import", "h.nix"])
        .env("PATH", format!("{nix}:{}", std::env::var("PATH").unwrap()))
        .env("NO_COLOR", "1")
        .current_dir(home.path())
        .output()
        .unwrap();
    let said = text(&output);
    assert!(said.contains("nix-max-jobs = 3") && said.contains("name = \"tower\""), "{said}");
}
