//! Settings with holes work, and wrong ones are told in one sentence.
//!
//! Does not know what the overlays do with them.

use serde_json::json;

use crate::nix::{Host, SHOSHIN, evaluate, tree};

fn with_settings(settings: &str, expression: &str) -> Result<serde_json::Value, String> {
    evaluate(settings, &tree("fixtures/nixpkgs"), expression)
}

#[test]
#[ignore = "needs Nix; cargo xtask test --install runs it"]
fn holes_are_filled_with_the_universal_profile() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().display().to_string();
    for (name, text) in [("empty.json", ""), ("blank.json", " \n"), ("none.json", "{}")] {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    std::fs::write(folder.path().join("part.json"), r#"{"settings": {"nix-cores": 3}}"#).unwrap();
    let jobs = "let l = (library { }).settings; in [ l.settings.nix-max-jobs l.settings.nix-cores (home.zstd.drvPath == base.zstd.drvPath) ]";
    for settings in [
        "{ }".to_owned(),
        format!("{path}/empty.json"),
        format!("{path}/blank.json"),
        format!("\"{path}/none.json\""),
        "{ settings = null; packages = null; }".to_owned(),
    ] {
        assert_eq!(with_settings(&settings, jobs).unwrap(), json!([1, 2, true]), "{settings}");
    }
    assert_eq!(with_settings(&format!("{path}/part.json"), jobs).unwrap(), json!([1, 3, true]));
    let host = |name: &str| {
        let asked = format!(
            "let l = (library {{ host = \"{name}\"; }}).settings; in [ l.from l.settings.nix-cores ]"
        );
        with_settings(&path, &asked).unwrap()
    };
    assert_eq!(host("part"), json!(["part.json", 3]));
    assert_eq!(host("unknown")[1], 2);
    assert!(host("unknown")[0].as_str().unwrap().contains("there is no unknown.json"));
}

#[test]
#[ignore = "needs Nix; cargo xtask test --install runs it"]
fn mistakes_are_one_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().display().to_string();
    std::fs::write(folder.path().join("host.toml"), SHOSHIN).unwrap();
    let mut told = String::new();
    for settings in [
        "{ settings.cargoBuildJobs = 3; }",
        "{ settings.nix-max-jobs = \"many\"; }",
        "{ settings.rust-lto = \"full\"; }",
        "{ settings.nix-overlays = [ \"everything\" ]; }",
        "{ packages.codex = 3; }",
        "{ packages.codex.settings.cargo-build-job = 3; }",
        "{ settings = [ ]; }",
        "{ schema = 99; }",
        "{ kind = \"other\"; }",
        "{ cpu.threads = 8; }",
        "{ setings = { }; }",
        "3",
        "{ schema = 0; }",
        "{ settings.nix-max-jobs = -3; }",
        "{ packages.zstd.c-lto = \"thin\"; }",
        "{ chosen = [ { } ]; }",
        "{ chosen = [ \"c-lot\" ]; }",
        "{ facts.\"cpu.architecture\" = { }; }",
        "{ processors.gcc = \"znver5\"; }",
        "{ processors.gcc = [ { name = \"znver5\"; } ]; }",
        "{ environment.JOBS = 2; }",
        "{ nix-conf = 3; }",
        "{ nix-conf.cores = [ ]; }",
        "{ host = 3; }",
        "\"settings.json\"",
        "{ settings.foo = null; }",
        "{ settings.nix-max-jobs = 0; }",
        "{ settings.swappiness = 99999; }",
        "{ settings.c-march = \"a b\"; }",
        "{ settings.nix-max-jobs = x: x; }",
        "{ facts.a = [ (x: x) ]; }",
        "{ schema = x: x; }",
        "/nowhere/settings.json",
        &format!("{path}/host.toml"),
        &path,
    ] {
        let error = with_settings(settings, "home.zstd.drvPath").unwrap_err();
        assert!(error.starts_with("ironwright: ") && error.lines().count() == 1, "{error}");
        told.push_str(&format!("{}\n", error.replace(&path, "FOLDER")));
    }
    insta::assert_snapshot!(told);
    let no_host = with_settings(&path, "(library { host = 3; }).settings.level").unwrap_err();
    assert!(no_host.starts_with("ironwright: host must be a text"), "{no_host}");
    let level = with_settings("{ }", "(library { level = \"root\"; }).settings.level").unwrap_err();
    assert_eq!(level, "ironwright: level is \"home\" or \"system\", found \"root\"");
}

#[test]
#[ignore = "needs Nix; cargo xtask test --install runs it"]
fn what_is_no_json_is_told_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("settings.json");
    let mut told = String::new();
    for text in [
        "{",
        "{\n  \"schema\": 1,\n",
        "{\"settings\": {\"nix-cores\": 3}",
        "{\n \"schema\": 1\n \"host\": \"a\"}",
        "{\"schema\": 1,}",
        "{\"schema\": yes}",
        "{\"schema\": 01x}",
        "{\"schema\" 1}",
        "{schema: 1}",
        "{\"host\": \"a}",
        "{\"chosen\": [\"c-lto\"}",
        "{\"chosen\": [1 2]}",
        "{\"schema\": 12345678901234567890}",
        "{} {}",
        "[1]",
        "knobs",
        "{\"a\": 01}",
        "{\"host\": \"a\nb\"}",
        "{\"host\": \"a\\x\"}",
        "{\"host\": \"\\ud800\"}",
        "{\"host\": \"\\u0000\"}",
        "{\"a\": 1e999}",
        "\u{feff}{}",
        "{}\u{c}",
        "{\"schema\": 9223372036854775808}",
    ] {
        std::fs::write(&path, text).unwrap();
        let settings = path.display().to_string();
        let error = with_settings(&settings, "home.zstd.drvPath").unwrap_err();
        assert!(error.starts_with("ironwright: ") && error.lines().count() == 1, "{error}");
        told.push_str(&format!("{error}\n"));
    }
    insta::assert_snapshot!(told);
    let odd = r#"{ "host": "a \" { \\", "facts": {"x": [], "y": [1.5e3, -2, true, null, "é\u00e9\ud83d\ude00", 9223372036854775807]}, "packages": {} }"#;
    std::fs::write(&path, odd).unwrap();
    let host = with_settings(&path.display().to_string(), "(library { }).settings.host");
    assert_eq!(host.unwrap(), json!("a \" { \\"));
}

#[test]
#[ignore = "needs Nix; cargo xtask test --install runs it"]
fn another_architecture_gets_no_flags_of_this_one() {
    let host = Host::of(SHOSHIN);
    let found = host.value(
        "let arm = set { system = \"aarch64-linux\"; overlays = [ (library { }).overlays.default ]; };
             plain = set { system = \"aarch64-linux\"; };
         in [ (arm.zstd.NIX_CFLAGS_COMPILE) (arm.zstd.drvPath == plain.zstd.drvPath) (arm.go.GOAMD64) ]",
    );
    assert_eq!(found, json!(["-DOWN", true, "v1"]));
}

#[test]
#[ignore = "needs Nix; cargo xtask test --install runs it"]
fn the_carried_library_works_on_its_own() {
    let host = Host::of(SHOSHIN);
    assert!(host.emit(&["--vendor", "--write", "--file", "nix/settings.json"]).status.success());
    assert!(host.emit(&["--vendor", "--check", "--file", "nix/settings.json"]).status.success());
    let vendored = host.home.path().join("nix");
    let text = format!("(import {} {{ }}).settings.settings.nix-cores", vendored.display());
    let output = crate::nix::command("nix-instantiate")
        .args(["--eval", "--strict", "--json", "--expr", &text])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "6");
}
