//! `emit` into files that other people wrote, read back by the tools themselves.
//!
//! Does not test the editors on odd texts; the core's property tests do.

mod common;

use std::process::Command;

use common::{host, ironwright, json, text};

#[test]
fn a_shell_reads_exactly_the_values() {
    let home = tempfile::tempdir().unwrap();
    let root = host("shoshin");
    let script = ironwright(home.path(), &["emit", "env", "--candidates", "--root", &root]);
    let wanted =
        json(&ironwright(home.path(), &["emit", "env", "--candidates", "--json", "--root", &root]));
    let script = format!("{}\nenv\n", String::from_utf8(script.stdout).unwrap());
    let output = Command::new("sh").args(["-c", &script]).output().unwrap();
    let environment = String::from_utf8(output.stdout).unwrap();
    for assignment in wanted.as_array().unwrap() {
        let parts: Vec<_> =
            assignment["parts"].as_array().unwrap().iter().map(|p| p.as_str().unwrap()).collect();
        let line = format!("{}={}", assignment["key"].as_str().unwrap(), parts.join(" "));
        assert!(environment.lines().any(|l| l == line), "{line}");
    }
    assert!(environment.contains("CFLAGS=-O2 -march=skylake"), "{environment}");
}

#[test]
fn cargos_configuration_keeps_everything_else() {
    let home = tempfile::tempdir().unwrap();
    let before = "# mine\n[net]\nretry   = 3 # why not\n";
    std::fs::create_dir(home.path().join(".cargo")).unwrap();
    let path = home.path().join(".cargo/config.toml");
    std::fs::write(&path, before).unwrap();
    let root = host("shoshin");
    let emit = |more: &[&str]| {
        ironwright(home.path(), &[&["emit", "cargo", "--root", &root], more].concat())
    };
    assert_eq!(emit(&["--check"]).status.code(), Some(1));
    assert!(emit(&["--write"]).status.success());
    let after = std::fs::read_to_string(&path).unwrap();
    assert!(
        after.starts_with(before) && after.contains("jobs = 3 # ironwright: cargo-build-jobs"),
        "{after}"
    );
    assert_eq!(emit(&["--check"]).status.code(), Some(0));
    let changed = emit(&["--check", "--diff", "--set", "cargo-build-jobs=1"]);
    assert_eq!(changed.status.code(), Some(1));
    assert!(
        text(&changed).contains("-jobs = 3") && text(&changed).contains("+jobs = 1"),
        "{}",
        text(&changed)
    );
    std::fs::write(
        home.path().join("Cargo.toml"),
        "[package]\nname = \"x\"\nversion = \"0.1.0\"\n[lib]\npath = \"x.rs\"\n",
    )
    .unwrap();
    std::fs::write(home.path().join("x.rs"), "").unwrap();
    let read = Command::new("cargo")
        .args(["metadata", "--no-deps", "--format-version=1"])
        .current_dir(home.path())
        .output();
    assert!(read.unwrap().status.success());
}

#[test]
fn a_users_key_stays_and_is_named() {
    let home = tempfile::tempdir().unwrap();
    let root = host("shoshin");
    for (target, file, theirs) in [
        ("cargo", "c.toml", "[build]\njobs = 8\n"),
        ("nix-conf", "nix.conf", "cores = 8\n"),
        ("node", "npmrc", "maxsockets=8\n"),
        ("go", "goenv", "GOFLAGS=-p=8\n"),
    ] {
        std::fs::write(home.path().join(file), theirs).unwrap();
        let output =
            ironwright(home.path(), &["emit", target, "--write", "--file", file, "--root", &root]);
        assert!(text(&output).contains("is yours and stays"), "{target}: {}", text(&output));
        let after = std::fs::read_to_string(home.path().join(file)).unwrap();
        assert!(after.starts_with(theirs.trim_end()), "{target}: {after}");
        let again =
            ironwright(home.path(), &["emit", target, "--check", "--file", file, "--root", &root]);
        assert_eq!(again.status.code(), Some(0), "{target}");
    }
}

#[test]
fn a_preset_is_made_and_a_broken_file_told() {
    let home = tempfile::tempdir().unwrap();
    let root = host("shoshin");
    let emit = |more: &[&str]| {
        ironwright(home.path(), &[&["emit", "cmake", "--root", &root], more].concat())
    };
    assert!(emit(&["--write", "--candidates"]).status.success());
    let path = home.path().join("CMakeUserPresets.json");
    let presets: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    assert_eq!(presets["buildPresets"][0]["jobs"], 6);
    assert_eq!(presets["configurePresets"][0]["cacheVariables"]["CMAKE_CUDA_ARCHITECTURES"], "52");
    std::fs::write(&path, "{\n  broken").unwrap();
    let output = emit(&["--write"]);
    assert_eq!(output.status.code(), Some(3));
    assert!(text(&output).contains("line 2"), "{}", text(&output));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "{\n  broken");
}

#[test]
fn files_that_somebody_else_wrote_are_not_replaced_by_the_library() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("nix/overlays/default.nix");
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, "# mine\n").unwrap();
    let vendor = |more: &[&str]| {
        ironwright(home.path(), &[&["emit", "nix", "--vendor", "--write"], more].concat())
    };
    let refused = vendor(&[]);
    assert_eq!(refused.status.code(), Some(2), "{}", text(&refused));
    assert!(text(&refused).contains("nix/overlays/default.nix is there"), "{}", text(&refused));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "# mine\n");
    assert!(!home.path().join("nix/default.nix").exists(), "nothing is half-written");
    assert!(vendor(&["--force"]).status.success());
    assert!(vendor(&[]).status.success(), "what it wrote it may write again");
    // A line that somebody added since is theirs.
    let own = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("{own}# more\n")).unwrap();
    assert_eq!(vendor(&[]).status.code(), Some(2));
    // An older version of the library is ours, because the list says so.
    std::fs::write(&path, "# old\n").unwrap();
    let list = home.path().join("nix/.ironwright-library.json");
    let text_of_list = std::fs::read_to_string(&list).unwrap();
    let mut written: serde_json::Value = serde_json::from_str(&text_of_list).unwrap();
    let old = ironwright_host::tree::hash_of_texts(["# old\n"]);
    written["files"]["overlays/default.nix"] = old.into();
    std::fs::write(&list, written.to_string()).unwrap();
    assert!(vendor(&[]).status.success());
    std::fs::write(home.path().join("nix/settings.json"), "{\"mine\": 1}").unwrap();
    let settings = ironwright(home.path(), &["emit", "nix", "--write"]);
    assert_eq!(settings.status.code(), Some(2), "{}", text(&settings));
    let package = ironwright(home.path(), &["emit", "nix", "--package", "codex"]);
    assert_eq!(package.status.code(), Some(2), "{}", text(&package));
}

#[test]
fn flags_of_an_unknown_compiler_are_those_that_all_understand() {
    let home = tempfile::tempdir().unwrap();
    let flags = |tools: &str| {
        std::fs::write(
            home.path().join("h.toml"),
            format!("schema = 1\n[host]\nname = \"other\"\n[tools]\n{tools}\n"),
        )
        .unwrap();
        let words = ["--profile", "h.toml", "--set", "c-lto=thin", "emit", "nix"];
        json(&ironwright(home.path(), &words))["environment"]["CFLAGS"].as_str().unwrap().to_owned()
    };
    assert!(flags("").ends_with("-flto"), "{}", flags(""));
    assert!(flags("clang = \"17.0\"").ends_with("-flto=thin"));
    assert!(flags("gcc = \"12.2\"").ends_with("-flto=auto"));
}
